"""Pagination after a refusal: a page after an entry that was deleted while the list was read."""

import pytest
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
from support.scripted import Reply, on, refusal, serve

pytestmark = pytest.mark.usefixtures("few_authorities")


# ------------------------------------------------------------------------------------- a later page that is refused

GONE = refusal(400, "BAD_REQUEST", "the last: team/app-02 should be a valid repository name")
EMPTY_404 = Reply(status=404)
UNKNOWN = refusal(404, "NAME_UNKNOWN", "repository name not known to registry")
REFUSED = {"400": GONE, "404-without-a-body": EMPTY_404, "404": UNKNOWN}


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
async def test_pager_resumes_one_name_earlier_where_the_last_name_was_deleted(refused, tmp_path):
    """Harbor refuses a page after a deleted repository, and zot a page after a deleted tag."""
    script = [
        page(names(NAMES[:3], "</v2/_catalog?n=3&last=team/app-02>; rel=next"), last=None),
        page(refused, last="team/app-02"),
        page(names(NAMES[3:]), last="team/app-01"),
    ]
    snapshot, queries = await crawl_the_catalog(script, tmp_path, page_size=3, limits=ONCE)
    assert_complete(snapshot)
    assert queries == ["n=3", "n=3&last=team/app-02", "n=3&last=team%2Fapp-01"]


async def test_pager_resumes_at_a_name_on_the_page_before(tmp_path):
    script = [
        page(names(NAMES[:2], "<?n=2&last=team/app-01>; rel=next"), last=None),
        on(CATALOG, names([NAMES[2]], "<?n=2&last=team/app-02>; rel=next"), query={"last": "team/app-01"}, times=1),
        page(GONE, last="team/app-02"),
        page(names(NAMES[3:]), last="team/app-01"),
    ]
    snapshot, queries = await crawl_the_catalog(script, tmp_path, page_size=2)
    assert_complete(snapshot)
    assert queries[-1] == "n=2&last=team%2Fapp-01"


async def test_pager_resumes_one_tag_earlier_where_the_last_tag_was_deleted(tmp_path):
    script = [
        page(tags(["1", "2"], "<?last=2>; rel=next"), APP, last=None),
        page(EMPTY_404, APP, last="2"),
        page(tags(["3"]), APP, last="1"),
    ]
    snapshot, _ = await crawl_one(script, tmp_path, limits=ONCE)
    assert_complete(snapshot, ["team/app"])
    assert snapshot.by_name["team/app"]["tags"] == ["1", "2", "3"]


@pytest.mark.parametrize("cursor", ["last=b3BhcXVl", "next_page=sealed&last="])
async def test_pager_restarts_where_the_cursor_is_opaque(cursor, tmp_path):
    query = {"last": "b3BhcXVl"} if "next_page" not in cursor else {"next_page": "sealed"}
    script = [
        on(CATALOG, GONE, query=query, times=1),
        page(names(NAMES[3:]), **query),
        page(names(NAMES[:3], f"<?{cursor}>; rel=next")),
    ]
    snapshot, queries = await crawl_the_catalog(script, tmp_path)
    assert_complete(snapshot)
    assert queries == ["n=1000", cursor, "n=1000", cursor]


async def test_pager_lists_no_name_twice_after_a_restart(tmp_path):
    """Pages that repeat the entries of an earlier pass are not a cycle."""
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


async def test_pager_restarts_three_times_and_no_more(tmp_path):
    script = [page(names(NAMES[:3], "<?page=2>; rel=next"), page=None), page(GONE, page="2")]
    snapshot, queries = await crawl_the_catalog(script, tmp_path)
    assert queries == ["n=1000", "page=2"] * 4
    why = "a later page was refused (400 BAD_REQUEST: the last: team/app-02 should be a valid repository name)"
    assert_partial(snapshot, f"{why}, even after 3 restarts", NAMES[:3])


async def test_pager_restarts_where_the_earlier_name_is_refused_too(tmp_path):
    script = [
        on(CATALOG, GONE, query={"last": "team/app-02"}, times=1),
        page(GONE, last="team/app-01"),
        page(names(NAMES[3:]), last="team/app-02"),
        page(names(NAMES[:3], "<?last=team/app-02>; rel=next")),
    ]
    snapshot, queries = await crawl_the_catalog(script, tmp_path)
    assert_complete(snapshot)
    assert queries == ["n=1000", "last=team/app-02", "last=team%2Fapp-01", "n=1000", "last=team/app-02"]


async def test_pager_keeps_the_tags_before_a_page_that_is_always_refused(tmp_path):
    script = [page(tags(["1", "2"], "<?page=2>; rel=next"), APP, page=None), page(EMPTY_404, APP)]
    snapshot, _ = await crawl_one(script, tmp_path, limits=ONCE)
    assert_suspect(snapshot, "was refused (404 HTTP_404: ", ["1", "2"])


async def test_pager_reports_a_repository_missing_that_is_unknown_after_a_restart(tmp_path):
    """The repository was deleted while it was read: the registry's own error code proves it."""
    script = [
        on(APP, tags(["1", "2"], "<?page=2>; rel=next"), query={"page": None}, times=1),
        page(UNKNOWN, APP),
    ]
    snapshot, _ = await crawl_one(script, tmp_path)
    assert snapshot.outcomes == {"team/app": "missing"}


async def test_pager_keeps_the_names_before_a_page_that_fails(tmp_path):
    script = [page(names(NAMES[:5], "<?page=2>; rel=next"), page=None), page(Reply(status=500), page="2")]
    snapshot, queries = await crawl_the_catalog(script, tmp_path)
    assert_partial(snapshot, "the catalog listed 5 names on 1 page, then failed: GET ", NAMES[:5])
    assert len(queries) == 1 + 2 + 1, "the first page is asked for once more: it answers, so this is no outage"
