"""A manifest: an image or an artifact, or an index of manifests (image-spec, manifest.md and image-index.md)."""

from dataclasses import dataclass
from typing import Final

from crawler.model.image import ImageKind, Layer, Platform, Referrer

MANIFEST_TYPES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)

INDEX_TYPES: Final = frozenset(MANIFEST_TYPES[:2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the bytes of a manifest say. None where they do not.

    Attributes:
        size_bytes: the config and the layers together, compressed; None for an index.
        created_at: the annotation `org.opencontainers.image.created`, in RFC 3339 UTC with milliseconds.
        image_config_digest: the config that describes an image; None where there is none, or it is an artifact's own.
        config_digest: the config, whatever it is.
        layers: the lowest first; empty for an index.
        children: an index's manifests.
        child_referrers: the children of an index, as the referrers that the index of a fallback tag lists.
        predicate_types: of the in-toto statements that an attestation holds, without duplicates.
        is_schema1: an image of schema 1: nothing but `media_type` is read from it.
    """

    media_type: str | None
    kind: ImageKind
    artifact_type: str | None
    subject_digest: str | None
    size_bytes: int | None
    created_at: str | None
    image_config_digest: str | None
    config_digest: str | None
    layers: tuple[Layer, ...]
    annotations: dict[str, str]
    children: tuple[Platform, ...]
    child_referrers: tuple[Referrer, ...]
    predicate_types: tuple[str, ...]
    is_schema1: bool


def parse_manifest(body: bytes, content_type: str | None) -> Manifest:
    """Parse a manifest. Its own `mediaType` counts for more than the response's `content_type`.

    Raises MalformedResponse for a body that is no manifest.
    """
    raise NotImplementedError
