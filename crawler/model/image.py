"""One manifest of a repository, and what is known of it."""

from dataclasses import dataclass
from enum import StrEnum

from crawler.model.value import Value


class ImageKind(StrEnum):
    """What a manifest is."""

    IMAGE = "image"
    INDEX = "index"
    ARTIFACT = "artifact"
    SIGNATURE = "signature"
    ATTESTATION = "attestation"
    SBOM = "sbom"


class PlatformRole(StrEnum):
    """What a child of an index is."""

    IMAGE = "image"
    ATTESTATION = "attestation"
    ARTIFACT = "artifact"


class ReferrerKind(StrEnum):
    """What a referrer is for its subject. It is listed, and not verified."""

    SIGNATURE = "signature"
    PROVENANCE = "provenance"
    SBOM = "sbom"
    VEX = "vex"
    VULNERABILITIES = "vulnerabilities"
    LIFECYCLE = "lifecycle"
    OTHER = "other"


class ReferrerSource(StrEnum):
    """Where a referrer is listed."""

    API = "api"
    """The referrers API (distribution-spec, "Listing Referrers")."""
    FALLBACK_TAG = "fallback-tag"
    """The index under the tag `sha256-HEX` (distribution-spec, "Referrers Tag Schema")."""
    COSIGN_TAG = "cosign-tag"
    """A tag `sha256-HEX.sig`, `.att` or `.sbom` (sigstore/cosign, pkg/oci/remote/remote.go)."""
    INDEX = "index"
    """An attestation beside its image, in the index that holds both."""
    BULK = "bulk"
    """The referrer was listed or read by itself, and names its subject."""


class BaseSource(StrEnum):
    """Where the base of an image is named."""

    ANNOTATION = "annotation"
    LABEL = "label"
    LAYERS = "layers"
    """It is not named: the image begins with all layers of another image that is known."""


@dataclass(frozen=True, slots=True)
class Platform:
    """A child of an index, or the platform of a single image.

    Attributes:
        digest: of the child's manifest; of a single image its own.
        size_bytes: of the manifest, as the index lists it.
        role: None where the index does not show it.
        attests_digest: the manifest that an attestation is about.
    """

    digest: str | None
    os: str | None
    architecture: str | None
    variant: str | None
    os_version: str | None
    size_bytes: int | None
    media_type: str | None
    role: PlatformRole | None
    attests_digest: str | None


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer's blob; `size_bytes` is compressed."""

    digest: str
    size_bytes: int | None
    media_type: str | None


@dataclass(frozen=True, slots=True)
class ImageManifest:
    """What a manifest lists. `layers` is None for an index; the lowest layer comes first."""

    config_digest: str | None
    layers: tuple[Layer, ...] | None
    annotations: dict[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """What an image's config has. Values of the environment and the history may hold secrets, and are left out.

    Attributes:
        created_at: RFC 3339 UTC with milliseconds.
        diff_ids: digests of the layers, uncompressed, the lowest first.
        base_name, base_digest: the base image; None where it is not known.
    """

    os: str | None = None
    architecture: str | None = None
    variant: str | None = None
    created_at: str | None = None
    user: str | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    working_dir: str | None = None
    exposed_ports: tuple[str, ...] | None = None
    env_names: tuple[str, ...] | None = None
    healthcheck: bool | None = None
    labels: dict[str, str] | None = None
    diff_ids: tuple[str, ...] | None = None
    base_name: str | None = None
    base_digest: str | None = None
    base_from: BaseSource | None = None


@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest that refers to another one: a signature, an SBOM. Times are RFC 3339 UTC with milliseconds."""

    digest: str
    via: ReferrerSource
    kind: ReferrerKind
    artifact_type: str | None = None
    predicate_type: str | None = None
    size_bytes: int | None = None
    created_at: str | None = None


class Image(Value, frozen=True, gc=False):
    """One manifest of a repository, as far as it is known. None: not listed, or not asked for.

    The fields are those of `record_fields.IMAGE`, which has their meanings, in the same order. No cycle can come of
    them, so the collector leaves images alone: a registry has millions.

    Attributes:
        digest: `sha256:…`.
        tags: the manifest's tags, empty for an untagged manifest.
        size_bytes: as the registry counts it; else the config and the layers, compressed.
        created_at: what the build wrote; RFC 3339 UTC with milliseconds. Reproducible builds write 1970 or 1980.
        uploaded_at: when the registry received the manifest, likewise.
        platforms: the children of an index; of a single image its own platform.
    """

    digest: str
    tags: tuple[str, ...] = ()
    kind: ImageKind | None = None
    media_type: str | None = None
    artifact_type: str | None = None
    subject_digest: str | None = None
    size_bytes: int | None = None
    created_at: str | None = None
    uploaded_at: str | None = None
    updated_at: str | None = None
    pulled_at: str | None = None
    platforms: tuple[Platform, ...] | None = None
    manifest: ImageManifest | None = None
    config: ImageConfig | None = None
    referrers: tuple[Referrer, ...] | None = None
