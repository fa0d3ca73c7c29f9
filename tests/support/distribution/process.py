"""The docker-registry process: started on a free port, killed at the end of its context."""

import asyncio
import os
import re
import shutil
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

EXECUTABLE = "docker-registry"
START_SECONDS = 15
_LISTENING = re.compile(r'listening on (127\.0\.0\.1:\d+)[",]')


class RegistryStartError(Exception):
    """The registry is not installed, or did not start to listen; the message has its log."""


def executable() -> str | None:
    return shutil.which(EXECUTABLE)


def may_skip(environment: Mapping[str, str]) -> bool:
    """Whether a test may be skipped without the registry; if not, the test runs and fails."""
    return environment.get("TESTS_ACCEPT_NO_SKIP") != "1"


requires_docker_registry = pytest.mark.skipif(
    executable() is None and may_skip(os.environ),
    reason=f"{EXECUTABLE} is not installed (Debian: apt install docker-registry)",
)


@asynccontextmanager
async def run_process(configuration_file: Path, log_file: Path) -> AsyncIterator[str]:
    """Yields the `127.0.0.1:PORT` it listens on.

    The configuration must ask for port 0 and for the log's info level, where the port is told.
    Raises RegistryStartError.
    """
    process = await _spawn(configuration_file, log_file)
    try:
        yield await _address(process, log_file)
    finally:
        # The storage is deleted with the test's directory, so a graceful stop would gain nothing.
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _spawn(configuration_file: Path, log_file: Path) -> Process:
    program = executable()
    if program is None:
        raise RegistryStartError(f"{EXECUTABLE} is not installed")
    # A file, not a pipe: if a test blocks the event loop, a full pipe would stop the registry.
    descriptor = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=0o600)
    try:
        # No environment: REGISTRY_… variables of the machine would override the configuration.
        return await asyncio.create_subprocess_exec(
            program, "serve", configuration_file, stdin=DEVNULL, stdout=descriptor, stderr=STDOUT, env={}
        )
    finally:
        os.close(descriptor)


async def _address(process: Process, log_file: Path) -> str:
    """The kernel chooses the port, and the registry names it only in its log."""
    try:
        async with asyncio.timeout(START_SECONDS):
            while process.returncode is None:
                if address := _announced_address(log_file):
                    return address
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise _start_error(f"does not listen after {START_SECONDS} s", log_file) from None
    raise _start_error(f"ended with {process.returncode}", log_file)


def _announced_address(log_file: Path) -> str | None:
    found = _LISTENING.search(log_file.read_text())
    return found[1] if found else None


def _start_error(outcome: str, log_file: Path) -> RegistryStartError:
    return RegistryStartError(f"{EXECUTABLE} {outcome}; its log:\n{log_file.read_text()}")
