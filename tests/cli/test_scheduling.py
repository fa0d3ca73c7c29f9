"""The documents' crontab and Kubernetes CronJob, run as cron and as a cluster would run them."""

import asyncio
import fcntl
import json
import re
import shlex
import signal
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import kubernetes_validate
import pytest
import yaml
from support.readme import OPERATIONS, README, Block, blocks
from support.run_cli import ONE_TRY, SCRIPT
from support.snapshots import folders, read_snapshot

TOOL = "/usr/local/bin/registry-crawler"
HOME = "/srv/inventory"
CRON_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "LOGNAME": "inventory"}


def block(language: str) -> Block:
    """The one block of this language in the sections about cron and Kubernetes."""
    sections = ((README, "Every night"), (OPERATIONS, "Kubernetes"))
    (only,) = (
        each
        for document, section in sections
        for each in blocks(document)
        if each.section == section and each.language == language
    )
    return only


# cron


def crontab() -> tuple[str, str]:
    """The schedule and the command of the crontab's one job."""
    (line,) = (line for line in block("crontab").text.splitlines() if re.match(r"\d", line))
    *schedule, job_command = line.split(maxsplit=5)
    return " ".join(schedule), job_command


class CronResult(NamedTuple):
    """The exit code of cron's shell, and what it printed: cron mails both streams."""

    code: int
    out: str
    err: str


class Cron:
    """Runs the crontab's command as cron does, in a folder that replaces the README's."""

    def __init__(self, folder: Path, target: str, key_file: Path | None = None) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        script = block("sh").text.replace(HOME, str(folder)).replace(TOOL, shlex.quote(*SCRIPT))
        (folder / "night.sh").write_text(f"{script}\n")
        (folder / "night.sh").chmod(0o755)
        auth = "" if key_file is None else f'auth.key_file = "{key_file}"\n'
        (folder / "config.toml").write_text(f'[[registry]]\ntarget = "{target}"\n{auth}')

    async def __call__(self, **environment: str) -> CronResult:
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", crontab()[1].replace(HOME, str(self.folder)),
            cwd="/",
            env=CRON_ENVIRONMENT | {"HOME": str(self.folder)} | environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode is not None
        return CronResult(code=process.returncode, out=out.decode(), err=err.decode())


def test_cron_line_is_valid():
    schedule, job_command = crontab()
    assert re.fullmatch(r"([0-5]?\d) ([01]?\d|2[0-3]) (\*) (\*) (\*)", schedule)
    assert "%" not in job_command, "cron replaces % by a newline"
    assert job_command.startswith("/"), "cron's PATH is short"
    assert TOOL in block("sh").text


def test_cron_script_runs_in_any_shell():
    assert block("sh").text.startswith("#!/bin/sh\n")


async def test_cron_mails_nothing_after_a_good_night(google, tmp_path):
    registry = await google(repositories=20)
    cron = Cron(tmp_path / "night", registry.emulator.registry, registry.key_file)
    for _ in range(2):
        ended = await cron()
        assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert len(folders(cron.folder / "snapshots")) == 2
    assert read_snapshot(cron.folder / "snapshots").has_success


async def test_cron_mails_a_partial_night_with_its_reasons(google, tmp_path):
    registry = await google(repositories=20, denied=0.2)
    ended = await Cron(tmp_path / "night", registry.emulator.registry, registry.key_file)()
    assert (ended.code, ended.err) == (3, "")
    assert "repositories denied" in ended.out


async def test_cron_mails_a_night_that_could_not_run(tmp_path, dead_port):
    unreachable = await Cron(tmp_path / "night", dead_port)(**ONE_TRY)
    misconfigured = await Cron(tmp_path / "night", "https://gcr.io")()
    without_script = Cron(tmp_path / "gone", dead_port)
    (without_script.folder / "night.sh").unlink()
    assert (unreachable.code, unreachable.err) == (1, "")
    assert f"no connection to {dead_port}" in unreachable.out
    assert (misconfigured.code, misconfigured.err) == (2, "")
    assert "has a scheme" in misconfigured.out
    assert (await without_script()).err


async def test_cron_starts_no_second_crawl_while_one_runs(google, tmp_path):
    registry = await google(repositories=5)
    cron = Cron(tmp_path / "night", registry.emulator.registry, registry.key_file)
    (cron.folder / "night.log").write_text("the first crawl's log")
    with (cron.folder / "night.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = await cron()
    assert (ended.code, ended.out) == (1, "the last crawl is still running\n")
    assert (cron.folder / "night.log").read_text() == "the first crawl's log"
    assert not (cron.folder / "snapshots").exists()


# Kubernetes


def manifests() -> dict[str, Any]:
    return {manifest["kind"]: manifest for manifest in yaml.safe_load_all(block("yaml").text)}


def job() -> Any:
    return manifests()["CronJob"]["spec"]["jobTemplate"]["spec"]


def pod() -> Any:
    return job()["template"]["spec"]


@pytest.mark.parametrize("version", ["1.31.0", kubernetes_validate.latest_version()])
def test_kubernetes_accepts_the_manifests(version):
    """As `kubernetes-validate --strict` does; podFailurePolicy is stable since 1.31."""
    for manifest in manifests().values():
        kubernetes_validate.validate(manifest, version, strict=True)


def test_kubernetes_manifests_refer_to_each_other():
    names = {kind: manifest["metadata"]["name"] for kind, manifest in manifests().items()}
    (volume,) = pod()["volumes"]
    (container,) = pod()["containers"]
    assert pod()["serviceAccountName"] == names["ServiceAccount"]
    assert volume["persistentVolumeClaim"]["claimName"] == names["PersistentVolumeClaim"]
    (mount,) = container["volumeMounts"]
    assert mount["name"] == volume["name"]
    assert container["args"][container["args"].index("--output") + 1].startswith(mount["mountPath"])
    (on_exit,) = (rule["onExitCodes"] for rule in job()["podFailurePolicy"]["rules"] if "onExitCodes" in rule)
    assert on_exit["containerName"] == container["name"]


def test_kubernetes_retries_only_transient_failures():
    rules = [rule for rule in job()["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert rules == [
        {"action": "FailJob", "onExitCodes": {"containerName": "crawl", "operator": "In", "values": [2, 3]}}
    ]
    # "podFailurePolicy … must have restartPolicy: Never" (https://kubernetes.io/docs/concepts/workloads/controllers/job/)
    assert pod()["restartPolicy"] == "Never"


def test_kubernetes_pod_has_no_unneeded_rights():
    (container,) = pod()["containers"]
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert pod()["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_kubernetes_image_starts_the_crawler_without_a_shell():
    lines = dict(line.split(maxsplit=1) for line in block("dockerfile").text.splitlines())
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    (program,) = json.loads(lines["ENTRYPOINT"])
    assert program in project["scripts"]
    assert int(lines["USER"]) == pod()["securityContext"]["runAsUser"]
    assert "command" not in pod()["containers"][0]


def arguments(google: Any, folder: Path) -> list[str]:
    """The container's arguments, changed for an emulator that has a key and no metadata server."""
    (container,) = pod()["containers"]
    replacements = {"gcr.io/my-project": google.emulator.registry, "/data/snapshots": str(folder / "snapshots")}
    return [replacements.get(argument, argument) for argument in container["args"]] + [
        "--key-file",
        str(google.key_file),
    ]


async def test_kubernetes_exit_codes_match_the_policy(command, google, tmp_path):
    (values,) = (r["onExitCodes"]["values"] for r in job()["podFailurePolicy"]["rules"] if "onExitCodes" in r)
    readable, denying = await google(repositories=20), await google(repositories=20, denied=0.2)
    complete = await command(*arguments(readable, tmp_path / "complete"))
    partial = await command(*arguments(denying, tmp_path / "partial"))
    service_links = {"REGISTRY_CRAWLER_PORT": "tcp://x:80"}  # what a Service named registry-crawler sets in every pod
    misconfigured = await command(*arguments(readable, tmp_path / "misconfigured"), environment=service_links)
    assert (complete.code, partial.code, misconfigured.code) == (0, 3, 2)
    assert {partial.code, misconfigured.code} == set(values)
    assert "enableServiceLinks" in misconfigured.err
    assert pod()["enableServiceLinks"] is False


async def test_kubernetes_pod_is_resumed_by_its_successor(command, google, tmp_path):
    registry = await google(repositories=60, latency_s=0.2)
    crawl = [*arguments(registry, tmp_path), "--concurrency", "4"]
    async with command.started(*crawl) as process:
        journal = tmp_path / "snapshots" / ".unfinished"
        while not any(file.stat().st_size for file in journal.glob("*/*.jsonl")):  # noqa: ASYNC110  (the file is another process's)
            await asyncio.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        await process.communicate()
    assert process.returncode == 143
    ended = await command(*arguments(registry, tmp_path))
    assert ended.code == 0
    assert read_snapshot(tmp_path / "snapshots").manifest["resumed_at"]
