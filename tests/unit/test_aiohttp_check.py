"""The parts of aiohttp that connections use: a version without them is refused, by name."""

import tomllib
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpResponseParser
from aiohttp.streams import StreamReader
from support.http_sessions import http_session

import crawler
from crawler.transport.opening import SUPPORTED_AIOHTTP, check_aiohttp

INSTALLED = {
    "connector": aiohttp.TCPConnector,
    "request": aiohttp.ClientRequest,
    "protocol": ResponseHandler,
    "stream": StreamReader,
    "parser": HttpResponseParser,
}


class WithoutParts:
    """A class of a version of aiohttp that has renamed everything."""


class OtherParameters:
    async def connect(self, request: Any) -> None: ...


class OtherParser:
    def __init__(self, protocol: Any, loop: Any, limit: int, *, max_line_size: int) -> None: ...


def test_aiohttp_check_accepts_the_installed_version():
    check_aiohttp(**INSTALLED)


@pytest.mark.parametrize(
    ("name", "replacement", "missing"),
    [
        ("connector", WithoutParts, "TCPConnector.connect(req, traces, timeout)"),
        ("connector", OtherParameters, "TCPConnector.connect(req, traces, timeout)"),
        ("request", WithoutParts, "ClientRequest(method, url, loop, proxy, proxy_headers)"),
        ("protocol", WithoutParts, "ResponseHandler.transport, ResponseHandler.exception(), "),
        ("protocol", WithoutParts, "ResponseHandler._tail"),
        ("stream", WithoutParts, "StreamReader._buffer, StreamReader._eof, StreamReader.total_bytes"),
        ("parser", WithoutParts, "HttpResponseParser with its options"),
        ("parser", OtherParser, "HttpResponseParser with its options"),
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
    monkeypatch.setattr("crawler.transport.opening.ResponseHandler", WithoutParts)
    with pytest.raises(crawler.CrawlerError, match=r"ResponseHandler\._tail"):
        async with http_session():
            raise AssertionError("the session opened")


def test_aiohttp_check_names_the_versions_of_pyproject():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert f"aiohttp{SUPPORTED_AIOHTTP}" in project["dependencies"]


def test_aiohttp_check_has_a_make_target_that_tests_the_oldest_version():
    oldest = SUPPORTED_AIOHTTP.partition(",")[0].removeprefix(">")
    assert f"'={oldest}'" in (Path(__file__).parents[2] / "Makefile").read_text()
