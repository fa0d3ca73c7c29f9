"""No secret is shown: not on the standard streams, not in a log line, not in a snapshot."""

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from support.google_keys import KEY_FILE_METHODS, pem_lines
from support.run_cli import (
    COMMAND_TIMEOUT_S,
    all_text_in,
    assert_plain,
)
from support.snapshots import read_snapshot

PASSWORD = "hunter2-and-more"


@dataclass(frozen=True, slots=True)
class Tap:
    """A proxy in front of a registry that records all bytes in both directions."""

    registry: str
    recorded: list[bytearray]

    @property
    def secrets(self) -> set[str]:
        """Every Authorization header, token and assertion in the recorded bytes."""
        text = "\n".join(stream.decode("latin-1") for stream in self.recorded)
        found = re.findall(r"Authorization: \w+ (\S+)", text)
        found += re.findall(r'"(?:access_)?token":"([^"]+)"', text)
        found += re.findall(r"assertion=([\w.-]+)", text)
        return set(found)


@asynccontextmanager
async def tapped(registry: str) -> AsyncIterator[Tap]:
    """Start a tap. It replaces the registry's own address in responses, so that token requests pass the tap as well."""
    host, port = registry.split(":")
    connections: set[asyncio.Task[None]] = set()

    async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        recorded = bytearray()
        tap.recorded.append(recorded)
        with suppress(ConnectionError):
            while chunk := await source.read(2**16):
                recorded += chunk
                sink.write(chunk.replace(registry.encode(), tap.registry.encode()))
                await sink.drain()
        sink.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.current_task())
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    tap = Tap(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", [])
    async with server:
        yield tap
    async with asyncio.timeout(COMMAND_TIMEOUT_S):
        await asyncio.gather(*connections)


def base64_prefix(user: str) -> str:
    """The beginning of `user:password` in base64 that does not depend on the password."""
    return b64encode(f"{user}:".encode()).decode()[: len(f"{user}:") // 3 * 4]


SECRET_PREFIXES = ["ya29.", "eyJ", "PRIVATE KEY", *map(base64_prefix, ["_token", "oauth2accesstoken", "_json_key"])]


@pytest.mark.parametrize(
    ("method", "log_format"), [("token", "text"), *((method, "json") for method in KEY_FILE_METHODS)]
)
async def test_secrets_of_no_auth_method_are_shown(command, google, method, log_format):
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
    shown = all_text_in(registry.output) + ended.out + ended.err
    assert json.dumps(str(registry.key_file)) in shown  # the path of the key file is no secret
    assert {secret for secret in [*secrets, *SECRET_PREFIXES] if secret in shown} == set()


async def test_secrets_password_from_any_source_is_not_shown(command, google):
    registry = await google(repositories=1)
    (command.folder / "password.txt").write_text(f"{PASSWORD}\n")
    (command.folder / "config.toml").write_text(
        f'[registry]\n[registry.auth]\nusername = "reader"\npassword = "{PASSWORD}"\n'
    )
    crawl = ("crawl", registry.emulator.registry, "-vv", "--output", registry.output)
    runs: list[Any] = [
        command(*crawl, "--username", "reader", "--password-stdin", stdin=f"{PASSWORD}\n"),
        command(*crawl, "--username", "reader", "--password-file", "password.txt"),
        command(*crawl, "--config", "config.toml"),
        command(*crawl, environment={"REGISTRY_CRAWLER_USERNAME": "reader", "REGISTRY_CRAWLER_PASSWORD": PASSWORD}),
    ]
    for ended in await asyncio.gather(*runs):
        assert ended.code == 1
        assert "unknown user 'reader'" in ended.err  # so the password went out
        assert PASSWORD not in ended.out + ended.err
        assert base64_prefix("reader") not in ended.out + ended.err


async def test_secrets_password_that_is_accepted_is_not_in_the_snapshot(command, google):
    registry = await google(repositories=10)
    password = json.dumps(registry.emulator.key)
    options = ["--auth", "basic", "--username", "_json_key", "--password-stdin", "-vv", "--output", registry.output]
    ended = await command("crawl", registry.emulator.registry, *options, stdin=f"{password}\n")
    assert ended.code == 0
    shown = ended.out + ended.err + all_text_in(registry.output)
    assert read_snapshot(registry.output).manifest["config"]["registry"]["auth"]["username"] == "_json_key"
    assert not any(secret in shown for secret in [*pem_lines(registry.emulator.key), *SECRET_PREFIXES])
