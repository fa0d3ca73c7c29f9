"""Where Google's access tokens come from: every kind of Application Default Credentials, and impersonated accounts.

The endpoints that google-auth calls are on the loopback, and issue tokens that the emulated registry accepts. Endpoints
whose names google-auth has built in are reached by a proxy, which records requests to any other host.
"""

import asyncio
import json
import os
import sys

import pytest
from support.google_sources import (
    World,
    authorized_user,
    federated,
    federated_impersonating,
    impersonated,
    service_account,
)
from support.inventories import comparable, expected
from support.snapshots import read_snapshot
from support.token_endpoints import ACCOUNT, IAM, SCOPE

import crawler

DENIED = {
    "code": 403,
    "message": "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
    "status": "PERMISSION_DENIED",
    "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "IAM_PERMISSION_DENIED"}],
}
DISABLED = {
    "code": 403,
    "message": "IAM Service Account Credentials API has not been used in project 123456 before or it is disabled.",
    "status": "PERMISSION_DENIED",
    "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED"}],
}


def federated_by_url(world):
    source = {
        "url": f"{world.endpoints.origin}/subject",
        "headers": {"X-Asks": "us"},
        "format": {"type": "json", "subject_token_field_name": "value"},
    }
    return federated(world, credential_source=source)


SOURCES = {
    service_account: [],
    authorized_user: ["/token"],
    impersonated: ["/token", IAM],
    federated: ["/sts"],
    federated_by_url: ["/subject", "/sts"],
    federated_impersonating: ["/sts", IAM],
}


@pytest.mark.parametrize("method", ["token", "access-token"])
@pytest.mark.parametrize(("source", "asked"), SOURCES.items(), ids=lambda it: getattr(it, "__name__", ""))
async def test_google_default_credentials_of_every_kind_list_the_whole_inventory(source, asked, method, world):
    world.provide(source(world))
    await world.crawl(method=method)
    assert world.endpoints.asked == asked


async def test_google_default_credentials_of_gclouds_login_are_found(world):
    folder = world.registry.folder / "gcloud"
    folder.mkdir()
    world.environment.setenv("CLOUDSDK_CONFIG", str(folder))
    (folder / "application_default_credentials.json").write_text(json.dumps(authorized_user(world)))
    await world.crawl()
    assert world.endpoints.asked == ["/token"]


@pytest.mark.parametrize("source", [authorized_user, federated, federated_impersonating])
async def test_google_impersonation_by_default_credentials(source, world):
    world.provide(source(world))
    await world.crawl(impersonate=ACCOUNT)
    assert world.endpoints.asked[-1] == IAM
    assert world.endpoints.scopes[-1] == SCOPE


async def test_google_impersonation_by_a_key(world):
    key = {**world.registry.emulator.key, "token_uri": f"{world.endpoints.origin}/token"}
    world.registry.key_file.write_text(json.dumps(key))
    await world.crawl(key_file=world.registry.key_file, impersonate=ACCOUNT)
    assert world.endpoints.asked == ["/token", IAM]
    assert world.endpoints.scopes == ["https://www.googleapis.com/auth/iam", SCOPE]


async def test_google_impersonation_alone_is_the_token_flow(world):
    world.provide(authorized_user(world))
    manifest = await crawler.crawl(world.config(method="auto", impersonate=ACCOUNT))
    assert manifest.requests.token == 31


@pytest.mark.parametrize(
    ("source", "impersonate", "issuer"), [(authorized_user, None, "/token"), (federated, ACCOUNT, IAM)]
)
async def test_google_access_token_of_default_credentials_is_renewed(source, impersonate, issuer, world, google):
    world.endpoints.lifetime_s = 3
    registry = await google(repositories=170, latency_s=0.3, access_token_lifetime_s=4)
    world.endpoints.key = registry.emulator.key
    slow = World(registry, world.endpoints, world.environment)
    slow.provide(source(slow))
    await slow.crawl(method="access-token", impersonate=impersonate)
    assert world.endpoints.asked.count(issuer) >= 2


async def test_google_exchange_never_sends_passwords_of_netrc(world, tmp_path):
    (tmp_path / ".netrc").write_text("default login ann password s3cret\n")
    (tmp_path / ".netrc").chmod(0o600)
    world.provide(authorized_user(world))
    await world.crawl(impersonate=ACCOUNT)
    assert [header.partition(" ")[0] for header in world.endpoints.authorizations] == ["Bearer"]


# ----------------------------------------------- the metadata server: google-auth reads its host when it is imported


async def crawl_on_google(world, *more, **environment):
    """Run the command as on a machine of Google's, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "crawler", "crawl", world.registry.emulator.registry, "--auth=token", "--no-progress"),
        *(f"--output={world.registry.output}", *more),
        env={
            **os.environ,
            "GCE_METADATA_HOST": world.endpoints.host,
            "GCE_METADATA_IP": world.endpoints.host,
            **environment,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_google_metadata_server_gives_the_machines_account(world):
    code, out, err = await crawl_on_google(world)
    assert (code, out) == (0, "")
    assert err.startswith("COMPLETE: ")
    assert comparable(read_snapshot(world.registry.output).by_name) == expected(world.registry.emulator.inventory)
    assert world.endpoints.asked[-1] == "/computeMetadata/v1/instance/service-accounts/default/token"
    assert world.endpoints.scopes == [SCOPE]


async def test_google_impersonation_by_the_metadata_server(world):
    variables = {
        "REGISTRY_CRAWLER_REGISTRY__AUTH__IMPERSONATE": ACCOUNT,
        "REGISTRY_CRAWLER_REGISTRY__APIS__IAM_CREDENTIALS": world.endpoints.origin,
    }
    code, out, err = await crawl_on_google(world, **variables)
    assert (code, out) == (0, "")
    assert err.startswith("COMPLETE: ")
    assert world.endpoints.asked[-1] == IAM


# ------------------------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize("source", [authorized_user, federated_impersonating])
async def test_google_impersonation_that_is_denied_names_the_missing_role(source, world):
    world.endpoints.iam_refusal = DENIED
    world.provide(source(world))
    line = await world.error_message(impersonate=None if source is federated_impersonating else ACCOUNT)
    assert line.startswith(
        f"IAM refuses to impersonate {ACCOUNT}: IAM_PERMISSION_DENIED: Permission 'iam.serviceAccounts"
    )
    assert line.endswith("roles/iam.serviceAccountTokenCreator on that account")


async def test_google_impersonation_with_iam_disabled_names_no_role(world):
    world.endpoints.iam_refusal = DISABLED
    world.provide(authorized_user(world))
    line = await world.error_message(impersonate=ACCOUNT)
    assert f"{ACCOUNT}: SERVICE_DISABLED: IAM Service Account Credentials API has not been used" in line
    assert "roles/" not in line


async def test_google_impersonation_with_iam_unreachable_names_it(world):
    world.provide(authorized_user(world))
    apis = {"iam_credentials": "http://127.0.0.1:9"}
    config = world.registry.config(auth={"method": "token", "key_file": None, "impersonate": ACCOUNT}, apis=apis)
    with pytest.raises(crawler.CredentialsError, match=r"cannot be reached: .*127\.0\.0\.1.*port=9"):
        await crawler.crawl(config)


async def test_google_login_that_was_revoked_is_a_plain_error(world):
    world.provide({**authorized_user(world), "refresh_token": "withdrawn"})
    assert "Google refuses the credentials for scope" in await world.error_message()


async def test_google_federation_with_an_unknown_subject_is_a_plain_error(world):
    world.provide(federated(world))
    (world.registry.folder / "subject").write_text("somebody")
    assert "invalid_grant: unknown subject" in await world.error_message()


async def test_google_federation_with_a_missing_subject_token_names_the_file(world):
    world.provide(federated(world))
    (world.registry.folder / "subject").unlink()
    assert str(world.registry.folder / "subject") in await world.error_message()


async def test_google_federation_with_an_unreadable_subject_token_names_the_file(world):
    folder = world.registry.folder / "folder"
    folder.mkdir()
    world.provide(federated(world, credential_source={"file": str(folder)}))
    line = await world.error_message()
    assert line == f"the credentials need a file that cannot be read: {folder}: Is a directory"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no JSON", "is not a valid json file"),
        ({"type": "of another kind"}, "does not have a valid type"),
        ({"type": "authorized_user"}, "Failed to load authorized user credentials"),
        ({"type": "external_account"}, "Failed to load external account credentials"),
        ({"type": "impersonated_service_account"}, "lacks a field, or has one of another type"),
        ({"type": "impersonated_service_account", "source_credentials": {"type": "odd"}}, "type odd is not supported"),
        ("[]", "lacks a field, or has one of another type"),
    ],
)
async def test_google_default_credentials_that_are_malformed_are_a_plain_error(content, message, world):
    world.provide(content)
    assert message in await world.error_message()


async def test_google_default_credentials_file_that_is_missing_is_named(world):
    gone = world.registry.folder / "gone.json"
    world.environment.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(gone))
    line = await world.error_message()
    assert line == f"the Application Default Credentials cannot be used: File {gone} was not found."
