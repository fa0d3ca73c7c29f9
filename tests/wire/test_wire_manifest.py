"""Manifests: what they are and what they hold, for one of each kind that common tools write."""

import json

import pytest
from support.oci_documents import (
    BUNDLE,
    DOCKER_MANIFEST,
    DSSE,
    EMPTY_CONFIG,
    GZIP_LAYER,
    IMAGE_CONFIG,
    IN_TOTO,
    OCI_INDEX,
    OCI_MANIFEST,
    descriptor,
    digest,
    manifest,
)

from crawler.errors import MalformedResponse
from crawler.model.image import ImageKind, Layer
from crawler.wire.manifest import MANIFEST_TYPES, Manifest, parse_manifest

DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
COSIGN_SIGNATURE = "application/vnd.dev.cosign.artifact.sig.v1+json"
BUILDKIT = "application/vnd.docker.attestation.manifest.v1+json"
NOTATION = "application/vnd.cncf.notary.signature"
HELM = "application/vnd.cncf.helm.config.v1+json"
HELM_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
SIGN_PREDICATE = "https://sigstore.dev/cosign/sign/v1"
SLSA = "https://slsa.dev/provenance/v1"
SPDX = "https://spdx.dev/Document"
SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"


def parse(document, content_type=None):
    return parse_manifest(json.dumps(document).encode(), content_type)


def bundle(**annotations):
    names = {"predicate": "dev.sigstore.bundle.predicateType", "content": "dev.sigstore.bundle.content"}
    named = {names[name]: value for name, value in annotations.items()}
    return manifest(EMPTY_CONFIG, BUNDLE, artifactType=BUNDLE, subject=descriptor(9, OCI_MANIFEST), annotations=named)


def statements(*predicates, key="in-toto.io/predicate-type", media_type=IN_TOTO, **fields):
    layers = [
        descriptor(number, media_type, annotations={key: predicate})
        for number, predicate in enumerate(predicates, start=2)
    ]
    return manifest(**fields) | {"layers": layers}


def test_manifest_of_an_image_is_parsed_completely():
    document = manifest(IMAGE_CONFIG, GZIP_LAYER, GZIP_LAYER, annotations={"org.example.a": "b", "c": 7, "d": None})
    assert parse(document) == Manifest(
        media_type=OCI_MANIFEST,
        kind=ImageKind.IMAGE,
        artifact_type=None,
        subject_digest=None,
        size_bytes=6,
        image_config_digest=digest(1),
        config_digest=digest(1),
        layers=(Layer(digest(2), 2, GZIP_LAYER), Layer(digest(3), 3, GZIP_LAYER)),
        annotations={"org.example.a": "b"},
        children=(),
        child_referrers=(),
        predicate_types=(),
        is_schema1=False,
    )


@pytest.mark.parametrize(
    ("document", "kind", "artifact_type"),
    [
        pytest.param(manifest(IMAGE_CONFIG, GZIP_LAYER), ImageKind.IMAGE, None, id="OCI image"),
        pytest.param(
            manifest(DOCKER_CONFIG, DOCKER_LAYER, mediaType=DOCKER_MANIFEST), ImageKind.IMAGE, None, id="Docker image"
        ),
        pytest.param(
            manifest("application/octet-stream", DOCKER_LAYER, mediaType=DOCKER_MANIFEST),
            ImageKind.IMAGE,
            None,
            id="Docker image from an old registry",
        ),
        pytest.param(manifest(IMAGE_CONFIG), ImageKind.IMAGE, None, id="image without layers"),
        pytest.param(
            manifest("application/vnd.docker.plugin.v1+json", DOCKER_LAYER, mediaType=DOCKER_MANIFEST),
            ImageKind.ARTIFACT,
            "application/vnd.docker.plugin.v1+json",
            id="Docker plugin",
        ),
        pytest.param(manifest(HELM, HELM_LAYER), ImageKind.ARTIFACT, HELM, id="helm chart"),
        pytest.param(
            manifest(EMPTY_CONFIG, "text/plain", artifactType="application/vnd.example"),
            ImageKind.ARTIFACT,
            "application/vnd.example",
            id="oras attach",
        ),
        pytest.param(manifest(EMPTY_CONFIG, EMPTY_CONFIG), ImageKind.ARTIFACT, EMPTY_CONFIG, id="empty config"),
        pytest.param(
            manifest("application/octet-stream", "text/plain"),
            ImageKind.ARTIFACT,
            "application/octet-stream",
            id="OCI manifest with a config of any bytes",
        ),
        pytest.param(
            {"mediaType": OCI_ARTIFACT, "artifactType": "application/vnd.example", "blobs": [descriptor(2, "a/b")]},
            ImageKind.ARTIFACT,
            "application/vnd.example",
            id="artifact manifest",
        ),
        pytest.param({"mediaType": OCI_ARTIFACT, "blobs": []}, ImageKind.ARTIFACT, None, id="artifact without a type"),
        pytest.param(manifest(IMAGE_CONFIG, SIMPLE_SIGNING), ImageKind.SIGNATURE, None, id="cosign, tag .sig"),
        pytest.param(
            manifest(COSIGN_SIGNATURE, SIMPLE_SIGNING, artifactType=COSIGN_SIGNATURE),
            ImageKind.SIGNATURE,
            COSIGN_SIGNATURE,
            id="cosign, OCI 1.1 mode",
        ),
        pytest.param(manifest(NOTATION, "application/jose+json"), ImageKind.SIGNATURE, NOTATION, id="notation"),
        pytest.param(bundle(predicate=SIGN_PREDICATE), ImageKind.SIGNATURE, BUNDLE, id="cosign sign, bundle"),
        pytest.param(bundle(), ImageKind.SIGNATURE, BUNDLE, id="bundle without annotations"),
        pytest.param(bundle(content="message-signature"), ImageKind.SIGNATURE, BUNDLE, id="bundle of a signature"),
        pytest.param(bundle(content="dsse-envelope"), ImageKind.ATTESTATION, BUNDLE, id="bundle of a statement"),
        pytest.param(bundle(predicate=SPDX), ImageKind.ATTESTATION, BUNDLE, id="cosign attest, bundle"),
        pytest.param(
            manifest("application/vnd.dev.sigstore.bundle+json;version=0.2", BUNDLE),
            ImageKind.SIGNATURE,
            "application/vnd.dev.sigstore.bundle+json;version=0.2",
            id="bundle of an earlier version",
        ),
        pytest.param(
            statements(SLSA, key="predicateType", media_type=DSSE), ImageKind.ATTESTATION, None, id="cosign, tag .att"
        ),
        pytest.param(statements(SPDX, SLSA), ImageKind.ATTESTATION, None, id="BuildKit"),
        pytest.param(
            statements(SPDX, config_type=EMPTY_CONFIG, artifactType=BUILDKIT),
            ImageKind.ATTESTATION,
            BUILDKIT,
            id="BuildKit, OCI artifact",
        ),
        pytest.param(
            manifest(EMPTY_CONFIG, IN_TOTO, artifactType="application/vnd.in-toto.provenance+dsse"),
            ImageKind.ATTESTATION,
            "application/vnd.in-toto.provenance+dsse",
            id="Google Cloud Build",
        ),
        pytest.param(manifest(IMAGE_CONFIG, "text/spdx"), ImageKind.SBOM, None, id="cosign, tag .sbom"),
        pytest.param(
            manifest(EMPTY_CONFIG, "text/plain", artifactType="application/vnd.cyclonedx+json"),
            ImageKind.SBOM,
            "application/vnd.cyclonedx+json",
            id="SBOM by its artifact type",
        ),
        pytest.param(
            manifest(EMPTY_CONFIG, "application/spdx+json", artifactType="sbom/example"),
            ImageKind.SBOM,
            "sbom/example",
            id="SBOM by its layer",
        ),
        pytest.param(
            manifest(IMAGE_CONFIG, GZIP_LAYER, IN_TOTO),
            ImageKind.IMAGE,
            None,
            id="image with an odd layer",
        ),
    ],
)
def test_manifest_kind(document, kind, artifact_type):
    parsed = parse(document)
    assert (parsed.kind, parsed.artifact_type) == (kind, artifact_type)
    assert parsed.image_config_digest == (parsed.config_digest if kind is ImageKind.IMAGE else None)


def test_manifest_subject_is_kept_where_it_is_a_digest():
    assert parse(bundle()).subject_digest == digest(9)
    for subject in (None, {}, {"digest": "md5:00"}, digest(9), [descriptor(9, None)]):
        assert parse(manifest(subject=subject)).subject_digest is None


def test_manifest_predicates_are_those_of_the_layers_and_the_bundle():
    assert parse(statements(SPDX, SLSA, SPDX)).predicate_types == (SPDX, SLSA)
    assert parse(statements(SLSA, key="predicateType", media_type=DSSE)).predicate_types == (SLSA,)
    assert parse(bundle(predicate=SPDX)).predicate_types == (SPDX,)
    assert parse(statements(7, None, "")).predicate_types == ()


@pytest.mark.parametrize(
    ("own", "content_type", "expected"),
    [
        (OCI_MANIFEST, DOCKER_MANIFEST, OCI_MANIFEST),
        ("application/vnd.example", OCI_MANIFEST, "application/vnd.example"),
        (None, f"{OCI_MANIFEST}; charset=utf-8", OCI_MANIFEST),
        (None, OCI_MANIFEST.upper(), OCI_MANIFEST),
        ("", DOCKER_MANIFEST, DOCKER_MANIFEST),
        (7, DOCKER_MANIFEST, DOCKER_MANIFEST),
        (None, "application/octet-stream", None),
        (None, OCI_INDEX, None),
        (None, None, None),
    ],
)
def test_manifest_media_type_is_its_own_or_the_response_s(own, content_type, expected):
    assert parse(manifest(mediaType=own), content_type).media_type == expected


@pytest.mark.parametrize(
    ("sizes", "total"),
    [
        ((0, 0), 0),
        ((5, 7), 12),
        ((5, "7"), None),
        ((5, -1), None),
        ((5, 1.5), None),
        ((5, True), None),
        ((5, None), None),
        ((2**63 - 1, 1), None),
    ],
)
def test_manifest_size_is_known_where_every_size_is(sizes, total):
    config, layer = (descriptor(number, None, size=size) for number, size in enumerate(sizes))
    assert parse(manifest(config=config, layers=[layer])).size_bytes == total


@pytest.mark.parametrize("nothing", [None, []])
def test_manifest_with_null_layers_has_none(nothing):
    parsed = parse(manifest(layers=nothing, annotations=nothing))
    assert (parsed.layers, parsed.size_bytes, parsed.annotations) == ((), 1, {})


def test_manifest_without_a_config_has_no_config_digest():
    parsed = parse({"schemaVersion": 2, "layers": [descriptor(5, GZIP_LAYER)]})
    assert (parsed.kind, parsed.config_digest, parsed.size_bytes) == (ImageKind.IMAGE, None, 5)


def test_manifest_layer_may_have_a_digest_of_any_algorithm():
    layer = {"digest": f"blake3:{'0a' * 32}", "size": 4}
    assert parse(manifest(layers=[layer])).layers == (Layer(f"blake3:{'0a' * 32}", 4, None),)


@pytest.mark.parametrize(
    "fields",
    [
        {"layers": {}},
        {"layers": "a"},
        {"layers": [7]},
        {"layers": [None]},
        {"layers": [{}]},
        {"layers": [{"digest": "latest"}]},
        {"layers": [{"digest": 7}]},
        {"config": {}},
        {"config": []},
        {"config": digest(1)},
        {"config": {"digest": "md5:00"}},
        {"config": None, "layers": None},
        {"manifests": [descriptor(1, OCI_MANIFEST)]},
        {"mediaType": OCI_INDEX},
    ],
)
def test_manifest_that_lists_no_contents_is_malformed(fields):
    with pytest.raises(MalformedResponse):
        parse(manifest(IMAGE_CONFIG, GZIP_LAYER, **fields))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"<html><title>Sign in</title></html>",
        b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}',
        b'{"schemaVersion": 2}',
        b'{"layers":' * 5000,
        b'{"layers": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_manifest_of_another_body_is_malformed(body):
    with pytest.raises(MalformedResponse):
        parse_manifest(body, OCI_MANIFEST)


@pytest.mark.parametrize(
    ("fields", "content_type", "media_type"),
    [
        ({"schemaVersion": 1}, SCHEMA1_SIGNED, SCHEMA1_SIGNED),
        ({"schemaVersion": 1, "mediaType": SCHEMA1}, "application/json", SCHEMA1),
        ({"schemaVersion": 1, "fsLayers": None}, "text/plain", None),
        ({}, f"{SCHEMA1}; charset=utf-8", SCHEMA1),
    ],
)
def test_manifest_of_schema_1_is_known_by_type_or_version(fields, content_type, media_type):
    document = {"name": "a", "fsLayers": [{"blobSum": digest(1)}], "history": [], "signatures": [], **fields}
    parsed = parse(document, content_type)
    expected = Manifest(media_type=media_type, kind=ImageKind.IMAGE, annotations={}, is_schema1=True)
    assert parsed == expected


def test_manifest_of_schema_2_is_not_taken_for_schema_1_by_the_response_s_type():
    parsed = parse(manifest(mediaType=None), SCHEMA1)
    assert (parsed.is_schema1, parsed.config_digest, parsed.media_type) == (False, digest(1), None)


def test_manifest_types_are_the_four_that_a_client_accepts():
    assert set(MANIFEST_TYPES) == {
        OCI_INDEX,
        OCI_MANIFEST,
        DOCKER_MANIFEST,
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
