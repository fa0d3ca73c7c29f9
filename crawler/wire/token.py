"""A token server's answer (distribution-spec's token protocol): `{"token": "…", "expires_in": 300}`."""

import math
from dataclasses import dataclass
from typing import Any, Final

from crawler.errors import MalformedResponse
from crawler.wire.json_fields import parse_object

DEFAULT_LIFETIME_S: Final = 60.0
"""What the protocol gives a token whose answer does not say."""

MAX_LIFETIME_S: Final = 3600.0
"""Longer than any registry's; a token that claims more is asked for again after an hour."""


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """A registry token, and for how many seconds from its arrival it may be used."""

    token: str
    lifetime_s: float

    def __repr__(self) -> str:
        return f"Grant(lifetime_s={self.lifetime_s})"  # never the token


def parse_token(body: bytes) -> TokenResponse:
    """Read a token answer; `token` and `access_token` are the same thing. Raises MalformedReply."""
    document = parse_object(body)
    token = document.get("token") or document.get("access_token")
    if not isinstance(token, str) or not token:
        raise MalformedResponse("a token answer without a token")
    if not (token.isascii() and token.isprintable()):
        raise MalformedResponse("a token that cannot stand in a header")
    return TokenResponse(token, _lifetime(document.get("expires_in")))


def _lifetime(expires_in: Any) -> float:
    """Nonsense counts as unsaid. A short life is believed: it costs a renewal, and disbelief a 401."""
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float):
        return DEFAULT_LIFETIME_S
    if not math.isfinite(expires_in) or expires_in <= 0:
        return DEFAULT_LIFETIME_S
    return min(float(expires_in), MAX_LIFETIME_S)
