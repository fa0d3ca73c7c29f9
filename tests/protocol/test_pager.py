"""Pagination: which end of a list proves that it is complete, and where the pager stops without proof.

Above all the verdict: a list that may go on is never `complete`, and a list that is complete is.
"""

from collections.abc import Sequence

import pytest
from multidict import CIMultiDict
from support.list_pages import (
    APP,
    CATALOG,
    NAMES,
    assert_complete,
    assert_partial,
    assert_suspect,
    crawl,
    crawl_one,
    crawl_the_catalog,
    evidence,
    names,
    page,
    tags,
)
from support.scripted import Reply, document, on, serve

import crawler.registry.pager
from crawler.model.run_manifest import Evidence
from crawler.registry.page_size import SIZE_REFUSED, PageSizer
from crawler.registry.pager import Pager
from crawler.wire.catalog import CatalogPage

pytestmark = pytest.mark.usefixtures("few_authorities")


# -------------------------------------------------------------------------------------------------------- empty pages


@pytest.mark.parametrize("empty", [[], None])
async def test_pager_follows_an_empty_first_page_that_leads_on(empty, tmp_path):
    script = [page(names(empty, "<?page=2>; rel=next"), page=None), page(names(NAMES), page="2")]
    snapshot, _ = await crawl_the_catalog(script, tmp_path)
    assert_complete(snapshot)
    assert evidence(snapshot) == "the catalog listed 9 names on 2 pages: no next link"


async def test_pager_follows_an_empty_page_in_the_middle(tmp_path):
    script = [
        page(names(NAMES[:5], "<?page=2>; rel=next"), page=None),
        page(names([], "<?page=3>; rel=next"), page="2"),
        page(names(NAMES[5:]), page="3"),
    ]
    snapshot, _ = await crawl_the_catalog(script, tmp_path)
    assert_complete(snapshot)


async def test_pager_follows_an_empty_first_page_of_a_listing(tmp_path):
    script = [
        page(tags(None, "<?last=x>; rel=next"), APP, last=None),
        page(tags(["late"]), APP, last="x"),
    ]
    snapshot, _ = await crawl_one(script, tmp_path)
    assert_complete(snapshot, ["team/app"])
    assert snapshot.by_name["team/app"]["tags"] == ["late"]


@pytest.mark.parametrize("link", ["<?last=team/app-08&n=9>", "<?last=>", "<?n=9&last=>"])
async def test_pager_ends_with_proof_at_an_empty_last_page_with_a_link(link, tmp_path):
    """The link leads to the page itself (Forgejo), or to an empty cursor (Cloudflare's serverless registry)."""
    script = [
        page(names(NAMES, "<?last=team/app-08&n=9>; rel=next"), last=None),
        page(names([], f"{link}; rel=next"), last="team/app-08"),
    ]
    snapshot, queries = await crawl_the_catalog(script, tmp_path)
    assert_complete(snapshot)
    assert "an empty last page" in evidence(snapshot)
    assert len(queries) == 2


async def test_pager_stops_where_a_page_with_names_links_to_the_beginning(tmp_path):
    script = [page(names(NAMES, "<?last=>; rel=next"))]
    snapshot, _ = await crawl_the_catalog(script, tmp_path)
    assert_partial(snapshot, "page 2 repeated earlier entries but linked to another page", NAMES)


async def test_pager_follows_ten_empty_pages_and_no_more(tmp_path):
    """Each empty page links to another one."""
    script = [
        page(names(NAMES, "<?page=0>; rel=next"), page=None),
        page(names([], "<?page={count}>; rel=next")),
    ]
    snapshot, queries = await crawl_the_catalog(script, tmp_path)
    assert_partial(snapshot, "more than 10 empty pages in a row", NAMES)
    assert len(queries) == 1 + 11


async def test_pager_follows_ten_empty_pages_to_a_page_with_names(tmp_path):
    script = [
        page(names([], "<?page=1>; rel=next"), page=None),
        *(page(names([], f"<?page={n + 1}>; rel=next"), page=str(n)) for n in range(1, 10)),
        page(names(NAMES), page="10"),
    ]
    snapshot, _ = await crawl_the_catalog(script, tmp_path)
    assert_complete(snapshot)


async def test_pager_stops_on_a_cycle_of_empty_pages(tmp_path):
    script = [
        page(names(NAMES, "<?page=2>; rel=next"), page=None),
        page(names([], "<?page=3>; rel=next"), page="2"),
        page(names([], "<?page=2>; rel=next"), page="3"),
    ]
    snapshot, queries = await crawl_the_catalog(script, tmp_path)
    assert_partial(snapshot, "the next link of page 3 leads back to an earlier page", NAMES)
    assert len(queries) == 3


def google_page(name: str, *, child: Sequence[str] = (), images: Sequence[str] = (), link: str = "") -> Reply:
    manifest = {digest: {"imageSizeBytes": "1", "tag": []} for digest in images}
    listing = {"child": child, "manifest": manifest, "name": name, "tags": []}
    return document(listing, *([("Link", link)] if link else []))


async def test_pager_follows_a_google_page_with_children_alone(tmp_path):
    script = [
        on("/v2/", document({})),
        on("/v2/proj/tags/list", google_page("proj", child=["a"], link="<?last=a>; rel=next"), query={"last": None}),
        on("/v2/proj/tags/list", google_page("proj", child=["b"], link="<?last=b>; rel=next"), query={"last": "a"}),
        on("/v2/proj/tags/list", google_page("proj", child=["c"]), query={"last": "b"}),
        *(on(f"/v2/proj/{name}/tags/list", google_page(f"proj/{name}", images=["sha256:aa"])) for name in "abc"),
    ]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, prefix="/proj", kind="gcr", discovery="walk")
    assert_complete(snapshot, ["proj/a", "proj/b", "proj/c"])


async def test_pager_stops_where_a_google_page_repeats_its_children(tmp_path):
    script = [
        on("/v2/", document({})),
        on("/v2/proj/tags/list", google_page("proj", child=["a"], link="<?last={count}>; rel=next")),
        on("/v2/proj/a/tags/list", google_page("proj/a", images=["sha256:aa"])),
    ]
    async with serve(script) as server:
        await crawl(server, tmp_path, prefix="/proj", kind="gcr", discovery="walk")
        assert len(server.asked("/v2/proj/tags/list")) == 2


# ---------------------------------------------------------------------------------------- what the body says


@pytest.mark.parametrize("listed", [None, [], NAMES[:3]])
async def test_pager_retries_a_catalog_with_errors_beside_the_names(listed, tmp_path):
    wrong = names(listed, errors=[{"code": "UNAUTHORIZED", "message": "x"}])
    script = [on(CATALOG, wrong, times=1), on(CATALOG, names(NAMES))]
    snapshot, queries = await crawl_the_catalog(script, tmp_path)
    assert_complete(snapshot)
    assert len(queries) == 2


async def test_pager_fails_a_listing_that_always_has_errors_beside_the_tags(tmp_path):
    wrong = tags(None, errors=[{"code": "UNAUTHORIZED", "message": "x"}])
    snapshot, _ = await crawl_one([on(APP, wrong)], tmp_path)
    (record,) = snapshot.records
    assert record["outcome"] == "failed"
    assert "UNAUTHORIZED" in record["error"]["message"]


@pytest.mark.parametrize("field", ["next", "nextPageToken"])
async def test_pager_has_no_proof_where_only_the_body_names_a_next_page(field, tmp_path):
    snapshot, _ = await crawl_the_catalog([page(names(NAMES, **{field: "x"}))], tmp_path)
    assert_partial(snapshot, "the body names a next page, and no Link header does", NAMES)


@pytest.mark.parametrize("field", ["next", "nextPageToken"])
async def test_pager_suspects_a_listing_where_only_the_body_names_a_next_page(field, tmp_path):
    snapshot, _ = await crawl_one([page(tags(["1"], **{field: "x"}), APP)], tmp_path)
    assert_suspect(snapshot, "the body names a next page", ["1"])


async def test_pager_follows_a_link_beside_a_next_page_in_the_body(tmp_path):
    script = [page(tags(["1"], "<?last=1>; rel=next", next="x"), APP, last=None), page(tags(["2"]), APP, last="1")]
    snapshot, _ = await crawl_one(script, tmp_path)
    assert_complete(snapshot, ["team/app"])


@pytest.mark.parametrize(
    ("odd", "message"), [([7], "1 entry was not a string"), ([None, ["x"]], "2 entries were not strings")]
)
async def test_pager_has_no_proof_where_entries_are_not_strings(odd, message, tmp_path):
    snapshot, _ = await crawl_the_catalog([page(names([*NAMES, *odd]))], tmp_path)
    assert_partial(snapshot, f"the catalog listed 9 names on 1 page; {message}: no next link", NAMES)


async def test_pager_suspects_a_listing_of_nulls_alone(tmp_path):
    snapshot, _ = await crawl_one([page(tags([None, None]), APP)], tmp_path)
    assert_suspect(snapshot, "no tags but null", [])


async def test_pager_retries_where_the_body_lists_another_repository(tmp_path):
    """As from a cache with too short a key, or from a response that was left on the connection."""
    other = document({"name": "team/other", "tags": ["9"]})
    snapshot, queries = await crawl_one([on(APP, other, times=1), on(APP, tags(["1"]))], tmp_path)
    assert_complete(snapshot, ["team/app"])
    assert snapshot.by_name["team/app"]["tags"] == ["1"]
    assert len(queries) == 2


async def test_pager_fails_where_the_body_always_lists_another_repository(tmp_path):
    other = document({"name": "\x1b[2J/../alpha", "tags": ["9"]})
    snapshot, _ = await crawl_one([on(APP, other)], tmp_path)
    (record,) = snapshot.records
    assert (record["outcome"], record["tags"]) == ("failed", [])
    assert "the body lists another repository: \\x1b[2J/../alpha" in record["error"]["message"]
    assert snapshot.manifest["verdict"] == "partial"


# ------------------------------------------------------------------------------------------------------------- links


@pytest.mark.parametrize(
    "link",
    [
        "</v2/_catalog?page=2>; rel='next'",
        "http://elsewhere.example/v2/_catalog?page=2; rel=next",
        '</v2/_catalog?page=2>; title="a>b"; rel="next"',
    ],
)
async def test_pager_follows_a_next_link_in_an_odd_spelling(link, tmp_path):
    script = [page(names(NAMES[:5], link), page=None), page(names(NAMES[5:]), page="2")]
    snapshot, _ = await crawl_the_catalog(script, tmp_path)
    assert_complete(snapshot)


@pytest.mark.parametrize(
    "link",
    [
        "</v2/_catalog?page=2>; rel*=UTF-8''next",
        '</v2/_catalog?page=2>; rel="nextpage"',
        '</v2/_catalog?page=2>; rel="prev"; rel="next"',
        "</v2/_catalog?page=2>; rel=\u201cnext\u201d",
        '; </v2/_catalog?page=2>; rel="next"',
    ],
)
async def test_pager_has_no_proof_where_the_next_link_cannot_be_parsed(link, tmp_path):
    snapshot, queries = await crawl_the_catalog([page(names(NAMES[:5], link))], tmp_path)
    assert_partial(snapshot, "the next link cannot be read", NAMES[:5])
    assert len(queries) == 1


async def test_pager_follows_artifactorys_link_without_the_first_component(tmp_path):
    script = [
        page(tags(["1", "2"], '</v2/app/tags/list?last=2&n=2>; rel="next"'), APP, last=None),
        page(tags(["3"]), APP, last="2"),
    ]
    snapshot, _ = await crawl_one(script, tmp_path, kind="artifactory")
    assert_complete(snapshot, ["team/app"])
    assert snapshot.by_name["team/app"]["tags"] == ["1", "2", "3"]


# -------------------------------------------------------------------------------------------------------- the page cap


async def test_pager_stops_at_the_page_cap(monkeypatch):
    """The list has something new on every page, for ever."""
    monkeypatch.setattr(crawler.registry.pager, "MAX_PAGES", 50)
    pages = 0

    async def read(url: str) -> tuple[CIMultiDict[str], CatalogPage]:
        nonlocal pages
        pages += 1
        assert pages <= 50
        return CIMultiDict({"Link": f"</list?last={pages}>; rel=next"}), CatalogPage((f"app-{pages}",), length=1)

    pager = Pager("http://r/list", read, PageSizer(1000, SIZE_REFUSED))
    async for _ in pager.pages_from(await pager.first_page()):
        pass
    assert pages == pager.pages_read == 50
    assert pager.evidence == Evidence(complete=False, text="no end after 50 pages")
