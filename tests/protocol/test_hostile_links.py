"""Link headers and pages: every request stays on the registry's origin, and a lost page is never forgotten."""

from collections.abc import Iterable

import pytest
from support.hostile_servers import (
    CATALOG,
    LISTING,
    VICTIM,
    assert_others_whole,
    cases,
    catalog_of,
    crawl_snapshot,
    is_one_line,
    tags_of,
)
from support.scripted import (
    REPOSITORIES,
    Reply,
    document,
    on,
    plain_registry,
    serve,
)

pytestmark = pytest.mark.usefixtures("few_authorities")


FOLLOWED_LINKS = {
    "relative-to-the-host": ['</v2/_catalog?last=c>; rel="next"'],
    "relative-to-the-path": ['<_catalog?last=c>; rel="next"'],
    "a-query-alone": ['<?last=c>; rel="next"'],
    "absolute": ['<{origin}/v2/_catalog?last=c>; rel="next"'],
    "without-a-scheme": ['<//{host}/v2/_catalog?last=c>; rel="next"'],
    "on-a-wrong-host-behind-a-proxy": ['<http://inner.example.invalid:8081/v2/_catalog?last=c>; rel="next"'],
    "on-a-wrong-scheme-behind-a-proxy": ['<https://{host}/v2/_catalog?last=c>; rel="next"'],
    "on-the-metadata-address": ['<http://169.254.169.254/v2/_catalog?last=c>; rel="next"'],
    "with-another-prefix": ['</artifactory/api/docker/key/v2/_catalog?last=c>; rel="next"'],
    "with-a-user": ['<http://eve:adam@{host}/v2/_catalog?last=c>; rel="next"'],
    "with-an-unquoted-relation": ["</v2/_catalog?last=c>;rel=next"],
    "with-a-shouted-relation": ['</v2/_catalog?last=c>; REL="NEXT"'],
    "with-several-relations": ['</v2/_catalog?last=c>; rel="last next"'],
    "with-parameters-before": ['</v2/_catalog?last=c>; title="a, <b>; c"; rel="next"'],
    "among-several": ['</v2/_catalog?last=0>; rel="first", </v2/_catalog?last=c>; rel="next", </>; rel="up"'],
    "among-several-headers": ['</v2/_catalog?last=0>; rel="prev"', '</v2/_catalog?last=c>; rel="next"'],
    "without-brackets": ['/v2/_catalog?last=c; rel="next"'],
    "with-a-fragment": ['</v2/_catalog?last=c#?last=x>; rel="next"'],
}


@cases("links", FOLLOWED_LINKS)
async def test_link_is_followed_on_the_registrys_own_origin(links, tmp_path):
    """The request goes to the registry, whatever host or scheme the link names."""
    script = [
        on(CATALOG, catalog_of("alpha", links=links), query={"last": None}),
        on(CATALOG, catalog_of(VICTIM, "zulu"), query={"last": "c"}),
        *plain_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    assert_others_whole(snapshot, but="")
    assert snapshot.manifest["verdict"] == "complete"
    assert len(server.asked(CATALOG)) == 2
    assert server.authorizations == set()


REFUSED_LINKS = {
    "on-a-foreign-host-to-another-path": '<http://evil.example.invalid/steal?last=c>; rel="next"',
    "to-another-path": '</v2/alpha/tags/list?last=c>; rel="next"',
    "to-the-root": '</>; rel="next"',
    "up-and-away": '<../../admin?last=c>; rel="next"',
    "of-a-foreign-scheme": '<ftp://{host}/v2/_catalog?last=c>; rel="next"',
    "of-a-file": '<file:///v2/_catalog?last=c>; rel="next"',
    "of-javascript": '<javascript:alert(1)>; rel="next"',
    "without-an-address": '<http://[::1/v2/_catalog?last=c>; rel="next"',
    "to-its-own-page": '<{origin}/v2/_catalog?n=1000>; rel="next"',
    "to-nowhere": '<>; rel="next"',
    "without-an-end": '</v2/_catalog?last=c; rel="next"',
}


@cases("link", REFUSED_LINKS)
async def test_link_of_a_catalog_is_refused_and_makes_it_partial(link, tmp_path):
    """The names of the first page are published; the verdict says that there may be more."""
    async with serve([on(CATALOG, catalog_of("alpha", "zulu", links=[link])), *plain_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    assert len(server.asked(CATALOG)) == 1
    assert snapshot.outcomes == {"alpha": "ok", "zulu": "ok"}
    assert snapshot.manifest["verdict"] == "partial"
    assert snapshot.manifest["discovery"]["complete"] is False
    assert is_one_line(snapshot.manifest["discovery"]["evidence"])


@cases("link", REFUSED_LINKS)
async def test_link_of_a_listing_is_refused_and_makes_it_suspect(link, tmp_path):
    link = link.replace("_catalog?n=1000", f"{VICTIM}/tags/list").replace("_catalog", f"{VICTIM}/tags/list")
    async with serve([on(LISTING, tags_of("edge", links=[link])), *plain_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    record = snapshot.by_name[VICTIM]
    assert len(server.asked(LISTING)) == 1
    assert (record["outcome"], record["tags"]) == ("ok", ["edge"])
    assert record["suspect"]
    assert snapshot.manifest["verdict"] == "partial"
    assert_others_whole(snapshot, but="")


async def test_link_back_to_the_first_page_ends_the_walk(tmp_path):
    script = [
        on(CATALOG, catalog_of("alpha", links=["<?last=a>; rel=next"]), query={"last": None}),
        on(CATALOG, catalog_of("zulu", links=["<?n=1000>; rel=next"]), query={"last": "a"}),
        *plain_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    assert len(server.asked(CATALOG)) == 2
    assert snapshot.outcomes == {"alpha": "ok", "zulu": "ok"}
    assert "leads back" in snapshot.manifest["reasons"][0]


@cases("names", {"the-same-names": ["alpha", "zulu"], "one-of-the-names": ["zulu"]})
async def test_link_loop_that_repeats_names_ends_the_walk(names, tmp_path):
    script = [
        on(CATALOG, catalog_of("alpha", "zulu", links=["<?last=0>; rel=next"]), query={"last": None}),
        on(CATALOG, catalog_of(*names, links=["<?last={count}>; rel=next"])),
        *plain_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    assert len(server.asked(CATALOG)) == 2
    assert snapshot.outcomes == {"alpha": "ok", "zulu": "ok"}
    assert snapshot.manifest["verdict"] == "partial"
    assert "repeated earlier entries" in snapshot.manifest["reasons"][0]


async def test_link_loop_that_repeats_tags_ends_the_walk(tmp_path):
    async with serve([on(LISTING, tags_of("edge", links=["<?last={count}>; rel=next"])), *plain_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    assert len(server.asked(LISTING)) == 2
    assert snapshot.by_name[VICTIM]["tags"] == ["edge"]
    assert "repeated earlier entries" in snapshot.by_name[VICTIM]["suspect"]
    assert snapshot.manifest["verdict"] == "partial"


async def test_link_to_an_empty_last_page_is_complete(tmp_path):
    script = [
        on(CATALOG, catalog_of(*REPOSITORIES, links=["<?last=zulu>; rel=next"]), query={"last": None}),
        on(CATALOG, catalog_of(links=["<?last=>; rel=next"]), query={"last": "zulu"}),
        *plain_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    assert snapshot.manifest["verdict"] == "complete"
    assert "empty last page" in snapshot.manifest["discovery"]["evidence"]
    assert_others_whole(snapshot, but="")


async def test_link_of_a_page_of_nulls_is_followed(tmp_path):
    """A page of nulls is not the empty page that ends a list."""
    script = [
        on(CATALOG, catalog_of(None, None, links=['</v2/_catalog?last=alpha>; rel="next"']), query={"last": None}),
        on(CATALOG, catalog_of("alpha"), query={"last": "alpha"}),
        *plain_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    assert len(server.asked(CATALOG)) == 2
    assert snapshot.outcomes == {"alpha": "ok"}
    assert snapshot.manifest["verdict"] == "partial"
    assert "2 entries were not strings" in snapshot.manifest["discovery"]["evidence"]


async def test_link_with_a_cursor_that_is_not_encoded_is_encoded(tmp_path):
    """The server gets the cursor that it meant, and the request line stays one line."""
    script = [
        on(CATALOG, catalog_of("alpha", links=["<?last=a b,\u00e9&x=1>; rel=next"]), query={"last": None}),
        on(CATALOG, catalog_of(VICTIM, "zulu"), query={"last": "a b,\u00e9"}),
        *plain_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    assert " " not in server.asked(CATALOG)[1].target
    assert snapshot.manifest["verdict"] == "complete"
    assert_others_whole(snapshot, but="")


def images_of(*digests: str, links: Iterable[str] = ()) -> Reply:
    images = {digest: {"imageSizeBytes": "1", "tag": []} for digest in digests}
    value = {"name": VICTIM, "tags": [], "child": [], "manifest": images}
    return document(value, *(("Link", link) for link in links))


async def test_link_of_a_page_of_untagged_images_is_followed(tmp_path):
    """A page without tags is not empty if it has images."""
    script = [
        on(LISTING, images_of("sha256:a", links=["<?last=a>; rel=next"]), query={"last": None}),
        on(LISTING, images_of("sha256:b"), query={"last": "a"}),
        *plain_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    record = snapshot.by_name[VICTIM]
    assert [image["digest"] for image in record["images"]] == ["sha256:a", "sha256:b"]
    assert snapshot.manifest["verdict"] == "complete"
