"""Manifests and config blobs with their bytes. A digest is the SHA-256 of the bytes that the registry serves."""

from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, NamedTuple

import orjson

DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
SCHEMA1: Final = "application/vnd.docker.distribution.manifest.v1+prettyjws"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_EMPTY: Final = "application/vnd.oci.empty.v1+json"

INDEXES: Final = frozenset((DOCKER_LIST, OCI_INDEX))

Json = dict[str, Any]

_EPOCH: Final = date(1970, 1, 1)


class Blob(NamedTuple):
    """A config blob."""

    digest: str
    body: bytes


class Manifest(NamedTuple):
    """A manifest, wherever it is stored.

    kind: image, index, artifact, signature, attestation or sbom.
    platform: the `platform` object for the descriptor of this manifest in an index.
    size_bytes: of the config and the layers, compressed; 0 for an index.
    created_ms: what the build wrote; 0 if it wrote nothing.
    base_digest, base_from: the base image, and where it is named: annotation, label, or layers if it is named nowhere.
    """

    digest: str
    body: bytes
    media_type: str
    kind: str
    config: Blob | None = None
    platform: Json | None = None
    size_bytes: int = 0
    created_ms: int = 0
    base_digest: str | None = None
    base_from: str | None = None

    @property
    def descriptor(self) -> Json:
        """The descriptor of this manifest, without a platform."""
        return {"mediaType": self.media_type, "size": len(self.body), "digest": self.digest}


class Entry(NamedTuple):
    """A manifest in a repository.

    problem: what is broken, by the names of problems in a snapshot; None if nothing is.
    """

    manifest: Manifest
    uploaded_ms: int
    tags: tuple[str, ...] = ()
    problem: str | None = None


def digest_of(body: bytes) -> str:
    return f"sha256:{sha256(body).hexdigest()}"


def blob(body: bytes) -> Blob:
    return Blob(digest_of(body), body)


EMPTY: Final = blob(b"{}")


def artifact_manifest(
    *,
    kind: str,
    config: Blob,
    config_type: str,
    layers: list[Json],
    platform: Json | None = None,
    annotations: dict[str, str] | None = None,
    subject: Json | None = None,
    artifact_type: str | None = None,
) -> Manifest:
    """An OCI manifest of anything but an application's image. What is None has no field in it."""
    document: Json = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": {"mediaType": config_type, "size": len(config.body), "digest": config.digest},
        "layers": layers,
        "subject": subject,
        "annotations": annotations,
    }
    body = orjson.dumps({key: value for key, value in document.items() if value is not None})
    return Manifest(
        digest=digest_of(body),
        body=body,
        media_type=OCI_MANIFEST,
        kind=kind,
        config=config,
        platform=platform,
        size_bytes=len(config.body) + sum(layer["size"] for layer in layers),
    )


def index_manifest(media_type: str, entries: Iterable[Json]) -> Manifest:
    """An index of descriptors."""
    body = orjson.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": list(entries)})
    return Manifest(digest=digest_of(body), body=body, media_type=media_type, kind="index")


def platform_entry(manifest: Manifest) -> Json:
    """The descriptor of an image in an index."""
    return {**manifest.descriptor, "platform": manifest.platform}


def build_time(milliseconds: int) -> str:
    """The `created` of a config: RFC 3339 with nanoseconds, as Docker writes it."""
    days, rest = divmod(milliseconds, 86_400_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{_date(days)}T{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}417263Z"


@lru_cache(maxsize=8192)
def _date(days: int) -> str:
    return (_EPOCH + timedelta(days=days)).isoformat()
