"""Depth while the registry changes: tags that are pushed, moved and deleted as they are read."""

from support.depth_app import APP, ARM, SINGLE, UNKNOWN, registry, tag_path
from support.depth_crawls import deep_crawl
from support.scripted import Reply, document, listing_path, on, serve
from support.scripted_images import child, index


def google(content, *tags):
    """A listing of Google's with one image."""
    listed = {"tag": tags, "mediaType": content.media_type, "imageSizeBytes": "1", "timeCreatedMs": "0"}
    listed |= {"timeUploadedMs": "1700000000000", "layerId": ""}
    return document({"child": [], "manifest": {content.digest: listed}, "name": APP, "tags": tags})


async def test_tag_that_was_pushed_again_meanwhile_is_read(tmp_path):
    script = [on(tag_path("1.0"), UNKNOWN, times=1), *registry({"1.0": SINGLE})]
    async with serve(script) as server:
        crawl = await deep_crawl(server, tmp_path)
    assert crawl.problems(APP) == []
    assert list(crawl.images(APP)) == [SINGLE.digest]


async def test_listed_tag_that_moved_while_its_old_image_was_deleted(tmp_path):
    script = [
        on(listing_path(APP), google(ARM, "latest"), state="moved"),
        on(listing_path(APP), google(SINGLE, "latest")),
        on(tag_path(SINGLE.digest), UNKNOWN, then="moved"),
        on(tag_path("latest"), ARM.reply),
    ]
    async with serve([*script, *registry({"latest": ARM})]) as server:
        crawl = await deep_crawl(server, tmp_path)
    assert crawl.problems(APP) == []
    (found,) = crawl.images(APP).values()
    assert (found["digest"], found["tags"]) == (ARM.digest, ["latest"])
    assert found["config"]["architecture"] == "arm64"


async def test_listed_tag_whose_image_is_not_there_dangles(tmp_path):
    script = [
        on(listing_path(APP), google(SINGLE, "latest")),
        *(on(tag_path(of), UNKNOWN) for of in ("latest", SINGLE.digest)),
    ]
    async with serve([*script, *registry({"latest": SINGLE})]) as server:
        crawl = await deep_crawl(server, tmp_path)
    assert crawl.problems(APP) == [("dangling-tag", "latest", SINGLE.digest)]
    assert list(crawl.images(APP)) == [SINGLE.digest]
    assert crawl.manifest.verdict == "complete"


async def test_304_that_names_another_digest_is_not_believed(tmp_path):
    """A cache in between may compare with an older answer than the one that it names."""
    lying = Reply(status=304, headers=(("Docker-Content-Digest", ARM.digest),))
    script = [
        on(tag_path("1.0"), lying, headers={"If-None-Match": ".+"}),
        on(tag_path("1.0"), ARM.reply, state="moved"),
        *registry({"1.0": SINGLE}),
    ]
    async with serve(script) as server:
        await deep_crawl(server, tmp_path)
        server.enter("moved")
        crawl = await deep_crawl(server, tmp_path)
    assert [found["tags"] for found in crawl.images(APP).values()] == [["1.0"]]
    assert list(crawl.images(APP)) == [ARM.digest]


async def test_record_does_not_depend_on_which_response_comes_first(tmp_path):
    """Two indexes list a child, each with another platform, and three tags lead to them."""
    first, second = (
        index({**child(ARM, "arm64"), "annotations": {"of": "first"}}),
        index(child(ARM, "arm"), child(SINGLE)),
    )
    tags = {"latest": first, "1.0": first, "2.0": second}
    missing = on(tag_path(ARM.digest), UNKNOWN)
    found = []
    for slow, content in tags.items():
        late = on(tag_path(slow), content.reply.but(piece=len(content.body) // 2, delay_s=0.1))
        async with serve([missing, late, *registry(tags)]) as server:
            crawl = await deep_crawl(server, tmp_path / slow)
        found.append((crawl.records[APP]["images"], crawl.records[APP]["problems"]))
        assert ("index-child-missing", ARM.digest) in [(kind, digest) for kind, _, digest in crawl.problems(APP)]
    assert found[0] == found[1] == found[2]
