"""The registry in the role of LOCATION-docker.pkg.dev."""

import json
from itertools import chain

import pytest
from support.emulator_client import bearer, client_of, walked

from crawler.emulator import ArtifactRegistry, Inventory, Kind, Settings, serving

ROLE = ArtifactRegistry(denied_projects=("closed-project",))
SETTINGS = Settings(repositories=250, denied=0.01, artifact_registry=ROLE)


@pytest.fixture
async def emulator():
    async with serving(SETTINGS) as emulator:
        yield emulator


def test_pkgdev_names_are_project_repository_and_image():
    inventory = Inventory(SETTINGS)
    assert len(inventory.names) == 250
    assert inventory.names == sorted(set(inventory.names))
    assert {name.count("/") for name in inventory.names} == {2, 3, 4}
    assert {name.split("/")[0] for name in inventory.names} == set(ROLE.projects) == set(inventory.projects)
    assert len({tuple(name.split("/")[:2]) for name in inventory.names}) == 6
    assert any(repository.listing["child"] for repository in inventory.truth() if repository.listing)


def test_pkgdev_locations_hold_different_images():
    there = Settings(repositories=250, artifact_registry=ArtifactRegistry(location="europe-west1"))
    digests = [
        set(chain.from_iterable(r.listing["manifest"] for r in Inventory(settings).truth() if r.listing))
        for settings in (SETTINGS, there)
    ]
    assert not set.intersection(*digests)


async def test_pkgdev_walk_from_the_projects_finds_every_image(client, emulator):
    walk = await walked(client, ROLE.projects)
    assert walk.repositories == list(emulator.inventory.names)
    assert emulator.counts["listing"] == len(emulator.inventory.nodes())


async def test_pkgdev_catalog_and_inventory_are_of_the_own_location(client, emulator):
    reply = await client.get("/v2/_catalog?n=1000", headers=client.key_headers())
    truth = [json.loads(line) for line in (await client.get("/emulator/inventory")).body.splitlines()]
    assert reply.json["repositories"] == [repository["name"] for repository in truth] == list(emulator.inventory.names)
    assert [repository["listing"] for repository in truth] == [r.listing for r in emulator.inventory.truth()]


async def test_pkgdev_challenge_names_a_service_only_with_a_scope(client):
    realm = f'Bearer realm="http://{client.registry}/v2/token"'
    for path, challenge in (
        ("/v2/", realm),
        ("/v2/_catalog", f'{realm},service="{client.registry}",scope="registry:catalog:*"'),
        ("/v2/p/r/image/tags/list", f'{realm},service="{client.registry}",scope="repository:p/r/image:pull"'),
    ):
        assert (await client.get(path)).headers["WWW-Authenticate"] == challenge


async def test_pkgdev_denied_errors_name_the_repository(client, emulator):
    image = next(name for name in emulator.inventory.names if emulator.inventory.kind(name) is Kind.DENIED)
    for name in (image, "closed-project/base/api", "retired-project/base/api", "nobodys-project/base/api"):
        token = bearer(await client.registry_token(f"repository:{name}:pull"))
        status, code, message = (await client.get(f"/v2/{name}/tags/list", headers=token)).error
        project, repository, *_ = name.split("/")
        assert (status, code) == (403, "DENIED")
        assert f'"projects/{project}/locations/us-central1/repositories/{repository}"' in message


async def test_pkgdev_repository_without_images_has_an_empty_listing(session):
    async with serving(Settings(repositories=1, artifact_registry=ROLE)) as emulator:
        client = client_of(emulator, session)
        user = bearer(await client.access_token("cloud-platform.read-only"))
        (taken,) = emulator.inventory.names
        found = (await client.get("/v1/projects/my-project/locations/us-central1/repositories", headers=user)).json
        docker = [r["name"].split("/")[-1] for r in found["repositories"] if r["format"] == "DOCKER"]
        bare = next(name for name in docker if not taken.startswith(f"my-project/{name}/"))
        reply = await client.get(f"/v2/my-project/{bare}/tags/list", headers=client.key_headers())
        assert reply.json == {"child": [], "manifest": {}, "name": f"my-project/{bare}", "tags": []}
        for node in ("my-project", "other-project"):
            reply = await client.get(f"/v2/{node}/tags/list", headers=client.key_headers())
            assert bare not in reply.json["child"]


async def test_pkgdev_catalog_may_be_empty(session):
    async with serving(Settings(repositories=5, catalog="null", artifact_registry=ROLE)) as emulator:
        client = client_of(emulator, session)
        assert (await client.get("/v2/_catalog", headers=client.key_headers())).json == {"repositories": None}


def test_pkgdev_inventory_of_50_000_images_is_quick():
    big = Inventory(Settings(repositories=50_000, artifact_registry=ROLE))
    assert len(set(big.names)) == 50_000
    assert len(big.nodes()) > 50_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"projects": ()},
        {"projects": ("one", "one")},
        {"projects": ("My Project",)},
        {"projects": ("one",), "denied_projects": ("one",)},
        {"projects": ("retired-project",)},
        {"api_disabled_projects": ("my-project",)},
        {"serves": "docker.io"},
        {"locations": ("us",)},
        {"locations": ("us-central1", "-")},
        {"repositories_per_location": 0},
        {"api_page": 0},
        {"api_quota_per_s": 0},
    ],
)
def test_pkgdev_settings_that_are_invalid_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        ArtifactRegistry(**wrong)
