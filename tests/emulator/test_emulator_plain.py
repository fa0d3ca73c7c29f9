"""The emulator in the plain role: the distribution protocol without Google's additions."""

import pytest
from support.emulator_client import client_of

from crawler.emulator import Settings, serving


@pytest.fixture
async def emulator():
    async with serving(Settings(repositories=60, listings="plain", denied=0.05)) as emulator:
        yield emulator


@pytest.fixture
def client(emulator, session):
    return client_of(emulator, session)


async def test_plain_listings_have_names_and_tags_alone(client, emulator):
    for repository in emulator.inventory.truth():
        reply = await client.get(f"/v2/{repository.name}/tags/list", headers=client.key_headers())
        if repository.listing is None:
            assert reply.status in (403, 404)
        else:
            assert reply.json == {"name": repository.name, "tags": repository.listing["tags"]}
            assert "Link" not in reply.headers


async def test_plain_listing_of_a_folder_is_unknown(client):
    reply = await client.get("/v2/my-project/tags/list", headers=client.key_headers())
    assert reply.error[:2] == (404, "NAME_UNKNOWN")


async def test_plain_listing_is_cut_at_n_tags(client):
    path = "/v2/my-project/base/node20/tags/list?n=4"
    pages = []
    while path:
        reply = await client.get(path, headers=client.key_headers())
        pages.append(reply.json["tags"])
        link = reply.headers.get("Link")
        path = link and link[1:].partition(">")[0]
    assert pages == [["20", "20.0", "20.1", "20.2"], ["20.3", "latest"]]


async def test_plain_catalog_and_manifests_are_as_usual(client, emulator):
    reply = await client.get("/v2/_catalog", headers=client.key_headers())
    assert reply.json == {"repositories": list(emulator.inventory.names)}
    digest = (await client.manifest("my-project/base/node20", "latest")).headers["Docker-Content-Digest"]
    assert "latest" in emulator.inventory.facts("my-project/base/node20")[digest]["tags"]


async def test_plain_tag_that_vanishes_leaves_the_listing(session):
    async with serving(Settings(repositories=120, giants=0, broken=0.3, listings="plain")) as emulator:
        client = client_of(emulator, session)
        name, tags = next(
            (name, facts["tags"])
            for name in emulator.inventory.names
            for facts in emulator.inventory.facts(name).values()
            if facts["problem"] == "vanished-tag"
        )
        path = f"/v2/{name}/tags/list"
        before = (await client.get(path, headers=client.key_headers())).json["tags"]
        assert (await client.manifest(name, tags[0])).status == 404
        after = (await client.get(path, headers=client.key_headers())).json["tags"]
        assert set(before) - set(after) == set(tags)
