"""Gitea's packages API: the names of one owner, what its count proves, and the catalog where it is closed."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registries.gitea_api import OWNER, PACKAGES, TAGS, VERSIONS, packages, page, pages, registry, version
from registries.vocabulary import BASIC, PASSWORD, WITH_PASSWORD
from support.depth_crawls import DeepCrawl, deep_crawl
from support.json_values import text, values
from support.scripted import ScriptedServer, document, html, refusal, serve
from support.snapshots import read_snapshot

from crawler.errors import MalformedResponse
from crawler.vendors.gitea import parse_packages

pytestmark = pytest.mark.usefixtures("few_authorities")

TOKEN = "token-of-gitea"


async def crawl(server: ScriptedServer, folder, **table) -> DeepCrawl:
    settings = {"target": f"{server.host}/{OWNER}", "kind": "gitea", "discovery": "api", **WITH_PASSWORD, **table}
    found = await deep_crawl(server, folder, registry=settings, depth="tags")
    published = b"".join(path.read_bytes() for path in read_snapshot(folder / "out").folder.iterdir())
    assert not [secret for secret in (PASSWORD, BASIC.removeprefix("Basic "), TOKEN) if secret.encode() in published]
    return found


def tags_of(found: DeepCrawl) -> dict[str, tuple[str, ...]]:
    return {name: tuple(record["tags"]) for name, record in found.records.items()}


async def test_gitea_lists_the_names_of_an_owner_and_the_protocol_their_tags(tmp_path):
    async with serve([*pages(VERSIONS)[:2], *registry()]) as server:
        found = await crawl(server, tmp_path)
    assert tags_of(found) == TAGS
    assert [asked.query["page"] for asked in server.asked(PACKAGES)] == [["1"], ["2"]]
    assert found.manifest.verdict == "complete"
    assert found.manifest.discovery.evidence == (
        "Gitea's packages API listed 3 container packages of org with 64 versions, which are all that the account may "
        "see"
    )


@pytest.mark.parametrize("size", [3, 30])
async def test_gitea_pages_may_be_smaller_by_its_settings(size, tmp_path):
    async with serve([*pages(VERSIONS, size=size)[:-1], *registry()]) as server:
        found = await crawl(server, tmp_path)
    assert tags_of(found) == TAGS
    assert len(server.asked(PACKAGES)) == -(-64 // size)
    assert found.manifest.verdict == "complete"


async def test_gitea_without_a_count_ends_with_an_empty_page(tmp_path):
    script = [page(1, VERSIONS[:50], total=None), page(2, VERSIONS[50:], total=None), page(3, [], total=None)]
    async with serve([*script, *registry()]) as server:
        found = await crawl(server, tmp_path)
    assert tags_of(found) == TAGS
    assert found.manifest.verdict == "complete"
    assert "3 container packages of org to an empty last page" in found.manifest.discovery.evidence


async def test_gitea_that_lists_fewer_versions_than_it_counts_makes_the_snapshot_partial(tmp_path):
    async with serve([*pages(VERSIONS, total=70), *registry()]) as server:
        found = await crawl(server, tmp_path)
    assert tags_of(found) == TAGS
    assert found.manifest.verdict == "partial"
    assert found.manifest.discovery.evidence == (
        "Gitea's packages API listed 3 container packages of org, with 64 of 70 versions"
    )


async def test_gitea_version_that_is_deleted_meanwhile_makes_the_snapshot_partial(tmp_path):
    """The versions after it move up, so that one of them is on no page."""
    script = [page(1, VERSIONS[:50], total=64), page(2, VERSIONS[51:], total=63)]
    async with serve([*script, *registry()]) as server:
        found = await crawl(server, tmp_path)
    assert found.manifest.verdict == "partial"
    assert "their versions became fewer meanwhile, 63 of 64: crawl again" in found.manifest.discovery.evidence


async def test_gitea_version_that_is_deleted_before_another_is_pushed_makes_the_snapshot_partial(tmp_path):
    """In the end the count is the same as in the beginning."""
    script = [
        page(1, VERSIONS[:20], total=64),
        page(2, VERSIONS[21:41], total=63),
        page(3, VERSIONS[40:], total=64),
    ]
    async with serve([*script, *registry()]) as server:
        found = await crawl(server, tmp_path)
    assert found.manifest.verdict == "partial"
    assert "their versions became fewer meanwhile, 63 of 64: crawl again" in found.manifest.discovery.evidence


async def test_gitea_version_that_is_pushed_meanwhile_hides_none(tmp_path):
    """The versions after it move down: one comes twice, and the count is larger."""
    script = [page(1, VERSIONS[:50], total=64), page(2, VERSIONS[49:], total=65)]
    async with serve([*script, *registry()]) as server:
        found = await crawl(server, tmp_path)
    assert tags_of(found) == TAGS
    assert found.manifest.verdict == "complete"


async def test_gitea_that_repeats_a_page_makes_the_snapshot_partial(tmp_path):
    script = [page(number, VERSIONS[:50], total=None) for number in (1, 2)]
    async with serve([*script, *registry()]) as server:
        found = await crawl(server, tmp_path)
    assert found.manifest.verdict == "partial"
    assert "page 2 is page 1 again" in found.manifest.discovery.evidence


CLOSED = {
    "401": refusal(401, "UNAUTHORIZED", "user does not exist"),
    "403": refusal(403, "FORBIDDEN", "token does not have at least one of required scope(s)"),
    "404": document({"message": "not found"}, status=404),
    "a page": html(200, "Sign in"),
    "an object": document({"ok": False}),
}


@pytest.mark.parametrize("closed", CLOSED)
async def test_gitea_that_is_closed_leaves_the_catalog(closed, tmp_path):
    async with serve([packages(CLOSED[closed]), *registry()]) as server:
        found = await crawl(server, tmp_path)
    assert tags_of(found) == TAGS
    assert found.manifest.verdict == "complete"
    evidence = found.manifest.discovery.evidence
    assert evidence.startswith("the catalog listed 3 names on 1 page: no next link (tried: api: GET ")
    assert f"{PACKAGES}?type=container&limit=50&page=1: " in evidence


async def test_gitea_without_packages_proves_nothing(tmp_path):
    async with serve([page(1, [], total=0), *registry()]) as server:
        found = await crawl(server, tmp_path)
    assert tags_of(found) == TAGS
    assert "Gitea's packages API lists no container package of org, which proves nothing" in (
        found.manifest.discovery.evidence
    )


async def test_gitea_list_that_fails_on_a_later_page_makes_the_snapshot_partial(tmp_path):
    script = [page(1, VERSIONS[:50], total=64), packages(refusal(500, "INTERNAL", "boom"), 2)]
    async with serve([*script, *registry()]) as server:
        found = await crawl(server, tmp_path)
    assert set(found.records) == {"org/app", "org/many"}
    assert found.manifest.verdict == "partial"
    assert "with 50 of 64 versions, then failed: GET " in found.manifest.discovery.evidence


async def test_gitea_token_goes_before_the_password(tmp_path):
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    bearer = f"Bearer {TOKEN}"
    async with serve([*pages(VERSIONS, authorization=bearer), *registry()]) as server:
        found = await crawl(server, tmp_path, apis={"token_file": tmp_path / "token"})
    assert tags_of(found) == TAGS
    assert {asked.path for asked in server.requests if asked.authorization == bearer} == {PACKAGES}


async def test_gitea_anonymous_names_are_those_that_are_public(tmp_path):
    async with serve([*pages(VERSIONS, authorization=None), *registry()]) as server:
        found = await crawl(server, tmp_path, auth={"method": "anonymous"})
    assert tags_of(found) == TAGS
    assert found.manifest.discovery.evidence.endswith("which are all that are public")


async def test_gitea_catalog_is_asked_first_where_nothing_is_configured(tmp_path):
    async with serve(registry()) as server:
        found = await crawl(server, tmp_path, discovery="auto")
    assert tags_of(found) == TAGS
    assert not server.asked(PACKAGES)


def test_gitea_package_of_another_type_and_layers_without_a_manifest_are_no_names():
    """Older versions list the place where layers wait for their manifest (go-gitea/gitea#20491)."""
    versions = [
        version("app", "1"),
        version("lib", "1.0", type="npm"),
        version("pending", "_upload"),
        version("app", "_upload"),
        version("old", "1", type="container"),
    ]
    parsed = parse_packages(orjson.dumps(versions))
    assert parsed.names == ("app", "old")
    assert len(parsed.versions) == len(versions)


ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "name": text | values,
        "version": st.sampled_from(["1", "_upload"]) | values,
        "type": st.sampled_from(["container", "npm"]) | values,
    },
)


@settings(max_examples=200)
@given(st.lists(ENTRY, max_size=4) | values)
def test_gitea_page_of_any_json_is_parsed_or_malformed(document):
    try:
        parsed = parse_packages(orjson.dumps(document))
    except MalformedResponse:
        return
    assert len(parsed.versions) == len(document)
    assert all(parsed.names)
    assert len(set(parsed.names)) == len(parsed.names)
