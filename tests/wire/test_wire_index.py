"""Indexes: their children as platforms, attestations, artifacts and referrers; and manifests of any JSON."""

import json
from operator import or_

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.json_values import flat, text
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
    index,
    manifest,
)

from crawler.errors import MalformedResponse
from crawler.model.image import ImageKind, Platform, PlatformRole, Referrer, ReferrerKind, ReferrerSource
from crawler.wire.digest import is_digest
from crawler.wire.manifest import Manifest, parse_manifest

DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
UNKNOWN = {"os": "unknown", "architecture": "unknown"}
ATTESTS = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": digest(1)}


def parse(document, content_type=None):
    return parse_manifest(json.dumps(document).encode(), content_type)


def child(media_type=OCI_MANIFEST, **fields):
    (parsed,) = parse(index(descriptor(7, media_type, **fields))).children
    return parsed


def test_index_is_parsed_completely():
    windows = {"os": "windows", "architecture": "amd64", "os.version": "10.0.20348.2322", "os.features": ["win32k"]}
    document = index(
        descriptor(1, OCI_MANIFEST, platform={"os": "linux", "architecture": "arm", "variant": "v7"}),
        descriptor(2, DOCKER_MANIFEST, platform=windows),
        descriptor(3, OCI_MANIFEST, platform=UNKNOWN, annotations=ATTESTS),
        annotations={"org.example.a": "b"},
        subject=descriptor(9, OCI_MANIFEST),
        artifactType="application/vnd.example",
    )
    parsed = parse(document)
    assert parsed.children == (
        Platform(digest(1), "linux", "arm", "v7", None, 1, OCI_MANIFEST, PlatformRole.IMAGE, None),
        Platform(digest(2), "windows", "amd64", None, "10.0.20348.2322", 2, DOCKER_MANIFEST, PlatformRole.IMAGE, None),
        Platform(digest(3), None, None, None, None, 3, OCI_MANIFEST, PlatformRole.ATTESTATION, digest(1)),
    )
    assert parsed == Manifest(
        media_type=OCI_INDEX,
        kind=ImageKind.INDEX,
        artifact_type="application/vnd.example",
        subject_digest=digest(9),
        annotations={"org.example.a": "b"},
        children=parsed.children,
        child_referrers=parsed.child_referrers,
    )


@pytest.mark.parametrize(
    ("fields", "role", "attests"),
    [
        ({"annotations": ATTESTS, "platform": UNKNOWN}, PlatformRole.ATTESTATION, digest(1)),
        ({"annotations": ATTESTS}, PlatformRole.ATTESTATION, digest(1)),
        ({"annotations": ATTESTS, "artifactType": "application/vnd.a"}, PlatformRole.ATTESTATION, digest(1)),
        ({"annotations": ATTESTS | {"vnd.docker.reference.digest": "x"}}, PlatformRole.ATTESTATION, None),
        (
            {"annotations": {"vnd.docker.reference.digest": digest(1)}, "platform": UNKNOWN},
            PlatformRole.ATTESTATION,
            digest(1),
        ),
        ({"annotations": {"vnd.docker.reference.digest": digest(1)}}, PlatformRole.IMAGE, None),
        ({"platform": UNKNOWN}, PlatformRole.IMAGE, None),
        ({}, PlatformRole.IMAGE, None),
        ({"media_type": OCI_INDEX}, PlatformRole.IMAGE, None),
        ({"media_type": DOCKER_LIST}, PlatformRole.IMAGE, None),
        ({"media_type": "application/vnd.docker.distribution.manifest.v1+json"}, PlatformRole.IMAGE, None),
        ({"media_type": "application/vnd.cncf.helm.chart.v1"}, PlatformRole.ARTIFACT, None),
        ({"artifactType": "application/vnd.amazon.soci.index.v2+json"}, PlatformRole.ARTIFACT, None),
        ({"artifactType": IMAGE_CONFIG}, PlatformRole.IMAGE, None),
        ({"media_type": None}, None, None),
        ({"media_type": None, "platform": {"os": "linux"}}, PlatformRole.IMAGE, None),
    ],
)
def test_index_child_has_a_role(fields, role, attests):
    parsed = child(**fields)
    assert (parsed.role, parsed.attests_digest) == (role, attests)


def test_index_child_of_an_unknown_platform_has_none_only_as_an_attestation():
    image, attestation = child(platform=UNKNOWN), child(platform=UNKNOWN, annotations=ATTESTS)
    assert (image.os, image.architecture) == ("unknown", "unknown")
    assert (attestation.os, attestation.architecture) == (None, None)
    described = child(platform={"os": "linux", "architecture": "amd64"}, annotations=ATTESTS)
    assert (described.os, described.architecture) == ("linux", "amd64")


@pytest.mark.parametrize("platform", [None, [], "linux/amd64", {"os": 7, "architecture": None, "os.version": ""}])
def test_index_child_with_a_platform_of_another_type_has_none(platform):
    parsed = child(platform=platform)
    assert (parsed.os, parsed.architecture, parsed.variant, parsed.os_version) == (None, None, None, None)


@pytest.mark.parametrize(("size", "expected"), [(0, 0), ("7", None), (-1, None), (2**63, None), (None, None)])
def test_index_child_size_is_a_number(size, expected):
    assert child(size=size).size_bytes == expected


def test_index_of_a_fallback_tag_lists_referrers():
    bundle = descriptor(
        1,
        OCI_MANIFEST,
        artifactType=BUNDLE,
        annotations={
            "org.opencontainers.image.created": "2026-01-24T20:47:58.951Z",
            "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1",
        },
    )
    statement = descriptor(
        2, OCI_MANIFEST, artifactType=IN_TOTO, annotations={"in-toto.io/predicate-type": "https://openvex.dev/ns"}
    )
    bare = descriptor(3, OCI_MANIFEST, artifactType=BUNDLE)
    via = ReferrerSource.FALLBACK_TAG
    assert parse(index(bundle, statement, bare)).child_referrers == (
        Referrer(
            digest(1),
            via,
            ReferrerKind.SIGNATURE,
            BUNDLE,
            "https://sigstore.dev/cosign/sign/v1",
            1,
            "2026-01-24T20:47:58.951Z",
        ),
        Referrer(digest(2), via, ReferrerKind.VEX, IN_TOTO, "https://openvex.dev/ns", 2),
        Referrer(digest(3), via, ReferrerKind.OTHER, BUNDLE, None, 3),
    )


@pytest.mark.parametrize("nothing", [None, []])
def test_index_of_null_is_empty(nothing):
    parsed = parse({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": nothing})
    assert (parsed.kind, parsed.children, parsed.child_referrers) == (ImageKind.INDEX, (), ())


@pytest.mark.parametrize(
    ("own", "content_type", "expected"),
    [
        (DOCKER_LIST, OCI_INDEX, DOCKER_LIST),
        (None, DOCKER_LIST, DOCKER_LIST),
        (None, DOCKER_MANIFEST, None),
        (None, None, None),
    ],
)
def test_index_is_known_by_its_fields(own, content_type, expected):
    parsed = parse(index(descriptor(1, OCI_MANIFEST), mediaType=own), content_type)
    assert (parsed.kind, parsed.media_type) == (ImageKind.INDEX, expected)


@pytest.mark.parametrize(
    "fields",
    [
        {"manifests": {}},
        {"manifests": "a"},
        {"manifests": [7]},
        {"manifests": [descriptor(1, OCI_MANIFEST), None]},
        {"manifests": [{}]},
        {"manifests": [{"digest": None}]},
        {"manifests": [{"digest": "latest"}]},
        {"manifests": [{"digest": f"md5:{'0' * 32}"}]},
        {"manifests": [{"digest": digest(1).upper()}]},
        {"mediaType": OCI_MANIFEST},
        {"layers": []},
        {"config": descriptor(1, IMAGE_CONFIG)},
    ],
)
def test_index_that_lists_no_manifests_is_malformed(fields):
    with pytest.raises(MalformedResponse):
        parse(index(**fields))


annotation_maps = st.dictionaries(
    st.sampled_from([*ATTESTS, "in-toto.io/predicate-type", "dev.sigstore.bundle.predicateType"]) | text,
    st.sampled_from([*ATTESTS.values(), "https://spdx.dev/Document"]) | flat,
    max_size=4,
)
media_types = st.sampled_from(
    [OCI_INDEX, OCI_MANIFEST, DOCKER_MANIFEST, IMAGE_CONFIG, EMPTY_CONFIG, GZIP_LAYER, BUNDLE, IN_TOTO, DSSE]
)
descriptors = st.fixed_dictionaries(
    {"digest": st.integers(0, 3).map(digest)},
    optional={
        "mediaType": media_types | flat,
        "size": st.integers() | flat,
        "artifactType": media_types | flat,
        "platform": st.dictionaries(st.sampled_from([*UNKNOWN, "os.version", "variant"]), text | flat) | flat,
        "annotations": annotation_maps | flat,
    },
)
lists = st.lists(descriptors, max_size=3)
odd_lists = lists | st.lists(descriptors | flat, max_size=2) | flat
shapes = (
    st.fixed_dictionaries({"manifests": lists})
    | st.fixed_dictionaries({"config": descriptors, "layers": lists})
    | st.fixed_dictionaries({"blobs": lists})
    | st.dictionaries(st.sampled_from(["manifests", "config", "layers", "blobs", "fsLayers"]), odd_lists, max_size=2)
)
labels = st.fixed_dictionaries(
    {},
    optional={
        "schemaVersion": st.integers(1, 2) | flat,
        "mediaType": media_types | flat,
        "artifactType": media_types | flat,
        "subject": descriptors | flat,
        "annotations": annotation_maps | flat,
    },
)
documents = st.builds(or_, labels, shapes)


def all_strings(*found):
    return all(value is None or type(value) is str for value in found)


def all_sizes(*found):
    return all(value is None or (type(value) is int and 0 <= value < 2**63) for value in found)


def is_typed(parsed):
    digests = (parsed.subject_digest, parsed.image_config_digest, parsed.config_digest)
    return (
        isinstance(parsed.kind, ImageKind)
        and all(value is None or is_digest(value) for value in digests)
        and all_strings(parsed.media_type, parsed.artifact_type, *parsed.predicate_types)
        and all_sizes(parsed.size_bytes, *(layer.size_bytes for layer in parsed.layers))
        and all_strings(*(part for layer in parsed.layers for part in (layer.digest, layer.media_type)))
        and all_strings(*parsed.annotations, *parsed.annotations.values())
        and len(parsed.child_referrers) == len(parsed.children)
        and all(map(is_typed_child, parsed.children))
    )


def is_typed_child(platform):
    return (
        is_digest(platform.digest)
        and all_sizes(platform.size_bytes)
        and all_strings(platform.os, platform.architecture, platform.variant, platform.os_version, platform.media_type)
        and (platform.attests_digest is None or platform.role is PlatformRole.ATTESTATION)
    )


@given(documents | st.dictionaries(text, flat, max_size=4), st.none() | media_types | text)
def test_manifest_of_any_json_has_the_promised_types(document, content_type):
    try:
        parsed = parse(document, content_type)
    except MalformedResponse:
        return
    assert is_typed(parsed)


@given(st.lists(media_types, max_size=3), media_types, annotation_maps)
def test_manifest_of_a_known_shape_is_always_parsed(layer_types, config_type, annotations):
    parsed = parse(manifest(config_type, *layer_types, annotations=annotations))
    assert is_typed(parsed)
    assert [layer.media_type for layer in parsed.layers] == layer_types
    assert parsed.kind is not ImageKind.INDEX


@given(st.binary() | st.text('{}[]":,manifestslayer0', max_size=40).map(str.encode), st.none() | st.text())
def test_manifest_of_any_bytes_is_a_manifest_or_malformed(body, content_type):
    try:
        parsed = parse_manifest(body, content_type)
    except MalformedResponse:
        return
    assert is_typed(parsed)
