"""Referrers: pages of the API, tags that name their image, and kinds by type."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.json_values import flat, text

from crawler.errors import MalformedResponse
from crawler.model.image import ImageKind, Referrer, ReferrerKind, ReferrerSource
from crawler.wire.digest import is_digest
from crawler.wire.referrers import ReferrersPage, ReferrerTag, parse_referrer_tag, parse_referrers, referrer_kind

HEX = "0123456789abcdef" * 4
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
IN_TOTO = "application/vnd.in-toto+json"
INDEX = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json"}


def digest(number):
    return f"sha256:{number:064x}"


def descriptor(number=1, **fields):
    return {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest(number), "size": 813, **fields}


def parse(*manifests, **fields):
    return parse_referrers(json.dumps({**INDEX, "manifests": list(manifests), **fields}).encode())


def test_referrers_page_is_parsed_completely():
    annotations = {
        "org.opencontainers.image.created": "2026-01-24T20:47:58.951Z",
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v1",
    }
    page = parse(descriptor(1, artifactType=BUNDLE, annotations=annotations), descriptor(2))
    assert page.referrers == (
        Referrer(
            digest=digest(1),
            via=ReferrerSource.API,
            kind=ReferrerKind.PROVENANCE,
            artifact_type=BUNDLE,
            predicate_type="https://slsa.dev/provenance/v1",
            size_bytes=813,
            created_at="2026-01-24T20:47:58.951Z",
        ),
        Referrer(digest(2), ReferrerSource.API, ReferrerKind.OTHER, size_bytes=813),
    )


def test_referrers_page_has_the_form_that_the_pager_needs():
    page = parse(descriptor(2), descriptor(1), descriptor(2))
    assert page.entries == page.ordered == [digest(2), digest(1)]
    assert page.lengths == (2,)
    assert page.names_next is False
    assert parse(next="/v2/a/referrers/b?n=5").names_next is True


@pytest.mark.parametrize("nothing", [None, []])
def test_referrers_of_null_are_empty(nothing):
    assert parse_referrers(json.dumps({**INDEX, "manifests": nothing}).encode()) == ReferrersPage(())


@pytest.mark.parametrize("size", ["813", -1, 2**63, 1.5, True, None])
def test_referrers_with_a_size_that_is_no_number_have_none(size):
    assert parse(descriptor(size=size)).referrers[0].size_bytes is None


@pytest.mark.parametrize(
    "manifests",
    [{}, "a", ["a"], [None], [{}], [descriptor(digest=None)], [descriptor(digest="md5:00")], [descriptor(), 7]],
)
def test_referrers_without_a_digest_are_malformed(manifests):
    with pytest.raises(MalformedResponse):
        parse_referrers(json.dumps({"manifests": manifests}).encode())


@pytest.mark.parametrize("body", [b"", b"{}", b"404 page not found\n", b'{"errors": [{"code": "NAME_UNKNOWN"}]}'])
def test_referrers_of_another_body_are_malformed(body):
    with pytest.raises(MalformedResponse):
        parse_referrers(body)


def test_referrers_with_errors_beside_them_are_malformed():
    with pytest.raises(MalformedResponse, match="TOOMANYREQUESTS"):
        parse(descriptor(), errors=[{"code": "TOOMANYREQUESTS"}])


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        (f"sha256-{HEX}", ReferrerTag(f"sha256:{HEX}", None, None)),
        (f"sha256-{HEX}.sig", ReferrerTag(f"sha256:{HEX}", ReferrerKind.SIGNATURE, ImageKind.SIGNATURE)),
        (f"sha256-{HEX}.att", ReferrerTag(f"sha256:{HEX}", ReferrerKind.OTHER, ImageKind.ATTESTATION)),
        (f"sha256-{HEX}.sbom", ReferrerTag(f"sha256:{HEX}", ReferrerKind.SBOM, ImageKind.SBOM)),
        (f"sha512-{HEX}{HEX}", ReferrerTag(f"sha512:{HEX}{HEX}", None, None)),
        (f"sha512-{HEX}{HEX}.sig", ReferrerTag(f"sha512:{HEX}{HEX}", ReferrerKind.SIGNATURE, ImageKind.SIGNATURE)),
    ],
)
def test_referrer_tag_is_parsed(tag, expected):
    assert parse_referrer_tag(tag) == expected


@pytest.mark.parametrize(
    "tag",
    [
        "latest",
        "",
        f"sha256:{HEX}",
        f"sha256-{HEX.upper()}",
        f"sha256-{HEX}0",
        f"sha256-{HEX[1:]}",
        f"sha256-{HEX}.SIG",
        f"sha256-{HEX}.sig2",
        f"sha256-{HEX}.sig\n",
        f"sha256-{HEX}.",
        f"v1-sha256-{HEX}.sig",
        f"sha256-{HEX}-cache",
        f"sha512-{HEX}",  # cut to 64 characters: it does not name its image
        f"sha384-{HEX}",
    ],
)
def test_referrer_tag_is_not_any_other_tag(tag):
    assert parse_referrer_tag(tag) is None


@given(st.text() | st.from_regex(r"sha(256|512)-[0-9a-f]{62,66}(\.(sig|att|sbom|x))?"))
def test_referrer_tag_of_any_text_is_none_or_names_a_digest(tag):
    parsed = parse_referrer_tag(tag)
    assert parsed is None or is_digest(parsed.subject_digest)


@pytest.mark.parametrize(
    ("kind", "types"),
    [
        (
            ReferrerKind.SIGNATURE,
            [
                "application/vnd.dev.cosign.artifact.sig.v1+json",
                "application/vnd.dev.cosign.simplesigning.v1+json",
                "application/vnd.cncf.notary.signature",
                "application/vnd.cncf.notary.v2.signature",
            ],
        ),
        (
            ReferrerKind.SBOM,
            [
                "application/spdx+json",
                "text/spdx",
                "text/spdx+json",
                "application/vnd.cyclonedx+json",
                "application/vnd.cyclonedx+xml",
                "application/vnd.cyclonedx",
                "application/vnd.syft+json",
                "application/vnd.dev.cosign.artifact.sbom.v1+json",
                "application/vnd.goharbor.harbor.sbom.v1",
                "application/vnd.in-toto.spdx+dsse",
                "Application/SPDX+JSON",
            ],
        ),
        (ReferrerKind.PROVENANCE, ["application/vnd.in-toto.provenance+dsse"]),
        (ReferrerKind.VEX, ["application/vnd.openvex+json", "application/csaf+json"]),
        (
            ReferrerKind.VULNERABILITIES,
            ["application/sarif+json", "application/vnd.security.vulnerability.report; version=1.1"],
        ),
        (ReferrerKind.LIFECYCLE, ["application/vnd.microsoft.artifact.lifecycle"]),
        (
            ReferrerKind.OTHER,
            [
                "application/vnd.cncf.helm.config.v1+json",
                "application/vnd.oci.empty.v1+json",
                "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip",
                "",
                IN_TOTO,
                BUNDLE,
            ],
        ),
    ],
)
def test_referrer_kind_by_artifact_type(kind, types):
    assert {name: referrer_kind(name, None) for name in types} == dict.fromkeys(types, kind)


@pytest.mark.parametrize("artifact_type", [None, BUNDLE, IN_TOTO, "application/vnd.oci.empty.v1+json"])
@pytest.mark.parametrize(
    ("predicate", "kind"),
    [
        ("https://sigstore.dev/cosign/sign/v1", ReferrerKind.SIGNATURE),
        ("https://slsa.dev/provenance/v1", ReferrerKind.PROVENANCE),
        ("https://slsa.dev/provenance/v0.2", ReferrerKind.PROVENANCE),
        ("https://in-toto.io/Provenance/v0.1", ReferrerKind.PROVENANCE),
        ("https://in-toto.io/Link/v1", ReferrerKind.PROVENANCE),
        ("https://spdx.dev/Document", ReferrerKind.SBOM),
        ("https://spdx.dev/Document/v2.3", ReferrerKind.SBOM),
        ("https://cyclonedx.org/bom", ReferrerKind.SBOM),
        ("https://syft.dev/bom", ReferrerKind.SBOM),
        ("https://openvex.dev/ns/v0.2.0", ReferrerKind.VEX),
        ("https://cyclonedx.org/vex", ReferrerKind.VEX),
        ("https://cosign.sigstore.dev/attestation/vuln/v1", ReferrerKind.VULNERABILITIES),
        ("https://in-toto.io/attestation/vulns/v0.2", ReferrerKind.VULNERABILITIES),
        ("https://cosign.sigstore.dev/attestation/v1", ReferrerKind.OTHER),
        ("https://slsa.dev/verification_summary/v1", ReferrerKind.OTHER),
        ("https://evil.example/https://spdx.dev/Document", ReferrerKind.OTHER),
        (None, ReferrerKind.OTHER),
    ],
)
def test_referrer_kind_by_predicate(artifact_type, predicate, kind):
    assert referrer_kind(artifact_type, predicate) is kind


def test_referrer_kind_of_an_artifact_type_goes_before_the_predicate():
    assert referrer_kind("application/spdx+json", "https://slsa.dev/provenance/v1") is ReferrerKind.SBOM


@given(st.none() | st.text(), st.none() | st.text())
def test_referrer_kind_of_any_text_is_a_kind(artifact_type, predicate):
    assert isinstance(referrer_kind(artifact_type, predicate), ReferrerKind)


annotations = st.dictionaries(
    st.sampled_from(["org.opencontainers.image.created", "in-toto.io/predicate-type"]) | text, text | flat, max_size=3
)
descriptors = st.fixed_dictionaries(
    {"digest": st.integers(0, 2).map(digest)},
    optional={"size": flat, "artifactType": text | flat, "annotations": annotations | flat},
)
fields = st.dictionaries(st.sampled_from(["next", "errors"]) | text, flat, max_size=2)


@given(st.lists(descriptors, max_size=3) | st.lists(descriptors | flat, max_size=3) | flat, fields)
def test_referrers_of_any_json_are_typed_or_malformed(manifests, fields):
    try:
        page = parse_referrers(json.dumps({"manifests": manifests, **fields}).encode())
    except MalformedResponse:
        return
    assert len({*page.entries}) == len(page.referrers)
    for referrer in page.referrers:
        assert is_digest(referrer.digest)
        assert referrer.size_bytes is None or (type(referrer.size_bytes) is int and referrer.size_bytes >= 0)
        shown = (referrer.artifact_type, referrer.predicate_type, referrer.created_at)
        assert all(value is None or type(value) is str for value in shown)


@given(st.binary())
def test_referrers_of_any_bytes_are_a_page_or_malformed(body):
    try:
        assert isinstance(parse_referrers(body), ReferrersPage)
    except MalformedResponse:
        return
