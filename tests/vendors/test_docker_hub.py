"""Images from Docker Hub's own API: its fields, its price, its login, and the protocol where it is closed."""

import json

import pytest
from registries.crawls import crawl
from registries.docker_hub import HubImage, head
from registries.docker_hub_api import (
    REFUSED,
    TOKEN_PATH,
    HubTag,
    after_deletion,
    for_members,
    index,
    repositories,
    single,
    tags,
    without_digest,
)
from registries.vocabulary import PASSWORD, USER
from support.api_images import numbered_digest
from support.scripted import document, html, on, plain_registry, refusal, serve

MEMBER = {"auth": {"method": "basic", "username": USER, "password": PASSWORD}}
DIGESTS = {"depth": "digests"}
OLD = without_digest("old")
APP = (single("1.0", 1), single("latest", 1), index("2.0", 10))
INVENTORY: dict[str, tuple[HubTag, ...]] = {"app": APP, "tool": (single("v1", 20),)}


def script(inventory=INVENTORY):
    return [*repositories(inventory), *(entry for name, held in inventory.items() for entry in tags(name, held))]


def protocol(inventory=INVENTORY):
    """The registry beside the API. A request for a manifest fails the test."""
    return plain_registry({f"library/{name}": [tag.name for tag in held] for name, held in inventory.items()})


def expected(held):
    """The images of a repository, ordered by digest, each with all of its tags."""
    images = {}
    for tag in held:
        if tag.image is not None:
            known = images.get(tag.image["digest"])
            images[tag.image["digest"]] = tag.image if known is None else {**known, "tags": [*known["tags"], tag.name]}
    return [images[digest] for digest in sorted(images)]


async def crawl_hub(server, folder, **settings):
    settings = {"auth": {"method": "anonymous"}, "images_from": "api", **settings}
    target = f"{server.host}/library"
    return await crawl(server, folder, target=target, kind="docker-hub", apis={"docker_hub": "{origin}"}, **settings)


async def test_docker_hub_images_are_those_of_its_api(tmp_path):
    async with serve([*script(), *protocol()]) as server:
        snapshot = await crawl_hub(server, tmp_path)
    assert snapshot.manifest["verdict"] == "complete"
    assert {name: record["images"] for name, record in snapshot.by_name.items()} == {
        f"library/{name}": expected(held) for name, held in INVENTORY.items()
    }
    assert snapshot.by_name["library/app"]["tags"] == ["1.0", "latest", "2.0"]
    assert not [path for path in server.paths if "tags/list" in path or "manifests" in path]
    assert snapshot.manifest["requests"]["by_kind"] == {"api": 3, "ping": 1}


async def test_docker_hub_images_cost_a_page_for_a_hundred_tags(tmp_path):
    inventory = {"app": [single(f"v{number}", number) for number in range(10_000)]}
    async with serve([*script(inventory), *plain_registry({})]) as server:
        snapshot = await crawl_hub(server, tmp_path, images_from="auto", images=DIGESTS)
    (record,) = snapshot.records
    assert [image["digest"] for image in record["images"]] == [numbered_digest(number) for number in range(10_000)]
    assert snapshot.manifest["verdict"] == "complete"
    assert snapshot.manifest["requests"]["by_kind"] == {"api": 1 + 100, "ping": 1}


async def test_docker_hub_tag_without_a_digest_is_listed_and_read_by_the_protocol(tmp_path):
    image = HubImage(number=7)
    read = on("/v2/library/app/manifests/old", head(image, 50), method="HEAD")
    async with serve([*script({"app": (*APP, OLD)}), read, *plain_registry({})]) as server:
        snapshot = await crawl_hub(server, tmp_path, images=DIGESTS)
    (record,) = snapshot.records
    assert record["tags"] == ["1.0", "latest", "2.0", "old"]
    assert {tag: held["digest"] for held in record["images"] for tag in held["tags"]}["old"] == image.digest
    assert (snapshot.manifest["verdict"], record["problems"]) == ("complete", [])


@pytest.mark.parametrize("images", [[], [None], None, "linux/amd64"])
async def test_docker_hub_tag_whose_images_are_not_described_has_no_known_platforms(tmp_path, images):
    tag = single("v1", 1)
    described = [HubTag("v1", {**tag.json, "images": images}, None)]
    async with serve([*repositories(["app"]), *tags("app", described), *plain_registry({})]) as server:
        snapshot = await crawl_hub(server, tmp_path)
    (record,) = snapshot.records
    assert record["images"] == [{**tag.image, "platforms": None}]


@pytest.mark.parametrize("images_from", ["api", "auto"])
async def test_docker_hub_that_lists_fewer_tags_than_it_counts_is_suspect(tmp_path, images_from):
    short = [*repositories(["app"]), *tags("app", APP, count=7)]
    async with serve([*short, *plain_registry({})]) as server:
        snapshot = await crawl_hub(server, tmp_path, images_from=images_from, images=DIGESTS)
    (record,) = snapshot.records
    assert record["suspect"] == "Docker Hub's API listed 3 of 7 tags"
    assert snapshot.manifest["verdict"] == "partial"


async def test_docker_hub_tag_that_moves_to_a_page_that_was_read_makes_the_listing_suspect(tmp_path):
    """A tag was deleted meanwhile. Those after it move up, and one of them is on no page."""
    held = [single(f"v{number}", number) for number in range(150)]
    pages = after_deletion(tags("app", held), [tag.json for tag in held[101:]])
    async with serve([*repositories(["app"]), *pages, *plain_registry({})]) as server:
        snapshot = await crawl_hub(server, tmp_path)
    (record,) = snapshot.records
    assert record["suspect"] == "Docker Hub's API listed 149 of 150 tags"
    assert snapshot.manifest["verdict"] == "partial"


async def test_docker_hub_name_that_moves_to_a_page_that_was_read_makes_the_names_incomplete(tmp_path):
    names = [f"app-{number:03}" for number in range(150)]
    described = [{"name": name, "namespace": "library"} for name in names[101:]]
    listed = plain_registry({f"library/{name}": ["v1"] for name in names})
    async with serve([*after_deletion(repositories(names), described), *listed]) as server:
        snapshot = await crawl_hub(server, tmp_path, images_from="listing")
    assert snapshot.manifest["verdict"] == "partial"
    assert (
        "listed 149 of 150 public repositories of library, and no next page"
        in (snapshot.manifest["discovery"]["evidence"])
    )


@pytest.mark.parametrize(
    "closed",
    [
        REFUSED,
        document({"message": "forbidden"}, status=403),
        document({"message": "object not found"}, status=404),
        html(200, "Log in"),
        document({"count": 1, "results": [{"name": 7}]}),
    ],
    ids=["401", "403", "404", "a login page", "nonsense"],
)
async def test_docker_hub_tags_come_by_the_protocol_where_its_api_is_closed(tmp_path, closed):
    inventory = {f"app-{number}": (single("v1", number),) for number in range(20)}
    refused = [on(f"/v2/namespaces/library/repositories/{name}/tags", closed) for name in inventory]
    async with serve([*repositories(inventory), *refused, *protocol(inventory)]) as server:
        snapshot = await crawl_hub(server, tmp_path)
    assert snapshot.manifest["verdict"] == "complete"
    assert {record["repository"]: record["tags"] for record in snapshot.records} == {
        f"library/{name}": ["v1"] for name in inventory
    }
    evidence = snapshot.manifest["discovery"]["evidence"]
    assert (
        "Docker Hub's API listed 0 repositories, and the protocol 20: the API refused 3 and was not asked again, for "
        in evidence
    )
    assert len([path for path in server.paths if path.endswith("/tags")]) == 3


async def test_docker_hub_repository_that_its_api_refuses_comes_by_the_protocol(tmp_path):
    path = "/v2/namespaces/library/repositories/tool/tags"
    async with serve([on(path, refusal(403, "DENIED", "not yours")), *script(), *protocol()]) as server:
        snapshot = await crawl_hub(server, tmp_path, limits={"concurrency": 1})
    assert snapshot.by_name["library/app"]["images"] == expected(APP)
    assert (snapshot.by_name["library/tool"]["tags"], snapshot.by_name["library/tool"]["images"]) == (["v1"], None)
    assert (
        "listed 1 repository, and the protocol 1: the API refused 1, for example library/tool: "
        in snapshot.manifest["discovery"]["evidence"]
    )


async def test_docker_hub_that_finds_nothing_in_a_repository_is_compared_with_the_protocol(tmp_path):
    """An empty page proves nothing. The tags that the registry itself lists are recorded, and suspect."""
    empty = {"app": (), "emptied": ()}
    held = plain_registry({"library/app": ["1.0", "2.0"]})
    gone = on("/v2/library/emptied/tags/list", refusal(404, "NAME_UNKNOWN", "not known"))
    async with serve([gone, *script(empty), *held]) as server:
        snapshot = await crawl_hub(server, tmp_path)
    assert snapshot.outcomes == {"library/app": "ok", "library/emptied": "missing"}
    app = snapshot.by_name["library/app"]
    assert app["tags"] == ["1.0", "2.0"]
    assert app["suspect"] == "Docker Hub's API lists none of the 2 tags of tags/list"
    assert snapshot.manifest["verdict"] == "partial"


async def test_docker_hub_login_lists_private_repositories_by_a_token_of_its_api(tmp_path):
    async with serve([*for_members(script()), *protocol()]) as server:
        snapshot = await crawl_hub(server, tmp_path, **MEMBER)
    assert snapshot.manifest["verdict"] == "complete"
    assert (
        "2 of 2 repositories of library, which are all that the account may see"
        in (snapshot.manifest["discovery"]["evidence"])
    )
    assert set(snapshot.by_name) == {"library/app", "library/tool"}
    (login,) = server.asked(TOKEN_PATH)
    assert json.loads(login.body) == {"identifier": USER, "secret": PASSWORD}


async def test_docker_hub_token_that_expires_is_renewed(tmp_path):
    path = "/v2/namespaces/library/repositories/tool/tags"
    expired = on(path, REFUSED, headers={"Authorization": "Bearer hub-access-token-1"})
    async with serve([expired, *for_members(script()), *protocol()]) as server:
        snapshot = await crawl_hub(server, tmp_path, **MEMBER)
    assert snapshot.manifest["verdict"] == "complete"
    assert snapshot.by_name["library/tool"]["images"] == expected(INVENTORY["tool"])
    assert len(server.asked(TOKEN_PATH)) == 2


@pytest.mark.parametrize("quoted", ["", f": {PASSWORD}"], ids=["plainly", "and quotes the password"])
async def test_docker_hub_login_that_is_refused_lists_what_is_public(tmp_path, quoted):
    refused = on(TOKEN_PATH, document({"message": f"unauthorized{quoted}"}, status=401), method="POST")
    async with serve([refused, *script(), *protocol()]) as server:
        snapshot = await crawl_hub(server, tmp_path, **MEMBER)
    assert snapshot.manifest["verdict"] == "partial"
    (reason,) = snapshot.manifest["reasons"]
    assert "private repositories are not listed: name them with repositories_from" in reason
    assert "401 HTTP_401: unauthorized" in reason
    assert PASSWORD not in reason
    assert set(snapshot.by_name) == {"library/app", "library/tool"}
