"""ECR's own API: names, images and manifests by signed requests, and the protocol wherever the API is closed."""

import json
from pathlib import Path
from typing import Any

import pytest
from registries import ecr
from registries.ecr_api import (
    INVENTORY,
    SBOM,
    SETTINGS,
    WEB_ARCHIVED,
    WEB_CHILD,
    WEB_INDEX,
    WEB_SBOM,
    Held,
    api,
    aws_document,
    aws_error,
    crawl_api,
    images,
    operation,
    operations,
    protocol,
    repositories,
    tagged,
)
from support.scripted import ScriptedServer, html, on, serve
from support.scripted_images import config as config_of
from support.scripted_images import image as image_of
from support.snapshots import Snapshot

pytestmark = pytest.mark.usefixtures("few_authorities", "aws")

ACCOUNT_HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"

UNKNOWN = {
    "created_at": None,
    "updated_at": None,
    "platforms": None,
    "manifest": None,
    "config": None,
    "referrers": None,
    "subject_digest": None,
    "artifact_type": None,
    "kind": None,
    "pulled_at": None,
}
"""The fields of an image that the API does not tell, or not of this image."""


async def crawl(server: ScriptedServer, folder: Path, depth: str = "digests", **settings: Any) -> Snapshot:
    images = {"depth": depth, **settings.pop("images", {})}
    return await crawl_api(server, folder, images, **{**SETTINGS, **settings})


def recorded(held: Held, **fields: Any) -> dict[str, Any]:
    """The image of a record that has all that the API tells of an image without anything special."""
    return {
        **UNKNOWN,
        "digest": held.digest,
        "tags": list(held.tags),
        "media_type": held.media_type,
        "size_bytes": held.size,
        "uploaded_at": "2023-11-14T22:13:20.250Z",
        **fields,
    }


def paths(server: ScriptedServer, part: str) -> list[str]:
    return [path for path in server.paths if part in path]


async def test_ecr_api_lists_names_and_images(tmp_path):
    async with serve([*api(INVENTORY), *protocol()]) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.manifest["verdict"] == "complete"
    assert snapshot.manifest["discovery"]["method"] == "api"
    assert snapshot.manifest["discovery"]["evidence"] == (
        "ECR's API listed 4 repositories of the account's registry: no next page"
    )
    assert set(snapshot.by_name) == set(INVENTORY)
    for name in ("app", "team/base", "team/job"):
        images_of = {image["digest"]: image for image in snapshot.by_name[name]["images"]}
        assert images_of == {held.digest: recorded(held) for held in INVENTORY[name]}
        assert snapshot.by_name[name]["tags"] == list(ecr.REPOSITORIES[name])
    assert operations(server) == {"DescribeRepositories": 2, "DescribeImages": 3 + 2}
    assert not paths(server, "/manifests/") + paths(server, "/tags/list") + paths(server, "_catalog")


async def test_ecr_api_lists_indexes_artifacts_untagged_and_archived_images(tmp_path):
    async with serve([*api({"web": INVENTORY["web"]}), *protocol()]) as server:
        snapshot = await crawl(server, tmp_path, images={"referrers": "listed"})
    (record,) = snapshot.records
    referrer = {
        "digest": WEB_SBOM.digest,
        "via": "bulk",
        "kind": "sbom",
        "artifact_type": SBOM,
        "predicate_type": None,
        "size_bytes": None,
        "created_at": None,
    }
    expected = [
        recorded(WEB_INDEX, kind="index", pulled_at="2023-11-15T22:13:20.000Z", referrers=[referrer]),
        recorded(WEB_CHILD, uploaded_at="2023-11-14T22:13:19.000Z", referrers=[]),
        recorded(WEB_SBOM, kind="sbom", artifact_type=SBOM, subject_digest=WEB_INDEX.digest, referrers=[]),
        recorded(WEB_ARCHIVED, referrers=[]),
    ]
    assert record["images"] == sorted(expected, key=lambda image: image["digest"])
    assert record["tags"] == ["7", "8"]
    assert snapshot.manifest["verdict"] == "complete"


@pytest.mark.parametrize("last", [True, False])
async def test_ecr_price_of_10_000_images_at_digests(tmp_path, last):
    """10 exchanges for images, however the last page ends."""
    held = tagged("big", (f"v{number}" for number in range(10_000 if last else 9_999)))
    async with serve([*repositories(["big"]), *images("big", held), *protocol()]) as server:
        snapshot = await crawl(server, tmp_path)
    assert operations(server) == {"DescribeRepositories": 1, "DescribeImages": 10}
    assert server.paths == ["/v2/", "/v2/"] + ["/"] * 11
    assert len(snapshot.records[0]["images"]) == len(held)
    assert snapshot.manifest["requests"]["by_kind"]["api"] == 11
    assert snapshot.manifest["verdict"] == "complete"


async def test_ecr_price_of_10_000_images_at_manifests(tmp_path):
    """10 exchanges for images, and 100 for their manifests. The digest of each manifest is that of its exact bytes."""
    config = config_of()
    contents = [image_of(config, annotations={"é": str(number)}) for number in range(10_000)]
    held = [Held(digest=content.digest, tags=(f"v{number}",)) for number, content in enumerate(contents)]
    contents.sort(key=lambda content: content.digest)
    batches = []
    for start in range(0, 10_000, 100):
        found = [bulk_image(content.digest, content.body.decode()) for content in contents[start : start + 100]]
        reply = aws_document({"images": found, "failures": []})
        first = {"repositoryName": "big", "imageIds": rf'\[\{{"imageDigest": "{contents[start].digest}".*'}
        batches.append(operation("BatchGetImage", reply, json=first))
    async with serve([*repositories(["big"]), *images("big", held), *batches, *protocol()]) as server:
        snapshot = await crawl(server, tmp_path, "manifests")
    assert operations(server) == {"DescribeRepositories": 1, "DescribeImages": 10, "BatchGetImage": 100}
    assert not paths(server, "/manifests/")
    assert all(image["manifest"]["config_digest"] == config.digest for image in snapshot.records[0]["images"])
    assert snapshot.manifest["verdict"] == "complete"


async def test_ecr_manifests_that_do_not_come_are_read_one_by_one(tmp_path):
    """One is among the failures, one has other bytes than its digest. The archived one is not requested at all."""
    contents = {
        tag: image_of(config_of(), annotations={"tag": tag}) for tag in ("whole", "failed", "changed", "archived")
    }
    held = [
        Held(digest=content.digest, tags=(tag,), status="ARCHIVED" if tag == "archived" else "ACTIVE")
        for tag, content in contents.items()
    ]
    bulk = {
        "images": [
            bulk_image(contents["whole"].digest, contents["whole"].body.decode()),
            bulk_image(contents["changed"].digest, contents["changed"].body.decode() + " "),
        ],
        "failures": [{"imageId": {"imageDigest": contents["failed"].digest}, "failureCode": "ImageNotFound"}],
    }
    by_digest = [
        on(f"/v2/app/manifests/{contents[tag].digest}", contents[tag].reply, headers={"Authorization": "Basic .+"})
        for tag in ("failed", "changed")
    ]
    script = [*repositories(["app"]), *images("app", held), operation("BatchGetImage", aws_document(bulk)), *by_digest]
    async with serve([*script, *protocol()]) as server:
        snapshot = await crawl(server, tmp_path, "manifests")
    (batch,) = [json.loads(asked.body) for asked in server.requests if b"acceptedMediaTypes" in asked.body]
    assert {each["imageDigest"] for each in batch["imageIds"]} == {
        contents[tag].digest for tag in ("whole", "failed", "changed")
    }
    assert len(batch["acceptedMediaTypes"]) == 4
    assert len(paths(server, "/manifests/")) == 2
    by_tag = {image["tags"][0]: image for image in snapshot.records[0]["images"]}
    assert {tag: image["manifest"] is not None for tag, image in by_tag.items()} == {
        "whole": True,
        "failed": True,
        "changed": True,
        "archived": False,
    }
    assert snapshot.records[0]["problems"] == []
    assert snapshot.manifest["verdict"] == "complete"


def bulk_image(digest: str, manifest: str) -> dict[str, Any]:
    return {"imageId": {"imageDigest": digest}, "imageManifest": manifest}


CLOSED = {
    "401": (aws_error("MissingAuthenticationTokenException", "Missing Authentication Token", 401), "Missing Auth"),
    "403": (aws_error("AccessDeniedException", "User: arn:… is not authorized", 403), "AccessDeniedException"),
    "403-of-a-proxy": (html(403, "Forbidden by the proxy"), "Forbidden by the proxy"),
    "404": (html(404, "default backend - 404"), "404"),
    "access-denied": (
        aws_error("AccessDeniedException", "User: arn:aws:iam::1:user/x is not authorized to perform: ecr:D"),
        "not authorized to perform: ecr:D",
    ),
    "unknown-key": (
        aws_error("UnrecognizedClientException", "The security token included in the request is invalid."),
        "check the AWS access key and the region",
    ),
    "expired-token": (
        aws_error("com.amazon.coral.service#ExpiredTokenException", "The security token is expired"),
        "aws sso login",
    ),
    "wrong-key": (
        aws_error(
            "InvalidSignatureException",
            "The request signature we calculated does not match. The Canonical String should have been "
            "'POST\\n/\\nx-amz-security-token:session-token-of-the-account\\n'",
        ),
        "check the secret access key",
    ),
    "slow-clock": (
        aws_error(
            "InvalidSignatureException", "Signature expired: 20261127T010000Z is now earlier than 20261127T015500Z"
        ),
        "check the clock of this machine",
    ),
    "fast-clock": (aws_error("InvalidSignatureException", "Signature not yet current: …"), "check the clock"),
    "skewed": (aws_error("RequestTimeTooSkewed", "The difference is too large."), "check the clock"),
    "without-a-message": (aws_error("AccessDeniedException"), "AccessDeniedException"),
    "login-page": (html(200, "Sign in"), "200 MALFORMED: an HTML page"),
    "nonsense": (aws_document({"Output": {}}), "without 'repositories'"),
}


@pytest.mark.parametrize("closed", CLOSED)
async def test_ecr_api_that_is_closed_is_replaced_by_the_protocol(tmp_path, closed):
    reply, message = CLOSED[closed]
    async with serve([on("/", reply, method="POST"), *protocol()]) as server:
        snapshot = await crawl(server, tmp_path, "tags", page_size=2)
    assert {name: tuple(record["tags"]) for name, record in snapshot.by_name.items()} == ecr.REPOSITORIES
    assert snapshot.manifest["verdict"] == "complete"
    assert snapshot.manifest["discovery"]["method"] == "catalog"
    evidence = snapshot.manifest["discovery"]["evidence"]
    assert "the catalog listed 4 names on 2 pages: no next link (tried: api: " in evidence
    assert message in evidence
    assert "session-token" not in evidence
    assert operations(server)["DescribeImages"] <= 3


async def test_ecr_without_credentials_uses_the_protocol_and_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    async with serve(protocol()) as server:
        snapshot = await crawl(server, tmp_path, "tags", page_size=2)
    assert {name: tuple(record["tags"]) for name, record in snapshot.by_name.items()} == ecr.REPOSITORIES
    assert "no AWS credentials were found: set AWS_PROFILE" in snapshot.manifest["discovery"]["evidence"]
    assert snapshot.manifest["verdict"] == "complete"
    assert not operations(server)


async def test_ecr_throttling_is_retried(tmp_path):
    """It comes with status 400, which is not retried otherwise."""
    throttled = [
        operation("DescribeRepositories", aws_error("ThrottlingException", "Rate exceeded"), times=1),
        operation("DescribeImages", aws_error("com.amazonaws.ecr#TooManyRequestsException"), times=2),
    ]
    async with serve([*throttled, *api({"app": INVENTORY["app"]}), *protocol()]) as server:
        snapshot = await crawl(server, tmp_path)
    assert operations(server) == {"DescribeRepositories": 1 + 1, "DescribeImages": 2 + 1}
    assert snapshot.manifest["requests"]["throttled"] == 3
    assert snapshot.manifest["verdict"] == "complete"
    assert not paths(server, "/tags/list")


async def test_ecr_repository_that_vanishes_is_listed_by_the_protocol(tmp_path):
    missing = operation(
        "DescribeImages", aws_error("RepositoryNotFoundException", "not there"), json={"repositoryName": "app"}
    )
    async with serve([missing, *api(INVENTORY), *protocol()]) as server:
        snapshot = await crawl(server, tmp_path, "tags")
    assert snapshot.by_name["app"]["tags"] == list(ecr.REPOSITORIES["app"])
    assert paths(server, "/tags/list") == ["/v2/app/tags/list"]


@pytest.mark.parametrize("kind", ["InvalidParameterException", "ValidationException"])
async def test_ecr_filter_that_is_refused_is_left_out_from_then_on(tmp_path, kind):
    inventory = {name: INVENTORY[name] for name in ("app", "team/job", "team/base")}
    script = [
        operation("DescribeImages", aws_error(kind, "Unknown filter"), json={"filter": ".+"}),
        *repositories(inventory),
        *(entry for name, held in inventory.items() for entry in images(name, held, status=None)),
        *protocol(),
    ]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, limits={"concurrency": 1})
    assert operations(server)["DescribeImages"] == 1 + 4
    assert {name: tuple(record["tags"]) for name, record in snapshot.by_name.items()} == {
        name: ecr.REPOSITORIES[name] for name in inventory
    }
    assert not paths(server, "/tags/list")


async def test_ecr_refusal_of_a_later_page_does_not_blame_the_filter(tmp_path):
    """An expired page token is an InvalidParameterException as well. The protocol lists the repository."""
    later = operation(
        "DescribeImages", aws_error("InvalidParameterException", "bad nextToken"), json={"nextToken": ".+"}
    )
    inventory = {name: INVENTORY[name] for name in ("team/base", "web")}
    async with serve([later, *api(inventory), *protocol()]) as server:
        snapshot = await crawl(server, tmp_path, "tags", limits={"concurrency": 1})
    assert snapshot.by_name["team/base"]["tags"] == list(ecr.REPOSITORIES["team/base"])
    assert WEB_ARCHIVED.digest in {image["digest"] for image in snapshot.by_name["web"]["images"]}


async def test_ecr_page_token_that_repeats_ends_the_list_as_incomplete(tmp_path):
    page = aws_document({"repositories": [{"repositoryName": "app"}], "nextToken": "again"})
    async with serve(
        [operation("DescribeRepositories", page), *images("app", INVENTORY["app"]), *protocol()]
    ) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.manifest["verdict"] == "partial"
    assert "the next page is an earlier page" in snapshot.manifest["discovery"]["evidence"]
    assert operations(server)["DescribeRepositories"] == 2


async def test_ecr_without_repositories_proves_nothing(tmp_path):
    """The catalog is asked as well: credentials of another account or region see an empty registry."""
    async with serve([*repositories([]), *images("app", INVENTORY["app"]), *protocol()]) as server:
        snapshot = await crawl(server, tmp_path, "tags", page_size=2, include=["app"])
    assert (
        "lists no repository of the account's registry, which proves nothing"
        in (snapshot.manifest["discovery"]["evidence"])
    )
    assert snapshot.by_name["app"]["tags"] == list(ecr.REPOSITORIES["app"])


async def test_ecr_repository_without_images_is_confirmed_by_the_protocol(tmp_path):
    async with serve([*repositories(["app"]), *images("app", []), *protocol()]) as server:
        snapshot = await crawl(server, tmp_path, "tags")
    assert paths(server, "/tags/list") == ["/v2/app/tags/list"]
    assert "lists none of the 2 tags of tags/list" in snapshot.records[0]["suspect"]
    assert snapshot.manifest["verdict"] == "partial"


async def test_ecr_registry_is_that_of_the_target(tmp_path, monkeypatch):
    """Without `registryId`, ECR answers for the account of the credentials. The region is that of the host."""
    monkeypatch.setenv("AWS_REGION", "us-east-2")
    async with serve([*api(INVENTORY), *protocol()]) as server:
        monkeypatch.setenv("http_proxy", server.origin)
        snapshot = await crawl(server, tmp_path, target=f"{ACCOUNT_HOST}/team", plain_http=True)
    bodies = [json.loads(asked.body) for asked in server.requests if asked.method == "POST"]
    assert {body["registryId"] for body in bodies} == {"123456789012"}
    assert set(snapshot.by_name) == {"team/base", "team/job"}
    assert "4 repositories of the registry 123456789012 in eu-west-1" in snapshot.manifest["discovery"]["evidence"]
