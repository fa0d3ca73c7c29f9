"""Lakes that are tested against: a folder, and the object storage of each provider."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from support.lake_servers import CloudLake, MotoServer, azurite, moto_server, requires_azurite


@pytest.fixture(autouse=True)
def no_clouds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove a developer's accounts: the tests have lakes of their own."""
    for variable in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_"))]:
        monkeypatch.delenv(variable)


@pytest.fixture
def moto() -> Iterator[MotoServer]:
    """moto with an empty bucket."""
    with moto_server() as server:
        yield server


@pytest.fixture(scope="session")
def azure() -> Iterator[Callable[[str], CloudLake]]:
    """Azurite, which takes seconds to start; a lake is below a prefix of its own."""
    with azurite() as lake_at:
        yield lake_at


@pytest.fixture(params=["s3", "gs", pytest.param("az", marks=requires_azurite)])
def cloud(request) -> Iterator[CloudLake]:
    """An empty lake of each provider."""
    if request.param == "az":
        azure: Callable[[str], CloudLake] = request.getfixturevalue("azure")
        yield azure(f"az-{uuid4()}")
    else:
        with moto_server() as server:
            yield server.s3() if request.param == "s3" else server.gs()


@pytest.fixture
def folder_lake(tmp_path) -> Path:
    """The folder of a lake that does not exist yet."""
    return tmp_path / "our lake"
