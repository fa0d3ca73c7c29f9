"""Google's roles and APIs, each by its own refusal, and the gcloud line that mends it."""

from typing import Any

import pytest
from support.doctor_runs import Diagnosis, config, examine
from support.scripted import document, on, refusal, serve
from support.scripted_google import (
    EMPTY_CATALOG,
    REPOSITORIES,
    SEARCH,
    disabled_api,
    node,
    projects,
    repositories,
    repository,
)

from crawler.emulator import ArtifactRegistry

LOGIN = {"method": "basic", "username": "oauth2accesstoken", "password": "ya29.secret"}
TREE = (node("acme", "team"), node("acme/team", "app"), repository("acme/team/app"), EMPTY_CATALOG)
HEALTHY = (projects("acme"), repositories("acme", team="7"), *TREE)
READER = "--role=roles/artifactregistry.reader`"


async def examined(script, folder, *, prefix: str = "", **registry: Any) -> Diagnosis:
    """Examine a scripted Google, whose APIs are on the registry's server."""
    async with serve([on("/v2/", document({})), *script]) as server:
        apis = {"artifact_registry": server.origin, "resource_manager": server.origin}
        table = {"kind": "artifact-registry", "location": "us", "auth": LOGIN, "apis": apis, **registry}
        return await examine(config(server.host + prefix, folder, **table))


def denied(path: str, message: str, reason: str, **metadata: str):
    """403 of Google's APIs (google.rpc.Status with an ErrorInfo)."""
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "metadata": metadata}
    error = {"code": 403, "status": "PERMISSION_DENIED", "message": message, "details": [info]}
    return on(path, document({"error": error}, status=403))


@pytest.mark.parametrize("prefix", ["", "/acme", "/acme/team"])
async def test_doctor_google_healthy(prefix, tmp_path):
    found = await examined(HEALTHY, tmp_path, prefix=prefix)
    assert (found.code, found.amiss) == (0, {})
    assert found.found("listing") == "acme/team/app has tags: 1, images: 1"
    # under a prefix, names come from a walk of the registry, and no API is needed
    assert found.state("repositories") == ("skipped" if prefix else "ok")


@pytest.mark.parametrize(("kind", "role"), [("gcr", "gcr.io"), ("artifact-registry", "pkg.dev")])
async def test_doctor_google_emulators_of_todays_registries_are_healthy(kind, role, google, tmp_path):
    registry = await google(repositories=30, artifact_registry=ArtifactRegistry(serves=role), catalog="empty")
    origin = f"http://{registry.emulator.registry}"
    table = {
        "kind": kind,
        "auth": {"key_file": registry.key_file},
        "apis": {"artifact_registry": origin, "resource_manager": origin},
    }
    found = await examine(config(registry.emulator.registry, tmp_path, **table))
    assert (found.code, found.amiss) == (0, {})
    assert {found.state("projects"), found.state("repositories")} == {"ok"}


async def test_doctor_google_artifact_registry_api_disabled(tmp_path):
    broken = (projects("acme"), disabled_api("acme", "projects/1"), *TREE)
    only_source = {"prefix": "/acme", "discovery": "artifact-registry"}
    refused = await examined(broken, tmp_path)
    ending = await examined(broken, tmp_path, **only_source)
    enabling = "enable the API: gcloud services enable artifactregistry.googleapis.com --project 1"
    assert (refused.code, refused.amiss) == (3, {"repositories": "warning", "names": "warning"})
    assert refused.advice("repositories") == enabling
    assert (ending.code, ending.amiss) == (1, {"repositories": "failure"})
    assert ending.advice("repositories") == enabling
    assert (await examined(HEALTHY, tmp_path, **only_source)).code == 0


async def test_doctor_google_resource_manager_api_disabled(tmp_path):
    message = "Cloud Resource Manager API has not been used in project 42 before or it is disabled."
    off = denied(SEARCH, message, "SERVICE_DISABLED", consumer="projects/42")
    refused = await examined([off, *TREE], tmp_path)
    assert refused.code == 3
    assert refused.state("projects") == "warning"
    assert refused.advice("projects") == (
        "enable the API: gcloud services enable cloudresourcemanager.googleapis.com --project 42"
    )
    assert refused.skipped_for("projects") >= {"repositories"}
    named = await examined([off, *HEALTHY[1:]], tmp_path, prefix="/acme")
    assert (named.code, named.amiss) == (0, {})


async def test_doctor_google_account_that_sees_no_project(tmp_path):
    refused = await examined([projects(), EMPTY_CATALOG], tmp_path)
    assert (refused.code, refused.amiss) == (3, {"projects": "warning", "names": "warning"})
    assert refused.advice("projects").startswith("`gcloud organizations add-iam-policy-binding ORGANISATION --member=")
    assert "--role=roles/browser`" in refused.advice("projects")
    assert (await examined(HEALTHY, tmp_path)).code == 0


async def test_doctor_google_reader_role_missing_at_the_api(tmp_path):
    message = "Permission 'artifactregistry.repositories.list' denied"
    missing = denied(REPOSITORIES.format("acme"), message, "IAM_PERMISSION_DENIED")
    refused = await examined(
        [projects("acme"), missing, *TREE], tmp_path, prefix="/acme", discovery="artifact-registry"
    )
    assert (refused.code, refused.amiss) == (1, {"repositories": "failure"})
    assert refused.advice("repositories").startswith("`gcloud projects add-iam-policy-binding acme --member=")
    assert refused.advice("repositories").endswith(READER)


async def test_doctor_google_reader_role_missing_at_the_registry(tmp_path):
    no = refusal(403, "DENIED", 'Permission "artifactregistry.repositories.downloadArtifacts" denied')
    broken = (on("/v2/acme/team/app/tags/list", no), *HEALTHY)
    refused = await examined(broken, tmp_path, prefix="/acme")
    assert (refused.code, refused.amiss) == (3, {"names": "warning"})
    assert "from walk: no repository that can be listed; refused: GET http://" in refused.found("names")
    assert refused.advice("names").startswith("`gcloud projects add-iam-policy-binding acme --member=")
    assert refused.advice("names").endswith(READER)
    assert (await examined(HEALTHY, tmp_path, prefix="/acme")).code == 0


async def test_doctor_google_quota_project_that_the_account_may_not_use(tmp_path, monkeypatch):
    monkeypatch.setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "billing")
    message = "Caller does not have required permission to use project billing."
    refusing = denied(REPOSITORIES.format("acme"), message, "USER_PROJECT_DENIED", consumer="projects/billing")
    refused = await examined(
        [projects("acme"), refusing, *TREE], tmp_path, prefix="/acme", discovery="artifact-registry"
    )
    assert (refused.code, refused.amiss) == (1, {"repositories": "failure"})
    assert refused.advice("repositories").startswith("`gcloud projects add-iam-policy-binding billing --member=")
    assert refused.advice("repositories").endswith("--role=roles/serviceusage.serviceUsageConsumer`")
    granted = await examined(HEALTHY, tmp_path, prefix="/acme", discovery="artifact-registry")
    assert granted.code == 0


async def test_doctor_google_key_that_the_registry_refuses(google, tmp_path):
    registry, another = await google(repositories=3), await google(repositories=1)
    found = []
    for key_file in (another.key_file, registry.key_file):
        auth = {"method": "json-key", "key_file": key_file}
        table = {"kind": "gcr", "discovery": "catalog", "auth": auth}
        found.append(await examine(config(registry.emulator.registry, tmp_path, **table)))
    refused, mended = found
    assert refused.code == 1
    (step,) = refused.amiss
    assert refused.advice(step).startswith("check the account (--key-file); for public repositories use --auth anonym")
    assert (mended.code, mended.amiss) == (0, {})


async def test_doctor_google_without_credentials_for_the_apis(tmp_path):
    anonymous = {"method": "anonymous"}
    refused = await examined(HEALTHY, tmp_path, prefix="/acme", discovery="artifact-registry", auth=anonymous)
    assert (refused.code, refused.amiss) == (1, {"discovery": "failure"})
    assert "use --key-file or --auth access-token" in refused.found("discovery")
    mended = await examined(HEALTHY, tmp_path, prefix="/acme", auth=anonymous)
    assert mended.code == 0
