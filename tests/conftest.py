import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from support.distribution import make_certificates
from support.run_cli import (
    CommandRunner,
)

import crawler
from crawler.emulator import Emulator, Settings, serving

# how long an example takes depends on what else the machine does
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


@dataclass(frozen=True, slots=True)
class Google:
    """An emulated registry, the key to it, and a configuration to crawl it with."""

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
    """A developer's proxy is not on the way to this machine itself."""
    for variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(variable)


@pytest.fixture(autouse=True, scope="session")
def no_authorities() -> Iterator[None]:
    """Nor are a developer's certificate authorities wanted there."""
    with pytest.MonkeyPatch.context() as environment:
        for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            environment.delenv(variable, raising=False)
        yield


@pytest.fixture(scope="module")
def few_authorities(tmp_path_factory) -> Iterator[None]:
    """The system's authorities, which are not needed here, take longer to load than a crawl of a few repositories."""
    folder = tmp_path_factory.mktemp("authorities")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SSL_CERT_FILE", str(make_certificates(folder).ca_file))
        environment.setenv("SSL_CERT_DIR", str(folder / "none"))
        yield


@pytest.fixture
async def google(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Start emulated registries with the settings given; they stop with the test."""
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
    return CommandRunner(tmp_path)


@pytest.fixture
def dead_port() -> Iterator[str]:
    """An address on this machine where nobody listens, and nobody else can come to."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"
