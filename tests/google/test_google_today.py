"""Google's registries as they are today: gcr.io with an empty catalog, pkg.dev, and Artifact Registry's API."""

from typing import Any

import pytest
from support.inventories import comparable, expected, expected_from_api
from support.snapshots import read_snapshot

import crawler
from crawler.emulator import ArtifactRegistry, Inventory, Settings
from crawler.model.names import Target
from crawler.profiles import profile_for
from crawler.vendors.google.host_scope import HostScope
from crawler.wire.google_apis import ArtifactRepository

GCR = ArtifactRegistry(serves="gcr.io")
PKG_DEV = ArtifactRegistry()
KINDS = {"gcr.io": ("gcr", "us"), "pkg.dev": ("artifact-registry", "us-central1")}


@pytest.fixture
def today(google):
    """Start Google's registry in one of its two roles, with an empty catalog by default."""

    async def start(role: ArtifactRegistry, **settings: Any) -> Any:
        return await google(**{"repositories": 150, "catalog": "empty", **settings}, artifact_registry=role)

    return start


def crawling(registry: Any, role: ArtifactRegistry, *, prefix: str = "", **changes: Any) -> crawler.Config:
    kind, location = KINDS[role.serves]
    address = f"http://{registry.emulator.registry}"
    table = {
        "target": registry.emulator.registry + prefix,
        "kind": kind,
        "location": location,
        "apis": {"artifact_registry": address, "resource_manager": address},
        **changes,
    }
    config = registry.config(**table)
    return config.model_copy(update={"limits": config.limits.model_copy(update={"rate": None})})


def below(records: dict[str, Any], project: str) -> dict[str, Any]:
    return {name: record for name, record in records.items() if name.startswith(f"{project}/")}


ROLES = pytest.mark.parametrize("role", [GCR, PKG_DEV], ids=["gcr.io", "pkg.dev"])
FLOWS = pytest.mark.parametrize("method", ["token", "access-token", "json-key"])


@ROLES
@FLOWS
@pytest.mark.parametrize("catalog", ["empty", "null"])
async def test_google_host_lists_the_whole_inventory(today, role, method, catalog):
    registry = await today(role, catalog=catalog)
    manifest = await crawler.crawl(crawling(registry, role, auth={"method": method}))
    assert comparable(read_snapshot(registry.output).by_name) == expected(registry.emulator.inventory)
    assert (manifest.verdict, manifest.discovery.method) == ("complete", "artifact-registry")
    assert "Artifact Registry's API listed" in manifest.discovery.evidence
    assert "in 2 projects" in manifest.discovery.evidence
    assert "every folder was opened" in manifest.discovery.evidence
    assert registry.emulator.counts["catalog"] == 0


@ROLES
@FLOWS
async def test_google_project_lists_its_whole_inventory(today, role, method):
    registry = await today(role)
    manifest = await crawler.crawl(crawling(registry, role, prefix="/my-project", auth={"method": method}))
    ours = below(expected(registry.emulator.inventory), "my-project")
    assert comparable(read_snapshot(registry.output).by_name) == ours
    assert (manifest.verdict, manifest.discovery.method) == ("complete", "walk")
    assert "a walk from my-project down: every folder was opened" in manifest.discovery.evidence
    assert registry.emulator.counts["api"] == 0


@ROLES
@pytest.mark.parametrize(("method", "tokens"), [("access-token", 0), ("token", 1)])
async def test_google_walk_of_two_thousand_nodes_takes_as_many_exchanges_and_their_tokens(today, role, method, tokens):
    registry = await today(role, repositories=1700)
    manifest = await crawler.crawl(crawling(registry, role, auth={"method": method}))
    nodes = len(registry.emulator.inventory.nodes())
    assert nodes > 1800
    projects_are_no_roots = 2 if role is PKG_DEV else 0  # the API names the repositories below them
    listings = nodes - projects_are_no_roots
    counts = registry.emulator.counts
    assert (counts["listing"], counts["token"]) == (listings, tokens * listings)
    assert manifest.requests.total == counts["ping"] + counts["api"] + listings * (1 + tokens)
    assert counts["api"] == 3  # the projects, and each one's repositories


@ROLES
async def test_google_api_alone_lists_the_inventory_without_the_registry(today, role):
    registry = await today(role, empty=0, vanished=0)
    changes = {"discovery": "artifact-registry", "images_from": "api"}
    manifest = await crawler.crawl(crawling(registry, role, auth={"method": "access-token"}, **changes))
    known = expected_from_api(registry.emulator.inventory)
    assert comparable(read_snapshot(registry.output).by_name) == known
    assert manifest.verdict == "complete"
    assert registry.emulator.counts["listing"] == 0
    assert manifest.counts.images == sum(len(record["images"]) for record in known.values())


async def test_google_api_is_read_page_by_page(today):
    role = ArtifactRegistry(api_page=7, projects=tuple(f"project-{n}" for n in range(20)))
    registry = await today(role)
    changes = {"discovery": "artifact-registry", "images_from": "api"}
    await crawler.crawl(crawling(registry, role, **changes))
    known = {name for name, record in expected(registry.emulator.inventory).items() if record["images"]}
    assert set(read_snapshot(registry.output).by_name) == known
    assert registry.emulator.counts["api"] > len(known) / 7


async def test_google_artifact_registry_repository_may_be_the_target(today):
    registry = await today(PKG_DEV)
    folder = "/".join(registry.emulator.inventory.names[0].split("/")[:2])
    for changes in ({}, {"discovery": "artifact-registry"}):
        await crawler.crawl(crawling(registry, PKG_DEV, prefix=f"/{folder}", **changes))
        assert set(read_snapshot(registry.output).by_name) == set(registry.emulator.inventory.names_under(folder))


async def test_google_api_ignores_images_at_other_locations(today):
    registry = await today(PKG_DEV)
    elsewhere = Inventory(Settings(repositories=15, artifact_registry=ArtifactRegistry(location="europe-west1")))
    changes = {"discovery": "artifact-registry", "images_from": "api"}
    await crawler.crawl(crawling(registry, PKG_DEV, **changes))
    assert not set(read_snapshot(registry.output).by_name) & (
        set(elsewhere.names) - set(registry.emulator.inventory.names)
    )


async def test_google_api_with_denied_projects_is_partial(today):
    role = ArtifactRegistry(denied_projects=("closed-project", "shut-project"))
    registry = await today(role)
    manifest = await crawler.crawl(crawling(registry, role))
    assert set(read_snapshot(registry.output).by_name) == set(registry.emulator.inventory.names)
    assert manifest.verdict == "partial"
    assert "could not read project " in manifest.discovery.evidence
    assert "closed-project: 403 IAM_PERMISSION_DENIED" in manifest.discovery.evidence
    assert "shut-project" in manifest.discovery.evidence


async def test_google_api_counts_projects_where_it_is_disabled(today):
    role = ArtifactRegistry(api_disabled_projects=("plain-project",))
    registry = await today(role)
    manifest = await crawler.crawl(crawling(registry, role))
    assert manifest.verdict == "complete"
    counted = "in 3 projects at us-central1 (the API is disabled in 1 project); not searched: 1 project not ACTIVE; "
    assert counted in manifest.discovery.evidence


async def test_google_api_that_is_disabled_in_the_target_is_an_error(today):
    role = ArtifactRegistry(api_disabled_projects=("plain-project",))
    registry = await today(role)
    with pytest.raises(crawler.Denied, match="SERVICE_DISABLED"):
        await crawler.crawl(crawling(registry, role, prefix="/plain-project"))
    assert not list(registry.output.glob("source=*"))


@pytest.mark.parametrize("catalog", ["empty", "null"])
async def test_google_empty_catalog_without_the_api_is_partial_and_lists_what_was_tried(google, catalog):
    registry = await google(repositories=50, catalog=catalog)
    address = f"http://{registry.emulator.registry}"  # where no API answers
    config = registry.config(kind="gcr", apis={"artifact_registry": address, "resource_manager": address})
    manifest = await crawler.crawl(config)
    assert (manifest.verdict, manifest.discovery.method, manifest.counts.repositories) == ("partial", "catalog", 0)
    assert "means unknown, not none (tried: artifact-registry: GET http" in manifest.reasons[0]
    assert "404" in manifest.reasons[0]


async def test_google_discovery_without_any_source_ends_with_the_last_error(today):
    role = ArtifactRegistry(resource_manager="disabled")
    registry = await today(role)
    with pytest.raises(crawler.Denied, match="_catalog"):
        await crawler.crawl(crawling(registry, role))
    assert not list(registry.output.glob("source=*"))


@pytest.mark.parametrize("catalog", ["empty", "null"])
async def test_google_empty_catalog_is_never_complete(google, catalog):
    registry = await google(repositories=50, catalog=catalog)
    kind = {"kind": "gcr", "discovery": "catalog"}
    manifest = await crawler.crawl(registry.config(**kind))
    assert (manifest.verdict, manifest.counts.repositories) == ("partial", 0)
    assert "an empty catalog from a Google host means unknown, not none" in manifest.reasons[0]


async def test_google_catalog_is_used_where_the_api_does_not_answer(google):
    registry = await google(repositories=50)
    nowhere = {"artifact_registry": "http://127.0.0.1:9", "resource_manager": f"http://{registry.emulator.registry}"}
    config = registry.config(kind="gcr", apis=nowhere)
    manifest = await crawler.crawl(config)
    assert (manifest.verdict, manifest.discovery.method, manifest.counts.repositories) == ("complete", "catalog", 50)
    assert "(tried: artifact-registry: GET http://" in manifest.discovery.evidence


async def test_google_walk_that_finds_nothing_falls_back_to_the_api(today):
    role = ArtifactRegistry(serves="gcr.io", projects=("my-project", "bare-project"))
    registry = await today(role, repositories=1)
    (taken,) = registry.emulator.inventory.names
    bare = next(project for project in role.projects if not taken.startswith(f"{project}/"))
    manifest = await crawler.crawl(crawling(registry, role, prefix=f"/{bare}"))
    assert (manifest.counts.repositories, manifest.discovery.method) == (0, "artifact-registry")
    assert f"(tried: walk: a walk from {bare} down finds nothing, which proves nothing: " in manifest.discovery.evidence


async def test_google_walk_that_finds_nothing_without_the_api_is_partial(today):
    role = ArtifactRegistry(serves="gcr.io", projects=("my-project", "bare-project"))
    registry = await today(role, repositories=1)
    (taken,) = registry.emulator.inventory.names
    bare = next(project for project in role.projects if not taken.startswith(f"{project}/"))
    scope = {"scope": "devstorage.read_only"}
    manifest = await crawler.crawl(crawling(registry, role, prefix=f"/{bare}", auth=scope))
    assert (manifest.verdict, manifest.counts.repositories) == ("partial", 0)
    assert "which proves nothing: check the prefix" in manifest.discovery.evidence
    assert "(tried: artifact-registry: " in manifest.discovery.evidence


@pytest.mark.parametrize(
    ("target", "project", "location", "repository", "folder"),
    [
        ("gcr.io", None, "us", "gcr.io", "p"),
        ("us.gcr.io", None, "us", "us.gcr.io", "p"),
        ("eu.gcr.io/p", "p", "europe", "eu.gcr.io", "p"),
        ("asia.gcr.io/example.com/q/team", "example.com:q", "asia", "asia.gcr.io", "example.com/q"),
        ("us-central1-docker.pkg.dev", None, "us-central1", None, "p/r"),
        ("europe-docker.pkg.dev/p/r/app", "p", "europe", "r", "p/r"),
        ("us-docker.pkg.dev/example.com/q/r", "example.com:q", "us", "r", "example.com/q/r"),
    ],
)
def test_google_host_names_its_location_and_repository(target, project, location, repository, folder):
    target = Target.parse(target)
    place = HostScope.of_target(target, profile_for(target), None)
    assert (place.project, place.location, place.repository) == (project, location, repository)
    found = ArtifactRepository(f"projects/p/locations/us/repositories/{repository or 'r'}", "DOCKER", is_empty=False)
    assert place.matches(found)
    assert place.name_prefix(project or "p", found) == folder
    assert not place.matches(ArtifactRepository(found.resource, "MAVEN", is_empty=False))


async def test_google_api_has_a_rate_limit_of_its_own(today):
    role = ArtifactRegistry(api_quota_per_s=4, projects=tuple(f"project-{n}" for n in range(8)))
    registry = await today(role, repositories=30)
    manifest = await crawler.crawl(crawling(registry, role))
    assert set(read_snapshot(registry.output).by_name) == set(registry.emulator.inventory.names)
    assert manifest.verdict == "complete"
    assert registry.emulator.counts["throttled"] > 0


async def test_google_listings_in_pages_are_read_to_their_end(today):
    registry = await today(PKG_DEV, tags_page=3)
    manifest = await crawler.crawl(crawling(registry, PKG_DEV))
    records = read_snapshot(registry.output).by_name
    known = expected(registry.emulator.inventory)
    assert {name: record["images"] for name, record in records.items()} == {n: r["images"] for n, r in known.items()}
    assert {name: sorted(record["tags"]) for name, record in records.items()} == {
        n: sorted(r["tags"]) for n, r in known.items()
    }
    assert manifest.verdict == "complete"


async def test_google_listing_has_untagged_images_and_old_build_times(today):
    registry = await today(PKG_DEV, repositories=300)
    await crawler.crawl(crawling(registry, PKG_DEV))
    images = [image for record in read_snapshot(registry.output).records for image in record["images"] or ()]
    assert [image for image in images if not image["tags"]]
    assert {image["created_at"][:4] for image in images if image["created_at"]} >= {"1970", "1980"}
    assert all(image["uploaded_at"] is None or image["uploaded_at"] > "2013" for image in images)
