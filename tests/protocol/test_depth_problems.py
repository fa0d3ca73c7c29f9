"""What is broken behind a tag is a problem; what could not be read makes the snapshot partial."""

import json
from base64 import b64encode

import pytest
from support.depth_app import APP, ARM, CONFIG, SINGLE, UNKNOWN, registry, tag_path
from support.depth_crawls import deep_crawl, exchanges
from support.oci_documents import OCI_INDEX
from support.scripted import Reply, basic_registry, document, html, listing_path, on, refusal, serve
from support.scripted_images import (
    Content,
    blobs,
    child,
    config,
    digest_named,
    image,
    index,
    manifests,
)

import crawler

INDEX = index(child(SINGLE), child(ARM, "arm64"))
BLOB_UNKNOWN = refusal(404, "BLOB_UNKNOWN", "blob unknown to registry")


async def test_tag_without_its_manifest_dangles_and_the_snapshot_is_complete(tmp_path):
    tags = {"1.0": SINGLE, "broken": ARM}
    async with serve([on(tag_path("broken"), UNKNOWN), *registry(tags)]) as server:
        crawl = await deep_crawl(server, tmp_path)
    assert crawl.problems(APP) == [("dangling-tag", "broken", None)]
    (problem,) = crawl.records[APP]["problems"]
    assert (problem["code"], problem["http_status"], problem["message"]) == (
        "MANIFEST_UNKNOWN",
        404,
        "manifest unknown",
    )
    assert len(server.asked(listing_path(APP))) == 2, "the repository is listed once more"
    assert (crawl.manifest.verdict, crawl.manifest.counts.problems) == ("complete", 1)
    assert crawl.records[APP]["tags"] == ["1.0", "broken"]
    assert list(crawl.images(APP)) == [SINGLE.digest]


async def test_tag_that_was_deleted_meanwhile_has_vanished(tmp_path):
    tags = {"1.0": SINGLE, "gone": ARM}
    script = [
        on(listing_path(APP), document({"name": APP, "tags": ["1.0"]}), state="deleted"),
        on(tag_path("gone"), UNKNOWN, then="deleted"),
        *registry(tags),
    ]
    async with serve(script) as server:
        crawl = await deep_crawl(server, tmp_path)
    assert crawl.problems(APP) == [("vanished-tag", "gone", None)]
    assert crawl.manifest.verdict == "complete"


async def test_tags_have_vanished_where_the_repository_has(tmp_path):
    gone = refusal(404, "NAME_UNKNOWN", "repository name not known to registry")
    script = [on(listing_path(APP), gone, state="deleted"), on(tag_path("1.0"), UNKNOWN, then="deleted")]
    async with serve([*script, *registry({"1.0": SINGLE})]) as server:
        crawl = await deep_crawl(server, tmp_path)
    assert crawl.problems(APP) == [("vanished-tag", "1.0", None)]


@pytest.mark.parametrize(
    "reply",
    [Reply(status=404, body=b"404 page not found"), html(404), Reply(status=500), refusal(403, "DENIED", "no")],
    ids=["plain-404", "html-404", "500", "403"],
)
async def test_tag_that_cannot_be_read_makes_the_snapshot_partial(reply, tmp_path):
    """A proxy's 404 proves nothing."""
    async with serve([on(tag_path("bad"), reply), *registry({"1.0": SINGLE, "bad": ARM})]) as server:
        crawl = await deep_crawl(server, tmp_path)
    assert crawl.problems(APP) == [("manifest-unreadable", "bad", None)]
    assert crawl.manifest.verdict == "partial"
    assert crawl.manifest.reasons == ("1 of 2 images was not read",)
    assert crawl.records[APP]["outcome"] == "ok"


async def test_304_to_an_unconditional_request_makes_the_snapshot_partial(tmp_path):
    async with serve([on(tag_path("1.0"), Reply(status=304)), *registry({"1.0": SINGLE})]) as server:
        crawl = await deep_crawl(server, tmp_path)
    assert crawl.problems(APP) == [("manifest-unreadable", "1.0", None)]
    assert crawl.records[APP]["problems"][0]["http_status"] == 304
    assert crawl.manifest.verdict == "partial"


async def test_tag_that_could_not_be_read_is_read_once_more_at_the_end(tmp_path):
    failing = on(tag_path("bad"), Reply(status=500), times=1)
    async with serve([failing, *registry({"1.0": SINGLE, "bad": ARM})]) as server:
        crawl = await deep_crawl(server, tmp_path)
    assert (crawl.manifest.verdict, crawl.problems(APP)) == ("complete", [])
    assert len(server.asked(listing_path(APP))) == 1


async def test_tags_that_were_read_cost_nothing_at_the_end(tmp_path):
    tags = {f"1.{number}": image(CONFIG, f"layer {number}") for number in range(5)}
    failing = on(tag_path("1.3"), Reply(status=500), times=1)
    async with serve([failing, *registry(tags)]) as server:
        crawl = await deep_crawl(server, tmp_path, depth="digests")
    assert (crawl.manifest.verdict, len(crawl.images(APP))) == ("complete", 5)
    assert len(exchanges(server)) == 5 + 1


async def test_budget_that_is_spent_loses_nothing_of_what_was_read_before_a_failure(tmp_path):
    tags = {f"1.{number}": image(CONFIG, f"layer {number}") for number in range(10)}
    async with serve([on(tag_path("1.0"), Reply(status=500)), *registry(tags)]) as server:
        crawl = await deep_crawl(server, tmp_path, depth="digests", limits={"budget": 5, "concurrency": 1})
    assert sorted(tag for found in crawl.images(APP).values() for tag in found["tags"]) == ["1.1", "1.2", "1.3", "1.4"]
    assert len(exchanges(server)) == 5


async def test_child_that_is_not_there_is_a_problem_and_the_snapshot_is_complete(tmp_path):
    """Cleanup jobs delete the children of indexes (doobidoo/mcp-memory-service#1044)."""
    async with serve([on(tag_path(ARM.digest), UNKNOWN), *registry({"1.0": INDEX})]) as server:
        crawl = await deep_crawl(server, tmp_path)
    assert crawl.problems(APP) == [("index-child-missing", "1.0", ARM.digest)]
    assert crawl.manifest.verdict == "complete"
    assert sorted(crawl.images(APP)) == sorted([INDEX.digest, SINGLE.digest])
    assert [each["digest"] for each in crawl.images(APP)[INDEX.digest]["platforms"]] == [SINGLE.digest, ARM.digest]


async def test_blob_in_an_index_is_not_missed_among_the_manifests(tmp_path):
    blob = {"digest": digest_named("blob"), "size": 5, "mediaType": "application/vnd.example.notes+json"}
    async with serve(registry({"1.0": index(child(SINGLE), blob)})) as server:
        crawl = await deep_crawl(server, tmp_path)
    assert crawl.problems(APP) == []
    assert crawl.manifest.verdict == "complete"
    (of_index,) = (found for found in crawl.images(APP).values() if found["kind"] == "index")
    assert [platform["role"] for platform in of_index["platforms"]] == ["image", "artifact"]


async def test_config_that_is_not_there_is_a_problem_and_the_snapshot_is_complete(tmp_path):
    async with serve([on(f"/v2/{APP}/blobs/{CONFIG.digest}", BLOB_UNKNOWN), *registry({"1.0": SINGLE})]) as server:
        crawl = await deep_crawl(server, tmp_path)
    assert crawl.problems(APP) == [("config-missing", "1.0", CONFIG.digest)]
    assert crawl.manifest.verdict == "complete"
    assert crawl.images(APP)[SINGLE.digest]["config"] is None


async def test_child_that_cannot_be_read_makes_the_snapshot_partial(tmp_path):
    async with serve([on(tag_path(ARM.digest), Reply(status=500)), *registry({"1.0": INDEX})]) as server:
        crawl = await deep_crawl(server, tmp_path)
    assert crawl.problems(APP) == [("manifest-unreadable", "1.0", ARM.digest)]
    assert crawl.manifest.reasons == ("1 of 3 images was not read",)
    assert crawl.images(APP)[ARM.digest]["manifest"] is None


@pytest.mark.parametrize("path", [tag_path("1.0"), tag_path(ARM.digest), f"/v2/{APP}/blobs/{CONFIG.digest}"])
async def test_body_with_another_digest_makes_the_snapshot_partial_and_is_never_kept(path, tmp_path):
    forged = Content(json.dumps({"schemaVersion": 2, "config": {"User": "forged"}}).encode(), "application/json")
    named = INDEX.digest if path == tag_path("1.0") else "sha256:" + "0" * 64
    reply = forged.reply.but(headers=(("Content-Type", OCI_INDEX), ("Docker-Content-Digest", named)))
    async with serve([on(path, reply, state=""), *registry({"1.0": INDEX})]) as server:
        crawl = await deep_crawl(server, tmp_path)
        assert [problem for problem, _, _ in crawl.problems(APP)] == ["digest-mismatch"]
        assert crawl.manifest.verdict == "partial"
        assert b"forged" not in crawl.lines
        server.enter("honest again")
        again = await deep_crawl(server, tmp_path)
    assert (again.manifest.verdict, again.problems(APP)) == ("complete", [])
    assert b"forged" not in again.lines


async def test_content_with_our_own_credentials_is_not_said_to_be_forged(tmp_path):
    """Images of build machines hold `DOCKER_AUTH_CONFIG`. What quotes the credentials is never shown or kept."""
    secret = b64encode(b"user:password").decode()
    of = config("ci", config={"Env": [f'DOCKER_AUTH_CONFIG={{"auth":"{secret}"}}']})
    tags = {"1.0": image(of, "ci")}
    script = [*manifests(APP, tags), *blobs(APP, of), *basic_registry({APP: tags})]
    login = {"auth": {"method": "basic", "username": "user", "password": "password"}}
    async with serve(script) as server:
        crawl = await deep_crawl(server, tmp_path, registry=login)
    assert crawl.problems(APP) == [("manifest-unreadable", "1.0", tags["1.0"].digest)]
    assert "quotes the credentials of this run" in crawl.records[APP]["problems"][0]["message"]
    assert crawl.manifest.verdict == "partial"
    assert secret.encode() not in crawl.lines


async def test_login_page_in_place_of_a_manifest_makes_the_snapshot_partial(tmp_path):
    async with serve([on(tag_path("1.0"), html()), *registry({"1.0": SINGLE})]) as server:
        crawl = await deep_crawl(server, tmp_path)
    assert crawl.problems(APP) == [("manifest-unreadable", "1.0", None)]
    assert crawl.manifest.verdict == "partial"
    assert crawl.records[APP]["images"] == []


@pytest.mark.parametrize("body", [b"not JSON", b"{}", b"[]", b'{"manifests": 7}'])
async def test_manifest_that_is_invalid_is_a_problem_and_the_snapshot_is_complete(body, tmp_path):
    """Its digest is right: this is what was pushed, and reading it again tomorrow would not help."""
    nonsense = Content(body, OCI_INDEX)
    async with serve(registry({"1.0": nonsense})) as server:
        crawl = await deep_crawl(server, tmp_path)
    assert crawl.problems(APP) == [("manifest-unreadable", "1.0", nonsense.digest)]
    assert crawl.records[APP]["problems"][0]["code"] == "INVALID_CONTENT"
    assert crawl.manifest.verdict == "complete"
    assert crawl.images(APP)[nonsense.digest]["tags"] == ["1.0"]


async def test_config_that_is_invalid_is_a_problem_and_the_snapshot_is_complete(tmp_path):
    nonsense = Content(b'["TOKEN=hunter2"]', CONFIG.media_type)
    broken = image(nonsense, "base")
    async with serve([*blobs(APP, nonsense), *registry({"1.0": broken})]) as server:
        crawl = await deep_crawl(server, tmp_path)
    assert crawl.problems(APP) == [("manifest-unreadable", "1.0", nonsense.digest)]
    assert crawl.manifest.verdict == "complete"
    assert b"hunter2" not in crawl.lines


async def test_image_of_schema_1_is_a_problem_and_the_snapshot_is_complete(tmp_path):
    """Its digest is that of the part that is signed, and not of the body."""
    media_type = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    body = json.dumps({"schemaVersion": 1, "name": APP, "tag": "old", "fsLayers": [], "signatures": []}).encode()
    digest = digest_named("the signed part")
    reply = Reply(headers=(("Content-Type", media_type), ("Docker-Content-Digest", digest)), body=body)
    async with serve([on(tag_path("old"), reply), *registry({"old": SINGLE, "1.0": SINGLE})]) as server:
        crawl = await deep_crawl(server, tmp_path)
    assert crawl.problems(APP) == [("schema1", "old", digest)]
    assert crawl.manifest.verdict == "complete"
    found = crawl.images(APP)[digest]
    assert (found["media_type"], found["kind"], found["tags"]) == (media_type, "image", ["old"])


async def test_schema_1_in_a_list_is_a_problem_and_the_snapshot_is_complete(tmp_path):
    """Its digest is that of the part that is signed, so that no body has it."""
    media_type = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    signed = digest_named("the signed part")
    body = json.dumps({"schemaVersion": 1, "name": APP, "tag": "old", "fsLayers": [], "signatures": []}).encode()
    reply = Reply(headers=(("Content-Type", media_type), ("Docker-Content-Digest", signed)), body=body)
    both = index(child(SINGLE), {"digest": signed, "size": len(body), "mediaType": media_type})
    async with serve([on(tag_path(signed), reply), *registry({"1.0": both})]) as server:
        crawl = await deep_crawl(server, tmp_path)
    assert crawl.problems(APP) == [("schema1", "1.0", signed)]
    assert crawl.manifest.verdict == "complete"


@pytest.mark.parametrize("tag", ["../../../v2/_catalog", "a?b", "-x", "a" * 129, "ü"])
async def test_tag_that_no_registry_may_have_is_never_requested(tag, tmp_path):
    script = [on(listing_path(APP), document({"name": APP, "tags": ["1.0", tag]})), *registry({"1.0": SINGLE})]
    async with serve(script) as server:
        crawl = await deep_crawl(server, tmp_path, depth="digests")
    assert [problem for problem, _, _ in crawl.problems(APP)] == ["manifest-unreadable"]
    assert exchanges(server) == [("GET", tag_path("1.0"))]
    assert crawl.manifest.verdict == "complete"


async def test_budget_that_is_spent_publishes_what_is_known_with_the_numbers(tmp_path):
    tags = {f"1.{number}": image(CONFIG, f"layer {number}") for number in range(10)}
    async with serve(registry(tags)) as server:
        crawl = await deep_crawl(server, tmp_path, depth="digests", limits={"budget": 4})
    assert len(exchanges(server)) == 4
    assert crawl.manifest.reasons == ("6 of 10 images were not read: the budget of 4 exchanges is spent (--budget)",)
    assert (crawl.manifest.counts.images, crawl.manifest.counts.unread) == (4, 6)
    assert {problem["code"] for problem in crawl.records[APP]["problems"]} == {"BUDGET"}


async def test_budget_is_not_needed_for_what_the_cache_has(tmp_path):
    async with serve(registry({"1.0": INDEX})) as server:
        await deep_crawl(server, tmp_path)
        crawl = await deep_crawl(server, tmp_path, limits={"budget": 1})
    assert (crawl.manifest.verdict, crawl.problems(APP)) == ("complete", [])


async def test_throttling_without_end_ends_the_run_as_it_does_for_listings(tmp_path):
    throttled = on(tag_path("1.0"), Reply(status=429, headers=(("Retry-After", "0"),)))
    async with serve([throttled, *registry({"1.0": SINGLE})]) as server:
        with pytest.raises(crawler.GaveUp):
            await deep_crawl(server, tmp_path, limits={"attempts": 3, "give_up_after": 0.2})
