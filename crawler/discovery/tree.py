"""Google's folders, opened breadth first, and as concurrently as whoever asks."""

from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final

import anyio

from crawler.discovery import Page
from crawler.discovery.pending import ListResult
from crawler.errors import Missing
from crawler.model.record import Listing
from crawler.model.run_manifest import Evidence
from crawler.profiles import RegistryProfile
from crawler.untrusted_text import printable

MAX_DEPTH: Final = 64
"""Levels below the root where folders stop being believed; a name has room for hardly twice as many."""

MAX_NODES: Final = 2_000_000
"""Nodes of one walk, beyond which no new ones are taken: some 300 MB of names."""

PAGE: Final = 1000

_VANISHED_QUOTED: Final = 3


class FolderTree:
    """Nodes go out in pages, and what was heard of them comes back: the children of those that have any go out next.

    The frontier is unbounded, so that whoever hears never waits for whoever asks; each node is asked about once, and
    the listing that tells its children serves for its record too.

    A node that answers 404 gets a `missing` record where it may have been a repository. Where it is known to be a
    folder, what it held is unknown, and the evidence says so.
    """

    def __init__(self, profile: RegistryProfile) -> None:
        self._profile = profile
        self._frontier: deque[str] = deque()
        self._seen: set[str] = set()
        self._roots: set[str] = set()
        self._empty: set[str] = set()
        self._open = 0  # nodes that were handed out and not heard of yet
        self._closed = 0
        self._vanished: list[str] = []
        self._too_deep = 0
        self._too_many = 0
        self._news = anyio.Event()
        self.pages_read = 0
        self.repositories = 0

    def start_at(self, roots: Iterable[str], empty: Iterable[str] = ()) -> None:
        """Begin at folders. For those that are also `empty`, another source says that they hold nothing."""
        roots = list(roots)
        self._roots.update(roots)
        self._empty.update(empty)
        self._add(roots)

    def _add(self, nodes: Iterable[str]) -> None:
        fresh = [node for node in dict.fromkeys(nodes) if node not in self._seen]
        taken = fresh[: max(0, MAX_NODES - len(self._seen))]
        self._too_many += len(fresh) - len(taken)
        self._seen.update(taken)
        self._frontier.extend(taken)

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

    def on_listed(self, name: str, result: ListResult) -> bool:
        """Take the result of listing a node. Returns whether the node is a repository; a mere folder is none."""
        self._open -= 1
        self._news.set()
        is_repository = self._add_result(name, result)
        self.repositories += is_repository
        return is_repository

    def _add_result(self, name: str, result: ListResult) -> bool:
        namespace = self._profile.is_namespace(name)
        if isinstance(result, Missing):
            if not namespace and name not in self._roots:
                return True
            self._vanished += [] if name in self._empty else [name]
            return False
        if not isinstance(result, Listing):
            self._closed += 1
            return True
        children = result.children or ()
        self._add_children(name, children)
        return bool(result.tags or result.images or not (children or namespace))

    def _add_children(self, name: str, children: Sequence[str]) -> None:
        if name.count("/") >= MAX_DEPTH:
            self._too_deep += bool(children)
        else:
            self._add(f"{name}/{child}" for child in children)

    @property
    def evidence(self) -> Evidence:
        doubts = self._doubt_messages()
        if doubts:
            return Evidence(complete=False, text="; ".join(doubts))
        return Evidence(complete=True, text=f"every folder was opened: {_nodes(len(self._seen))}")

    def _doubt_messages(self) -> list[str]:
        doubts = []
        if self._too_deep:
            doubts.append(f"there are folders deeper than {MAX_DEPTH} levels")
        if self._too_many:
            doubts.append(
                f"the walk stops at {MAX_NODES:,} nodes and leaves at least {self._too_many:,} unopened: "
                "crawl the registry in parts, with a prefix for each"
            )
        if self._closed:
            doubts.append(
                f"{self._closed:,} of {_nodes(len(self._seen))} could not be opened: what lies below is unknown"
            )
        if self._vanished:
            doubts.append(_vanished_message(self._vanished))
        return doubts


def _vanished_message(folders: Sequence[str]) -> str:
    shown = ", ".join(printable(folder, 80) for folder in folders[:_VANISHED_QUOTED])
    more = f" and {len(folders) - _VANISHED_QUOTED:,} more" if len(folders) > _VANISHED_QUOTED else ""
    which, what = ("folder", "it holds") if len(folders) == 1 else ("folders", "they hold")
    return (
        f"the registry answers 404 for the {which} {shown}{more}: what {what} is unknown; "
        "check the prefix and the account's roles"
    )


def _nodes(count: int) -> str:
    return f"{count:,} {'node' if count == 1 else 'nodes'}"
