"""`registry-crawler deploy kubernetes --shards N`: an Indexed Job whose pods share a night, and the Job that merges."""

import asyncio
import os
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from support.deploy_folders import Folders, google_config, hostile_config
from support.run_cli import SCRIPT
from support.shard_crawls import records_in
from support.snapshots import read_snapshot

DEPLOY = ("deploy", "kubernetes", "--image", "registry.example.com/tools/registry-crawler:0.1.0", "--shards", "3")
NIGHT = "29401095"
"""The number that the CronJob controller adds to the name of each Job: the minutes of its scheduled time."""


def cron_jobs(out):
    """The CronJobs by their names."""
    manifests = yaml.safe_load_all(out)
    return {each["metadata"]["name"]: each["spec"] for each in manifests if each["kind"] == "CronJob"}


def job_of(cron_job):
    return cron_job["jobTemplate"]["spec"]


def container_of(cron_job):
    (container,) = job_of(cron_job)["template"]["spec"]["containers"]
    return container


@pytest.mark.parametrize("options", [(), ("--namespace", "ops", "--prometheus-rule")], ids=["plain", "more options"])
async def test_kubernetes_accepts_an_indexed_job(command, tmp_path, options):
    ended = await command(*DEPLOY, "--config", hostile_config(tmp_path), *options)
    assert ended.code == 0
    manifests = [each for each in yaml.safe_load_all(ended.out) if each["kind"] != "PrometheusRule"]
    for version in ("1.31.0", kubernetes_validate.latest_version()):
        for manifest in manifests:
            kubernetes_validate.validate(manifest, version, strict=True)
    (volume,) = (each for each in manifests if each["kind"] == "PersistentVolumeClaim")
    assert volume["spec"]["accessModes"] == ["ReadWriteMany"]
    assert "must be ReadWriteMany" in ended.err
    jobs = cron_jobs(ended.out)
    assert {job["schedule"] for job in jobs.values()} == {"15 2 * * *"}, "their Jobs have the same number"
    shards = job_of(jobs["registry-crawler"])
    assert (shards["completionMode"], shards["completions"], shards["parallelism"]) == ("Indexed", 3, 3)
    exits = {
        rule["action"]: rule["onExitCodes"]["values"]
        for rule in shards["podFailurePolicy"]["rules"]
        if "onExitCodes" in rule
    }
    assert exits == {"FailJob": [2], "FailIndex": [3]}, "a partial shard does not end the others"
    if options:
        assert (
            'kube_cronjob_status_last_successful_time{cronjob="registry-crawler-merge", namespace="ops"}' in ended.out
        )


def pod_environment(job_name, index=None):
    """What a pod gets by the downward API and from the Job's controller."""
    return {"JOB_NAME": job_name, **({} if index is None else {"JOB_COMPLETION_INDEX": str(index)})}


class Night:
    """Runs what the pods of one night run. `sleep` does in a pod what `while_it_waits` says."""

    def __init__(self, command, folders, jobs, programs, number=NIGHT):
        self.command = command
        self.folders = folders
        self.jobs = jobs
        self.programs = programs
        self.number = number

    async def crawl(self, index):
        environment = pod_environment(f"registry-crawler-{self.number}", index)
        container = container_of(self.jobs["registry-crawler"])
        assert "command" not in container
        arguments = [word.replace("$(JOB_NAME)", environment["JOB_NAME"]) for word in container["args"]]
        return await self.folders.crawl(self.command, arguments, environment)

    async def merge(self, while_it_waits="echo it waits >&2; exit 1"):
        (self.programs / "sleep").write_text(f"#!/bin/sh\n{while_it_waits}\n")
        (self.programs / "sleep").chmod(0o755)
        container = container_of(self.jobs["registry-crawler-merge"])
        program, *arguments = [*container["command"], *container["args"]]
        path = os.pathsep.join([str(self.programs), str(Path(SCRIPT[0]).parent), os.environ["PATH"]])
        environment = {**pod_environment(f"registry-crawler-merge-{self.number}"), "PATH": path}
        return await self.command(*map(self.folders.moved, arguments), program=(program,), environment=environment)


@pytest.fixture
async def night(google, command, tmp_path):
    registry = await google(repositories=24)
    config = google_config(tmp_path, registry)
    config.write_text(f'{config.read_text()}[resume]\nwithin = "10m"\n')
    ended = await command(*DEPLOY, "--config", config)
    folders = Folders(tmp_path / "pod")
    (config_map,) = (each for each in yaml.safe_load_all(ended.out) if each["kind"] == "ConfigMap")
    for key, text in config_map["data"].items():
        folders.write(f"/etc/registry-crawler/{key}", text.encode())
    folders.write("/var/run/registry-crawler/key.json", registry.key_file.read_bytes())
    (tmp_path / "programs").mkdir()
    return Night(command, folders, cron_jobs(ended.out), tmp_path / "programs")


async def test_kubernetes_pods_of_an_indexed_job_take_one_snapshot(night, tmp_path):
    snapshots = tmp_path / "pod" / "data" / "snapshots"
    crawled = await asyncio.gather(*map(night.crawl, range(3)))
    assert [each.code for each in crawled] == [0, 0, 0], crawled
    merged = await night.merge()
    assert merged.code == 0, merged.err
    assert read_snapshot(snapshots).manifest["group"] == f"registry-crawler-{NIGHT}"
    assert len(records_in(snapshots)) == 24
    assert not (snapshots / ".shards").exists()
    night.number = str(int(NIGHT) + 1440)
    next_night = await night.crawl(0)
    assert next_night.code == 0, "it is another group"
    assert list(snapshots.glob(f".shards/registry-crawler-{night.number}/source=*/shard=00000-of-00003"))


async def test_kubernetes_merge_waits_for_the_last_shard(night, tmp_path):
    snapshots = tmp_path / "pod" / "data" / "snapshots"
    await asyncio.gather(*map(night.crawl, range(3)))
    (last,) = snapshots.glob(".shards/*/source=*/shard=00002-*")
    last.rename(tmp_path / "last")
    merged = await night.merge(f"mv '{tmp_path / 'last'}' '{last}'")
    assert merged.code == 0, merged.err
    assert len(records_in(snapshots)) == 24


async def test_kubernetes_merge_does_not_wait_for_ever(night, tmp_path):
    await asyncio.gather(*map(night.crawl, range(2)))
    merged = await night.merge("exit 0")
    assert merged.code == 3
    assert "shard 2/3 did not report" in merged.err
    again = Night(night.command, night.folders, night.jobs, night.programs, "29402535")
    missing = await again.merge("exit 0")
    assert missing.code == 1
    assert "there are no shards of group registry-crawler-29402535" in missing.err


async def test_kubernetes_shards_share_no_cache_file(command, tmp_path):
    (tmp_path / "config.toml").write_text('registry.target = "localhost:5000"\ncache.path = "/data/digests.sqlite"\n')
    refused = await command(*DEPLOY, "--config", "config.toml")
    assert (refused.code, refused.out) == (2, "")
    assert "cache.path: several machines cannot share one file" in refused.complaint
    none = await command(*DEPLOY, "--config", "config.toml", environment={"REGISTRY_CRAWLER_CACHE__PATH": "none"})
    jobs = cron_jobs(none.out)
    assert container_of(jobs["registry-crawler"])["args"][5:7] == ["--cache", "none"]
    assert " --cache none " in container_of(jobs["registry-crawler-merge"])["args"][0]


async def test_kubernetes_name_leaves_room_for_the_merge(command, tmp_path):
    (tmp_path / "config.toml").write_text('registry.target = "localhost:5000"')
    ended = await command(*DEPLOY, "--config", "config.toml", "--name", "n" * 47)
    assert ended.code == 2
    assert "--name: must be at most 46 characters with --shards" in ended.complaint
