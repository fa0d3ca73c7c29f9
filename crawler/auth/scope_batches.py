"""Which scopes share a token: repositories that will be listed soon, in batches (`registry.tokens = "batched"`).

The token protocol lets one request name several scopes (distribution/distribution docs/content/spec/auth/token.md), and
distribution, Harbor, Quay, ACR and Docker Hub grant them: fifty repositories cost one token instead of fifty. Other
token servers do not: Google's has trouble with several scopes (containerd/containerd#4379, #8415,
regclient/regclient#149), GHCR's refuses all of them for a single foreign one (containerd/containerd#9648), and some
read the first scope only (google/go-containerregistry pkg/v1/remote/transport/bearer.go). A server may also grant less
than was asked for and still answer 200. So batches are opt-in, and are given up where they do not work.
"""

from collections.abc import Iterable
from typing import Final

MAX_BATCH_BYTES: Final = 6000
"""The longest scopes of one batch together: servers refuse request lines above 8 KB (nginx, Go's net/http, aiohttp)."""

_MAX_REFUSED_REQUESTS: Final = 3
"""Refused token requests for several scopes after which no more are made."""

_MIN_REFUSED_SCOPES: Final = 10
"""Refused scopes of shared tokens below which their share is no evidence: those repositories may just be denied."""


class ScopeBatcher:
    """Batches of at most `size` scopes, in the order in which requests will need them.

    Turns itself off, so that each scope gets its own token, once a token for several scopes was refused three times, or
    once shared tokens did not serve for half of their scopes.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._batches: dict[str, tuple[str, ...]] = {}
        self._refused_requests = 0
        self._refused_scopes = 0
        self._requested_scopes = 0

    def add(self, scopes: Iterable[str]) -> None:
        """Form batches of scopes that will be needed, in this order."""
        if not self._is_on:
            return
        batch: list[str] = []
        length = 0
        for scope in scopes:
            length += len(scope)
            if batch and (len(batch) == self._size or length > MAX_BATCH_BYTES):
                self._close(batch)
                batch, length = [], len(scope)
            batch.append(scope)
        self._close(batch)

    def _close(self, batch: list[str]) -> None:
        scopes = tuple(batch)
        self._batches |= dict.fromkeys(scopes, scopes)

    def batch_of(self, scope: str) -> tuple[str, ...]:
        """The scopes to request together with `scope`, itself included."""
        batch = self._batches.get(scope)
        return (scope,) if batch is None or not self._is_on else batch

    def on_requested(self, batch: tuple[str, ...]) -> None:
        """A token was requested for a batch. A scope of it that needs another token gets one of its own."""
        self._requested_scopes += len(batch)
        for scope in batch:
            self._batches.pop(scope, None)

    def on_request_refused(self) -> None:
        """The token server refused a token for a batch."""
        self._refused_requests += 1

    def on_scope_refused(self) -> None:
        """The registry refused a shared token for one of its scopes: the server granted less than was requested."""
        self._refused_scopes += 1

    @property
    def _is_on(self) -> bool:
        grants_scopes = self._refused_scopes < max(_MIN_REFUSED_SCOPES, self._requested_scopes / 2)
        return self._size > 1 and self._refused_requests < _MAX_REFUSED_REQUESTS and grants_scopes
