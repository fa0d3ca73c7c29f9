"""Google's folders, opened breadth first, and as concurrently as whoever asks."""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Final

import anyio

from crawler.discovery import Answer, Page
from crawler.errors import Missing
from crawler.model import Evidence, Listing
from crawler.ways import Ways

DEEPEST: Final = 64
"""Levels below the root where folders stop being believed; a name has room for hardly twice as many."""

PAGE: Final = 1000


class Folders:
    """Nodes go out in pages, and what was heard of them comes back: the children of those that have any go out next.

    The frontier is unbounded, so that whoever hears never waits for whoever asks; each node is asked about once, and
    the listing that tells its children serves for its record too.
    """

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self._frontier: deque[str] = deque()
        self._seen: set[str] = set()
        self._open = 0  # nodes that were handed out and not heard of yet
        self._closed = 0
        self._too_deep = 0
        self._news = anyio.Event()
        self.pages_read = 0
        self.repositories = 0

    def add(self, nodes: Sequence[str]) -> None:
        """Nodes to begin with, or that were found below others."""
        fresh = [node for node in nodes if node not in self._seen]
        self._seen.update(fresh)
        self._frontier.extend(fresh)

    async def pages(self) -> AsyncIterator[Page]:
        """All nodes, until none is left of which nothing was heard."""
        while self._frontier or self._open:
            if not self._frontier:
                self._news = anyio.Event()
                await self._news.wait()
                continue
            page = [self._frontier.popleft() for _ in range(min(PAGE, len(self._frontier)))]
            self._open += len(page)
            self.pages_read += 1
            yield dict.fromkeys(page)

    def heard(self, name: str, answer: Answer) -> bool:
        """Whether the node is a repository, and gets a record; a mere folder does not."""
        self._open -= 1
        self._news.set()
        is_repository = self._learn(name, answer)
        self.repositories += is_repository
        return is_repository

    def _learn(self, name: str, answer: Answer) -> bool:
        namespace = self._ways.is_namespace(name)
        if not isinstance(answer, Listing):
            self._closed += not isinstance(answer, Missing)
            return not (namespace and isinstance(answer, Missing))
        children = answer.children or ()
        self._find(name, children)
        return bool(answer.tags or answer.images or not (children or namespace))

    def _find(self, name: str, children: Sequence[str]) -> None:
        if name.count("/") >= DEEPEST:
            self._too_deep += bool(children)
        else:
            self.add([f"{name}/{child}" for child in children])

    @property
    def evidence(self) -> Evidence:
        if self._too_deep:
            return Evidence(complete=False, text=f"there are folders deeper than {DEEPEST} levels")
        if self._closed:
            text = f"{self._closed:,} of {len(self._seen):,} nodes could not be opened: what lies below is unknown"
            return Evidence(complete=False, text=text)
        return Evidence(complete=True, text=f"every folder was opened: {len(self._seen):,} nodes")
