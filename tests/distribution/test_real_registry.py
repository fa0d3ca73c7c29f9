"""The crawler against Debian's docker-registry: what it records is what was pushed, and it says so only then.

Every test has a registry process of its own; most serve one storage, which is pushed to once.
"""

import asyncio
import base64
import fcntl
import json
import math
import os
import re
import resource
import sysconfig
from asyncio.subprocess import DEVNULL, PIPE
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from support.distribution import (
    Account,
    Htpasswd,
    Pushed,
    Registry,
    TokenPolicy,
    empty,
    make_certificates,
    open_registry,
    push,
    requires_docker_registry,
)
from support.distribution.process import run_process
from support.snapshots import Snapshot, folders, read_snapshot

import crawler

pytestmark = requires_docker_registry

CATALOG = "registry:catalog:*"
PREFIX = "team-1"
SECRET = "team-1/group-1/service-1"
COMMAND = Path(sysconfig.get_path("scripts")) / "registry-crawler"
BASIC = ("--auth", "basic", "--username", "reader")
READER = {"method": "token", "username": "reader", "password": "correct-horse"}
WRONG = "battery-staple"

RECORD_FIELDS = [
    "schema", "run_id", "target", "registry", "repository", "outcome", "tags", "images", "children", "problems",
    "suspect", "error",
    "observed_at",
]  # fmt: skip
RUN_FIELDS = {
    "schema", "run_id", "target", "registry", "kind", "tool", "started_at", "finished_at", "resumed_at", "identity",
    "verdict", "reasons", "discovery", "counts", "requests", "pace", "files", "config", "slowest", "previous_run_id",
}  # fmt: skip
REQUESTS_FIELDS = {"total", "token", "retries", "throttled", "bytes", "wait_s", "by_kind"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
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
    """A storage of 300 repositories that no test changes, to open registries on one after the other."""

    directory: Path
    pushed: Pushed

    @asynccontextmanager
    async def serving(self, **options: Any) -> AsyncIterator[Registry]:
        async with open_registry(self.directory, **options) as registry:
            yield registry

    def under(self, prefix: str) -> dict[str, tuple[str, ...]]:
        return {name: tags for name, tags in self.pushed.tags.items() if name.startswith(f"{prefix}/")}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    directory = tmp_path_factory.mktemp("shelf")

    async def fill() -> Pushed:
        async with open_registry(directory) as registry:
            return await push(registry, inventory())

    pushed = asyncio.run(fill())
    assert len(pushed.tags) == 300
    return Shelf(directory=directory, pushed=pushed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def complaint(self) -> str:
        """The one line that a run which could not be made leaves."""
        assert self.code == 1
        assert self.stdout == ""
        [line] = self.stderr.splitlines()
        assert line.startswith("registry-crawler: ")
        return line

    @property
    def all_said(self) -> str:
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
        """`file_size` is how many bytes a file may have before the disk counts as full."""
        process = await self.start("crawl", *arguments, environment=environment, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (file_size, file_size))
        try:
            stdout, stderr = await process.communicate(stdin.encode())
        finally:
            await _end(process)
        ended = Ended(code=process.returncode or 0, stdout=stdout.decode(), stderr=stderr.decode())
        assert "Traceback" not in ended.all_said
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
        return crawler.Config(
            registry=[{"target": host, **table}],
            limits=limits or {},
            output={"path": self.output, **(output or {})},
        )

    def said_or_kept(self, ended: Ended) -> str:
        """All that a run gave away: on its streams, and in its files."""
        files = [path.read_bytes().decode() for path in self.output.rglob("*") if path.is_file()]
        return "\n".join([ended.all_said, *files])


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    folder = tmp_path / "shell"
    folder.mkdir()
    return Shell(folder=folder)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


def expect(
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
    """The snapshot holds one record for each of `tags`, all ok but for `outcomes`; and all it says of itself holds."""
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
        assert MOMENT.fullmatch(record["observed_at"])
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
    """Nothing was published, and nothing half done lies about."""
    assert folders(shell.output) == []
    assert [path for path in shell.output.rglob("*") if path.is_file()] == []


# An open registry


async def test_the_library_records_exactly_what_was_pushed(shelf, shell):
    async with shelf.serving() as registry:
        manifest = await crawler.crawl(shell.config(registry))

    snapshot = read_snapshot(shell.output)
    expect(snapshot, shelf.pushed.tags, registry=registry)
    assert snapshot.folder == shell.output / manifest.folder
    assert manifest.verdict is crawler.Verdict.COMPLETE
    assert (manifest.counts.repositories, manifest.counts.ok) == (300, 300)
    assert snapshot.manifest["requests"]["total"] == 1 + 1 + 300
    assert snapshot.manifest["requests"]["token"] == 0
    assert snapshot.manifest["discovery"]["evidence"] == "the catalog listed 300 names on 1 page: no next link"


async def test_the_command_records_exactly_what_was_pushed(shelf, shell):
    async with shelf.serving() as registry:
        ended = await shell.crawl(registry.host)

    snapshot = read_snapshot(shell.output)
    expect(snapshot, shelf.pushed.tags, registry=registry)
    assert (ended.code, ended.stdout) == (0, "")
    assert ended.stderr.startswith(f"COMPLETE: {registry.host}, ")
    assert "repositories 300: 300 ok, 0 missing, 0 denied, 0 failed, 0 invalid" in ended.stderr
    assert f"snapshot     {snapshot.folder.relative_to(shell.folder)}\n" in ended.stderr


async def test_open_records_gives_the_same_records(shelf, shell):
    async with shelf.serving() as registry:
        config = shell.config(f"{registry.host}/{PREFIX}")
        await crawler.crawl(config)
        async with crawler.open_records(config) as records:
            streamed = [record async for record in records]

    kept = read_snapshot(shell.output).by_name
    assert len(streamed) == len(shelf.under(PREFIX))
    assert {record.repository: (record.outcome, record.tags, record.error) for record in streamed} == {
        name: (record["outcome"], tuple(record["tags"]), record["error"]) for name, record in kept.items()
    }
    assert len(folders(shell.output)) == 1


async def test_open_records_may_be_left_early(shelf, shell):
    async with shelf.serving() as registry, crawler.open_records(shell.config(registry)) as records:
        first = await anext(records)

    assert set(first.tags) == set(shelf.pushed.tags[first.repository])
    assert not shell.output.exists()


async def test_an_empty_registry_is_complete_only_where_that_is_expected(tmp_path, shell):
    async with open_registry(tmp_path / "registry") as registry:
        doubted = await shell.crawl(registry.host)
        ended = await shell.crawl(registry.host, "--expect", "0")

    assert (doubted.code, ended.code) == (3, 0)
    assert "0 repositories found, and at least 1 expected (--expect)" in doubted.stderr
    expect(read_snapshot(shell.output), {}, registry=registry)


async def test_a_repository_without_tags_has_two_faces(tmp_path, shell):
    async with open_registry(tmp_path / "registry") as registry:
        await push(registry, {"app": ["1"], "emptied": ["1", "2", "3"], "untagged": []})
        await empty(registry, "emptied")
        ended = await shell.crawl(registry.host)

    snapshot = read_snapshot(shell.output)
    assert ended.code == 0
    tags = {"app": ["1"], "emptied": [], "untagged": []}
    expect(snapshot, tags, registry=registry, outcomes={"untagged": "missing"})
    error = snapshot.by_name["untagged"]["error"]
    assert (error["code"], error["http_status"]) == ("NAME_UNKNOWN", 404)
    assert error["message"]
    assert "repositories 3: 2 ok, 1 missing, 0 denied" in ended.stderr


# Pages of the catalog


@pytest.mark.parametrize(
    ("page_size", "pages", "refusals"),
    [
        (7, 43, 0),
        (100, 3, 0),  # the last page is a full one
        (300, 2, 0),  # the only one is: what comes behind it is asked for
        (1000, 1, 0),
        (1001, 1, 1),
    ],
)
async def test_the_catalog_at_any_page_size(shelf, shell, page_size, pages, refusals):
    async with shelf.serving() as registry:
        await crawler.crawl(shell.config(registry, page_size=page_size))

    snapshot = read_snapshot(shell.output)
    expect(snapshot, shelf.pushed.tags, registry=registry)
    assert snapshot.manifest["discovery"]["pages"] == pages
    assert snapshot.manifest["requests"]["total"] == 1 + refusals + pages + 300


@pytest.mark.parametrize(("maximum", "page_size", "refusals"), [(50, 1000, 2), (7, 10, 1)])
async def test_a_catalog_that_grants_small_pages_only(shelf, shell, maximum, page_size, refusals):
    async with shelf.serving(catalog_max_entries=maximum) as registry:
        await crawler.crawl(shell.config(registry, page_size=page_size))

    snapshot = read_snapshot(shell.output)
    expect(snapshot, shelf.pushed.tags, registry=registry)
    pages = math.ceil(300 / maximum)
    assert snapshot.manifest["discovery"]["pages"] == pages
    assert snapshot.manifest["requests"]["total"] == 1 + refusals + pages + 300


# Which repositories


async def test_a_prefix(shelf, shell):
    async with shelf.serving() as registry:
        ended = await shell.crawl(f"{registry.host}/{PREFIX}")

    assert ended.code == 0
    wanted = shelf.under(PREFIX)
    assert not {"team-1-a/app", "team-10/app"} & wanted.keys()
    expect(read_snapshot(shell.output), wanted, registry=registry, target=f"{registry.host}/{PREFIX}")


async def test_a_prefix_may_be_a_repository_and_the_folder_of_others(shelf, shell):
    async with shelf.serving() as registry:
        await crawler.crawl(shell.config(f"{registry.host}/base"))

    wanted = {name: shelf.pushed.tags[name] for name in ("base", "base/tools", "base/tools/jq")}
    expect(read_snapshot(shell.output), wanted, registry=registry, target=f"{registry.host}/base")


async def test_include_and_exclude(shelf, shell):
    globs = ("--include", "team-1/*", "--include", "base*", "--exclude", "*/tools", "--exclude", "*/service-?")
    async with shelf.serving() as registry:
        ended = await shell.crawl(registry.host, *globs)

    wanted = {
        name: tags
        for name, tags in shelf.pushed.tags.items()
        if name.startswith(("team-1/", "base")) and re.search(r"/tools$|/service-.$", name) is None
    }
    assert ended.code == 0
    assert {"base", "base/tools/jq", "base_x"} < wanted.keys()
    expect(read_snapshot(shell.output), wanted, registry=registry)
    config = read_snapshot(shell.output).manifest["config"]["registry"]
    assert (config["include"], config["exclude"]) == (["team-1/*", "base*"], ["*/tools", "*/service-?"])


LIST = f"""\
# what we run
base/tools
{SECRET}
not/there        # gone since spring
../../etc/passwd

base/tools
"""


@pytest.mark.parametrize("source", ["file", "stdin"])
async def test_a_list_of_repositories(shelf, shell, source):
    names = shell.folder / "names.txt"
    names.write_text(LIST)
    async with shelf.serving() as registry:
        if source == "file":
            ended = await shell.crawl(registry.host, "--repositories-from", names)
        else:
            ended = await shell.crawl(registry.host, "--discovery", "list", "--repositories-from", "-", stdin=LIST)

    snapshot = read_snapshot(shell.output)
    tags = {name: shelf.pushed.tags.get(name, ()) for name in ("base/tools", SECRET, "not/there", "../../etc/passwd")}
    outcomes = {"not/there": "missing", "../../etc/passwd": "invalid"}
    assert ended.code == 3
    (reason,) = snapshot.manifest["reasons"]
    assert "../../etc/passwd" in reason
    expect(snapshot, tags, registry=registry, method="list", outcomes=outcomes, reasons=[reason], proved=False)
    assert snapshot.by_name["not/there"]["error"]["code"] == "NAME_UNKNOWN"
    assert snapshot.by_name["../../etc/passwd"]["error"]["http_status"] is None
    # /v2/ and three names: the fourth was never asked for
    assert snapshot.manifest["requests"]["total"] == 1 + 3


async def test_a_password_and_a_list_on_one_standard_input(shelf, shell):
    """Either both are taken, or the command line is refused: never is an empty list taken for complete."""
    async with shelf.serving(auth=Htpasswd()) as registry:
        ended = await shell.crawl(
            registry.host, *BASIC, "--password-stdin", "--repositories-from", "-", stdin=f"correct-horse\n{SECRET}\n"
        )

    if ended.code == 2:
        expect_nothing(shell)
    else:
        wanted = {SECRET: shelf.pushed.tags[SECRET]}
        expect(read_snapshot(shell.output), wanted, registry=registry, method="list")


# The output


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
async def test_compressed_parts_hold_the_same_records(shelf, shell, compression):
    async with shelf.serving() as registry:
        await crawler.crawl(shell.config(registry, output={"compression": compression}))

    expect(read_snapshot(shell.output), shelf.pushed.tags, registry=registry, compression=compression)


async def test_a_configuration_file(shelf, shell):
    async with shelf.serving(auth=Htpasswd()) as registry:
        (shell.folder / "password.txt").write_text("correct-horse\n")
        (shell.folder / "crawl.toml").write_text(
            f"""
            [output]
            path = "lake"
            compression = "zstd"
            [limits]
            concurrency = 3
            [[registry]]
            target = "{registry.host}/{PREFIX}"
            page_size = 40
            [registry.auth]
            method = "basic"
            username = "reader"
            password_file = "password.txt"
            """
        )
        ended = await shell.crawl("--config", "crawl.toml")

    assert (ended.code, ended.stdout) == (0, "")
    wanted = shelf.under(PREFIX)
    snapshot = read_snapshot(shell.folder / "lake")
    expect(snapshot, wanted, registry=registry, target=f"{registry.host}/{PREFIX}", compression="zstd")
    assert snapshot.manifest["config"]["limits"]["concurrency"] == 3


async def test_records_stream_to_standard_output(shelf, shell):
    async with shelf.serving() as registry:
        ended = await shell.crawl(registry.host, "--output", "-")

    records = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.code == 0
    assert len(records) == 300
    assert {record["repository"]: set(record["tags"]) for record in records} == {
        name: set(tags) for name, tags in shelf.pushed.tags.items()
    }
    assert all(list(record) == RECORD_FIELDS and record["outcome"] == "ok" for record in records)
    assert ended.stderr.startswith(f"COMPLETE: {registry.host}, ")
    assert "snapshot" not in ended.stderr
    assert not shell.output.exists()


@contextmanager
def small_pipe() -> Iterator[tuple[FileIO, FileIO]]:
    """A pipe of 4 KiB, less than the records take: its end to read from, and its end to write to."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as reader, os.fdopen(writing, "wb", buffering=0) as writer:
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        yield reader, writer


async def test_a_reader_that_goes_after_a_line_ends_it_quietly(shelf, shell):
    """As `| head -1` does."""
    async with shelf.serving() as registry:
        with small_pipe() as (reader, writer):
            process = await shell.start("crawl", registry.host, "--output", "-", stdout=writer, stderr=PIPE)
            try:
                writer.close()
                assert json.loads(await asyncio.to_thread(reader.readline))["outcome"] == "ok"
                reader.close()
                _, stderr = await process.communicate()
            finally:
                await _end(process)

    assert (process.returncode, stderr.decode()) == (0, "")
    assert not shell.output.exists()


async def test_a_reader_that_goes_while_all_wait_for_it_ends_it_quietly(shelf, shell):
    """The pipe is full from the start, and each repository has a worker: in the end all wait for the writer."""
    async with shelf.serving() as registry:
        with small_pipe() as (reader, writer):
            writer.write(b"\n" * 4096)
            options = ("--output", "-", "-vv", "--concurrency", "300")
            process = await shell.start("crawl", registry.host, *options, stdout=writer, stderr=PIPE)
            try:
                writer.close()
                listed = 0
                while listed < 300 and (line := await process.stderr.readline()):
                    listed += b"/tags/list: 200" in line
                reader.close()
                rest = await process.stderr.read()
                await process.wait()
            finally:
                await _end(process)

    assert listed == 300
    assert (process.returncode, rest.decode()) == (0, "")


async def test_a_full_disk_is_one_line(shelf, shell):
    async with shelf.serving() as registry:
        ended = await shell.crawl(registry.host, file_size=20_000)

    assert "File too large" in ended.complaint
    assert str(shell.output.relative_to(shell.folder)) in ended.complaint
    assert folders(shell.output) == []


# Basic authentication


@pytest.mark.parametrize("way", ["file", "stdin", "environment", "environment alone"])
async def test_htpasswd_however_the_password_is_given(shelf, shell, way):
    (shell.folder / "password.txt").write_text("correct-horse\n")
    environment = {"REGISTRY_CRAWLER_USERNAME": "reader", "REGISTRY_CRAWLER_PASSWORD": "correct-horse"}
    async with shelf.serving(auth=Htpasswd()) as registry:
        target = f"{registry.host}/{PREFIX}"
        match way:
            case "file":
                ended = await shell.crawl(target, *BASIC, "--password-file", "password.txt", "-vv")
            case "stdin":
                ended = await shell.crawl(target, *BASIC, "--password-stdin", "-vv", stdin="correct-horse\n")
            case "environment":
                ended = await shell.crawl(target, "--auth", "basic", "-vv", environment=environment)
            case _:
                ended = await shell.crawl(target, "-vv", environment=environment)

    assert ended.code == 0
    expect(read_snapshot(shell.output), shelf.under(PREFIX), registry=registry, target=target)
    # -vv tells of every exchange, and of nothing that is secret
    assert f"/v2/{SECRET}/tags/list: 200" in ended.stderr
    expect_secret(shell, ended, "reader", "correct-horse")


@pytest.mark.parametrize("auth", [Htpasswd(), TokenPolicy()], ids=["htpasswd", "token"])
async def test_credentials_that_are_wrong_or_missing(shelf, shell, auth):
    given = (*BASIC, "--password-stdin")
    async with shelf.serving(auth=auth) as registry:
        quiet, verbose, without = await asyncio.gather(
            shell.crawl(registry.host, *given, stdin=f"{WRONG}\n"),
            shell.crawl(registry.host, *given, "-vv", stdin=f"{WRONG}\n"),
            shell.crawl(registry.host),
        )

    for ended in (quiet, verbose, without):
        complaint = ended.stderr.splitlines()[-1] if ended is verbose else ended.complaint
        assert complaint.startswith(f"registry-crawler: {registry.host}: ")
        assert "401 UNAUTHORIZED" in complaint
        assert "authentication required" in complaint
        assert (ended.code, ended.stdout) == (1, "")
        expect_secret(shell, ended, "reader", WRONG)
    expect_nothing(shell)


async def test_an_unreadable_password_file(shelf, shell):
    auth = {"method": "basic", "username": "reader", "password_file": "nowhere.txt"}
    async with shelf.serving(auth=Htpasswd()) as registry:
        with pytest.raises(crawler.CredentialsError, match=re.escape("nowhere.txt")):
            await crawler.crawl(shell.config(registry, auth=auth))

    expect_nothing(shell)


def expect_secret(shell: Shell, ended: Ended, user: str, password: str) -> None:
    """Nothing that the run gave away holds the password, its header, or a token."""
    given_away = shell.said_or_kept(ended)
    assert password not in given_away
    assert base64.b64encode(f"{user}:{password}".encode()).decode() not in given_away
    assert "Bearer " not in given_away
    assert "eyJ" not in given_away  # what every JSON Web Token begins with


# Token authentication


def each_once(names: Collection[str]) -> dict[str, int]:
    """What a token server is asked for a catalog and for these repositories."""
    return {CATALOG: 1, **{f"repository:{name}:pull": 1 for name in names}}


async def test_tokens_cost_one_exchange_for_each_repository(shelf, shell):
    async with shelf.serving(auth=TokenPolicy()) as registry:
        ended = await shell.crawl(registry.host, *BASIC, "--password-stdin", "-vv", stdin="correct-horse\n")

    snapshot = read_snapshot(shell.output)
    assert ended.code == 0
    expect(snapshot, shelf.pushed.tags, registry=registry)
    assert dict(registry.token_server.requests) == each_once(shelf.pushed.tags)
    # /v2/, the catalog's token and its one page, then a token and a listing for each repository
    assert snapshot.manifest["requests"]["total"] == 1 + 1 + 1 + 2 * 300
    assert snapshot.manifest["requests"]["token"] == 1 + 300
    assert "exchanges    603 (301 for tokens, 0 retries, 0 throttled)" in ended.stderr
    expect_secret(shell, ended, "reader", "correct-horse")


async def test_the_pages_of_a_catalog_share_one_token(shelf, shell):
    async with shelf.serving(auth=TokenPolicy()) as registry:
        await crawler.crawl(shell.config(registry, page_size=7, auth=READER))

    snapshot = read_snapshot(shell.output)
    expect(snapshot, shelf.pushed.tags, registry=registry)
    assert dict(registry.token_server.requests) == each_once(shelf.pushed.tags)
    assert snapshot.manifest["discovery"]["pages"] == 43
    assert snapshot.manifest["requests"]["total"] == 1 + 1 + 43 + 2 * 300
    assert snapshot.manifest["requests"]["token"] == 1 + 300


async def test_a_denied_repository_makes_it_partial(shelf, shell):
    async with shelf.serving(auth=TokenPolicy(denied=frozenset({SECRET}))) as registry:
        ended = await shell.crawl(registry.host, *BASIC, "--password-stdin", stdin="correct-horse\n")

    snapshot = read_snapshot(shell.output)
    assert (ended.code, ended.stdout) == (3, "")
    reason = "1 repository denied"
    expect(snapshot, shelf.pushed.tags, registry=registry, outcomes={SECRET: "denied"}, reasons=[reason])
    error = snapshot.by_name[SECRET]["error"]
    assert (error["code"], error["http_status"]) == ("UNAUTHORIZED", 401)
    assert error["message"]
    assert ended.stderr.startswith(f"PARTIAL: {registry.host}, ")
    assert f"because      {reason}\n" in ended.stderr
    assert "repositories 300: 299 ok, 0 missing, 1 denied, 0 failed, 0 invalid" in ended.stderr
    assert f"denied {SECRET}: UNAUTHORIZED" in ended.stderr
    # a fresh token and one more try for the one, and for nobody else
    assert dict(registry.token_server.requests) == each_once(shelf.pushed.tags) | {f"repository:{SECRET}:pull": 2}
    assert snapshot.manifest["requests"]["total"] == 1 + 1 + 1 + 2 * 300 + 2
    assert snapshot.manifest["requests"]["token"] == 1 + 300 + 1


async def test_tokens_dead_on_arrival_are_fetched_anew_once(shelf, shell):
    """The first of each scope is dead: it costs a token and a try, and nothing of the verdict."""
    async with shelf.serving(auth=TokenPolicy(stillborn=1)) as registry:
        target = f"{registry.host}/{PREFIX}"
        await crawler.crawl(shell.config(target, auth=READER))

    snapshot = read_snapshot(shell.output)
    wanted = shelf.under(PREFIX)
    expect(snapshot, wanted, registry=registry, target=target)
    assert dict(registry.token_server.requests) == dict.fromkeys(each_once(wanted), 2)
    assert snapshot.manifest["requests"]["total"] == 1 + 2 * (1 + 1 + 2 * len(wanted))
    assert snapshot.manifest["requests"]["token"] == 2 * (1 + len(wanted))


async def test_tokens_that_are_always_dead_end_it(shelf, shell):
    async with shelf.serving(auth=TokenPolicy(lifetime=0, announced_lifetime=3600)) as registry:
        with pytest.raises(crawler.Denied, match="401 UNAUTHORIZED"):
            await crawler.crawl(shell.config(registry, auth=READER))

    assert dict(registry.token_server.requests) == {CATALOG: 2}
    expect_nothing(shell)


async def test_a_token_that_dies_before_it_said_is_renewed(shelf, shell):
    """The rate alone makes the catalog's pages outlast their token: fifty of them, twenty in a second."""
    policy = TokenPolicy(lifetime=2, announced_lifetime=3600)
    async with shelf.serving(auth=policy) as registry:
        await crawler.crawl(
            shell.config(
                registry, auth=READER, page_size=6, include=["base*"], limits={"rate": "20/s", "concurrency": 2}
            )
        )

    snapshot = read_snapshot(shell.output)
    wanted = {name: tags for name, tags in shelf.pushed.tags.items() if name.startswith("base")}
    expect(snapshot, wanted, registry=registry)
    requests, pages = snapshot.manifest["requests"], snapshot.manifest["discovery"]["pages"]
    assert registry.token_server.requests[CATALOG] >= 2
    assert registry.token_server.requests.total() == requests["token"]
    renewals = requests["token"] - 1 - len(wanted)
    assert renewals >= 1
    # every renewal follows one refusal
    assert requests["total"] == 1 + pages + len(wanted) + requests["token"] + renewals


async def test_a_public_registry_is_crawled_without_credentials(shelf, shell):
    policy = TokenPolicy(anonymous=(CATALOG, "repository:*:pull"))
    async with shelf.serving(auth=policy) as registry:
        target = f"{registry.host}/{PREFIX}"
        ended = await shell.crawl(target)

    assert ended.code == 0
    expect(read_snapshot(shell.output), shelf.under(PREFIX), registry=registry, target=target)
    assert dict(registry.token_server.requests) == each_once(shelf.under(PREFIX))


async def test_what_anonymous_may_not_see_is_denied(shelf, shell):
    policy = TokenPolicy(anonymous=(CATALOG, "repository:team-1/group-1/*:pull"))
    async with shelf.serving(auth=policy) as registry:
        target = f"{registry.host}/{PREFIX}"
        await crawler.crawl(shell.config(target, auth={"method": "anonymous"}))

    wanted = shelf.under(PREFIX)
    denied = {name: "denied" for name in wanted if not name.startswith("team-1/group-1/")}
    assert 0 < len(denied) < len(wanted)
    reasons = [f"{len(denied)} repositories denied"]
    snapshot = read_snapshot(shell.output)
    expect(snapshot, wanted, registry=registry, target=target, outcomes=denied, reasons=reasons)


async def test_who_may_not_see_the_catalog_may_bring_a_list(shelf, shell):
    account = Account(user="reader", password="correct-horse", scopes=("repository:base/*:pull",))
    names = shell.folder / "names.txt"
    names.write_text("base/tools\nbase/tools/jq\n")
    async with shelf.serving(auth=TokenPolicy(accounts=(account,))) as registry:
        with pytest.raises(crawler.Denied, match=r"_catalog.*: 401 UNAUTHORIZED"):
            await crawler.crawl(shell.config(registry, auth=READER))
        expect_nothing(shell)
        await crawler.crawl(shell.config(registry, auth=READER, repositories_from=names))

    wanted = {name: shelf.pushed.tags[name] for name in ("base/tools", "base/tools/jq")}
    expect(read_snapshot(shell.output), wanted, registry=registry, method="list")


@asynccontextmanager
async def realm_elsewhere(registry: Registry) -> AsyncIterator[Registry]:
    """The same registry once more, sending for tokens to 0.0.0.0: not a loopback address, though it leads there."""
    directory = registry.log_file.parent
    configuration = json.loads((directory / "config.json").read_text())
    token = configuration["auth"]["token"]
    token["realm"] = token["realm"].replace("127.0.0.1", "0.0.0.0")
    configuration_file, log_file = directory / "elsewhere.json", directory / "elsewhere.log"
    configuration_file.write_text(json.dumps(configuration))
    async with run_process(configuration_file, log_file) as host:
        yield replace(registry, host=host, log_file=log_file)


async def test_credentials_go_to_a_foreign_realm_only_where_it_is_named(shelf, shell):
    async with shelf.serving(auth=TokenPolicy()) as here, realm_elsewhere(here) as registry:
        target = f"{registry.host}/{PREFIX}"
        given = (target, *BASIC, "--password-stdin")
        ended = await shell.crawl(*given, stdin="correct-horse\n")
        asked = dict(registry.token_server.requests)
        expect_nothing(shell)
        named = await shell.crawl(
            *given, stdin="correct-horse\n", environment={"REGISTRY_CRAWLER_REGISTRY__REALMS": "0.0.0.0"}
        )

    assert "0.0.0.0" in ended.complaint
    assert "registry.realms" in ended.complaint
    assert asked == {}
    assert named.code == 0
    expect(read_snapshot(shell.output), shelf.under(PREFIX), registry=registry, target=target)


# TLS


@pytest.mark.parametrize("auth", [None, TokenPolicy()], ids=["open", "token"])
async def test_tls_with_an_authority_of_its_own(shelf, shell, tmp_path, auth):
    certificates = make_certificates(tmp_path / "tls")
    given = () if auth is None else ("--auth", "token", "--username", "reader", "--password-stdin")
    async with shelf.serving(auth=auth, certificates=certificates) as registry:
        target = f"{registry.host}/{PREFIX}"
        ended = await shell.crawl(target, "--ca-file", certificates.ca_file, *given, stdin="correct-horse\n")

    assert (ended.code, ended.stdout) == (0, "")
    expect(read_snapshot(shell.output), shelf.under(PREFIX), registry=registry, target=target)


async def test_tls_with_an_authority_that_is_not_known(shelf, shell, tmp_path):
    certificates, stranger = make_certificates(tmp_path / "tls"), make_certificates(tmp_path / "stranger")
    async with shelf.serving(certificates=certificates) as registry:
        without, wrong = await asyncio.gather(
            shell.crawl(registry.host, "--no-plain-http"),
            shell.crawl(registry.host, "--ca-file", stranger.ca_file),
        )
        with pytest.raises(crawler.UnusableResponse, match="certificate"):
            await crawler.crawl(shell.config(registry, plain_http=False))

    for ended in (without, wrong):
        assert registry.host in ended.complaint
        assert "certificate" in ended.complaint
        assert "ca_file" in ended.complaint
    expect_nothing(shell)


async def test_a_file_without_certificates(shelf, shell, tmp_path):
    certificates = make_certificates(tmp_path / "tls")
    async with shelf.serving(certificates=certificates) as registry:
        for file in (certificates.key_file, tmp_path / "nowhere.pem"):
            with pytest.raises(crawler.CredentialsError, match=re.escape(str(file))):
                await crawler.crawl(shell.config(registry, ca_file=file))

    expect_nothing(shell)


async def test_the_wrong_scheme(shelf, shell, tmp_path):
    async with shelf.serving() as registry:
        with pytest.raises(crawler.UnusableResponse, match="plain_http"):
            await crawler.crawl(shell.config(registry, plain_http=False))
    async with shelf.serving(certificates=make_certificates(tmp_path / "tls")) as registry:
        with pytest.raises(crawler.UnexpectedStatus, match="HTTP request to an HTTPS server"):
            await crawler.crawl(shell.config(registry))

    expect_nothing(shell)


# A registry that is not there


async def test_a_stopped_registry_is_one_line(shelf, shell):
    async with shelf.serving() as registry:
        pass
    with pytest.raises(crawler.Unreachable, match=re.escape(registry.host)):
        await crawler.crawl(shell.config(registry, limits={"attempts": 1}))
    ended = await shell.crawl(registry.host, environment={"REGISTRY_CRAWLER_LIMITS__ATTEMPTS": "2"})

    assert f"no connection to {registry.host}" in ended.complaint
    expect_nothing(shell)


async def test_one_stopped_registry_does_not_stop_the_other(shelf, shell, tmp_path):
    async with open_registry(tmp_path / "stopped") as stopped:
        pass
    async with shelf.serving() as registry:
        ended = await shell.crawl(stopped.host, registry.host, environment={"REGISTRY_CRAWLER_LIMITS__ATTEMPTS": "1"})

    assert ended.code == 1
    [line] = [line for line in ended.stderr.splitlines() if line.startswith("registry-crawler: ")]
    assert stopped.host in line
    assert f"COMPLETE: {registry.host}, " in ended.stderr
    assert len(folders(shell.output)) == 1
    expect(read_snapshot(shell.output), shelf.pushed.tags, registry=registry)


async def test_the_help_can_be_read(shell):
    ended = await shell.crawl("--help")

    assert (ended.code, ended.stderr) == (0, "")
    assert "HOST[:PORT][/PREFIX]" in ended.stdout
