"""Pages that are refused: behind an entry that was deleted meanwhile, or as too large."""

import pytest
from multidict import CIMultiDict
from support.list_pages import (
    APP,
    CATALOG,
    NAMES,
    ONCE,
    assert_complete,
    assert_partial,
    assert_suspect,
    crawl,
    crawl_one,
    crawl_the_catalog,
    names,
    page,
    plain_listings,
    tags,
)
from support.scripted import Reply, document, html, on, refusal, serve

from crawler.model.run_manifest import Evidence
from crawler.registry.page_size import SIZE_REFUSED, PageSizer
from crawler.registry.pager import Pager
from crawler.wire.catalog import CatalogPage

pytestmark = pytest.mark.usefixtures("few_authorities")


# ------------------------------------------------------------------------------------- a later page that is refused

GONE = refusal(400, "BAD_REQUEST", "the last: team/app-02 should be a valid repository name")
EMPTY_404 = Reply(status=404)
UNKNOWN = refusal(404, "NAME_UNKNOWN", "repository name not known to registry")
REFUSED = {"400": GONE, "404-without-a-word": EMPTY_404, "404": UNKNOWN}


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
async def test_pager_goes_on_from_the_name_before_where_the_last_was_deleted(refused, tmp_path):
    """Harbor refuses a page behind a repository that was deleted meanwhile; zot one behind a tag that it lost."""
    script = [
        page(names(NAMES[:3], "</v2/_catalog?n=3&last=team/app-02>; rel=next"), last=None),
        page(refused, last="team/app-02"),
        page(names(NAMES[3:]), last="team/app-01"),
    ]
    snapshot, queries = await crawl_the_catalog(script, tmp_path, page_size=3, limits=ONCE)
    assert_complete(snapshot)
    assert queries == ["n=3", "n=3&last=team/app-02", "n=3&last=team%2Fapp-01"]


async def test_pager_goes_on_from_the_name_before_that_was_on_the_page_before(tmp_path):
    script = [
        page(names(NAMES[:2], "<?n=2&last=team/app-01>; rel=next"), last=None),
        on(CATALOG, names([NAMES[2]], "<?n=2&last=team/app-02>; rel=next"), query={"last": "team/app-01"}, times=1),
        page(GONE, last="team/app-02"),
        page(names(NAMES[3:]), last="team/app-01"),
    ]
    snapshot, queries = await crawl_the_catalog(script, tmp_path, page_size=2)
    assert_complete(snapshot)
    assert queries[-1] == "n=2&last=team%2Fapp-01"


async def test_pager_goes_on_from_the_tag_before_where_the_last_was_deleted(tmp_path):
    script = [
        page(tags(["1", "2"], "<?last=2>; rel=next"), APP, last=None),
        page(EMPTY_404, APP, last="2"),
        page(tags(["3"]), APP, last="1"),
    ]
    snapshot, _ = await crawl_one(script, tmp_path, limits=ONCE)
    assert_complete(snapshot, ["team/app"])
    assert snapshot.by_name["team/app"]["tags"] == ["1", "2", "3"]


@pytest.mark.parametrize("cursor", ["last=b3BhcXVl", "next_page=sealed&last="])
async def test_pager_starts_over_where_the_cursor_is_the_registrys_own(cursor, tmp_path):
    query = {"last": "b3BhcXVl"} if "next_page" not in cursor else {"next_page": "sealed"}
    script = [
        on(CATALOG, GONE, query=query, times=1),
        page(names(NAMES[3:]), **query),
        page(names(NAMES[:3], f"<?{cursor}>; rel=next")),
    ]
    snapshot, queries = await crawl_the_catalog(script, tmp_path)
    assert_complete(snapshot)
    assert queries == ["n=1000", cursor, "n=1000", cursor]


async def test_pager_lists_no_name_twice_where_it_starts_over(tmp_path):
    """What it knows already, on as many pages as there are, is no circle."""
    script = [
        on(CATALOG, GONE, query={"page": "3"}, times=2),
        page(names(NAMES[:3], "<?page=2>; rel=next"), page=None),
        page(names(NAMES[3:6], "<?page=3>; rel=next"), page="2"),
        page(names(NAMES[6:]), page="3"),
    ]
    async with serve([*script, *plain_listings()]) as server:
        snapshot = await crawl(server, tmp_path)
        assert_complete(snapshot)
        assert len(server.asked(CATALOG)) == 3 * 3
        assert {len(server.asked(f"/v2/{name}/tags/list")) for name in NAMES} == {1}
    assert snapshot.manifest["counts"]["repositories"] == 9


async def test_pager_starts_over_three_times_and_no_more(tmp_path):
    script = [page(names(NAMES[:3], "<?page=2>; rel=next"), page=None), page(GONE, page="2")]
    snapshot, queries = await crawl_the_catalog(script, tmp_path)
    assert queries == ["n=1000", "page=2"] * 4
    why = "a later page was refused (400 BAD_REQUEST: the last: team/app-02 should be a valid repository name)"
    assert_partial(snapshot, f"{why}, even after 3 restarts", NAMES[:3])


async def test_pager_starts_over_where_the_name_before_is_refused_too(tmp_path):
    script = [
        on(CATALOG, GONE, query={"last": "team/app-02"}, times=1),
        page(GONE, last="team/app-01"),
        page(names(NAMES[3:]), last="team/app-02"),
        page(names(NAMES[:3], "<?last=team/app-02>; rel=next")),
    ]
    snapshot, queries = await crawl_the_catalog(script, tmp_path)
    assert_complete(snapshot)
    assert queries == ["n=1000", "last=team/app-02", "last=team%2Fapp-01", "n=1000", "last=team/app-02"]


async def test_pager_keeps_what_it_read_of_a_listing_whose_later_page_is_always_refused(tmp_path):
    script = [page(tags(["1", "2"], "<?page=2>; rel=next"), APP, page=None), page(EMPTY_404, APP)]
    snapshot, _ = await crawl_one(script, tmp_path, limits=ONCE)
    assert_suspect(snapshot, "was refused (404 HTTP_404: ", ["1", "2"])


async def test_pager_believes_a_repository_gone_that_is_unknown_when_it_starts_over(tmp_path):
    """It was deleted while we read it: in the registry's own words, of the repository itself."""
    script = [
        on(APP, tags(["1", "2"], "<?page=2>; rel=next"), query={"page": None}, times=1),
        page(UNKNOWN, APP),
    ]
    snapshot, _ = await crawl_one(script, tmp_path)
    assert snapshot.outcomes == {"team/app": "missing"}


async def test_pager_keeps_what_it_read_of_a_catalog_whose_later_page_fails(tmp_path):
    script = [page(names(NAMES[:5], "<?page=2>; rel=next"), page=None), page(Reply(status=500), page="2")]
    snapshot, queries = await crawl_the_catalog(script, tmp_path)
    assert_partial(snapshot, "the catalog listed 5 names on 1 page, then failed: GET ", NAMES[:5])
    assert len(queries) == 1 + 2 + 1, "the first page is asked for once more: it answers, so this is no outage"


# ------------------------------------------------------------------------------------------------- the size of pages


@pytest.mark.parametrize("status", [502, 504])
async def test_pager_asks_for_pages_of_a_listing_that_is_too_much_at_once(status, tmp_path):
    """A proxy waits for no repository of very many tags; a page of them is nothing (goharbor/harbor#6876)."""
    full = [f"v{number:03}" for number in range(250)]
    script = [
        page(html(status, "Gateway Time-out"), APP, n=None),
        page(html(status, "Gateway Time-out"), APP, n="1000"),
        page(tags(full[:100], "<?n=100&last=v099>; rel=next"), APP, n="100", last=None),
        page(tags(full[100:200], "<?n=100&last=v199>; rel=next"), APP, n="100", last="v099"),
        page(tags(full[200:]), APP, n="100", last="v199"),
    ]
    snapshot, queries = await crawl_one(script, tmp_path, limits=ONCE)
    assert_complete(snapshot, ["team/app"])
    assert snapshot.by_name["team/app"]["tags"] == full
    assert queries == ["", "n=1000", "n=100", "n=100&last=v099", "n=100&last=v199"]


async def test_pager_asks_only_that_listing_for_pages(tmp_path):
    script = [
        on(f"/v2/{NAMES[0]}/tags/list", Reply(status=504), query={"n": None}),
        on(CATALOG, names(NAMES)),
        *plain_listings(),
    ]
    async with serve(script) as server:
        assert_complete(await crawl(server, tmp_path, limits={"attempts": 1, "concurrency": 1}))
        sizes = [asked.query.get("n") for asked in server.requests if asked.path.endswith("/tags/list")]
    assert sizes == [None, ["1000"], *[None] * 8]


async def test_pager_asks_other_listings_for_no_less_where_a_later_page_of_one_is_too_much(tmp_path):
    first = f"/v2/{NAMES[0]}/tags/list"
    listed = {"name": NAMES[0], "tags": ["1"]}
    script = [
        on(first, document(listed, ("Link", "<?n=1000&last=1>; rel=next")), query={"last": None}),
        on(first, Reply(status=502), query={"n": "1000"}),
        on(first, document({**listed, "tags": ["2"]}), query={"n": "100", "last": "1"}),
        on(CATALOG, names(NAMES)),
        *plain_listings(),
    ]
    async with serve(script) as server:
        assert_complete(await crawl(server, tmp_path, kind="ecr", limits={"attempts": 1, "concurrency": 1}))
        others = [asked for asked in server.requests if "/tags/" in asked.path and asked.path != first]
    assert [asked.query["n"] for asked in others] == [["1000"]] * 8


async def test_pager_gives_a_listing_up_that_is_too_much_in_any_size(tmp_path):
    snapshot, queries = await crawl_one([on(APP, Reply(status=504))], tmp_path, limits=ONCE)
    assert snapshot.outcomes == {"team/app": "failed"}
    asked = ["", "n=1000", "n=100", "n=5"]
    assert [*dict.fromkeys(queries)] == asked
    assert queries.count("n=5") == 2, "a failure is asked once more at the end"


async def test_pager_makes_a_later_page_of_a_listing_smaller(tmp_path):
    script = [
        page(tags(["1", "2"], "<?last=2>; rel=next"), APP, last=None),
        page(Reply(status=502), APP, last="2", n=None),
        page(Reply(status=502), APP, last="2", n="1000"),
        page(tags(["3"]), APP, last="2", n="100"),
    ]
    snapshot, _ = await crawl_one(script, tmp_path, limits=ONCE)
    assert_complete(snapshot, ["team/app"])


async def test_pager_makes_a_later_page_smaller_than_the_size_in_its_own_url(tmp_path):
    """The registry grants pages of 100, however many are asked for: the next smaller size is 5."""
    script = [
        page(names(NAMES[:5], "<?n=100&last=team/app-04>; rel=next"), last=None),
        page(Reply(status=502), n="100"),
        page(names(NAMES[5:]), n="5", last=NAMES[4]),
    ]
    snapshot, queries = await crawl_the_catalog(script, tmp_path, limits=ONCE)
    assert_complete(snapshot)
    assert len(queries) == 3


async def test_pager_judges_a_full_page_by_its_own_size(tmp_path):
    """Other lists were refused their size meanwhile, and asked for less: this page is as full as it was before."""
    sizer = PageSizer(1000, SIZE_REFUSED)

    async def read(url: str) -> tuple[CIMultiDict[str], CatalogPage]:
        sizer.lower(100)
        asked.append(url)
        listed = [] if "last=" in url else [f"v{number:04}" for number in range(1000)]
        return CIMultiDict(), CatalogPage(tuple(listed), length=len(listed))

    asked: list[str] = []
    pager = Pager("http://r/list", read, sizer)
    async for _ in pager.pages_from(await pager.first_page()):
        pass
    assert asked == ["http://r/list?n=1000", "http://r/list?n=1000&last=v0999"]
    assert pager.evidence == Evidence(complete=True, text="a request after the last entry returned nothing more")


def test_page_sizes_only_go_down():
    sizer = PageSizer(1000, SIZE_REFUSED)
    for learnt, current in ((1000, 1000), (100, 100), (1000, 100), (5, 5), (100, 5), (None, None), (1000, None)):
        sizer.lower(learnt)
        assert sizer.current == current


async def test_pager_gives_no_size_back_that_was_refused_meanwhile(tmp_path):
    """Many listings are read at once: one that was granted a large page says nothing of what others were refused."""
    refused = refusal(400, "PAGINATION_NUMBER_INVALID", "too many")
    script = [
        on(f"/v2/{NAMES[0]}/tags/list", refused, query={"n": "1000"}),
        on(CATALOG, names(NAMES)),
        *plain_listings(),
    ]
    async with serve(script) as server:
        assert_complete(await crawl(server, tmp_path, kind="ecr", limits={"concurrency": 1}))
        sizes = [asked.query["n"][0] for asked in server.requests if asked.path.endswith("/tags/list")]
    assert sizes == ["1000", *["100"] * 9]
