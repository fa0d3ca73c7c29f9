"""Which credentials open which resource."""

import base64
import hmac

import orjson

from crawler.emulator.accounts import AccessTokens, ServiceAccount
from crawler.emulator.errors import Unauthenticated
from crawler.emulator.scopes import KNOWN_OAUTH_SCOPES, resource
from crawler.emulator.tokens import RegistryTokens

ANYTHING = ""  # the scope of /v2/ itself, which any live credentials open

_NO_CREDENTIAL = "not authenticated: No valid credential was supplied."


class Gate:
    """Reads Authorization headers. What opens nothing raises Unauthenticated."""

    def __init__(
        self, *, account: ServiceAccount, access_tokens: AccessTokens, registry_tokens: RegistryTokens
    ) -> None:
        self._account = account
        self._access_tokens = access_tokens
        self._registry_tokens = registry_tokens

    def admit(self, authorization: str | None, scope: str) -> frozenset[str]:
        """The OAuth scopes of someone who asks for `scope` with a token of either kind or a password."""
        scheme, value = _split(authorization)
        if scheme != "bearer":
            return self.identify(authorization)
        if value.startswith("ya29."):
            return self._access_tokens.scopes(value)
        grant = self._registry_tokens.read(value)
        if scope not in (ANYTHING, grant.scope):
            raise Unauthenticated(f"Requested repository does not match bearer token resource: {resource(grant.scope)}")
        return grant.oauth_scopes

    def identify(self, authorization: str | None) -> frozenset[str]:
        """The OAuth scopes of someone who sends a user and a password, as the token endpoint wants it."""
        scheme, value = _split(authorization)
        if scheme != "basic":
            raise Unauthenticated(_NO_CREDENTIAL)
        user, _, password = _decoded(value).partition(":")
        match user:
            case "_token" | "oauth2accesstoken":
                return self._access_tokens.scopes(password)
            case "_json_key":
                return self._holder_of(password)
            case "_json_key_base64":
                return self._holder_of(_decoded(password))
            case _:
                raise Unauthenticated(f"not authenticated: unknown user {user!r}")

    def bearer(self, authorization: str | None) -> frozenset[str]:
        """The OAuth scopes of someone who sends an access token, the one thing that Google's APIs want."""
        scheme, value = _split(authorization)
        if scheme != "bearer":
            raise Unauthenticated(_NO_CREDENTIAL)
        return self._access_tokens.scopes(value)

    def _holder_of(self, key: str) -> frozenset[str]:
        try:
            offered = orjson.loads(key)
        except orjson.JSONDecodeError:
            offered = None
        if not isinstance(offered, dict) or not all(
            hmac.compare_digest(str(offered.get(part)).encode(), self._account.key[part].encode())
            for part in ("private_key_id", "private_key")
        ):
            raise Unauthenticated("not authenticated: The service account key is invalid.")
        return KNOWN_OAUTH_SCOPES


def _split(authorization: str | None) -> tuple[str, str]:
    scheme, _, value = (authorization or "").partition(" ")
    return scheme.lower(), value.strip()


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        raise Unauthenticated("not authenticated: The credentials are not base64.") from None
