"""Fixtures of all tests: a clean environment, emulated registries, and the command as a process."""

import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from support.distribution import make_certificates
from support.run_cli import CommandRunner
from support.stored_snapshots import SnapshotWriter

import crawler
from crawler.emulator import Emulator, Settings, serving

# how long an example takes depends on the load of the machine
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# `make test-fast` takes a few of the examples
settings.register_profile("fast", settings.get_profile("suite"), max_examples=5)
settings.load_profile("suite")


@dataclass(frozen=True, slots=True)
class Google:
    """An emulated Google registry, its service account key, and a configuration to crawl it."""

    emulator: Emulator
    folder: Path

    @property
    def key_file(self) -> Path:
        return self.folder / "key.json"

    @property
    def output(self) -> Path:
        return self.folder / "snapshots"

    def config(self, *, auth: dict[str, Any] | None = None, **registry: Any) -> crawler.Config:
        table = {
            "target": self.emulator.registry,
            "auth": {"key_file": self.key_file, **(auth or {})},
            **registry,
        }
        return crawler.Config(registry=[table], output={"path": self.output}, limits={"concurrency": 16})


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove a developer's proxy: the tests connect to this machine only."""
    for variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(variable)


@pytest.fixture(autouse=True, scope="session")
def no_authorities() -> Iterator[None]:
    """Remove a developer's certificate authorities."""
    with pytest.MonkeyPatch.context() as environment:
        for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            environment.delenv(variable, raising=False)
        yield


@pytest.fixture(scope="module")
def few_authorities(tmp_path_factory) -> Iterator[None]:
    """Trust one test CA only: loading the system's CAs takes longer than a crawl of a few repositories."""
    folder = tmp_path_factory.mktemp("authorities")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SSL_CERT_FILE", str(make_certificates(folder).ca_file))
        environment.setenv("SSL_CERT_DIR", str(folder / "none"))
        yield


@pytest.fixture
async def google(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Start emulated registries with the given settings. They stop at the end of the test."""
    started = []

    async def start(**settings: Any) -> Google:
        context = serving(Settings(**{"repositories": 120, **settings}))
        emulator = await context.__aenter__()
        started.append(context)
        folder = tmp_path / f"google-{len(started)}"
        folder.mkdir()
        emulator.write_key(folder / "key.json")
        return Google(emulator, folder)

    yield start
    for context in reversed(started):
        await context.__aexit__(None, None, None)


@pytest.fixture
def command(tmp_path) -> CommandRunner:
    """Run the command as a process in a folder of its own."""
    return CommandRunner(tmp_path)


@pytest.fixture
def dead_port() -> Iterator[str]:
    """A HOST:PORT of this machine where nothing listens. The port stays bound, so that no other process takes it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture
def publish(tmp_path) -> SnapshotWriter:
    """Publishes snapshots in the folder `snapshots`, where the command looks for them."""
    return SnapshotWriter(tmp_path / "snapshots")
