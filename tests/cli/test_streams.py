"""Standard streams that are closed, full, slow or of any encoding: the crawl continues, and its exit code is right."""

import asyncio
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.run_cli import MODULE, SCRIPT, CommandResult, scripted_crawl
from support.scripted import listing_path, on, plain_registry, refusal, serve
from support.snapshots import folders, read_snapshot


def in_shell(redirections: str, program: tuple[str, ...] = SCRIPT) -> tuple[str, ...]:
    """A shell that redirects its streams and executes the command with the arguments that follow."""
    return ("/bin/sh", "-c", f'exec "$@" {redirections}', "sh", *program)


def assert_quiet(ended: CommandResult) -> None:
    assert not re.search("Traceback|Exception|Error", ended.err)


def assert_published(folder: Path, names: list[str]) -> None:
    snapshot = read_snapshot(folder)
    assert snapshot.has_success
    assert sorted(snapshot.by_name) == names


# Closed


@pytest.mark.parametrize("program", [SCRIPT, MODULE], ids=["script", "module"])
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", ">&- 2>&-"])
async def test_closed_streams_change_nothing_about_the_snapshot(command, registry, repository_names, closed, program):
    ended = await command(*scripted_crawl(registry), program=in_shell(closed, program))
    assert ended.code == 0
    assert_quiet(ended)
    assert_published(command.folder / "out", repository_names)
    (part,) = command.folder.rglob("part-*")
    assert len(part.read_bytes().splitlines()) == len(repository_names), "text for people is in the snapshot"


async def test_closed_standard_output_is_an_error_for_records(command, registry):
    ended = await command(*scripted_crawl(registry, "-"), program=in_shell(">&-"))
    assert ended.code == 1
    assert ended.complaint == f"{registry.host}: standard output cannot be written: it is closed"


async def test_closed_standard_input_is_an_error_for_names_and_a_password(command, registry):
    names = await command(*scripted_crawl(registry, "out", "--repositories-from", "-"), program=in_shell("<&-"))
    assert (names.code, folders(command.folder / "out")) == (1, [])
    assert names.complaint == f"{registry.host}: standard input: cannot be read: it is closed"
    login = ("--username", "reader", "--password-stdin")
    password = await command(*scripted_crawl(registry, "out", *login), program=in_shell("<&-"))
    assert password.code == 2
    assert password.complaint.startswith("--password-stdin: standard input cannot be read")


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
async def test_closed_streams_leave_the_other_commands_alone(command, closed):
    for arguments in (["--version"], ["crawl", "--help"], ["runs", "discard", "none"], ["crawl", "--bogus"]):
        ended = await command(*arguments, program=in_shell(closed))
        assert ended.code == (0 if arguments[-1] in {"--version", "--help"} else 2)
        assert_quiet(ended)


# Full, or a pipe that was closed


@pytest.fixture(params=["full", "without reader"])
def unwritable(request) -> Iterator[int]:
    """A descriptor on which every write fails."""
    if request.param == "full":
        descriptor = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, descriptor = os.pipe()
        os.close(reader)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_unwritable_streams_change_nothing_about_the_snapshot(
    command, registry, repository_names, unwritable, stream
):
    # -vv logs every exchange, and every line is lost
    ended = await command(*scripted_crawl(registry, "out", "-vv"), **{stream: unwritable})
    assert ended.code == 0
    assert_quiet(ended)
    assert_published(command.folder / "out", repository_names)


async def test_unwritable_standard_error_leaves_the_exit_code_of_a_partial_snapshot(command, unwritable):
    broken = on(listing_path("team/a"), refusal(403, "DENIED", "not yours"))
    async with serve([broken, *plain_registry({"team/a": ("1",), "team/b": ("1",)})]) as server:
        ended = await command(*scripted_crawl(server, "out", "-v"), stderr=unwritable)
    assert ended.code == 3
    assert read_snapshot(command.folder / "out").manifest["verdict"] == "partial"


async def test_unwritable_standard_error_takes_nothing_from_the_records(
    command, registry, repository_names, unwritable
):
    ended = await command(*scripted_crawl(registry, "-", "-vv"), stderr=unwritable)
    assert ended.code == 0
    assert sorted(json.loads(line)["repository"] for line in ended.out.splitlines()) == repository_names


async def test_unwritable_standard_error_leaves_errors_their_exit_code(command, unwritable):
    ended = await command("crawl", "registry.example", "--rate", "fast", stderr=unwritable)
    assert (ended.code, ended.out) == (2, "")


async def test_closed_pipe_of_standard_error_in_the_middle_of_a_run_changes_nothing(
    command, registry, repository_names
):
    inlet, outlet = os.pipe()
    async with command.started(*scripted_crawl(registry, "out", "-vv", "--concurrency", "1"), stderr=outlet) as process:
        os.close(outlet)
        assert await asyncio.to_thread(os.read, inlet, 10)
        os.close(inlet)
        await process.communicate()
        assert process.returncode == 0
    assert_published(command.folder / "out", repository_names)


@pytest.mark.parametrize("arguments", [["--version"], ["crawl", "--help"]])
async def test_unwritable_standard_output_of_help_is_silent(command, unwritable, arguments):
    ended = await command(*arguments, stdout=unwritable)
    assert (ended.code, ended.err) == (0, "")


# Slow


async def test_nonblocking_standard_output_takes_every_record(command, registry, repository_names):
    """Some parents make a pipe non-blocking, which changes it for every process that shares it."""
    inlet, outlet = os.pipe()
    os.set_blocking(outlet, False)
    os.write(outlet, b"x" * 65_536)  # full
    async with command.started(*scripted_crawl(registry, "-"), stdout=outlet) as process:
        os.close(outlet)
        out = await asyncio.to_thread(_read_all, inlet)
        _, err = await process.communicate()
    assert process.returncode == 0, err
    assert sorted(json.loads(line)["repository"] for line in out[65_536:].splitlines()) == repository_names


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
async def test_encoding_of_the_locale_never_fails_a_message(command, environment):
    message = "łąki are not yours ✋"
    denied = on(listing_path("team/a"), refusal(403, "DENIED", message))
    async with serve([denied, *plain_registry({"team/a": ("1",), "team/b": ("1",)})]) as server:
        ended = await command(*scripted_crawl(server, "żw \udcff", "-vv", "--show", "2"), environment=environment)
    assert ended.code == 3
    assert_quiet(ended)
    snapshot = read_snapshot(command.folder / "żw \udcff")
    assert snapshot.by_name["team/a"]["error"]["message"] == message
    assert "  for example  denied team/a: DENIED: " in ended.out + ended.err


async def test_encoding_without_the_characters_of_a_path_is_a_configuration_error(command):
    (command.folder / "config.toml").write_text('[output]\npath = "łąki"\n', encoding="utf-8")
    posix = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ended = await command("crawl", "registry.example", "--config", "config.toml", environment=posix)
    assert ended.code == 2
    assert "output.path" in ended.complaint
    assert (
        "holds characters that ascii, the encoding of this locale, does not have: set LC_ALL=C.UTF-8" in ended.complaint
    )
