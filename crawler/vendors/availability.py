"""Is a product's API worth another request? What it refuses costs exchanges, and the protocol can do without it."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio

from crawler.errors import CredentialsError, GaveUp, RegistryError, Unreachable

log = logging.getLogger(__name__)

T = TypeVar("T")

_MAX_REFUSALS: Final = 3
"""An API that has refused so many requests, and answered none, is not asked again: it is closed to this account."""


class Availability:
    """The requests of one run to one API, for one purpose. An API that refuses, or is not there, never ends the run.

    Attributes:
        refused: requests that got an error.
        example: the first of these errors; "" where there is none.
        is_closed: whether the API is not asked again.
    """

    def __init__(self) -> None:
        self.refused = 0
        self.example = ""
        self.is_closed = False
        self._has_answered = False
        self._first_request = anyio.Lock()

    async def ask(self, subject: str, request: Callable[[], Awaitable[T]]) -> T | None:
        """The response to a request about `subject`; None where it is refused, or the API is closed."""
        if self._is_untried:
            async with self._first_request:  # one request finds out for all
                if self._is_untried:
                    return await self._request(subject, request)
        return None if self.is_closed else await self._request(subject, request)

    @property
    def _is_untried(self) -> bool:
        return not self._has_answered and not self.is_closed

    async def _request(self, subject: str, request: Callable[[], Awaitable[T]]) -> T | None:
        try:
            response = await request()
        except (RegistryError, CredentialsError, GaveUp) as error:
            log.info("%s: the protocol takes over: %s", subject, error)
            self._on_refused(subject, error)
            return None
        self._has_answered = True
        return response

    def _on_refused(self, subject: str, error: RegistryError | CredentialsError | GaveUp) -> None:
        self.refused += 1
        self.example = self.example or f"{subject}: {error}"
        if not isinstance(error, RegistryError):
            self.is_closed = True
        elif not self._has_answered:
            # one wait for an API that is not there is enough: meanwhile nothing is listed
            self.is_closed = isinstance(error, Unreachable) or self.refused >= _MAX_REFUSALS
