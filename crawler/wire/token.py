"""A token server's response: `{"token": "…", "expires_in": 300}`.

(distribution/distribution, docs/content/spec/auth/token.md, "Token Response Fields".)
"""

import math
from typing import Any, Final

from crawler.errors import MalformedResponse
from crawler.model.value import Value
from crawler.wire.json_fields import parse_object

DEFAULT_LIFETIME_S: Final = 60.0
"""The lifetime that the specification gives to a token without `expires_in`. Quay, Gitea and ACR leave it out."""

MAX_LIFETIME_S: Final = 3600.0
"""The longest lifetime that is believed. No known registry's tokens live longer, and a renewal costs one exchange."""


class TokenResponse(Value, frozen=True):
    """A registry token, and its lifetime in seconds from the arrival of the response."""

    token: str
    lifetime_s: float

    def __repr__(self) -> str:
        return f"TokenResponse(lifetime_s={self.lifetime_s})"  # never the token


def parse_token(body: bytes) -> TokenResponse:
    """Parse a token response. `token` and `access_token` mean the same; some servers send one, some both.

    Raises MalformedResponse, also for a token that a header cannot hold. The message never quotes the body.
    """
    document = parse_object(body)
    token = document.get("token") or document.get("access_token")
    if not isinstance(token, str) or not token:
        raise MalformedResponse("a token response without a token")
    if not (token.isascii() and token.isprintable()):
        raise MalformedResponse("a token with characters that a header cannot hold")
    return TokenResponse(token, _lifetime(document.get("expires_in")))


def _lifetime(expires_in: Any) -> float:
    """The lifetime in seconds; nonsense counts as absent.

    The specification allows no lifetime below 60 seconds, but a shorter one is believed: belief costs a renewal, and
    disbelief a 401 in the middle of a list.
    """
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float):
        return DEFAULT_LIFETIME_S
    if not math.isfinite(expires_in) or expires_in <= 0:
        return DEFAULT_LIFETIME_S
    return min(float(expires_in), MAX_LIFETIME_S)
