"""Objects that change, in object storage: the other half of the door to obstore, see `objects`.

The provider compares the versions itself (`If-Match`, `x-goog-if-generation-match`): of two writers at once, one wins.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError

from crawler.lake.objects import ObjectStore
from crawler.lake.versioned import Version

if TYPE_CHECKING:
    from obstore import PutMode, UpdateVersion

_CHUNK_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class VersionedObjects(ObjectStore):
    """See `VersionedStore`. A large object is never in memory as a whole."""

    def version(self, name: str) -> Version | None:
        with self._lake_errors("look for", name):
            try:
                return _version(obstore.head(self._client(0), name))
            except FileNotFoundError:
                return None

    def download(self, name: str, path: Path) -> Version | None:
        size = self.size(name)
        if size is None:
            return None
        with self._lake_errors("read", name):
            try:
                response = obstore.get(self._client(size), name)
            except FileNotFoundError:  # removed just now
                return None
            with path.open("wb") as file:
                for chunk in response.stream(min_chunk_size=_CHUNK_BYTES):
                    file.write(chunk)
            return _version(response.meta)

    def replace_version(self, name: str, path: Path, known: Version | None) -> bool:
        mode = _mode(known)
        with self._lake_errors("replace", name), _mapped(path) as content:
            try:
                obstore.put(self._client(len(content)), name, content, mode=mode, use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return False
            return True


@contextmanager
def _mapped(path: Path) -> Iterator[mmap]:
    """A file's content, which is not copied into memory. The file must not be empty."""
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        yield content


def _mode(known: Version | None) -> "PutMode":
    if known is None:
        return "create"
    update: UpdateVersion = {}
    if known.e_tag is not None:
        update["e_tag"] = known.e_tag
    if known.generation is not None:
        update["version"] = known.generation
    return update


def _version(meta: Mapping[str, Any]) -> Version:
    return Version(meta["e_tag"], meta["version"])
