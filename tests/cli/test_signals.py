"""SIGINT and SIGTERM at any time: during the imports, while the command is blocked in a read or write, and as PID 1."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.run_cli import SCRIPT, scripted_crawl
from support.snapshots import folders
from support.terminal import read_screen, read_screen_until, terminal

EITHER_SIGNAL = pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])


@pytest.fixture
def repository_count() -> int:
    """Enough for a signal to come in the middle of the run."""
    return 300


async def until(condition: Callable[[], object]) -> None:
    """Poll for something in another process or in the server; `CommandRunner` limits how long."""
    while not condition():  # noqa: ASYNC110  (another process sends no event)
        await asyncio.sleep(0.01)


# During the imports


AT_IMPORT = """
import os, sys

class Sender:
    def find_spec(self, name, path, target=None):
        if name == os.environ["SIGNAL_AT_IMPORT_OF"]:
            os.kill(os.getpid(), int(os.environ["SIGNAL_SENT"]))

sys.meta_path.insert(0, Sender())
"""


def sent_at_import(folder: Path, module: str, number: int) -> dict[str, str]:
    """An environment in which the command receives a signal when it begins to import a module."""
    (folder / "sitecustomize.py").write_text(AT_IMPORT)
    return {"PYTHONPATH": str(folder), "SIGNAL_AT_IMPORT_OF": module, "SIGNAL_SENT": str(int(number))}


MODULES = ["crawler.cli.streams", "crawler.cli.commands", "typer", "pydantic", "aiohttp", "crawler.run.crawl", "uvloop"]


@EITHER_SIGNAL
@pytest.mark.parametrize("module", MODULES)
async def test_signals_during_the_imports_end_the_process_silently(command, number, code, module):
    environment = sent_at_import(command.folder, module, number)
    ended = await command("crawl", "127.0.0.1:1", environment=environment)
    assert (ended.code, ended.out, ended.err) == (code, "", "")


@EITHER_SIGNAL
async def test_signals_leave_nothing_of_the_demo_behind(command, number, code):
    """Neither its key, nor its registry: `CommandRunner` fails where a process is left."""
    (command.folder / "tmp").mkdir()
    environment = sent_at_import(command.folder, "crawler.cli.open_files", number)
    environment["TMPDIR"] = str(command.folder / "tmp")
    ended = await command("demo", "--repositories", "5", environment=environment)
    assert ended.code == code
    assert "Traceback" not in ended.err
    assert list((command.folder / "tmp").iterdir()) == []


# While the command is blocked


@pytest.fixture
def full_pipe() -> Iterator[int]:
    """The write end of a pipe that is full and that nothing reads."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while os.write(writer, bytes(65_536)):
            pass
    os.set_blocking(writer, True)
    yield writer
    os.close(writer)
    os.close(reader)


@EITHER_SIGNAL
async def test_signals_end_a_run_whose_records_are_not_read(command, registry, full_pipe, number, code):
    async with command.started(*scripted_crawl(registry, "-"), stdout=full_pipe) as process:
        await until(lambda: len(registry.requests) > 100)
        process.send_signal(number)
        _, err = await process.communicate()
        assert process.returncode == code
    assert "stopping within 5 s; once more ends at once" in err.decode()
    assert f"{registry.host}: stopped before the end, as asked" in err.decode()


@EITHER_SIGNAL
async def test_signals_end_a_process_that_cannot_print_its_records(command, registry, full_pipe, number, code):
    """The snapshot is published by then, so the exit code is that of the snapshot."""
    async with command.started(*scripted_crawl(registry, "out", "--show", "1"), stdout=full_pipe) as process:
        await until(lambda: folders(command.folder / "out"))
        process.send_signal(number)
        await process.communicate()
        assert process.returncode == 0


@EITHER_SIGNAL
async def test_signals_end_a_run_whose_log_is_not_read(command, registry, full_pipe, number, code):
    async with command.started(*scripted_crawl(registry, "out", "-vv"), stderr=full_pipe) as process:
        await until(lambda: registry.requests)
        process.send_signal(number)
        await process.communicate()
        assert process.returncode == code
    assert folders(command.folder / "out") == []


@EITHER_SIGNAL
async def test_signals_end_a_run_that_waits_for_names(command, registry, number, code):
    async with command.started(*scripted_crawl(registry, "out", "--repositories-from", "-")) as process:
        process.stdin.write(b"team/r000\n")
        await until(lambda: registry.requests)
        process.send_signal(number)
        await until(lambda: process.returncode is not None)  # its standard input stays open
        assert process.returncode == code
        assert b"Traceback" not in await process.stderr.read()


@EITHER_SIGNAL
async def test_signals_end_a_command_that_waits_for_a_password(command, registry, number, code):
    with terminal(80) as (_, program):
        login = ("--username", "reader", "--password-stdin")
        async with command.started(*scripted_crawl(registry, "out", *login), stdin=program) as process:
            os.close(program)
            await until(lambda: is_reading(process.pid))
            process.send_signal(number)
            assert await process.stderr.read() == b""
            assert await process.wait() == code


def is_reading(pid: int) -> bool:
    """Whether a process waits in read(2) of its standard input: call 0 on x86-64, 63 on arm64."""
    return Path(f"/proc/{pid}/syscall").read_text().startswith(("0 0x0 ", "63 0x0 "))


async def test_signals_second_one_shows_the_cursor_again(command, registry):
    crawl = ("crawl", registry.host, "--output", "out", "--rate", "1/s")
    with terminal(120) as (screen, program):
        async with command.started(*crawl, stderr=program) as process:
            os.close(program)
            seen = await asyncio.to_thread(read_screen_until, screen, "\x1b[?25l")
            process.send_signal(signal.SIGINT)
            seen += await asyncio.to_thread(read_screen_until, screen, "once more ends at once")
            process.send_signal(signal.SIGINT)
            seen += await asyncio.to_thread(read_screen, screen)
            assert await process.wait() == 130
    assert "\x1b[?25h" in seen.rpartition("\x1b[?25l")[2]


# PID 1

CONTAINER = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc")


def has_namespaces() -> bool:
    return bool(shutil.which("unshare")) and subprocess.run([*CONTAINER, "true"], check=False).returncode == 0


def only_child(pid: int) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


NEEDS_NAMESPACES = pytest.mark.skipif(not has_namespaces(), reason="PID 1 needs a namespace, which is forbidden here")


@NEEDS_NAMESPACES
async def test_signals_reach_the_command_as_pid_1(command, registry):
    crawl = scripted_crawl(registry, "out", "--rate", "1/s")
    async with command.started(*crawl, program=(*CONTAINER, *SCRIPT)) as process:
        await until(lambda: registry.requests)
        os.kill(only_child(process.pid), signal.SIGTERM)
        _, err = await process.communicate()
        assert process.returncode == 143
    assert "stopped before the end, as asked" in err.decode()


@NEEDS_NAMESPACES
@EITHER_SIGNAL
async def test_signals_during_the_imports_reach_the_command_as_pid_1(command, number, code):
    environment = sent_at_import(command.folder, "pydantic", number)
    ended = await command("crawl", "127.0.0.1:1", program=(*CONTAINER, *SCRIPT), environment=environment)
    assert (ended.code, ended.out, ended.err) == (code, "", "")
