"""The family of base images that other images are built on; its repositories are `base/…` in the registry."""

from typing import Final, NamedTuple

from crawler.emulator.image_json import ConfigTemplate, Stack, manifest_json
from crawler.emulator.layers import draw_layer
from crawler.emulator.manifests import (
    OCI_INDEX,
    OCI_MANIFEST,
    Blob,
    Entry,
    Json,
    Manifest,
    digest_of,
    index_manifest,
    platform_entry,
)

FOLDER: Final = "base"
WINDOWS_BASE: Final = "nanoserver2022"
AMD64: Final[Json] = {"architecture": "amd64", "os": "linux"}
ARM64: Final[Json] = {"architecture": "arm64", "os": "linux", "variant": "v8"}
WINDOWS: Final[Json] = {"architecture": "amd64", "os": "windows", "os.version": "10.0.20348.2762"}

_DAY_MS: Final = 86_400_000
_RELEASED_DAYS_AGO: Final = (900, 320, 95, 6)  # a release's number is its place here
_PATH: Final = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TITLE: Final = "org.opencontainers.image.title"
_BASE_NAME: Final = "org.opencontainers.image.base.name"
_BASE_DIGEST: Final = "org.opencontainers.image.base.digest"


class _Member(NamedTuple):
    """One base image. Its name ends in a digit without a hyphen before it, so no drawn name equals it.

    parent: the member that it is built on.
    version: the major version, which is a tag as well.
    """

    name: str
    version: str
    layers: int
    parent: str = ""
    user: str | None = None
    platforms: tuple[str, ...] = ("linux/amd64", "linux/arm64")
    labels: tuple[tuple[str, str], ...] = ()


_PLATFORMS: Final = {"linux/amd64": AMD64, "linux/arm64": ARM64, "windows/amd64": WINDOWS}
_FAMILY: Final = (
    _Member("alpine3", "3", 1),
    _Member("debian12", "12", 1, labels=((_TITLE, "debian"), ("maintainer", "base-images@example.com"))),
    _Member("static12", "12", 2, user="nonroot"),
    _Member(
        "node20",
        "20",
        3,
        parent="debian12",
        # an image that inherits these labels is not built on debian alone, and does not belong to this team
        labels=((_TITLE, "node"), (_BASE_NAME, "docker.io/library/debian:12"), ("team", "base-images")),
    ),
    _Member("jre21", "21", 2, parent="debian12", user="1000", labels=(("maintainer", "base-images@example.com"),)),
    _Member(WINDOWS_BASE, "2022", 1, user="ContainerUser", platforms=("windows/amd64",)),
)
BASE_NAMES: Final = tuple(member.name for member in _FAMILY)


class BaseImage(NamedTuple):
    """A base image for one platform.

    reference: HOST/REPOSITORY:TAG.
    claim: how an image that is built on it names it, as annotations or labels.
    """

    manifest: Manifest
    reference: str
    claim: dict[str, str]
    stack: Stack
    labels: dict[str, str]
    released_ms: int


class Release(NamedTuple):
    """One release of a base image: an index as its manifest, and the images in it by platform."""

    manifest: Manifest
    images: dict[str, BaseImage]
    tags: tuple[str, ...]
    released_ms: int

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The release as the repository holds it: the index has the tags."""
        children = (Entry(image.manifest, self.released_ms) for image in self.images.values())
        return (Entry(self.manifest, self.released_ms, self.tags), *children)


class BaseImages:
    """Every release of the family, drawn once: some dozens of images.

    folder: HOST/PATH of the repositories, for references.
    """

    def __init__(self, *, seed: str, folder: str, now_ms: int) -> None:
        self._seed = seed
        self._folder = folder
        self._now_ms = now_ms
        self._releases: dict[str, list[Release]] = {}
        for member in _FAMILY:
            numbers = range(len(_RELEASED_DAYS_AGO))
            self._releases[member.name] = [self._release(member, number) for number in numbers]

    def releases(self, name: str) -> list[Release]:
        """The releases of one base image, the oldest first."""
        return self._releases[name]

    def newest(self, name: str, platform: str, *, before_ms: int) -> BaseImage | None:
        """The newest release before a time, else the oldest one; None without a base image for the platform."""
        found = None
        for release in self._releases.get(name, ()):
            image = release.images.get(platform)
            if image is not None and (found is None or image.released_ms < before_ms):
                found = image
        return found

    def _release(self, member: _Member, number: int) -> Release:
        released_ms = self._now_ms - _RELEASED_DAYS_AGO[number] * _DAY_MS
        tags = [f"{member.version}.{number}"]
        if number == len(_RELEASED_DAYS_AGO) - 1:
            tags += [member.version, "latest"]
        images = {platform: self._image(member, number, platform, released_ms) for platform in member.platforms}
        index = index_manifest(OCI_INDEX, (platform_entry(image.manifest) for image in images.values()))
        return Release(manifest=index, images=images, tags=tuple(sorted(tags)), released_ms=released_ms)

    def _image(self, member: _Member, number: int, platform: str, released_ms: int) -> BaseImage:
        key = f"{self._seed}/base/{member.name}/{number}/{platform}"
        parent = self._releases[member.parent][number].images[platform] if member.parent else None
        own = tuple(draw_layer(f"{key}/{at}") for at in range(member.layers))
        stack = Stack.of(own if parent is None else parent.stack.layers + own)
        config = _config(member, platform, stack, released_ms)
        body = manifest_json(OCI_MANIFEST, config, stack.oci.removesuffix(","), {})
        labels = dict(member.labels)
        manifest = Manifest(
            digest=digest_of(body),
            body=body,
            media_type=OCI_MANIFEST,
            kind="image",
            config=config,
            platform=_PLATFORMS[platform],
            size_bytes=len(config.body) + stack.size,
            created_ms=released_ms,
            base_digest=None if parent is None else parent.manifest.digest,
            base_from=None if parent is None else ("label" if _BASE_NAME in labels else "layers"),
        )
        reference = f"{self._folder}/{FOLDER}/{member.name}:{member.version}.{number}"
        return BaseImage(
            manifest=manifest,
            reference=reference,
            claim={_BASE_NAME: reference, _BASE_DIGEST: manifest.digest},
            stack=stack,
            labels=labels,
            released_ms=released_ms,
        )


def _config(member: _Member, platform: str, stack: Stack, released_ms: int) -> Blob:
    settings: Json = {"Env": [_PATH], "Cmd": ["sh"]}
    if member.user is not None:
        settings["User"] = member.user
    if member.labels:
        settings["Labels"] = dict(member.labels)
    history: list[Json] = [{"created_by": f"COPY rootfs{at} / # {member.name}"} for at in range(len(stack.layers))]
    template = ConfigTemplate.of(platform=_PLATFORMS[platform], settings=settings, history=history)
    return template.fill(version="", diff_ids=stack.diff_ids.removesuffix(","), created_ms=released_ms)
