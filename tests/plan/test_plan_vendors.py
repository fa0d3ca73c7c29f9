"""What is special about products: pulls that count, manifests by the hundred, tokens for many repositories."""

import json

import pytest
from registries import artifactory_api
from registries.docker_hub import APP, HubImage, pulls_left
from registries.docker_hub import depth as hub_depth
from registries.ecr_api import SETTINGS, Held, aws_document, images, operation, operations, protocol, repositories
from registries.harbor_api import ANONYMOUS, IMAGE, api
from registries.vocabulary import WITH_PASSWORD
from support.plan_nights import Nights, far_off
from support.plan_servers import serving_tokens
from support.scripted import document, on, plain_registry, serve
from support.scripted_images import config as config_of
from support.scripted_images import image as image_of

from crawler.digest_cache.cache import DigestCache

TAGS = {f"1.{number}": HubImage(number=number) for number in range(20)}


@pytest.fixture
def aws(monkeypatch):
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIDSCRIPTED",
        "AWS_SECRET_ACCESS_KEY": "secret-key-of-the-account",
        "AWS_SESSION_TOKEN": "session-token-of-the-account",
        "AWS_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)


async def test_plan_of_docker_hub_pulls_five_images_and_says_how_many_a_crawl_pulls(command):
    async with serve(hub_depth(TAGS, pulls=60)) as server:
        server.enter(pulls_left(60))
        names = command.folder / "names.txt"
        names.write_text(f"{APP}\n")
        table = {"target": server.host, "kind": "docker-hub", "repositories_from": str(names)}
        nights = Nights(command, {**table, "auth": {"method": "anonymous"}}, images={"depth": "manifests"})
        first = await nights.plan()
        assert first["pulls"] == {"needed": 20, "remaining": 55, "limit": 100, "share": 0.2}
        assert first["asked"]["by_kind"]["manifest"] == 2 * 5, "a HEAD and a pull for each"
        assert far_off(first, await nights.crawl()) == {}
        second = await nights.plan()
    assert second["pulls"] is None


async def test_plan_of_docker_hub_says_that_too_few_pulls_are_left(command):
    async with serve(hub_depth(TAGS, pulls=16)) as server:
        server.enter(pulls_left(16))
        (command.folder / "names.txt").write_text(f"{APP}\n")
        options = ("--kind", "docker-hub", "--repositories-from", "names.txt", "--auth", "anonymous")
        ended = await command("plan", server.host, *options, "--depth", "manifests", "--rate", "none")
    assert "  pulls        20, 20% of the limit of 100; 11 are left\n" in ended.out
    assert (
        "  note         the registry's limit has 11 pulls left, and the crawl needs 20: the snapshot will be"
        in ended.out
    )


@pytest.mark.usefixtures("aws")
async def test_plan_of_ecr_counts_manifests_by_the_hundred(command):
    contents = [image_of(config_of(), annotations={"number": str(number)}) for number in range(250)]
    held = {"app": [Held(digest=content.digest, tags=(f"v{number}",)) for number, content in enumerate(contents)]}
    found = [{"imageId": {"imageDigest": each.digest}, "imageManifest": each.body.decode()} for each in contents]
    script = [
        *repositories(held),
        *images("app", held["app"]),
        operation("BatchGetImage", aws_document({"images": found})),
        *protocol(),
    ]
    async with serve(script) as server:
        table = {"target": server.host, "discovery": "api", "images_from": "api", **SETTINGS}
        table = json.loads(json.dumps(table).replace("{origin}", server.origin))
        nights = Nights(command, table, images={"depth": "manifests"})
        first = await nights.plan()
        server.requests.clear()
        await nights.crawl()
        assert operations(server)["BatchGetImage"] == 3
        second = await nights.plan()
    assert first["exchanges"]["by_kind"]["api"] == 1 + 1 + 3
    assert second["exchanges"]["by_kind"]["api"] == 1 + 1


async def test_plan_of_artifactory_whose_names_come_with_their_images(command):
    stored = [
        artifactory_api.Stored(repository=f"app-{number}", folder=tag, content=f"{number} {tag}")
        for number in range(30)
        for tag in ("1", "2")
    ]
    async with serve([artifactory_api.aql(artifactory_api.result(stored)), *artifactory_api.registry()]) as server:
        table = {"target": server.host, "kind": "artifactory", "api_path": artifactory_api.API_PATH, **WITH_PASSWORD}
        nights = Nights(command, table, images={"depth": "digests"})
        first = await nights.plan()
        assert far_off(first, await nights.crawl()) == {}
        second = await nights.plan()
        assert far_off(second, await nights.crawl()) == {}
    assert first["exchanges"] == second["exchanges"]
    assert first["exchanges"]["by_kind"] == {"api": 1, "ping": 2}
    assert first["asked"]["total"] == second["asked"]["total"] == 3


async def test_plan_with_tokens_for_fifty_repositories_each(command):
    async with serving_tokens([f"team/app-{number:03}" for number in range(230)]) as host:
        single = await Nights(command, {"target": host}).plan()
        nights = Nights(command, {"target": host, "tokens": "batched"})
        batched = await nights.plan()
        assert far_off(batched, await nights.crawl()) == {}
    assert single["exchanges"]["by_kind"]["token"] == 1 + 230
    assert single["cheaper"] == ['registry.tokens = "batched" needs about 5 of the 231 exchanges for tokens']
    assert batched["exchanges"]["by_kind"]["token"] == 1 + 5
    assert batched["cheaper"] == []


async def test_plan_says_what_the_products_api_would_save(command):
    inventory = {f"p/app-{number}": [{**IMAGE, "tags": [{"name": "v1"}]}] for number in range(5)}
    tags = {name: [f"v{number}" for number in range(30)] for name in inventory}
    served = [
        on(f"/v2/{name}/manifests/v{number}", image_of(config_of()).reply) for name in tags for number in range(30)
    ]
    async with serve([on("/v2/", document({})), *served, *api(inventory), *plain_registry(tags)]) as server:
        table = {"target": f"{server.host}/p", **ANONYMOUS, "images_from": "listing"}
        planned = await Nights(command, table, images={"depth": "digests"}).plan()
    assert planned["cheaper"] == [
        "--images-from api needs about 5 exchanges with Harbor's API, in place of 155 for listings and tags"
    ]


def test_plan_leaves_the_digest_cache_as_it_is(tmp_path):
    path = tmp_path / "digests.sqlite"
    with DigestCache.open_unchanged(path) as cache:
        assert not cache.has("sha256:" + "0" * 64)
    assert list(tmp_path.iterdir()) == []
