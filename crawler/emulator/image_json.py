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

VERSION: Final = "%(version)s"
"""The gap for the version in a label."""
_DIFF_IDS: Final = "%(diff_ids)s"


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


def config_template(*, platform: Json, settings: Json, history: list[Json]) -> str:
    """A config without `created` and the layers. No value in it may have a percent sign, except VERSION."""
    rootfs = {"type": "layers", "diff_ids": [_DIFF_IDS]}
    document = {**platform, "config": settings, "history": history, "rootfs": rootfs}
    return orjson.dumps(document).decode().replace(f'"{_DIFF_IDS}"', _DIFF_IDS).removesuffix("}")


def fill_config(template: str, *, version: str, diff_ids: str, created_ms: int) -> Blob:
    """A config; with 0 as the time of creation, it has no `created`."""
    text = template % {"version": version, "diff_ids": diff_ids}
    end = f',"created":"{build_time(created_ms)}"}}' if created_ms else "}"
    return blob(f"{text}{end}".encode())


def manifest_json(media_type: str, config: Blob, layers: str, annotations: dict[str, str]) -> bytes:
    """The manifest of an image, in Docker's format or in OCI's. `layers` are descriptors of that format."""
    config_type = DOCKER_CONFIG if media_type == DOCKER_MANIFEST else OCI_CONFIG
    end = f',"annotations":{orjson.dumps(annotations).decode()}}}' if annotations else "}"
    return (
        f'{{"schemaVersion":2,"mediaType":"{media_type}",'
        f'"config":{{"mediaType":"{config_type}","size":{len(config.body)},"digest":"{config.digest}"}},'
        f'"layers":[{layers}]{end}'
    ).encode()
