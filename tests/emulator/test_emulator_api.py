"""The REST APIs, behind a pkg.dev host."""

import re
from datetime import datetime
from urllib.parse import unquote

import aiohttp
import pytest
from support.emulator_client import basic, bearer, client_of, everything, pages, refusal

from crawler.emulator import ArtifactRegistry, Kind, Settings, serving

ROLE = ArtifactRegistry(denied_projects=("closed-project",), api_disabled_projects=("bare-project",))
SETTINGS = Settings(repositories=120, empty=0.05, vanished=0.05, denied=0.05, artifact_registry=ROLE)
HERE = "/v1/projects/my-project/locations/us-central1/repositories"
PATHS = ("/v3/projects:search", "/v1/projects/my-project/locations", HERE, f"{HERE}/none/dockerImages")
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")


@pytest.fixture
async def emulator():
    async with serving(SETTINGS) as emulator:
        yield emulator


@pytest.fixture
async def user(client):
    return bearer(await client.access_token("cloud-platform.read-only"))


async def docker_images(client, user, location):
    """All images of all Docker repositories at a location, by docker name and digest."""
    found = {}
    for project in ROLE.projects:
        path = f"/v1/projects/{project}/locations/{location}/repositories"
        for repository in await everything(client, user, path):
            if repository["format"] == "DOCKER":
                for image in await everything(client, user, f"/v1/{repository['name']}/dockerImages"):
                    host, _, reference = image["uri"].partition("/")
                    assert host == f"{location}-docker.pkg.dev"
                    assert image["name"].startswith(f"{repository['name']}/dockerImages/")
                    found[tuple(reference.split("@"))] = image
    return found


def info(reply):
    """The part of a refusal that is meant for machines."""
    return next(detail for detail in reply.json["error"]["details"] if detail["@type"].endswith(".rpc.ErrorInfo"))


def switched_off(reply):
    """Which API the project does without, having checked that all says so."""
    status, code, message = refusal(reply)
    assert (status, code) == (403, "PERMISSION_DENIED")
    told = info(reply)
    number = told["metadata"]["consumer"].removeprefix("projects/")
    service = told["metadata"]["service"]
    assert told == {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "SERVICE_DISABLED",
        "domain": "googleapis.com",
        "metadata": {"service": service, "consumer": f"projects/{number}"},
    }
    assert f" API has not been used in project {number} before or it is disabled. Enable it by visiting " in message
    assert f"/apis/api/{service}/overview?project={number} then retry. " in message
    return service


def milliseconds(image, key):
    if key not in image:
        return "0"
    assert RFC3339.fullmatch(image[key])
    return str(round(datetime.fromisoformat(image[key]).timestamp() * 1000))


async def test_api_projects_search_is_unordered_and_has_a_deleted_project(client, user):
    found = await everything(client, user, "/v3/projects:search")
    assert {project["projectId"]: project["state"] for project in found} == {
        "my-project": "ACTIVE",
        "other-project": "ACTIVE",
        "closed-project": "ACTIVE",
        "bare-project": "ACTIVE",
        "retired-project": "DELETE_REQUESTED",
    }
    assert all(re.fullmatch(r"projects/\d+", project["name"]) for project in found)
    assert len({project["name"] for project in found}) == 5
    assert await everything(client, user, "/v3/projects:search", pageSize=1) == found


async def test_api_locations_of_each_project(client, user):
    for project in ROLE.projects:
        assert (await client.get(f"/v1/projects/{project}/locations", headers=user)).json == {
            "locations": [
                {"name": f"projects/{project}/locations/{location}", "locationId": location}
                for location in ("us-central1", "europe-west1")
            ]
        }


async def test_api_repositories_of_several_formats_at_each_location(client, user):
    for project in ROLE.projects:
        for location in ROLE.locations:
            parent = f"projects/{project}/locations/{location}"
            found = await everything(client, user, f"/v1/{parent}/repositories")
            formats = [repository["format"] for repository in found]
            assert formats.count("DOCKER") == 3
            assert {"MAVEN", "PYTHON"} < set(formats)
            for repository in found:
                assert set(repository) == {
                    "name", "format", "mode", "description", "createTime", "updateTime", "sizeBytes",
                }  # fmt: skip
                assert repository["name"].startswith(f"{parent}/repositories/")
                assert RFC3339.fullmatch(repository["createTime"])
                assert repository["createTime"] < repository["updateTime"]
                assert repository["sizeBytes"].isdecimal()


async def test_api_images_equal_the_registrys_listings(client, emulator, user):
    found = await docker_images(client, user, "us-central1")
    told = {}
    for repository in emulator.inventory.truth():
        for digest, image in (repository.listing or {"manifest": {}})["manifest"].items():
            told[repository.name, digest] = image
    assert set(found) == set(told)
    for key, image in found.items():
        assert {
            "imageSizeBytes": image.get("imageSizeBytes", "0"),
            "layerId": "",
            "mediaType": image["mediaType"],
            "tag": image.get("tags", []),
            "timeCreatedMs": milliseconds(image, "buildTime"),
            "timeUploadedMs": milliseconds(image, "uploadTime"),
        } == told[key]
        assert image.get("updateTime") == image.get("uploadTime")
        assert "" not in image.values()
        assert [] not in image.values()


async def test_api_image_slashes_are_encoded_in_its_name_only(client, user):
    found = await docker_images(client, user, "us-central1")
    nested = [image for (name, _), image in found.items() if name.count("/") > 2]
    assert nested
    for image in nested:
        last = image["name"].rsplit("/", 1)[1]
        assert "%2F" in last
        assert image["uri"].endswith(f"/{unquote(last)}")


async def test_api_images_lack_empty_vanished_and_denied_repositories(client, emulator, user):
    present = {name for name, _ in await docker_images(client, user, "us-central1")}
    assert {emulator.inventory.kind(name) for name in emulator.inventory.names} == set(Kind)
    assert present == {name for name in emulator.inventory.names if emulator.inventory.kind(name) is Kind.NORMAL}


async def test_api_lists_images_at_other_locations(client, emulator, user):
    elsewhere = {name for name, _ in await docker_images(client, user, "europe-west1")}
    assert elsewhere
    assert {name.split("/")[0] for name in elsewhere} <= set(ROLE.projects)
    assert not elsewhere & set(emulator.inventory.names)


async def test_api_pagination_obeys_page_size_and_loses_nothing(client, emulator, user):
    folder = "/".join(emulator.inventory.names[0].split("/")[1:2])
    path = f"{HERE}/{folder}/dockerImages"
    whole = await everything(client, user, path, pageSize=1000)
    assert len(whole) > 20
    for size in (1, 7, len(whole)):
        bodies = await pages(client, user, path, pageSize=size)
        assert [image for body in bodies for image in body["dockerImages"]] == whole
        assert [len(body["dockerImages"]) for body in bodies[:-1]] == [size] * (len(bodies) - 1)
        assert len(bodies) == -(-len(whole) // size)


async def test_api_pagination_has_a_default_and_a_maximum(session):
    settings = Settings(repositories=2000, artifact_registry=ArtifactRegistry(repositories_per_location=1))
    async with serving(settings) as emulator:
        client = client_of(emulator, session)
        user = bearer(await client.access_token("cloud-platform"))
        (folder,) = {name.split("/")[1] for name in emulator.inventory.names_under("my-project")}
        path = f"{HERE}/{folder}/dockerImages"
        for query, length in (("", 100), ("?pageSize=0", 100), ("?pageSize=1000", 1000), ("?pageSize=5000", 1000)):
            reply = await client.get(f"{path}{query}", headers=user)
            assert len(reply.json["dockerImages"]) == length


async def test_api_pagination_maximum_is_a_setting(session):
    async with serving(Settings(repositories=30, artifact_registry=ArtifactRegistry(api_page=2))) as emulator:
        client = client_of(emulator, session)
        user = bearer(await client.access_token("cloud-platform"))
        bodies = await pages(client, user, HERE, pageSize=1000)
        assert [len(body["repositories"]) for body in bodies] == [2, 2, 1]
        bodies = await pages(client, user, "/v3/projects:search")
        assert [len(body["projects"]) for body in bodies] == [2, 1]


async def test_api_pagination_refuses_invalid_parameters(client, user):
    elsewhere = (await client.get("/v3/projects:search?pageSize=1", headers=user)).json["nextPageToken"]
    repositories = await everything(client, user, HERE)
    docker = next(repository["name"] for repository in repositories if repository["format"] == "DOCKER")
    wrong = ("pageSize=-1", "pageSize=many", "pageToken=!", "pageToken=bm90LW91cnM=", f"pageToken={elsewhere}", "n=5")
    for path in ("/v1/projects/my-project/locations", HERE, f"/v1/{docker}/dockerImages"):
        for query in wrong:
            assert refusal(await client.get(f"{path}?{query}", headers=user))[:2] == (400, "INVALID_ARGUMENT")


async def test_api_omits_empty_fields(session):
    async with serving(Settings(repositories=0, artifact_registry=ROLE)) as emulator:
        client = client_of(emulator, session)
        user = bearer(await client.access_token("cloud-platform"))
        repositories = await everything(client, user, HERE)
        docker = next(repository["name"] for repository in repositories if repository["format"] == "DOCKER")
        assert (await client.get(f"/v1/{docker}/dockerImages", headers=user)).json == {}


async def test_api_refuses_wildcard_locations(client, user):
    for location in ("-", "*"):
        for rest in ("repositories", "repositories/base/dockerImages"):
            reply = await client.get(f"/v1/projects/my-project/locations/{location}/{rest}", headers=user)
            assert refusal(reply)[:2] == (400, "INVALID_ARGUMENT")


async def test_api_denies_projects_and_locations_without_access(client, user):
    for project in ("closed-project", "retired-project", "nobodys-project"):
        parent = f"/v1/projects/{project}/locations"
        for path in (parent, f"{parent}/us-central1/repositories", f"{parent}/us-central1/repositories/a/dockerImages"):
            status, code, message = refusal(await client.get(path, headers=user))
            assert (status, code) == (403, "PERMISSION_DENIED")
            assert message.endswith(f"/projects/{project}' (or it may not exist).")
            reply = await client.get(path, headers=user)
            assert info(reply)["reason"] == "IAM_PERMISSION_DENIED"
            assert info(reply)["metadata"]["resource"] == f"projects/{project}"
    reply = await client.get("/v1/projects/my-project/locations/mars-north1/repositories", headers=user)
    assert refusal(reply)[:2] == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize("serves", ["pkg.dev", "gcr.io"])
async def test_api_disabled_project_gets_403_with_the_reason(session, serves):
    role = ArtifactRegistry(serves=serves, api_disabled_projects=("bare-project",))
    async with serving(Settings(repositories=20, artifact_registry=role)) as emulator:
        client = client_of(emulator, session)
        user = bearer(await client.access_token("cloud-platform"))
        found = await everything(client, user, "/v3/projects:search")
        (number,) = [p["name"].split("/")[1] for p in found if p["projectId"] == "bare-project"]
        parent = "/v1/projects/bare-project/locations"
        for path in (parent, f"{parent}/us-central1/repositories", f"{parent}/us/repositories/gcr.io/dockerImages"):
            reply = await client.get(path, headers=user)
            assert switched_off(reply) == "artifactregistry.googleapis.com"
            assert info(reply)["metadata"]["consumer"] == f"projects/{number}"
        for name in ("bare-project", "bare-project/base/api"):
            reply = await client.get(f"/v2/{name}/tags/list", headers=user)
            status, code, message = reply.error
            assert (status, code) == (403, "DENIED")
            assert message.startswith(f"Artifact Registry API has not been used in project {number} before or it is")
        assert "bare-project" not in emulator.inventory.projects


async def test_api_images_need_a_docker_repository(client, user):
    assert refusal(await client.get(f"{HERE}/none/dockerImages", headers=user))[:2] == (404, "NOT_FOUND")
    assert refusal(await client.get(f"{HERE}/wheels/dockerImages", headers=user))[:2] == (400, "INVALID_ARGUMENT")


async def test_api_auth_accepts_access_tokens_only(client):
    token = await client.access_token("cloud-platform")
    for path in PATHS:
        for headers in (
            {},
            client.key_headers(),
            basic("oauth2accesstoken", token),
            bearer("ya29.made-up"),
            bearer(await client.registry_token("registry:catalog:*")),
        ):
            reply = await client.get(path, headers=headers)
            assert refusal(reply)[:2] == (401, "UNAUTHENTICATED")
            assert client.registry not in reply.headers["WWW-Authenticate"]
            assert "Docker-Distribution-API-Version" not in reply.headers


async def test_api_auth_refuses_a_storage_scope(client):
    user = bearer(await client.access_token("devstorage.read_only"))
    for path in PATHS:
        reply = await client.get(path, headers=user)
        assert reply.json == {
            "error": {
                "code": 403,
                "message": "Request had insufficient authentication scopes.",
                "status": "PERMISSION_DENIED",
            }
        }


async def test_api_disabled_resource_manager_denies_search_and_catalog(session):
    role = ArtifactRegistry(resource_manager="disabled")
    async with serving(Settings(repositories=5, artifact_registry=role)) as emulator:
        client = client_of(emulator, session)
        user = bearer(await client.access_token("cloud-platform"))
        status, code, message = refusal(await client.get("/v3/projects:search", headers=user))
        assert (status, code) == (403, "PERMISSION_DENIED")
        assert re.match(
            r"Cloud Resource Manager API has not been used in project \d+ before or it is disabled", message
        )
        reply = await client.get("/v3/projects:search", headers=user)
        assert switched_off(reply) == "cloudresourcemanager.googleapis.com"
        assert (await client.get("/v2/_catalog", headers=user)).error == (403, "DENIED", message)
        assert (await client.get(HERE, headers=user)).status == 200


async def test_api_is_absent_from_container_registry(session):
    async with serving(Settings(repositories=1)) as emulator:
        client = client_of(emulator, session)
        user = bearer(await client.access_token("cloud-platform"))
        assert {(await client.get(path, headers=user)).status for path in PATHS} == {404}
        assert emulator.counts["api"] == 0


async def test_api_exchanges_have_a_count_of_their_own(client, emulator, user):
    for path in PATHS:
        await client.get(path, headers=user)
        await client.get(path)
    assert emulator.counts["api"] == 2 * len(PATHS)
    assert emulator.counts["listing"] == emulator.counts["busiest_second"] == 0


async def test_api_faults_have_the_apis_error_format(session):
    async with serving(Settings(repositories=1, unavailable=1.0, artifact_registry=ROLE)) as emulator:
        client = client_of(emulator, session)
        for path in PATHS:
            assert refusal(await client.get(path))[:2] == (503, "UNAVAILABLE")
        assert emulator.counts["faults"] == len(PATHS)


async def test_api_faults_truncate_responses(session):
    async with serving(Settings(repositories=1, truncated=1.0, artifact_registry=ROLE)) as emulator:
        client = client_of(emulator, session)
        with pytest.raises(aiohttp.ClientPayloadError):
            await client.get(HERE, headers=bearer(await client.access_token("cloud-platform")))


async def test_api_quota_is_separate(session):
    role = ArtifactRegistry(api_quota_per_s=1)
    async with serving(Settings(repositories=1, artifact_registry=role)) as emulator:
        client = client_of(emulator, session)
        user = bearer(await client.access_token("cloud-platform"))
        replies = [await client.get(HERE, headers=user) for _ in range(10)]
        refused = [reply for reply in replies if reply.status != 200]
        assert refused
        assert {refusal(reply)[:2] for reply in refused} == {(429, "RESOURCE_EXHAUSTED")}
        assert emulator.counts["throttled"] == len(refused)
        assert {(await client.get("/v2/", headers=user)).status for _ in range(10)} == {200}


async def test_api_exchanges_do_not_use_the_registrys_quota(session):
    async with serving(Settings(repositories=1, quota_per_s=1, artifact_registry=ROLE)) as emulator:
        client = client_of(emulator, session)
        user = bearer(await client.access_token("cloud-platform"))
        assert {(await client.get(HERE, headers=user)).status for _ in range(10)} == {200}
