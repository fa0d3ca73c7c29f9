"""The lake: an object is created there once and not twice, and each refusal names what mends it."""

import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from support.doctor_runs import diagnose
from support.lake_servers import SECRET, moto_server
from support.scripted import Reply, on, plain_registry, serve


@pytest.fixture(scope="module")
def moto():
    with moto_server() as server:
        yield server


@pytest.fixture
async def registry():
    async with serve(plain_registry()) as server:
        yield server


async def test_doctor_lake_is_not_tried_where_none_is_configured(command, registry):
    found = await diagnose(command, registry.host)
    assert (found.code, found.found("lake")) == (0, "no lake is configured")


async def test_doctor_lake_leaves_one_object_a_day_where_no_engine_looks(command, registry, moto):
    lake = moto.s3("healthy")
    first = await diagnose(command, registry.host, "--lake", lake.url, environment=lake.environment)
    again = await diagnose(command, registry.host, "--lake", lake.url, environment=lake.environment)
    name = f"_doctor/{datetime.now(UTC):%Y-%m-%d}"
    assert (first.code, again.code) == (0, 0)
    assert first.found("lake") == f"{lake.url}: {name} was created, once"
    assert again.found("lake") == f"{lake.url}: {name} was created earlier today, and not again"
    assert list(lake.objects()) == [name]


async def test_doctor_lake_whose_bucket_is_not_there(command, registry, moto):
    lake = moto.s3()
    absent = "s3://not-there/lake"
    refused = await diagnose(command, registry.host, "--lake", absent, environment=lake.environment)
    crawled = await command("crawl", registry.host, "--no-progress", "--lake", absent, environment=lake.environment)
    mended = await diagnose(command, registry.host, "--lake", lake.url, environment=lake.environment)
    assert (refused.code, crawled.code) == (1, 1)
    assert refused.amiss == {"lake": "failure"}
    assert refused.advice("lake") == "`aws s3 mb s3://not-there`"
    assert SECRET not in str(refused.document)
    assert (mended.code, mended.amiss) == (0, {})


@pytest.mark.parametrize(
    ("scheme", "refused_with", "advice"),
    [
        ("s3", (403, "AccessDenied"), "allow s3:PutObject and s3:GetObject below the URL"),
        ("gs", (403, "AccessDenied"), "`gcloud storage buckets add-iam-policy-binding gs://ours --member="),
        ("gs", (404, "NoSuchBucket"), "`gcloud storage buckets create gs://ours`"),
        ("az", (403, "AuthorizationPermissionMismatch"), "`az role assignment create --role 'Storage Blob Data "),
        ("az", (404, "ContainerNotFound"), "`az storage container create --name ours`"),
    ],
)
async def test_doctor_lake_whose_provider_refuses(scheme, refused_with, advice, command, registry):
    status, code = refused_with
    page = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    found = []
    for reply in (Reply(status=status, headers=(("x-ms-error-code", code),), body=page), Reply(status=412)):
        async with serve([on(None, reply, method="PUT")]) as store:
            lake = ("--lake", f"{scheme}://ours/lake")
            found.append(await diagnose(command, registry.host, *lake, environment=reached_at(store.origin, scheme)))
    refused, mended = found
    assert (refused.code, refused.amiss) == (1, {"lake": "failure"})
    assert refused.advice("lake").startswith(advice)
    assert (mended.code, mended.amiss) == (0, {}), "the object of today is there already"


def reached_at(origin: str, scheme: str) -> Mapping[str, str]:
    """The variables of a provider's client that reaches its storage at another URL."""
    unused = dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
    key = json.dumps({"gcs_base_url": origin, "disable_oauth": True, **unused})
    variables = {
        "s3": {
            "AWS_ACCESS_KEY_ID": "AKIAOFTESTS",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": origin,
        },
        "gs": {"GOOGLE_BASE_URL": origin, "GOOGLE_SERVICE_ACCOUNT_KEY": key},
        "az": {
            "AZURE_STORAGE_ACCOUNT_NAME": "ours",
            "AZURE_STORAGE_ACCOUNT_KEY": b64encode(SECRET.encode()).decode(),
            "AZURE_STORAGE_ENDPOINT": f"{origin}/ours",
            "AZURE_ALLOW_HTTP": "true",
        },
    }
    return variables[scheme]


async def test_doctor_lake_in_a_folder(command, registry):
    (command.folder / "file").write_text("in the way")
    refused = await diagnose(command, registry.host, "--lake", f"file://{command.folder}/file/lake")
    mended = await diagnose(command, registry.host, "--lake", f"file://{command.folder}/lake")
    assert (refused.code, refused.amiss) == (1, {"lake": "failure"})
    assert refused.advice("lake") == "name a folder that this user may write with --lake (lake.url)"
    assert (mended.code, mended.amiss) == (0, {})


async def test_doctor_lake_that_replaces_what_should_only_be_created(command, registry, moto):
    stored = on(None, Reply(headers=(("ETag", '"1"'),)), method="PUT")
    lake = moto.s3()
    async with serve([stored]) as careless:
        environment = {**lake.environment, "AWS_ENDPOINT_URL": careless.origin}
        found = await diagnose(command, registry.host, "--lake", lake.url, environment=environment)
        assert all(asked.headers["if-none-match"] == "*" for asked in careless.requests)
    mended = await diagnose(command, registry.host, "--lake", moto.s3("careful").url, environment=lake.environment)
    assert (mended.code, mended.amiss) == (0, {})
    assert (found.code, found.amiss) == (3, {"lake": "warning"})
    assert "refuses If-None-Match: * with 412" in found.advice("lake")
