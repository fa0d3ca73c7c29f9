"""What discovery reports where Google's sources list nothing, or fewer than all: an empty list proves nothing."""

import pytest
from support.scripted import Entry, Reply, document, on, refusal, serve
from support.scripted_google import (
    DIGEST,
    EMPTY_CATALOG,
    GCR,
    GONE,
    QUOTA_PROJECT,
    REPOSITORIES,
    SEARCH,
    crawl,
    crawling,
    node,
    projects,
    reason_of,
    repositories,
    repository,
    switched_off,
)
from support.snapshots import read_snapshot

import crawler
from crawler.discovery import tree
from crawler.emulator import ArtifactRegistry
from crawler.emulator.projects import found_projects


def gone(name: str) -> Entry:
    return on(f"/v2/{name}/tags/list", GONE)


# ----------------------------------------------------------------------------- the search for projects and repositories


async def test_google_discovery_account_that_sees_no_project_is_partial(tmp_path):
    snapshot = await crawl([projects(), EMPTY_CATALOG], tmp_path)
    reason = reason_of(snapshot)
    assert snapshot.records == []
    assert "listed 0 repositories of format DOCKER in 0 projects at us; the account sees no ACTIVE project" in reason
    assert "grant it roles/browser on the organisation or folder, or name the project: HOST/PROJECT" in reason
    assert "(tried: catalog: an empty catalog from a Google host" in reason


async def test_google_discovery_projects_that_are_not_active_are_counted(tmp_path):
    snapshot = await crawl([projects("old", "older", state="DELETE_REQUESTED"), EMPTY_CATALOG], tmp_path)
    assert "in 0 projects at us; not searched: 2 projects not ACTIVE; the account sees no" in reason_of(snapshot)


@pytest.mark.parametrize("images_from", ["listing", "api"])
async def test_google_discovery_projects_without_a_docker_repository_are_partial(images_from, tmp_path):
    changes = {"discovery": "artifact-registry", "images_from": images_from}
    snapshot = await crawl([projects("acme"), repositories("acme")], tmp_path, **changes)
    reason = reason_of(snapshot)
    assert "listed 0 repositories of format DOCKER in 1 project at us; there is no such repository" in reason
    assert "its location (registry.location), and the account's role roles/artifactregistry.reader" in reason


async def test_google_discovery_host_that_is_no_artifact_registry_is_partial(tmp_path, monkeypatch):
    script = [on("/v2/", document({})), projects("acme"), repositories("acme", gcr_io="7"), EMPTY_CATALOG]
    async with serve(script) as server:
        apis = {"artifact_registry": server.origin, "resource_manager": server.origin}
        monkeypatch.setenv("http_proxy", server.origin)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        config = crawling("mirror.gcr.io", tmp_path, kind=None, plain_http=True, apis=apis)
        await crawler.crawl(config)
    reason = reason_of(read_snapshot(tmp_path / "out"))
    assert "there is no such repository named mirror.gcr.io, which proves nothing: check that the host is one" in reason


async def test_google_discovery_repositories_at_another_location_are_partial(google):
    registry = await google(repositories=30, catalog="empty", artifact_registry=GCR)
    address = f"http://{registry.emulator.registry}"
    apis = {"artifact_registry": address, "resource_manager": address}
    manifest = await crawler.crawl(registry.config(kind="gcr", location="us-central1", apis=apis))
    assert (manifest.verdict, manifest.counts.repositories) == ("partial", 0)
    assert "there is no such repository named gcr.io" in manifest.reasons[0]


async def test_google_discovery_api_that_is_off_in_every_project_is_partial(google, tmp_path):
    role = ArtifactRegistry(serves="gcr.io", api_disabled_projects=("plain-project", "bare-project"))
    registry = await google(repositories=30, catalog="empty", artifact_registry=role)
    off = [project for project in found_projects(role, seed=1) if project["projectId"] in role.api_disabled_projects]
    async with serve([on(SEARCH, document({"projects": off}))]) as server:
        apis = {"artifact_registry": f"http://{registry.emulator.registry}", "resource_manager": server.origin}
        manifest = await crawler.crawl(registry.config(kind="gcr", apis=apis))
    assert (manifest.verdict, manifest.counts.repositories) == ("partial", 0)
    assert "in 2 projects at us (2 of them without that API); that API is off in every project" in manifest.reasons[0]
    assert "switch on artifactregistry.googleapis.com in the project that holds the images" in manifest.reasons[0]


@pytest.mark.parametrize("consumer", ["projects/1", "projects/plain"])
async def test_google_discovery_project_without_the_api_has_no_images(consumer, tmp_path):
    script = [
        projects("plain", "acme"),
        switched_off("plain", consumer),
        repositories("acme", team="7"),
        node("acme/team", "app"),
        repository("acme/team/app"),
    ]
    snapshot = await crawl(script, tmp_path)
    assert snapshot.outcomes == {"acme/team/app": "ok"}
    assert snapshot.manifest["verdict"] == "complete"
    assert "in 2 projects at us (1 of them without that API)" in snapshot.manifest["discovery"]["evidence"]


async def test_google_discovery_api_that_is_off_for_the_quota_project_proves_nothing_about_others(tmp_path):
    script = [
        projects("one", "two", "acme"),
        switched_off("one", QUOTA_PROJECT),
        switched_off("two", QUOTA_PROJECT),
        repositories("acme", team="7"),
        node("acme/team", "app"),
        repository("acme/team/app"),
    ]
    snapshot = await crawl(script, tmp_path)
    reason = reason_of(snapshot)
    assert snapshot.outcomes == {"acme/team/app": "ok"}
    assert f"that API is off in {QUOTA_PROJECT}, the quota project of the credentials" in reason
    assert "which says nothing about 2 projects: switch it on there, or use a service account" in reason
    assert "without that API" not in reason


async def test_google_discovery_api_that_is_off_for_the_quota_project_is_the_reason_where_nothing_is_found(tmp_path):
    snapshot = await crawl([projects("one"), switched_off("one", QUOTA_PROJECT), EMPTY_CATALOG], tmp_path)
    assert f"in 1 project at us; that API is off in {QUOTA_PROJECT}, the quota project" in reason_of(snapshot)


# ---------------------------------------------------------------------------------------------------- walks and folders


async def test_google_discovery_missing_folder_is_partial_by_every_source(google):
    registry = await google(repositories=30, catalog="empty", artifact_registry=GCR)
    address = f"http://{registry.emulator.registry}"
    target = f"{registry.emulator.registry}/my-project/no-such-team"
    apis = {"artifact_registry": address, "resource_manager": address}
    manifest = await crawler.crawl(registry.config(target=target, kind="gcr", location="us", apis=apis))
    assert (manifest.verdict, manifest.counts.repositories) == ("partial", 0)
    assert manifest.discovery.method == "artifact-registry"
    assert "the registry answers 404 for the folder my-project/no-such-team: what it holds is" in manifest.reasons[0]
    assert "(tried: walk: a walk from my-project/no-such-team down finds nothing, which pro" in manifest.reasons[0]


async def test_google_discovery_missing_artifact_registry_repository_is_partial(google):
    role = ArtifactRegistry()
    registry = await google(repositories=30, artifact_registry=role)
    address = f"http://{registry.emulator.registry}"
    target = f"{registry.emulator.registry}/my-project/no-such-repository"
    apis = {"artifact_registry": address, "resource_manager": address}
    config = registry.config(target=target, kind="artifact-registry", location=role.location, apis=apis)
    manifest = await crawler.crawl(config)
    assert (manifest.verdict, manifest.counts.repositories) == ("partial", 0)
    assert "there is no such repository named no-such-repository" in manifest.reasons[0]


async def test_google_discovery_walk_with_a_missing_root_ends_with_the_last_sources_error(tmp_path):
    """The API's refusal says more than a walk's 404: it ends the run, with nothing published."""
    refused = on(REPOSITORIES.format("acme"), document({"error": {"status": "PERMISSION_DENIED"}}, status=403))
    with pytest.raises(crawler.Denied, match="PERMISSION_DENIED"):
        await crawl([gone("acme"), refused], tmp_path, prefix="/acme")
    assert not list((tmp_path / "out").glob("source=*"))


async def test_google_discovery_walk_with_a_denied_root_is_an_error(tmp_path):
    denied = on("/v2/acme/tags/list", refusal(403, "DENIED", "no"))
    with pytest.raises(crawler.Denied, match="DENIED: no"):
        await crawl([denied], tmp_path, prefix="/acme", discovery="walk")
    assert not list((tmp_path / "out").glob("source=*"))


async def test_google_discovery_walk_with_a_vanished_folder_is_partial(tmp_path):
    script = [node("acme", "team", "lost"), gone("acme/lost"), node("acme/team", "app"), repository("acme/team/app")]
    snapshot = await crawl(script, tmp_path, prefix="/acme")
    assert snapshot.outcomes == {"acme/team/app": "ok"}
    assert "the registry answers 404 for the folder acme/lost: what it holds is unknown; check" in reason_of(snapshot)


async def test_google_discovery_walk_with_a_vanished_repository_records_it_as_missing(tmp_path):
    script = [
        node("acme", "team"),
        node("acme/team", "app", "lost"),
        repository("acme/team/app"),
        gone("acme/team/lost"),
    ]
    snapshot = await crawl(script, tmp_path, prefix="/acme")
    assert snapshot.outcomes == {"acme/team/app": "ok", "acme/team/lost": "missing"}
    assert snapshot.manifest["verdict"] == "complete"


@pytest.mark.parametrize(("size", "verdict"), [(None, "complete"), ("0", "complete"), ("7", "partial")])
async def test_google_discovery_repository_that_the_registry_lacks_is_empty_only_by_its_size(size, verdict, tmp_path):
    script = [
        projects("acme"),
        repositories("acme", team="7", bare=size),
        node("acme/team", "app"),
        repository("acme/team/app"),
        gone("acme/bare"),
    ]
    snapshot = await crawl(script, tmp_path)
    assert snapshot.outcomes == {"acme/team/app": "ok"}
    assert snapshot.manifest["verdict"] == verdict
    assert ("answers 404 for the folder acme/bare" in "".join(snapshot.manifest["reasons"])) == (verdict == "partial")


async def test_google_discovery_walk_reports_folders_below_its_depth_limit(tmp_path):
    chain = ["acme" + "/a" * depth for depth in range(tree.MAX_DEPTH + 1)]
    script = [node("acme", "a", "app"), repository("acme/app"), *(node(name, "a") for name in chain[1:])]
    snapshot = await crawl(script, tmp_path, prefix="/acme", discovery="walk")
    assert snapshot.outcomes == {"acme/app": "ok"}
    assert "a walk from acme down: there are folders deeper than 64 levels" in reason_of(snapshot)


async def test_google_discovery_walk_stops_at_its_limit_of_nodes(tmp_path, monkeypatch):
    monkeypatch.setattr(tree, "MAX_NODES", 3)
    script = [node("acme", "a", "b", "c", "d"), node("acme/a", "x"), node("acme/b", "x", "y")]
    snapshot = await crawl(script, tmp_path, prefix="/acme", discovery="walk")
    assert snapshot.records == []
    assert "stops at 3 nodes and leaves at least 5 unopened: crawl the registry in parts" in reason_of(snapshot)


# -------------------------------------------------------------------------------------------------- what the API lists


def images(*paths: str, following: str = "") -> Reply:
    name = f"{REPOSITORIES.format('acme').removeprefix('/v1/')}/team/dockerImages"
    listed = [{"name": f"{name}/{path}@{DIGEST}", "tags": ["1"]} for path in paths]
    return document({"dockerImages": listed, "nextPageToken": following})


@pytest.mark.parametrize("broken", [Reply(status=500), refusal(403, "DENIED", "no"), GONE])
async def test_google_discovery_images_from_the_api_are_suspect_where_a_later_page_fails(broken, tmp_path):
    path = f"{REPOSITORIES.format('acme')}/team/dockerImages"
    script = [
        projects("acme"),
        repositories("acme", team="7"),
        on(path, images("app", "tools", following="more"), query={"pageToken": None}),
        on(path, broken, query={"pageToken": "more"}),
    ]
    snapshot = await crawl(script, tmp_path, discovery="artifact-registry", images_from="api")
    assert "could not look into projects/acme/locations/us/repositories/team: GET " in reason_of(snapshot)
    assert sorted(snapshot.by_name) == ["acme/team/app", "acme/team/tools"]
    assert snapshot.manifest["counts"]["suspect"] == 2
    for record in snapshot.records:
        assert record["tags"] == ["1"]
        assert record["suspect"].startswith("the API's list of the images of acme/team breaks off: GET http")
