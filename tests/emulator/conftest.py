"""An emulator with 250 repositories, and a client for it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from support.emulator_client import Client, client_of

from crawler.emulator import Emulator, Settings, serving


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with serving(Settings(repositories=250, denied=0.01)) as emulator:
        yield emulator


@pytest.fixture
def client(emulator, session) -> Client:
    return client_of(emulator, session)
