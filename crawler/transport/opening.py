"""How a connection is opened: by aiohttp, with its names, happy eyeballs, TLS and CONNECT. Part of the door to aiohttp.

aiohttp's connector opens a connection and gives it away: it keeps none. It is the only part of aiohttp's client that is
used, and its `ClientRequest` only says where to connect.
"""

import asyncio
import inspect
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpResponseParser
from aiohttp.streams import StreamReader

from crawler.errors import CrawlerError
from crawler.transport.connection import PARSER_OPTIONS
from crawler.transport.messages import JSON
from crawler.transport.proxies import Proxy
from crawler.transport.request_bytes import Origin
from crawler.transport.retry import Timeouts
from crawler.transport.ssrf import check_address
from crawler.transport.tls import Certificates, RunTls, prepare_tls

SUPPORTED_AIOHTTP: Final = ">=3.14.3,<4"
"""The versions that pyproject.toml allows. `check_aiohttp` looks at the installed one before the first connection."""


class Opener:
    """Opens connections. Made by `open_opener`."""

    def __init__(self, connector: aiohttp.TCPConnector, tls: RunTls, user_agent: str, timeouts: Timeouts) -> None:
        self._connector = connector
        self._tls = tls
        self._user_agent = user_agent
        self._timeouts = timeouts

    async def open(self, origin: Origin) -> tuple[asyncio.Transport, bytes]:
        """An open connection on which nothing was sent, and what came on it: nearly always nothing.

        Raises aiohttp's exceptions and OSError, and CredentialsError for certificates that cannot be used.
        """
        proxy = origin.proxy
        request = aiohttp.ClientRequest(
            "GET",
            origin.url,
            loop=asyncio.get_running_loop(),
            proxy=origin.proxy_url,
            proxy_headers=None if proxy is None else self._connect_headers(proxy),
            ssl=self._tls.context() if origin.url.scheme == "https" else True,
        )
        timeout = aiohttp.ClientTimeout(
            total=None,
            # aiohttp has no limit of its own for a proxy's answer to CONNECT, only for the whole way to a connection
            connect=None if proxy is None else self._timeouts.connect_s + self._timeouts.read_s,
            sock_connect=self._timeouts.connect_s,
        )
        try:
            connection = await self._connector.connect(request, [], timeout)
        except TimeoutError as exc:
            raise aiohttp.ConnectionTimeoutError from exc
        protocol: Any = connection.protocol
        transport, protocol.transport = protocol.transport, None  # so that the connector does not close the transport
        connection.close()
        if transport is None or protocol.exception() is not None:
            if transport is not None:
                transport.abort()
            raise protocol.exception() or aiohttp.ServerDisconnectedError
        return transport, protocol._tail  # noqa: SLF001  (see check_aiohttp)

    def _connect_headers(self, proxy: Proxy) -> dict[str, str]:
        """The headers of CONNECT, which asks a proxy for a tunnel."""
        return {"User-Agent": self._user_agent, "Accept": JSON, **proxy.headers}


@asynccontextmanager
async def open_opener(*, user_agent: str, timeouts: Timeouts, certificates: Certificates) -> AsyncIterator[Opener]:
    """An opener, whose names are resolved until the block ends.

    Raises CredentialsError for certificates that cannot be used, and CrawlerError for a version of aiohttp that cannot
    be used.
    """
    check_aiohttp(aiohttp.TCPConnector, aiohttp.ClientRequest, ResponseHandler, StreamReader, HttpResponseParser)
    tls = prepare_tls(certificates)
    connector = aiohttp.TCPConnector(
        limit=0,  # the pool has the limit
        socket_factory=guarded_socket,
    )
    async with connector:
        yield Opener(connector, tls, user_agent, timeouts)


def guarded_socket(address: tuple[Any, ...]) -> socket.socket:
    """A socket for a resolved address. Raises ForbiddenAddressError for a metadata service's address.

    The check comes after the name is resolved, and the connection goes to the checked address: a name that resolves
    differently the second time (DNS rebinding) gains nothing.
    """
    family, kind, protocol, _, peer = address
    check_address(ip_address(str(peer[0]).partition("%")[0]))
    sock = socket.socket(family, kind, protocol)
    sock.setblocking(False)
    return sock


def check_aiohttp(connector: Any, request: Any, protocol: Any, stream: Any, parser: Any) -> None:
    """Check that these classes of aiohttp have the parts that this module and connection.py use.

    - `TCPConnector.connect(req, traces, timeout)` opens a connection to where a `ClientRequest` goes, with its `ssl`.
    - `ResponseHandler.transport`, `.exception()`, `._tail`: the connection is taken from aiohttp's own protocol, with
      the bytes that came on it already.
    - `HttpResponseParser` with `PARSER_OPTIONS` reads what comes.
    - `StreamReader._buffer`, `._eof`, `.total_bytes`: what the parser has read of a body. The methods that say so cost
      five calls per exchange.

    aiohttp may rename them in any release, and without this check every exchange would fail with an internal error.
    Raises CrawlerError.
    """
    opens_to = {"method", "url", "loop", "proxy", "proxy_headers"}
    parts = {
        "TCPConnector.connect(req, traces, timeout)": (
            _parameters(connector, "connect") == ["self", "req", "traces", "timeout"]
        ),
        "ClientRequest(method, url, loop, proxy, proxy_headers)": opens_to <= set(_parameters(request, "__init__")),
        "ClientRequest(ssl)": "ssl" in _parameters(request, "__init__"),
        "ResponseHandler.transport": hasattr(protocol, "transport"),
        "ResponseHandler.exception()": _parameters(protocol, "exception") == ["self"],
        "ResponseHandler._tail": "_tail" in _attributes(protocol),
        "HttpResponseParser with its options": _can_be_made(parser),
        "StreamReader._buffer": hasattr(stream, "_buffer"),
        "StreamReader._eof": hasattr(stream, "_eof"),
        "StreamReader.total_bytes": hasattr(stream, "total_bytes"),
    }
    if missing := [name for name, is_there in parts.items() if not is_there]:
        raise CrawlerError(
            f"this version of registry-crawler cannot use aiohttp {aiohttp.__version__}, which lacks "
            f"{', '.join(missing)}: install a version of aiohttp that was tested ({SUPPORTED_AIOHTTP})"
        )


def _parameters(owner: Any, method: str) -> list[str]:
    """The names of a method's parameters; none where it is missing."""
    function = getattr(owner, method, None)
    return [] if function is None else list(inspect.signature(function).parameters)


def _attributes(owner: Any) -> tuple[str, ...]:
    """The names that a class uses when an instance is made, those of its attributes among them."""
    code = getattr(owner.__init__, "__code__", None)
    return () if code is None else code.co_names


def _can_be_made(parser: Any) -> bool:
    """Whether a parser takes the arguments that each exchange makes one with. Compiled, it has no signature to read."""
    try:
        parser(None, None, 1, response_with_body=True, **PARSER_OPTIONS)
    except TypeError:
        return False
    return True
