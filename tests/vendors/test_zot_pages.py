"""Pages of zot's search: a registry that changes while they are read, and responses of any shape."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registries.crawls import crawl
from registries.vocabulary import numbered
from registries.zot_api import INDEX_TYPE, SEARCH, asking, expected, images_page, protocol, results_of, search, single
from support.api_images import numbered_digest
from support.json_values import flat
from support.scripted import on, refusal, serve

from crawler.errors import MalformedResponse
from crawler.vendors.zot import parse_images
from crawler.wire.digest import is_digest

API = {"kind": "zot", "discovery": "api", "images_from": "api", "images": {"depth": "digests"}}


def changed(results, *, deleted=0, offset=999):
    """The second page of images after the first `deleted` ones are gone."""
    left = results[deleted:]
    return on(SEARCH, images_page(left[offset : offset + 1001], len(left)), query=asking("", offset))


@pytest.mark.parametrize("deleted", [1, 400])
async def test_zot_images_that_are_deleted_meanwhile_hide_no_others(tmp_path, deleted):
    """Pages are counted from the start: without an overlap the page after a deletion begins too late."""
    inventory = {"app": tuple(single(tag, number) for number, tag in enumerate(numbered("v", 1500)))}
    results = results_of(inventory)
    script = [changed(results, deleted=deleted), changed(results, deleted=deleted, offset=499)]
    async with serve([*script, *search(inventory), *protocol(inventory)]) as server:
        snapshot = await crawl(server, tmp_path, **API)
    assert snapshot.records[0]["images"] == expected(inventory["app"])
    assert len(server.asked(SEARCH)) == 3
    assert snapshot.manifest["verdict"] == "complete"


MANY = {
    "app": tuple(single(tag, number) for number, tag in enumerate(numbered("v", 900))),
    "web": tuple(single(tag, 5000 + number) for number, tag in enumerate(numbered("v", 600))),
}
RESULTS = results_of(MANY)


async def test_zot_images_that_are_pushed_meanwhile_hide_no_others(tmp_path):
    """The second page begins within a repository that was whole on the first one."""
    pushed = [{**RESULTS[0], "Tag": f"a{number}"} for number in range(300)]
    later = [*pushed, *RESULTS]
    script = [on(SEARCH, images_page(later[999:2000], len(later)), query=asking("", 999))]
    async with serve([*script, *search(MANY), *protocol(MANY)]) as server:
        snapshot = await crawl(server, tmp_path, **API)
    assert {name: record["images"] for name, record in snapshot.by_name.items()} == {
        name: expected(held) for name, held in MANY.items()
    }
    assert len(server.asked(SEARCH)) == 2


BROKEN = {
    "counts more than it lists": (images_page([], 1500), "1,000 of 1,500 images, and nothing new on the next page"),
    "fails": (refusal(500, "UNKNOWN", "out of memory"), "500 UNKNOWN: out of memory"),
    "is not in order": (images_page(RESULTS[:1000:-1], 1500), "not in the order of their repositories and tags"),
    "is the first page again": (images_page(RESULTS[:1000], 1500), "1,999 of 1,500 images, and nothing new"),
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_zot_list_that_breaks_off_is_completed_by_the_catalog_and_by_repository(tmp_path, broken):
    reply, why = BROKEN[broken]
    second = [on(SEARCH, reply, query=asking("", offset)) for offset in (999, 499)]
    async with serve([*second, *search(MANY), *protocol(MANY)]) as server:
        snapshot = await crawl(server, tmp_path, **API)
    assert {name: record["images"] for name, record in snapshot.by_name.items()} == {
        name: expected(held) for name, held in MANY.items()
    }
    assert why in snapshot.manifest["discovery"]["evidence"]
    assert snapshot.manifest["verdict"] == "complete"


async def test_zot_list_that_is_never_where_it_was_ends(tmp_path):
    """Each page begins after the image that it must begin with."""
    results = results_of({"app": tuple(single(tag, number) for number, tag in enumerate(numbered("v", 5000)))})
    moving = [on(SEARCH, images_page(results[4000:], 5000), query=asking("", 3999 - 500 * step)) for step in range(4)]
    whole = {"app": MANY["app"]}
    pages = [on(SEARCH, images_page(results[:4000], 5000), query=asking("", 0))]
    of_app = [entry for entry in search(whole) if "app" in entry.match.query["variables"]]
    async with serve([*moving, *pages, *of_app, *protocol(whole)]) as server:
        snapshot = await crawl(server, tmp_path, **API)
    assert snapshot.records[0]["images"] == expected(whole["app"])
    assert "images were deleted while the list was read, 4 times" in snapshot.manifest["discovery"]["evidence"]


# ------------------------------------------------------------------------------------------------------------ parser

result = st.dictionaries(
    st.sampled_from(
        ["RepoName", "Tag", "Digest", "MediaType", "Size", "LastUpdated", "IsSigned", "Manifests", "Referrers"]
    ),
    flat
    | st.sampled_from([numbered_digest(1), INDEX_TYPE, "12", "2026-11-01T10:00:00Z"])
    | st.lists(
        st.dictionaries(st.sampled_from(["Digest", "Platform", "ArtifactType", "Annotations"]), flat), max_size=2
    ),
)
named = st.builds(lambda name, changes: {"RepoName": name, "Tag": "v1", **changes}, st.sampled_from("abc"), result)


def body(**changes):
    page = {"Page": {"TotalCount": 1}, "Results": [], **changes}
    return json.dumps({"data": {"ImageList": page}}).encode()


@given(flat | st.lists(flat | named | result, max_size=3), flat | st.builds(lambda total: {"TotalCount": total}, flat))
def test_zot_page_of_any_json_is_parsed_or_malformed(results, page):
    try:
        parsed = parse_images(body(Results=results, Page=page))
    except MalformedResponse:
        return
    assert isinstance(parsed.total, int)
    for entry in parsed.entries:
        assert entry.repository
        assert entry.tag
        assert entry.image is None or is_digest(entry.image.digest)


@given(flat, flat)
def test_zot_response_of_any_json_is_malformed(data, errors):
    with pytest.raises(MalformedResponse):
        parse_images(json.dumps({"data": data, "errors": errors}).encode())


def test_zot_image_without_a_valid_digest_keeps_its_tag():
    (entry,) = parse_images(body(Results=[{"RepoName": "app", "Tag": "v1", "Digest": "sha1:abc"}])).entries
    assert (entry.key, entry.image) == (("app", "v1"), None)


@pytest.mark.parametrize("referrers", [None, [{}], [{"Digest": "sha1:abc"}], [7]])
def test_zot_referrers_that_cannot_be_read_are_unknown(referrers):
    listed = {"RepoName": "app", "Tag": "v1", "Digest": numbered_digest(1), "IsSigned": False, "Referrers": referrers}
    (entry,) = parse_images(body(Results=[listed])).entries
    assert entry.image.referrers is None
