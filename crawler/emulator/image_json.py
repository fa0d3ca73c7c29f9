"""The JSON text of an image's config and manifest, with gaps for what differs between the builds of a repository.

A listing has the digest of every image, so the bytes of every image are made for it. Filling gaps takes a third of the
time of building and encoding the objects.
"""

from typing import Final, NamedTuple, Self

import orjson

from crawler.emulator.layers import Layer, descriptors, quoted_diff_ids
from crawler.emulator.manifests import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_LAYER,
    Blob,
    Json,
    blob,
    build_time,
)

VERSION: Final = "{version}"
"""The gap for the version in a label."""


class Stack(NamedTuple):
    """The layers of a base image, the lowest first, and their JSON text, with a comma after each layer."""

    layers: tuple[Layer, ...]
    size: int
    diff_ids: str
    docker: str
    oci: str

    @classmethod
    def of(cls, layers: tuple[Layer, ...]) -> Self:
        return cls(
            layers=layers,
            size=sum(layer.size for layer in layers),
            diff_ids="".join(f"{quoted_diff_ids([layer])}," for layer in layers),
            docker="".join(f"{descriptors([layer], DOCKER_LAYER)}," for layer in layers),
            oci="".join(f"{descriptors([layer], OCI_LAYER)}," for layer in layers),
        )


NO_LAYERS: Final = Stack.of(())


class ConfigTemplate(NamedTuple):
    """The texts around the gaps of a config. Without a label for the version, `before_version` is empty."""

    before_version: str
    before_diff_ids: str

    @classmethod
    def of(cls, *, platform: Json, settings: Json, history: list[Json]) -> Self:
        """A config with these parts, in which the layers come last and a label of the value VERSION is a gap."""
        rootfs = {"type": "layers", "diff_ids": []}
        text = orjson.dumps({**platform, "config": settings, "history": history, "rootfs": rootfs}).decode()
        before_version, _, rest = text.removesuffix("]}}").rpartition(VERSION)
        return cls(before_version, rest)

    def fill(self, *, version: str, diff_ids: str, created_ms: int) -> Blob:
        """A config; with 0 as the time of creation, it has no `created`."""
        end = f']}},"created":"{build_time(created_ms)}"}}' if created_ms else "]}}"
        version = version if self.before_version else ""
        return blob(f"{self.before_version}{version}{self.before_diff_ids}{diff_ids}{end}".encode())


def manifest_json(media_type: str, config: Blob, layers: str, annotations: dict[str, str]) -> bytes:
    """The manifest of an image, in Docker's format or in OCI's. `layers` are descriptors of that format."""
    config_type = DOCKER_CONFIG if media_type == DOCKER_MANIFEST else OCI_CONFIG
    end = f',"annotations":{orjson.dumps(annotations).decode()}}}' if annotations else "}"
    return (
        f'{{"schemaVersion":2,"mediaType":"{media_type}",'
        f'"config":{{"mediaType":"{config_type}","size":{len(config.body)},"digest":"{config.digest}"}},'
        f'"layers":[{layers}]{end}'
    ).encode()
