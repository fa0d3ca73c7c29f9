"""zot's search: names with their images, its price, older servers, and the protocol where it is closed."""

import json

import pytest
from registries.crawls import crawl, password_requests
from registries.vocabulary import (
    BASIC,
    CATALOG_SCOPE,
    PASSWORD,
    WITH_PASSWORD,
    guarded_by_basic,
    guarded_by_token,
    numbered,
    scope_of,
    token_server_entries,
    unauthorized,
)
from registries.zot_api import (
    NEVER,
    PLAIN_404,
    SEARCH,
    artifact,
    expected,
    images_page,
    index,
    protocol,
    results_of,
    search,
    single,
    unsearchable,
    without_fields,
)
from support.api_images import numbered_digest
from support.scripted import document, html, on, refusal, serve
from support.scripted_images import config, image, manifest, manifests

from crawler.vendors import zot

DIGESTS = {"depth": "digests"}
API = {"kind": "zot", "discovery": "api", "images_from": "api", "images": DIGESTS}
NEWER, OLDER = "2026-11-03T10:00:00Z", "2026-11-01T11:00:00Z"
INVENTORY = {
    "app": (
        single("1.0", 1),
        index("2.0", 10),
        single("latest", 1, TaggedTimestamp=NEWER, told={"updated_at": "2026-11-03T10:00:00.000Z"}),
        single("old", 1, TaggedTimestamp=OLDER, told={"updated_at": "2026-11-01T11:00:00.000Z"}),
    ),
    "team/sbom": (artifact("v1", 20),),
    "team/web": tuple(single(f"v{number}", 30 + number) for number in range(5)),
}
EXPECTED = {name: expected(held) for name, held in INVENTORY.items()}


@pytest.mark.parametrize("depth", ["tags", "digests"])
async def test_zot_names_and_images_are_those_of_its_search(tmp_path, depth):
    async with serve([*search(INVENTORY), *protocol(INVENTORY)]) as server:
        snapshot = await crawl(server, tmp_path, **{**API, "images": {"depth": depth}})
    assert {name: record["images"] for name, record in snapshot.by_name.items()} == EXPECTED
    assert {name: record["tags"] for name, record in snapshot.by_name.items()} == {
        name: [tag.name for tag in held] for name, held in INVENTORY.items()
    }
    assert snapshot.manifest["verdict"] == "complete"
    assert snapshot.manifest["discovery"]["evidence"] == (
        "zot's search listed the images of 3 repositories; with the catalog there are 3 repositories: no next link"
    )
    assert snapshot.manifest["requests"]["by_kind"] == {"api": 1, "catalog": 1, "listing": 3, "ping": 1}


async def test_zot_images_cost_a_page_for_a_thousand_tags(tmp_path):
    held = tuple(single(tag, number) for number, tag in enumerate(numbered("v", 10_000)))
    async with serve([*search({"app": held}), *protocol({"app": held})]) as server:
        snapshot = await crawl(server, tmp_path, **API)
    (record,) = snapshot.records
    assert [held["digest"] for held in record["images"]] == [numbered_digest(number) for number in range(10_000)]
    assert snapshot.manifest["verdict"] == "complete"
    assert snapshot.manifest["requests"]["by_kind"] == {"api": 10, "catalog": 1, "listing": 1, "ping": 1}


async def test_zot_images_of_many_repositories_share_pages(tmp_path):
    """The first page ends within a repository."""
    inventory = {
        name: tuple(single(tag, 9 * number + place) for place, tag in enumerate(numbered("v", 9)))
        for number, name in enumerate(numbered("app", 120))
    }
    async with serve([*search(inventory)[:2], *protocol(inventory)]) as server:
        snapshot = await crawl(server, tmp_path, **API)
    assert {name: record["images"] for name, record in snapshot.by_name.items()} == {
        name: expected(held) for name, held in inventory.items()
    }
    assert snapshot.manifest["requests"]["by_kind"] == {"api": 2, "catalog": 1, "listing": 120, "ping": 1}


async def test_zot_search_comes_first_where_its_images_spare_exchanges(tmp_path):
    async with serve([*search(INVENTORY), *protocol(INVENTORY)]) as server:
        snapshot = await crawl(server, tmp_path, kind="zot", images=DIGESTS)
    assert snapshot.manifest["discovery"]["method"] == "api"
    assert {name: record["images"] for name, record in snapshot.by_name.items()} == EXPECTED


async def test_zot_images_of_one_repository_come_by_the_search_where_names_come_by_the_catalog(tmp_path):
    async with serve([*search(INVENTORY), *protocol(INVENTORY)]) as server:
        snapshot = await crawl(server, tmp_path, kind="zot", discovery="catalog", images_from="api", images=DIGESTS)
    assert {name: record["images"] for name, record in snapshot.by_name.items()} == EXPECTED
    assert snapshot.manifest["requests"]["by_kind"] == {"api": 3, "catalog": 1, "listing": 3, "ping": 1}


async def test_zot_images_that_are_not_held_are_requested_once_more(tmp_path, monkeypatch):
    monkeypatch.setattr(zot, "MAX_HELD_IMAGES", 5)
    async with serve([*search(INVENTORY), *protocol(INVENTORY)]) as server:
        snapshot = await crawl(server, tmp_path, **API)
    assert {name: record["images"] for name, record in snapshot.by_name.items()} == EXPECTED
    asked = [json.loads(request.query["variables"][0])["repo"] for request in server.asked(SEARCH)]
    assert asked == ["", "team/web"]


# ------------------------------------------------------------------------------------------------------------- traps


async def test_zot_repository_without_a_tag_comes_by_the_catalog(tmp_path):
    async with serve([*search(INVENTORY), *protocol({**INVENTORY, "untagged": ()})]) as server:
        snapshot = await crawl(server, tmp_path, **API)
    assert snapshot.by_name["untagged"]["tags"] == []
    proof = "zot's search listed the images of 3 repositories; with the catalog there are 4 repositories: no next link"
    assert proof in snapshot.manifest["discovery"]["evidence"]
    assert snapshot.manifest["verdict"] == "complete"


@pytest.mark.parametrize("subject", [1, 99], ids=["of an image", "of an image without a tag"])
async def test_zot_tag_that_the_search_leaves_out_is_read_by_the_protocol(tmp_path, subject):
    """A signature's tag is in `tags/list` alone (project-zot/zot pkg/meta/parse.go, SetImageMetaFromInput).

    Images without a tag are not listed, so the signature of one is no orphan.
    """
    signature = manifest(config(), [("signature", "application/vnd.dev.cosign.simplesigning.v1+json", {})])
    tag = f"{numbered_digest(subject).replace(':', '-')}.sig"
    inventory = {"app": (single("1.0", 1, IsSigned=True), unsearchable(tag, 2))}
    images = {**DIGESTS, "referrers": "listed"}
    async with serve([*manifests("app", {tag: signature}), *search(inventory), *protocol(inventory)]) as server:
        snapshot = await crawl(server, tmp_path, **{**API, "images": images})
    (record,) = snapshot.records
    assert record["tags"] == ["1.0", tag]
    kinds = {held["digest"]: held["kind"] for held in record["images"]}
    assert kinds == {numbered_digest(1): None, signature.digest: "signature"}
    assert (snapshot.manifest["verdict"], record["problems"]) == ("complete", [])


async def test_zot_tag_that_only_the_search_has_is_gone(tmp_path):
    inventory = {"app": (single("1.0", 1), single("2.0", 2))}
    async with serve([*search(inventory), *protocol({"app": inventory["app"][:1]})]) as server:
        snapshot = await crawl(server, tmp_path, **API)
    (record,) = snapshot.records
    assert (record["tags"], record["images"]) == (["1.0"], expected(inventory["app"][:1]))


@pytest.mark.parametrize(
    ("unknown", "told", "requests"),
    [
        (("TaggedTimestamp",), {"updated_at": None}, 2),
        (
            ("PushTimestamp", "LastPullTimestamp", "TaggedTimestamp"),
            {"updated_at": None, "uploaded_at": None, "pulled_at": None},
            3,
        ),
    ],
    ids=["of 2025", "of 2023"],
)
async def test_zot_of_an_older_version_is_asked_for_fewer_fields(tmp_path, unknown, told, requests):
    older = {
        "app": (single("1.0", 1, told=told, **dict.fromkeys(unknown)),),
        "web": (single("1.0", 2, told=told, **dict.fromkeys(unknown)),),
    }
    async with serve([without_fields(*unknown), *search(older), *protocol(older)]) as server:
        snapshot = await crawl(server, tmp_path, **API)
    assert {name: record["images"] for name, record in snapshot.by_name.items()} == {
        name: expected(held) for name, held in older.items()
    }
    assert len(server.asked(SEARCH)) == requests
    assert snapshot.manifest["verdict"] == "complete"


async def test_zot_times_that_mean_never_are_unknown(tmp_path):
    never = {"PushTimestamp": NEVER, "LastPullTimestamp": NEVER, "TaggedTimestamp": NEVER, "LastUpdated": NEVER}
    unknown = {"uploaded_at": None, "pulled_at": None, "updated_at": None, "created_at": "1970-01-01T00:00:00.000Z"}
    inventory = {"app": (single("1.0", 1, told=unknown, **never),)}
    async with serve([*search(inventory), *protocol(inventory)]) as server:
        snapshot = await crawl(server, tmp_path, **API)
    assert snapshot.records[0]["images"] == expected(inventory["app"])


async def test_zot_tag_that_moved_is_as_new_as_its_image(tmp_path):
    """zot keeps the time at which a tag was made (project-zot/zot pkg/meta/boltdb/boltdb.go, SetRepoReference)."""
    moved = single("1.0", 1, TaggedTimestamp="2026-01-01T00:00:00Z", told={"updated_at": "2026-11-01T10:00:00.500Z"})
    async with serve([*search({"app": (moved,)}), *protocol({"app": (moved,)})]) as server:
        snapshot = await crawl(server, tmp_path, **API)
    assert snapshot.records[0]["images"] == expected([moved])


@pytest.mark.parametrize("is_signed", [False, True])
async def test_zot_referrers_come_with_the_images_that_have_no_signature(tmp_path, is_signed):
    """The search lists referrers, and no signatures: for a signed image the referrers API is asked."""
    digest = numbered_digest(7)
    created = {"Key": "org.opencontainers.image.created", "Value": "2026-11-01T10:00:00Z"}
    listed = {"Digest": digest, "ArtifactType": "application/spdx+json", "Size": 563, "Annotations": [created]}
    inventory = {"app": (single("1.0", 1, IsSigned=is_signed, Referrers=[listed]),)}
    path = f"/v2/app/referrers/{numbered_digest(1)}"
    none = on(path, document({"schemaVersion": 2, "manifests": []}))
    async with serve([none, *search(inventory), *protocol(inventory)]) as server:
        snapshot = await crawl(server, tmp_path, **{**API, "images": {**DIGESTS, "referrers": "api"}})
    (held,) = snapshot.records[0]["images"]
    assert len(server.asked(path)) == is_signed
    told = [
        {
            "digest": digest,
            "via": "bulk",
            "kind": "sbom",
            "artifact_type": "application/spdx+json",
            "predicate_type": None,
            "size_bytes": 563,
            "created_at": "2026-11-01T10:00:00.000Z",
        }
    ]
    assert held["referrers"] == ([] if is_signed else told)


async def test_zot_manifests_are_read_all_the_same_at_their_depth(tmp_path):
    """The search has no annotations, and no media types of layers."""
    content = config("base")
    held = image(content, "base", annotations={"team": "core"})
    tag = single("1.0", 1, Digest=held.digest)
    async with serve(
        [*manifests("app", {"1.0": held}), *search({"app": (tag,)}), *protocol({"app": (tag,)})]
    ) as server:
        snapshot = await crawl(server, tmp_path, **{**API, "images": {"depth": "manifests"}})
    (found,) = snapshot.records[0]["images"]
    assert found["manifest"]["annotations"] == {"team": "core"}
    assert found["uploaded_at"] == "2026-11-01T10:00:00.500Z"


# ------------------------------------------------------------------------------------------- closed, and credentials

CLOSED = {
    "401": unauthorized('Basic realm="zot"'),
    "403": refusal(403, "DENIED", "requested access to the resource is denied"),
    "404": PLAIN_404,
    "500": refusal(500, "UNKNOWN", "out of memory"),
    "a web page": html(200, "zot"),
    "an error beside the list": images_page(results_of(INVENTORY), 9, errors=[{"message": "database is closed"}]),
    "an error": document({"errors": [{"message": "database is closed"}], "data": None}),
    "nonsense": document({"data": {"ImageList": {"Page": None, "Results": None}}}),
    "no fields": document({"errors": [{"message": "Cannot query field"}], "data": None}, status=422),
}


@pytest.mark.parametrize("closed", CLOSED)
async def test_zot_repositories_and_tags_come_by_the_protocol_where_the_search_is_closed(tmp_path, closed):
    async with serve([on(SEARCH, CLOSED[closed]), *protocol(INVENTORY)]) as server:
        snapshot = await crawl(server, tmp_path, **{**API, "images": {}})
    assert {name: record["tags"] for name, record in snapshot.by_name.items()} == {
        name: [tag.name for tag in held] for name, held in INVENTORY.items()
    }
    assert snapshot.manifest["verdict"] == "complete"
    assert snapshot.manifest["discovery"]["method"] == "catalog"
    evidence = snapshot.manifest["discovery"]["evidence"]
    assert "(tried: api: " in evidence
    assert "the API refused 3 and was not asked again, for example" in evidence
    assert len(evidence) < 1500
    assert len(server.asked(SEARCH)) == 1 + 3 + (2 if closed == "no fields" else 0)


async def test_zot_error_about_a_field_that_is_not_requested_is_harmless(tmp_path):
    """project-zot/zot pkg/extensions/search/convert/metadb.go: images with an odd history are listed all the same."""
    results = results_of(INVENTORY)
    errors = [{"message": "error generating history on tag 1.0 in repo app: manifest digest: sha256:…", "path": []}]
    async with serve([on(SEARCH, images_page(results, len(results), errors=errors)), *protocol(INVENTORY)]) as server:
        snapshot = await crawl(server, tmp_path, **API)
    assert {name: record["images"] for name, record in snapshot.by_name.items()} == EXPECTED


async def test_zot_without_the_catalog_lists_repositories_with_a_tag_alone(tmp_path):
    refused = on("/v2/_catalog", CLOSED["403"])
    async with serve([refused, *search(INVENTORY), *protocol(INVENTORY)]) as server:
        snapshot = await crawl(server, tmp_path, **API)
    assert {name: record["images"] for name, record in snapshot.by_name.items()} == EXPECTED
    (reason,) = snapshot.manifest["reasons"]
    assert "the search leaves out repositories without a tag, and the catalog failed: " in reason
    assert snapshot.manifest["verdict"] == "partial"


async def test_zot_without_repositories_proves_nothing(tmp_path):
    async with serve([*search({}), *protocol({})]) as server:
        snapshot = await crawl(server, tmp_path, kind="zot", discovery="api")
    assert "zot lists no repository, which proves nothing" in snapshot.manifest["discovery"]["evidence"]
    assert snapshot.manifest["verdict"] == "partial"


async def test_zot_password_opens_the_search_and_stays_secret(tmp_path):
    entries = [entry for entry in [*search(INVENTORY), *protocol(INVENTORY)] if entry.match.path != "/v2/"]
    async with serve(guarded_by_basic('Basic realm="zot"', entries)) as server:
        snapshot = await crawl(server, tmp_path, **API, **WITH_PASSWORD)
    assert {name: record["images"] for name, record in snapshot.by_name.items()} == EXPECTED
    assert SEARCH in password_requests(server, BASIC)
    assert PASSWORD not in str(snapshot.manifest)


async def test_zot_search_takes_the_token_of_the_catalog(tmp_path):
    refused = unauthorized('Bearer realm="{origin}/token",service="zot",scope=""')
    catalog, *listings = protocol(INVENTORY)[1:]
    script = [on("/v2/", refused), *guarded_by_token(CATALOG_SCOPE, refused, [*search(INVENTORY), catalog])]
    for name, listing in zip(INVENTORY, listings, strict=True):
        script += guarded_by_token(scope_of(name), refused, [listing])
    scopes = [CATALOG_SCOPE, *map(scope_of, INVENTORY)]
    async with serve([*script, *token_server_entries("/token", scopes, service="zot", user=BASIC)]) as server:
        snapshot = await crawl(server, tmp_path, **API, **WITH_PASSWORD)
    assert {name: record["images"] for name, record in snapshot.by_name.items()} == EXPECTED
    by_kind = {"api": 1, "catalog": 1, "listing": 3, "ping": 1, "token": 4}
    assert snapshot.manifest["requests"]["by_kind"] == by_kind
    assert set(password_requests(server)) == {"/token"}
