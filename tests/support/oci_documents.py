"""Manifests and indexes of the kinds that common tools write (image-spec, manifest.md and image-index.md)."""

from typing import Any, Final

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
MANIFEST_TYPES: Final = (DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX)
IMAGE_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
EMPTY_CONFIG: Final = "application/vnd.oci.empty.v1+json"
GZIP_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
IN_TOTO: Final = "application/vnd.in-toto+json"
DSSE: Final = "application/vnd.dsse.envelope.v1+json"


def digest(number: int) -> str:
    """A digest of sha256 that is recognised by its number."""
    return f"sha256:{number:064x}"


def descriptor(number: int, media_type: str | None, **fields: Any) -> dict[str, Any]:
    """A content of `number` bytes."""
    return {"mediaType": media_type, "digest": digest(number), "size": number, **fields}


def manifest(config_type: str = IMAGE_CONFIG, *layer_types: str, **fields: Any) -> dict[str, Any]:
    """A manifest whose config has 1 byte, and its layers 2, 3 and so on."""
    layers = [descriptor(number, media_type) for number, media_type in enumerate(layer_types, start=2)]
    config = descriptor(1, config_type)
    return {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers, **fields}


def index(*children: Any, **fields: Any) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(children), **fields}
