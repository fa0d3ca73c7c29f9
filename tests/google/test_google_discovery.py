"""Google's sources of names: a source that lists nothing, or less than everything, makes the snapshot partial."""

import pytest
from support.scripted import Entry, Reply, document, on, refusal, serve
from support.scripted_google import (
    DIGEST,
    EMPTY_CATALOG,
    GCR,
    NOT_FOUND,
    QUOTA_PROJECT,
    REPOSITORIES,
    SEARCH,
    crawl,
    crawling,
    disabled_api,
    node,
    projects,
    reason_of,
    repositories,
    repository,
)
from support.snapshots import read_snapshot

import crawler
from crawler.discovery import tree
from crawler.emulator import ArtifactRegistry
from crawler.emulator.projects import search_projects


def answers_404(name: str) -> Entry:
    return on(f"/v2/{name}/tags/list", NOT_FOUND)


# -------------------------------------------------------------------------- the search for projects and repositories


async def test_project_search_that_finds_no_project_is_partial(tmp_path):
    snapshot = await crawl([projects(), EMPTY_CATALOG], tmp_path)
    reason = reason_of(snapshot)
    assert snapshot.records == []
    assert "listed 0 repositories of format DOCKER in 0 projects at us; the account can see no ACTIVE project" in reason
    assert "grant the account roles/browser on the organisation or folder, or name the project in the target" in reason
    assert "(tried: catalog: an empty catalog from a Google host" in reason


async def test_project_search_counts_projects_that_are_not_active(tmp_path):
    snapshot = await crawl([projects("old", "older", state="DELETE_REQUESTED"), EMPTY_CATALOG], tmp_path)
    assert "in 0 projects at us; not searched: 2 projects not ACTIVE; the account can see no" in reason_of(snapshot)


@pytest.mark.parametrize("images_from", ["listing", "api"])
async def test_repository_search_that_finds_no_repository_is_partial(images_from, tmp_path):
    changes = {"discovery": "artifact-registry", "images_from": images_from}
    snapshot = await crawl([projects("acme"), repositories("acme")], tmp_path, **changes)
    reason = reason_of(snapshot)
    assert "listed 0 repositories of format DOCKER in 1 project at us; there is no such repository" in reason
    assert "its location (registry.location), and grant the account roles/artifactregistry.reader" in reason


async def test_repository_search_on_a_host_without_artifact_registry_is_partial(tmp_path, monkeypatch):
    script = [on("/v2/", document({})), projects("acme"), repositories("acme", gcr_io="7"), EMPTY_CATALOG]
    async with serve(script) as server:
        apis = {"artifact_registry": server.origin, "resource_manager": server.origin}
        monkeypatch.setenv("http_proxy", server.origin)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        config = crawling("mirror.gcr.io", tmp_path, kind=None, plain_http=True, apis=apis)
        await crawler.crawl(config)
    reason = reason_of(read_snapshot(tmp_path / "out"))
    assert "there is no such repository named mirror.gcr.io, which proves nothing: check that Artifact" in reason


async def test_repository_search_at_the_wrong_location_is_partial(google):
    registry = await google(repositories=30, catalog="empty", artifact_registry=GCR)
    address = f"http://{registry.emulator.registry}"
    apis = {"artifact_registry": address, "resource_manager": address}
    manifest = await crawler.crawl(registry.config(kind="gcr", location="us-central1", apis=apis))
    assert (manifest.verdict, manifest.counts.repositories) == ("partial", 0)
    assert "there is no such repository named gcr.io" in manifest.reasons[0]


async def test_disabled_api_in_every_project_is_partial(google, tmp_path):
    role = ArtifactRegistry(serves="gcr.io", api_disabled_projects=("plain-project", "bare-project"))
    registry = await google(repositories=30, catalog="empty", artifact_registry=role)
    off = [project for project in search_projects(role, seed=1) if project["projectId"] in role.api_disabled_projects]
    async with serve([on(SEARCH, document({"projects": off}))]) as server:
        apis = {"artifact_registry": f"http://{registry.emulator.registry}", "resource_manager": server.origin}
        manifest = await crawler.crawl(registry.config(kind="gcr", apis=apis))
    assert (manifest.verdict, manifest.counts.repositories) == ("partial", 0)
    assert (
        "in 2 projects at us (the API is disabled in 2 projects); the API is disabled in every" in manifest.reasons[0]
    )
    assert "enable artifactregistry.googleapis.com in the project that holds the images" in manifest.reasons[0]


@pytest.mark.parametrize("consumer", ["projects/1", "projects/plain"])
async def test_disabled_api_in_one_project_proves_that_it_has_no_images(consumer, tmp_path):
    script = [
        projects("plain", "acme"),
        disabled_api("plain", consumer),
        repositories("acme", team="7"),
        node("acme/team", "app"),
        repository("acme/team/app"),
    ]
    snapshot = await crawl(script, tmp_path)
    assert snapshot.outcomes == {"acme/team/app": "ok"}
    assert snapshot.manifest["verdict"] == "complete"
    assert "in 2 projects at us (the API is disabled in 1 project)" in snapshot.manifest["discovery"]["evidence"]


async def test_disabled_api_in_the_quota_project_is_partial(tmp_path):
    script = [
        projects("one", "two", "acme"),
        disabled_api("one", QUOTA_PROJECT),
        disabled_api("two", QUOTA_PROJECT),
        repositories("acme", team="7"),
        node("acme/team", "app"),
        repository("acme/team/app"),
    ]
    snapshot = await crawl(script, tmp_path)
    reason = reason_of(snapshot)
    assert snapshot.outcomes == {"acme/team/app": "ok"}
    assert (
        f"2 projects could not be searched, because the API is disabled in {QUOTA_PROJECT}, the quota project" in reason
    )
    assert "enable artifactregistry.googleapis.com there, or use a service account" in reason
    assert "(the API is disabled in" not in reason


async def test_disabled_api_in_the_quota_project_is_the_reason_if_nothing_is_found(tmp_path):
    snapshot = await crawl([projects("one"), disabled_api("one", QUOTA_PROJECT), EMPTY_CATALOG], tmp_path)
    assert (
        f"in 1 project at us; 1 project could not be searched, because the API is disabled in {QUOTA_PROJECT}"
        in reason_of(snapshot)
    )


# ---------------------------------------------------------------------------------------------------- walks and folders


async def test_fallback_for_a_missing_prefix_is_partial_with_every_source(google):
    registry = await google(repositories=30, catalog="empty", artifact_registry=GCR)
    address = f"http://{registry.emulator.registry}"
    target = f"{registry.emulator.registry}/my-project/no-such-team"
    apis = {"artifact_registry": address, "resource_manager": address}
    manifest = await crawler.crawl(registry.config(target=target, kind="gcr", location="us", apis=apis))
    assert (manifest.verdict, manifest.counts.repositories) == ("partial", 0)
    assert manifest.discovery.method == "artifact-registry"
    assert "the registry answered 404 for the folder my-project/no-such-team, so its content is" in manifest.reasons[0]
    assert "(tried: walk: a walk from my-project/no-such-team down finds nothing, which pro" in manifest.reasons[0]


async def test_repository_search_for_a_missing_repository_is_partial(google):
    role = ArtifactRegistry()
    registry = await google(repositories=30, artifact_registry=role)
    address = f"http://{registry.emulator.registry}"
    target = f"{registry.emulator.registry}/my-project/no-such-repository"
    apis = {"artifact_registry": address, "resource_manager": address}
    config = registry.config(target=target, kind="artifact-registry", location=role.location, apis=apis)
    manifest = await crawler.crawl(config)
    assert (manifest.verdict, manifest.counts.repositories) == ("partial", 0)
    assert "there is no such repository named no-such-repository" in manifest.reasons[0]


async def test_fallback_from_a_missing_root_raises_the_error_of_the_last_source(tmp_path):
    """The API's error says more than the walk's 404. It ends the run, and nothing is published."""
    refused = on(REPOSITORIES.format("acme"), document({"error": {"status": "PERMISSION_DENIED"}}, status=403))
    with pytest.raises(crawler.Denied, match="PERMISSION_DENIED"):
        await crawl([answers_404("acme"), refused], tmp_path, prefix="/acme")
    assert not list((tmp_path / "out").glob("source=*"))


async def test_walk_of_a_denied_root_raises_the_error(tmp_path):
    denied = on("/v2/acme/tags/list", refusal(403, "DENIED", "no"))
    with pytest.raises(crawler.Denied, match="DENIED: no"):
        await crawl([denied], tmp_path, prefix="/acme", discovery="walk")
    assert not list((tmp_path / "out").glob("source=*"))


async def test_walk_with_a_folder_that_vanishes_is_partial(tmp_path):
    script = [
        node("acme", "team", "lost"),
        answers_404("acme/lost"),
        node("acme/team", "app"),
        repository("acme/team/app"),
    ]
    snapshot = await crawl(script, tmp_path, prefix="/acme")
    assert snapshot.outcomes == {"acme/team/app": "ok"}
    assert "the registry answered 404 for the folder acme/lost, so its content is unknown: check" in reason_of(snapshot)


async def test_walk_with_a_repository_that_vanishes_is_complete(tmp_path):
    script = [
        node("acme", "team"),
        node("acme/team", "app", "lost"),
        repository("acme/team/app"),
        answers_404("acme/team/lost"),
    ]
    snapshot = await crawl(script, tmp_path, prefix="/acme")
    assert snapshot.outcomes == {"acme/team/app": "ok", "acme/team/lost": "missing"}
    assert snapshot.manifest["verdict"] == "complete"


@pytest.mark.parametrize(("size", "verdict"), [(None, "complete"), ("0", "complete"), ("7", "partial")])
async def test_walk_takes_a_missing_repository_for_empty_only_by_its_size(size, verdict, tmp_path):
    script = [
        projects("acme"),
        repositories("acme", team="7", bare=size),
        node("acme/team", "app"),
        repository("acme/team/app"),
        answers_404("acme/bare"),
    ]
    snapshot = await crawl(script, tmp_path)
    assert snapshot.outcomes == {"acme/team/app": "ok"}
    assert snapshot.manifest["verdict"] == verdict
    assert ("answered 404 for the folder acme/bare" in "".join(snapshot.manifest["reasons"])) == (verdict == "partial")


async def test_walk_stops_at_its_maximum_depth(tmp_path):
    chain = ["acme" + "/a" * depth for depth in range(tree.MAX_DEPTH + 1)]
    script = [node("acme", "a", "app"), repository("acme/app"), *(node(name, "a") for name in chain[1:])]
    snapshot = await crawl(script, tmp_path, prefix="/acme", discovery="walk")
    assert snapshot.outcomes == {"acme/app": "ok"}
    assert "a walk from acme down: folders deeper than 64 levels were not opened" in reason_of(snapshot)


async def test_walk_stops_at_its_maximum_of_nodes(tmp_path, monkeypatch):
    monkeypatch.setattr(tree, "MAX_NODES", 3)
    script = [node("acme", "a", "b", "c", "d"), node("acme/a", "x"), node("acme/b", "x", "y")]
    snapshot = await crawl(script, tmp_path, prefix="/acme", discovery="walk")
    assert snapshot.records == []
    assert "stopped at 3 nodes and left at least 5 unopened: crawl the registry in parts" in reason_of(snapshot)


# -------------------------------------------------------------------------------------------------- what the API lists


def images(*paths: str, following: str = "") -> Reply:
    name = f"{REPOSITORIES.format('acme').removeprefix('/v1/')}/team/dockerImages"
    listed = [{"name": f"{name}/{path}@{DIGEST}", "tags": ["1"]} for path in paths]
    return document({"dockerImages": listed, "nextPageToken": following})


async def test_api_is_artifact_registrys_on_googles_hosts(tmp_path):
    path = f"{REPOSITORIES.format('acme')}/team/dockerImages"
    script = [projects("acme"), repositories("acme", team="7"), on(path, images("app"))]
    snapshot = await crawl(script, tmp_path, discovery="api", images_from="api")
    assert (snapshot.manifest["discovery"]["method"], snapshot.manifest["verdict"]) == ("artifact-registry", "complete")
    assert sorted(snapshot.by_name) == ["acme/team/app"]


@pytest.mark.parametrize("closed", [401, 403, 404])
async def test_api_that_is_closed_leaves_the_names_to_a_walk(closed, tmp_path):
    script = [
        on(REPOSITORIES.format("acme"), refusal(closed, "DENIED", "no")),
        *(node("acme", "team"), node("acme/team", "app"), repository("acme/team/app")),
    ]
    snapshot = await crawl(script, tmp_path, prefix="/acme", discovery="api")
    assert (snapshot.manifest["discovery"]["method"], snapshot.manifest["verdict"]) == ("walk", "complete")
    assert sorted(snapshot.by_name) == ["acme/team/app"]
    assert "(tried: artifact-registry: GET http" in snapshot.manifest["discovery"]["evidence"]


@pytest.mark.parametrize("broken", [Reply(status=500), refusal(403, "DENIED", "no"), NOT_FOUND])
async def test_api_images_whose_later_page_fails_are_suspect(broken, tmp_path):
    path = f"{REPOSITORIES.format('acme')}/team/dockerImages"
    script = [
        projects("acme"),
        repositories("acme", team="7"),
        on(path, images("app", "tools", following="more"), query={"pageToken": None}),
        on(path, broken, query={"pageToken": "more"}),
    ]
    snapshot = await crawl(script, tmp_path, discovery="artifact-registry", images_from="api")
    assert "could not read projects/acme/locations/us/repositories/team: GET " in reason_of(snapshot)
    assert sorted(snapshot.by_name) == ["acme/team/app", "acme/team/tools"]
    assert snapshot.manifest["counts"]["suspect"] == 2
    for record in snapshot.records:
        assert record["tags"] == ["1"]
        assert record["suspect"].startswith(
            "the API's list of the images in acme/team was not read to its end: GET http"
        )
