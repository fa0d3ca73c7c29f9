"""Authentication and authorization of requests, by their Authorization headers."""

import base64
import hmac

import orjson

from crawler.emulator.accounts import AccessTokens, ServiceAccount
from crawler.emulator.errors import Unauthenticated
from crawler.emulator.scopes import KNOWN_OAUTH_SCOPES, resource
from crawler.emulator.tokens import RegistryTokens

ANY_SCOPE = ""  # the scope of /v2/ itself: any valid credentials are enough

_NO_CREDENTIAL = "not authenticated: No valid credential was supplied."


class Authenticator:
    """Checks Authorization headers. Methods return OAuth scopes; all of them raise Unauthenticated."""

    def __init__(
        self, *, account: ServiceAccount, access_tokens: AccessTokens, registry_tokens: RegistryTokens
    ) -> None:
        self._account = account
        self._access_tokens = access_tokens
        self._registry_tokens = registry_tokens

    def authorize(self, authorization: str | None, scope: str) -> frozenset[str]:
        """For a registry endpoint that needs `scope`: accepts a registry token, an access token or a password."""
        scheme, value = _split_authorization(authorization)
        if scheme != "bearer":
            return self.authenticate_basic(authorization)
        if value.startswith("ya29."):
            return self._access_tokens.scopes(value)
        grant = self._registry_tokens.verify(value)
        if scope not in (ANY_SCOPE, grant.scope):
            raise Unauthenticated(f"Requested repository does not match bearer token resource: {resource(grant.scope)}")
        return grant.oauth_scopes

    def authenticate_basic(self, authorization: str | None) -> frozenset[str]:
        """For the token endpoint: accepts a user name and a password.

        The user names are Google's (cloud.google.com/artifact-registry/docs/docker/authentication): oauth2accesstoken
        or _token with an access token, _json_key or _json_key_base64 with a service account's key.
        """
        scheme, value = _split_authorization(authorization)
        if scheme != "basic":
            raise Unauthenticated(_NO_CREDENTIAL)
        user, _, password = _decode_base64(value).partition(":")
        match user:
            case "_token" | "oauth2accesstoken":
                return self._access_tokens.scopes(password)
            case "_json_key":
                return self._check_key(password)
            case "_json_key_base64":
                return self._check_key(_decode_base64(password))
            case _:
                raise Unauthenticated(f"not authenticated: unknown user {user!r}")

    def authenticate_bearer(self, authorization: str | None) -> frozenset[str]:
        """For Google's REST APIs: accepts an access token and nothing else."""
        scheme, value = _split_authorization(authorization)
        if scheme != "bearer":
            raise Unauthenticated(_NO_CREDENTIAL)
        return self._access_tokens.scopes(value)

    def _check_key(self, key: str) -> frozenset[str]:
        try:
            given = orjson.loads(key)
        except orjson.JSONDecodeError:
            given = None
        if not isinstance(given, dict) or not all(
            hmac.compare_digest(str(given.get(part)).encode(), self._account.key[part].encode())
            for part in ("private_key_id", "private_key")
        ):
            raise Unauthenticated("not authenticated: The service account key is invalid.")
        return KNOWN_OAUTH_SCOPES


def _split_authorization(authorization: str | None) -> tuple[str, str]:
    scheme, _, value = (authorization or "").partition(" ")
    return scheme.lower(), value.strip()


def _decode_base64(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        raise Unauthenticated("not authenticated: The credentials are not base64.") from None
