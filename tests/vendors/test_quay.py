"""Quay's API: names and images of a whole crawl, what they cost, and what happens where the API is closed."""

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registries.crawls import crawl, crawl_fails, password_requests
from registries.quay_api import (
    CONTENT,
    FROM_BROWSER,
    INVALID_TOKEN,
    NO_SCOPE,
    NOT_FOUND,
    PRIVATE,
    REPOSITORY,
    START,
    TAGS,
    TOKEN,
    api,
    closed,
    digest,
    name_pages,
    registry,
    tag,
    tag_pages,
    tags_path,
    with_token,
)
from registries.vocabulary import PASSWORD, WITH_PASSWORD
from support.depth_crawls import deep_crawl
from support.json_values import flat, values
from support.scripted import document, html, on, refusal, serve
from support.snapshots import read_snapshot

from crawler.errors import MalformedResponse
from crawler.vendors.quay import parse_repositories, parse_tags
from crawler.wire.digest import is_digest

pytestmark = pytest.mark.usefixtures("few_authorities")

QUAY = {"kind": "quay", "discovery": "api", "images_from": "api", "auth": {"method": "anonymous"}}
WITH_ROBOT = {**QUAY, **WITH_PASSWORD}
PUBLIC = {name: tags for name, tags in TAGS.items() if name not in PRIVATE}
FIELDS = (
    *("kind", "media_type", "artifact_type", "subject_digest", "size_bytes", "created_at", "uploaded_at"),
    *("updated_at", "pulled_at", "platforms", "manifest", "config", "referrers"),
)


def image(name: str, *tags: str, **told: Any) -> dict[str, Any]:
    return {**dict.fromkeys(FIELDS), "digest": digest(name), "tags": list(tags), **told}


SINCE = "2026-09-21T14:13:20.000Z"
IMAGES = {
    "org/app": [
        image("two", "latest", "2.0", size_bytes=5_000, updated_at="2026-09-21T14:14:20.000Z"),
        image("one", "1.0", size_bytes=5_000, updated_at=SINCE),
        image("index", "multi", kind="index", updated_at=SINCE),
    ],
    "org/nested/tool": [image("tool", "0.1")],
    "org/secret": [image("secret", "1", size_bytes=5_000, updated_at=SINCE)],
}


def token_file(folder) -> dict[str, Any]:
    """`registry.apis` with a token."""
    file = folder / "token"
    file.write_text(f"{TOKEN}\n")
    return {"token_file": str(file)}


async def crawl_digests(server, folder, *, referrers: str = "none", **settings: Any):
    """The snapshot of a crawl of `org` at depth `digests`. No secret is in any of its files."""
    table = {"target": f"{server.host}/org", **QUAY, **settings}
    images = {"depth": "digests", "referrers": referrers}
    await deep_crawl(server, folder, cache="none", registry=table, limits={"rate": "none"}, **images)
    snapshot = read_snapshot(folder / "out")
    published = b"".join(path.read_bytes() for path in snapshot.folder.iterdir())
    assert not [secret for secret in (PASSWORD, TOKEN, "minted-") if secret.encode() in published]
    return snapshot


def images_by_name(snapshot) -> dict[str, list[dict[str, Any]]]:
    return {name: record["images"] for name, record in snapshot.by_name.items()}


def tags_by_name(snapshot) -> dict[str, tuple[str, ...]]:
    return {name: tuple(record["tags"]) for name, record in snapshot.by_name.items()}


def by_digest(images: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(images, key=lambda each: each["digest"])


async def test_quay_names_and_images_come_from_its_api(tmp_path):
    async with serve([*with_token(), *registry()]) as server:
        snapshot = await crawl_digests(server, tmp_path, **{**WITH_ROBOT, "apis": token_file(tmp_path)})
    assert snapshot.manifest["verdict"] == "complete"
    assert images_by_name(snapshot) == {name: by_digest(images) for name, images in IMAGES.items()}
    assert tags_by_name(snapshot) == TAGS
    assert snapshot.manifest["discovery"]["evidence"] == (
        "Quay's API listed 3 repositories of org to the end of the list, which are all that the token's user may see"
    )
    assert not [asked for asked in server.requests if "/manifests/" in asked.path or "/tags/list" in asked.path]
    api_requests = [asked for asked in server.requests if asked.path.startswith("/api/")]
    assert sorted(asked.path for asked in api_requests) == sorted([REPOSITORY, *map(tags_path, CONTENT)])
    assert {asked.authorization for asked in api_requests} == {f"Bearer {TOKEN}"}
    assert {asked.headers["x-requested-with"] for asked in api_requests} == {"XMLHttpRequest"}


async def test_quay_price_of_10_000_images_is_100_exchanges(tmp_path):
    tags = [tag(f"v{number}", str(number)) for number in range(10_000)]
    async with serve([on("/v2/", document({})), *api({"org/big": tags})]) as server:
        snapshot = await crawl_digests(server, tmp_path)
    assert snapshot.manifest["verdict"] == "complete"
    (record,) = snapshot.records
    assert {each["digest"]: each["tags"] for each in record["images"]} == {
        each["manifest_digest"]: [each["name"]] for each in tags
    }
    assert len(server.asked(tags_path("org/big"))) == 100
    assert len(server.requests) == 100 + len(server.asked(REPOSITORY)) + len(server.asked("/v2/"))
    assert (len(server.asked(REPOSITORY)), len(server.asked("/v2/"))) <= (1, 1)


CLOSED = {
    "401": INVALID_TOKEN,
    "403": NO_SCOPE,
    "404": NOT_FOUND,
    "browser": FROM_BROWSER,
    "login-page": html(200, "Sign in"),
    "list": document([]),
}


@pytest.mark.parametrize("reply", CLOSED)
async def test_quay_whose_api_is_closed_is_crawled_by_the_protocol(reply, tmp_path):
    async with serve([*closed(CLOSED[reply]), *registry()]) as server:
        snapshot = await crawl(server, tmp_path, **WITH_ROBOT)
    assert snapshot.manifest["verdict"] == "complete"
    assert tags_by_name(snapshot) == TAGS
    assert snapshot.manifest["discovery"]["method"] == "catalog"
    evidence = snapshot.manifest["discovery"]["evidence"]
    assert evidence.startswith("the catalog listed 3 names on 1 page: no next link (tried: api: GET ")
    assert f"{REPOSITORY}?public=true: {CLOSED[reply].status} " in evidence


@pytest.mark.parametrize("reply", CLOSED)
async def test_quay_images_that_the_api_refuses_are_listed_by_the_protocol(reply, tmp_path):
    settings = {**WITH_ROBOT, "discovery": "auto", "listed": tuple(TAGS)}
    async with serve([*closed(CLOSED[reply]), *registry()]) as server:
        snapshot = await crawl(server, tmp_path, **settings)
    assert snapshot.manifest["verdict"] == "complete"
    assert tags_by_name(snapshot) == TAGS
    assert "the API refused 3 and was not asked again" in json.dumps(snapshot.manifest)


async def test_quay_robot_account_is_not_sent_to_the_api(tmp_path):
    """Private repositories are not listed, and the snapshot is partial: it says what to do."""
    async with serve([*api(), *registry()]) as server:
        snapshot = await crawl(server, tmp_path, target=f"{server.host}/org", **WITH_ROBOT)
    assert tags_by_name(snapshot) == PUBLIC
    assert snapshot.manifest["verdict"] == "partial"
    assert snapshot.manifest["discovery"]["evidence"] == (
        "Quay's API listed 2 public repositories of org to the end of the list; private repositories are not listed: "
        "give an OAuth access token with the scope repo:read as registry.apis.token_file"
    )
    assert not [asked for asked in server.requests if asked.path.startswith("/api/") and asked.authorization]


async def test_quay_private_repository_that_is_named_is_listed_by_the_protocol(tmp_path):
    async with serve([*api(), *registry()]) as server:
        snapshot = await crawl(
            server, tmp_path, **{**WITH_ROBOT, "discovery": "auto"}, listed=("org/app", "org/secret")
        )
    assert snapshot.manifest["verdict"] == "complete"
    assert tags_by_name(snapshot) == {name: TAGS[name] for name in ("org/app", "org/secret")}
    assert [asked.path for asked in server.requests if "/tags/list" in asked.path] == ["/v2/org/secret/tags/list"]
    assert set(password_requests(server)) == {"/v2/auth"}


async def test_quay_anonymous_crawl_is_of_public_repositories(tmp_path):
    async with serve([*api(), *registry(user=None)]) as server:
        snapshot = await crawl_digests(server, tmp_path)
    assert snapshot.manifest["verdict"] == "complete"
    assert images_by_name(snapshot) == {name: by_digest(IMAGES[name]) for name in PUBLIC}
    assert snapshot.manifest["discovery"]["evidence"] == (
        "Quay's API listed 2 public repositories of org to the end of the list, which are all that are public"
    )


async def test_quay_without_a_prefix_lists_all_namespaces(tmp_path):
    async with serve([*api(namespace=None), *registry(user=None)]) as server:
        snapshot = await crawl(server, tmp_path, **QUAY)
    assert snapshot.manifest["verdict"] == "complete"
    assert tags_by_name(snapshot) == PUBLIC
    assert "Quay's API listed 2 public repositories to the end of" in snapshot.manifest["discovery"]["evidence"]


async def test_quay_token_that_it_does_not_know_makes_the_snapshot_partial(tmp_path):
    """Quay answers an unknown token like an anonymous client."""
    async with serve([*with_token("another-token"), *registry()]) as server:
        snapshot = await crawl_digests(server, tmp_path, **{**WITH_ROBOT, "apis": token_file(tmp_path)})
    assert tags_by_name(snapshot) == PUBLIC
    assert snapshot.manifest["verdict"] == "partial"
    assert "; it did not accept the token: give an OAuth access token" in snapshot.manifest["discovery"]["evidence"]


async def test_quay_next_page_of_names_is_requested_by_its_opaque_token(tmp_path):
    names = [f"org/image-{number:03}" for number in range(250)]
    content = dict.fromkeys(names, CONTENT["org/nested/tool"])
    async with serve([*api(content), *registry(user=None)]) as server:
        snapshot = await crawl(server, tmp_path, target=f"{server.host}/org", **QUAY)
    assert snapshot.manifest["verdict"] == "complete"
    assert set(snapshot.by_name) == set(names)
    assert len(server.asked(REPOSITORY)) == 3


async def test_quay_pages_of_names_in_a_circle_end(tmp_path):
    page = {"repositories": [{"namespace": "org", "name": "app"}], "next_page": "again"}
    async with serve([on(REPOSITORY, document(page)), *api(), *registry(user=None)]) as server:
        snapshot = await crawl(server, tmp_path, target=f"{server.host}/org", **QUAY)
    assert snapshot.manifest["verdict"] == "partial"
    assert set(snapshot.by_name) == {"org/app"}
    assert "the next page is an earlier page" in snapshot.manifest["discovery"]["evidence"]
    assert len(server.asked(REPOSITORY)) == 2


async def test_quay_that_lists_nothing_proves_nothing(tmp_path):
    nothing = name_pages([], "org", is_known_user=False)
    empty_catalog = on("/v2/_catalog", document({"repositories": []}))
    async with serve([*nothing, empty_catalog, *registry(user=None)]) as server:
        snapshot = await crawl(server, tmp_path, target=f"{server.host}/org", **QUAY)
    assert (snapshot.manifest["verdict"], snapshot.records) == ("partial", [])
    assert (
        "Quay's API lists none of the public repositories of org, which proves nothing: check the name of"
        in (snapshot.manifest["reasons"][0])
    )


async def crawl_tags(pages, folder):
    async with serve([*pages, on("/v2/", document({})), *api({"org/app": ()})]) as server:
        snapshot = await crawl_digests(server, folder, referrers="listed")
    (record,) = snapshot.records
    return snapshot, record


async def test_quay_tag_that_moves_to_the_next_page_is_listed_once(tmp_path):
    """A push while the pages are read moves the last tag of a page to the next, or gives a tag another digest."""
    listed = [tag("b", "one"), tag("a", "two"), tag("a", "three"), tag("c", "four")]
    snapshot, record = await crawl_tags(tag_pages("org/app", listed, size=2), tmp_path)
    assert snapshot.manifest["verdict"] == "complete"
    assert record["tags"] == ["b", "a", "c"]
    assert {each["digest"]: each["tags"] for each in record["images"]} == {
        digest("one"): ["b"],
        digest("two"): ["a"],
        digest("four"): ["c"],
    }


async def test_quay_image_without_a_tag_is_not_taken_for_missing(tmp_path):
    """The list has no images without a tag: that a signed image is not in it proves nothing."""
    signature = f"sha256-{digest('child').removeprefix('sha256:')}.sig"
    _, record = await crawl_tags(tag_pages("org/app", [tag(signature, "signature")]), tmp_path)
    assert (record["tags"], record["problems"]) == ([signature], [])


async def test_quay_page_that_repeats_earlier_ones_makes_the_listing_suspect(tmp_path):
    pages = tag_pages("org/app", [tag("a", "one")] * 3, size=1)
    snapshot, record = await crawl_tags(pages, tmp_path)
    assert snapshot.manifest["verdict"] == "partial"
    assert record["suspect"] == "page 2 of Quay's list of tags repeats earlier pages, and is not the last"
    assert record["tags"] == ["a"]


async def test_quay_that_answers_with_another_page_is_listed_by_the_protocol(tmp_path):
    """A proxy that drops the query would answer with the first page for ever."""
    first = {"tags": [tag("latest", "two")], "page": 1, "has_additional": True}
    async with serve([on(tags_path("org/app"), document(first)), *api(), *registry(user=None)]) as server:
        snapshot = await crawl(server, tmp_path, target=f"{server.host}/org", **QUAY)
    assert snapshot.manifest["verdict"] == "complete"
    assert tags_by_name(snapshot) == PUBLIC
    assert len(server.asked(tags_path("org/app"))) == 2


async def test_quay_tag_without_a_digest_keeps_its_name(tmp_path):
    tags = [tag("new", "one"), {"name": "old", "docker_image_id": "12ab", "manifest_digest": None}]
    script = [*api({"org/app": tags}), *registry({"org/app": ("new", "old")}, user=None)]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, target=f"{server.host}/org", **QUAY)
    (record,) = snapshot.records
    assert record["tags"] == ["new", "old"]
    assert [each["tags"] for each in record["images"]] == [["new"]]


async def test_quay_repository_without_tags_is_asked_for_by_the_protocol(tmp_path):
    async with serve([*api({"org/empty": ()}), *registry({"org/empty": ()}, user=None)]) as server:
        snapshot = await crawl(server, tmp_path, target=f"{server.host}/org", **QUAY)
    assert snapshot.outcomes == {"org/empty": "ok"}
    assert len(server.asked("/v2/org/empty/tags/list")) == 1


async def test_quay_token_is_in_no_error(tmp_path):
    everything = refusal(500, "UNKNOWN", "internal error for {authorization}")
    script = [*api(), *registry()]
    failing = [on(entry.match.path, everything) for entry in script if entry.match.path != "/v2/"]
    async with serve([*failing, *script]) as server:
        error = await crawl_fails(server, tmp_path, **{**WITH_ROBOT, "apis": token_file(tmp_path)})
    assert TOKEN not in str(error)
    assert f"Bearer {TOKEN}" in server.authorizations


@pytest.mark.parametrize(
    "page",
    [
        [],
        {},
        {"repositories": {}},
        {"repositories": ["a"]},
        {"repositories": [{"name": "a"}]},
        {"repositories": [{"namespace": "a", "name": ""}]},
        {"repositories": [], "next_page": 2},
    ],
)
def test_quay_page_of_names_of_another_shape_is_malformed(page):
    with pytest.raises(MalformedResponse):
        parse_repositories(json.dumps(page).encode())


@pytest.mark.parametrize(
    "page",
    [
        [],
        {},
        {"tags": []},
        {"tags": [], "has_additional": None},
        {"has_additional": False},
        {"tags": [{}], "has_additional": False},
        {"tags": ["a"], "has_additional": False},
        {"tags": [], "has_additional": False, "page": 2},
        {"tags": [], "has_additional": False, "page": None},
    ],
)
def test_quay_page_of_tags_of_another_shape_is_malformed(page):
    with pytest.raises(MalformedResponse):
        parse_tags(1, json.dumps(page).encode())


@pytest.mark.parametrize(
    ("start", "updated_at"),
    [(START, SINCE), (str(START), SINCE), (0, None), (-1, None), (2**62, None), (1.5, None), ("x", None), (True, None)],
)
def test_quay_time_is_in_seconds(start, updated_at):
    page = {"tags": [tag("a", "one", start_ts=start)], "has_additional": False}
    ((_, parsed),) = parse_tags(1, json.dumps(page).encode()).tags
    assert parsed.updated_at == updated_at


ANY_TAG = st.fixed_dictionaries(
    {"name": st.just("a") | flat},
    optional={
        "manifest_digest": st.just(digest("x")) | flat,
        "size": flat,
        "start_ts": st.integers() | flat,
        "is_manifest_list": flat,
    },
)
ANY_NAME = st.fixed_dictionaries({"namespace": st.just("a") | flat, "name": st.just("b") | flat})
ANY_PAGE = st.fixed_dictionaries(
    {},
    optional={
        "tags": st.lists(ANY_TAG | flat, max_size=3) | flat,
        "has_additional": st.booleans() | flat,
        "page": st.just(1) | flat,
        "repositories": st.lists(ANY_NAME | flat, max_size=3) | flat,
        "next_page": flat,
    },
)


@settings(max_examples=300)
@given(ANY_PAGE | values)
def test_quay_page_of_any_json_is_parsed_or_malformed(page):
    body = json.dumps(page).encode()
    for parse in (parse_repositories, partial(parse_tags, 1)):
        try:
            parsed = parse(body)
        except MalformedResponse:
            continue
        if parse is parse_repositories:
            assert all(name.count("/") >= 1 for name in parsed.names)
            assert isinstance(parsed.next_token, str)
        else:
            assert all(name and (image is None or is_digest(image.digest)) for name, image in parsed.tags)
