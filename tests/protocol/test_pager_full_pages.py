"""Pagination without links: a page with as many entries as were requested is a complete list, or one that was cut."""

import pytest
from support.list_pages import (
    APP,
    BY_LIST,
    NAMES,
    ONCE,
    assert_complete,
    assert_partial,
    assert_suspect,
    crawl_one,
    crawl_the_catalog,
    evidence,
    names,
    page,
    tags,
)
from support.scripted import Reply, document, dropped, on, refusal

pytestmark = pytest.mark.usefixtures("few_authorities")


FIFTH_NAME = "team/app-04"
NOTHING_AFTER = "a request after the last entry returned nothing more"


async def test_pager_proves_a_full_catalog_page_by_a_request_after_it(tmp_path):
    script = [page(names(NAMES), last=None), page(names([]), last="team/app-08")]
    snapshot, queries = await crawl_the_catalog(script, tmp_path, page_size=9)
    assert_complete(snapshot)
    assert evidence(snapshot) == f"the catalog listed 9 names on 2 pages: {NOTHING_AFTER}"
    assert queries == ["n=9", "n=9&last=team%2Fapp-08"]


async def test_pager_proves_a_full_listing_of_quay_by_a_request_after_it(tmp_path):
    """Quay returns a list of exactly 100 tags on one page without a link, and an empty page after its last tag."""
    full = [f"v{number:03}" for number in range(100)]
    script = [page(tags(full), APP, last=None, n="100"), page(tags([]), APP, last="v099", n="100")]
    snapshot, queries = await crawl_one(script, tmp_path, kind="quay", page_size=50)
    assert_complete(snapshot, ["team/app"])
    assert snapshot.by_name["team/app"]["tags"] == full
    assert queries == ["n=100", "n=100&last=v099"]


async def test_pager_requests_nothing_after_a_page_that_is_not_full(tmp_path):
    script = [page(names(NAMES))]
    _, queries = await crawl_the_catalog(script, tmp_path, page_size=10)
    assert queries == ["n=10"]
    _, queries = await crawl_the_catalog(script, tmp_path, page_size=8)
    assert queries == ["n=8"]


async def test_pager_counts_duplicates_on_a_full_page(tmp_path):
    script = [
        page(names(NAMES), n=None),
        page(names([*NAMES[:5], NAMES[4]]), last=None),
        page(names(NAMES[4:]), last=FIFTH_NAME),
    ]
    snapshot, queries = await crawl_the_catalog(script, tmp_path, page_size=6)
    assert_complete(snapshot)
    assert queries == ["n=6", "n=6&last=team%2Fapp-04", ""]


@pytest.mark.parametrize("beyond", [NAMES[:5], NAMES[2:5]], ids=["everything", "some"])
async def test_pager_requests_the_list_without_a_size_where_its_cursor_is_ignored(beyond, tmp_path):
    """MCR returns the whole list, whatever is requested."""
    script = [page(names(NAMES[:5]), n=None), page(names(beyond), last=FIFTH_NAME), page(names(NAMES[:5]))]
    snapshot, queries = await crawl_the_catalog(script, tmp_path, page_size=5)
    assert_complete(snapshot, NAMES[:5])
    assert queries == ["n=5", "n=5&last=team%2Fapp-04", ""]
    assert "a request without n returned nothing more" in evidence(snapshot)


async def test_pager_reads_a_catalog_that_is_cut_in_random_order(tmp_path):
    """go-containerregistry's server cuts the list at n, in another order each time. Without n it lists everything."""
    script = [
        page(names([NAMES[7], NAMES[0], NAMES[3], NAMES[5]]), n="4", last=None),
        page(names([NAMES[2], NAMES[0], NAMES[8], NAMES[7]]), n="4", last=".+"),
        page(names(sorted(NAMES, reverse=True)), n=None),
    ]
    snapshot, queries = await crawl_the_catalog(script, tmp_path, page_size=4)
    assert_complete(snapshot)
    assert len(queries) == 3
    assert "4 entries, as many as were requested, and no next link; without n 9" in evidence(snapshot)


async def test_pager_finds_a_cut_by_the_list_without_a_size(tmp_path):
    """The second random page may happen to repeat the first one."""
    script = [page(names(NAMES[:4]), n="4"), page(names(NAMES), n=None)]
    snapshot, _ = await crawl_the_catalog(script, tmp_path, page_size=4)
    assert_complete(snapshot)


async def test_pager_reads_a_catalog_whose_links_a_proxy_drops(tmp_path):
    """The registry accepts the cursor, so that the pager reads page after page until one is empty."""
    script = [
        page(names(NAMES[:4]), n="4", last=None),
        page(names(NAMES[4:8]), n="4", last=NAMES[3]),
        page(names(NAMES[8:]), n="4", last=NAMES[7]),
        page(names([]), n="4", last=NAMES[8]),
    ]
    snapshot, queries = await crawl_the_catalog(script, tmp_path, page_size=4)
    assert_complete(snapshot)
    assert evidence(snapshot) == f"the catalog listed 9 names on 4 pages: {NOTHING_AFTER}"
    assert len(queries) == 4


async def test_pager_reads_a_listing_that_is_cut_without_a_link(tmp_path):
    full = [f"v{number:04}" for number in range(1500)]
    script = [
        page(tags(full[:1000]), APP, n="1000", last=None),
        page(tags(full[500:]), APP, n="1000", last="v0999"),
        page(tags(full), APP, n=None),
    ]
    snapshot, _ = await crawl_one(script, tmp_path, kind="ecr")
    assert_complete(snapshot, ["team/app"])
    assert snapshot.by_name["team/app"]["tags"] == full


@pytest.mark.parametrize(
    ("unsized", "why"),
    [
        (NAMES[:8], "of which 1 listed before are missing"),  # in another order, and cut as well
        (NAMES[:4], "of which 5 listed before are missing"),
        ([], "of which 9 listed before are missing"),
    ],
)
async def test_pager_has_no_proof_where_the_list_without_a_size_is_incomplete(unsized, why, tmp_path):
    script = [
        page(names(NAMES[:5]), n="5", last=None),
        page(names(NAMES[4:]), n="5", last=".+"),
        page(names(unsized), n=None),
    ]
    snapshot, _ = await crawl_the_catalog(script, tmp_path, page_size=5)
    assert_partial(snapshot, why, NAMES)


async def test_pager_has_no_proof_where_the_list_without_a_size_has_a_usual_length(tmp_path):
    """go-containerregistry's server cuts a list without n at 10,000, other registries at 1,000 or 100."""
    hundred = [f"app-{number:02}" for number in range(100)]
    script = [
        page(names(hundred[:60]), n="60", last=None),
        page(names(hundred[40:]), n="60", last="app-59"),
        page(names(hundred), n=None),
        on(None, document({"tags": ["1"]})),
    ]
    snapshot, _ = await crawl_the_catalog(script, tmp_path, page_size=60)
    assert_partial(snapshot, "without n 100, a length at which registries cut a list", hundred)


async def test_pager_follows_the_links_of_a_list_without_a_size(tmp_path):
    script = [
        page(names(NAMES[:4]), n="4"),
        page(names(NAMES[:6], "<?page=2>; rel=next"), n=None, page=None),
        page(names(NAMES[6:]), page="2"),
    ]
    snapshot, _ = await crawl_the_catalog(script, tmp_path, page_size=4)
    assert_complete(snapshot)
    assert evidence(snapshot).endswith(": no next link")


@pytest.mark.parametrize("status", [400, 404, 405, 403, 503])
async def test_pager_requests_the_list_without_a_size_where_its_cursor_is_refused(status, tmp_path):
    """ECR Public answers 405 to a `last` that it did not make."""
    refused = refusal(status, "UNSUPPORTED", "no")
    script = [page(refused, last=".+"), page(names(NAMES[:5]), n="5"), page(names(NAMES[:5]), n=None)]
    snapshot, _ = await crawl_the_catalog(script, tmp_path, page_size=5, limits=ONCE)
    assert_complete(snapshot, NAMES[:5])


async def test_pager_requests_the_list_without_a_size_where_its_cursor_gets_no_response(tmp_path):
    script = [page(dropped(), last=".+"), page(names(NAMES[:5]), n="5"), page(names(NAMES[:5]), n=None)]
    snapshot, _ = await crawl_the_catalog(script, tmp_path, page_size=5, limits=ONCE)
    assert_complete(snapshot, NAMES[:5])


async def test_pager_has_no_proof_where_every_request_after_a_full_page_is_refused(tmp_path):
    refused = refusal(400, "UNSUPPORTED", "no")
    script = [page(refused, last=".+"), page(names(NAMES[:5]), n="5"), page(refused, n=None)]
    snapshot, queries = await crawl_the_catalog(script, tmp_path, page_size=5)
    assert_partial(snapshot, "5 entries, as many as were requested, and no next link; without n: GET", NAMES[:5])
    assert "400 UNSUPPORTED" in evidence(snapshot)
    assert len(queries) == 3


async def test_pager_believes_a_full_last_page_after_a_link(tmp_path):
    script = [
        page(names(NAMES[:5], "<?last=team/app-04&n=4>; rel=next"), last=None),
        page(names(NAMES[5:]), last=FIFTH_NAME, n="4"),
    ]
    snapshot, queries = await crawl_the_catalog(script, tmp_path, page_size=5)
    assert_complete(snapshot)
    assert len(queries) == 2


# --------------------------------------------------------------------------------------------- Google's ten thousand


def google_listing(images: int, children: int = 0, link: str = "") -> Reply:
    manifest = {f"sha256:{number:064x}": {"tag": [], "imageSizeBytes": "1"} for number in range(images)}
    child = [f"c{number}" for number in range(children)]
    listing = {"name": "team/app", "tags": [], "child": child, "manifest": manifest}
    return document(listing, *([("Link", link)] if link else []))


@pytest.mark.parametrize("lengths", [(10_000, 0), (10_001, 0), (1, 10_000)])
async def test_pager_suspects_ten_thousand_google_entries_without_a_link(lengths, tmp_path):
    """From there on Google's Docker API leaves entries out. A further request would prove nothing."""
    snapshot, queries = await crawl_one([page(google_listing(*lengths), APP)], tmp_path, **BY_LIST)
    assert_suspect(snapshot, f"{max(lengths):,} entries and no next link", [])
    assert len(queries) == 1


@pytest.mark.parametrize("lengths", [(9_999, 0), (1, 9_999)])
async def test_pager_believes_fewer_than_ten_thousand_google_entries(lengths, tmp_path):
    snapshot, queries = await crawl_one([page(google_listing(*lengths), APP)], tmp_path, **BY_LIST)
    assert_complete(snapshot, ["team/app"])
    assert len(queries) == 1


async def test_pager_believes_ten_thousand_google_entries_with_a_link(tmp_path):
    script = [
        page(google_listing(10_000, link="<?last=a&n=10000>; rel=next"), APP, last=None),
        page(google_listing(10_001), APP, last="a"),
    ]
    snapshot, _ = await crawl_one(script, tmp_path, **BY_LIST)
    assert_complete(snapshot, ["team/app"])
    assert len(snapshot.by_name["team/app"]["images"]) == 10_001
