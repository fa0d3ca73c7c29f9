"""Registry tokens: short-lived JSON Web Tokens for one scope. The server stores none of them."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import jwt

from crawler.emulator.errors import Unauthenticated

_ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryGrant:
    """The content of a registry token: its scope, and the OAuth scopes of the credentials it was issued for."""

    scope: str
    oauth_scopes: frozenset[str]


class RegistryTokens:
    """Issues tokens and verifies them with a secret. `clock` returns seconds since the epoch."""

    def __init__(self, *, lifetime_s: int, clock: Callable[[], float] = time.time) -> None:
        self._secret = secrets.token_bytes(32)
        self._lifetime_s = lifetime_s
        self._clock = clock

    def issue(self, grant: RegistryGrant) -> dict[str, str | int]:
        """The body of the token endpoint's response."""
        now = self._clock()
        claims = {
            "scope": grant.scope,
            "oauth_scopes": sorted(grant.oauth_scopes),
            "exp": now + self._lifetime_s,
            "jti": secrets.token_urlsafe(24),
        }
        return {
            "token": jwt.encode(claims, self._secret, algorithm=_ALGORITHM),
            "expires_in": self._lifetime_s,
            "issued_at": datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        }

    def verify(self, token: str) -> RegistryGrant:
        """The content of a token. Raises Unauthenticated if the token has expired or was not issued here."""
        try:
            # PyJWT reads the system clock; the expiry is checked below with the injected clock.
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[_ALGORITHM],
                options={"verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            raise Unauthenticated("authentication failed: The token is invalid.") from None
        if claims["exp"] <= self._clock():
            raise Unauthenticated("Token has expired.")
        return RegistryGrant(scope=claims["scope"], oauth_scopes=frozenset(claims["oauth_scopes"]))
