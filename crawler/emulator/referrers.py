"""What refers to an image: cosign's tags, artifacts with a subject, and the fallback index that lists them."""

from collections.abc import Iterable
from typing import Final, NamedTuple

import orjson

from crawler.emulator.draws import draw_bytes
from crawler.emulator.manifests import (
    EMPTY,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_MANIFEST,
    Json,
    Manifest,
    artifact_manifest,
    blob,
    index_manifest,
)

_BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PREDICATE: Final = "dev.sigstore.bundle.predicateType"
_END_OF_LIFE: Final = "vnd.microsoft.artifact.lifecycle.end-of-life.date"


class _Artifact(NamedTuple):
    artifact_type: str
    kind: str = "artifact"
    annotations: tuple[tuple[str, str], ...] = ()


ARTIFACTS: Final = (
    _Artifact(_BUNDLE, kind="signature", annotations=((_PREDICATE, "https://sigstore.dev/cosign/sign/v1"),)),
    _Artifact("application/spdx+json", kind="sbom"),
    _Artifact(_BUNDLE, kind="attestation", annotations=((_PREDICATE, "https://slsa.dev/provenance/v1"),)),
    _Artifact("application/vnd.cncf.notary.signature", kind="signature"),
    _Artifact("application/vnd.cyclonedx+json", kind="sbom"),
    _Artifact("application/vnd.openvex+json"),
    _Artifact("application/sarif+json"),
    _Artifact("application/vnd.microsoft.artifact.lifecycle", annotations=((_END_OF_LIFE, "2026-06-30T00:00:00Z"),)),
    _Artifact("application/vnd.example.note.v1+json"),
)


class _CosignTag(NamedTuple):
    kind: str
    layer_type: str
    annotations: tuple[tuple[str, str], ...] = ()


# sigstore/cosign, specs/SIGNATURE_SPEC.md and specs/SBOM_SPEC.md
_COSIGN: Final = {
    "sig": _CosignTag(
        "signature",
        "application/vnd.dev.cosign.simplesigning.v1+json",
        (("dev.cosignproject.cosign/signature", "MEUCIQDk"),),
    ),
    "att": _CosignTag(
        "attestation", "application/vnd.dsse.envelope.v1+json", (("predicateType", "https://slsa.dev/provenance/v0.2"),)
    ),
    "sbom": _CosignTag("sbom", "text/spdx+json"),
}
COSIGN_SUFFIXES: Final = tuple(_COSIGN)


def cosign_manifest(subject: str, suffix: str) -> Manifest:
    """The manifest under a cosign tag; `subject` is the digest of the image."""
    form = _COSIGN[suffix]
    drawn = draw_bytes(f"{subject}.{suffix}")
    layer: Json = {"mediaType": form.layer_type, "size": 200 + drawn[0], "digest": f"sha256:{drawn[:32].hex()}"}
    if form.annotations:
        layer["annotations"] = dict(form.annotations)
    config = {
        "architecture": "",
        "config": {},
        "created": "0001-01-01T00:00:00Z",
        "os": "",
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    }
    return artifact_manifest(kind=form.kind, config=blob(orjson.dumps(config)), config_type=OCI_CONFIG, layers=[layer])


def subject_artifact(subject: Manifest, number: int) -> Manifest:
    """An artifact of the sort `number` whose `subject` is an image."""
    sort = ARTIFACTS[number % len(ARTIFACTS)]
    drawn = draw_bytes(f"{subject.digest}/artifact/{number}")
    layer: Json = {"mediaType": sort.artifact_type, "size": 900 + drawn[0], "digest": f"sha256:{drawn[:32].hex()}"}
    return artifact_manifest(
        kind=sort.kind,
        config=EMPTY,
        config_type=OCI_EMPTY,
        layers=[layer],
        annotations={"org.opencontainers.image.created": "2025-01-01T00:00:00Z", **dict(sort.annotations)},
        subject=subject.descriptor,
        artifact_type=sort.artifact_type,
    )


def referrer_entry(artifact: Manifest) -> Json:
    """The descriptor of an artifact in the list of a subject's referrers (distribution-spec, "Listing Referrers")."""
    document = orjson.loads(artifact.body)
    return {
        **artifact.descriptor,
        "artifactType": document["artifactType"],
        "annotations": document["annotations"],
    }


def subject_digest(manifest: Manifest) -> str | None:
    """The digest of the manifest that this one refers to, if it has a subject."""
    if manifest.media_type != OCI_MANIFEST:
        return None
    digest: str | None = orjson.loads(manifest.body).get("subject", {}).get("digest")
    return digest


def fallback_index(artifacts: Iterable[Manifest]) -> Manifest:
    """The list of referrers under a subject's fallback tag."""
    return index_manifest(OCI_INDEX, map(referrer_entry, artifacts))


def fallback_tag(digest: str) -> str:
    """The tag `sha256-HEX` of a subject (distribution-spec, "Referrers Tag Schema")."""
    return digest.replace(":", "-")


def cosign_tag(digest: str, suffix: str) -> str:
    return f"{fallback_tag(digest)}.{suffix}"
