"""Names from Google's folders: each listing tells its children, from the prefix down."""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Final

import anyio

from crawler.discovery import Answer
from crawler.errors import CrawlerError, Missing
from crawler.model import Evidence, Listing

DEEPEST: Final = 64
"""Levels below the root where folders stop being believed; a name has room for hardly twice as many."""

PAGE: Final = 1000


class WalkDiscovery:
    """Breadth first, and as concurrent as whoever asks: names go out in pages, and what was heard of them comes back.

    The frontier is unbounded, so that whoever hears never waits for whoever asks; each name is asked about once, and
    the listing that tells a node's children serves for its record too.
    """

    method = "walk"
    looks_inside = True

    def __init__(self, root: str) -> None:
        self._root = root
        self._frontier = deque([root])
        self._seen = {root}
        self._open = 0  # nodes that were handed out and not heard of yet
        self._closed = 0
        self._deepest_cut = 0
        self._root_failure: CrawlerError | None = None
        self._news = anyio.Event()
        self.pages_read = 0

    async def pages(self) -> AsyncIterator[Sequence[str]]:
        while self._frontier or self._open:
            if not self._frontier:
                self._news = anyio.Event()
                await self._news.wait()
                continue
            page = [self._frontier.popleft() for _ in range(min(PAGE, len(self._frontier)))]
            self._open += len(page)
            self.pages_read += 1
            yield page
        if self._root_failure is not None:
            raise self._root_failure

    def heard(self, name: str, answer: Answer) -> bool:
        self._open -= 1
        is_repository = self._learn(name, answer)
        self._news.set()
        return is_repository

    def _learn(self, name: str, answer: Answer) -> bool:
        if not isinstance(answer, Listing):
            if name == self._root:
                self._root_failure = answer
                return False
            self._closed += not isinstance(answer, Missing)
            return True
        children = answer.children or ()
        self._add(name, children)
        return bool(answer.tags or answer.images or not children)  # with children alone it is a mere folder

    def _add(self, name: str, children: Sequence[str]) -> None:
        if name.count("/") - self._root.count("/") >= DEEPEST:
            self._deepest_cut += bool(children)
            return
        below = [path for child in children if (path := f"{name}/{child}") not in self._seen]
        self._seen.update(below)
        self._frontier.extend(below)

    @property
    def evidence(self) -> Evidence:
        if self._deepest_cut:
            return Evidence(complete=False, text=f"folders below {self._root} go deeper than {DEEPEST} levels")
        if self._closed:
            text = f"{self._closed:,} of {len(self._seen):,} nodes below {self._root} could not be opened"
            return Evidence(complete=False, text=f"{text}: what lies below them is unknown")
        return Evidence(complete=True, text=f"every folder below {self._root} was opened: {len(self._seen):,} nodes")
