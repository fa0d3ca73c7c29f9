"""What a repository holds: its listing, and each manifest and blob by its name.

Nothing but digests is kept in memory, and those of the repositories asked for last: the bytes are made on demand.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from crawler.emulator.broken import CONFIG_MISSING
from crawler.emulator.builds import Builds, Start
from crawler.emulator.images import Image, listed_image
from crawler.emulator.manifests import Entry, Json
from crawler.emulator.referrers import referrer_entry, subject_digest

_KEPT_REFERENCES: Final = 1_000_000  # digests and tags, each of some 200 bytes: a registry of 300,000 images


class _Place(NamedTuple):
    """A manifest of a build."""

    start: Start
    number: int


@dataclass(frozen=True, slots=True)
class _Index:
    """Where the manifests of a repository are, by digest and tag, and the configs, by digest."""

    manifests: dict[str, _Place]
    configs: dict[str, _Place]

    @property
    def size(self) -> int:
        return len(self.manifests) + len(self.configs)


class Contents:
    """Manifests and blobs of a registry's repositories. `builds` returns the builds of a repository."""

    def __init__(self, builds: Callable[[str], Builds]) -> None:
        self._builds = builds
        self._indexes: OrderedDict[str, _Index] = OrderedDict()
        self._kept = 0

    def entries(self, name: str) -> Iterator[Entry]:
        """Every manifest of a repository, each once, also those that are listed and not there."""
        found: dict[str, Entry] = {}
        for _, entries in self._builds(name).starts():
            for entry in entries:
                found.setdefault(entry.manifest.digest, entry)
        return iter(found.values())

    def listed(self, name: str) -> dict[str, Image]:
        """Every manifest of a repository as Google lists it, by digest, sorted."""
        images = {entry.manifest.digest: listed_image(entry) for entry in self.entries(name)}
        return dict(sorted(images.items()))

    def manifest(self, name: str, reference: str) -> Entry | None:
        """A manifest by its digest or by one of its tags, also one that is listed and not there."""
        place = self._index(name).manifests.get(reference)
        return None if place is None else self._at(name, place)

    def config(self, name: str, digest: str) -> bytes | None:
        """The bytes of a config blob."""
        place = self._index(name).configs.get(digest)
        config = None if place is None else self._at(name, place).manifest.config
        return None if config is None else config.body

    def referrers(self, name: str, digest: str) -> list[Json]:
        """The descriptors of every manifest whose subject is `digest`, sorted by digest."""
        place = self._index(name).manifests.get(digest)
        if place is None:
            return []
        manifests = (entry.manifest for entry in self._builds(name).at(place.start))
        found = [referrer_entry(manifest) for manifest in manifests if subject_digest(manifest) == digest]
        return sorted(found, key=lambda descriptor: str(descriptor["digest"]))

    def _at(self, name: str, place: _Place) -> Entry:
        return self._builds(name).at(place.start)[place.number]

    def _index(self, name: str) -> _Index:
        index = self._indexes.get(name)
        if index is not None:
            self._indexes.move_to_end(name)
            return index
        index = self._indexes[name] = _draw_index(self._builds(name))
        self._kept += index.size
        while self._kept > _KEPT_REFERENCES and len(self._indexes) > 1:
            _, oldest = self._indexes.popitem(last=False)
            self._kept -= oldest.size
        return index


def _draw_index(builds: Builds) -> _Index:
    manifests: dict[str, _Place] = {}
    configs: dict[str, _Place] = {}
    for start, entries in builds.starts():
        for number, entry in enumerate(entries):
            place = _Place(start, number)
            manifests.setdefault(entry.manifest.digest, place)
            manifests.update(dict.fromkeys(entry.tags, place))
            config = entry.manifest.config
            if config is not None and entry.problem != CONFIG_MISSING:
                configs.setdefault(config.digest, place)
    return _Index(manifests=manifests, configs=configs)
