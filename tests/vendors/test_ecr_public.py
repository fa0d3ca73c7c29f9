"""ECR Public's own API: the account's own registry under its aliases; all other registries by the protocol."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registries import ecr_public
from registries.ecr_api import PUBLIC_SERVICE, aws_document, aws_error, crawl_api, operation, operations, tagged
from registries.ecr_public_api import ALIAS, INVENTORY, alias, api, images, registries
from support.json_values import flat, values
from support.scripted import ScriptedServer, html, on, serve
from support.snapshots import Snapshot

import crawler
from crawler.errors import MalformedResponse
from crawler.profiles import PROFILES_BY_KIND
from crawler.vendors.aws_json import parse_page
from crawler.vendors.ecr_public import parse_aliases

pytestmark = pytest.mark.usefixtures("few_authorities", "aws")

PROTOCOL = ecr_public.ECR_PUBLIC.script
TAGS = {name: list(tags) for name, tags in ecr_public.REPOSITORIES.items()}


async def crawl(server: ScriptedServer, folder: Path, depth: str = "digests", **settings: Any) -> Snapshot:
    table = {"target": f"{server.host}/{ALIAS}", "kind": "ecr-public", "apis": {"own": "{origin}"}, **settings}
    return await crawl_api(server, folder, {"depth": depth}, **table)


def names_file(folder: Path, *names: str) -> dict[str, str]:
    file = folder / "names.txt"
    file.write_text("".join(f"{name}\n" for name in names))
    return {"discovery": "list", "repositories_from": str(file)}


def tags_of(snapshot: Snapshot) -> dict[str, list[str]]:
    return {name: record["tags"] for name, record in snapshot.by_name.items()}


async def test_ecr_public_api_lists_names_and_images(tmp_path):
    async with serve([*api(), *PROTOCOL]) as server:
        snapshot = await crawl(server, tmp_path)
    assert tags_of(snapshot) == TAGS
    assert snapshot.manifest["verdict"] == "complete"
    assert snapshot.manifest["discovery"]["evidence"] == (
        "ECR Public's API listed 2 repositories of nginx: no next page"
    )
    assert operations(server) == {"DescribeRegistries": 1, "DescribeRepositories": 2, "DescribeImages": 2 + 1}
    assert set(server.paths) == {"/v2/", "/"}
    recorded = {image["digest"]: image for record in snapshot.records for image in record["images"]}
    told = {"digest", "tags", "media_type", "size_bytes", "uploaded_at"}
    for held in (held for each in INVENTORY.values() for held in each):
        image = recorded[held.digest]
        assert {name: image[name] for name in told} == {
            "digest": held.digest,
            "tags": list(held.tags),
            "media_type": held.media_type,
            "size_bytes": held.size,
            "uploaded_at": "2023-11-14T22:13:20.250Z",
        }
        assert {value for name, value in image.items() if name not in told} == {None}


async def test_ecr_public_any_alias_of_the_own_registry_names_it(tmp_path):
    script = [*api({"unit": INVENTORY["unit"]}), *PROTOCOL]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, target=f"{server.host}/d4f5a6b7")
    assert tags_of(snapshot) == {"d4f5a6b7/unit": ["latest"]}


async def test_ecr_public_price_of_10_000_images_at_digests(tmp_path):
    held = tagged("big", (f"v{number}" for number in range(10_000)))
    async with serve([*api({"big": held}), *PROTOCOL]) as server:
        snapshot = await crawl(server, tmp_path)
    assert operations(server) == {"DescribeRegistries": 1, "DescribeRepositories": 1, "DescribeImages": 10}
    assert len(snapshot.records[0]["images"]) == 10_000
    assert set(server.paths) == {"/v2/", "/"}


@pytest.mark.parametrize("namespace", ["docker", "wanted"])
async def test_ecr_public_registry_of_others_is_not_listed_and_the_evidence_says_so(tmp_path, namespace):
    """An alias that is not approved yet may be given to somebody else."""
    async with serve([*api(), *PROTOCOL]) as server:
        snapshot = await crawl(server, tmp_path, target=f"{server.host}/{namespace}")
    assert snapshot.manifest["verdict"] == "partial"
    assert snapshot.manifest["discovery"]["evidence"] == (
        f"ECR Public's API lists the account's own registry only, and {namespace} is not one of its aliases "
        "(d4f5a6b7, nginx): name its repositories with repositories_from"
    )
    assert operations(server) == {"DescribeRegistries": 1}


async def test_ecr_public_images_of_others_come_by_the_protocol(tmp_path):
    script = [*registries(alias("mine")), *images("tool", tagged("mine/tool", ["1"])), *PROTOCOL]
    async with serve(script) as server:
        listed = names_file(tmp_path, "mine/tool", *TAGS)
        snapshot = await crawl(server, tmp_path, "tags", target=server.host, **listed)
    assert tags_of(snapshot) == {**TAGS, "mine/tool": ["1"]}
    assert operations(server) == {"DescribeRegistries": 1, "DescribeImages": 1}
    assert snapshot.manifest["verdict"] == "complete"


CLOSED = {
    "401": (html(401, "Unauthorized"), "401"),
    "403": (html(403, "Forbidden"), "403"),
    "404": (html(404, "Not Found"), "404"),
    "access-denied": (aws_error("AccessDeniedException", "not authorized to perform: x"), "not authorized to perform"),
    "wrong-region": (aws_error("UnsupportedCommandException", "not in this region"), "UnsupportedCommandException"),
    "nonsense": (aws_document({"registries": {}}), "'registries' is not a list"),
}


@pytest.mark.parametrize("closed", CLOSED)
async def test_ecr_public_api_that_is_closed_leaves_images_to_the_protocol(tmp_path, closed):
    reply, _ = CLOSED[closed]
    async with serve([on("/", reply, method="POST"), *PROTOCOL]) as server:
        snapshot = await crawl(server, tmp_path, "tags", target=server.host, **names_file(tmp_path, *TAGS))
    assert tags_of(snapshot) == TAGS
    assert snapshot.manifest["verdict"] == "complete"
    assert set(operations(server)) == {"DescribeRegistries"}


@pytest.mark.parametrize("closed", CLOSED)
async def test_ecr_public_api_that_is_closed_is_an_error_where_names_come_from_it(tmp_path, closed):
    """There is no catalog to take its place."""
    reply, message = CLOSED[closed]
    async with serve([on("/", reply, method="POST"), *PROTOCOL]) as server:
        with pytest.raises(crawler.CrawlerError, match=message):
            await crawl(server, tmp_path)


async def test_ecr_public_registry_without_repositories_proves_nothing(tmp_path):
    async with serve([*api({}), *PROTOCOL]) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.manifest["verdict"] == "partial"
    assert "lists no repository of nginx, which proves nothing" in snapshot.manifest["discovery"]["evidence"]


async def test_ecr_public_page_that_fails_makes_the_names_incomplete(tmp_path):
    failing = operation(
        "DescribeRepositories",
        aws_error("ServerException", "try later", 400),
        PUBLIC_SERVICE,
        json={"nextToken": ".+"},
    )
    async with serve([failing, *api(), *PROTOCOL]) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.manifest["verdict"] == "partial"
    assert len(snapshot.records) == 1
    assert "then failed: POST" in snapshot.manifest["discovery"]["evidence"]


def test_ecr_public_needs_an_alias():
    with pytest.raises(crawler.ConfigError) as refused:
        crawler.Config.load(targets=["public.ecr.aws"])
    assert "public.ecr.aws/ALIAS" in str(refused.value)
    assert crawler.Config.load(targets=["public.ecr.aws/nginx"]).registry[0].own_api_url == (
        "https://api.ecr-public.us-east-1.amazonaws.com"
    )
    assert PROFILES_BY_KIND["ecr-public"].api_url("public.ecr.aws") == "https://api.ecr-public.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("aliases", "expected"),
    [
        ([alias("a"), alias("b", "PENDING"), alias("c", "REJECTED"), {"name": "d"}], ("a", "d")),
        (None, ()),
        ([None, {}, alias(""), alias(1), alias("e", ["ACTIVE"])], ()),
    ],
)
def test_ecr_public_aliases_that_are_active(aliases, expected):
    assert parse_aliases({"aliases": aliases}) == expected


_ALIAS = st.dictionaries(st.sampled_from(["name", "status"]), flat | values, max_size=2)


@given(
    st.dictionaries(
        st.sampled_from(["registries", "nextToken"]),
        values | st.lists(st.dictionaries(st.just("aliases"), flat | st.lists(_ALIAS | flat))),
        max_size=2,
    )
)
def test_ecr_public_registries_of_any_json_are_parsed_or_malformed(document):
    try:
        page = parse_page("registries", parse_aliases, json.dumps(document).encode())
    except MalformedResponse:
        return
    assert all(isinstance(name, str) and name for aliases in page.entries for name in aliases)
