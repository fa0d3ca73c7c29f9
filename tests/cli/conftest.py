"""A scripted registry for tests of the command that need no Google."""

from collections.abc import AsyncIterator

import pytest
from support.scripted import ScriptedServer, plain_registry, serve


@pytest.fixture
def repository_count() -> int:
    """How many repositories `registry` holds. A test file overrides this fixture for more."""
    return 40


@pytest.fixture
def repository_names(repository_count: int) -> list[str]:
    """The repositories of `registry`, sorted."""
    return [f"team/r{number:03}" for number in range(repository_count)]


@pytest.fixture
async def registry(repository_names: list[str]) -> AsyncIterator[ScriptedServer]:
    """A registry without authentication; each repository has one tag."""
    async with serve(plain_registry(dict.fromkeys(repository_names, ("1",)))) as server:
        yield server
