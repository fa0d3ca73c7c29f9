"""Which groups of shards in a lake will never be merged, and how they are removed.

The rules are those of an output folder, see `crawler.snapshot.group_retention`. It cannot be seen whether a process
works on a group in a lake: one that a shard can still join is left alone.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import unquote

from crawler.errors import SnapshotError
from crawler.lake.held_shards import MERGED, SHARDS, UPLOADED
from crawler.lake.held_shards_marker import MergedBefore
from crawler.lake.store import Store
from crawler.model.shard import is_group_id
from crawler.snapshot.group_retention import GroupState, why_group_is_kept
from crawler.snapshot.reader import PublishedRun
from crawler.snapshot.shards import TERMS, parse_terms
from crawler.untrusted_text import printable

_OBJECT: Final = re.compile(rf"({SHARDS}/group=([^/]+)/source=([^/]+))/(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftHeldGroup:
    """A group of one target in a lake that no shard can join any more.

    Attributes:
        folder: where its objects are, below the lake's URL.
        sizes: the bytes of its objects, by name.
        text: how far it is, for people.
        kept_because: why it stays; "" where it may be removed.
    """

    folder: str
    group: str
    target: str
    sizes: Mapping[str, int]
    text: str
    kept_because: str

    @property
    def bytes(self) -> int:
        return sum(self.sizes.values())


def left_held_groups(
    store: Store, url: str, kept: Mapping[str, Sequence[PublishedRun]], now: datetime, within: timedelta
) -> list[LeftHeldGroup]:
    """The groups in a lake that are older than `within`. `kept` are the runs that retention keeps there, by target.

    Of a group that was merged there is a small object, which refuses shards that come too late. It is in the list once
    it is older than every run that is kept. Raises LakeError.
    """
    folders: dict[str, dict[str, int]] = {}
    for name, size in store.sizes(SHARDS).items():
        if (match := _OBJECT.fullmatch(name)) is not None and is_group_id(match[2]):
            folders.setdefault(match[1], {})[name] = size
    found: list[LeftHeldGroup] = []
    for folder, sizes in sorted(folders.items()):
        contents = store.read_all([f"{folder}/{name}" for name in (TERMS, MERGED) if f"{folder}/{name}" in sizes])
        found += _left(_Folder(folder, sizes, contents), url, kept, now, within)
    return found


def remove_held_group(store: Store, left: LeftHeldGroup) -> None:
    """Remove a group. What a kill leaves is no shard, and is removed by the next prune. Raises LakeError."""
    last = {f"{left.folder}/{name}" for name in (TERMS, MERGED)}  # by which the next prune knows its age
    markers = {name for name in left.sizes if name.endswith(f"/{UPLOADED}")}
    for names in (markers, left.sizes.keys() - markers - last, last):
        if names:
            store.delete(sorted(names))


@dataclass(frozen=True, slots=True)
class _Folder:
    """The objects of a group, and the content of those that say how old it is."""

    name: str
    sizes: Mapping[str, int]
    contents: Mapping[str, bytes]

    @property
    def group(self) -> str:
        return self.name.split("/")[1].removeprefix("group=")

    @property
    def target(self) -> str:
        return unquote(self.name.split("/")[2].removeprefix("source="))

    def left(self, text: str, kept_because: str) -> LeftHeldGroup:
        return LeftHeldGroup(
            folder=self.name,
            group=self.group,
            target=self.target,
            sizes=self.sizes,
            text=text,
            kept_because=kept_because,
        )


def _left(
    folder: _Folder, url: str, kept: Mapping[str, Sequence[PublishedRun]], now: datetime, within: timedelta
) -> Iterator[LeftHeldGroup]:
    try:
        merged = folder.contents.get(f"{folder.name}/{MERGED}")
        state = _state(folder) if merged is None else _merged_state(folder, merged)
    except (SnapshotError, ValueError) as exc:
        yield folder.left("unreadable", printable(str(exc)))
        return
    runs = kept.get(folder.target, ())
    if now - state.began <= within:
        return
    if merged is not None:
        if runs and state.is_oldest(runs):
            yield folder.left(f"merged {state.began:%Y-%m-%d}", "")
        return
    merge = f"registry-crawler merge --group {folder.group} --lake {shlex.quote(printable(url))}"
    yield folder.left(state.text, why_group_is_kept(state, runs, now, merge_command=merge))


def _state(folder: _Folder) -> GroupState:
    """Raises SnapshotError."""
    terms = folder.contents.get(f"{folder.name}/{TERMS}")
    if terms is None:
        raise SnapshotError(f"it has no {TERMS}")
    reported = sum(name.endswith(f"/{UPLOADED}") for name in folder.sizes)
    return GroupState.of_terms(parse_terms(terms, TERMS), reported)


def _merged_state(folder: _Folder, content: bytes) -> GroupState:
    """Raises ValueError."""
    began = MergedBefore.parse(content).at.astimezone(UTC)
    return GroupState(group=folder.group, began=began, reported=0, shards=0)
