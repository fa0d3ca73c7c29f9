"""A catalog that tells nothing, and the tree of folders that tells all the same."""

import pytest
from support.emulator_client import basic, client_of, walked

from crawler.emulator import Inventory, Kind, Settings, serving


@pytest.mark.parametrize(("catalog", "told"), [("empty", b'{"repositories":[]}'), ("null", b'{"repositories":null}')])
async def test_walk_is_needed_where_the_catalog_is_empty_or_null(session, catalog, told):
    async with serving(Settings(repositories=30, catalog=catalog)) as emulator:
        client = client_of(emulator, session)
        for query in ("", "?n=5", "?last=my-project"):
            reply = await client.get(f"/v2/_catalog{query}", headers=client.key_headers())
            assert (reply.status, reply.body) == (200, told)
            assert "Link" not in reply.headers


async def test_catalog_that_is_empty_still_needs_credentials_and_scope(session):
    async with serving(Settings(repositories=1, catalog="empty")) as emulator:
        client = client_of(emulator, session)
        assert (await client.get("/v2/_catalog")).status == 401
        user = basic("_token", await client.access_token("devstorage.read_only"))
        assert (await client.get("/v2/_catalog", headers=user)).error[:2] == (403, "DENIED")


async def test_walk_finds_every_repository_with_one_request_per_node(session):
    async with serving(Settings(repositories=400, catalog="null", empty=0.05, vanished=0.05, denied=0.05)) as emulator:
        walk = await walked(client_of(emulator, session), emulator.inventory.projects)
        assert walk.repositories == list(emulator.inventory.names)
        assert sorted(walk.replies) == emulator.inventory.nodes()
        assert emulator.counts["listing"] == len(emulator.inventory.nodes())
        for name, reply in walk.replies.items():
            expected = {Kind.VANISHED: 404, Kind.DENIED: 403}.get(emulator.inventory.kind(name), 200)
            assert reply.status == expected


def test_walk_nodes_are_repositories_and_their_folders():
    inventory = Inventory(Settings())
    nodes = inventory.nodes()
    assert nodes == sorted(set(nodes))
    assert nodes[0] == "my-project"
    assert set(inventory.names) < set(nodes)
    folders = set(nodes) - set(inventory.names)
    assert all(inventory.listing(folder)["child"] and not inventory.listing(folder)["manifest"] for folder in folders)
    assert {node.rpartition("/")[0] for node in nodes[1:]} <= set(nodes)


def test_walk_folder_has_children_and_an_empty_repository_none():
    for repository in Inventory(Settings(empty=0.3)).truth():
        if repository.kind is Kind.EMPTY:
            assert repository.listing == {"child": [], "manifest": {}, "name": repository.name, "tags": []}


async def test_walk_project_without_repositories_is_an_empty_folder(session):
    async with serving(Settings(repositories=0)) as emulator:
        client = client_of(emulator, session)
        reply = await client.get("/v2/my-project/tags/list", headers=client.key_headers())
        assert reply.json == {"child": [], "manifest": {}, "name": "my-project", "tags": []}
        assert emulator.inventory.nodes() == ["my-project"]
