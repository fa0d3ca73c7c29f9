"""ACR's own API: names, manifests with their tags, its price, its tokens, and the protocol where it is closed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registries import acr
from registries.acr_api import (
    CATALOG,
    INDEX_TYPE,
    api,
    attestation,
    catalog,
    expected,
    index,
    manifests,
    manifests_path,
    scope_of,
    single,
    tags,
    tags_path,
    unlinked,
    without_digest,
)
from registries.crawls import crawl, login, password_requests
from registries.vocabulary import (
    BASIC,
    CATALOG_SCOPE,
    PASSWORD,
    WITH_PASSWORD,
    guarded_by_basic,
    guarded_by_token,
    numbered,
    unauthorized,
)
from registries.vocabulary import scope_of as pull_scope
from support.api_images import numbered_digest
from support.json_values import flat
from support.scripted import document, html, on, plain_registry, refusal, serve

from crawler.errors import MalformedResponse
from crawler.vendors.acr import parse_manifests, parse_names, parse_tags
from crawler.wire.digest import is_digest

DIGESTS = {"depth": "digests"}
API = {"kind": "acr", "discovery": "api", "images_from": "api", "images": DIGESTS}
INVENTORY = {
    "apps/api": (single(1, "1.0", "latest"), single(2), index(3, "2.0"), index(4, "2.1", children=[5, 6])),
    "apps/attested": (attestation(11), single(10, "v1")),
    "job": (single(20, "v1"),),
}


def protocol(inventory=INVENTORY):
    """The registry beside the API. A request for a manifest fails the test."""
    return plain_registry(
        {name: [tag for held in all_held for tag in held.tags] for name, all_held in inventory.items()}
    )


@pytest.mark.parametrize("depth", ["tags", "digests"])
async def test_acr_names_and_images_are_those_of_its_api(tmp_path, depth):
    async with serve([*api(INVENTORY), *protocol()]) as server:
        snapshot = await crawl(server, tmp_path, **{**API, "images": {"depth": depth}})
    assert snapshot.manifest["verdict"] == "complete"
    images = {name: record["images"] for name, record in snapshot.by_name.items()}
    assert images == {name: expected(held) for name, held in INVENTORY.items()}
    assert snapshot.by_name["apps/api"]["tags"] == ["1.0", "latest", "2.0", "2.1"]
    assert snapshot.manifest["discovery"]["evidence"] == "ACR's API listed 3 repositories: no next link"
    assert snapshot.manifest["requests"]["by_kind"] == {"api": 1 + 3, "ping": 1}
    assert not server.unscripted


@pytest.mark.parametrize(("size", "pages"), [(100, 100), (1000, 10)], ids=["the size it likes", "as requested"])
async def test_acr_images_cost_a_page_for_a_hundred_manifests(tmp_path, size, pages):
    held = [single(number, f"v{number}") for number in range(10_000)]
    async with serve([*catalog(["app"]), *manifests("app", held, size), *plain_registry({})]) as server:
        snapshot = await crawl(server, tmp_path, **API)
    (record,) = snapshot.records
    assert [image["digest"] for image in record["images"]] == [numbered_digest(number) for number in range(10_000)]
    assert snapshot.manifest["verdict"] == "complete"
    assert snapshot.manifest["requests"]["by_kind"] == {"api": 1 + pages, "ping": 1}
    assert not server.unscripted


async def test_acr_images_come_by_the_api_where_names_come_by_the_catalog(tmp_path):
    async with serve([*api(INVENTORY), *protocol()]) as server:
        snapshot = await crawl(server, tmp_path, kind="acr", discovery="catalog", images_from="api", images=DIGESTS)
    assert snapshot.by_name["apps/api"]["images"] == expected(INVENTORY["apps/api"])
    assert not server.asked(CATALOG)
    assert snapshot.manifest["verdict"] == "complete"


# ------------------------------------------------------------------------------------------------------------- traps


async def test_acr_tags_are_read_by_themselves_where_a_manifest_may_have_more_than_it_is_listed_with(tmp_path):
    """Azure/azure-cli#7438: a manifest is listed with ten of its tags."""
    held = (single(1, *numbered("build-", 250)), single(2, "latest"))
    async with serve([*api({"app": held}), *plain_registry({})]) as server:
        snapshot = await crawl(server, tmp_path, **API)
    (record,) = snapshot.records
    assert record["tags"] == [*numbered("build-", 250), "latest"]
    assert record["images"] == expected(held)
    assert len(server.asked(tags_path("app"))) == 3
    assert (snapshot.manifest["verdict"], record["suspect"]) == ("complete", None)


async def test_acr_tag_that_moves_between_the_lists_belongs_to_the_later_one(tmp_path):
    held = (single(1, *numbered("build-", 12)), single(2, "latest"))
    moved = (single(1, *numbered("build-", 12), "latest"), single(2))
    async with serve([*catalog(["app"]), *manifests("app", held), *tags("app", moved), *plain_registry({})]) as server:
        snapshot = await crawl(server, tmp_path, **API)
    (record,) = snapshot.records
    assert record["images"] == expected(moved)


async def test_acr_nine_tags_of_one_manifest_need_no_list_of_tags(tmp_path):
    held = (single(1, *numbered("build-", 9)),)
    async with serve([*api({"app": held}), *plain_registry({})]) as server:
        snapshot = await crawl(server, tmp_path, **API)
    assert snapshot.records[0]["images"] == expected(held)
    assert not server.asked(tags_path("app"))


async def test_acr_repository_without_manifests_is_empty_by_the_protocol(tmp_path):
    async with serve([*api({"app": (single(1, "v1"),), "emptied": ()}), *protocol({"emptied": ()})]) as server:
        snapshot = await crawl(server, tmp_path, **API)
    assert snapshot.outcomes == {"app": "ok", "emptied": "ok"}
    assert (snapshot.by_name["emptied"]["tags"], snapshot.by_name["emptied"]["suspect"]) == ([], None)
    assert snapshot.manifest["verdict"] == "complete"


async def test_acr_manifest_without_a_valid_digest_keeps_its_tags(tmp_path):
    inventory = {"app": (without_digest("odd"), single(1, "v1"))}
    async with serve([*api(inventory), *plain_registry({})]) as server:
        snapshot = await crawl(server, tmp_path, **{**API, "images": {}})
    (record,) = snapshot.records
    assert (record["tags"], record["images"]) == (["v1", "odd"], expected(inventory["app"]))


async def test_acr_signature_of_an_image_that_is_not_there_is_an_orphan(tmp_path):
    """The API lists every manifest, with a tag or without, so no request is needed."""
    tags = [f"{numbered_digest(subject).replace(':', '-')}.sig" for subject in (2, 99)]
    inventory = {"app": (single(1, "v1"), single(2), single(3, tags[0]), single(4, tags[1]))}
    async with serve([*api(inventory), *plain_registry({})]) as server:
        snapshot = await crawl(server, tmp_path, **{**API, "images": {**DIGESTS, "referrers": "listed"}})
    (problem,) = snapshot.records[0]["problems"]
    assert (problem["problem"], problem["tag"]) == ("orphan-referrer", tags[1])


async def test_acr_list_without_links_goes_on_after_its_last_entry(tmp_path):
    """Microsoft's own clients do so (Azure/acr-cli internal/tag/tag.go), whether or not a link comes."""
    held = [single(number, f"v{number}") for number in range(300)]
    names = [f"app-{number:03}" for number in range(200)]
    lists = unlinked([*catalog(names), *manifests("app-000", held)])
    async with serve([*lists, *plain_registry({})]) as server:
        snapshot = await crawl(server, tmp_path, **API, include=["app-000"])
    (record,) = snapshot.records
    assert len(record["images"]) == 300
    proof = "ACR's API listed 200 repositories: a request after the last entry returned nothing more"
    assert proof in snapshot.manifest["discovery"]["evidence"]
    assert len(server.asked(manifests_path("app-000"))) == 3 + 1
    assert snapshot.manifest["verdict"] == "complete"


async def test_acr_page_size_that_is_refused_is_lowered_for_all_repositories(tmp_path):
    refused = [
        on(path, refusal(400, "PAGINATION_NUMBER_INVALID", "n is too large"), query={"n": "1000|100"})
        for path in (CATALOG, *map(manifests_path, INVENTORY))
    ]
    async with serve([*refused, *api(INVENTORY), *protocol()]) as server:
        snapshot = await crawl(server, tmp_path, **API, limits={"concurrency": 1})
    assert {name: record["images"] for name, record in snapshot.by_name.items()} == {
        name: expected(held) for name, held in INVENTORY.items()
    }
    sizes = [asked.query.get("n") for path in INVENTORY for asked in server.asked(manifests_path(path))]
    assert sorted(sizes, key=str) == [None, None, None, ["100"], ["1000"]]
    assert snapshot.manifest["verdict"] == "complete"


async def test_acr_catalog_that_times_out_is_read_in_small_pages(tmp_path):
    """Azure/acr-cli#353"""
    names = [f"app-{number}" for number in range(7)]
    slow = on(CATALOG, html(502, "502 Bad Gateway"), query={"n": "1000|100"})
    async with serve([slow, *catalog(names, size=5), *protocol(dict.fromkeys(names, ()))]) as server:
        snapshot = await crawl(server, tmp_path, kind="acr", discovery="api")
    assert set(snapshot.by_name) == set(names)
    assert snapshot.manifest["verdict"] == "complete"
    assert [asked.query["n"] for asked in server.asked(CATALOG)] == [["1000"], ["100"], ["5"], ["5"]]


# ------------------------------------------------------------------------------------------- doubts, and a closed API


async def test_acr_list_that_leads_in_a_circle_is_suspect(tmp_path):
    held = [single(number, f"v{number}") for number in range(200)]
    first, second, *_ = manifests("app", held)
    circle = on(manifests_path("app"), second.reply.with_headers(first.reply.headers[1]), query={"last": ".+"})
    async with serve([*catalog(["app"]), first, circle, *plain_registry({})]) as server:
        snapshot = await crawl(server, tmp_path, **API)
    (record,) = snapshot.records
    assert len(record["images"]) == 200
    assert record["suspect"] == (
        "_manifests of ACR's API listed 200 entries: the next link of page 2 leads back to an earlier page"
    )
    assert snapshot.manifest["verdict"] == "partial"


@pytest.mark.parametrize("listed", [[7, None], ["v1", 7]])
async def test_acr_tags_that_are_not_strings_are_suspect(tmp_path, listed):
    page = document({"manifests": [{**single(1).json, "tags": [*listed, "v2"]}]})
    async with serve([*catalog(["app"]), on(manifests_path("app"), page), *plain_registry({})]) as server:
        snapshot = await crawl(server, tmp_path, **API)
    (record,) = snapshot.records
    assert "tags that are not strings" in record["suspect"]
    assert record["tags"][-1] == "v2"


CLOSED = {
    "401": unauthorized('Basic realm="ours.azurecr.io"'),
    "403": refusal(403, "DENIED", "requested access to the resource is denied"),
    "404": html(404, "404 page not found"),
    "a login page": html(200, "Log in"),
    "nonsense": document({"manifests": [7], "repositories": 7}),
}


@pytest.mark.parametrize("closed", CLOSED)
async def test_acr_repositories_and_tags_come_by_the_protocol_where_the_api_is_closed(tmp_path, closed):
    paths = [CATALOG, *map(manifests_path, INVENTORY)]
    async with serve([*(on(path, CLOSED[closed]) for path in paths), *protocol()]) as server:
        snapshot = await crawl(server, tmp_path, **{**API, "images": {}})
    assert {name: record["tags"] for name, record in snapshot.by_name.items()} == {
        name: [tag for manifest in held for tag in manifest.tags] for name, held in INVENTORY.items()
    }
    assert snapshot.manifest["verdict"] == "complete"
    assert snapshot.manifest["discovery"]["method"] == "catalog"
    evidence = snapshot.manifest["discovery"]["evidence"]
    assert "the API refused 3 and was not asked again, for example" in evidence


async def test_acr_repository_without_metadata_read_comes_by_the_protocol(tmp_path):
    refused = on(manifests_path("job"), CLOSED["403"])
    async with serve([refused, *api(INVENTORY), *protocol()]) as server:
        snapshot = await crawl(server, tmp_path, **{**API, "images": {}}, limits={"concurrency": 1})
    assert snapshot.by_name["apps/api"]["images"] == expected(INVENTORY["apps/api"])
    assert (snapshot.by_name["job"]["tags"], snapshot.by_name["job"]["images"]) == (["v1"], None)
    assert "refused 1, for example job" in snapshot.manifest["discovery"]["evidence"]
    assert snapshot.manifest["verdict"] == "complete"


async def test_acr_catalog_without_repositories_proves_nothing(tmp_path):
    async with serve([*catalog([]), *plain_registry({})]) as server:
        snapshot = await crawl(server, tmp_path, kind="acr", discovery="api")
    assert snapshot.manifest["verdict"] == "partial"
    assert "proves nothing" in "".join(snapshot.manifest["reasons"]) + snapshot.manifest["discovery"]["evidence"]


# ------------------------------------------------------------------------------------------------------- credentials


async def test_acr_admin_user_lists_all_by_its_password(tmp_path):
    async with serve(guarded_by_basic('Basic realm="ours.azurecr.io"', [*api(INVENTORY)])) as server:
        snapshot = await crawl(server, tmp_path, **API, **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"
    assert set(password_requests(server, BASIC)) <= {"/v2/", CATALOG, *map(manifests_path, INVENTORY)}
    assert PASSWORD not in str(snapshot.manifest)


async def test_acr_user_whose_password_opens_the_protocol_alone_lists_by_the_protocol(tmp_path):
    refused = [on(path, CLOSED["401"]) for path in (CATALOG, *map(manifests_path, INVENTORY))]
    held = [entry for entry in protocol() if entry.match.path != "/v2/"]
    async with serve([*refused, *guarded_by_basic('Basic realm="ours.azurecr.io"', held)]) as server:
        snapshot = await crawl(server, tmp_path, **{**API, "images": {}}, **WITH_PASSWORD)
    assert snapshot.outcomes == dict.fromkeys(INVENTORY, "ok")
    assert snapshot.manifest["verdict"] == "complete"
    assert "refused 3 " in snapshot.manifest["discovery"]["evidence"]


def by_identity_token():
    """The API and the protocol, for tokens of the right scope."""
    guarded = [*guarded_by_token(CATALOG_SCOPE, acr.REFUSED, catalog(list(INVENTORY)))]
    for name, held in INVENTORY.items():
        guarded += guarded_by_token(scope_of(name), acr.REFUSED, manifests(name, held))
        listed = [entry for entry in protocol({name: held}) if entry.match.path == f"/v2/{name}/tags/list"]
        guarded += guarded_by_token(pull_scope(name), acr.REFUSED, listed)
    scopes = [CATALOG_SCOPE, *map(pull_scope, INVENTORY), *map(scope_of, INVENTORY)]
    return [on("/v2/", acr.REFUSED), *guarded, *map(acr.exchanged, scopes)]


def stored_login(docker, server):
    stored = {"auth": "MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOg==", "identitytoken": acr.IDENTITY_TOKEN}
    login(docker, **{server.host: stored})


async def test_acr_identity_token_is_exchanged_for_a_token_of_each_scope(tmp_path, docker):
    async with serve(by_identity_token()) as server:
        stored_login(docker, server)
        snapshot = await crawl(server, tmp_path, **API, auth={"method": "docker-config"})
    assert snapshot.manifest["verdict"] == "complete"
    assert snapshot.by_name["apps/api"]["images"] == expected(INVENTORY["apps/api"])
    asked = {form["scope"][0] for form in (request.form for request in server.requests) if "scope" in form}
    assert asked == {CATALOG_SCOPE, *map(scope_of, INVENTORY)}
    assert snapshot.manifest["requests"]["by_kind"] == {"api": 2 * 1 + 3 - 1, "ping": 1, "token": 4}


NO_TOKEN = refusal(401, "UNAUTHORIZED", "authentication required")
NO_PERMISSION = unauthorized(
    'Bearer realm="{origin}/oauth2/token",service="ours.azurecr.io",error="insufficient_scope"'
)
WITHOUT_METADATA_READ = {
    "no token": [
        *(on("/oauth2/token", NO_TOKEN, method="POST", form={"scope": scope_of(name)}) for name in INVENTORY),
        *(on("/oauth2/token", NO_TOKEN, query={"scope": scope_of(name)}) for name in INVENTORY),
    ],
    "a token that opens nothing": [on(manifests_path(name), NO_PERMISSION) for name in INVENTORY],
}


@pytest.mark.parametrize("refused", WITHOUT_METADATA_READ)
async def test_acr_identity_token_without_metadata_read_lists_by_the_protocol(tmp_path, docker, refused):
    async with serve([*WITHOUT_METADATA_READ[refused], *by_identity_token()]) as server:
        stored_login(docker, server)
        snapshot = await crawl(server, tmp_path, **{**API, "images": {}}, auth={"method": "docker-config"})
    assert {name: record["tags"] for name, record in snapshot.by_name.items()} == {
        name: [tag for manifest in held for tag in manifest.tags] for name, held in INVENTORY.items()
    }
    assert "refused 3 " in snapshot.manifest["discovery"]["evidence"]
    assert snapshot.manifest["verdict"] == "complete"


# ----------------------------------------------------------------------------------------------------------- parsers

entry = st.dictionaries(
    st.sampled_from(["digest", "name", "tags", "mediaType", "imageSize", "createdTime", "os", "references"]),
    flat | st.sampled_from([numbered_digest(1), INDEX_TYPE, "unknown", "2026-11-01T10:00:00Z"]),
    max_size=8,
)


@given(
    st.sampled_from([("repositories", parse_names), ("manifests", parse_manifests), ("tags", parse_tags)]),
    flat | st.lists(flat | entry, max_size=3),
    st.dictionaries(st.sampled_from(["errors", "next", "imageName"]), flat, max_size=1),
)
def test_acr_page_of_any_json_is_parsed_or_malformed(parser, listed, beside):
    field, parse = parser
    try:
        page = parse(json.dumps({field: listed, **beside}).encode())
    except MalformedResponse:
        return
    assert page.length >= len(page.names)
    for held in page.listed:
        assert held.image is None or is_digest(held.image.digest)
        assert all(isinstance(tag, str) and tag for tag in held.tags)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"manifests": 7}', b'{"manifests": [7]}', b'{"manifests": {}}'])
def test_acr_page_of_another_shape_is_malformed(body):
    with pytest.raises(MalformedResponse):
        parse_manifests(body)


def test_acr_page_of_the_registrys_own_size_is_full_whatever_was_requested():
    def lengths(entries):
        return parse_names(
            json.dumps({"repositories": [f"app-{number}" for number in range(entries)]}).encode()
        ).lengths

    assert [lengths(entries) for entries in (0, 99, 100, 101, 1000)] == [(0,), (99,), (100, 1000), (101,), (1000, 1000)]
