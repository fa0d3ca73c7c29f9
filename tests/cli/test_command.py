"""The program as its user runs it: a process, its exit code, and what it says where."""

import asyncio
import json
import os
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.inventories import expected, told
from support.run_cli import (
    MODULE,
    ONE_TRY,
    PATIENCE_S,
    SCRIPT,
    Command,
    assert_plain,
    crawl_of,
    everything_in,
    watched_crawl_of,
)
from support.snapshots import folders, read_snapshot
from support.terminal import seen_on_terminal

import crawler
from crawler.emulator import Inventory, Settings

PASSWORD = "hunter2-and-more"
FLOWS = ["token", "access-token", "json-key"]


# The commands


async def test_the_command_tells_its_version_by_either_name(command):
    for ended in await asyncio.gather(command("--version", program=MODULE), command("--version", program=SCRIPT)):
        assert (ended.code, ended.out, ended.err) == (0, f"registry-crawler {crawler.__version__}\n", "")


async def test_help_names_every_option_of_the_contract(command):
    wide = {"COLUMNS": "200"}
    general, of_crawl = await asyncio.gather(
        command("--help", environment=wide), command("crawl", "--help", environment=wide)
    )
    assert (general.code, of_crawl.code) == (0, 0)
    assert {"crawl", "demo", "emulator", "runs"} <= set(general.out.split())
    options = (
        "config output auth key-file username password-stdin password-file scope discovery repositories-from include "
        "exclude concurrency rate plain-http ca-file progress no-progress log-format "
        "expect max-shrink partial-ok resume no-lock"
    )
    assert {f"--{option}" for option in options.split()} <= set(re.findall(r"--[\w-]+", of_crawl.out))


async def test_the_demo_takes_the_options_of_crawl(command):
    streamed, mistaken, unknown = await asyncio.gather(
        command("demo", "--repositories", 30, "--output", "-", "--auth", "json-key", "--exclude", "*/a*"),
        command("demo", "--repositories", 5, "--rate", "fast"),
        command("demo", "--repositories", 5, "--bogus"),
    )
    assert streamed.code == 0
    named = {json.loads(line)["repository"] for line in streamed.out.splitlines()}
    assert named == {name for name in Inventory(Settings(repositories=30)).names if "/a" not in name}
    assert (mistaken.code, mistaken.out) == (2, "")
    assert mistaken.err.splitlines()[-1].startswith("registry-crawler: --rate: limits.rate: ")
    assert (unknown.code, unknown.out) == (2, "")
    assert "--bogus" in unknown.err
    assert "Traceback" not in unknown.err


async def test_a_demo_of_no_registry_says_one_thing(command):
    ended = await command("demo", "--repositories", -5)
    assert (ended.code, ended.out) == (2, "")
    assert "greater than or equal to 0" in ended.err.splitlines()[-1]


async def test_the_emulator_announces_itself_and_what_to_try(command):
    async with command.started("emulator", "--port", 0, "--key-file", "key.json", "--repositories", 30) as process:
        first = (await process.stdout.readline()).decode()
        second = (await process.stdout.readline()).decode()
        registry = first.split()[0]
        assert "30 repositories" in first
        assert second == f"try: registry-crawler crawl {registry} --key-file key.json\n"
        tried = await command(*second.split()[2:], "--output", "o")
        assert tried.code == 0
        process.terminate()
        out, err = await process.communicate()
        assert (process.returncode, out, err) == (0, b"", b"")


async def test_an_emulator_that_cannot_start_says_why_in_one_line(command, google):
    registry = await google(repositories=1)
    taken = registry.emulator.registry.split(":")[1]
    mistakes = {
        "shares must be between 0 and 1": (2, ["--port", 0, "--denied", 2]),
        f"port {taken}: ": (1, ["--port", taken]),
        "'--port': must be less than or equal to 65535": (2, ["--port", 99999]),
        "no/such/folder/key.json": (1, ["--port", 0, "--key-file", "no/such/folder/key.json"]),
    }
    ends = await asyncio.gather(*(command("emulator", *options) for _, options in mistakes.values()))
    for (words, (code, _)), ended in zip(mistakes.items(), ends, strict=True):
        assert ended.code == code
        assert words in ended.err.splitlines()[-1]


# Exit codes and summaries


async def test_a_complete_crawl_and_its_summary(command, google):
    registry = await google(repositories=100, vanished=0.02)
    ended = await command(*crawl_of(registry, "--concurrency", 7, "--rate", "50000/1m"))
    assert (ended.code, ended.out) == (0, "")
    snapshot = read_snapshot(registry.output)
    assert told(snapshot.by_name) == expected(registry.emulator.inventory)
    assert snapshot.has_success
    assert not list((registry.output / ".unfinished").glob("*"))

    assert_plain(ended.err)
    assert ended.err.startswith(f"COMPLETE: {registry.emulator.registry}, ")
    assert ended.snapshot == snapshot.folder
    counts, requests = snapshot.manifest["counts"], snapshot.manifest["requests"]
    summary = " ".join(ended.err.split())
    assert "repositories 100: 98 ok, 2 missing, 0 denied, 0 failed, 0 invalid" in summary
    assert f"{counts['tags']:,} tags, {counts['images']:,} images" in summary
    assert f"{requests['total']:,} ({requests['token']:,} for tokens, 0 retries" in summary
    assert snapshot.manifest["discovery"]["evidence"] in summary
    assert "7 at once, 833.3/s" in summary


@pytest.mark.parametrize(("flow", "is_told"), [("token", True), ("access-token", False), ("json-key", False)])
async def test_on_google_the_token_flow_is_told_that_there_is_a_cheaper_one(command, google, flow, is_told):
    registry = await google(repositories=40)
    ended = await command(*crawl_of(registry, "--auth", flow))
    told = "cheaper --auth access-token finds the same without the 41 for tokens"
    assert (told in " ".join(ended.err.split())) is is_told


async def test_denied_repositories_are_exit_code_3_and_a_named_example(command, google):
    registry = await google(repositories=100, denied=0.03)
    ended = await command(*crawl_of(registry))
    assert ended.code == 3
    snapshot = read_snapshot(registry.output)
    assert not snapshot.has_success
    assert ended.snapshot == snapshot.folder
    assert ended.err.startswith("PARTIAL: ")
    assert re.search(r"^  because +3 repositories denied$", ended.err, re.MULTILINE)
    examples = re.findall(r"^  for example +denied (\S+): DENIED: Permission ", ended.err, re.MULTILINE)
    assert {snapshot.outcomes[name] for name in examples} == {"denied"}


async def test_one_target_that_fails_does_not_stop_the_others(command, google, dead_port):
    registry = await google(repositories=30)
    targets = [registry.emulator.registry, dead_port]
    crawl = ("crawl", "--key-file", registry.key_file)
    ends = await asyncio.gather(
        command(*crawl, *targets, "--output", "good first", environment=ONE_TRY),
        command(*crawl, *reversed(targets), "--output", "good last", environment=ONE_TRY),
    )
    for ended, output in zip(ends, ("good first", "good last"), strict=True):
        assert ended.code == 1
        (complaint,) = [line for line in ended.err.splitlines() if line.startswith("registry-crawler: ")]
        assert dead_port in complaint
        assert ended.err.count("COMPLETE: ") == 1
        assert read_snapshot(command.folder / output).has_success
        assert len(folders(command.folder / output)) == 1


async def test_of_several_registries_the_worst_code_wins(command, google, dead_port):
    whole, partial = await google(repositories=30), await google(repositories=30, denied=0.1)

    def written(name: str, *registries: tuple[str, Path]) -> Path:
        file = command.folder / name
        file.write_text(
            "".join(
                f'[[registry]]\ntarget = "{target}"\n[registry.auth]\nkey_file = "{key_file}"\n'
                for target, key_file in registries
            )
        )
        return file

    good, bad = ((google.emulator.registry, google.key_file) for google in (whole, partial))
    with_partial, with_failure = await asyncio.gather(
        command("crawl", "--config", written("3.toml", bad, good), "--output", "3"),
        command(
            "crawl", "--config", written("1.toml", bad, (dead_port, whole.key_file), good), "--output", "1",
            environment=ONE_TRY,
        ),
    )  # fmt: skip
    assert (with_partial.code, with_failure.code) == (3, 1)
    for output in ("3", "1"):
        assert len(folders(command.folder / output)) == 2


async def test_the_environment_reaches_the_run(command, google):
    registry = await google(repositories=30)
    ended = await command(
        "crawl",
        environment={
            "REGISTRY_CRAWLER_REGISTRY__TARGET": registry.emulator.registry,
            "REGISTRY_CRAWLER_REGISTRY__AUTH__KEY_FILE": str(registry.key_file),
            "REGISTRY_CRAWLER_REGISTRY__EXCLUDE": "*/a*,*/b*",
            "REGISTRY_CRAWLER_OUTPUT__PATH": str(registry.output),
            "REGISTRY_CRAWLER_OUTPUT__COMPRESSION": "gzip",
        },
    )
    assert (ended.code, ended.out) == (0, "")
    snapshot = read_snapshot(registry.output)
    assert [file["name"] for file in snapshot.manifest["files"]] == ["part-00000.jsonl.gz"]
    wanted = [name for name in registry.emulator.inventory.names if "/a" not in name and "/b" not in name]
    assert sorted(snapshot.by_name) == wanted


async def test_a_list_of_names_may_come_from_standard_input(command, google):
    registry = await google(repositories=30)
    some = registry.emulator.inventory.names[:3]
    names = "# the first few\n" + "\n".join(some) + "\nNo/Name\nmy-project/never-was\n"
    ended = await command(*crawl_of(registry, "--repositories-from", "-"), stdin=names)
    assert ended.code == 3
    assert "5 names listed in standard input, of which 1 cannot be right: line 5: 'No/Name' has upper" in ended.err
    snapshot = read_snapshot(registry.output)
    assert snapshot.outcomes == {
        **{name: record["outcome"] for name, record in expected(registry.emulator.inventory).items() if name in some},
        "No/Name": "invalid",
        "my-project/never-was": "missing",
    }
    assert snapshot.manifest["discovery"]["method"] == "list"


async def test_a_list_of_names_may_come_through_a_pipe(command, google):
    """As a shell's `--repositories-from <(some command)` has it."""
    registry = await google(repositories=3)
    name = registry.emulator.inventory.names[0]
    ended = await command(*crawl_of(registry, "--repositories-from", "/dev/stdin"), stdin=f"{name}\nmy-project/gone\n")
    assert (ended.code, ended.out) == (0, "")
    assert read_snapshot(registry.output).outcomes == {name: "ok", "my-project/gone": "missing"}


# What could not run


def _without(key: dict[str, Any], part: str) -> str:
    return json.dumps({name: value for name, value in key.items() if name != part})


def _with_private_key(key: dict[str, Any], private_key: object) -> str:
    return json.dumps({**key, "private_key": private_key})


async def complaints_of_key_files(command: Command, google: Any, contents: Mapping[str, str]) -> dict[str, str]:
    """What the command says of each key file, once seen that it names the file, and shows nothing of the key."""
    paths = {kind: google.folder / f"{kind}.json" for kind in contents}
    for kind, path in paths.items():
        path.write_text(contents[kind])
    ends = await asyncio.gather(*(command(*crawl_of(google, "--key-file", path)) for path in paths.values()))
    for path, ended in zip(paths.values(), ends, strict=True):
        assert (ended.code, ended.out) == (1, "")
        assert f" {path}: " in ended.complaint
        assert not any(line in ended.err for line in pem_lines(google.emulator.key))
    assert folders(google.output) == []
    return {kind: ended.complaint.split(": ", 2)[2] for kind, ended in zip(contents, ends, strict=True)}


async def test_key_files_that_cannot_be_used(command, google):
    registry = await google(repositories=1)
    key = registry.emulator.key
    contents = {
        "not JSON": key["private_key"],
        "half a file": json.dumps(key)[:900],
        "a user's": json.dumps({**key, "type": "authorized_user"}),
        "incomplete": _without(key, "client_email"),
        "garbled": _with_private_key(key, key["private_key"][:400] + "\n-----END PRIVATE KEY-----\n"),
        "a number": _with_private_key(key, 17),
    }
    said = await complaints_of_key_files(command, registry, contents)
    unreadable = "not a whole service account key: its private_key cannot be read"
    assert said == {
        "not JSON": "the key file is not JSON; give the file that Google made",
        "half a file": "the key file is not JSON; give the file that Google made",
        "a user's": said["a user's"],
        "incomplete": said["incomplete"],
        "garbled": unreadable,
        "a number": unreadable,
    }
    assert "not a service account's key" in said["a user's"]
    assert "client_email" in said["incomplete"]


async def test_a_key_file_that_is_nested_too_deep(command, google):
    registry = await google(repositories=1)
    said = await complaints_of_key_files(command, registry, {"deep": "[" * 100_000})
    assert "is not JSON" in said["deep"]


async def test_a_key_file_that_is_not_there(command, google):
    registry = await google(repositories=1)
    ends = await asyncio.gather(
        command(*crawl_of(registry, "--key-file", "none.json")),
        command(*crawl_of(registry, "--key-file", ".", "--auth", "json-key")),
    )
    assert [(ended.code, ended.out) for ended in ends] == [(2, "")] * 2
    assert (
        ends[0].complaint == "--key-file: registry.auth.key_file: none.json: cannot be read: No such file or directory"
    )
    assert ends[1].complaint == "--key-file: registry.auth.key_file: .: cannot be read: Is a directory"


async def test_hosts_that_cannot_be_reached(command, google, dead_port):
    registry = await google(repositories=1)
    registry.key_file.write_text(registry.key_file.read_text().replace(registry.emulator.registry, dead_port))
    no_metadata = {"GCE_METADATA_HOST": dead_port, "GCE_METADATA_IP": dead_port, "CLOUDSDK_CONFIG": "."}
    ends = await asyncio.gather(
        command("crawl", dead_port, environment=ONE_TRY),
        command("crawl", "registry.invalid/my-project", environment=ONE_TRY),
        command(*crawl_of(registry), environment=ONE_TRY),
        command("crawl", registry.emulator.registry, "--auth", "token", environment=ONE_TRY | no_metadata),
    )
    assert [(ended.code, ended.out) for ended in ends] == [(1, "")] * 4
    nobody, nameless, no_token_endpoint, no_credentials = (ended.complaint for ended in ends)
    assert f"no connection to {dead_port}" in nobody
    assert nameless.startswith("registry.invalid/my-project: ")
    assert "the name registry.invalid is not known" in nameless
    assert "token endpoint cannot be reached" in no_token_endpoint
    assert "--key-file" in no_credentials
    assert "the metadata server does not answer" in no_credentials


async def test_refused_credentials(command, google):
    ours, other = await google(repositories=1), await google(repositories=1)
    forged = other.key_file.read_text().replace(other.emulator.registry, ours.emulator.registry)
    ours.key_file.write_text(forged)
    *quiet, loud = await asyncio.gather(
        *(command(*crawl_of(ours, "--auth", method)) for method in FLOWS), command(*crawl_of(ours, "-vv"))
    )
    for ended in quiet:
        assert (ended.code, ended.out) == (1, "")
        assert "refuses the credentials" in ended.complaint
    assert loud.code == 1
    assert not any(line in loud.out + loud.err for line in pem_lines(other.emulator.key))
    assert folders(ours.output) == []


async def test_oauth_scopes_that_do_not_do(command, google):
    registry = await google(repositories=1)
    unknown, weak = await asyncio.gather(
        command(*crawl_of(registry, "--scope", "no-such-scope")),
        command(*crawl_of(registry, "--scope", "devstorage.read_only")),
    )
    assert (unknown.code, unknown.out) == (1, "")
    assert "the OAuth scope https://www.googleapis.com/auth/no-such-scope is not one" in unknown.complaint
    assert (weak.code, weak.out) == (1, "")
    assert "403 DENIED: Request had insufficient authentication scopes." in weak.complaint


async def test_an_output_folder_that_is_a_file(command, google):
    registry = await google(repositories=1)
    registry.output.write_text("")
    ended = await command(*crawl_of(registry))
    assert (ended.code, ended.out) == (1, "")
    assert str(registry.output) in ended.complaint
    assert "Not a directory" in ended.complaint or "File exists" in ended.complaint


async def test_files_that_are_not_there(command, google):
    registry = await google(repositories=1)
    names, password, certificates = await asyncio.gather(
        command("crawl", registry.emulator.registry, "--repositories-from", "none.txt"),
        command("crawl", registry.emulator.registry, "--username", "reader", "--password-file", "none.txt"),
        command("crawl", registry.emulator.registry, "--ca-file", "none.pem"),
    )
    for ended, file in ((names, "none.txt"), (password, "none.txt"), (certificates, "none.pem")):
        assert (ended.code, ended.out) == (2, "")
        assert file in ended.complaint


# Usage


async def test_usage_that_the_command_does_not_know(command):
    mistakes = {
        "--bogus": ["crawl", "localhost:1", "--bogus"],
        "--auth": ["crawl", "localhost:1", "--auth", "magic"],
        "--concurrency": ["crawl", "localhost:1", "--concurrency", "many"],
        "--password": ["crawl", "localhost:1", "--password", "x"],
        "magic": ["magic"],
    }
    ends = await asyncio.gather(*(command(*arguments) for arguments in mistakes.values()))
    for words, ended in zip(mistakes, ends, strict=True):
        assert (ended.code, ended.out) == (2, "")
        assert words in ended.err
        assert "Traceback" not in ended.err


async def test_configuration_that_is_none(command):
    (command.folder / "broken.toml").write_text("[limits\n")
    mistakes = {
        "TARGET": ["crawl"],
        "TARGET ''": ["crawl", ""],
        "TARGET 'https://gcr.io': registry.target: ": ["crawl", "https://gcr.io"],
        "--rate: limits.rate: ": ["crawl", "localhost:1", "--rate", "fast"],
        "key_file": ["crawl", "localhost:1", "--auth", "json-key"],
        "none.toml: cannot be read": ["crawl", "--config", "none.toml"],
        "broken.toml: ": ["crawl", "--config", "broken.toml"],
    }
    ends = await asyncio.gather(*(command(*arguments) for arguments in mistakes.values()))
    for words, ended in zip(mistakes, ends, strict=True):
        assert (ended.code, ended.out) == (2, "")
        assert words in ended.err.splitlines()[-1]


async def test_every_mistake_is_a_line_of_its_own(command):
    (command.folder / "config.toml").write_text('colour = "blue"\n\n[limits]\nattempts = 0\n')
    ended = await command(
        "crawl", "https://gcr.io", "--config", "config.toml", "--rate", "fast",
        environment={"REGISTRY_CRAWLER_OUTPUT__COMPRESSION": "rar"},
    )  # fmt: skip
    assert ended.code == 2
    lines = ended.err.splitlines()
    assert sorted(line.removeprefix("registry-crawler: ").split(": ")[0] for line in lines) == [
        "--rate",
        "REGISTRY_CRAWLER_OUTPUT__COMPRESSION",
        "TARGET 'https://gcr.io'",
        "config.toml:1",
        "config.toml:4",
    ]
    assert all(line.startswith("registry-crawler: ") for line in lines)


# Secrets


def pem_lines(key: Mapping[str, Any]) -> set[str]:
    return {line for line in key["private_key"].splitlines() if line}


@dataclass(frozen=True, slots=True)
class Tap:
    """A road to a registry, on which all that passes is kept."""

    registry: str
    kept: list[bytearray]

    @property
    def secrets(self) -> set[str]:
        """Every Authorization, token and assertion that has passed."""
        text = "\n".join(stream.decode("latin-1") for stream in self.kept)
        found = re.findall(r"Authorization: \w+ (\S+)", text)
        found += re.findall(r'"(?:access_)?token":"([^"]+)"', text)
        found += re.findall(r"assertion=([\w.-]+)", text)
        return set(found)


@asynccontextmanager
async def tapped(registry: str) -> AsyncIterator[Tap]:
    """A tap in front of a registry, which sends everybody back through the tap for tokens."""
    host, port = registry.split(":")
    roads: set[asyncio.Task[None]] = set()

    async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        kept = bytearray()
        tap.kept.append(kept)
        with suppress(ConnectionError):
            while passing := await source.read(2**16):
                kept += passing
                sink.write(passing.replace(registry.encode(), tap.registry.encode()))
                await sink.drain()
        sink.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        roads.add(asyncio.current_task())
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    tap = Tap(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", [])
    async with server:
        yield tap
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*roads)


def basic_beginning(user: str) -> str:
    """What every `user:password` begins with in base64, whatever the password."""
    return b64encode(f"{user}:".encode()).decode()[: len(f"{user}:") // 3 * 4]


BEGINNINGS = ["ya29.", "eyJ", "PRIVATE KEY", *map(basic_beginning, ["_token", "oauth2accesstoken", "_json_key"])]


@pytest.mark.parametrize(("method", "log_format"), [("token", "text"), *((method, "json") for method in FLOWS)])
async def test_no_flow_shows_a_secret(command, google, method, log_format):
    registry = await google(repositories=40, unavailable=0.05)
    async with tapped(registry.emulator.registry) as tap:
        registry.key_file.write_text(registry.key_file.read_text().replace(registry.emulator.registry, tap.registry))
        crawl = ("crawl", tap.registry, "--key-file", registry.key_file, "--output", registry.output, "--no-progress")
        ended = await command(*crawl, "--auth", method, "-vv", "--log-format", log_format)
    assert ended.code == 0
    assert_plain(ended.err)
    assert ended.err.count("/tags/list: 200") == 40 - 1  # one has vanished
    if log_format == "json":
        assert all({"severity", "message", "time"} <= json.loads(line).keys() for line in ended.err.splitlines())

    secrets = tap.secrets | pem_lines(registry.emulator.key)
    assert len(tap.secrets) >= {"token": 40, "access-token": 3, "json-key": 1}[method]
    shown = everything_in(registry.output) + ended.out + ended.err
    assert json.dumps(str(registry.key_file)) in shown  # what is no secret is told
    assert {secret for secret in [*secrets, *BEGINNINGS] if secret in shown} == set()


async def test_no_password_is_shown_wherever_it_was_given(command, google):
    registry = await google(repositories=1)
    (command.folder / "password.txt").write_text(f"{PASSWORD}\n")
    (command.folder / "config.toml").write_text(
        f'[registry]\n[registry.auth]\nusername = "reader"\npassword = "{PASSWORD}"\n'
    )
    crawl = ("crawl", registry.emulator.registry, "-vv", "--output", registry.output)
    profile: list[Any] = [
        command(*crawl, "--username", "reader", "--password-stdin", stdin=f"{PASSWORD}\n"),
        command(*crawl, "--username", "reader", "--password-file", "password.txt"),
        command(*crawl, "--config", "config.toml"),
        command(*crawl, environment={"REGISTRY_CRAWLER_USERNAME": "reader", "REGISTRY_CRAWLER_PASSWORD": PASSWORD}),
    ]
    for ended in await asyncio.gather(*profile):
        assert ended.code == 1
        assert "unknown user 'reader'" in ended.err  # so the password went out
        assert PASSWORD not in ended.out + ended.err
        assert basic_beginning("reader") not in ended.out + ended.err


async def test_a_password_that_is_accepted_is_not_in_the_snapshot(command, google):
    registry = await google(repositories=10)
    password = json.dumps(registry.emulator.key)
    options = ["--auth", "basic", "--username", "_json_key", "--password-stdin", "-vv", "--output", registry.output]
    ended = await command("crawl", registry.emulator.registry, *options, stdin=f"{password}\n")
    assert ended.code == 0
    shown = ended.out + ended.err + everything_in(registry.output)
    assert read_snapshot(registry.output).manifest["config"]["registry"]["auth"]["username"] == "_json_key"
    assert not any(secret in shown for secret in [*pem_lines(registry.emulator.key), *BEGINNINGS])


# Standard output


async def test_records_may_be_streamed(command, google):
    registry = await google(repositories=100)
    ended = await command("crawl", registry.emulator.registry, "--key-file", registry.key_file, "--output", "-")
    assert ended.code == 0
    records = {record["repository"]: record for record in map(json.loads, ended.out.splitlines())}
    assert len(records) == len(ended.out.splitlines())
    assert told(records) == expected(registry.emulator.inventory)
    assert ended.err.startswith("COMPLETE: ")
    assert "  snapshot " not in ended.err
    assert not (command.folder / "-").exists()
    assert not (command.folder / "snapshots").exists()


async def test_streamed_records_of_a_partial_run_are_exit_code_3(command, google):
    registry = await google(repositories=50, denied=0.1)
    ended = await command("crawl", registry.emulator.registry, "--key-file", registry.key_file, "--output", "-")
    assert ended.code == 3
    assert len(ended.out.splitlines()) == 50
    assert ended.err.startswith("PARTIAL: ")


@pytest.mark.parametrize("lines", [0, 1])
async def test_a_reader_who_leaves_early_is_no_failure(command, google, lines):
    registry = await google(repositories=3000)
    inlet, outlet = os.pipe()
    crawl = ("crawl", registry.emulator.registry, "--key-file", registry.key_file, "--output", "-")
    async with command.started(*crawl, stdout=outlet) as process:
        os.close(outlet)
        if lines:
            assert (await asyncio.to_thread(os.read, inlet, 10)).startswith(b'{"schema":')
        os.close(inlet)
        _, err = await process.communicate()
        assert (process.returncode, err.decode()) == (0, "")


async def test_a_summary_that_nobody_reads_changes_nothing(command, google):
    """Exit code 1 would mean that nothing was published."""
    registry = await google(repositories=10)
    inlet, outlet = os.pipe()
    os.close(inlet)
    async with command.started(*crawl_of(registry), stderr=outlet) as process:
        os.close(outlet)
        out, _ = await process.communicate()
        assert read_snapshot(registry.output).has_success
        assert (process.returncode, out) == (0, b"")


async def test_records_shown_to_nobody_change_nothing(command, google):
    registry = await google(repositories=10)
    inlet, outlet = os.pipe()
    os.close(inlet)
    async with command.started(*crawl_of(registry, "--show", 3), stdout=outlet) as process:
        os.close(outlet)
        _, err = await process.communicate()
        assert process.returncode == 0
        assert err.startswith(b"COMPLETE: ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full is Linux's")
async def test_a_standard_output_that_is_full_is_one_line(command, google):
    registry = await google(repositories=3000)
    crawl = ("crawl", registry.emulator.registry, "--key-file", registry.key_file, "--output", "-")
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        ended = await command(*crawl, stdout=full)
    finally:
        os.close(full)
    assert ended.code == 1
    assert "standard output cannot be written: No space left on device" in ended.complaint


# Progress


async def test_a_terminal_shows_how_far_it_is_and_only_where_it_is_wanted(command, google):
    registry = await google(repositories=80, latency_s=0.05, denied=0.2)
    crawl = watched_crawl_of(registry, "--concurrency", 8)
    (ended, seen), (_, unwanted) = await asyncio.gather(
        seen_on_terminal(command, 200, *crawl),
        seen_on_terminal(command, 200, *crawl, "--no-progress", "--output", "other"),
    )
    assert ended.code == 3
    assert ended.out == ""
    assert re.search(r"[1-9]\d* of 80 repositories", seen)
    assert re.search(r"[1-9]\d* exchanges/s", seen)
    assert re.search(r"[1-9]\d* failed or denied", seen)
    assert re.search(r"about \d+:\d\d:\d\d left", seen)
    assert "\x1b[2KPARTIAL: " in seen, "the bar stays behind"
    assert unwanted.startswith("PARTIAL: ")
    assert "\x1b" not in unwanted


async def test_a_terminal_of_eighty_columns_shows_all_of_it(command, google):
    registry = await google(repositories=80, latency_s=0.05)
    ended, seen = await seen_on_terminal(command, 80, *watched_crawl_of(registry, "--concurrency", 8))
    assert ended.code == 0
    assert re.search(r"[1-9]\d* of 80 repositories", seen)
    assert re.search(r"about \d+:\d\d:\d\d left", seen)


async def test_elsewhere_a_plain_line_comes_now_and_then(command, google):
    registry = await google(repositories=3, latency_s=6)
    async with (
        command.started(*watched_crawl_of(registry)) as process,
        command.started(*crawl_of(registry, "--output", "silent")) as silent,
    ):
        line = (await process.stderr.readline()).decode()
        assert re.fullmatch(
            rf"\d\d:\d\d:\d\d {re.escape(registry.emulator.registry)}: "
            r"0 of 0 so far repositories, \d+ exchanges/s, 0 failed or denied\n",
            line,
        )
        for each in (process, silent):
            each.kill()
        assert await silent.stderr.read() == b""
