"""The builds of a repository: an image or an index, with everything that was pushed along with it."""

from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

import orjson

from crawler.emulator import broken
from crawler.emulator.applications import PLATFORMS, Applications
from crawler.emulator.attestations import attestation, attestation_entry
from crawler.emulator.base_images import BaseImages
from crawler.emulator.draws import draw_bytes, fraction, spread
from crawler.emulator.manifests import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Entry,
    Manifest,
    artifact_manifest,
    blob,
    index_manifest,
    platform_entry,
)
from crawler.emulator.referrers import (
    COSIGN_SUFFIXES,
    cosign_manifest,
    cosign_tag,
    fallback_index,
    fallback_tag,
    subject_artifact,
)
from crawler.emulator.settings import Settings
from crawler.emulator.shared_images import SharedImages
from crawler.emulator.traits import Traits

_HOUR_MS: Final = 3_600_000
_SHAPE: Final = spread({"docker": 60, "oci": 28, "index": 7, "list": 2, "chart": 3})
_TAGS: Final = spread({0: 6, 1: 66, 2: 19, 3: 9})
_PLATFORMS_OF_AN_INDEX: Final = spread({1: 30, 2: 45, 3: 15, 4: 10})
_ATTESTED: Final = spread({True: 60, False: 40})
_ATTACHED: Final = spread({"": 85, "sig": 8, "cosign": 3, "fallback": 2, "artifacts": 2})
# What reproducible builds set "created" to: a second after 1970, or a second after 1980 (buildpacks/lifecycle).
_CREATED: Final = spread({-1: 85, 1_000: 5, 315_532_801_000: 5, 0: 5})  # -1: the time of the build
_CHART: Final = "application/vnd.cncf.helm.config.v1+json"
_CHART_LAYER: Final = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


class Start(NamedTuple):
    """Where a build begins. The build follows from it alone.

    number: counted from the newest build.
    remaining: how many tags of the repository are on this build and on older ones.
    uploaded_ms: when its image was uploaded.
    """

    number: int
    remaining: int
    uploaded_ms: int


class Builds(Protocol):
    """The builds of one repository."""

    def starts(self) -> Iterator[tuple[Start, tuple[Entry, ...]]]:
        """Every build, the newest first: where it begins, and its manifests."""
        ...

    def at(self, start: Start) -> tuple[Entry, ...]:
        """One build again."""
        ...


class BaseBuilds:
    """The releases of a base image."""

    def __init__(self, bases: BaseImages, name: str) -> None:
        self._releases = bases.releases(name)

    def starts(self) -> Iterator[tuple[Start, tuple[Entry, ...]]]:
        for number in reversed(range(len(self._releases))):
            start = Start(number, 0, 0)
            yield start, self.at(start)

    def at(self, start: Start) -> tuple[Entry, ...]:
        return self._releases[start.number].entries


class ApplicationBuilds:
    """The builds of an application, with `tags` tags in total. `key` is the seed and the repository's name."""

    def __init__(
        self, traits: Traits, bases: BaseImages, shared: SharedImages, *, settings: Settings, key: str, tags: int
    ) -> None:
        self._traits = traits
        self._shared = shared.of_repository(key)
        self._settings = settings
        self._key = key
        self._tags = tags
        self._applications = Applications(traits, bases, key=key)

    def starts(self) -> Iterator[tuple[Start, tuple[Entry, ...]]]:
        number = 0
        remaining = self._tags
        # A minute before midnight at the latest, so that nothing is uploaded in the future.
        uploaded_ms = self._settings.now_ms - 60_000 - self._traits.age_ms
        while remaining:
            start = Start(number, remaining, uploaded_ms)
            drawn = self._drawn(start)
            entries = self._build(start, drawn)
            yield start, entries
            number += 1
            for entry in entries:
                remaining -= len(entry.tags)
            uploaded_ms -= int(fraction(drawn, 50) * self._traits.interval_ms)

    def at(self, start: Start) -> tuple[Entry, ...]:
        return self._build(start, self._drawn(start))

    def _drawn(self, start: Start) -> bytes:
        return draw_bytes(f"{self._key}/{start.number}")

    def _build(self, start: Start, drawn: bytes) -> tuple[Entry, ...]:
        if self._shared is not None and start.number == self._shared.number:
            manifest = self._shared.manifest
            uploaded_ms = max(start.uploaded_ms, manifest.created_ms + _HOUR_MS)
            return (Entry(manifest, uploaded_ms, _tags(manifest, start, 1)),)
        problem = broken.draw_problem(drawn, broken=self._settings.broken, mismatched=self._settings.mismatched)
        if problem is not None:
            return self._broken_build(drawn, start, problem)
        first, *children = self._shaped(_SHAPE[drawn[1]], drawn, start)
        tags = _tags(first, start, _TAGS[drawn[0]])
        entry = Entry(first, start.uploaded_ms, tags)
        if not children and not tags:
            return (entry,)
        return (
            entry,
            *(Entry(child, start.uploaded_ms) for child in children),
            *_attached(entry, drawn, room=start.remaining - len(tags)),
        )

    def _broken_build(self, drawn: bytes, start: Start, problem: str) -> tuple[Entry, ...]:
        key = f"{self._key}/{start.number}"
        children: list[Manifest] = []
        match problem:
            case broken.UNREADABLE:
                first = broken.unreadable(key)
            case broken.OLD_SCHEMA:
                first = broken.old_schema(key, name=self._traits.name)
            case broken.ORPHAN:
                subject = f"sha256:{drawn[:32].hex()}"
                orphan = cosign_manifest(subject, "sig")
                return (Entry(orphan, start.uploaded_ms, (cosign_tag(subject, "sig"),), problem),)
            case broken.CHILD_MISSING:
                first, _, *children = self._index(OCI_INDEX, drawn, start)
            case broken.CONFIG_MISSING:
                first = self._image(DOCKER_MANIFEST, drawn, start)
            case _:  # an image whose manifest is not there, or not the one that its digest names
                first = self._image(OCI_MANIFEST, drawn, start)
        entry = Entry(first, start.uploaded_ms, _tags(first, start, 1), problem)
        return (entry, *(Entry(child, start.uploaded_ms) for child in children))

    def _shaped(self, shape: str, drawn: bytes, start: Start) -> list[Manifest]:
        match shape:
            case "docker":
                return [self._image(DOCKER_MANIFEST, drawn, start)]
            case "oci":
                return [self._image(OCI_MANIFEST, drawn, start)]
            case "index":
                return self._index(OCI_INDEX, drawn, start)
            case "list":
                return self._index(DOCKER_LIST, drawn, start)
            case _:
                return [self._chart(drawn, start)]

    def _image(self, media_type: str, drawn: bytes, start: Start) -> Manifest:
        return self._for_platform(self._traits.platform, media_type, drawn, start)

    def _for_platform(self, platform: str, media_type: str, drawn: bytes, start: Start) -> Manifest:
        built_ms = start.uploaded_ms - int(fraction(drawn, 2) * _HOUR_MS)
        written_ms = _CREATED[drawn[6]]
        return self._applications.image(
            start.number,
            platform,
            media_type=media_type,
            version=_release(start.remaining),
            built_ms=built_ms,
            created_ms=built_ms if written_ms < 0 else written_ms,
        )

    def _index(self, media_type: str, drawn: bytes, start: Start) -> list[Manifest]:
        """The index, then its children."""
        is_oci = media_type == OCI_INDEX
        child_type = OCI_MANIFEST if is_oci else DOCKER_MANIFEST
        platforms = list(PLATFORMS)[: _PLATFORMS_OF_AN_INDEX[drawn[4]]]
        images = [self._for_platform(platform, child_type, drawn, start) for platform in platforms]
        entries = [platform_entry(image) for image in images]
        if not is_oci or not _ATTESTED[drawn[5]]:
            return [index_manifest(media_type, entries), *images]
        attested = [(image, attestation(image)) for image in images]
        entries += [attestation_entry(found, subject=image.digest) for image, found in attested]
        return [index_manifest(media_type, entries), *images, *(found for _, found in attested)]

    def _chart(self, drawn: bytes, start: Start) -> Manifest:
        version = _release(start.remaining)
        name = self._traits.name.rpartition("/")[2]
        chart = {"apiVersion": "v2", "name": name, "type": "application", "version": version}
        layer = {"mediaType": _CHART_LAYER, "size": 4_000 + drawn[6], "digest": f"sha256:{drawn[8:40].hex()}"}
        return artifact_manifest(
            kind="artifact",
            config=blob(orjson.dumps(chart)),
            config_type=_CHART,
            layers=[layer],
            annotations={"org.opencontainers.image.title": name, "org.opencontainers.image.version": version},
        )


def _tags(manifest: Manifest, start: Start, most: int) -> tuple[str, ...]:
    """Up to `most` tags of a build's image."""
    most = min(most, start.remaining)
    if most == 0:
        return ()
    first = "latest" if start.number == 0 else _release(start.remaining)
    if most == 1:
        return (first,)
    names = (first, _release(start.remaining), f"sha-{manifest.digest[7:19]}", f"build-{start.remaining}")
    return tuple(sorted(list(dict.fromkeys(names))[:most]))


def _release(number: int) -> str:
    return f"{number // 100}.{number // 10 % 10}.{number % 10}"


def _attached(image: Entry, drawn: bytes, *, room: int) -> list[Entry]:
    """What refers to a tagged image, with `room` tags at most. It is uploaded in the minute after the image."""
    attached = _ATTACHED[drawn[7]] if image.tags else ""
    digest = image.manifest.digest
    uploaded_ms = image.uploaded_ms + drawn[47] * 200
    if attached in ("sig", "cosign"):
        suffixes = COSIGN_SUFFIXES if attached == "cosign" else COSIGN_SUFFIXES[:1]
        return [
            Entry(cosign_manifest(digest, suffix), uploaded_ms, (cosign_tag(digest, suffix),))
            for suffix in suffixes[:room]
        ]
    if attached == "artifacts" or (attached == "fallback" and room):
        sorts = range(drawn[48], drawn[48] + 1 + drawn[49] % 3)
        artifacts = [subject_artifact(image.manifest, sort) for sort in sorts]
        entries = [Entry(artifact, uploaded_ms) for artifact in artifacts]
        if attached == "fallback":
            entries.append(Entry(fallback_index(artifacts), uploaded_ms, (fallback_tag(digest),)))
        return entries
    return []
