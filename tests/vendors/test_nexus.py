"""Nexus's REST API: images from components, its pages, and the protocol where it is closed."""

from dataclasses import replace

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registries.nexus_api import (
    API_PATH,
    CHALLENGE,
    COMPONENTS,
    INVENTORY,
    REPOSITORY,
    TAGS,
    Stored,
    component,
    components,
    manifest,
    pages,
    registry,
    stored,
)
from registries.vocabulary import BASIC, PASSWORD, WITH_PASSWORD
from support.api_images import api_image
from support.depth_crawls import DeepCrawl, deep_crawl
from support.json_values import text, values
from support.scripted import ScriptedServer, document, html, refusal, serve
from support.snapshots import read_snapshot

from crawler.errors import MalformedResponse
from crawler.vendors.nexus import Location, locate, parse_components

pytestmark = pytest.mark.usefixtures("few_authorities")


TOKEN = "api-token-of-nexus"


async def crawl(server: ScriptedServer, folder, depth="digests", **table) -> DeepCrawl:
    settings = {
        "target": server.host,
        "kind": "nexus",
        "api_path": API_PATH,
        "discovery": "api",
        "images_from": "api",
        **WITH_PASSWORD,
        **table,
    }
    found = await deep_crawl(server, folder, registry=settings, depth=depth)
    published = b"".join(path.read_bytes() for path in read_snapshot(folder / "out").folder.iterdir())
    assert not [secret for secret in (PASSWORD, BASIC.removeprefix("Basic "), TOKEN) if secret.encode() in published]
    return found


def image(stored: Stored, *tags: str, **told) -> dict:
    """What the API tells of an image; null for everything else."""
    times = {"uploaded_at": stored.uploaded, "updated_at": stored.updated, "pulled_at": stored.pulled}
    times = {name: time and time.replace("+00:00", "Z") for name, time in times.items()}
    return api_image(stored.digest, *tags, media_type=stored.media_type, **times, **told)


def in_order(*images: dict) -> list[dict]:
    return sorted(images, key=lambda each: each["digest"])


def exchanges(server: ScriptedServer) -> list[str]:
    """The paths of all requests but those that find out how the registry authenticates."""
    return [asked.path for asked in server.requests if not asked.path.endswith("/v2/")]


async def test_nexus_lists_names_and_images_by_its_pages(tmp_path):
    async with serve([*pages(stored(INVENTORY)), *registry()]) as server:
        found = await crawl(server, tmp_path)
    app_1, front, _, app_2, amd64, *many = INVENTORY
    assert {name: in_order(*record["images"]) for name, record in found.records.items()} == {
        "app": in_order(image(app_1, "1.0", "latest"), image(app_2, "2.0", kind="index"), image(amd64)),
        "team/web/front": [image(front, "7")],
        "many": in_order(*(image(each, each.version) for each in many)),
    }
    assert {name: tuple(record["tags"]) for name, record in found.records.items()} == TAGS
    assert exchanges(server) == [COMPONENTS, COMPONENTS]
    assert found.manifest.verdict == "complete"
    assert found.manifest.discovery.evidence == (
        "Nexus's API listed 12 tags and manifests in 3 repositories of docker-hosted, which are all that the account "
        "may browse"
    )


@pytest.mark.parametrize(("size", "images", "price"), [(10, 10_000, 1001), (50, 1_000, 21)])
async def test_nexus_lists_10_000_images_at_the_price_of_its_pages(size, images, price, tmp_path):
    """10 on a page as far as is known; a server may have larger pages. The last page is empty."""
    inventory = [Stored(name="app", version=f"{number}", content=f"{number}") for number in range(images)]
    once = [replace(page, times=1) for page in pages(stored(inventory), size=size)]  # skipped at once when it was used
    async with serve([*once, *registry()]) as server:
        found = await crawl(server, tmp_path)
    assert exchanges(server) == [COMPONENTS] * price
    assert found.manifest.requests.total == price + 2  # /v2/, without and with the password
    assert len(found.records["app"]["images"]) == images
    assert found.manifest.verdict == "complete"


async def test_nexus_component_that_shows_neither_tag_nor_manifest_is_listed_by_the_protocol(tmp_path):
    """That the account may browse nothing of it does not prove that the repository is empty."""
    items = [*stored(INVENTORY[:1]), {"name": "many", "version": None, "assets": []}]
    async with serve([*pages(items), *registry()]) as server:
        found = await crawl(server, tmp_path, depth="tags")
    assert {name: tuple(record["tags"]) for name, record in found.records.items()} == {
        "app": ("1.0",),
        "many": TAGS["many"],
    }


async def test_nexus_is_asked_first_where_images_are_wanted(tmp_path):
    async with serve([*pages(stored(INVENTORY)), *registry()]) as server:
        await crawl(server, tmp_path, discovery="auto", images_from="auto")
    assert exchanges(server) == [COMPONENTS, COMPONENTS]


CLOSED = {
    "401": refusal(401, "UNAUTHORIZED", "access denied", ("WWW-Authenticate", CHALLENGE)),
    "403": refusal(403, "DENIED", "access denied"),
    "404": html(404, "Not Found"),
    "a page": html(200, "Sign in"),
    "no list": document({"items": None, "continuationToken": None}),
    "no token": document({"items": [], "continuationToken": 7}),
}


@pytest.mark.parametrize("closed", CLOSED)
async def test_nexus_that_is_closed_leaves_the_protocol(closed, tmp_path):
    async with serve([components(CLOSED[closed]), *registry()]) as server:
        found = await crawl(server, tmp_path, depth="tags")
    assert {name: tuple(record["tags"]) for name, record in found.records.items()} == TAGS
    assert found.manifest.verdict == "complete"
    evidence = found.manifest.discovery.evidence
    assert evidence.startswith("the catalog listed 3 names on 1 page: no next link (tried: api: GET ")
    assert f"{COMPONENTS}?repository={REPOSITORY}: " in evidence


async def test_nexus_that_fails_on_a_later_page_leaves_the_protocol(tmp_path):
    first, *_ = pages(stored(INVENTORY))
    broken = components(refusal(500, "UNKNOWN", "boom"), token="88491cd1/10=")
    async with serve([first, broken, *registry()]) as server:
        found = await crawl(server, tmp_path, depth="tags")
    assert {name: tuple(record["tags"]) for name, record in found.records.items()} == TAGS
    assert found.manifest.verdict == "complete"
    assert "500 UNKNOWN: boom" in found.manifest.discovery.evidence


async def test_nexus_list_that_names_an_earlier_page_leaves_the_protocol(tmp_path):
    first, *_ = pages(stored(INVENTORY))
    again = components(document({"items": [], "continuationToken": "88491cd1/10="}), token="88491cd1/10=")
    async with serve([first, again, *registry()]) as server:
        found = await crawl(server, tmp_path, depth="tags")
    assert exchanges(server).count(COMPONENTS) == 2
    assert "the next page is an earlier page" in found.manifest.discovery.evidence
    assert found.manifest.verdict == "complete"


async def test_nexus_group_has_no_components_and_leaves_the_catalog(tmp_path):
    async with serve([*pages([]), *registry()]) as server:
        found = await crawl(server, tmp_path, depth="tags")
    assert {name: tuple(record["tags"]) for name, record in found.records.items()} == TAGS
    assert found.manifest.verdict == "complete"
    assert "lists no image of docker-hosted, which proves nothing" in found.manifest.discovery.evidence


async def test_nexus_on_a_port_for_docker_says_what_it_needs(tmp_path):
    """The port does not tell which repository it serves."""
    async with serve(registry("/v2/")) as server:
        found = await crawl(server, tmp_path, api_path="/v2/", depth="tags")
    assert {name: tuple(record["tags"]) for name, record in found.records.items()} == TAGS
    assert found.manifest.verdict == "complete"
    assert "with registry.api_path /repository/NAME/v2/" in found.manifest.discovery.evidence


async def test_nexus_api_at_another_port_gets_the_same_credentials(tmp_path):
    async with serve(pages(stored(INVENTORY))) as nexus, serve(registry()) as server:
        found = await crawl(server, tmp_path, apis={"own": nexus.origin})
    assert [asked.path for asked in nexus.requests] == [COMPONENTS, COMPONENTS]
    assert nexus.authorizations == {BASIC}
    assert set(found.records) == set(TAGS)


async def test_nexus_token_goes_before_the_password(tmp_path):
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    async with serve([*pages(stored(INVENTORY), authorization=f"Bearer {TOKEN}"), *registry()]) as server:
        found = await crawl(server, tmp_path, apis={"token_file": tmp_path / "token"})
    assert exchanges(server) == [COMPONENTS, COMPONENTS]
    assert found.manifest.verdict == "complete"


UNCLEAR = {
    "no checksum": [component("app", "1", [{"path": "v2/app/manifests/1", "checksum": {}}])],
    "a checksum of another kind": [component("app", "1", [{"path": "v2/app/manifests/1", "checksum": "sha256"}])],
    "assets that the account may not browse": [component("app", "1", [])],
    "two digests": stored(Stored(name="app", version="1", content=content) for content in ("one", "other")),
}


@pytest.mark.parametrize("case", UNCLEAR)
async def test_nexus_tag_without_a_certain_digest_is_resolved_by_the_protocol(case, tmp_path):
    script = [*pages(UNCLEAR[case]), *manifest("app", "1", "one"), *registry()]
    async with serve(script) as server:
        found = await crawl(server, tmp_path)
    assert found.records["app"]["tags"] == ["1"]
    tagged = [digest for digest, image in found.images("app").items() if image["tags"] == ["1"]]
    assert tagged == [Stored(name="app", version="1", content="one").digest]
    assert found.manifest.verdict == "complete"


def test_nexus_asset_of_a_digest_is_an_untagged_manifest():
    """Pushing a tag can store the manifest by its digest, too; and a layer is no manifest."""
    tagged, by_digest = (Stored(name="app", version=version, content="one") for version in ("1", None))
    layer = {"path": "/v2/-/blobs/sha256:ab", "checksum": {"sha256": "ab"}}
    items = [component("app", "1", [layer, by_digest.asset, tagged.asset, None])]
    page = parse_components(orjson.dumps({"items": items, "continuationToken": None}))
    ((name, manifests),) = page.components
    assert name == "app"
    assert [(each.tag, each.image and each.image.digest) for each in manifests] == [
        (None, tagged.digest),
        ("1", tagged.digest),
    ]


def test_nexus_kind_is_told_by_the_media_type_of_an_index_alone():
    page = parse_components(orjson.dumps({"items": stored(INVENTORY[:4])}))
    kinds = [each.image and each.image.kind for component in page.components for each in component.manifests]
    assert kinds == [None, None, None, "index"]


def test_nexus_component_of_a_digest_without_assets_is_an_untagged_manifest():
    digest = Stored(name="app", content="one").digest
    page = parse_components(orjson.dumps({"items": [component("app", digest, [])]}))
    ((_, (only,)),) = page.components
    assert (only.tag, only.image and only.image.digest) == (None, digest)


HOST = "https://nexus.example"


@pytest.mark.parametrize(
    ("url", "registry_url", "location"),
    [
        (HOST, f"{HOST}/repository/r/v2/", Location(HOST, "r")),
        (HOST, f"{HOST}/nexus/repository/r/v2/", Location(f"{HOST}/nexus", "r")),
        (f"{HOST}/nexus", f"{HOST}/nexus/repository/r/v2/", Location(f"{HOST}/nexus", "r")),
        (f"{HOST}:8081", f"{HOST}/nexus/repository/r/v2/", Location(f"{HOST}:8081", "r")),
        (HOST, f"{HOST}/v2/", Location(HOST, "")),
    ],
)
def test_nexus_location(url, registry_url, location):
    assert locate(url, registry_url) == location


ASSET = st.fixed_dictionaries(
    {},
    optional={
        "path": st.sampled_from(["v2/a/manifests/1", f"/v2/a/manifests/{INVENTORY[0].digest}", "v2/-/blobs/x"])
        | values,
        "checksum": st.dictionaries(st.just("sha256"), st.just(INVENTORY[0].digest[7:]) | values) | values,
        "contentType": text | values,
        "lastModified": st.just("2026-01-01T00:00:00.000+00:00") | values,
        "lastDownloaded": values,
        "blobCreated": values,
    },
)
COMPONENT = st.fixed_dictionaries(
    {}, optional={"name": text | values, "version": text | values, "assets": st.lists(ASSET, max_size=3) | values}
)


@settings(max_examples=200)
@given(
    st.fixed_dictionaries(
        {}, optional={"items": st.lists(COMPONENT, max_size=3) | values, "continuationToken": text | values}
    )
)
def test_nexus_page_of_any_json_is_parsed_or_malformed(document):
    try:
        page = parse_components(orjson.dumps(document))
    except MalformedResponse:
        return
    assert isinstance(page.next_token, str)
    for name, manifests in page.components:
        assert name
        assert all(each.image is None or each.image.digest.startswith("sha256:") for each in manifests)
