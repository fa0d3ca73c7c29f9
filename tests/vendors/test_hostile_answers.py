"""Answers of an API that no honest server sends: the parsers refuse them, and nothing worse."""

from collections.abc import Callable, Iterator
from functools import partial

import orjson
import pytest

from crawler.errors import MalformedResponse
from crawler.vendors import acr, artifactory, docker_hub, gitea, nexus, quay, zot
from crawler.wire import google_apis
from crawler.wire.platform import parse_platform

PLACE = "the nested value"
NESTED = b"[" * 1000 + b"]" * 1000
"""As deep as the JSON parser allows, and deeper than Python can print a list."""

DIGEST = "sha256:" + "1" * 64

ZOT_IMAGE = {"RepoName": "a", "Tag": "b", "Digest": DIGEST, "MediaType": "", "IsSigned": False}
LISTED = {
    "artifactory": (
        artifactory.parse_manifests,
        {"results": [{"path": "a/b", "name": "manifest.json", "sha256": 0, "updated": 0, "stats": 0}], "range": {}},
    ),
    "nexus": (
        nexus.parse_components,
        {
            "items": [
                {
                    "name": "a",
                    "version": "1",
                    "assets": [{"path": "v2/a/manifests/1", "checksum": {"sha256": 0}, "contentType": 0}],
                }
            ],
            "continuationToken": None,
        },
    ),
    "zot": (
        zot.parse_images,
        {
            "data": {
                "ImageList": {
                    "Page": {"TotalCount": 1},
                    "Results": [
                        {
                            **ZOT_IMAGE,
                            "Size": 0,
                            "Manifests": [{"Digest": 0, "ArtifactType": 0, "Platform": {"Os": 0, "Arch": 0}}],
                            "Referrers": [{"Digest": DIGEST, "Size": 0, "Annotations": [{"Key": 0, "Value": 0}]}],
                        }
                    ],
                }
            },
            "errors": None,
        },
    ),
    "quay-names": (
        quay.parse_repositories,
        {"repositories": [{"namespace": "a", "name": "b", "is_starred": 0}], "next_page": None},
    ),
    "quay-tags": (
        partial(quay.parse_tags, 1),
        {
            "tags": [{"name": "a", "manifest_digest": DIGEST, "is_manifest_list": 0, "size": 0, "start_ts": 0}],
            "page": 1,
            "has_additional": False,
        },
    ),
    "acr-names": (acr.parse_names, {"repositories": ["a"]}),
    "acr-manifests": (
        acr.parse_manifests,
        {
            "manifests": [
                {
                    "digest": DIGEST,
                    "tags": ["a"],
                    "mediaType": 0,
                    "imageSize": 0,
                    "createdTime": 0,
                    "os": 0,
                    "architecture": 0,
                    "references": 0,
                }
            ]
        },
    ),
    "acr-tags": (acr.parse_tags, {"tags": [{"name": "a", "digest": DIGEST}]}),
    "gitea": (gitea.parse_packages, [{"name": "a", "version": "1", "type": "container"}]),
    "docker-hub": (
        partial(docker_hub.parse_hub_page, "https://hub.example/", docker_hub.parse_name),
        {"count": 1, "next": None, "results": [{"name": "a"}]},
    ),
    "google-projects": (
        google_apis.parse_projects,
        {"projects": [{"projectId": "a", "name": "projects/1", "state": "ACTIVE"}]},
    ),
    "google-repositories": (
        google_apis.parse_repositories,
        {"repositories": [{"name": "a", "format": "DOCKER", "sizeBytes": "1", "mode": ""}], "nextPageToken": ""},
    ),
}
"""Each parser with a page that it reads."""


def with_nested(document: object) -> Iterator[bytes]:
    """The document with the nested value in place of each value in it, one after the other."""

    def changed(value: object) -> Iterator[object]:
        yield PLACE
        if isinstance(value, dict):
            yield from ({**value, key: each} for key, held in value.items() for each in changed(held))
        elif isinstance(value, list):
            yield from ([each] for held in value for each in changed(held))

    return (orjson.dumps(each).replace(orjson.dumps(PLACE), NESTED) for each in changed(document))


@pytest.mark.parametrize("product", LISTED)
def test_api_answer_with_a_value_that_nests_deep_is_parsed_or_malformed(product):
    parse: Callable[[bytes], object]
    parse, document = LISTED[product]
    parse(orjson.dumps(document))
    for body in with_nested(document):
        try:
            parse(body)
        except MalformedResponse:
            continue


@pytest.mark.parametrize("digest", ["", "latest", "sha256:../../etc", DIGEST.upper(), f"{DIGEST}\n"])
def test_platform_whose_digest_is_none_has_no_digest(digest):
    assert parse_platform(digest, "linux", "amd64").digest is None
    assert parse_platform(DIGEST, "linux", "amd64").digest == DIGEST
