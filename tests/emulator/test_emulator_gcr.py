"""The registry in the role of today's gcr.io, which Artifact Registry serves."""

import json
from urllib.parse import unquote

import pytest
from support.emulator_client import bearer, client_of, everything, walked

from crawler.emulator import ArtifactRegistry, Inventory, Kind, Settings, serving

ROLE = ArtifactRegistry(serves="gcr.io", denied_projects=("closed-project",))
SETTINGS = Settings(repositories=250, empty=0.02, vanished=0.02, denied=0.02, artifact_registry=ROLE)


@pytest.fixture
async def emulator():
    async with serving(SETTINGS) as emulator:
        yield emulator


@pytest.fixture
async def user(client):
    return bearer(await client.access_token("cloud-platform.read-only"))


async def docker_repositories(client, user):
    """The names of all repositories of images that the APIs lead to from nothing, and the projects that are closed."""
    found, closed = [], set()
    for project in await everything(client, user, "/v3/projects:search"):
        path = f"/v1/projects/{project['projectId']}/locations"
        if (await client.get(path, headers=user)).status == 403:
            closed.add(project["projectId"])
            continue
        for location in await everything(client, user, path):
            repositories = await everything(client, user, f"/v1/{location['name']}/repositories")
            assert {"MAVEN", "PYTHON"} < {repository["format"] for repository in repositories}
            found += [repository["name"] for repository in repositories if repository["format"] == "DOCKER"]
    return found, closed


def test_gcr_names_are_project_and_image():
    inventory = Inventory(SETTINGS)
    assert len(inventory.names) == 250
    assert inventory.names == sorted(set(inventory.names))
    assert {name.count("/") for name in inventory.names} == {1, 2, 3, 4}
    assert {name.split("/")[0] for name in inventory.names} == set(ROLE.projects) == set(inventory.projects)
    assert not any("gcr.io" in name for name in inventory.names)
    assert any(repository.listing["child"] for repository in inventory.truth() if repository.listing)


async def test_gcr_api_leads_to_the_hosts_repository_in_every_project(client, user):
    found, closed = await docker_repositories(client, user)
    assert closed == {"closed-project", "retired-project"}
    for project in ROLE.projects:
        assert f"projects/{project}/locations/us/repositories/gcr.io" in found
        # another host's, at the same location
        assert f"projects/{project}/locations/us/repositories/us.gcr.io" in found
        for location in ("us", "us-central1", "europe-west1"):
            parent = f"projects/{project}/locations/{location}/repositories/"
            ids = [name.removeprefix(parent) for name in found if name.startswith(parent)]
            assert len([name for name in ids if not name.endswith("gcr.io")]) == 3
    assert sum(name.endswith("gcr.io") for name in found) == 4


async def test_gcr_api_lists_the_registrys_images(client, emulator, user):
    found = {}
    for project in ROLE.projects:
        parent = f"projects/{project}/locations/us/repositories/gcr.io/dockerImages"
        for image in await everything(client, user, f"/v1/{parent}", pageSize=30):
            assert image["name"].startswith(f"{parent}/")
            last = image["name"].removeprefix(f"{parent}/")
            assert "/" not in last
            # as the real one's does: the address that all of Artifact Registry's images have
            assert image["uri"] == f"us-docker.pkg.dev/{project}/gcr.io/{unquote(last)}"
            name, digest = unquote(last).split("@")
            found[f"{project}/{name}", digest] = (image["mediaType"], image.get("tags", []))
    told = {
        (repository.name, digest): (image["mediaType"], image["tag"])
        for repository in emulator.inventory.truth()
        if repository.listing is not None
        for digest, image in repository.listing["manifest"].items()
    }
    assert found == told
    assert any(name.count("/") > 1 for name, _ in found)
    assert {name for name, _ in found} == {
        name for name in emulator.inventory.names if emulator.inventory.kind(name) is Kind.NORMAL
    }


async def test_gcr_api_images_of_other_hosts_differ(client, emulator, user):
    own = {digest for r in emulator.inventory.truth() if r.listing for digest in r.listing["manifest"]}
    others, _ = await docker_repositories(client, user)
    images = [
        image
        for name in others
        if not name.endswith("/gcr.io")
        for image in await everything(client, user, f"/v1/{name}/dockerImages")
    ]
    assert {image["uri"].split("/")[0] for image in images} == {
        "us-docker.pkg.dev",
        "us-central1-docker.pkg.dev",
        "europe-west1-docker.pkg.dev",
    }
    assert any("/repositories/us.gcr.io/" in image["name"] for image in images)
    assert own.isdisjoint(image["name"].split("@")[1] for image in images)


async def test_gcr_walk_from_the_projects_finds_every_image(client, emulator):
    walk = await walked(client, ROLE.projects)
    assert walk.repositories == list(emulator.inventory.names)
    assert sorted(walk.replies) == emulator.inventory.nodes()
    assert emulator.counts["listing"] == len(emulator.inventory.nodes())


async def test_gcr_catalog_and_inventory_span_the_projects(client, emulator):
    reply = await client.get("/v2/_catalog?n=1000", headers=client.key_headers())
    truth = [json.loads(line) for line in (await client.get("/emulator/inventory")).body.splitlines()]
    assert reply.json["repositories"] == [repository["name"] for repository in truth] == list(emulator.inventory.names)
    assert [repository["listing"] for repository in truth] == [r.listing for r in emulator.inventory.truth()]


@pytest.mark.parametrize(("catalog", "told"), [("empty", []), ("null", None)])
async def test_gcr_catalog_may_be_empty_or_null(session, catalog, told):
    async with serving(Settings(repositories=5, catalog=catalog, artifact_registry=ROLE)) as emulator:
        client = client_of(emulator, session)
        assert (await client.get("/v2/_catalog", headers=client.key_headers())).json == {"repositories": told}


async def test_gcr_challenge_always_names_a_service(client):
    challenge = f'Bearer realm="http://{client.registry}/v2/token",service="{client.registry}"'
    assert (await client.get("/v2/")).headers["WWW-Authenticate"] == challenge


async def test_gcr_denied_errors_name_the_hosts_repository(client, emulator):
    image = next(name for name in emulator.inventory.names if emulator.inventory.kind(name) is Kind.DENIED)
    for name in (image, "closed-project", "closed-project/api", "nobodys-project/base/api"):
        status, code, message = (await client.get(f"/v2/{name}/tags/list", headers=client.key_headers())).error
        assert (status, code) == (403, "DENIED")
        assert f'"projects/{name.split("/")[0]}/locations/us/repositories/gcr.io"' in message


@pytest.mark.parametrize(
    ("serves", "location"), [("us.gcr.io", "us"), ("eu.gcr.io", "europe"), ("asia.gcr.io", "asia")]
)
async def test_gcr_host_has_a_location_and_a_repository(session, serves, location):
    role = ArtifactRegistry(serves=serves, projects=("my-project",), locations=("us-central1",))
    async with serving(Settings(repositories=20, artifact_registry=role)) as emulator:
        client = client_of(emulator, session)
        user = bearer(await client.access_token("cloud-platform"))
        found, _ = await docker_repositories(client, user)
        assert f"projects/my-project/locations/{location}/repositories/{serves}" in found
        images = await everything(
            client, user, f"/v1/projects/my-project/locations/{location}/repositories/{serves}/dockerImages"
        )
        assert {image["name"].split("@")[1] for image in images} == {
            digest for r in emulator.inventory.truth() if r.listing for digest in r.listing["manifest"]
        }
        reply = await client.get("/v1/projects/my-project/locations", headers=user)
        assert [at["locationId"] for at in reply.json["locations"]] == [location, "us-central1"]


def test_gcr_hosts_hold_different_images():
    made = [
        Inventory(Settings(repositories=20, artifact_registry=ArtifactRegistry(serves=serves)))
        for serves in ("gcr.io", "us.gcr.io")
    ]
    digests = [{d for r in one.truth() if r.listing for d in r.listing["manifest"]} for one in made]
    assert not set.intersection(*digests)


async def test_gcr_project_without_images_has_the_hosts_repository(session):
    async with serving(Settings(repositories=0, artifact_registry=ROLE)) as emulator:
        client = client_of(emulator, session)
        user = bearer(await client.access_token("cloud-platform"))
        images = "/v1/projects/my-project/locations/us/repositories/gcr.io/dockerImages"
        assert (await client.get(images, headers=user)).json == {}
        reply = await client.get("/v2/my-project/tags/list", headers=user)
        assert reply.json == {"child": [], "manifest": {}, "name": "my-project", "tags": []}
