"""Nothing found is no proof that there is nothing: what discovery says where a source lists none, or fewer than all."""

import pytest
from support.scripted import Entry, Reply, document, on, plain_registry, refusal, serve
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
from crawler.discovery.name_filter import NameFilter
from crawler.emulator import ArtifactRegistry
from crawler.emulator.projects import search_projects
from crawler.model.names import Target


def gone(name: str) -> Entry:
    return on(f"/v2/{name}/tags/list", GONE)


# ----------------------------------------------------------------------------- the search for projects and repositories


async def test_an_account_that_sees_no_project_makes_no_complete_snapshot(tmp_path):
    snapshot = await crawl([projects(), EMPTY_CATALOG], tmp_path)
    reason = reason_of(snapshot)
    assert snapshot.records == []
    assert "listed 0 repositories of format DOCKER in 0 projects at us; the account sees no ACTIVE project" in reason
    assert "grant it roles/browser on the organisation or folder, or name the project: HOST/PROJECT" in reason
    assert "(tried: catalog: an empty catalog from a Google host" in reason


async def test_projects_that_are_not_active_are_counted_and_prove_nothing(tmp_path):
    snapshot = await crawl([projects("old", "older", state="DELETE_REQUESTED"), EMPTY_CATALOG], tmp_path)
    assert "in 0 projects at us; not searched: 2 projects not ACTIVE; the account sees no" in reason_of(snapshot)


@pytest.mark.parametrize("images_from", ["listing", "api"])
async def test_projects_without_a_repository_of_images_prove_nothing(images_from, tmp_path):
    changes = {"discovery": "artifact-registry", "images_from": images_from}
    snapshot = await crawl([projects("acme"), repositories("acme")], tmp_path, **changes)
    reason = reason_of(snapshot)
    assert "listed 0 repositories of format DOCKER in 1 project at us; there is no such repository" in reason
    assert "its location (registry.location), and the account's role roles/artifactregistry.reader" in reason


async def test_a_google_host_that_is_no_artifact_registry_makes_no_complete_snapshot(tmp_path, monkeypatch):
    script = [on("/v2/", document({})), projects("acme"), repositories("acme", gcr_io="7"), EMPTY_CATALOG]
    async with serve(script) as server:
        apis = {"artifact_registry": server.origin, "resource_manager": server.origin}
        monkeypatch.setenv("http_proxy", server.origin)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        config = crawling("mirror.gcr.io", tmp_path, kind=None, plain_http=True, apis=apis)
        await crawler.crawl(config)
    reason = reason_of(read_snapshot(tmp_path / "out"))
    assert "there is no such repository named mirror.gcr.io, which proves nothing: check that the host is one" in reason


async def test_repositories_at_another_location_than_the_hosts_prove_nothing(google):
    registry = await google(repositories=30, catalog="empty", artifact_registry=GCR)
    address = f"http://{registry.emulator.registry}"
    apis = {"artifact_registry": address, "resource_manager": address}
    manifest = await crawler.crawl(registry.config(kind="gcr", location="us-central1", apis=apis))
    assert (manifest.verdict, manifest.counts.repositories) == ("partial", 0)
    assert "there is no such repository named gcr.io" in manifest.reasons[0]


async def test_an_api_that_is_off_in_every_project_proves_nothing(google, tmp_path):
    role = ArtifactRegistry(serves="gcr.io", api_disabled_projects=("plain-project", "bare-project"))
    registry = await google(repositories=30, catalog="empty", artifact_registry=role)
    off = [project for project in search_projects(role, seed=1) if project["projectId"] in role.api_disabled_projects]
    async with serve([on(SEARCH, document({"projects": off}))]) as server:
        apis = {"artifact_registry": f"http://{registry.emulator.registry}", "resource_manager": server.origin}
        manifest = await crawler.crawl(registry.config(kind="gcr", apis=apis))
    assert (manifest.verdict, manifest.counts.repositories) == ("partial", 0)
    assert "in 2 projects at us (2 of them without that API); that API is off in every project" in manifest.reasons[0]
    assert "switch on artifactregistry.googleapis.com in the project that holds the images" in manifest.reasons[0]


@pytest.mark.parametrize("consumer", ["projects/1", "projects/plain"])
async def test_a_project_without_the_api_holds_no_images(consumer, tmp_path):
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


async def test_an_api_that_is_off_for_the_callers_own_project_says_nothing_about_the_others(tmp_path):
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


async def test_an_api_that_is_off_for_the_caller_is_the_reason_where_nothing_is_found(tmp_path):
    snapshot = await crawl([projects("one"), switched_off("one", QUOTA_PROJECT), EMPTY_CATALOG], tmp_path)
    assert f"in 1 project at us; that API is off in {QUOTA_PROJECT}, the quota project" in reason_of(snapshot)


# ---------------------------------------------------------------------------------------------------- walks and folders


async def test_a_corner_that_is_not_there_makes_no_complete_snapshot_by_any_source(google):
    registry = await google(repositories=30, catalog="empty", artifact_registry=GCR)
    address = f"http://{registry.emulator.registry}"
    target = f"{registry.emulator.registry}/my-project/no-such-team"
    apis = {"artifact_registry": address, "resource_manager": address}
    manifest = await crawler.crawl(registry.config(target=target, kind="gcr", location="us", apis=apis))
    assert (manifest.verdict, manifest.counts.repositories) == ("partial", 0)
    assert manifest.discovery.method == "artifact-registry"
    assert "the registry answers 404 for the folder my-project/no-such-team: what it holds is" in manifest.reasons[0]
    assert "(tried: walk: a walk from my-project/no-such-team down finds nothing, which pro" in manifest.reasons[0]


async def test_a_repository_of_artifact_registry_that_is_not_there_makes_no_complete_snapshot(google):
    role = ArtifactRegistry()
    registry = await google(repositories=30, artifact_registry=role)
    address = f"http://{registry.emulator.registry}"
    target = f"{registry.emulator.registry}/my-project/no-such-repository"
    apis = {"artifact_registry": address, "resource_manager": address}
    config = registry.config(target=target, kind="artifact-registry", location=role.location, apis=apis)
    manifest = await crawler.crawl(config)
    assert (manifest.verdict, manifest.counts.repositories) == ("partial", 0)
    assert "there is no such repository named no-such-repository" in manifest.reasons[0]


async def test_a_walk_whose_root_is_missing_leaves_it_to_the_last_sources_refusal(tmp_path):
    """The API's refusal says more than a walk's 404: it ends the run, with nothing published."""
    refused = on(REPOSITORIES.format("acme"), document({"error": {"status": "PERMISSION_DENIED"}}, status=403))
    with pytest.raises(crawler.Denied, match="PERMISSION_DENIED"):
        await crawl([gone("acme"), refused], tmp_path, prefix="/acme")
    assert not list((tmp_path / "out").glob("source=*"))


async def test_a_root_that_may_not_be_opened_is_an_error_still(tmp_path):
    denied = on("/v2/acme/tags/list", refusal(403, "DENIED", "no"))
    with pytest.raises(crawler.Denied, match="DENIED: no"):
        await crawl([denied], tmp_path, prefix="/acme", discovery="walk")
    assert not list((tmp_path / "out").glob("source=*"))


async def test_a_folder_that_vanishes_during_a_walk_leaves_it_unknown_what_it_held(tmp_path):
    script = [node("acme", "team", "lost"), gone("acme/lost"), node("acme/team", "app"), repository("acme/team/app")]
    snapshot = await crawl(script, tmp_path, prefix="/acme")
    assert snapshot.outcomes == {"acme/team/app": "ok"}
    assert "the registry answers 404 for the folder acme/lost: what it holds is unknown; check" in reason_of(snapshot)


async def test_a_node_that_may_be_a_repository_and_vanishes_is_missing_and_no_reason(tmp_path):
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
async def test_a_repository_that_the_registry_does_not_have_is_proved_empty_by_its_size_alone(size, verdict, tmp_path):
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


async def test_folders_deeper_than_any_name_can_be_are_a_reason(tmp_path):
    chain = ["acme" + "/a" * depth for depth in range(tree.MAX_DEPTH + 1)]
    script = [node("acme", "a", "app"), repository("acme/app"), *(node(name, "a") for name in chain[1:])]
    snapshot = await crawl(script, tmp_path, prefix="/acme", discovery="walk")
    assert snapshot.outcomes == {"acme/app": "ok"}
    assert "a walk from acme down: there are folders deeper than 64 levels" in reason_of(snapshot)


async def test_a_walk_stops_at_its_bound_on_nodes_and_says_so(tmp_path, monkeypatch):
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
async def test_images_whose_later_page_fails_are_suspect_and_the_snapshot_is_partial(broken, tmp_path):
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


# --------------------------------------------------------------------------------------------------------- Docker Hub


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (
            document({"count": 3, "next": None, "results": [{"name": "alpha"}, {"name": "zulu"}]}),
            "Docker Hub listed 2 of 3 public repositories of library, and no next page",
        ),
        (
            document({"count": 0, "next": None, "results": []}),
            "Docker Hub lists no public repository of library, which proves nothing: check the namespace",
        ),
        (
            document({"message": "object not found"}, status=404),
            "404 HTTP_404: object not found), which proves nothing: check the namespace, and name private",
        ),
    ],
    ids=["fewer than it counts", "a namespace without any", "no such namespace"],
)
async def test_docker_hub_that_lists_fewer_than_all_proves_nothing(reply, why, tmp_path):
    held = plain_registry({"library/alpha": ("1",), "library/zulu": ("2",)})
    script = [on("/v2/namespaces/library/repositories", reply), *held]
    changes = {"kind": "docker-hub", "auth": {"method": "anonymous"}, "location": None}
    snapshot = await crawl(script, tmp_path, prefix="/library", **changes)
    assert why in reason_of(snapshot)


# ----------------------------------------------------------------------------------------------- prefixes and filters

HELD = {"team/app": ("1",), "team/apps/api": ("1",), "team/apps/web": ("1",), "base/jq": ("1",)}


@pytest.mark.parametrize(
    ("prefix", "filters", "why"),
    [
        ("/team/aps", {}, "no repository lies under the prefix team/aps: did you mean team/apps?"),
        ("/tem", {}, "no repository lies under the prefix tem: did you mean team?"),
        ("/team/apps/wbe", {}, "no repository lies under the prefix team/apps/wbe: did you mean team/apps/web?"),
        ("/0000", {"include": ["*"]}, "no repository lies under the prefix 0000"),
        ("", {"include": ["apps/*", "x"]}, "no repository matches --include 'apps/*' or 'x'"),
        ("/team", {"include": ["base/*"]}, "no repository matches --include 'base/*'"),
        ("", {"exclude": ["*"]}, "--exclude '*' leaves out every repository"),
        ("", {"include": ["base/*"], "exclude": ["*jq"]}, "--exclude '*jq' leaves out every repository"),
    ],
)
async def test_a_prefix_or_a_filter_that_matches_nothing_is_a_reason(prefix, filters, why, tmp_path):
    changes = {"kind": "distribution", "auth": {"method": "anonymous"}, "location": None, **filters}
    snapshot = await crawl(plain_registry(HELD)[1:], tmp_path, prefix=prefix, **changes)
    assert snapshot.records == []
    assert snapshot.manifest["verdict"] == "partial"
    assert snapshot.manifest["reasons"] == [why]


@pytest.mark.parametrize("filters", [{}, {"include": ["*/web"]}, {"exclude": ["*/web"]}])
async def test_a_prefix_and_filters_that_match_something_are_no_reason(filters, tmp_path):
    changes = {"kind": "distribution", "auth": {"method": "anonymous"}, "location": None, **filters}
    snapshot = await crawl(plain_registry(HELD)[1:], tmp_path, prefix="/team/apps", **changes)
    assert snapshot.records
    assert snapshot.manifest["verdict"] == "complete"


async def test_a_filter_that_matches_nothing_of_a_walk_is_a_reason(tmp_path):
    script = [node("acme", "team"), node("acme/team", "app"), repository("acme/team/app")]
    snapshot = await crawl(script, tmp_path, prefix="/acme", include=["*/api"])
    assert snapshot.records == []
    assert snapshot.manifest["verdict"] == "partial"
    assert snapshot.manifest["reasons"] == ["no repository matches --include '*/api'"]


def test_a_selection_says_nothing_where_a_name_matched_or_none_was_judged():
    selection = NameFilter(Target.parse("localhost/team"), include=["*/app"])
    assert selection.nothing_matched is None
    for name, why in (
        ("base/jq", "no repository lies under the prefix team"),
        ("team/lib", "no repository matches --include '*/app'"),
        ("team/app", None),
        ("team/lib2", None),
    ):
        selection.matches(name)
        assert selection.nothing_matched == why
