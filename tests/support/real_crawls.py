"""Crawls of a real registry, for the tests in tests/distribution.

`Shelf` is a storage of 300 repositories that the tests share, `Shell` runs the command in a folder of its own, and
`check_snapshot` compares a whole snapshot with what was pushed.
"""

import asyncio
import base64
import os
import re
import resource
import sysconfig
from asyncio.subprocess import DEVNULL, PIPE
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import crawler
from support.distribution import (
    Pushed,
    Registry,
    open_registry,
)
from support.snapshots import Snapshot, folders

CATALOG = "registry:catalog:*"
PREFIX = "team-1"
SECRET = "team-1/group-1/service-1"
COMMAND = Path(sysconfig.get_path("scripts")) / "registry-crawler"
BASIC = ("--auth", "basic", "--username", "reader")
READER = {"method": "token", "username": "reader", "password": "correct-horse"}
WRONG = "battery-staple"

RECORD_FIELDS = [
    "schema", "run_id", "target", "registry", "repository", "outcome", "tags", "images", "children", "problems",
    "suspect", "error", "observed_at",
]  # fmt: skip
RUN_FIELDS = {
    "schema", "run_id", "target", "registry", "kind", "tool", "started_at", "finished_at", "resumed_at", "identity",
    "verdict", "reasons", "discovery", "depth", "referrers", "counts", "requests", "cache", "pace", "files", "config",
    "slowest", "previous_run_id",
}  # fmt: skip
REQUESTS_FIELDS = {"total", "token", "retries", "throttled", "bytes", "wait_s", "by_kind"}
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
PART = {"none": "part-00000.jsonl", "gzip": "part-00000.jsonl.gz", "zstd": "part-00000.jsonl.zst"}


def inventory() -> dict[str, list[str]]:
    """300 repositories in nested folders, among them folders that are repositories and names that sort oddly."""
    odd = [
        "base",
        "base/tools",
        "base/tools/jq",
        "base-x/tools",
        "base.x/tools",
        "base_x",
        "team-1-a/app",
        "team-10/app",
    ]
    plain = [f"team-{i % 7}/group-{i % 11}/service-{i}" for i in range(300 - len(odd))]
    images = {name: ["latest", f"1.{i}", f"Build_{i}-rc.1"] for i, name in enumerate(odd + plain)}
    images["base"] = [f"v{i}" for i in range(120)]
    images["base_x"] = ["x" * 128]
    return images


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A storage of 300 repositories that no test changes, on which a test opens a registry of its own."""

    directory: Path
    pushed: Pushed

    @asynccontextmanager
    async def serving(self, **options: Any) -> AsyncIterator[Registry]:
        async with open_registry(self.directory, **options) as registry:
            yield registry

    def under(self, prefix: str) -> dict[str, tuple[str, ...]]:
        return {name: tags for name, tags in self.pushed.tags.items() if name.startswith(f"{prefix}/")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def error_line(self) -> str:
        """The one line of stderr of a run that ended with an error."""
        assert self.code == 1
        assert self.stdout == ""
        [line] = self.stderr.splitlines()
        assert line.startswith("registry-crawler: ")
        return line

    @property
    def all_output(self) -> str:
        return self.stdout + self.stderr


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """A folder to run the command in, and to find its snapshots in."""

    folder: Path

    @property
    def output(self) -> Path:
        return self.folder / "snapshots"

    async def crawl(
        self,
        *arguments: str | Path,
        stdin: str = "",
        environment: Mapping[str, str] | None = None,
        file_size: int = resource.RLIM_INFINITY,
    ) -> Ended:
        """Run `registry-crawler crawl`. `file_size` limits each file, in bytes, as a full disk does."""
        process = await self.start("crawl", *arguments, environment=environment, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (file_size, file_size))
        try:
            stdout, stderr = await process.communicate(stdin.encode())
        finally:
            await end_process(process)
        ended = Ended(code=process.returncode or 0, stdout=stdout.decode(), stderr=stderr.decode())
        assert "Traceback" not in ended.all_output
        return ended

    async def start(
        self, *arguments: str | Path, environment: Mapping[str, str] | None = None, stdin: int = DEVNULL, **streams: Any
    ) -> asyncio.subprocess.Process:
        variables = {key: value for key, value in os.environ.items() if not key.startswith("REGISTRY_CRAWLER_")}
        return await asyncio.create_subprocess_exec(
            COMMAND, *arguments, cwd=self.folder, env={**variables, **(environment or {})}, stdin=stdin, **streams
        )

    def config(
        self, registry: Registry | str, *, limits: Any = None, output: Any = None, **table: Any
    ) -> crawler.Config:
        host = registry if isinstance(registry, str) else registry.host
        tables = {
            "registry": [{"target": host, **table}],
            "limits": limits or {},
            "output": {"path": self.output, **(output or {})},
        }
        return crawler.Config.model_validate(tables)

    def output_and_files(self, ended: Ended) -> str:
        """Everything that the run printed, and everything in its files."""
        files = [path.read_bytes().decode() for path in self.output.rglob("*") if path.is_file()]
        return "\n".join([ended.all_output, *files])


async def end_process(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


def check_snapshot(
    snapshot: Snapshot,
    tags: Mapping[str, Collection[str]],
    *,
    registry: Registry,
    target: str | None = None,
    method: str = "catalog",
    outcomes: Mapping[str, str] | None = None,
    reasons: Collection[str] = (),
    proved: bool = True,
    compression: str = "none",
) -> None:
    """The snapshot has a record for each name in `tags`, `ok` unless in `outcomes`, and its run manifest agrees."""
    outcomes = outcomes or {}
    assert {name: set(record["tags"]) for name, record in snapshot.by_name.items()} == {
        name: set() if name in outcomes else set(tags[name]) for name in tags
    }
    assert snapshot.outcomes == {name: outcomes.get(name, "ok") for name in tags}
    manifest = snapshot.manifest
    for record in snapshot.records:
        assert list(record) == RECORD_FIELDS
        assert len(set(record["tags"])) == len(record["tags"])
        assert (record["schema"], record["run_id"], record["registry"]) == (2, manifest["run_id"], registry.host)
        assert (record["images"], record["children"], record["suspect"]) == (None, None, None)
        assert (record["error"] is None) == (record["outcome"] == "ok")
        assert TIMESTAMP.fullmatch(record["observed_at"])
        assert manifest["started_at"] <= record["observed_at"] <= manifest["finished_at"]

    verdict = "partial" if reasons else "complete"
    assert manifest.keys() >= RUN_FIELDS
    assert (manifest["schema"], manifest["tool"]["name"]) == (2, "registry-crawler")
    assert (manifest["registry"], manifest["target"]) == (registry.host, target or registry.host)
    assert (manifest["verdict"], manifest["reasons"]) == (verdict, list(reasons))
    assert snapshot.has_success == (verdict == "complete")
    assert manifest["discovery"]["method"] == method
    assert manifest["discovery"]["repositories"] == len(tags)
    assert manifest["discovery"]["complete"] is proved
    counted = Counter(snapshot.outcomes.values())
    assert manifest["counts"] == {
        "repositories": len(tags),
        **{outcome: counted[outcome] for outcome in ("ok", "missing", "denied", "failed", "invalid")},
        "suspect": 0,
        "tags": sum(len(set(tags[name])) for name in tags if name not in outcomes),
        "images": None,
        "problems": 0,
        "unread": 0,
    }
    assert manifest["requests"].keys() >= REQUESTS_FIELDS
    assert (manifest["requests"]["retries"], manifest["requests"]["throttled"]) == (0, 0)
    # read_snapshot has compared sha256, bytes and rows with the file itself
    assert [(file["name"], file["rows"]) for file in manifest["files"]] == [(PART[compression], len(tags))]
    seconds = [slow["seconds"] for slow in manifest["slowest"]]
    assert seconds == sorted(seconds, reverse=True)
    requested = len(tags) - counted["invalid"]
    assert len({slow["repository"] for slow in manifest["slowest"]}) == min(10, requested)

    folder, run = snapshot.folder, manifest["run_id"]
    assert [folder.name, folder.parent.name] == [f"run={run}", f"date={manifest['started_at'][:10]}"]
    assert folder.parent.parent.name == f"source={quote(target or registry.host, safe='')}"
    success = [] if reasons else ["_SUCCESS"]
    assert sorted(path.name for path in folder.iterdir()) == [*success, "_run.json", PART[compression]]
    assert all((folder / name).read_bytes() == b"" for name in success)
    assert list((folder.parents[2] / ".unfinished").iterdir()) == []


def expect_nothing(shell: Shell) -> None:
    """Nothing was published, and no file was left behind."""
    assert folders(shell.output) == []
    assert [path for path in shell.output.rglob("*") if path.is_file()] == []


def expect_secret(shell: Shell, ended: Ended, user: str, password: str) -> None:
    """Neither output nor files contain the password, its Authorization header, or a token."""
    shown = shell.output_and_files(ended)
    assert password not in shown
    assert base64.b64encode(f"{user}:{password}".encode()).decode() not in shown
    assert "Bearer " not in shown
    assert "eyJ" not in shown  # every JSON Web Token begins with this


def each_once(names: Collection[str]) -> dict[str, int]:
    """The requests that a token server gets for the catalog and for these repositories, by scope."""
    return {CATALOG: 1, **{f"repository:{name}:pull": 1 for name in names}}
