"""Where Google's access tokens come from: every kind of Application Default Credentials, and accounts impersonated.

The endpoints that google-auth asks are on the loopback, and hand out tokens that the emulated registry takes. Those
whose names google-auth has written down for itself are reached through a proxy, which notes whoever else is asked.
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
from support.inventories import expected, told
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
        "url": f"{world.issuers.origin}/subject",
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
async def test_every_kind_of_default_credentials_gets_the_whole_inventory(source, asked, method, world):
    world.provide(source(world))
    await world.crawl(method=method)
    assert world.issuers.asked == asked


async def test_gclouds_login_is_found_where_gcloud_keeps_it(world):
    folder = world.registry.folder / "gcloud"
    folder.mkdir()
    world.environment.setenv("CLOUDSDK_CONFIG", str(folder))
    (folder / "application_default_credentials.json").write_text(json.dumps(authorized_user(world)))
    await world.crawl()
    assert world.issuers.asked == ["/token"]


@pytest.mark.parametrize("source", [authorized_user, federated, federated_impersonating])
async def test_the_environments_credentials_stand_in_for_another_account(source, world):
    world.provide(source(world))
    await world.crawl(impersonate=ACCOUNT)
    assert world.issuers.asked[-1] == IAM
    assert world.issuers.scopes[-1] == SCOPE


async def test_a_keys_account_stands_in_for_another(world):
    key = {**world.registry.emulator.key, "token_uri": f"{world.issuers.origin}/token"}
    world.registry.key_file.write_text(json.dumps(key))
    await world.crawl(key_file=world.registry.key_file, impersonate=ACCOUNT)
    assert world.issuers.asked == ["/token", IAM]
    assert world.issuers.scopes == ["https://www.googleapis.com/auth/iam", SCOPE]


async def test_impersonate_alone_means_the_token_flow(world):
    world.provide(authorized_user(world))
    manifest = await crawler.crawl(world.config(method="auto", impersonate=ACCOUNT))
    assert manifest.requests.token == 31


@pytest.mark.parametrize(
    ("source", "impersonate", "issuer"), [(authorized_user, None, "/token"), (federated, ACCOUNT, IAM)]
)
async def test_tokens_that_end_on_the_way_are_made_anew(source, impersonate, issuer, world, google):
    world.issuers.lifetime_s = 3
    registry = await google(repositories=170, latency_s=0.3, access_token_lifetime_s=4)
    world.issuers.key = registry.emulator.key
    slow = World(registry, world.issuers, world.environment)
    slow.provide(source(slow))
    await slow.crawl(method="access-token", impersonate=impersonate)
    assert world.issuers.asked.count(issuer) >= 2


async def test_what_netrc_holds_is_sent_to_nobody(world, tmp_path):
    (tmp_path / ".netrc").write_text("default login ann password s3cret\n")
    (tmp_path / ".netrc").chmod(0o600)
    world.provide(authorized_user(world))
    await world.crawl(impersonate=ACCOUNT)
    assert [header.partition(" ")[0] for header in world.issuers.introductions] == ["Bearer"]


# The metadata server: google-auth reads its address when it is loaded, so in a process of its own


async def crawl_on_google(world, *more, **environment):
    """The command, as on a machine of Google's."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "crawler", "crawl", world.registry.emulator.registry, "--auth=token", "--no-progress"),
        *(f"--output={world.registry.output}", *more),
        env={
            **os.environ,
            "GCE_METADATA_HOST": world.issuers.host,
            "GCE_METADATA_IP": world.issuers.host,
            **environment,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_a_machine_of_googles_has_its_account_from_the_metadata_server(world):
    code, out, err = await crawl_on_google(world)
    assert (code, out) == (0, "")
    assert err.startswith("COMPLETE: ")
    assert told(read_snapshot(world.registry.output).by_name) == expected(world.registry.emulator.inventory)
    assert world.issuers.asked[-1] == "/computeMetadata/v1/instance/service-accounts/default/token"
    assert world.issuers.scopes == [SCOPE]


async def test_a_machines_account_stands_in_for_another(world):
    variables = {
        "REGISTRY_CRAWLER_REGISTRY__AUTH__IMPERSONATE": ACCOUNT,
        "REGISTRY_CRAWLER_REGISTRY__APIS__IAM_CREDENTIALS": world.issuers.origin,
    }
    code, out, err = await crawl_on_google(world, **variables)
    assert (code, out) == (0, "")
    assert err.startswith("COMPLETE: ")
    assert world.issuers.asked[-1] == IAM


# What goes wrong


@pytest.mark.parametrize("source", [authorized_user, federated_impersonating])
async def test_an_account_that_may_not_be_impersonated_is_named_with_the_role_it_takes(source, world):
    world.issuers.iam_refusal = DENIED
    world.provide(source(world))
    line = await world.complaint(impersonate=None if source is federated_impersonating else ACCOUNT)
    assert line.startswith(f"IAM does not let us be {ACCOUNT}: IAM_PERMISSION_DENIED: Permission 'iam.serviceAccounts")
    assert line.endswith("roles/iam.serviceAccountTokenCreator on that account")


async def test_an_iam_that_is_switched_off_is_no_matter_of_roles(world):
    world.issuers.iam_refusal = DISABLED
    world.provide(authorized_user(world))
    line = await world.complaint(impersonate=ACCOUNT)
    assert f"{ACCOUNT}: SERVICE_DISABLED: IAM Service Account Credentials API has not been used" in line
    assert "roles/" not in line


async def test_an_iam_that_cannot_be_reached_is_named(world):
    world.provide(authorized_user(world))
    apis = {"iam_credentials": "http://127.0.0.1:9"}
    config = world.registry.config(auth={"method": "token", "key_file": None, "impersonate": ACCOUNT}, apis=apis)
    with pytest.raises(crawler.CredentialsError, match=r"cannot be reached: .*127\.0\.0\.1.*port=9"):
        await crawler.crawl(config)


async def test_a_login_that_was_withdrawn_is_one_line(world):
    world.provide({**authorized_user(world), "refresh_token": "withdrawn"})
    assert "Google refuses the credentials for scope" in await world.complaint()


async def test_a_subject_that_is_unknown_is_one_line(world):
    world.provide(federated(world))
    (world.registry.folder / "subject").write_text("somebody")
    assert "invalid_grant: unknown subject" in await world.complaint()


async def test_a_subject_token_that_is_missing_is_named(world):
    world.provide(federated(world))
    (world.registry.folder / "subject").unlink()
    assert str(world.registry.folder / "subject") in await world.complaint()


async def test_a_subject_token_that_cannot_be_read_is_named(world):
    folder = world.registry.folder / "folder"
    folder.mkdir()
    world.provide(federated(world, credential_source={"file": str(folder)}))
    line = await world.complaint()
    assert line == f"the credentials want a file that cannot be read: {folder}: Is a directory"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("no JSON", "is not a valid json file"),
        ({"type": "of another kind"}, "does not have a valid type"),
        ({"type": "authorized_user"}, "Failed to load authorized user credentials"),
        ({"type": "external_account"}, "Failed to load external account credentials"),
        ({"type": "impersonated_service_account"}, "lacks a field, or has one of another kind"),
        ({"type": "impersonated_service_account", "source_credentials": {"type": "odd"}}, "type odd is not supported"),
        ("[]", "lacks a field, or has one of another kind"),
    ],
)
async def test_default_credentials_that_are_broken_are_one_line(content, said, world):
    world.provide(content)
    assert said in await world.complaint()


async def test_default_credentials_that_are_not_there_are_named(world):
    gone = world.registry.folder / "gone.json"
    world.environment.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(gone))
    line = await world.complaint()
    assert line == f"the Application Default Credentials cannot be used: File {gone} was not found."
