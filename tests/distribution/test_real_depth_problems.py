"""What is broken in a real registry is a problem of its record; what could not be read makes the snapshot partial."""

import pytest
from support.distribution import open_front, open_registry, push_content, requires_docker_registry
from support.distribution.content import schema1
from support.distribution.samples import sample, sample_repositories
from support.distribution.storage import store_manifest, unlink_blob, unlink_manifest, unlink_tag
from support.real_depth import crawl_deep, images_of, problems_of
from support.snapshots import read_snapshot

pytestmark = requires_docker_registry

TWO_ATTEMPTS = {"REGISTRY_CRAWLER_LIMITS__ATTEMPTS": "2"}


async def test_problems_of_a_damaged_registry_leave_the_snapshot_complete(tmp_path, shell):
    """A cleanup has deleted a tagged manifest, a child of an index, and a config."""
    single, index, configless = sample(1), sample(2), sample(3)
    tagged = {"app": {"fine": sample(0), "dangling": single, "childless": index, "configless": configless}}
    (config,) = configless.configs
    async with open_registry(tmp_path / "registry") as registry, open_front(registry) as front:
        await push_content(registry, tagged)
        unlink_manifest(registry, "app", single.digest)
        unlink_manifest(registry, "app", index.children[0].digest)
        unlink_blob(registry, "app", config)
        ended = await crawl_deep(shell, front.host)

    snapshot = read_snapshot(shell.output)
    assert ended.code == 0
    assert (snapshot.manifest["verdict"], snapshot.manifest["counts"]["problems"]) == ("complete", 3)
    problems = {problem["problem"]: problem for problem in snapshot.by_name["app"]["problems"]}
    assert set(problems) == {"dangling-tag", "index-child-missing", "config-missing"}
    assert problems["dangling-tag"]["tag"] == "dangling"
    assert problems["index-child-missing"]["digest"] == index.children[0].digest
    assert problems["config-missing"]["digest"] == config
    assert {problem["http_status"] for problem in problems.values()} == {404}
    assert {problem["code"] for problem in problems.values()} == {"MANIFEST_UNKNOWN", "BLOB_UNKNOWN"}
    for kind in problems:
        assert kind in ended.stderr
    images = images_of(snapshot)
    assert images["app", tagged["app"]["fine"].digest]["config"] is not None
    assert images["app", configless.digest]["config"] is None
    assert len(images["app", index.digest]["platforms"]) == 4


async def test_tag_that_is_deleted_during_the_crawl_has_vanished(tmp_path, shell):
    going = sample(1)

    def delete() -> None:
        unlink_tag(registry, "app", "going")
        unlink_manifest(registry, "app", going.digest)

    async with open_registry(tmp_path / "registry") as registry, open_front(registry) as front:
        await push_content(registry, {"app": {"staying": sample(0), "going": going}})
        front.interruptions["/v2/app/manifests/going"] = delete
        ended = await crawl_deep(shell, front.host)

    snapshot = read_snapshot(shell.output)
    assert (ended.code, snapshot.manifest["verdict"]) == (0, "complete")
    assert problems_of(snapshot) == {("app", "vanished-tag", "going")}


async def test_schema1_is_a_problem_although_its_body_never_has_its_digest(tmp_path, shell):
    """distribution 2.8 signs the manifest anew for each response; the digest is that of the unsigned payload
    (registry/storage/signedmanifesthandler.go)."""
    async with open_registry(tmp_path / "registry") as registry, open_front(registry) as front:
        await push_content(registry, {"app": {"new": sample(0)}})
        digest = store_manifest(registry, "app", "old", schema1("app", "old"))
        ended = await crawl_deep(shell, front.host)

    snapshot = read_snapshot(shell.output)
    assert (ended.code, snapshot.manifest["verdict"]) == (0, "complete")
    assert problems_of(snapshot) == {("app", "schema1", "old")}
    assert images_of(snapshot)["app", digest]["tags"] == ["old"]


@pytest.mark.parametrize("status", [403, 500])
async def test_image_that_a_proxy_refuses_makes_the_snapshot_partial(tmp_path, shell, status):
    tagged = sample_repositories(2, 2)
    refused = "/v2/team-0/app-0/manifests/1.1"
    async with open_registry(tmp_path / "registry") as registry, open_front(registry) as front:
        await push_content(registry, tagged)
        front.failures[refused] = status
        ended = await crawl_deep(shell, front.host, environment=TWO_ATTEMPTS)

    snapshot = read_snapshot(shell.output)
    assert (ended.code, snapshot.manifest["verdict"]) == (3, "partial")
    images = len({content.digest for tags in tagged.values() for top in tags.values() for content in top.manifests})
    assert snapshot.manifest["reasons"] == [f"1 of {images} images was not read"]
    assert problems_of(snapshot) == {("team-0/app-0", "manifest-unreadable", "1.1")}
    assert {*snapshot.by_name["team-0/app-0"]["tags"]} == {"1.0", "1.1"}
    if status == 500:
        assert sum(exchange.path == refused for exchange in front.exchanges) > 1
