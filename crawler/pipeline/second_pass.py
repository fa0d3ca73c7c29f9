"""What failed is listed once more, after everything else: an outage of minutes costs minutes, and no records."""

import logging

import anyio

from crawler.errors import CrawlerError
from crawler.model.names import RepositoryName
from crawler.model.record import Outcome

log = logging.getLogger(__name__)


class SecondPass:
    """Counts the names that are being listed, and keeps those of them that failed the first time."""

    def __init__(self) -> None:
        self._open = 0  # names that were given out and have no final result yet, the failed ones included
        self._failed: list[RepositoryName] = []
        self._retried: set[RepositoryName] = set()
        self._changed = anyio.Event()

    def add(self, count: int) -> None:
        """So many names are given out."""
        self._open += count

    def set_aside(self, name: RepositoryName, error: CrawlerError) -> bool:
        """Whether the name is kept for the second pass: after its first failure, unless the registry refused it."""
        if error.outcome is not Outcome.FAILED or name in self._retried:
            return False
        self._failed.append(name)
        self._changed.set()
        return True

    def close(self) -> None:
        """A name has its final result."""
        self._open -= 1
        if self._open == len(self._failed):
            self._changed.set()

    def take(self) -> list[RepositoryName]:
        """The names that failed, to be listed for the last time."""
        failed, self._failed = self._failed, []
        self._retried.update(failed)
        log.warning("repositories that failed and are listed once more: %d", len(failed))
        return failed

    async def until_only_failed(self) -> None:
        """Wait until some names failed, and no others are open."""
        while not self._failed or self._open > len(self._failed):
            await self.until_changed()

    async def until_closed(self) -> None:
        """Wait until every name has its final result."""
        while self._open:
            await self.until_changed()

    def on_discovery_done(self) -> None:
        """No names will be added: what failed may be listed again."""
        self._changed.set()

    async def until_changed(self) -> None:
        if self._changed.is_set():
            self._changed = anyio.Event()
        await self._changed.wait()
