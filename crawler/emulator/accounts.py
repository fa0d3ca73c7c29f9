"""Who may ask: a service account, what it signs, and the access tokens it gets for that."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from crawler.emulator.errors import OAuthRefusal, Unauthenticated
from crawler.emulator.scopes import KNOWN_OAUTH_SCOPES

# What Google's own libraries sign for, whatever token_uri the key file names.
_GOOGLES_AUDIENCE = "https://oauth2.googleapis.com/token"
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LONGEST_ASSERTION_S = 3600
_SKEW_S = 60  # how far the signer's clock may be ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """`key` is what a service account's JSON key file holds; `public_key` checks what is signed with it."""

    key: dict[str, str]
    public_key: rsa.RSAPublicKey


def new_account(*, project: str, registry: str) -> ServiceAccount:
    """A service account with a fresh key, whose tokens come from the emulator at `registry` (host:port)."""
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
    """The OAuth2 access tokens of one account. `clock` tells seconds since the epoch."""

    def __init__(self, account: ServiceAccount, *, lifetime_s: int, clock: Callable[[], float] = time.time) -> None:
        self._account = account
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._grants: dict[str, _Grant] = {}

    def exchange(self, *, grant_type: str, assertion: str) -> dict[str, str | int]:
        """RFC 7523 §2.1: the token endpoint's answer to a signed assertion. Raises OAuthRefusal."""
        if grant_type != _JWT_BEARER:
            raise OAuthRefusal("unsupported_grant_type", f"Invalid grant_type: {grant_type}")
        claims = self._verified_claims(assertion)
        self._check_times(claims)
        scopes = _known_scopes(claims)
        self._forget_expired()
        token = f"ya29.{secrets.token_urlsafe(96)}"
        self._grants[token] = _Grant(scopes=scopes, expires_at=self._clock() + self._lifetime_s)
        return {"access_token": token, "expires_in": self._lifetime_s, "token_type": "Bearer"}

    def scopes(self, token: str) -> frozenset[str]:
        """The OAuth scopes of a live access token. Raises Unauthenticated for any other."""
        self._forget_expired()
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
                audience=[key["token_uri"], _GOOGLES_AUDIENCE],
                # PyJWT would ask the machine's clock; the times are checked against ours.
                options={
                    "require": ["iss", "aud", "iat", "exp"],
                    "verify_iat": False,
                    "verify_exp": False,
                    "verify_nbf": False,
                },
            )
        except jwt.InvalidSignatureError:
            raise OAuthRefusal("invalid_grant", "Invalid JWT Signature.") from None
        except jwt.InvalidIssuerError:
            raise OAuthRefusal("invalid_grant", "Invalid grant: account not found") from None
        except jwt.InvalidAudienceError:
            raise OAuthRefusal("invalid_grant", "Invalid JWT: Failed audience check.") from None
        except jwt.InvalidTokenError as error:
            raise OAuthRefusal("invalid_grant", f"Invalid JWT: {error}") from None
        if signed["header"].get("kid") != key["private_key_id"]:
            raise OAuthRefusal("invalid_grant", "Invalid JWT Signature.")
        claims: dict[str, Any] = signed["payload"]
        return claims

    def _check_times(self, claims: dict[str, Any]) -> None:
        issued_at, expires_at = claims["iat"], claims["exp"]
        now = self._clock()
        if (
            not isinstance(issued_at, int | float)
            or not isinstance(expires_at, int | float)
            or not issued_at - _SKEW_S <= now < expires_at
            or expires_at - issued_at > _LONGEST_ASSERTION_S
        ):
            raise OAuthRefusal(
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
                "Check your iat and exp values in the JWT claim.",
            )

    def _forget_expired(self) -> None:
        now = self._clock()
        # All live equally long, so the oldest stand first.
        while self._grants:
            oldest = next(iter(self._grants))
            if self._grants[oldest].expires_at > now:
                return
            del self._grants[oldest]


def _known_scopes(claims: dict[str, Any]) -> frozenset[str]:
    scopes = frozenset(str(claims.get("scope", "")).split())
    if not scopes or not scopes <= KNOWN_OAUTH_SCOPES:
        raise OAuthRefusal("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
    return scopes
