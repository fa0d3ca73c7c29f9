"""Standard streams that are closed, full, slow or of any encoding: the crawl goes on, and its exit code is right."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support.run_cli import MODULE, SCRIPT, CommandResult
from support.scripted import ScriptedServer, listing_path, on, plain_registry, refusal, serve
from support.snapshots import folders, read_snapshot

NAMES = [f"team/r{number:03}" for number in range(40)]


@pytest.fixture
async def registry() -> AsyncIterator[ScriptedServer]:
    async with serve(plain_registry(dict.fromkeys(NAMES, ("1",)))) as server:
        yield server


def in_shell(redirections: str, program: tuple[str, ...] = SCRIPT) -> tuple[str, ...]:
    """The command as a shell starts it that redirects its streams; what follows is handed on."""
    return ("/bin/sh", "-c", f'exec "$@" {redirections}', "sh", *program)


def crawl_of(registry: ScriptedServer, output: object = "out", *more: object) -> tuple[object, ...]:
    return ("crawl", registry.host, "--output", output, *more)


def assert_quiet(ended: CommandResult) -> None:
    assert not re.search("Traceback|Exception|Error", ended.err)


def assert_published(folder: Path) -> None:
    snapshot = read_snapshot(folder)
    assert snapshot.has_success
    assert sorted(snapshot.by_name) == NAMES


# Closed


@pytest.mark.parametrize("program", [SCRIPT, MODULE], ids=["script", "module"])
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", ">&- 2>&-"])
async def test_closed_streams_change_nothing_about_the_snapshot(command, registry, closed, program):
    ended = await command(*crawl_of(registry), program=in_shell(closed, program))
    assert ended.code == 0
    assert_quiet(ended)
    assert_published(command.folder / "out")
    (part,) = command.folder.rglob("part-*")
    assert len(part.read_bytes().splitlines()) == len(NAMES), "words went into a file that became standard output"


async def test_closed_standard_output_takes_no_records_and_says_so(command, registry):
    ended = await command(*crawl_of(registry, "-"), program=in_shell(">&-"))
    assert ended.code == 1
    assert ended.complaint == f"{registry.host}: standard output cannot be written: it is closed"


async def test_closed_standard_input_holds_no_names_and_no_password(command, registry):
    names = await command(*crawl_of(registry, "out", "--repositories-from", "-"), program=in_shell("<&-"))
    assert (names.code, folders(command.folder / "out")) == (1, [])
    assert names.complaint == f"{registry.host}: standard input: cannot be read: it is closed"
    login = ("--username", "reader", "--password-stdin")
    password = await command(*crawl_of(registry, "out", *login), program=in_shell("<&-"))
    assert password.code == 2
    assert password.complaint.startswith("--password-stdin: standard input cannot be read")


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
async def test_closed_streams_leave_the_other_commands_alone(command, closed):
    for arguments in (["--version"], ["crawl", "--help"], ["runs", "discard", "none"], ["crawl", "--bogus"]):
        ended = await command(*arguments, program=in_shell(closed))
        assert ended.code == (0 if arguments[-1] in {"--version", "--help"} else 2)
        assert_quiet(ended)


# Full, or left by their reader


@pytest.fixture(params=["full", "without reader"])
def unwritable(request) -> Iterator[int]:
    """A descriptor to which nothing can be written."""
    if request.param == "full":
        descriptor = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, descriptor = os.pipe()
        os.close(reader)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_unwritable_streams_change_nothing_about_the_snapshot(command, registry, unwritable, stream):
    # every exchange is logged, and every line of it is lost
    ended = await command(*crawl_of(registry, "out", "-vv"), **{stream: unwritable})
    assert ended.code == 0
    assert_quiet(ended)
    assert_published(command.folder / "out")


async def test_unwritable_standard_error_leaves_the_exit_code_of_a_partial_snapshot(command, unwritable):
    broken = on(listing_path("team/a"), refusal(403, "DENIED", "not yours"))
    async with serve([broken, *plain_registry({"team/a": ("1",), "team/b": ("1",)})]) as server:
        ended = await command(*crawl_of(server, "out", "-v"), stderr=unwritable)
    assert ended.code == 3
    assert read_snapshot(command.folder / "out").manifest["verdict"] == "partial"


async def test_unwritable_standard_error_takes_nothing_from_the_records(command, registry, unwritable):
    ended = await command(*crawl_of(registry, "-", "-vv"), stderr=unwritable)
    assert ended.code == 0
    assert sorted(json.loads(line)["repository"] for line in ended.out.splitlines()) == NAMES


async def test_unwritable_standard_error_leaves_errors_their_exit_code(command, unwritable):
    ended = await command("crawl", "registry.example", "--rate", "fast", stderr=unwritable)
    assert (ended.code, ended.out) == (2, "")


async def test_a_reader_of_standard_error_who_leaves_in_the_middle_is_not_missed(command, registry):
    inlet, outlet = os.pipe()
    async with command.started(*crawl_of(registry, "out", "-vv", "--concurrency", "1"), stderr=outlet) as process:
        os.close(outlet)
        assert await asyncio.to_thread(os.read, inlet, 10)
        os.close(inlet)
        await process.communicate()
        assert process.returncode == 0
    assert_published(command.folder / "out")


@pytest.mark.parametrize("arguments", [["--version"], ["crawl", "--help"]])
async def test_words_that_nobody_reads_leave_no_trace(command, unwritable, arguments):
    ended = await command(*arguments, stdout=unwritable)
    assert (ended.code, ended.err) == (0, "")


# Slow, or not waited for


async def test_standard_output_that_is_not_waited_for_takes_every_record(command, registry):
    """Some parents make a pipe non-blocking, which holds for all who share it."""
    inlet, outlet = os.pipe()
    os.set_blocking(outlet, False)
    os.write(outlet, b"x" * 65_536)  # full
    async with command.started(*crawl_of(registry, "-", "--no-progress"), stdout=outlet) as process:
        os.close(outlet)
        out = await asyncio.to_thread(_read_all, inlet)
        _, err = await process.communicate()
    assert process.returncode == 0, err
    assert sorted(json.loads(line)["repository"] for line in out[65_536:].splitlines()) == NAMES


def _read_all(descriptor: int) -> bytes:
    with open(descriptor, "rb") as file:
        return file.read()


# Encodings

ENCODINGS: list[dict[str, str]] = [
    {"LC_ALL": "C"},
    {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1:strict"},
]


@pytest.mark.parametrize("environment", ENCODINGS, ids=lambda environment: " ".join(map("=".join, environment.items())))
async def test_any_encoding_takes_what_is_said(command, environment):
    message = "łąki are not yours ✋"
    denied = on(listing_path("team/a"), refusal(403, "DENIED", message))
    async with serve([denied, *plain_registry({"team/a": ("1",), "team/b": ("1",)})]) as server:
        ended = await command(*crawl_of(server, "żw \udcff", "-vv", "--show", "2"), environment=environment)
    assert ended.code == 3
    assert_quiet(ended)
    snapshot = read_snapshot(command.folder / "żw \udcff")
    assert snapshot.by_name["team/a"]["error"]["message"] == message
    assert "  for example  denied team/a: DENIED: " in ended.out + ended.err


async def test_a_path_that_the_locale_has_no_letters_for_is_a_mistake_of_the_configuration(command):
    (command.folder / "config.toml").write_text('[output]\npath = "łąki"\n', encoding="utf-8")
    posix = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ended = await command("crawl", "registry.example", "--config", "config.toml", environment=posix)
    assert ended.code == 2
    assert "output.path" in ended.complaint
    assert "file names are ascii in this locale, which has no such letters: set LC_ALL=C.UTF-8" in ended.complaint
