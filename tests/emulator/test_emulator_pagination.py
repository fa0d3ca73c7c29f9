"""Listings that come in pages."""

from urllib.parse import quote

import pytest
from support.emulator_client import client_of

from crawler.emulator import ArtifactRegistry, Settings, serving

TODAYS = ArtifactRegistry(serves="gcr.io")


async def listing_pages(client, path):
    """The bodies and the Links between them."""
    bodies, links = [], []
    while path:
        reply = await client.get(path, headers=client.key_headers())
        assert reply.status == 200, reply.body
        bodies.append(reply.json)
        link = reply.headers.get("Link")
        assert link is None or (link.startswith("</v2/") and link.endswith('>; rel="next"'))
        path = link and link[1:].partition(">")[0]
        links += [path] if path else []
    return bodies, links


def joined(bodies):
    """What the pages tell together; nothing is told twice."""
    digests = [digest for body in bodies for digest in body["manifest"]]
    tags = [tag for body in bodies for tag in body["tags"]]
    assert len(set(digests)) == len(digests)
    assert len(set(tags)) == len(tags)
    assert not any(body["child"] for body in bodies[1:])
    return {
        "child": bodies[0]["child"],
        "manifest": {digest: image for body in bodies for digest, image in body["manifest"].items()},
        "name": bodies[0]["name"],
        "tags": sorted(tags),
    }


def some_listing(emulator):
    """One with children and a handful of images."""
    listings = (r.listing for r in emulator.inventory.truth() if r.listing and r.listing["child"])
    return next(listing for listing in listings if 5 < len(listing["manifest"]) < 50)


@pytest.mark.parametrize("role", [ArtifactRegistry(), TODAYS])
async def test_pagination_of_artifact_registry_cuts_at_n(session, role):
    async with serving(Settings(repositories=300, artifact_registry=role)) as emulator:
        client = client_of(emulator, session)
        listing = some_listing(emulator)
        count = len(listing["manifest"])
        path = f"/v2/{listing['name']}/tags/list"
        assert await listing_pages(client, path) == ([listing], [])
        for n in (1, 3, count - 1, count, count + 1, 10_000):
            bodies, links = await listing_pages(client, f"{path}?n={n}")
            assert joined(bodies) == listing
            assert [len(body["manifest"]) for body in bodies[:-1]] == [n] * (len(bodies) - 1)
            assert len(bodies) == -(-count // n)
            assert links == [f"{path}?n={n}&last={quote(list(body['manifest'])[-1], safe='')}" for body in bodies[:-1]]


@pytest.mark.parametrize("role", [None, ArtifactRegistry(), TODAYS])
async def test_pagination_maximum_is_a_setting(session, role):
    async with serving(Settings(repositories=300, tags_page=3, artifact_registry=role)) as emulator:
        client = client_of(emulator, session)
        listing = some_listing(emulator)
        path = f"/v2/{listing['name']}/tags/list"
        whole = await listing_pages(client, path)
        assert joined(whole[0]) == listing
        assert len(whole[0]) == -(-len(listing["manifest"]) // 3) > 1
        assert await listing_pages(client, f"{path}?n=10000") == whole
        bodies, _ = await listing_pages(client, f"{path}?n=2")
        assert joined(bodies) == listing
        assert len(bodies) == -(-len(listing["manifest"]) // 2)


async def test_pagination_page_has_the_tags_of_its_own_images(session):
    async with serving(Settings(repositories=300, artifact_registry=TODAYS)) as emulator:
        client = client_of(emulator, session)
        bodies, _ = await listing_pages(client, f"/v2/{some_listing(emulator)['name']}/tags/list?n=2")
        for body in bodies:
            assert body["tags"] == sorted(tag for image in body["manifest"].values() for tag in image["tag"])


async def test_pagination_is_absent_from_container_registry(session):
    async with serving(Settings(repositories=300)) as emulator:
        client = client_of(emulator, session)
        listing = some_listing(emulator)
        for query in ("?n=1", "?n=0", "?n=1&last=z"):
            assert await listing_pages(client, f"/v2/{listing['name']}/tags/list{query}") == ([listing], [])


async def test_pagination_keeps_a_folder_on_one_page(session):
    async with serving(Settings(repositories=300, tags_page=1, artifact_registry=TODAYS)) as emulator:
        client = client_of(emulator, session)
        folder = emulator.inventory.listing("my-project")
        assert len(folder["child"]) > 5
        assert await listing_pages(client, "/v2/my-project/tags/list") == ([folder], [])


async def test_pagination_refuses_an_invalid_n(session):
    async with serving(Settings(repositories=1, artifact_registry=TODAYS)) as emulator:
        client = client_of(emulator, session)
        for n in ("0", "-1", "many", ""):
            reply = await client.get(f"/v2/my-project/tags/list?n={n}", headers=client.key_headers())
            assert reply.error[:2] == (400, "PAGINATION_NUMBER_INVALID")
