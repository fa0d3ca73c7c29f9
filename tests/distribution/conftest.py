"""The shared storage of 300 repositories, and a folder to run the command in."""

import asyncio
from pathlib import Path

import pytest
from support.distribution import (
    Pushed,
    open_registry,
    push,
)
from support.real_crawls import (
    Shelf,
    Shell,
    inventory,
)


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    directory = tmp_path_factory.mktemp("shelf")

    async def fill() -> Pushed:
        async with open_registry(directory) as registry:
            return await push(registry, inventory())

    pushed = asyncio.run(fill())
    assert len(pushed.tags) == 300
    return Shelf(directory=directory, pushed=pushed)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    folder = tmp_path / "shell"
    folder.mkdir()
    return Shell(folder=folder)
