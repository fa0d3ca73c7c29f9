"""Artifacts as Harbor's API describes them, and pages of any JSON."""

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registries import harbor_api
from registries.harbor_api import (
    ARTIFACTS,
    digest,
)
from support.json_values import flat, values

from crawler.errors import MalformedResponse
from crawler.vendors.harbor import parse_entries, parse_name, parse_system_info, parse_total
from crawler.vendors.harbor_artifacts import parse_artifact
from crawler.wire.digest import is_digest

SIGNED = ARTIFACTS["library/app"][0]


def test_harbor_artifact_has_the_time_of_its_annotation():
    annotations = {"org.opencontainers.image.created": "2026-01-02T03:04:05Z"}
    parsed = parse_artifact({**ARTIFACTS["library/web"][0], "annotations": annotations}).image
    assert parsed.created_at == "2026-01-02T03:04:05.000Z"


def test_harbor_before_2_5_tells_nothing_of_referrers():
    assert parse_artifact(harbor_api.UNTAGGED).image.referrers is None
    assert parse_artifact({**harbor_api.UNTAGGED, "accessories": None}).image.referrers == ()


def test_harbor_children_of_an_index_without_a_platform_or_a_digest():
    references = [{"child_digest": digest("a"), "platform": None}, {"child_digest": None}, None, {}]
    (child,) = parse_artifact({**SIGNED, "references": references}).image.platforms
    assert (child.digest, child.os, child.role) == (digest("a"), None, None)
    assert parse_artifact({**SIGNED, "references": None}).image.platforms is None


def test_harbor_image_kinds():
    def kind_of(**fields: Any) -> tuple[str | None, str | None]:
        told = parse_artifact({"digest": digest("x"), "manifest_media_type": harbor_api.MANIFEST_TYPE, **fields}).image
        return told.kind, told.artifact_type

    bundle = "application/vnd.dev.sigstore.bundle.v0.3+json"
    docker = "application/vnd.docker.distribution.manifest"
    assert kind_of() == (None, None)
    assert kind_of(media_type=harbor_api.CONFIG_TYPE) == ("image", None)
    assert kind_of(media_type=harbor_api.CHART_TYPE) == ("artifact", harbor_api.CHART_TYPE)
    assert kind_of(media_type="application/vnd.oci.empty.v1+json", artifact_type=bundle) == ("signature", bundle)
    assert kind_of(artifact_type="application/spdx+json") == ("sbom", "application/spdx+json")
    assert kind_of(manifest_media_type=f"{docker}.v2+json", media_type="application/octet-stream") == ("image", None)
    assert kind_of(manifest_media_type=f"{docker}.v1+prettyjws", media_type=f"{docker}.v1+prettyjws") == ("image", None)
    assert kind_of(manifest_media_type=f"{docker}.list.v2+json", artifact_type="a/b") == ("index", "a/b")


@pytest.mark.parametrize(
    "document",
    [{}, {"x": 1}, "text", [1], [None], [{"digest": digest("x"), "tags": "a"}], [{"tags": [{}]}], [{"tags": ["a"]}]],
)
def test_harbor_page_of_another_shape_is_malformed(document):
    with pytest.raises(MalformedResponse):
        parse_entries(parse_artifact, json.dumps(document).encode())


@pytest.mark.parametrize("entry", [{}, {"name": ""}, {"name": 1}, {"name": None}])
def test_harbor_repository_without_a_name_is_malformed(entry):
    with pytest.raises(MalformedResponse):
        parse_name(entry)


@pytest.mark.parametrize(
    ("text", "total"),
    [(None, None), ("", None), ("0", 0), ("12", 12), ("-1", None), ("1e3", None), ("\u0661", None), ("9" * 5000, None)],
)
def test_harbor_count_is_a_number_or_none(text, total):
    assert parse_total(text) == total


ANY_ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "digest": st.just(digest("x")) | flat,
        "tags": st.lists(st.fixed_dictionaries({"name": flat}) | flat, max_size=3) | flat,
        "manifest_media_type": st.sampled_from([harbor_api.MANIFEST_TYPE, harbor_api.INDEX_TYPE]) | flat,
        "media_type": st.just(harbor_api.CONFIG_TYPE) | flat,
        "artifact_type": flat,
        "size": flat,
        "push_time": st.just(harbor_api.NEVER) | flat,
        "pull_time": flat,
        "annotations": flat,
        "extra_attrs": st.dictionaries(st.sampled_from(["config", "os", "created"]), values, max_size=3) | values,
        "references": st.lists(
            st.fixed_dictionaries(
                {"child_digest": st.just(digest("y")) | flat, "platform": values, "annotations": flat}
            )
            | flat,
            max_size=3,
        )
        | flat,
        "accessories": st.lists(
            st.fixed_dictionaries({"digest": st.just(digest("z")) | flat, "type": flat, "size": flat}) | flat,
            max_size=3,
        )
        | flat,
    },
)


@settings(max_examples=300)
@given(st.lists(ANY_ENTRY | flat, max_size=3) | values)
def test_harbor_page_of_any_json_is_parsed_or_malformed(document):
    body = json.dumps(document).encode()
    for parse in (partial(parse_entries, parse_artifact), partial(parse_entries, parse_name), parse_system_info):
        try:
            parsed = parse(body)
        except MalformedResponse:
            continue
        if parse is parse_system_info:
            assert {*map(type, parsed)} == {bool}
    try:
        artifacts = parse_entries(parse_artifact, body)
    except MalformedResponse:
        return
    for artifact in artifacts:
        assert all(isinstance(tag, str) and tag for tag in artifact.tags)
        assert artifact.image is None or is_digest(artifact.image.digest)
        assert all(is_digest(accessory.image.digest) for accessory in artifact.accessories)
