"""Pages of Google's APIs, as protobuf's JSON has them, and as any JSON."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.json_values import text, values

from crawler.errors import MalformedResponse
from crawler.model.image import Image, Platform, PlatformRole, Referrer, ReferrerKind, ReferrerSource
from crawler.wire.google_apis import (
    ApiPage,
    ArtifactRepository,
    Attachment,
    Project,
    parse_attachments,
    parse_docker_images,
    parse_locations,
    parse_projects,
    parse_repositories,
)

REPOSITORY = "projects/p/locations/us/repositories/team"
DIGEST = f"sha256:{'ab' * 32}"
OTHER = f"sha256:{'cd' * 32}"
THIRD = f"sha256:{'cc' * 32}"
PARSERS = [parse_projects, parse_locations, parse_repositories, parse_docker_images, parse_attachments]


def body(document):
    return json.dumps(document).encode()


def image(**image_fields):
    name = f"{REPOSITORY}/dockerImages/{image_fields.pop('path', 'app')}@{DIGEST}"
    page = parse_docker_images(body({"dockerImages": [{"name": name, **image_fields}]}))
    return page.items[0]


@pytest.mark.parametrize("parse", PARSERS)
def test_api_page_without_image_fieldsis_empty(parse):
    assert parse(b"{}") == ApiPage((), "")


def test_api_projects_are_active_unless_being_deleted():
    projects = [
        {"name": "projects/1", "projectId": "a", "state": "ACTIVE"},
        {"projectId": "example.com:b", "state": "DELETE_REQUESTED"},
        {"projectId": "c"},
    ]
    page = parse_projects(body({"projects": projects, "nextPageToken": "more"}))
    expected = (Project("a", "1", True), Project("example.com:b", "", False), Project("c", "", False))
    assert page == ApiPage(expected, "more")


def test_api_locations_and_repositories_are_parsed():
    assert parse_locations(body({"locations": [{"name": "projects/p/locations/us", "locationId": "us"}]})).items == (
        "us",
    )
    repositories = [{"name": REPOSITORY, "format": "DOCKER", "sizeBytes": "7"}, {"name": f"{REPOSITORY}-2"}]
    found = parse_repositories(body({"repositories": repositories})).items
    assert found == (ArtifactRepository(REPOSITORY, "DOCKER", False), ArtifactRepository(f"{REPOSITORY}-2", "", True))
    assert [repository.id for repository in found] == ["team", "team-2"]


@pytest.mark.parametrize(
    ("described", "is_empty"),
    [
        ({}, True),
        ({"sizeBytes": "0"}, True),
        ({"sizeBytes": 0}, True),
        ({"sizeBytes": "1"}, False),
        ({"sizeBytes": None}, False),
        ({"sizeBytes": []}, False),
        ({"sizeBytes": "0", "mode": "REMOTE_REPOSITORY"}, True),
        ({"mode": "VIRTUAL_REPOSITORY"}, False),
    ],
)
def test_api_repository_is_empty_only_where_the_api_says_so(described, is_empty):
    (repository,) = parse_repositories(body({"repositories": [{"name": REPOSITORY, **described}]})).items
    assert repository.is_empty == is_empty


def test_api_image_is_parsed_completely():
    path, parsed = image(
        path="tools%2Fjq",
        tags=["2", "1", "2"],
        imageSizeBytes="2796860",
        mediaType="application/vnd.oci.image.index.v1+json",
        buildTime="1980-01-01T00:00:01Z",
        uploadTime="2024-03-17T21:58:01.243987Z",
        updateTime="2024-03-18T00:00:00Z",
        artifactType="application/vnd.example",
        imageManifests=[
            {"digest": OTHER, "os": "windows", "architecture": "amd64", "osVersion": "10.0.20348", "mediaType": "m"},
            {"digest": DIGEST, "os": "linux", "architecture": "arm", "variant": "v7"},
            {"digest": THIRD, "os": "unknown", "architecture": "unknown"},
        ],
    )
    assert path == "tools/jq"
    assert parsed == Image(
        digest=DIGEST,
        tags=("1", "2"),
        kind="index",
        media_type="application/vnd.oci.image.index.v1+json",
        artifact_type="application/vnd.example",
        size_bytes=2796860,
        created_at="1980-01-01T00:00:01.000Z",
        uploaded_at="2024-03-17T21:58:01.243Z",
        updated_at="2024-03-18T00:00:00.000Z",
        platforms=(
            Platform(OTHER, "windows", "amd64", None, "10.0.20348", None, "m", PlatformRole.IMAGE, None),
            Platform(DIGEST, "linux", "arm", "v7", None, None, None, PlatformRole.IMAGE, None),
            Platform(THIRD, None, None, None, None, None, None, PlatformRole.ATTESTATION, None),
        ),
    )


@pytest.mark.parametrize("nonsense", [[], {}, 7, True])
def test_api_image_whose_media_type_is_no_string_has_none(nonsense):
    parsed = image(mediaType=nonsense)[1]
    assert (parsed.media_type, parsed.kind) == (None, None)


@pytest.mark.parametrize("manifests", [None, [], {}, "x", 7])
def test_api_image_that_is_no_index_has_no_platforms(manifests):
    assert image(imageManifests=manifests)[1].platforms is None


def attachment(**fields):
    page = parse_attachments(body({"attachments": [{"name": f"{REPOSITORY}/attachments/a", **fields}]}))
    return page.items[0]


def version(digest, path="tools%2Fjq"):
    return f"{REPOSITORY}/packages/{path}/versions/{digest}"


def test_api_attachment_is_a_referrer_of_its_target():
    found = attachment(
        target=version(DIGEST),
        ociVersionName=version(OTHER),
        type="application/vnd.spdx+json",
        createTime="2026-01-02T03:04:05Z",
    )
    referrer = Referrer(
        digest=OTHER,
        via=ReferrerSource.BULK,
        kind=ReferrerKind.SBOM,
        artifact_type="application/vnd.spdx+json",
        created_at="2026-01-02T03:04:05.000Z",
    )
    assert found == Attachment("tools/jq", DIGEST, referrer)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"target": REPOSITORY, "ociVersionName": version(OTHER)},
        {"target": f"{REPOSITORY}/packages/app", "ociVersionName": version(OTHER)},
        {"target": version("1.0"), "ociVersionName": version(OTHER)},
        {"target": version(DIGEST)},
        {"target": 7, "ociVersionName": []},
    ],
    ids=["empty", "of-a-repository", "of-a-package", "no-digest", "no-manifest", "nonsense"],
)
def test_api_attachment_that_is_not_about_an_image_is_none(fields):
    assert attachment(**fields) is None


def test_api_image_without_image_fieldshas_nones():
    assert image() == ("app", Image(DIGEST))


@pytest.mark.parametrize("time", ["", "yesterday", 5, None, "2024-13-01T00:00:00Z", "1970-01-01T00:00:00Z"])
def test_api_time_of_nonsense_is_none(time):
    assert image(uploadTime=time)[1].uploaded_at is None


@given(st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30)), st.integers(-12, 12))  # noqa: DTZ001
def test_api_time_is_converted_to_utc_milliseconds(time, hours):
    zone = timedelta(hours=hours)
    uploaded_at = image(uploadTime=f"{(time + zone).isoformat()}{hours:+03d}:00")[1].uploaded_at
    assert datetime.fromisoformat(uploaded_at) == time.replace(microsecond=time.microsecond // 1000 * 1000, tzinfo=UTC)


@given(st.lists(st.text("abc-_.%", min_size=1, max_size=5), min_size=1, max_size=4))
def test_api_image_path_is_decoded(components):
    path = "/".join(components)
    assert image(path=quote(path, safe=""))[0] == path


@pytest.mark.parametrize(
    ("parse", "document"),
    [
        (parse_projects, {"projects": {}}),
        (parse_projects, {"projects": ["a"]}),
        (parse_projects, {"projects": [{"name": "projects/1"}]}),
        (parse_projects, {"nextPageToken": 7}),
        (parse_locations, {"locations": [{"locationId": ""}]}),
        (parse_repositories, {"repositories": [{"format": "DOCKER"}]}),
        (parse_docker_images, {"dockerImages": [{"name": f"{REPOSITORY}/dockerImages/app"}]}),
        (parse_docker_images, {"dockerImages": [{"name": REPOSITORY}]}),
        (parse_docker_images, {"dockerImages": [{"name": f"{REPOSITORY}/dockerImages/app@{DIGEST}", "tags": "1"}]}),
    ],
)
def test_api_page_of_another_shape_is_malformed(parse, document):
    with pytest.raises(MalformedResponse):
        parse(body(document))


fields = st.sampled_from(["projects", "locations", "repositories", "dockerImages", "nextPageToken"])
inner = st.dictionaries(
    st.sampled_from(["name", "projectId", "locationId", "format", "tags", "uploadTime", "imageSizeBytes"]) | text,
    values | st.just(f"{REPOSITORY}/dockerImages/app@{DIGEST}"),
    max_size=4,
)


@settings(max_examples=200)
@given(st.sampled_from(PARSERS), st.dictionaries(fields, st.lists(inner, max_size=3) | values, max_size=3))
def test_api_page_of_any_json_is_parsed_or_malformed(parse, document):
    try:
        page = parse(body(document))
    except MalformedResponse:
        return
    assert isinstance(page.next_token, str)
