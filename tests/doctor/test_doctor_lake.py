"""The lake: an object is created there once and not twice, and each refusal names what mends it."""

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


async def test_doctor_lake_that_refuses(command, registry, moto):
    lake = moto.s3()
    absent = "s3://not-there/lake"
    refused = await diagnose(command, registry.host, "--lake", absent, environment=lake.environment)
    crawled = await command("crawl", registry.host, "--no-progress", "--lake", absent, environment=lake.environment)
    assert (refused.code, crawled.code) == (1, 1)
    assert refused.amiss == {"lake": "failure"}
    assert "NoSuchBucket" in refused.found("lake")
    assert refused.advice("lake").startswith("allow s3:PutObject and s3:GetObject below the URL")
    assert SECRET not in str(refused.document)


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
    assert (found.code, found.amiss) == (3, {"lake": "warning"})
    assert "refuses If-None-Match: * with 412" in found.advice("lake")
