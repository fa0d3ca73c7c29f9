"""What a target's last complete snapshot says of the next crawl: how much there is, and what of it is known already."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any, Final

import orjson

from crawler.config import Config, RegistryConfig
from crawler.discovery.ownership import Ownership
from crawler.errors import SnapshotError
from crawler.inspect.tag_filter import TagFilter
from crawler.model.depth import Depth, ReferrersLevel
from crawler.model.image import Image
from crawler.model.record import Listing, ProblemKind
from crawler.model.run_manifest import RunManifest, snapshot_folder
from crawler.model.timestamps import timestamp
from crawler.run.own_api import takes_images_from_api
from crawler.snapshot.decoding import read_run_manifest
from crawler.snapshot.disk import wrap_os_errors
from crawler.snapshot.parts import read_lines
from crawler.snapshot.reader import last_complete
from crawler.transport.messages import Purpose
from crawler.wire.manifest import is_schema1_type

_DEPTHS: Final = tuple(Depth)
"""From the shallowest on."""

_COMPARED: Final = (
    *("kind", "discovery", "images_from", "repositories_from", "include", "exclude", "location"),
    *("api_path", "page_size", "tokens"),
)
"""The keys of a `[[registry]]` table on which the number of listings, tokens and pages depends."""

_SUBJECT_KINDS: Final = frozenset({"image", "index", None})

JsonRecord = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSnapshot:
    """The target's last complete snapshot. `folder` has its records."""

    folder: Path
    run_manifest: RunManifest

    def lines(self) -> Iterator[bytes]:
        """The lines of the records. Raises SnapshotError."""
        for file in self.run_manifest.files:
            part = self.folder / file.name
            with wrap_os_errors(part):
                yield from read_lines(part)


def find_last_snapshot(config: Config, registry: RegistryConfig) -> LastSnapshot | None:
    """The newest complete snapshot of the target in the output folder. Raises SnapshotError."""
    now = timestamp(datetime.now(UTC))
    run = last_complete(config.output.path, str(registry.target), now)
    if run is None:
        return None
    folder = config.output.path / snapshot_folder(str(registry.target), run.started_at, run.run_id)
    return LastSnapshot(folder=folder, run_manifest=read_run_manifest(folder))


_UNTAGGED: Final = Image("")


def listings_of(snapshot: LastSnapshot, tag_filter: TagFilter) -> dict[str, Listing]:
    """Every repository of a snapshot, with its tags, and as many images as the record has. Raises SnapshotError.

    Where the filter does not choose by tags, the first image has all tags of its repository: images of their own would
    take half a kilobyte each.
    """
    listings = {}
    for record in map(_parsed, snapshot.lines()):
        tags, images = tuple(record["tags"]), record["images"]
        if images and tag_filter.matches_all:
            images = (Image("", tags), *(_UNTAGGED,) * (len(images) - 1))
        elif images is not None:
            images = tuple(Image("", tuple(image["tags"])) for image in images)
        listings[record["repository"]] = Listing(tags=tags, images=images)
    return listings


def pick_names(snapshot: LastSnapshot, count: int) -> list[str]:
    """At most `count` repositories of a snapshot that have tags, spread about evenly. Raises SnapshotError."""
    distance = max(1, sum(file.rows for file in snapshot.run_manifest.files) // count)
    names: list[str] = []
    for number, line in enumerate(snapshot.lines()):
        if len(names) == count:
            break
        if number >= len(names) * distance and (record := _parsed(line))["tags"]:
            names.append(record["repository"])
    return names


def is_shallower(run: RunManifest, config: Config) -> bool:
    """Whether the next crawl looks deeper than that run did."""
    return _DEPTHS.index(Depth(run.depth)) < _DEPTHS.index(config.images.depth)


def why_not_comparable(run: RunManifest, config: Config, registry: RegistryConfig) -> str:
    """Why that run says nothing of the next crawl; "" where it does, if the crawl is not deeper."""
    images, effective = config.images, config.effective(registry)["registry"]
    then = run.config.get("registry", {})
    changed = [key for key in _COMPARED if then.get(key) != effective.get(key)]
    if then.get("auth", {}).get("method") != effective["auth"]["method"]:
        changed.append("auth.method")
    if images.depth.reads_manifests and not is_shallower(run, config):
        then_images, now = run.config.get("images", {}), images.model_dump(mode="json")
        changed += [key for key in ("include_tags", "exclude_tags") if then_images.get(key) != now[key]]
    if changed:
        return f"it was taken with other options ({', '.join(changed)})"
    if is_shallower(run, config):
        return ""
    if run.resumed_at:
        return "it was resumed, and counts only the exchanges after that"
    then_depth = Depth(run.depth)
    if takes_images_from_api(registry, then_depth) != takes_images_from_api(registry, images.depth):
        return f"at depth {run.depth} its images came from another source"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """How the next crawl looks into what a snapshot has.

    Attributes:
        lists_images: whether listings have images, so that their tags need not be resolved.
        limits_pulls: whether tags are resolved by HEAD, so that an unknown manifest costs a GET more.
        batch: manifests that the product's own API reads in one exchange.
        images_per_page: images that it lists in one exchange.
        is_known: whether a digest is in the digest cache.
        ownership: what is crawled of it, where the crawl is one shard; None for all.
    """

    depth: Depth
    referrers: ReferrersLevel
    tag_filter: TagFilter
    lists_images: bool
    limits_pulls: bool
    batch: int
    images_per_page: int
    is_known: Callable[[str], bool]
    ownership: Ownership | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What a snapshot has that the next crawl lists, and what looking into it costs.

    Attributes:
        repositories: how many records.
        share: their part of all records of the snapshot.
        tags: all of them.
        images: of the records that have any.
        resolves: tags that are resolved, among the exchanges for manifests.
        exchanges: for the images, by kind.
        api_pages: pages of the product's own API that list the images.
        listing_weight: about the bytes of all listings: a measure of size alone.
    """

    repositories: int
    share: float
    tags: int
    images: int
    resolves: int
    api_pages: int
    exchanges: Mapping[Purpose, float]
    listing_weight: float


def count_inventory(lines: Iterable[bytes], night: Night) -> Inventory:
    """Count what the lines of a snapshot have. One record at a time is in memory, and the digests that are not known.

    Raises SnapshotError.
    """
    counter, ownership, others = _Counter(night), night.ownership, 0
    for record in map(_parsed, lines):
        if ownership is None or ownership.owns(record["repository"]):
            counter.add(record)
        else:
            others += 1
    return Inventory(
        repositories=counter.repositories,
        share=counter.repositories / (counter.repositories + others) if others else 1.0,
        tags=counter.tags,
        images=counter.images,
        resolves=counter.resolves,
        api_pages=counter.api_pages,
        exchanges=dict(counter.exchanges),
        listing_weight=counter.listing_weight,
    )


def _parsed(line: bytes) -> JsonRecord:
    """A record, as far as it is read here. Raises SnapshotError.

    The whole record would be parsed in ten times the time (`snapshot/decoding.py`), which a registry of a million
    images makes a minute.
    """
    try:
        record: JsonRecord = orjson.loads(line)
        missing = _READ_HERE - record.keys()
    except (orjson.JSONDecodeError, AttributeError) as exc:
        raise SnapshotError(f"a line of the last snapshot is no record: {type(exc).__name__}") from None
    if missing:
        raise SnapshotError(f"a line of the last snapshot is no record: it has no {', '.join(sorted(missing))}")
    return record


_READ_HERE: Final = frozenset({"repository", "tags", "images", "problems"})

_LISTING_BYTES: Final = 40
_IMAGE_BYTES: Final = 330
"""About the bytes of a listing's frame, and of an image in it. Only the proportions count."""


def listing_weight(name: str, tags: Iterable[str], images: int) -> float:
    """About the bytes of a repository's listing, which has so many images."""
    return _LISTING_BYTES + len(name) + sum(len(tag) + 3 for tag in tags) + _IMAGE_BYTES * images


class _Counter:
    """Adds up records. What is written here follows `inspect/reading.py`."""

    def __init__(self, night: Night) -> None:
        self._night = night
        self._requested: set[str] = set()
        self.repositories = self.tags = self.images = self.resolves = self.api_pages = 0
        self.listing_weight = 0.0
        self.exchanges: Counter[Purpose] = Counter()

    def add(self, record: JsonRecord) -> None:
        images: list[JsonRecord] = record["images"] or []
        self.repositories += 1
        self.tags += len(record["tags"])
        self.images += len(images)
        self.api_pages += max(1, ceil(len(images) / self._night.images_per_page))
        listed = len(images) if self._night.lists_images else 0
        self.listing_weight += listing_weight(record["repository"], record["tags"], listed)
        if self._night.depth.reads_tags and not self._night.lists_images:
            tags = len(self._night.tag_filter.select(record["tags"]))
            self.resolves += tags
            self.exchanges[Purpose.MANIFEST] += tags
        if self._night.depth.reads_manifests:
            self._add_manifests(images)
        if self._night.depth.reads_configs:
            self._add_configs(images)
        if self._night.depth.reads_tags:
            self._add_problems(record["problems"])
        if self._night.referrers is ReferrersLevel.API:
            subjects = [image for image in images if image["tags"] and image["kind"] in _SUBJECT_KINDS]
            self.exchanges[Purpose.REFERRERS] += len(subjects)

    def _add_manifests(self, images: Iterable[JsonRecord]) -> None:
        """Count the manifests that are requested by their digests: the cache has neither these nor their children."""
        read = [image["digest"] for image in images if self._is_read_by_digest(image)]
        unknown = [digest for digest in read if self._is_first_request(digest)]
        batch = self._night.batch
        if batch > 1:
            self.exchanges[Purpose.API] += ceil(len(unknown) / batch)
        else:
            self.exchanges[Purpose.MANIFEST] += len(unknown)

    def _is_read_by_digest(self, image: JsonRecord) -> bool:
        if self._night.lists_images:
            is_selected = self._night.tag_filter.matches_all or bool(self._night.tag_filter.select(image["tags"]))
            return image["manifest"] is not None or (is_selected and not is_schema1_type(image["media_type"]))
        return image["manifest"] is not None and (self._night.limits_pulls or not image["tags"])

    def _add_configs(self, images: Iterable[JsonRecord]) -> None:
        for image in images:
            digest = (image["manifest"] or {}).get("config_digest")
            if image["config"] is not None and digest is not None and self._is_first_request(digest):
                self.exchanges[Purpose.BLOB] += 1

    def _add_problems(self, problems: Iterable[JsonRecord]) -> None:
        """Count what is missing: it is asked for every night, and a tag that dangles is asked for twice."""
        for problem in problems:
            kind = problem["problem"]
            if kind == ProblemKind.CONFIG_MISSING:
                self.exchanges[Purpose.BLOB] += self._night.depth.reads_configs
            elif kind == ProblemKind.INDEX_CHILD_MISSING:
                self.exchanges[Purpose.MANIFEST] += self._night.depth.reads_manifests
            elif kind == ProblemKind.DANGLING_TAG and problem["tag"] is not None:
                self.exchanges[Purpose.MANIFEST] += self._night.depth.reads_manifests or not self._night.lists_images

    def _is_first_request(self, digest: str) -> bool:
        """Whether a digest has to be requested, and was not counted yet."""
        if digest in self._requested or self._night.is_known(digest):
            return False
        self._requested.add(digest)
        return True
