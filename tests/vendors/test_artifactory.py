"""Artifactory's AQL: names with their images in one exchange, what is cut or unclear, and the protocol instead."""

import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registries.artifactory_api import (
    API_PATH,
    AQL_PATH,
    CHALLENGE,
    INVENTORY,
    KEY,
    TAGS,
    Stored,
    aql,
    by_digest,
    items_result,
    manifest,
    registry,
    result,
)
from registries.vocabulary import BASIC, PASSWORD, WITH_PASSWORD
from support.api_images import api_image
from support.depth_crawls import DeepCrawl, deep_crawl
from support.json_values import text, values
from support.scripted import ScriptedServer, document, on, refusal, serve
from support.snapshots import read_snapshot

from crawler.errors import MalformedResponse
from crawler.model.names import Target
from crawler.vendors.artifactory import Location, locate, make_query, make_repository_listing, parse_manifests

pytestmark = pytest.mark.usefixtures("few_authorities")

FIELDS = b'"repo","path","name","sha256","updated","modified","stat.downloaded"'
FILES = b'"$or":[{"name":"manifest.json"},{"name":"list.manifest.json"}]'


async def crawl(server: ScriptedServer, folder, prefix="", depth="digests", **table) -> DeepCrawl:
    settings = {
        "target": f"{server.host}{prefix}",
        "kind": "artifactory",
        "api_path": API_PATH,
        "discovery": "api",
        "images_from": "api",
        **WITH_PASSWORD,
        **table,
    }
    found = await deep_crawl(server, folder, registry=settings, depth=depth)
    published = b"".join(path.read_bytes() for path in read_snapshot(folder / "out").folder.iterdir())
    assert not [secret for secret in (PASSWORD, BASIC.removeprefix("Basic ")) if secret.encode() in published]
    return found


def image(stored: Stored, *tags: str, **told) -> dict:
    """What AQL tells of an image; null for everything else."""
    times = {"uploaded_at": stored.uploaded, "updated_at": stored.updated, "pulled_at": stored.pulled}
    kind = "index" if stored.is_index else None
    return api_image(stored.digest, *tags, kind=kind, **{**times, **told})


def exchanges(server: ScriptedServer) -> list[tuple[str, str]]:
    """Method and path of every request but those that find out how the registry authenticates."""
    return [(asked.method, asked.path) for asked in server.requests if not asked.path.endswith("/v2/")]


def images_of(found: DeepCrawl, name: str) -> list[dict]:
    return sorted(found.records[name]["images"], key=lambda each: each["digest"])


def in_order(*images: dict) -> list[dict]:
    return sorted(images, key=lambda each: each["digest"])


async def test_artifactory_lists_names_and_images_in_one_exchange(tmp_path):
    async with serve([aql(result(INVENTORY)), *registry()]) as server:
        found = await crawl(server, tmp_path)
    app_1, latest, app_2, amd64, arm64, front = INVENTORY
    assert images_of(found, "app") == in_order(
        image(app_1, "1.0", "latest", uploaded_at=latest.uploaded),
        image(app_2, "2.0", updated_at="2026-03-02T08:00:00.123Z"),
        image(amd64),
        image(arm64),
    )
    assert images_of(found, "team/web/front") == [image(front, "7")]
    assert {name: record["tags"] for name, record in found.records.items()} == {
        "app": ["1.0", "2.0", "latest"],
        "team/web/front": ["7"],
    }
    assert exchanges(server) == [("POST", AQL_PATH)]
    assert found.manifest.verdict == "complete"
    assert found.manifest.discovery.evidence == (
        "Artifactory's AQL listed 6 manifests in 2 repositories of images, which are all that the account may read"
    )
    (asked,) = server.asked(AQL_PATH)
    assert asked.body == b'items.find({"repo":"images",%b}).include(%b)' % (FILES, FIELDS)
    assert asked.headers["content-type"] == "text/plain"


async def test_artifactory_lists_10_000_images_in_one_exchange(tmp_path):
    stored = [Stored(repository="app", folder=f"1.{number}", content=f"{number}") for number in range(10_000)]
    async with serve([aql(result(stored, limit=500_000)), *registry()]) as server:
        found = await crawl(server, tmp_path)
    assert exchanges(server) == [("POST", AQL_PATH)]
    assert len(found.records["app"]["images"]) == 10_000
    assert found.manifest.requests.total == len(server.requests) == 1 + 2  # and /v2/, without and with the password
    assert found.manifest.verdict == "complete"


async def test_artifactory_is_asked_first_where_images_are_wanted(tmp_path):
    async with serve([aql(result(INVENTORY)), *registry()]) as server:
        await crawl(server, tmp_path, discovery="auto", images_from="auto")
    assert exchanges(server) == [("POST", AQL_PATH)]


async def test_artifactory_is_not_asked_for_tags_alone(tmp_path):
    async with serve(registry()) as server:
        found = await crawl(server, tmp_path, discovery="auto", images_from="auto", depth="tags")
    assert set(found.records) == set(TAGS)
    assert found.manifest.verdict == "complete"


CLOSED = {
    "401": refusal(401, "UNAUTHORIZED", "Bad credentials", ("WWW-Authenticate", CHALLENGE)),
    "403": refusal(403, "FORBIDDEN", "This request is blocked due to restrictions"),
    "404": refusal(404, "NOT_FOUND", "File not found."),
    "400": refusal(400, "BAD_REQUEST", "Failed to parse query: it looks like there is syntax error"),
    "a page": document(b"<html><body>Sign in</body></html>"),
    "no result": document({"errors": []}),
}


@pytest.mark.parametrize("closed", CLOSED)
async def test_artifactory_that_is_closed_leaves_the_protocol(closed, tmp_path):
    async with serve([aql(CLOSED[closed]), *registry()]) as server:
        found = await crawl(server, tmp_path, depth="tags")
    assert {name: tuple(record["tags"]) for name, record in found.records.items()} == TAGS
    assert found.manifest.verdict == "complete"
    evidence = found.manifest.discovery.evidence
    assert evidence.startswith("the catalog listed 2 names on 1 page: no next link (tried: api: POST ")
    assert f"{AQL_PATH}: " in evidence


async def test_artifactory_without_results_proves_nothing(tmp_path):
    """As for a key that does not exist, and for a remote repository, whose images are those of its cache."""
    async with serve([aql(result([])), *registry()]) as server:
        found = await crawl(server, tmp_path, depth="tags")
    assert {name: tuple(record["tags"]) for name, record in found.records.items()} == TAGS
    assert found.manifest.verdict == "complete"
    assert (
        "(tried: api: Artifactory's AQL lists no image of images, which proves nothing: check that images is the key "
        "of a repository and that the account may read it; the key of a remote repository's cache is images-cache)"
    ) in found.manifest.discovery.evidence


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ({"total": 9}, "Artifactory's AQL listed 6 of 9 manifests"),
        ({"limit": 6}, "Artifactory's AQL stopped at its limit, after 6 manifests"),
        (
            {"notification": "AQL query reached the search hard limit, results are trimmed."},
            "Artifactory's AQL stopped at its limit, after 6 manifests",
        ),
    ],
    ids=["total", "limit", "notification"],
)
async def test_artifactory_that_cuts_the_result_makes_the_snapshot_partial(found, reason, tmp_path):
    async with serve([aql(result(INVENTORY, **found)), *registry()]) as server:
        crawled = await crawl(server, tmp_path)
    assert crawled.manifest.verdict == "partial"
    assert {record["suspect"] for record in crawled.records.values()} == {reason}
    assert crawled.manifest.discovery.evidence == (
        f"Artifactory's AQL listed 6 manifests in 2 repositories of images; {reason}: crawl one prefix at a time, or "
        "raise Artifactory's limit (artifactory.search.userQueryLimit, aql.search.query.max.limit)"
    )


BOTH = [Stored(repository="app", folder="1", content="one"), Stored(repository="app", folder="1", content="index")]
UNCLEAR = {
    "no sha256": [Stored(repository="app", folder="1", content="one", has_digest=False)],
    "both files in one folder": [BOTH[0], Stored(repository="app", folder="1", content="index", is_index=True)],
    "two members of a virtual repository": BOTH,
}


@pytest.mark.parametrize("case", UNCLEAR)
async def test_artifactory_tag_without_a_certain_digest_is_resolved_by_the_protocol(case, tmp_path):
    clear = Stored(repository="app", folder="2", content="two")
    script = [aql(result([*UNCLEAR[case], clear])), *manifest("app", "1", "one"), *registry()]
    async with serve(script) as server:
        found = await crawl(server, tmp_path)
    assert sorted(found.records["app"]["tags"]) == ["1", "2"]
    digests = {tag: digest for digest, image in found.images("app").items() for tag in image["tags"]}
    assert digests == {"1": BOTH[0].digest, "2": clear.digest}
    assert {asked.path for asked in server.requests if "/manifests/" in asked.path} == {f"{API_PATH}app/manifests/1"}
    assert found.manifest.verdict == "complete"


def test_artifactory_folder_of_a_digest_names_it_where_the_file_has_none():
    stored = by_digest("app", "child", has_digest=False)
    listing = make_repository_listing(parse_manifests(result([stored]).body).by_name["app"], "")
    assert [image.digest for image in listing.images or ()] == [stored.digest]
    assert listing.tags == ()


@pytest.mark.parametrize("stats", [None, [], [7], [None], [[]], {}, "never", [{}], [{"downloaded": 7}]], ids=repr)
def test_artifactory_image_without_a_readable_pull_was_not_pulled(stats):
    found = parse_manifests(items_result([{**INVENTORY[0].item, "stats": stats}]).body)
    (image,) = make_repository_listing(found.by_name["app"], "").images or ()
    assert image.pulled_at is None


def test_artifactory_files_that_are_no_manifest_of_an_image_are_passed_over():
    item = INVENTORY[0].item
    others = [{**item, "path": "."}, {**item, "path": "app"}, {**item, "name": "manifest.json.asc"}]
    found = parse_manifests(items_result([*others, item]).body)
    assert {name: [each.tag for each in manifests] for name, manifests in found.by_name.items()} == {"app": ["1.0"]}


# The repository path method: HOST/KEY/app


async def test_artifactory_key_comes_from_the_target_and_one_listing_confirms_it(tmp_path):
    stored = [each for each in INVENTORY if each.repository.startswith("team/")]
    async with serve([aql(result(stored)), *registry("/v2/", f"{KEY}/")]) as server:
        found = await crawl(server, tmp_path, prefix=f"/{KEY}/team", api_path="/v2/")
    assert list(found.records) == ["images/team/web/front"]
    assert exchanges(server) == [("POST", AQL_PATH), ("GET", "/v2/images/team/web/front/tags/list")]
    (asked,) = server.asked(AQL_PATH)
    assert asked.body == b'items.find({"repo":"images",%b,"path":{"$match":"team/*"}}).include(%b)' % (FILES, FIELDS)
    assert found.manifest.verdict == "complete"


async def test_artifactory_key_that_the_registry_does_not_confirm_is_not_used(tmp_path):
    """A host for one key, with a folder that is called as another key is."""
    stored = [Stored(repository="other", folder="1", content="other")]
    unknown = refusal(404, "NAME_UNKNOWN", "Repository name not known to registry.")
    script = [aql(result(stored)), on("/v2/images/other/tags/list", unknown), *registry("/v2/", f"{KEY}/")]
    async with serve(script) as server:
        found = await crawl(server, tmp_path, prefix=f"/{KEY}", api_path="/v2/", depth="tags")
    assert set(found.records) == {"images/app", "images/team/web/front"}
    assert found.manifest.verdict == "complete"
    assert "(tried: api: GET " in found.manifest.discovery.evidence
    assert "/v2/images/other/tags/list: 404 NAME_UNKNOWN" in found.manifest.discovery.evidence


async def test_artifactory_without_a_key_says_what_it_needs(tmp_path):
    async with serve(registry("/v2/")) as server:
        found = await crawl(server, tmp_path, api_path="/v2/", depth="tags")
    assert set(found.records) == set(TAGS)
    assert found.manifest.verdict == "complete"
    assert (
        "crawl HOST/KEY, or set registry.api_path to /artifactory/api/docker/KEY/v2/"
        in found.manifest.discovery.evidence
    )


HOST = "https://art.example"


@pytest.mark.parametrize(
    ("url", "api_path", "prefix", "location"),
    [
        (HOST, API_PATH, "", Location(f"{HOST}/artifactory", KEY, is_in_names=False, folder="")),
        (HOST, API_PATH, "team/a", Location(f"{HOST}/artifactory", KEY, is_in_names=False, folder="team/a")),
        (HOST, "/api/docker/k/v2/", "", Location(HOST, "k", is_in_names=False, folder="")),
        (HOST, "/a/b/api/docker/k/v2/", "", Location(f"{HOST}/a/b", "k", is_in_names=False, folder="")),
        ("https://b.example/rt", API_PATH, "", Location("https://b.example/rt", KEY, is_in_names=False, folder="")),
        (HOST, "/v2/", "", Location(f"{HOST}/artifactory", "", is_in_names=True, folder="")),
        (HOST, "/v2/", "k", Location(f"{HOST}/artifactory", "k", is_in_names=True, folder="")),
        (HOST, "/v2/", "k/a/b", Location(f"{HOST}/artifactory", "k", is_in_names=True, folder="a/b")),
    ],
)
def test_artifactory_location(url, api_path, prefix, location):
    assert locate(url, f"{HOST}{api_path}", Target("art.example", prefix)) == location


@given(text, text)
def test_artifactory_query_holds_key_and_folder_as_json_alone(key, folder):
    query = make_query(key, folder)
    criteria, rest = query.removeprefix(b"items.find(").rsplit(b").include(", 1)
    found = json.loads(criteria)
    assert found["repo"] == key
    assert found.get("path") == ({"$match": f"{folder}/*"} if folder else None)
    assert rest == FIELDS + b")"


FILE = st.fixed_dictionaries(
    {},
    optional={
        "path": st.sampled_from(["app/1", f"app/{INVENTORY[3].folder}", "app", "/", "a//"]) | text | values,
        "name": st.sampled_from(["manifest.json", "list.manifest.json"]) | values,
        "sha256": st.sampled_from([INVENTORY[0].digest[7:], "ab"]) | values,
        "updated": st.sampled_from(["2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z"]) | values,
        "modified": text | values,
        "stats": st.lists(st.dictionaries(st.just("downloaded"), values, max_size=1), max_size=2) | values,
    },
)
RANGE = st.dictionaries(st.sampled_from(["total", "limit", "notification"]), values, max_size=3)


@settings(max_examples=200)
@given(st.fixed_dictionaries({}, optional={"results": st.lists(FILE, max_size=4) | values, "range": RANGE | values}))
def test_artifactory_result_of_any_json_is_parsed_or_malformed(result):
    try:
        found = parse_manifests(orjson.dumps(result))
    except MalformedResponse:
        return
    for manifests in found.by_name.values():
        listing = make_repository_listing(manifests, found.cut)
        assert all(image.digest.startswith("sha256:") for image in listing.images or ())
        assert {tag for image in listing.images or () for tag in image.tags} <= set(listing.tags)
