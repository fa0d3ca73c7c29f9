"""The command in a poor environment: no user name, no home, read-only folders, a low limit of open files."""

import resource
import shutil
import subprocess
from functools import cache

import pytest
from support.run_cli import SCRIPT, scripted_crawl
from support.snapshots import folders, read_snapshot


@cache
def unshared(*how: str) -> tuple[str, ...]:
    """A command that starts a program in new namespaces, as container runtimes do; () where that is forbidden."""
    start = ("unshare", *how)
    is_allowed = shutil.which("unshare") and subprocess.run([*start, "true"], check=False).returncode == 0
    return start if is_allowed else ()


def without_home(*more: str) -> tuple[str, ...]:
    return ("env", "--unset=HOME", "--unset=USER", "--unset=LOGNAME", *more, *SCRIPT)


# Users without a name


def as_unnamed_user(*program: str) -> tuple[str, ...]:
    """The program as a user without an entry in /etc/passwd and without capabilities."""
    return (*unshared("--user", "--map-user=12345", "--map-group=12345"), *program)


@pytest.mark.parametrize("home", [(), ("HOME=/",), ("HOME=",), ("HOME=/nowhere",)], ids=str)
async def test_user_without_a_name_or_a_home_takes_a_snapshot(command, registry, repository_names, home):
    ended = await command(*scripted_crawl(registry), program=as_unnamed_user(*without_home(*home)))
    assert ended.code == 0
    assert "Traceback" not in ended.err
    assert sorted(read_snapshot(command.folder / "out").by_name) == repository_names


@pytest.mark.parametrize("auth", ["access-token", "docker-config"])
async def test_user_without_a_name_gets_an_error_about_missing_credentials(command, registry, auth):
    ended = await command(*scripted_crawl(registry, "out", "--auth", auth), program=as_unnamed_user(*without_home()))
    assert ended.code == 1
    assert "Traceback" not in ended.err
    assert "login" in ended.complaint


@pytest.mark.parametrize("home", [(), ("HOME=",)], ids=["not set", "empty"])
async def test_home_folder_that_is_unknown_makes_a_tilde_an_error(command, registry, home):
    ended = await command(*scripted_crawl(registry, "~/out"), program=as_unnamed_user(*without_home(*home)))
    assert ended.code == 2
    assert "cannot expand ~: no home folder is known (HOME is not set); write the whole path" in ended.complaint
    assert list(command.folder.iterdir()) == []


# Folders that cannot be written


READ_ONLY = (
    'mount --make-rprivate / && mount --bind "$PWD" "$PWD" && cd "$PWD" && mount --bind out out &&'
    ' mount -o remount,bind,ro / && mount -o remount,bind,ro "$PWD" && ! mkdir elsewhere 2>/dev/null && exec "$@"'
)


async def test_read_only_root_needs_only_a_folder_for_the_snapshots(command, registry, repository_names):
    """As in a container with a read-only root, where the temporary and the home folder are read-only as well."""
    (command.folder / "out").mkdir()
    program = without_home("TMPDIR=/nowhere")
    if start := unshared("--user", "--map-root-user", "--mount"):
        program = (*start, "/bin/sh", "-c", READ_ONLY, "sh", *program)
    ended = await command(*scripted_crawl(registry), program=program)
    assert ended.code == 0
    assert "Traceback" not in ended.err
    assert sorted(read_snapshot(command.folder / "out").by_name) == repository_names


async def test_demo_without_a_temporary_folder_is_one_line(command):
    (command.folder / "out").mkdir()
    start = unshared("--user", "--map-root-user", "--mount")
    if not start:
        pytest.skip("needs a namespace of its own, for a root that cannot be written")
    program = (*start, "/bin/sh", "-c", READ_ONLY, "sh", *without_home("TMPDIR=/nowhere"))
    ended = await command("demo", program=program)
    assert ended.code == 1
    assert ended.complaint.startswith("the demo cannot write its key to a temporary folder: set TMPDIR")


async def test_output_folder_that_cannot_be_written_is_named(command, registry):
    """A file in place of the folder: the tests may run as root, for whom every folder can be written."""
    (command.folder / "out").write_bytes(b"")
    ended = await command(*scripted_crawl(registry))
    assert ended.code == 1
    assert ended.complaint == f"{registry.host}: out/.unfinished: Not a directory"


# Descriptors


def open_files_limit(soft: int, hard: int):
    return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))}


async def test_open_files_limit_that_is_too_low_lowers_the_concurrency(command, registry, repository_names):
    ended = await command(*scripted_crawl(registry, "out"), **open_files_limit(40, 40))
    assert ended.code == 0
    assert (
        "this process may open 40 files (ulimit -n); 64 exchanges in flight need 96: continuing with 8 in flight; "
        "run `ulimit -n 96`, or set --concurrency 8 (limits.concurrency)"
    ) in ended.err
    snapshot = read_snapshot(command.folder / "out")
    assert sorted(snapshot.by_name) == repository_names
    assert snapshot.manifest["config"]["limits"]["concurrency"] == 8
    assert snapshot.manifest["requests"]["retries"] == 0


async def test_open_files_limit_is_raised_as_far_as_allowed(command, registry):
    ended = await command(*scripted_crawl(registry, "out", "--concurrency", 100), **open_files_limit(40, 200))
    assert ended.code == 0
    assert "ulimit" not in ended.err
    assert read_snapshot(command.folder / "out").manifest["config"]["limits"]["concurrency"] == 100


async def test_open_files_limit_that_fits_no_exchange_is_refused(command, registry):
    ended = await command(*scripted_crawl(registry), **open_files_limit(32, 32))
    assert (ended.code, registry.requests, folders(command.folder / "out")) == (2, [], [])
    assert "may open 32 files (ulimit -n); a crawl needs 32 and one for each exchange" in ended.complaint
    assert "run `ulimit -n 96`" in ended.complaint
