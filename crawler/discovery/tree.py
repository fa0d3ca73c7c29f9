"""Google's folders: the listing of one node yields its children, so the tree is read breadth first.

On Google's hosts, `/v2/NAME/tags/list` has a field `child` with the names directly below NAME, and any prefix of a
repository's name can be listed (google/go-containerregistry pkg/v1/google/list.go, `Tags` and `Walk`). A node is a
folder, a repository, or both.
"""

from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final

import anyio

from crawler.discovery.ownership import Ownership
from crawler.discovery.pending import ListResult
from crawler.errors import Missing
from crawler.model.record import Listing, NamePage
from crawler.model.run_manifest import Evidence
from crawler.profiles import RegistryProfile
from crawler.registry.seen_entries import EntrySet, random_salt
from crawler.untrusted_text import printable

MAX_DEPTH: Final = 64
"""Levels below which folders are not opened. A name of 255 characters has at most 128 components."""

MAX_NODES: Final = 2_000_000
"""Nodes of one walk, of which those that wait take 90 bytes each. Further nodes are counted and not opened."""

PAGE_SIZE: Final = 1000

_VANISHED_QUOTED: Final = 3


class FolderTree:
    """Yields nodes in pages, and takes the result of listing each node; its children are among the next pages.

    Whoever lists the nodes decides how many are listed at once. The frontier is unbounded, so `on_listed` never waits:
    a worker that had to wait for the reader of `pages` could wait for itself. Each node is yielded once, and the
    listing that yields its children also makes its record.

    A node that answers 404 gets a record with the outcome `missing` if it may have been a repository. If it is known to
    be a folder (a root, or a project), its content is unknown, and the evidence is incomplete.

    A shard leaves the subtrees of other shards unopened, and counts them in `left_to_others`.
    """

    def __init__(self, method: str, profile: RegistryProfile, ownership: Ownership | None) -> None:
        """`method` is the discovery method that reads the tree."""
        self._method = method
        self._profile = profile
        self._ownership = ownership
        self._frontier: deque[str] = deque()
        self._seen = EntrySet(random_salt())
        self._roots: set[str] = set()
        self._empty: set[str] = set()
        self._pending = 0  # nodes that were yielded, and have no result yet
        self._unlisted = 0
        self._vanished: list[str] = []
        self._too_deep = 0
        self._too_many = 0
        self._changed = anyio.Event()
        self.pages_read = 0
        self.repositories = 0
        self.left_to_others = 0

    def start_at(self, roots: Iterable[str], empty: Iterable[str] = ()) -> None:
        """Add folders to begin at. `empty` are those of them that are empty according to another source."""
        roots = list(roots)
        self._roots.update(roots)
        self._empty.update(empty)
        self._add(roots)

    def _add(self, nodes: Iterable[str]) -> None:
        fresh = self._seen.without(list(dict.fromkeys(nodes)))
        taken = fresh[: max(0, MAX_NODES - len(self._seen))]
        self._too_many += len(fresh) - len(taken)
        self._seen.add(taken)
        opened = taken if self._ownership is None else self._ownership.select_opened(self._method, taken)
        self.left_to_others += len(taken) - len(opened)
        self._frontier.extend(opened)

    async def pages(self) -> AsyncIterator[NamePage]:
        """The nodes. Ends when every node that was yielded has a result, and no child is left."""
        while self._frontier or self._pending:
            if not self._frontier:
                self._changed = anyio.Event()
                await self._changed.wait()
                continue
            page = [self._frontier.popleft() for _ in range(min(PAGE_SIZE, len(self._frontier)))]
            self._pending += len(page)
            self.pages_read += 1
            yield dict.fromkeys(page)

    def on_listed(self, name: str, result: ListResult) -> bool:
        """Take the result of listing a node. Returns whether the node is a repository, and not only a folder."""
        self._pending -= 1
        self._changed.set()
        is_repository = self._add_result(name, result)
        self.repositories += is_repository
        return is_repository

    def _add_result(self, name: str, result: ListResult) -> bool:
        is_namespace = self._profile.is_namespace(name)
        if isinstance(result, Missing):
            if not is_namespace and name not in self._roots:
                return True
            self._vanished += [] if name in self._empty else [name]
            return False
        if not isinstance(result, Listing):
            self._unlisted += 1
            return True
        children = result.children or ()
        self._add_children(name, children)
        # Without tags, images and children, it is a repository whose last image was deleted.
        return bool(result.tags or result.images or not (children or is_namespace))

    def _add_children(self, name: str, children: Sequence[str]) -> None:
        if name.count("/") >= MAX_DEPTH:
            self._too_deep += bool(children)
        else:
            self._add(f"{name}/{child}" for child in children)

    @property
    def evidence(self) -> Evidence:
        doubts = self._doubts()
        if doubts:
            return Evidence(complete=False, text="; ".join(doubts))
        others = f", and {self.left_to_others:,} subtrees belong to other shards" if self.left_to_others else ""
        return Evidence(complete=True, text=f"every folder was opened: {_nodes(self._opened)}{others}")

    @property
    def _opened(self) -> int:
        return len(self._seen) - self.left_to_others

    def _doubts(self) -> list[str]:
        doubts = []
        if self._too_deep:
            doubts.append(f"folders deeper than {MAX_DEPTH} levels were not opened")
        if self._too_many:
            doubts.append(
                f"the walk stopped at {MAX_NODES:,} nodes and left at least {self._too_many:,} unopened: "
                "crawl the registry in parts, with a prefix for each part"
            )
        if self._unlisted:
            doubts.append(
                f"{self._unlisted:,} of {_nodes(self._opened)} could not be opened: repositories below them are unknown"
            )
        if self._vanished:
            doubts.append(_vanished_message(self._vanished))
        return doubts


def _vanished_message(folders: Sequence[str]) -> str:
    quoted = ", ".join(printable(folder, 80) for folder in folders[:_VANISHED_QUOTED])
    more = f" and {len(folders) - _VANISHED_QUOTED:,} more" if len(folders) > _VANISHED_QUOTED else ""
    noun, owner = ("folder", "its") if len(folders) == 1 else ("folders", "their")
    return (
        f"the registry answered 404 for the {noun} {quoted}{more}, so {owner} content is unknown: "
        "check the prefix and the account's roles"
    )


def _nodes(count: int) -> str:
    return f"{count:,} {'node' if count == 1 else 'nodes'}"
