"""The second pass lists failed repositories once more at the end of the run. Also: names that are never requested."""

import pytest
from support.scripted import Reply, document, html, listing_path, on, plain_registry, refusal, serve
from support.snapshots import read_snapshot

import crawler

NAMES = [f"team/app-{number:02}" for number in range(12)]
HOLDS = {name: ["1"] for name in NAMES}


def config(server, folder, **registry) -> crawler.Config:
    limits = {"attempts": 1, "concurrency": 2}
    return crawler.Config(registry=[{"target": server.host, **registry}], limits=limits, output={"path": folder})


@pytest.mark.parametrize(
    "reply",
    [Reply(status=500), html(), Reply(status=404, body=b"404 page not found"), refusal(400, "UNSUPPORTED", "no")],
    ids=["500", "html", "a-proxy's-404", "400"],
)
async def test_second_pass_lists_a_repository_that_failed(reply, tmp_path):
    victim = listing_path(NAMES[3])
    async with serve([on(victim, reply, times=1), *plain_registry(HOLDS)]) as server:
        manifest = await crawler.crawl(config(server, tmp_path))
    assert (manifest.verdict, manifest.counts.ok) == ("complete", len(NAMES))
    assert server.paths[-1] == victim, "the second pass comes last"
    assert read_snapshot(tmp_path).by_name[NAMES[3]]["tags"] == ["1"]


async def test_second_pass_is_the_last_one(tmp_path):
    victim = listing_path(NAMES[3])
    async with serve([on(victim, Reply(status=500)), *plain_registry(HOLDS)]) as server:
        manifest = await crawler.crawl(config(server, tmp_path))
    assert (manifest.verdict, manifest.counts.failed) == ("partial", 1)
    assert len(server.asked(victim)) == 2


@pytest.mark.parametrize("status", [401, 403])
async def test_second_pass_skips_denied_repositories(status, tmp_path):
    victim = listing_path(NAMES[3])
    async with serve([on(victim, refusal(status, "DENIED", "no")), *plain_registry(HOLDS)]) as server:
        manifest = await crawler.crawl(config(server, tmp_path))
    assert (manifest.verdict, manifest.counts.denied) == ("partial", 1)
    assert len(server.asked(victim)) == 1


async def test_second_pass_opens_a_folder_that_failed(tmp_path):
    """The walk waits for the second pass, because the folder may contain the rest of the registry."""
    script = [
        on("/v2/proj/folder/tags/list", Reply(status=500), times=1),
        on("/v2/", document({})),
        on("/v2/proj/tags/list", document({"child": ["app", "folder"], "manifest": {}, "tags": []})),
        on("/v2/proj/app/tags/list", document({"child": [], "manifest": {}, "tags": ["1"]})),
        on("/v2/proj/folder/tags/list", document({"child": ["deep"], "manifest": {}, "tags": []})),
        on("/v2/proj/folder/deep/tags/list", document({"child": [], "manifest": {}, "tags": ["2"]})),
    ]
    async with serve(script) as server:
        settings = config(
            server, tmp_path, target=f"{server.host}/proj", kind="gcr", discovery="walk", auth={"method": "anonymous"}
        )
        manifest = await crawler.crawl(settings)
    assert (manifest.verdict, manifest.reasons) == ("complete", ())
    assert set(read_snapshot(tmp_path).by_name) == {"proj/app", "proj/folder/deep"}


async def test_second_pass_of_many_repositories_under_faults_loses_none(google):
    registry = await google(repositories=200, unavailable=0.2)
    manifest = await crawler.crawl(registry.config(discovery="catalog"))
    assert manifest.counts.failed == 0


async def test_name_twins_after_escaping_have_one_record(tmp_path):
    twins = ["X" * 320 + "1", "X" * 320 + "2", "bad\x1b", "bad\\x1b"]
    script = [on("/v2/_catalog", document({"repositories": [*twins, *NAMES]})), *plain_registry(HOLDS)]
    async with serve(script) as server:
        manifest = await crawler.crawl(config(server, tmp_path))
    snapshot = read_snapshot(tmp_path)
    assert manifest.counts.repositories == len(snapshot.by_name) == len(NAMES) + 2
    assert manifest.counts.invalid == 2


async def test_name_outside_the_grammar_keeps_its_images_from_the_api(tmp_path):
    """Google's API lists names that the grammar of references does not have."""
    odd, plain = "acme/images/acme___hello", "acme/images/app"
    images = [
        {"name": f"{RESOURCE}/dockerImages/{name.rpartition('/')[2]}@sha256:{digest * 64}", "tags": ["v1"]}
        for name, digest in ((odd, "a"), (plain, "b"))
    ]
    script = [
        on("/v2/", document({})),
        on(RESOURCE_LIST, document({"repositories": [{"name": RESOURCE, "format": "DOCKER", "sizeBytes": "10"}]})),
        on(f"/v1/{RESOURCE}/dockerImages", document({"dockerImages": images})),
    ]
    async with serve(script) as server:
        settings = config(
            server,
            tmp_path,
            target=f"{server.host}/acme",
            kind="artifact-registry",
            location="us",
            discovery="artifact-registry",
            images_from="api",
            auth={"method": "basic", "username": "oauth2accesstoken", "password": "ya29.token"},
            apis={"artifact_registry": server.origin},
        )
        manifest = await crawler.crawl(settings)
    assert manifest.verdict == "complete"
    records = read_snapshot(tmp_path).by_name
    assert {name: [image["digest"] for image in record["images"]] for name, record in records.items()} == {
        odd: [f"sha256:{'a' * 64}"],
        plain: [f"sha256:{'b' * 64}"],
    }


RESOURCE = "projects/acme/locations/us/repositories/images"
RESOURCE_LIST = "/v1/projects/acme/locations/us/repositories"
