"""A manifest: an image or an artifact, or an index of manifests (image-spec, manifest.md and image-index.md)."""

from dataclasses import dataclass
from typing import Any, Final

from crawler.errors import MalformedResponse
from crawler.model.image import ImageKind, Layer, Platform, PlatformRole, Referrer, ReferrerKind, ReferrerSource
from crawler.wire.descriptor import (
    parse_any_digest,
    parse_descriptors,
    parse_digest,
    parse_size,
    parse_string_map,
    predicate_type,
)
from crawler.wire.digest import is_digest
from crawler.wire.json_fields import parse_object, parse_text
from crawler.wire.referrers import parse_referrer, referrer_kind
from crawler.wire.times import CREATED, parse_time

MANIFEST_TYPES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)

INDEX_TYPES: Final = frozenset(MANIFEST_TYPES[:2])
_IMAGE_TYPES: Final = frozenset(MANIFEST_TYPES[2:])
_SINGLE_TYPES: Final = _IMAGE_TYPES | {
    "application/vnd.oci.artifact.manifest.v1+json",  # in release candidates of image-spec 1.1 only; `blobs` as layers
    "application/vnd.cncf.oras.artifact.manifest.v1+json",  # oras-project/artifacts-spec; likewise
}
_SCHEMA1_TYPES: Final = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)

_IMAGE_CONFIG_TYPES: Final = frozenset(
    {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
)
_DOCKER_CONFIG_TYPES: Final = _IMAGE_CONFIG_TYPES | {
    # Old registries stored these for images of Docker's schema 2 (moby/moby, distribution/registry.go, imageTypes).
    "application/octet-stream",
    "application/json",
    "text/html",
}

_BUNDLE: Final = "application/vnd.dev.sigstore.bundle"  # sigstore/cosign, specs/BUNDLE_SPEC.md
_STATEMENTS: Final = (
    "application/vnd.in-toto",  # in-toto/attestation, spec/v1/envelope.md
    "application/vnd.dsse.envelope.",  # sigstore/cosign, pkg/types/media.go
    "application/vnd.dev.cosign.artifact.att.",  # sigstore/cosign, internal/pkg/oci/remote
    "application/vnd.docker.attestation.",  # moby/buildkit, docs/attestations/attestation-storage.md
)
_KINDS: Final = {
    ReferrerKind.SIGNATURE: ImageKind.SIGNATURE,
    ReferrerKind.SBOM: ImageKind.SBOM,
}

_ATTESTATION: Final = "attestation-manifest"  # moby/buildkit, docs/attestations/attestation-storage.md


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a manifest holds. A field is None where the manifest does not have it.

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
    artifact_type: str | None = None
    subject_digest: str | None = None
    size_bytes: int | None = None
    created_at: str | None = None
    image_config_digest: str | None = None
    config_digest: str | None = None
    layers: tuple[Layer, ...] = ()
    annotations: dict[str, str]
    children: tuple[Platform, ...] = ()
    child_referrers: tuple[Referrer, ...] = ()
    predicate_types: tuple[str, ...] = ()
    is_schema1: bool = False


def is_schema1_type(media_type: str | None) -> bool:
    """Whether a media type is that of Docker's schema 1. Its digest is that of the part that is signed.

    (distribution/distribution, docs/spec/manifest-v2-1.md, "Signed Manifests")
    """
    return media_type in _SCHEMA1_TYPES


def may_be_manifest(media_type: str | None) -> bool:
    """Whether an index's child of this type may be requested as a manifest. None: the index does not say what it is.

    An index may list any content (image-spec, image-index.md, `manifests`). What is no manifest is a blob, and answered
    with 404 where manifests are.
    """
    return media_type is None or media_type in INDEX_TYPES | _SINGLE_TYPES | _SCHEMA1_TYPES


def find_artifact_type(declared: str | None, config_type: str | None, media_type: str | None) -> str | None:
    """The declared type, or else that of the config (image-spec, manifest.md, "Guidelines for Artifact Usage").

    None for an image. `media_type` is the manifest's.
    """
    if declared is not None and declared not in _IMAGE_CONFIG_TYPES:
        return declared
    is_docker = media_type == "application/vnd.docker.distribution.manifest.v2+json"
    return None if config_type in (_DOCKER_CONFIG_TYPES if is_docker else _IMAGE_CONFIG_TYPES) else config_type


def artifact_kind(media_type: str | None, annotations: dict[str, str]) -> ImageKind | None:
    """What a manifest is, by the media type of its artifact or of its layers. None where the type is not known."""
    if media_type is None:
        return None
    if media_type.startswith(_BUNDLE):
        return _bundle_kind(annotations)
    if media_type.startswith(_STATEMENTS):
        return ImageKind.ATTESTATION
    return _KINDS.get(referrer_kind(media_type, None))


def parse_manifest(body: bytes, content_type: str | None) -> Manifest:
    """Parse a manifest. Its own `mediaType` counts for more than the response's `content_type`.

    Raises MalformedResponse for a body that is no manifest.
    """
    document = parse_object(body)
    received_type = (content_type or "").partition(";")[0].strip().lower()
    schema1 = _parse_schema1(document, received_type)
    if schema1 is not None:
        return schema1
    return _parse_index(document, received_type) if _is_index(document) else _parse_single(document, received_type)


def parse_child(child: dict[str, Any]) -> Platform:
    """A descriptor of an index's `manifests`. Raises MalformedResponse without a digest."""
    listed = child.get("platform")
    platform = listed if type(listed) is dict else {}
    annotations = parse_string_map(child.get("annotations"))
    role = _role(child, platform, annotations)
    attested = annotations.get("vnd.docker.reference.digest")
    names = [parse_text(platform.get(field)) for field in ("os", "architecture")]
    if role is PlatformRole.ATTESTATION:
        names = [None if name == "unknown" else name for name in names]
    return Platform(
        digest=parse_digest(child, "manifests"),
        os=names[0],
        architecture=names[1],
        variant=parse_text(platform.get("variant")),
        os_version=parse_text(platform.get("os.version")),
        size_bytes=parse_size(child.get("size")),
        media_type=parse_text(child.get("mediaType")),
        role=role,
        attests_digest=attested if role is PlatformRole.ATTESTATION and is_digest(attested) else None,
    )


def _parse_schema1(document: dict[str, Any], received_type: str) -> Manifest | None:
    """An image of Docker's schema 1 (distribution/distribution, docs/spec/manifest-v2-1.md); None for any other."""
    own = parse_text(document.get("mediaType"))
    media_type = own or (received_type if received_type in _SCHEMA1_TYPES else None)
    is_of_type = media_type in _SCHEMA1_TYPES and document.get("schemaVersion") != 2
    if is_of_type or (document.get("schemaVersion") == 1 and "fsLayers" in document):
        return Manifest(media_type=media_type, kind=ImageKind.IMAGE, annotations={}, is_schema1=True)
    return None


def _is_index(document: dict[str, Any]) -> bool:
    """Whether a document is an index, by its fields: a mediaType is optional in both.

    One with the fields of both is read differently by different clients, and refused by containerd as well
    (containerd/containerd, core/images/image.go, validateMediaType; GHSA-77vh-xpmg-72qh). Raises MalformedResponse.
    """
    get = document.get
    has_parts = get("config") is not None or get("layers") is not None or get("blobs") is not None
    if has_parts and get("manifests") is not None:
        raise MalformedResponse("a manifest with the fields of an index and of an image")
    if not has_parts and "manifests" not in document:
        raise MalformedResponse("neither an index nor the manifest of an image or artifact")
    return not has_parts


def _media_type(document: dict[str, Any], received_type: str, expected: frozenset[str]) -> str | None:
    """The type in the document, else the type that it came with, if it fits. Raises MalformedResponse."""
    own = parse_text(document.get("mediaType"))
    if own is None:
        return received_type if received_type in expected else None
    if own not in expected and own in INDEX_TYPES | _SINGLE_TYPES:
        raise MalformedResponse("a manifest whose 'mediaType' contradicts its fields")
    return own


def _subject_digest(document: dict[str, Any]) -> str | None:
    subject = document.get("subject")
    digest = subject.get("digest") if type(subject) is dict else None
    return digest if is_digest(digest) else None


def _parse_index(document: dict[str, Any], received_type: str) -> Manifest:
    listed = parse_descriptors(document["manifests"], "manifests")
    annotations = parse_string_map(document.get("annotations"))
    return Manifest(
        media_type=_media_type(document, received_type, INDEX_TYPES),
        kind=ImageKind.INDEX,
        artifact_type=parse_text(document.get("artifactType")),
        subject_digest=_subject_digest(document),
        created_at=parse_time(annotations.get(CREATED)),
        annotations=annotations,
        children=tuple(map(parse_child, listed)),
        child_referrers=tuple(parse_referrer(child, ReferrerSource.FALLBACK_TAG) for child in listed),
    )


def _role(child: dict[str, Any], platform: dict[str, Any], annotations: dict[str, str]) -> PlatformRole | None:
    is_unknown = platform.get("os") == platform.get("architecture") == "unknown"
    if annotations.get("vnd.docker.reference.type") == _ATTESTATION or (
        is_unknown and is_digest(annotations.get("vnd.docker.reference.digest"))
    ):
        return PlatformRole.ATTESTATION
    media_type, artifact_type = parse_text(child.get("mediaType")), parse_text(child.get("artifactType"))
    if artifact_type is not None and artifact_type not in _IMAGE_CONFIG_TYPES:
        return PlatformRole.ARTIFACT
    if media_type is None:
        return PlatformRole.IMAGE if platform else None
    is_image = media_type in _IMAGE_TYPES or media_type in INDEX_TYPES or media_type in _SCHEMA1_TYPES
    return PlatformRole.IMAGE if is_image else PlatformRole.ARTIFACT


def _parse_single(document: dict[str, Any], received_type: str) -> Manifest:
    """The manifest of an image or artifact."""
    media_type = _media_type(document, received_type, _SINGLE_TYPES)
    config = _parse_config(document.get("config"))
    is_artifact_manifest = document.get("layers") is None and document.get("blobs") is not None
    listed = parse_descriptors(document["blobs"] if is_artifact_manifest else document.get("layers"), "layers")
    layers = _parse_layers(listed)
    annotations = parse_string_map(document.get("annotations"))
    config_type = None if config is None else config.media_type
    artifact_type = find_artifact_type(parse_text(document.get("artifactType")), config_type, media_type)
    is_artifact = is_artifact_manifest or artifact_type is not None
    kind = _kind(artifact_type, layers, annotations) or (ImageKind.ARTIFACT if is_artifact else ImageKind.IMAGE)
    config_digest = None if config is None else config.digest
    return Manifest(
        media_type=media_type,
        kind=kind,
        artifact_type=artifact_type,
        subject_digest=_subject_digest(document),
        size_bytes=_total_size(layers if config is None else (config, *layers)),
        image_config_digest=config_digest if kind is ImageKind.IMAGE else None,
        config_digest=config_digest,
        layers=layers,
        created_at=parse_time(annotations.get(CREATED)),
        annotations=annotations,
        predicate_types=_predicate_types(listed, annotations),
    )


def _parse_config(config: Any) -> Layer | None:
    """The config's descriptor, or None where there is none. Raises MalformedResponse."""
    if config is None:
        return None
    if type(config) is not dict:
        raise MalformedResponse("'config' is not an object")
    return Layer(parse_digest(config, "config"), parse_size(config.get("size")), parse_text(config.get("mediaType")))


def _parse_layers(layers: list[dict[str, Any]]) -> tuple[Layer, ...]:
    return tuple(
        [
            Layer(parse_any_digest(layer, "layers"), parse_size(layer.get("size")), parse_text(layer.get("mediaType")))
            for layer in layers
        ]
    )


def _total_size(blobs: tuple[Layer, ...]) -> int | None:
    """The size of all blobs together; None where the size of one is not known."""
    sizes = [blob.size_bytes for blob in blobs if blob.size_bytes is not None]
    return parse_size(sum(sizes)) if len(sizes) == len(blobs) else None


def _kind(artifact_type: str | None, layers: tuple[Layer, ...], annotations: dict[str, str]) -> ImageKind | None:
    """What a manifest is, by its artifact type, or else by the type that all layers have. None where neither is known.

    Cosign and BuildKit give signatures and attestations the config of an image.
    """
    kind = artifact_kind(artifact_type, annotations)
    if kind is not None:
        return kind
    layer_kinds = {artifact_kind(media_type, annotations) for media_type in {layer.media_type for layer in layers}}
    return layer_kinds.pop() if len(layer_kinds) == 1 else None


def _bundle_kind(annotations: dict[str, str]) -> ImageKind:
    """What a sigstore bundle holds (sigstore/cosign, specs/BUNDLE_SPEC.md).

    A bundle without annotations is what `cosign sign-blob --bundle` writes and other tools attach: a signature.
    """
    predicate = predicate_type(annotations)
    if predicate is None:
        is_statement = annotations.get("dev.sigstore.bundle.content") == "dsse-envelope"
        return ImageKind.ATTESTATION if is_statement else ImageKind.SIGNATURE
    is_signature = referrer_kind(None, predicate) is ReferrerKind.SIGNATURE
    return ImageKind.SIGNATURE if is_signature else ImageKind.ATTESTATION


def _predicate_types(layers: list[dict[str, Any]], annotations: dict[str, str]) -> tuple[str, ...]:
    """The predicates that the layers' annotations name, then the manifest's own."""
    of_layers = [parse_string_map(layer["annotations"]) for layer in layers if "annotations" in layer]
    found = map(predicate_type, (*of_layers, annotations))
    return tuple(dict.fromkeys(name for name in found if name is not None))
