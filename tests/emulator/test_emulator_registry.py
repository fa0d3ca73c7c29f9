import json

from support.emulator_client import basic, bearer, client_of

from crawler.emulator import Kind, Settings, serving


async def catalog(client, path, headers):
    """The names and the number of pages, by following Link."""
    names, pages = [], 0
    while path:
        reply = await client.get(path, headers=headers)
        assert reply.status == 200
        names += reply.json["repositories"]
        pages += 1
        link = reply.headers.get("Link")
        assert link is None or (link.startswith("</v2/_catalog?last=") and link.endswith('>; rel="next"'))
        path = link and link[1:].partition(">")[0]
    return names, pages


def one_of(emulator, kind):
    return next(name for name in emulator.inventory.names if emulator.inventory.kind(name) is kind)


async def test_registry_listings_from_a_key_alone(client, emulator):
    access_token = await client.access_token("cloud-platform.read-only")
    user = basic("oauth2accesstoken", access_token)

    async def registry_token(scope):
        params = {"service": emulator.registry, "scope": scope}
        return bearer((await client.get("/v2/token", params=params, headers=user)).json["token"])

    names, _ = await catalog(client, "/v2/_catalog", await registry_token("registry:catalog:*"))
    assert names == list(emulator.inventory.names)
    for repository in emulator.inventory.truth():
        token = await registry_token(f"repository:{repository.name}:pull")
        reply = await client.get(f"/v2/{repository.name}/tags/list", headers=token)
        assert (reply.json if reply.status == 200 else None) == repository.listing


async def test_catalog_comes_in_pages(client, emulator):
    names = list(emulator.inventory.names)
    for query, pages in (("", 3), ("?n=1", 250), ("?n=125", 2), ("?n=250", 1), ("?n=9999", 1)):
        assert await catalog(client, f"/v2/_catalog{query}", client.key_headers()) == (names, pages)


async def test_catalog_page_begins_after_any_name(client, emulator):
    names = list(emulator.inventory.names)
    last = names[100] + "0"
    reply = await client.get("/v2/_catalog", params={"last": last, "n": 1}, headers=client.key_headers())
    assert reply.json == {"repositories": [next(name for name in names if name > last)]}
    reply = await client.get("/v2/_catalog", params={"last": names[-1]}, headers=client.key_headers())
    assert reply.json == {"repositories": []}
    assert "Link" not in reply.headers


async def test_catalog_page_is_cut_at_the_maximum(session):
    async with serving(Settings(repositories=25, catalog_page=10)) as emulator:
        client = client_of(emulator, session)
        for query in ("", "?n=1000"):
            names, pages = await catalog(client, f"/v2/_catalog{query}", client.key_headers())
            assert (len(names), pages) == (25, 3)


async def test_catalog_refuses_an_invalid_n(client):
    for n in ("0", "-1", "many", "9" * 5000):
        reply = await client.get(f"/v2/_catalog?n={n}", headers=client.key_headers())
        assert reply.error[:2] == (400, "PAGINATION_NUMBER_INVALID")


async def test_registry_may_be_empty(session):
    async with serving(Settings(repositories=0)) as emulator:
        client = client_of(emulator, session)
        assert await catalog(client, "/v2/_catalog", client.key_headers()) == ([], 1)


async def test_registry_accepts_an_access_token_without_a_token_exchange(client, emulator):
    token = bearer(await client.access_token("cloud-platform"))
    name = one_of(emulator, Kind.NORMAL)
    reply = await client.get(f"/v2/{name}/tags/list", headers=token)
    assert reply.json == emulator.inventory.listing(name)
    assert reply.headers["Content-Type"] == "application/json"


async def test_listing_of_a_folder_has_its_children(client, emulator):
    reply = await client.get("/v2/my-project/tags/list", headers=client.key_headers())
    assert reply.json["child"]
    assert reply.json["name"] == "my-project"
    assert (reply.json["manifest"], reply.json["tags"]) == ({}, [])


async def test_listing_of_an_empty_repository_is_empty(client, emulator):
    name = one_of(emulator, Kind.EMPTY)
    reply = await client.get(f"/v2/{name}/tags/list", headers=client.key_headers())
    assert reply.json == {"child": [], "manifest": {}, "name": name, "tags": []}


async def test_listing_of_a_vanished_or_unknown_repository_is_404(client, emulator):
    for name in (one_of(emulator, Kind.VANISHED), "my-project/nobody"):
        reply = await client.get(f"/v2/{name}/tags/list", headers=client.key_headers())
        assert reply.error == (404, "NAME_UNKNOWN", f'Repository "{name}" not found')


async def test_listing_of_a_denied_repository_is_403_with_a_token(client, emulator):
    name = one_of(emulator, Kind.DENIED)
    token = bearer(await client.registry_token(f"repository:{name}:pull"))
    status, code, message = (await client.get(f"/v2/{name}/tags/list", headers=token)).error
    assert (status, code) == (403, "DENIED")
    assert message.startswith('Permission "artifactregistry.repositories.downloadArtifacts" denied on resource ')
    assert message.endswith("(or it may not exist)")


async def test_listing_of_an_invalid_name_is_400(client):
    for name in ("UPPER", "a%22b", "a%0db", "a//b", "a" * 256):
        reply = await client.get(f"/v2/{name}/tags/list", headers=client.key_headers())
        assert reply.error[:2] == (400, "NAME_INVALID")


async def test_inventory_endpoint_is_json_lines(client, emulator):
    reply = await client.get("/emulator/inventory")
    lines = [json.loads(line) for line in reply.body.splitlines()]
    assert lines == [
        {"name": repository.name, "kind": repository.kind, "listing": repository.listing}
        for repository in emulator.inventory.truth()
    ]


async def test_counts_include_failed_exchanges(client, emulator):
    await client.get("/v2/")
    await client.get("/v2/_catalog", headers=client.key_headers())
    await client.get("/v2/token")
    await client.get("/v2/my-project/tags/list")
    await client.get("/v2/my-project/nobody/tags/list", headers=client.key_headers())
    await client.post("/oauth2/token")
    expected = {
        "ping": 1,
        "catalog": 1,
        "token": 1,
        "listing": 2,
        "manifest": 0,
        "blob": 0,
        "referrers": 0,
        "api": 0,
        "oauth": 1,
        "throttled": 0,
        "faults": 0,
        "busiest_second": 5,  # OAuth aside
    }
    assert (await client.get("/emulator/counts")).json == dict(emulator.counts) == expected
