"""The private parts of aiohttp that the HTTP session uses: a version without them is refused, by name."""

import tomllib
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from support.http_sessions import http_session

import crawler
from crawler.transport.http import SUPPORTED_AIOHTTP, check_aiohttp

INSTALLED = {
    "connector": aiohttp.TCPConnector,
    "session": aiohttp.ClientSession,
    "response": aiohttp.ClientResponse,
    "protocol": ResponseHandler,
}


class WithoutParts:
    """A class of a version of aiohttp that has renamed everything."""

    def __init__(self) -> None:
        self._connection_retries = False

    def start(self) -> None:
        self._transport = None


class OtherParameters:
    async def _get(self, request: Any) -> None: ...


def test_aiohttp_check_accepts_the_installed_version():
    check_aiohttp(**INSTALLED)


@pytest.mark.parametrize(
    ("name", "replacement", "missing"),
    [
        ("connector", WithoutParts, "TCPConnector._get(key, traces)"),
        ("connector", OtherParameters, "TCPConnector._get(key, traces)"),
        ("session", WithoutParts, "ClientSession._retry_connection"),
        ("response", WithoutParts, "ClientResponse._protocol"),
        ("protocol", WithoutParts, "ResponseHandler.should_close, ResponseHandler.force_close(), "),
        ("protocol", WithoutParts, "ResponseHandler._read_timeout_handle"),
    ],
)
def test_aiohttp_check_names_what_is_missing_and_the_supported_versions(name, replacement, missing):
    with pytest.raises(crawler.CrawlerError) as caught:
        check_aiohttp(**{**INSTALLED, name: replacement})
    message = str(caught.value)
    assert missing in message
    assert f"aiohttp {aiohttp.__version__}" in message
    assert SUPPORTED_AIOHTTP in message


async def test_aiohttp_check_is_made_before_a_session_opens(monkeypatch):
    monkeypatch.setattr("crawler.transport.http.ResponseHandler", WithoutParts)
    with pytest.raises(crawler.CrawlerError, match=r"ResponseHandler\.should_close"):
        async with http_session():
            raise AssertionError("the session opened")


def test_aiohttp_check_names_the_versions_of_pyproject():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert f"aiohttp{SUPPORTED_AIOHTTP}" in project["dependencies"]
