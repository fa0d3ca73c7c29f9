"""Referrers: what refers to an image, and what it is, by its tag, its artifact type or its predicate."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from crawler.errors import MalformedResponse
from crawler.model.image import ImageKind, Referrer, ReferrerKind, ReferrerSource
from crawler.wire.descriptor import parse_descriptors, parse_digest, parse_size, parse_string_map, predicate_type
from crawler.wire.json_fields import names_next_page, parse_object, parse_text
from crawler.wire.times import CREATED, parse_time

_KINDS: Final[dict[ReferrerKind, tuple[str, ...]]] = {
    ReferrerKind.SIGNATURE: (
        "application/vnd.dev.cosign.simplesigning.",  # sigstore/cosign, pkg/types/media.go
        "application/vnd.dev.cosign.artifact.sig.",  # sigstore/cosign, internal/pkg/oci/remote
        "https://sigstore.dev/cosign/sign/",  # sigstore/cosign, the predicate of a signature that is a bundle
        "application/vnd.cncf.notary.",  # notaryproject/specifications, specs/signature-specification.md
    ),
    ReferrerKind.PROVENANCE: (
        "https://slsa.dev/provenance",  # slsa-framework/slsa
        "https://in-toto.io/provenance/",  # its name before v0.2: in-toto/attestation, spec/predicates/provenance.md
        "https://in-toto.io/link/",  # in-toto/in-toto-golang, in_toto/attestations.go
        "https://in-toto.io/attestation/link/",
        "https://scout.docker.com/provenance/",  # docker/docs, content/manuals/dhi/core-concepts/attestations.md
        "application/vnd.in-toto.provenance+",  # in-toto/attestation, spec/v1/envelope.md, "Storage convention"
        "application/vnd.in-toto.link+",
    ),
    ReferrerKind.SBOM: (
        "text/spdx",  # sigstore/cosign, specs/SBOM_SPEC.md, which has the next two as well
        "application/vnd.cyclonedx",
        "application/vnd.syft",
        "application/vnd.spdx",  # Artifact Registry's attachments.list, in its documentation
        "application/spdx",  # registered at IANA
        "application/vnd.dev.cosign.artifact.sbom.",  # sigstore/cosign, internal/pkg/oci/remote
        "application/vnd.goharbor.harbor.sbom.",  # goharbor/harbor, src/controller/artifact/processor/sbom/sbom.go
        "https://spdx.dev/document",  # in-toto/in-toto-golang, in_toto/attestations.go
        "https://cyclonedx.org/bom",
        "https://syft.dev/bom",  # anchore/syft
        "https://scout.docker.com/sbom/",
        "application/vnd.in-toto.spdx+",
        "application/vnd.in-toto.cyclonedx+",
    ),
    ReferrerKind.VEX: (
        "https://openvex.dev/ns",  # openvex/spec, ATTESTING.md
        "https://cyclonedx.org/vex",  # l3montree-dev/devguard
        "application/vnd.openvex",
        "application/csaf",  # quay/claircore, test/fixtures
        "application/vnd.csaf",
    ),
    ReferrerKind.VULNERABILITIES: (
        "https://cosign.sigstore.dev/attestation/vuln/",  # sigstore/cosign, specs/COSIGN_VULN_ATTESTATION_SPEC.md
        "cosign.sigstore.dev/attestation/vuln/",  # its name in earlier versions of cosign
        "https://in-toto.io/attestation/vulns",  # in-toto/attestation, spec/predicates/vulns_02.md
        "https://scout.docker.com/vulnerabilities/",
        "application/vnd.in-toto.vulns",
        "application/sarif+json",  # registered at IANA
        "application/vnd.security.vulnerability.report",  # goharbor/pluggable-scanner-spec
        "application/vnd.aquasec.trivy.report",
    ),
    ReferrerKind.LIFECYCLE: (
        "application/vnd.microsoft.artifact.lifecycle",  # Azure/acr-cli
        "vnd.microsoft.artifact.lifecycle",
    ),
}
"""How the artifact types and predicates of each kind begin, in lower case. What follows is a version or a format."""

_TAG: Final = re.compile(r"(?:(sha256)-([0-9a-f]{64})|(sha512)-([0-9a-f]{128}))(?:\.(sig|att|sbom))?")

_COSIGN_SUFFIXES: Final[dict[str, tuple[ReferrerKind, ImageKind]]] = {
    "sig": (ReferrerKind.SIGNATURE, ImageKind.SIGNATURE),
    "att": (ReferrerKind.OTHER, ImageKind.ATTESTATION),  # of any predicates, which only its manifest names
    "sbom": (ReferrerKind.SBOM, ImageKind.SBOM),
}


@dataclass(frozen=True, slots=True)
class ReferrersPage:
    """A page of the referrers API, in the form that the pager needs; see `registry.pager.Page`."""

    referrers: tuple[Referrer, ...]
    names_next: bool = False

    @property
    def entries(self) -> Sequence[str]:
        return [referrer.digest for referrer in self.referrers]

    @property
    def ordered(self) -> Sequence[str]:
        return self.entries

    @property
    def lengths(self) -> tuple[int, ...]:
        return (len(self.referrers),)


def parse_referrers(body: bytes) -> ReferrersPage:
    """Parse a page of `/v2/NAME/referrers/DIGEST` (distribution-spec, "Listing Referrers").

    Raises MalformedResponse.
    """
    document = parse_object(body)
    names_next = names_next_page(document)
    if "manifests" not in document:
        raise MalformedResponse("a page of referrers without 'manifests'")
    listed = parse_descriptors(document["manifests"], "manifests")
    referrers = [parse_referrer(descriptor, ReferrerSource.API) for descriptor in listed]
    return ReferrersPage(tuple({referrer.digest: referrer for referrer in referrers}.values()), names_next)


def parse_referrer(descriptor: dict[str, Any], via: ReferrerSource) -> Referrer:
    """A descriptor of a manifest, as the referrer that it describes. Raises MalformedResponse without a digest."""
    annotations = parse_string_map(descriptor.get("annotations"))
    artifact_type, predicate = parse_text(descriptor.get("artifactType")), predicate_type(annotations)
    return Referrer(
        digest=parse_digest(descriptor, "manifests"),
        via=via,
        kind=referrer_kind(artifact_type, predicate),
        artifact_type=artifact_type,
        predicate_type=predicate,
        size_bytes=parse_size(descriptor.get("size")),
        created_at=parse_time(annotations.get(CREATED)),
    )


@dataclass(frozen=True, slots=True)
class ReferrerTag:
    """A tag that belongs to an image by its name.

    Attributes:
        subject_digest: the image.
        kind: by cosign's suffix; None for the index of all referrers (`sha256-HEX`).
        image_kind: what the tag's manifest is, by cosign's suffix; None without a suffix.
    """

    subject_digest: str
    kind: ReferrerKind | None
    image_kind: ImageKind | None


def parse_referrer_tag(tag: str) -> ReferrerTag | None:
    """Parse a tag `sha256-HEX`, `sha256-HEX.sig`, `.att` or `.sbom`; None for any other tag.

    The specification cuts the digest to 64 characters, because a tag has at most 128 (distribution-spec, "Referrers Tag
    Schema"). So a tag of a sha512 digest mostly does not name its image, and is a tag like any other here.
    """
    match = _TAG.fullmatch(tag)
    if match is None:
        return None
    kind, image_kind = _COSIGN_SUFFIXES.get(match[5], (None, None))
    return ReferrerTag(f"{match[1] or match[3]}:{match[2] or match[4]}", kind, image_kind)


def referrer_kind(artifact_type: str | None, predicate_type: str | None) -> ReferrerKind:
    """What a referrer is, by its artifact type and the predicate that it holds.

    A sigstore bundle or an in-toto statement is what its predicate says. Without a predicate it is OTHER: a bundle may
    be a signature or an SBOM, and until September 2026 cosign left the predicate out of the index of a fallback tag
    (sigstore/cosign#4641).
    """
    return _kind_of(artifact_type) or _kind_of(predicate_type) or ReferrerKind.OTHER


def _kind_of(name: str | None) -> ReferrerKind | None:
    if name is None:
        return None
    lower = name.lower()
    return next((kind for kind, prefixes in _KINDS.items() if lower.startswith(prefixes)), None)
