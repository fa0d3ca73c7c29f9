"""Shards that a lake holds until they are merged: those of processes whose disks vanish.

_shards/group=GROUP/source=TARGET/terms.json                          created by the first shard
_shards/group=GROUP/source=TARGET/shares-of-RUN.json                  created by the first shard, where costs decide
_shards/group=GROUP/source=TARGET/shard=00003-of-00008/run=RUN/…      what the shard's folder has
_shards/group=GROUP/source=TARGET/shard=00003-of-00008/uploaded.json  created last: whose run is the shard
_shards/group=GROUP/source=TARGET/merged.json                         stays, once the snapshot is complete

No loader looks below `_shards`. Of two processes that are the same shard, the one that creates `uploaded.json` counts.
"""

import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote, unquote

from crawler.errors import LakeError, SnapshotError
from crawler.lake.held_shards_marker import HeldFile, HeldShard, MergedBefore
from crawler.lake.opening import open_store, open_versioned_store
from crawler.lake.store import Content, Store
from crawler.lake.versioned import VersionedStore
from crawler.model.run_manifest import RunManifest
from crawler.model.run_parameters import RunParameters
from crawler.model.shard import Shard
from crawler.model.timestamps import timestamp
from crawler.run.shares import Agreed, Shares
from crawler.snapshot.decoding import read_run_manifest
from crawler.snapshot.disk import remove_folder, sync_folder, wrap_os_errors
from crawler.snapshot.reader import RUN_MANIFEST, SUCCESS
from crawler.snapshot.shards import SHARD_REPORT, TERMS, parse_terms
from crawler.untrusted_text import printable, quoted_path

SHARDS: Final = "_shards"

MERGED: Final = "merged.json"
UPLOADED: Final = "uploaded.json"
_SOURCE: Final = re.compile(rf"{SHARDS}/group=[^/]+/(source=[^/]+)/.+")
_MARKER: Final = re.compile(rf".+/shard=(\d{{5}})-of-(\d{{5}})/{re.escape(UPLOADED)}", re.ASCII)


@dataclass(frozen=True, slots=True)
class HeldShards:
    """The shards that a lake holds.

    Attributes:
        contents: the same place as `store`, for large files.
    """

    url: str
    store: Store
    contents: VersionedStore

    @classmethod
    def open(cls, url: str, environ: Mapping[str, str]) -> Self:
        """Without a request yet. Raises ConfigError where the environment makes no sense for the lake's provider."""
        return cls(url, open_store(url, environ), open_versioned_store(url, environ))

    def sources(self, group: str) -> list[str]:
        """The targets of a group that the lake has anything of, as names of folders. Raises LakeError."""
        matches = map(_SOURCE.fullmatch, self.store.sizes(f"{SHARDS}/group={group}"))
        return sorted({match[1] for match in matches if match is not None})

    def group(self, group: str, source: str) -> "HeldGroup":
        """The shards of one target, which is given as the name of its folder."""
        return HeldGroup(self, group, source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """What a lake has of a shard.

    Attributes:
        run_id: the run that counts.
        is_own: whether it is the run whose folder was to be uploaded; else another process was quicker.
        is_new: whether it was uploaded now.
    """

    lake: str
    shard: Shard
    run_id: str
    files: int
    bytes: int
    is_own: bool
    is_new: bool


@dataclass(frozen=True, slots=True)
class HeldGroup:
    """The shards of a group and one target that a lake holds. See `SharedGroup` for what its shards agree on.

    Every method blocks, and raises LakeError, and SnapshotError where this disk fails.
    """

    held: HeldShards
    group: str
    source: str

    @property
    def folder(self) -> str:
        """Where all of it is, below the lake's URL."""
        return f"{SHARDS}/group={self.group}/{self.source}"

    @property
    def target(self) -> str:
        """For people."""
        return printable(unquote(self.source.removeprefix("source=")))

    def agree(self, proposed: RunParameters, shares: Callable[[], Shares]) -> Agreed:
        """See `SharedGroup`."""
        store, name = self.held.store, self._name(TERMS)
        if (merged := self.merged_before()) is not None:
            raise SnapshotError(f"{self._merged_as(merged)}: use another --group for each night")
        content = store.read(name)
        if content is None:
            if proposed.balanced_by is not None:  # before the terms, so that whoever reads these finds it
                store.create(self._shares_of(proposed.balanced_by), shares().dump())
            store.create(name, proposed.dump())
            content = store.read(name)
        if content is None:
            raise LakeError(f"{self._place(name)} was there, and is not: start the shard again")
        terms = parse_terms(content, self._place(name))
        return Agreed(terms, None if terms.balanced_by is None else self._read_shares(terms, terms.balanced_by))

    def fetch_shard(self, shard: Shard, place: Path) -> None:
        """See `SharedGroup`."""
        held = None if place.exists() else self._read_marker(shard)
        if held is not None:
            try:
                self.fetch(held, place)
            except LakeError:
                if (merged := self.merged_before()) is None:
                    raise
                raise SnapshotError(f"{self._merged_as(merged)}: use another --group for each night") from None

    def shards(self) -> list[HeldShard]:
        """The shards that are whole in the lake, by their numbers."""
        markers = self._markers(self.held.store.sizes(self.folder))
        contents = self.held.store.read_all(list(markers))
        found = [self._parsed(name, contents[name], shard) for name, shard in markers.items() if name in contents]
        return sorted(found, key=lambda each: each.shard.index)

    def upload(self, folder: Path, run_manifest: RunManifest, shard: Shard) -> Uploaded:
        """Upload a shard's folder: its files, and then the marker that says so.

        What a kill leaves is completed by the next upload of the same run, and is not taken for a shard until then.
        """
        there, is_new = self._read_marker(shard), False
        if there is None:
            if (merged := self.merged_before()) is not None:
                raise SnapshotError(f"{self._merged_as(merged)}, without this run of shard {shard}")
            own = self._put_files(folder, run_manifest, shard)
            is_new = self.held.store.create(self._marker(shard), own.dump())
            there = own if is_new else self._read_marker(shard)
            if there is None:
                raise LakeError(f"{self._place(self._marker(shard))} was there, and is not: start the shard again")
            if there.run_id != own.run_id:
                self.held.store.delete([self._file(shard, own.run_id, file.name) for file in own.files])
        return Uploaded(
            lake=self.held.url,
            shard=shard,
            run_id=there.run_id,
            files=len(there.files),
            bytes=there.total_bytes,
            is_own=there.run_id == run_manifest.run_id,
            is_new=is_new,
        )

    def fetch(self, held: HeldShard, place: Path) -> bool:
        """Have a shard's folder in its place on this disk. False: it was there; another run's is replaced.

        Every file is checked against the marker before the folder gets its name.
        """
        if _is_of_run(place, held.run_id):
            return False
        new = place.with_name(f".{place.name}.{secrets.token_hex(4)}.fetched")
        with wrap_os_errors(new):
            new.mkdir(parents=True)
            try:
                for file in held.files:
                    self._download(file, held, new / file.name)
                self._check_run(new, held)
                sync_folder(new)
                remove_folder(place)
                _rename(new, place)
            finally:
                shutil.rmtree(new, ignore_errors=True)
        return True

    def merged_before(self) -> MergedBefore | None:
        """The complete snapshot that the group was merged into; None where there is none yet."""
        name = self._name(MERGED)
        content = self.held.store.read(name)
        if content is None:
            return None
        try:
            return MergedBefore.parse(content)
        except ValueError as exc:
            raise LakeError(f"{self._place(name)} is no marker of a merged group: {exc}: look at it") from None

    def remove(self, run_id: str) -> None:
        """Remove the shards, which are merged into a complete snapshot, and keep a small object that says so.

        The markers go before the files: what a kill leaves is not taken for a shard, and the next merge removes it.
        """
        store = self.held.store
        store.create(self._name(MERGED), MergedBefore(run_id, timestamp(datetime.now(UTC))).dump())
        names = set(store.sizes(self.folder)) - {self._name(MERGED)}
        markers = set(self._markers(names))
        for some in (markers, names - markers):
            if some:
                store.delete(sorted(some))

    def _put_files(self, folder: Path, run_manifest: RunManifest, shard: Shard) -> HeldShard:
        names = [*(file.name for file in run_manifest.files), SHARD_REPORT, RUN_MANIFEST]
        names += [SUCCESS] if (folder / SUCCESS).exists() else []
        files = tuple(self._put(folder / name, shard, run_manifest) for name in names)
        return HeldShard(shard, run_manifest.run_id, files)

    def _put(self, path: Path, shard: Shard, run_manifest: RunManifest) -> HeldFile:
        """Put a file of a shard's folder where the shard's files are, unless it is there."""
        with wrap_os_errors(path), _content(path) as content:
            file = HeldFile(path.name, len(content), hashlib.sha256(content).hexdigest())
            described = {each.name: (each.bytes, each.sha256) for each in run_manifest.files}
            if described.get(file.name, (file.bytes, file.sha256)) != (file.bytes, file.sha256):
                raise SnapshotError(f"{quoted_path(path)} is not what the _run.json beside it describes")
            name = self._file(shard, run_manifest.run_id, file.name)
            if self.held.store.size(name) != file.bytes:  # a run's files never change
                self.held.store.replace(name, content)
        return file

    def _download(self, file: HeldFile, held: HeldShard, path: Path) -> None:
        name = self._file(held.shard, held.run_id, file.name)
        if self.held.contents.download(name, path) is None:
            raise LakeError(f"{self._place(name)} is not there; {self._advice(held.shard)}")
        with path.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
            size = content.tell()
            os.fsync(content.fileno())
        if size != file.bytes:
            raise LakeError(
                f"{self._place(name)} has {size:,} bytes, and {file.bytes:,} were uploaded; {self._advice(held.shard)}"
            )
        if sha256 != file.sha256:
            raise LakeError(f"{self._place(name)} is not what was uploaded; {self._advice(held.shard)}")

    def _check_run(self, folder: Path, held: HeldShard) -> None:
        if not _is_of_run(folder, held.run_id):
            place = self._place(self._file(held.shard, held.run_id, RUN_MANIFEST))
            raise LakeError(f"{place} is not of the run that {UPLOADED} names; {self._advice(held.shard)}")

    def _advice(self, shard: Shard) -> str:
        return f"remove {self._marker(shard)} from the lake, and crawl shard {shard} again"

    def _read_shares(self, terms: RunParameters, run_id: str) -> Shares:
        name = self._shares_of(run_id)
        content = self.held.store.read(name)
        try:
            if content is None:
                raise ValueError("it is not there")  # noqa: TRY301  (one message for whatever keeps shards from it)
            return Shares.parse(content, terms.shards or 0)
        except ValueError as exc:
            raise LakeError(f"{self._place(name)}: {exc}: use another --group") from None

    def _read_marker(self, shard: Shard) -> HeldShard | None:
        name = self._marker(shard)
        content = self.held.store.read(name)
        return None if content is None else self._parsed(name, content, shard)

    def _parsed(self, name: str, content: bytes, shard: Shard) -> HeldShard:
        try:
            return HeldShard.parse(content, shard)
        except ValueError as exc:
            raise LakeError(f"{self._place(name)} is no shard's marker: {exc}; {self._advice(shard)}") from None

    def _markers(self, names: Iterable[str]) -> dict[str, Shard]:
        """The markers of shards among the names of objects, and whose they are."""
        markers: dict[str, Shard] = {}
        for name in names:
            if (match := _MARKER.fullmatch(name)) is not None:
                with suppress(ValueError):  # a shard that no group can have
                    shard = Shard(int(match[1]), int(match[2]))
                    markers[self._marker(shard)] = shard
        return markers

    def _merged_as(self, merged: MergedBefore) -> str:
        url, run_id = printable(self.held.url), printable(merged.run_id)
        return f"group {self.group} is merged already, as run {run_id} in {url}, at {printable(merged.merged_at)}"

    def _name(self, name: str) -> str:
        return f"{self.folder}/{name}"

    def _shares_of(self, run_id: str) -> str:
        return self._name(f"shares-of-{quote(run_id, safe='')}.json")

    def _marker(self, shard: Shard) -> str:
        return self._name(f"{shard.folder_name}/{UPLOADED}")

    def _file(self, shard: Shard, run_id: str, name: str) -> str:
        return self._name(f"{shard.folder_name}/run={quote(run_id, safe='')}/{name}")

    def _place(self, name: str) -> str:
        return f"{printable(self.held.url)}: {printable(name)}"


def _is_of_run(folder: Path, run_id: str) -> bool:
    """Whether a shard's folder is there, can be read, and is of a run."""
    try:
        return read_run_manifest(folder).run_id == run_id
    except SnapshotError:
        return False


def _rename(new: Path, place: Path) -> None:
    """Give a folder its place, unless another process has just put its own there. Raises OSError."""
    try:
        new.rename(place)
    except OSError as exc:
        if exc.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
            raise


@contextmanager
def _content(path: Path) -> Iterator[Content]:
    """What a file holds, without a copy in memory. An empty file cannot be mapped. Raises OSError."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            yield b""
            return
        with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            yield content
