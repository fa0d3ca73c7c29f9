"""Publishing to the object storage of each provider, and what is said when it fails."""

import asyncio
import json
from base64 import b64encode

import obstore
import pytest
from support.lake_servers import SECRET, requires_azurite
from support.lake_views import latest

from crawler.tables.definitions import tables


async def test_cloud_lake_has_the_run_once(command, publish, cloud, tmp_path):
    folder = publish()
    run = folder.name.removeprefix("run=")
    first = await command("publish", folder, "--lake", cloud.url, environment=cloud.environment)
    assert first.code == 0
    assert f"run {run} in {cloud.url}: published 8 tables" in first.complaint
    objects = cloud.objects()
    expected = {f"{table}/date=2026-11-20/run={run}/part-00000.parquet" for table in tables()}
    assert set(objects) == expected | {f"_runs/{run}.json"}
    again = await command("publish", folder, "--lake", cloud.url, environment=cloud.environment)
    assert "was published already" in again.complaint
    assert cloud.objects() == objects
    assert len(latest(cloud.download(tmp_path / "copy"), "repository", "repositories")) == 6


# not "gs": moto heeds no x-goog-if-generation-match, by which Google Cloud Storage creates an object once
@pytest.mark.parametrize("cloud", ["s3", pytest.param("az", marks=requires_azurite)], indirect=True)
async def test_two_publishers_at_once_publish_once(command, publish, cloud, tmp_path):
    folder = publish()
    both = await asyncio.gather(
        *(command("publish", folder, "--lake", cloud.url, environment=cloud.environment) for _ in range(2))
    )
    assert [ended.code for ended in both] == [0, 0]
    assert sorted("published already" in ended.complaint for ended in both) == [False, True]
    lake = cloud.download(tmp_path / "copy")
    assert len(latest(lake, "repository", "repositories")) == 6
    assert len(list(lake.rglob("part-*"))) == len(tables())


async def test_s3_that_refuses_is_said_and_the_snapshot_can_be_published_later(command, publish, moto, tmp_path):
    folder, lake = publish(), moto.s3()
    run = folder.name.removeprefix("run=")
    moto.fail_from = 4
    failed = await command("publish", folder, "--lake", lake.url, environment=lake.environment)
    assert failed.code == 1
    name = f"platforms/date=2026-11-20/run={run}/part-00000.parquet"
    assert failed.complaint.startswith(f"{lake.url}: cannot create {name}: ")
    assert "503 Service Unavailable: SlowDown: Reduce your rate" in failed.complaint
    assert SECRET not in failed.err
    assert failed.complaint.endswith(f"the snapshot is kept: run `registry-crawler publish {run} --lake {lake.url}`")
    assert latest(lake.download(tmp_path / "half"), "repository", "repositories") == []
    moto.fail_from, before = 0, len(moto.puts)
    again = await command("publish", folder, "--lake", lake.url, environment=lake.environment)
    assert again.code == 0
    # three tables were there, and are not sent again
    assert len(moto.puts) - before == len(tables()) - 3 + 1
    assert len(latest(lake.download(tmp_path / "whole"), "repository", "repositories")) == 6


async def test_bucket_that_is_not_there_is_said(command, publish, moto):
    lake = moto.s3()
    ended = await command("publish", publish(), "--lake", "s3://nobucket/x", environment=lake.environment)
    assert ended.code == 1
    assert "404 Not Found: NoSuchBucket: The specified bucket does not exist" in ended.complaint


@requires_azurite
@pytest.mark.parametrize("cloud", ["az"], indirect=True)
async def test_wrong_key_of_azure_is_said_and_not_shown(command, publish, cloud):
    key = b64encode(SECRET.encode()).decode()
    environment = {**cloud.environment, "AZURE_STORAGE_ACCOUNT_KEY": key}
    ended = await command("publish", publish(), "--lake", cloud.url, environment=environment)
    assert ended.code == 1
    assert "403 Forbidden: AuthorizationFailure: Server failed to authenticate the request" in ended.complaint
    assert "RequestId" not in ended.complaint
    assert key not in ended.err


async def test_lake_that_is_down_is_said_soon(command, publish, dead_port):
    environment = {
        "AWS_ACCESS_KEY_ID": "AKIAOFTESTS",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{dead_port}",
    }
    ended = await command("publish", publish(), "--lake", "s3://lake", environment=environment)
    assert ended.code == 1
    assert "Connection refused" in ended.complaint
    assert SECRET not in ended.err


async def test_http_is_for_this_machine_alone(command, publish):
    environment = {
        "AWS_ACCESS_KEY_ID": "AKIAOFTESTS",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://lake.example.com",
    }
    ended = await command("publish", publish(), "--lake", "s3://lake", environment=environment)
    assert ended.code == 1
    assert "(http is for this machine alone: use https, or set {AWS,GOOGLE,AZURE}_ALLOW_HTTP=true)" in ended.complaint


async def test_object_that_is_no_marker_is_said(command, publish, moto):
    folder, lake = publish(), moto.s3()
    run = folder.name.removeprefix("run=")
    obstore.put(lake.store, f"_runs/{run}.json", json.dumps({"target": "registry.example.com"}).encode())
    ended = await command("publish", folder, "--lake", lake.url, environment=lake.environment)
    assert ended.code == 1
    assert f"_runs/{run}.json is no run's: look at it, and remove it" in ended.complaint
