"""Domain-scoped projects: `example.com:project` for Google's APIs, `example.com/project` in repository names."""

import pytest
from support.scripted import document, on, serve
from support.scripted_google import EMPTY_CATALOG, IMAGE, crawling, node, projects, repositories, repository
from support.snapshots import read_snapshot

import crawler
from crawler.model.names import Target
from crawler.profiles import PROFILES_BY_KIND, google_project, profile_for

ID = "example.com:ours"

PING = on("/v2/", document({}))
LOCATIONS = on(f"/v1/projects/{ID}/locations", document({"locations": [{"locationId": "us"}]}))
INSIDE = (node("example.com/ours/team", "app"), repository("example.com/ours/team/app"))
IMAGES = on(
    f"/v1/projects/{ID}/locations/us/repositories/team/dockerImages",
    document(
        {
            "dockerImages": [
                {
                    "name": f"projects/{ID}/locations/us/repositories/team/dockerImages/app@{next(iter(IMAGE))}",
                    "tags": ["1"],
                }
            ]
        }
    ),
)


async def crawl(script, folder, prefix="", **registry):
    async with serve([PING, *script]) as server:
        apis = {"artifact_registry": server.origin, "resource_manager": server.origin}
        await crawler.crawl(crawling(server.host + prefix, folder, apis=apis, **registry))
    return read_snapshot(folder / "out")


def assert_found(snapshot, *names):
    assert snapshot.manifest["verdict"] == "complete", snapshot.manifest["reasons"]
    assert set(snapshot.outcomes) == set(names)
    assert set(snapshot.outcomes.values()) == {"ok"}


async def test_google_domain_project_is_found_by_the_search(tmp_path):
    script = [projects(ID), repositories(ID, team="7"), *INSIDE]
    assert_found(await crawl(script, tmp_path), "example.com/ours/team/app")


async def test_domain_project_is_found_at_the_locations_that_the_api_lists(tmp_path):
    script = [projects(ID), LOCATIONS, repositories(ID, team="7"), *INSIDE]
    assert_found(await crawl(script, tmp_path, location=None), "example.com/ours/team/app")


@pytest.mark.parametrize("images_from", ["listing", "api"])
@pytest.mark.parametrize("prefix", ["/example.com/ours", "/example.com/ours/team"])
async def test_domain_project_in_the_target_is_sent_to_the_apis_by_its_id(prefix, images_from, tmp_path):
    script = [repositories(ID, team="7", **({"other": None} if prefix.endswith("team") else {})), *INSIDE, IMAGES]
    changes = {"discovery": "artifact-registry", "images_from": images_from}
    assert_found(await crawl(script, tmp_path, prefix, **changes), "example.com/ours/team/app")


async def test_google_domain_project_of_gcr_io_has_images_below_itself(tmp_path):
    script = [
        projects(ID),
        repositories(ID, gcr_io="7"),
        node("example.com/ours", "app"),
        repository("example.com/ours/app"),
    ]
    assert_found(await crawl(script, tmp_path, kind="gcr"), "example.com/ours/app")


async def test_domain_project_in_the_target_is_walked(tmp_path):
    script = [node("example.com/ours", "team"), *INSIDE]
    snapshot = await crawl(script, tmp_path, "/example.com/ours")
    assert_found(snapshot, "example.com/ours/team/app")
    assert snapshot.manifest["discovery"]["method"] == "walk"


async def test_domain_project_and_an_empty_repository_get_no_record(tmp_path):
    """Behind pkg.dev, `example.com/ours/void` is a repository of Artifact Registry, and not a repository of images."""
    script = [node("example.com/ours", "team", "void"), *INSIDE, node("example.com/ours/void")]
    assert_found(await crawl(script, tmp_path, "/example.com/ours"), "example.com/ours/team/app")


async def test_domain_as_the_target_includes_exactly_its_projects(tmp_path):
    script = [
        projects(ID, "acme", "example.community:ours"),
        repositories(ID, team="7"),
        *INSIDE,
    ]
    snapshot = await crawl(script, tmp_path, "/example.com", discovery="artifact-registry")
    assert_found(snapshot, "example.com/ours/team/app")


async def test_domain_project_that_is_denied_is_named_by_its_id(tmp_path):
    refused = document({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "no"}}, status=403)
    script = [
        projects(ID, "acme"),
        on(f"/v1/projects/{ID}/locations/us/repositories", refused),
        repositories("acme", team="7"),
        node("acme/team", "app"),
        repository("acme/team/app"),
    ]
    snapshot = await crawl([*script, EMPTY_CATALOG], tmp_path)
    assert snapshot.manifest["verdict"] == "partial"
    assert f"could not read project {ID}: 403 PERMISSION_DENIED" in snapshot.manifest["reasons"][0]


def quota(text):
    target = Target.parse(text)
    return profile_for(target).quota(target)


def test_google_domain_project_has_a_quota_of_its_own():
    ours = quota("us-docker.pkg.dev/example.com/ours")
    assert ours.label == f"Artifact Registry's quota for {ID} at us-docker.pkg.dev"
    assert ours != quota("us-docker.pkg.dev/example.com/theirs")
    assert ours == quota("us-docker.pkg.dev/example.com/ours/team/app")
    assert quota("us-docker.pkg.dev/example.com").label == quota("us-docker.pkg.dev").label
    assert quota("gcr.io/example.com/ours") == quota("gcr.io/acme")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", ("", "")),
        ("acme", ("acme", "")),
        ("acme/team/app", ("acme", "team/app")),
        ("example.com", ("", "")),
        ("example.com/ours", (ID, "")),
        ("example.com/ours/team/app", (ID, "team/app")),
    ],
)
def test_domain_project_is_parsed_from_a_path(path, found):
    assert google_project(path) == found


@pytest.mark.parametrize(
    ("kind", "name", "is_namespace"),
    [
        ("gcr", "example.com", True),
        ("gcr", "example.com/ours", True),
        ("gcr", "example.com/ours/app", False),
        ("artifact-registry", "example.com/ours/team", True),
        ("artifact-registry", "example.com/ours/team/app", False),
    ],
)
def test_domain_project_makes_namespaces_one_component_deeper(kind, name, is_namespace):
    assert PROFILES_BY_KIND[kind].is_namespace(name) is is_namespace
