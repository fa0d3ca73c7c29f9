"""Users without a name, folders that cannot be written, too few descriptors: what works, and what is said."""

import resource
import shutil
import subprocess
from collections.abc import AsyncIterator
from functools import cache

import pytest
from support.run_cli import SCRIPT
from support.scripted import ScriptedServer, plain_registry, serve
from support.snapshots import folders, read_snapshot

NAMES = [f"team/r{number:03}" for number in range(40)]


@pytest.fixture
async def registry() -> AsyncIterator[ScriptedServer]:
    async with serve(plain_registry(dict.fromkeys(NAMES, ("1",)))) as server:
        yield server


def crawl_of(registry: ScriptedServer, output: object = "out", *more: object) -> tuple[object, ...]:
    return ("crawl", registry.host, "--output", output, *more)


@cache
def unshared(*how: str) -> tuple[str, ...]:
    """What starts a program in namespaces of its own, as container runtimes do; nothing where that is forbidden."""
    start = ("unshare", *how)
    is_allowed = shutil.which("unshare") and subprocess.run([*start, "true"], check=False).returncode == 0
    return start if is_allowed else ()


def without_home(*more: str) -> tuple[str, ...]:
    return ("env", "--unset=HOME", "--unset=USER", "--unset=LOGNAME", *more, *SCRIPT)


# Users without a name


def as_nobody(*program: str) -> tuple[str, ...]:
    """The program as a user with neither an entry in passwd nor capabilities."""
    return (*unshared("--user", "--map-user=12345", "--map-group=12345"), *program)


@pytest.mark.parametrize("home", [(), ("HOME=/",), ("HOME=",), ("HOME=/nowhere",)], ids=str)
async def test_a_user_without_a_name_or_a_home_takes_a_snapshot(command, registry, home):
    ended = await command(*crawl_of(registry), program=as_nobody(*without_home(*home)))
    assert ended.code == 0
    assert "Traceback" not in ended.err
    assert sorted(read_snapshot(command.folder / "out").by_name) == NAMES


@pytest.mark.parametrize("auth", ["access-token", "docker-config"])
async def test_a_user_without_a_name_is_told_which_credentials_are_missing(command, registry, auth):
    ended = await command(*crawl_of(registry, "out", "--auth", auth), program=as_nobody(*without_home()))
    assert ended.code == 1
    assert "Traceback" not in ended.err
    assert "login" in ended.complaint


@pytest.mark.parametrize("home", [(), ("HOME=",)], ids=["not set", "empty"])
async def test_a_tilde_without_a_home_is_no_folder_of_that_name(command, registry, home):
    ended = await command(*crawl_of(registry, "~/out"), program=as_nobody(*without_home(*home)))
    assert ended.code == 2
    assert "no home folder is known to expand ~ to (HOME is not set): write the whole path" in ended.complaint
    assert list(command.folder.iterdir()) == []


# Folders that cannot be written


READ_ONLY = (
    'mount --make-rprivate / && mount --bind "$PWD" "$PWD" && cd "$PWD" && mount --bind out out &&'
    ' mount -o remount,bind,ro / && mount -o remount,bind,ro "$PWD" && ! mkdir elsewhere 2>/dev/null && exec "$@"'
)


async def test_a_read_only_root_needs_only_a_folder_for_the_snapshots(command, registry):
    """Of a container with a read-only root, where no temporary and no home folder can be written either."""
    (command.folder / "out").mkdir()
    program = without_home("TMPDIR=/nowhere")
    if start := unshared("--user", "--map-root-user", "--mount"):
        program = (*start, "/bin/sh", "-c", READ_ONLY, "sh", *program)
    ended = await command(*crawl_of(registry), program=program)
    assert ended.code == 0
    assert "Traceback" not in ended.err
    assert sorted(read_snapshot(command.folder / "out").by_name) == NAMES


async def test_a_demo_without_a_temporary_folder_says_so(command):
    (command.folder / "out").mkdir()
    start = unshared("--user", "--map-root-user", "--mount")
    if not start:
        pytest.skip("needs a namespace of its own, for a root that cannot be written")
    program = (*start, "/bin/sh", "-c", READ_ONLY, "sh", *without_home("TMPDIR=/nowhere"))
    ended = await command("demo", program=program)
    assert ended.code == 1
    assert ended.complaint.startswith("the demo needs a temporary folder for its key, and none can be written")


async def test_a_folder_that_cannot_be_written_is_named(command, registry):
    """A file stands for it where the tests run as root, whom no mode stops."""
    (command.folder / "out").write_bytes(b"")
    ended = await command(*crawl_of(registry))
    assert ended.code == 1
    assert ended.complaint == f"{registry.host}: out/.unfinished: Not a directory"


# Descriptors


def allowed(soft: int, hard: int):
    return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))}


async def test_too_low_a_limit_of_open_files_lowers_the_concurrency_and_says_so(command, registry):
    ended = await command(*crawl_of(registry, "out", "--no-progress"), **allowed(40, 40))
    assert ended.code == 0
    assert (
        "this process may have 40 files open (ulimit -n), and 64 exchanges at a time need 96: continuing with 8 at a "
        "time; run `ulimit -n 96`, or set --concurrency 8 (limits.concurrency)"
    ) in ended.err
    snapshot = read_snapshot(command.folder / "out")
    assert sorted(snapshot.by_name) == NAMES
    assert snapshot.manifest["config"]["limits"]["concurrency"] == 8
    assert snapshot.manifest["requests"]["retries"] == 0


async def test_a_low_limit_of_open_files_is_raised_as_far_as_may_be(command, registry):
    ended = await command(*crawl_of(registry, "out", "--concurrency", 100), **allowed(40, 200))
    assert ended.code == 0
    assert "ulimit" not in ended.err
    assert read_snapshot(command.folder / "out").manifest["config"]["limits"]["concurrency"] == 100


async def test_a_limit_of_open_files_that_no_crawl_fits_in_is_refused(command, registry):
    ended = await command(*crawl_of(registry), **allowed(32, 32))
    assert (ended.code, registry.requests, folders(command.folder / "out")) == (2, [], [])
    assert "may have 32 files open (ulimit -n), and a crawl needs 32 and one for each exchange" in ended.complaint
    assert "run `ulimit -n 96`" in ended.complaint
