"""Names from a list that a person or a program wrote: one a line, where `#` begins a comment."""

from collections.abc import AsyncIterator, Callable
from typing import Final

import anyio.to_thread

from crawler.discovery import Answer, Page
from crawler.errors import ConfigError
from crawler.model import Evidence

PAGE: Final = 1000


class ListDiscovery:
    """The names of a list, which is complete because it says what to look at."""

    method = "list"
    looks_inside = False

    def __init__(self, source: str, read: Callable[[], bytes]) -> None:
        """`source` names the list to a person; `read` gives its bytes, blocking, and is called in a worker thread."""
        self._source = source
        self._read = read
        self._names: tuple[str, ...] = ()
        self.pages_read = 0

    async def pages(self) -> AsyncIterator[Page]:
        try:
            text = (await anyio.to_thread.run_sync(self._read)).decode("utf-8-sig", "surrogateescape")
        except OSError as fault:
            raise ConfigError([f"{self._source}: cannot be read: {fault.strerror}"]) from None
        lines = (line.partition("#")[0].strip() for line in text.splitlines())
        self._names = tuple(dict.fromkeys(line for line in lines if line))
        for start in range(0, len(self._names), PAGE):
            self.pages_read += 1
            yield dict.fromkeys(self._names[start : start + PAGE])

    def heard(self, name: str, answer: Answer) -> bool:  # noqa: ARG002  (its source said what is a repository)
        return True

    @property
    def evidence(self) -> Evidence:
        return Evidence(complete=True, text=f"{len(self._names):,} names listed in {self._source}")
