"""Pagination sizes: which size is requested after a registry refused a page, or took too long for it."""

import pytest
from multidict import CIMultiDict
from support.list_pages import (
    APP,
    CATALOG,
    NAMES,
    ONCE,
    assert_complete,
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


@pytest.mark.parametrize("status", [502, 504])
async def test_page_size_is_requested_where_a_whole_listing_times_out(status, tmp_path):
    """All tags of a large repository take too long for a proxy, and a page of them does not (goharbor/harbor#6876)."""
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


async def test_page_size_is_requested_for_that_listing_alone(tmp_path):
    script = [
        on(f"/v2/{NAMES[0]}/tags/list", Reply(status=504), query={"n": None}),
        on(CATALOG, names(NAMES)),
        *plain_listings(),
    ]
    async with serve(script) as server:
        assert_complete(await crawl(server, tmp_path, limits={"attempts": 1, "concurrency": 1}))
        sizes = [asked.query.get("n") for asked in server.requests if asked.path.endswith("/tags/list")]
    assert sizes == [None, ["1000"], *[None] * 8]


async def test_page_size_of_other_listings_stays_where_a_later_page_times_out(tmp_path):
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


async def test_page_size_shrinks_to_five_before_a_listing_fails(tmp_path):
    snapshot, queries = await crawl_one([on(APP, Reply(status=504))], tmp_path, limits=ONCE)
    assert snapshot.outcomes == {"team/app": "failed"}
    asked = ["", "n=1000", "n=100", "n=5"]
    assert [*dict.fromkeys(queries)] == asked
    assert queries.count("n=5") == 2, "a failure is asked once more at the end"


async def test_page_size_shrinks_on_a_later_page(tmp_path):
    script = [
        page(tags(["1", "2"], "<?last=2>; rel=next"), APP, last=None),
        page(Reply(status=502), APP, last="2", n=None),
        page(Reply(status=502), APP, last="2", n="1000"),
        page(tags(["3"]), APP, last="2", n="100"),
    ]
    snapshot, _ = await crawl_one(script, tmp_path, limits=ONCE)
    assert_complete(snapshot, ["team/app"])


async def test_page_size_shrinks_below_the_size_in_the_link(tmp_path):
    """The registry lowered the size to 100 in its link, so that the next smaller size is 5."""
    script = [
        page(names(NAMES[:5], "<?n=100&last=team/app-04>; rel=next"), last=None),
        page(Reply(status=502), n="100"),
        page(names(NAMES[5:]), n="5", last=NAMES[4]),
    ]
    snapshot, queries = await crawl_the_catalog(script, tmp_path, limits=ONCE)
    assert_complete(snapshot)
    assert len(queries) == 3


async def test_page_size_in_the_url_decides_whether_a_page_is_full(tmp_path):
    """The size for other lists was lowered meanwhile. This page is still as full as its own URL requested."""
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


def test_page_size_only_goes_down():
    sizer = PageSizer(1000, SIZE_REFUSED)
    for size, current in ((1000, 1000), (100, 100), (1000, 100), (5, 5), (100, 5), (None, None), (1000, None)):
        sizer.lower(size)
        assert sizer.current == current


async def test_page_size_that_was_refused_is_not_requested_again(tmp_path):
    """Many listings are read at once, and a large page of one of them does not undo the refusal of another."""
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
