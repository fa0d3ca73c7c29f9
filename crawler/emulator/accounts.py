"""A service account, and the OAuth2 access tokens that it gets for its signed assertions."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from crawler.emulator.errors import OAuthError, Unauthenticated
from crawler.emulator.scopes import KNOWN_OAUTH_SCOPES

# google-auth signs assertions for this audience, whatever token_uri the key file has
# (googleapis/google-auth-library-python google/oauth2/service_account.py, _GOOGLE_OAUTH2_TOKEN_ENDPOINT).
_GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token"
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_MAX_ASSERTION_LIFETIME_S = 3600
_CLOCK_SKEW_S = 60  # how far the client's clock may be ahead of the emulator's


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """`key` is the content of the JSON key file; `public_key` verifies the assertions signed with that key."""

    key: dict[str, str]
    public_key: rsa.RSAPublicKey


def new_account(*, project: str, registry: str) -> ServiceAccount:
    """Create a service account with a fresh key, whose token_uri is the emulator at `registry` (host:port)."""
    private_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    email = f"registry-crawler@{project.replace('/', '-')}.iam.gserviceaccount.com"
    pem = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key = {
        "type": "service_account",
        "project_id": project,
        "private_key_id": secrets.token_hex(20),
        "private_key": pem.decode(),
        "client_email": email,
        "client_id": str(secrets.randbelow(10**21)).zfill(21),
        "auth_uri": f"http://{registry}/oauth2/auth",
        "token_uri": f"http://{registry}/oauth2/token",
        "auth_provider_x509_cert_url": f"http://{registry}/oauth2/v1/certs",
        "client_x509_cert_url": f"http://{registry}/robot/v1/metadata/x509/{email}",
        "universe_domain": "googleapis.com",
    }
    return ServiceAccount(key=key, public_key=private_key.public_key())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grant:
    scopes: frozenset[str]
    expires_at: float


class AccessTokens:
    """The OAuth2 access tokens of one account. `clock` returns seconds since the epoch."""

    def __init__(self, account: ServiceAccount, *, lifetime_s: int, clock: Callable[[], float] = time.time) -> None:
        self._account = account
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._grants: dict[str, _Grant] = {}

    def exchange(self, *, grant_type: str, assertion: str) -> dict[str, str | int]:
        """The token endpoint's response to a signed assertion (RFC 7523 §2.1). Raises OAuthError."""
        if grant_type != _JWT_BEARER:
            raise OAuthError("unsupported_grant_type", f"Invalid grant_type: {grant_type}")
        claims = self._verified_claims(assertion)
        self._check_times(claims)
        scopes = _known_scopes(claims)
        self._drop_expired()
        token = f"ya29.{secrets.token_urlsafe(96)}"
        self._grants[token] = _Grant(scopes=scopes, expires_at=self._clock() + self._lifetime_s)
        return {"access_token": token, "expires_in": self._lifetime_s, "token_type": "Bearer"}

    def scopes(self, token: str) -> frozenset[str]:
        """The OAuth scopes of a valid access token. Raises Unauthenticated for an unknown or expired one."""
        self._drop_expired()
        grant = self._grants.get(token)
        if grant is None:
            raise Unauthenticated("not authenticated: The access token is unknown or has expired.")
        return grant.scopes

    def _verified_claims(self, assertion: str) -> dict[str, Any]:
        key = self._account.key
        try:
            signed = jwt.decode_complete(
                assertion,
                self._account.public_key,
                algorithms=["RS256"],
                issuer=key["client_email"],
                audience=[key["token_uri"], _GOOGLE_AUDIENCE],
                # PyJWT reads the system clock; _check_times uses the injected one.
                options={
                    "require": ["iss", "aud", "iat", "exp"],
                    "verify_iat": False,
                    "verify_exp": False,
                    "verify_nbf": False,
                },
            )
        except jwt.InvalidSignatureError:
            raise OAuthError("invalid_grant", "Invalid JWT Signature.") from None
        except jwt.InvalidIssuerError:
            raise OAuthError("invalid_grant", "Invalid grant: account not found") from None
        except jwt.InvalidAudienceError:
            raise OAuthError("invalid_grant", "Invalid JWT: Failed audience check.") from None
        except jwt.InvalidTokenError as error:
            raise OAuthError("invalid_grant", f"Invalid JWT: {error}") from None
        if signed["header"].get("kid") != key["private_key_id"]:
            raise OAuthError("invalid_grant", "Invalid JWT Signature.")
        claims: dict[str, Any] = signed["payload"]
        return claims

    def _check_times(self, claims: dict[str, Any]) -> None:
        issued_at, expires_at = claims["iat"], claims["exp"]
        now = self._clock()
        if (
            not isinstance(issued_at, int | float)
            or not isinstance(expires_at, int | float)
            or not issued_at - _CLOCK_SKEW_S <= now < expires_at
            or expires_at - issued_at > _MAX_ASSERTION_LIFETIME_S
        ):
            raise OAuthError(
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
                "Check your iat and exp values in the JWT claim.",
            )

    def _drop_expired(self) -> None:
        now = self._clock()
        # All tokens have the same lifetime, so the dictionary is ordered by expiry.
        while self._grants:
            oldest = next(iter(self._grants))
            if self._grants[oldest].expires_at > now:
                return
            del self._grants[oldest]


def _known_scopes(claims: dict[str, Any]) -> frozenset[str]:
    scopes = frozenset(str(claims.get("scope", "")).split())
    if not scopes or not scopes <= KNOWN_OAUTH_SCOPES:
        raise OAuthError("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
    return scopes
