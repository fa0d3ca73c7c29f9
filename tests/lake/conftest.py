"""Lakes that are tested against: a folder, and the object storage of each provider."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.lake_servers import CloudLake, MotoServer, azurite, moto_server, requires_azurite


@pytest.fixture
def moto() -> Iterator[MotoServer]:
    """moto with an empty bucket."""
    with moto_server() as server:
        yield server


@pytest.fixture(params=["s3", "gs", pytest.param("az", marks=requires_azurite)])
def cloud(request) -> Iterator[CloudLake]:
    """An empty lake of each provider."""
    if request.param == "az":
        with azurite() as lake:
            yield lake
    else:
        with moto_server() as server:
            yield server.s3() if request.param == "s3" else server.gs()


@pytest.fixture
def folder_lake(tmp_path) -> Path:
    """The folder of a lake that does not exist yet."""
    return tmp_path / "our lake"
