"""Images, indexes and artifacts made from a description: their bytes, and what must be pushed before them."""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from support.digests import digest_of

TAR = b"\0" * 1024  # an empty archive
LAYER = gzip.compress(TAR, mtime=0)
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY_CONFIG = b"{}"
"""The config of an artifact that has none (image-spec, manifest.md, "Guidance for an Empty Descriptor")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFormat:
    """The media types of an image's parts."""

    manifest: str
    config: str
    layer: str


DOCKER = ImageFormat(
    manifest="application/vnd.docker.distribution.manifest.v2+json",
    config="application/vnd.docker.container.image.v1+json",
    layer="application/vnd.docker.image.rootfs.diff.tar.gzip",
)
OCI = ImageFormat(
    manifest="application/vnd.oci.image.manifest.v1+json",
    config="application/vnd.oci.image.config.v1+json",
    layer="application/vnd.oci.image.layer.v1.tar+gzip",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A manifest, and what must be pushed before it.

    Attributes:
        blobs: the config and the layers.
        children: the manifests that an index lists.
        listed_as: what an index adds to the manifest's descriptor: a platform, annotations, an artifact type.
    """

    media_type: str
    body: bytes
    blobs: tuple[bytes, ...] = ()
    children: tuple["Content", ...] = ()
    listed_as: Mapping[str, Any]

    @property
    def digest(self) -> str:
        return digest_of(self.body)

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def manifests(self) -> Iterator["Content"]:
        """The manifest itself and, of an index, its children."""
        yield self
        yield from self.children

    @property
    def configs(self) -> Iterator[str]:
        """The digests of the configs that describe an image."""
        for manifest in self.manifests:
            layers = manifest.document.get("layers", ())
            if any(layer["mediaType"] in {OCI.layer, DOCKER.layer} for layer in layers):
                yield manifest.document["config"]["digest"]


def image_config(
    *,
    platform: str = "linux/amd64",
    created: str = "2024-01-02T03:04:05Z",
    history: Sequence[str] = (),
    layers: Sequence[bytes] = (TAR,),
    **runtime: Any,
) -> dict[str, Any]:
    """An image config; `runtime` has the keys of its `config` object, such as `User` and `Env` (image-spec, config.md).

    `platform` is OS/ARCHITECTURE[/VARIANT].
    """
    os, architecture, *variant = platform.split("/")
    return {
        "os": os,
        "architecture": architecture,
        **({"variant": variant[0]} if variant else {}),
        "created": created,
        "config": runtime,
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
        "history": [{"created": created, "created_by": line} for line in history],
    }


def image(
    config: Mapping[str, Any],
    image_format: ImageFormat = OCI,
    *,
    layers: Sequence[bytes] = (LAYER,),
    annotations: Mapping[str, str] | None = None,
) -> Content:
    """An image for one platform, which is its config's."""
    platform = {key: config[key] for key in ("os", "architecture", "variant") if key in config}
    return _image(to_json(config), image_format, layers, annotations, {"platform": platform})


def broken_image(config: bytes) -> Content:
    """An image whose config may be anything."""
    return _image(config, OCI, (LAYER,), None, {})


def attestation(subject: Content) -> Content:
    """What BuildKit puts beside an image in its index (moby/buildkit, docs/attestations/attestation-storage.md)."""
    statement = to_json(
        {
            "_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": "https://slsa.dev/provenance/v0.2",
            "subject": [{"name": "image", "digest": dict([subject.digest.split(":")])}],
        }
    )
    annotations = {"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"}
    return _manifest(
        OCI.manifest,
        (OCI.config, to_json(image_config(platform="unknown/unknown", layers=[statement]))),
        [("application/vnd.in-toto+json", statement, {"annotations": annotations})],
        {},
        {
            "platform": {"architecture": "unknown", "os": "unknown"},
            "annotations": {
                "vnd.docker.reference.digest": subject.digest,
                "vnd.docker.reference.type": "attestation-manifest",
            },
        },
    )


def artifact(
    artifact_type: str, content: bytes, *, subject: Content | None = None, annotations: Mapping[str, str] | None = None
) -> Content:
    """An artifact with one layer and an empty config, which may refer to another manifest."""
    more = {"subject": _descriptor(subject) if subject else None, "annotations": annotations}
    return _manifest(
        OCI.manifest,
        ("application/vnd.oci.empty.v1+json", EMPTY_CONFIG),
        [(artifact_type, content, {})],
        {"artifactType": artifact_type, **{key: value for key, value in more.items() if value}},
        {"artifactType": artifact_type},
    )


def signature(subject: Content) -> Content:
    """Cosign's signature (sigstore/cosign, specs/SIGNATURE_SPEC.md); its place is `signature_tag(subject)`."""
    payload = to_json({"critical": {"image": {"docker-manifest-digest": subject.digest}}, "optional": None})
    return _manifest(
        OCI.manifest,
        (OCI.config, to_json(image_config(platform="/", layers=[payload]))),
        [("application/vnd.dev.cosign.simplesigning.v1+json", payload, {"annotations": _A_SIGNATURE})],
        {},
        {},
    )


_A_SIGNATURE = {"dev.cosignproject.cosign/signature": "MEUCIQ=="}


def signature_tag(subject: Content) -> str:
    return f"{fallback_tag(subject)}.sig"


def fallback_tag(subject: Content) -> str:
    """The tag of the index of all referrers (distribution-spec, "Referrers Tag Schema")."""
    return subject.digest.replace(":", "-")


def index(*children: Content, annotations: Mapping[str, str] | None = None) -> Content:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [{**_descriptor(child), **child.listed_as} for child in children],
        **({"annotations": annotations} if annotations else {}),
    }
    return Content(media_type=OCI_INDEX, body=to_json(document), children=children, listed_as={})


def built(*images: Content, annotations: Mapping[str, str] | None = None) -> Content:
    """The index that BuildKit makes: the images, and an attestation of each."""
    return index(*images, *map(attestation, images), annotations=annotations)


def distinct(contents: Iterable[Content]) -> dict[str, Content]:
    """The contents by digest, each once."""
    return {content.digest: content for content in contents}


def schema1(repository: str, tag: str) -> bytes:
    """The payload of a manifest of schema 1, without signatures (distribution 2.8, docs/spec/manifest-v2-1.md)."""
    history = {"id": "0" * 64, "created": datetime(2015, 1, 1, tzinfo=UTC).isoformat(), "os": "linux"}
    return to_json(
        {
            "schemaVersion": 1,
            "name": repository,
            "tag": tag,
            "architecture": "amd64",
            "fsLayers": [{"blobSum": digest_of(LAYER)}],
            "history": [{"v1Compatibility": json.dumps(history)}],
        },
        indent=3,
    )


def to_json(document: Any, indent: int | None = None) -> bytes:
    return json.dumps(document, indent=indent).encode()


def _image(
    config: bytes,
    image_format: ImageFormat,
    layers: Sequence[bytes],
    annotations: Mapping[str, str] | None,
    listed_as: Mapping[str, Any],
) -> Content:
    return _manifest(
        image_format.manifest,
        (image_format.config, config),
        [(image_format.layer, layer, {}) for layer in layers],
        {"annotations": annotations} if annotations else {},
        listed_as,
    )


def _manifest(
    media_type: str,
    config: tuple[str, bytes],
    layers: Sequence[tuple[str, bytes, Mapping[str, Any]]],
    more: Mapping[str, Any],
    listed_as: Mapping[str, Any],
) -> Content:
    document = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": _blob(*config),
        "layers": [{**_blob(layer_type, layer), **extra} for layer_type, layer, extra in layers],
        **more,
    }
    blobs = (config[1], *(layer for _, layer, _ in layers))
    return Content(media_type=media_type, body=to_json(document), blobs=blobs, listed_as=listed_as)


def _descriptor(content: Content) -> dict[str, Any]:
    return _blob(content.media_type, content.body)


def _blob(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "size": len(content), "digest": digest_of(content)}
