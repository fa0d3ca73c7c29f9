"""One request over the wire: its whole response, or an error in plain words. With error_mapping the door to aiohttp."""

import asyncio
import inspect
import logging
import select
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from crawler.errors import CrawlerError, RegistryError, UnusableResponse
from crawler.transport.bodies import BodyBudget
from crawler.transport.deadline import DeadlineTimer
from crawler.transport.error_mapping import MAX_HEADER_BYTES, map_exception, proxy_refusal
from crawler.transport.messages import JSON, MAX_ERROR_BYTES, Headers, Request, Response
from crawler.transport.proxies import Proxies, Proxy
from crawler.transport.redact import SECRET_FIELD, WITHHELD, Redactor, credentials_in
from crawler.transport.retry import Timeouts
from crawler.transport.ssrf import check_address, check_host
from crawler.transport.tls import Certificates, run_ssl_context

log = logging.getLogger(__name__)

SUPPORTED_AIOHTTP: Final = ">=3.14.3"
"""The versions that pyproject.toml allows. `check_aiohttp` looks at the installed one when a session opens."""

_KEPT_SECRETS: Final = 64
"""How many redactors are kept: one for each token in use, and making one costs as much as an exchange."""


class HttpSession:
    """The connections of one run. Made by `open_http_session`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        deadlines: DeadlineTimer,
        proxies: Proxies | None,
        bodies: BodyBudget,
        timeouts: Timeouts,
    ) -> None:
        self._session = session
        self._deadlines = deadlines
        self._proxies = proxies
        self._bodies = bodies
        self._timeouts = timeouts
        self._proxy_by_origin: dict[tuple[str, str | None, int | None], Proxy | None] = {}
        self._redactor_for = lru_cache(_KEPT_SECRETS)(Redactor)
        self._credentials_in = lru_cache(_KEPT_SECRETS)(credentials_in)
        self._logs_exchanges = log.isEnabledFor(logging.DEBUG)

    async def send(self, request: Request) -> Response:
        """One exchange, without redirects or retries.

        Where the response quotes the request's credentials, they are withheld. Raises RegistryError without a usable
        response, and CredentialsError for a proxy that is not an HTTP proxy.
        """
        proxy = None
        task = asyncio.current_task()
        assert task is not None
        self._deadlines.start(task)
        try:
            url = URL(request.url, encoded=True)
            if self._proxies is not None:
                proxy = self._proxy(url, self._proxies)
            # plain `await`: `async with` and `raise_for_status` cost 3 % of an exchange
            raw_response = await self._session.request(**_arguments(request, url, proxy))
            response = await self._response(request, raw_response, proxy, task)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
            # without its cause, which may quote credentials
            raise self._error(request, exc, proxy) from None
        except asyncio.CancelledError:
            if self._deadlines.has_expired(task):
                raise self._error(request, TimeoutError(), proxy) from None
            raise
        finally:
            self._deadlines.stop(task)
        if proxy is not None and response.status == 407:
            raise proxy_refusal(request, proxy, 407)
        if self._logs_exchanges:
            log.debug("%s: %d, %d bytes", request.summary, response.status, len(response.body))
        return response

    def distrust(self, response: Response) -> None:
        """Send nothing more on the connection of this response: what comes on it may answer another request.

        An exchange that runs on it by now continues; the connection is closed after that exchange.
        """
        response.connection.force_close()

    def redacted(self, request: Request, text: str) -> str:
        """A text that was made from the response to a request, without the secrets of the request."""
        proxy = None if self._proxies is None else self._proxy(URL(request.url, encoded=True), self._proxies)
        return self._redactor(request, proxy).text(text)

    def _error(self, request: Request, exc: Exception, proxy: Proxy | None) -> RegistryError:
        return map_exception(request, exc, proxy, self._redactor(request, proxy), self._timeouts)

    def _redactor(self, request: Request, proxy: Proxy | None) -> Redactor:
        return self._redactor_for(_secret_headers(request, proxy), _secret_fields(request))

    def _proxy(self, url: URL, proxies: Proxies) -> Proxy | None:
        origin = (url.scheme, url.raw_host, url.port)
        try:
            return self._proxy_by_origin[origin]
        except KeyError:
            proxy = proxies.proxy(url.scheme, url.raw_host or "", url.port)
        if proxy is not None:
            check_host(url.raw_host or "")  # the proxy resolves the name: the address is never seen here
        self._proxy_by_origin[origin] = proxy
        return proxy

    async def _response(
        self, request: Request, raw_response: aiohttp.ClientResponse, proxy: Proxy | None, task: asyncio.Task[Any]
    ) -> Response:
        """The whole response, or the beginning of an error's body, with the request's secrets withheld.

        Its connection is free afterwards, or closed.
        """
        status, headers = raw_response.status, raw_response.headers
        try:
            if status >= 400:
                body = await _read_beginning(raw_response)
            else:
                # nearly every body comes in one chunk: no budget, no list, no join
                body = await raw_response.content.readany()
                if not raw_response.content.at_eof():
                    body = await self._read_rest(request, raw_response, body, task)
        except BaseException:
            raw_response.close()
            raise
        if len(body) > request.max_body_bytes:
            raise _too_large_error(request, status)
        # `raw_response.connection` is None once the body is read; see `check_aiohttp`
        connection = raw_response._protocol  # noqa: SLF001
        if status < 400:
            for header in _secret_headers(request, proxy):
                credentials = self._credentials_in(header)
                if credentials is not None and credentials in body:
                    body = body.replace(credentials, WITHHELD.encode())
        if status == 200 and "Link" not in headers:
            return Response(status, headers, body, None, connection)
        redactor = self._redactor(request, proxy)
        if status >= 400:
            body = redactor.body(body)
        return Response(status, redact_headers(headers, redactor), body, None, connection)

    async def _read_rest(
        self, request: Request, raw_response: aiohttp.ClientResponse, first: bytes, task: asyncio.Task[Any]
    ) -> bytes:
        """The whole body, of which `first` was read. Raises UnusableResponse for one that is too large.

        The sizes are those of decompressed bytes: a gzip bomb of a few kilobytes is stopped like any other body
        (CVE-2025-69223 and its kind).
        """
        chunks = [first]
        size = len(first)
        self._bodies.reserve(task, size)
        try:
            while chunk := await raw_response.content.readany():
                size += len(chunk)
                if size > request.max_body_bytes:
                    raise _too_large_error(request, raw_response.status)
                chunks.append(chunk)
                self._bodies.reserve(task, len(chunk))
                if self._bodies.must_wait(task):
                    with self._deadlines.paused(task):
                        await self._bodies.wait(task)
        finally:
            self._bodies.release(task)
        return b"".join(chunks)


class _Connector(aiohttp.TCPConnector):
    """Keeps connections, and drops a connection on which bytes came after the last response was read.

    aiohttp hands such a connection out again and takes the unrequested bytes for the response to the next request: from
    then on every response on the connection answers another request than it is taken for, and one repository's tags
    are recorded as another's. Servers send such bytes before they close an idle connection (a 408, RFC 9110 §15.5.9),
    and so does an attacker who smuggles responses.
    """

    async def _get(self, key: Any, traces: Any) -> Any:
        """A kept connection on which nothing waits to be read; None where there is none.

        The pool's only way out. A whole response waits in the protocol's queue, which `should_close` includes. The
        first bytes of a response wait in its parser, which shows nothing of them; but they start the read time-out, as
        everything that comes does. Bytes that the loop has not read yet wait in the socket: `poll` sees them.
        """
        while (connection := await aiohttp.TCPConnector._get(self, key, traces)) is not None:  # noqa: SLF001
            protocol: Any = connection.protocol
            if not protocol.should_close and protocol._read_timeout_handle is None:  # noqa: SLF001
                try:
                    unread = protocol.unread
                except AttributeError:  # on first use; kept with the protocol, because making it takes five calls
                    unread = protocol.unread = _unread_of(connection.transport)
                if not unread(0):
                    break
            connection.close()
        return connection


def check_aiohttp(connector: Any, session: Any, response: Any, protocol: Any) -> None:
    """Check that these classes of aiohttp have the private parts that this module uses.

    - `TCPConnector._get(key, traces)`: the pool's only way out, see `_Connector`.
    - `ClientSession._retry_connection`: switches off aiohttp's own retries.
    - `ClientResponse._protocol`: the connection of a response whose body is read, for `HttpSession.distrust`.
    - `ResponseHandler.should_close`, `.force_close()`, `._read_timeout_handle`: the state of a kept connection.

    aiohttp may rename them in any release. Without this check some of them would fail for each response, and others not
    at all: aiohttp would retry by itself, uncounted. Raises CrawlerError.
    """
    parts = {
        "TCPConnector._get(key, traces)": _parameters(connector, "_get") == ["self", "key", "traces"],
        "ClientSession._retry_connection": _sets(session, "__init__", "_retry_connection"),
        "ClientResponse._protocol": _sets(response, "start", "_protocol"),
        "ResponseHandler.should_close": hasattr(protocol, "should_close"),
        "ResponseHandler.force_close()": _parameters(protocol, "force_close") == ["self"],
        "ResponseHandler._read_timeout_handle": _sets(protocol, "__init__", "_read_timeout_handle"),
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


def _sets(owner: Any, method: str, attribute: str) -> bool:
    """Whether a method uses an attribute that exists on instances only."""
    code = getattr(getattr(owner, method, None), "__code__", None)
    return code is not None and attribute in code.co_names


def _unread_of(transport: Any) -> Callable[[int], list[tuple[int, int]]]:
    """A function that says at once (it is called with 0 milliseconds) whether the transport's socket has bytes to read.

    The end of the connection counts as bytes.
    """
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return poll.poll


def _arguments(request: Request, url: URL, proxy: Proxy | None) -> dict[str, Any]:
    """The arguments of `ClientSession.request`."""
    headers = {} if request.authorization is None else {"Authorization": request.authorization}
    arguments: dict[str, Any] = {"method": request.method, "url": url, "headers": headers, "allow_redirects": False}
    if request.accept != JSON:  # JSON is the session's own default, and costs nothing here
        headers["Accept"] = request.accept
    if request.headers:
        headers |= dict(request.headers)
    if request.form:
        arguments["data"] = dict(request.form)
    elif request.content:
        arguments["data"] = request.content
        headers["Content-Type"] = request.content_type
    if proxy is not None:
        arguments |= {"proxy": proxy.url, "proxy_headers": proxy.headers}
        if url.scheme == "http":
            headers |= proxy.headers  # without a tunnel the proxy reads the request itself
    return arguments


@asynccontextmanager
async def open_http_session(
    *,
    user_agent: str,
    timeouts: Timeouts,
    concurrency: int,
    certificates: Certificates,
    bodies: BodyBudget,
) -> AsyncIterator[HttpSession]:
    """A session whose connections close when the block ends, through the proxies that the environment names.

    `bodies` limits what all bodies hold together. Raises CredentialsError for certificates that cannot be used, and
    CrawlerError for a version of aiohttp that cannot be used.
    """
    check_aiohttp(aiohttp.TCPConnector, aiohttp.ClientSession, aiohttp.ClientResponse, ResponseHandler)
    proxies = Proxies.from_environment()
    connector = _Connector(
        limit=concurrency,  # aiohttp's default of 100 would cap it silently
        ssl=run_ssl_context(certificates),
        socket_factory=guarded_socket,
    )
    session = aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": user_agent, "Accept": JSON},
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=_client_timeout(timeouts, proxies),
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
    )
    # aiohttp repeats a GET by itself where a kept connection breaks (RFC 9112 §9.3.1 allows it): without a permit, not
    # counted, and against a server that may be in an outage. `Transport` retries instead.
    session._retry_connection = False  # noqa: SLF001
    async with session, DeadlineTimer(timeouts.total_s) as deadlines:
        yield HttpSession(session, deadlines, proxies, bodies, timeouts)


def _client_timeout(timeouts: Timeouts, proxies: Proxies | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=None,  # a timer per exchange is slow: see deadline.py
        # aiohttp has no limit of its own for a proxy's answer to CONNECT, only for the whole way to a connection
        connect=None if proxies is None else timeouts.connect_s + timeouts.read_s,
        sock_connect=timeouts.connect_s,
        sock_read=timeouts.read_s,
    )


def _secret_headers(request: Request, proxy: Proxy | None) -> tuple[str, ...]:
    own = () if request.authorization is None else (request.authorization,)
    return own if proxy is None else (*own, *proxy.headers.values())


def _secret_fields(request: Request) -> tuple[tuple[str, str], ...]:
    """The fields of a POST's body, as a redactor takes them."""
    return request.form or tuple((SECRET_FIELD, secret) for secret in request.secrets)


def _too_large_error(request: Request, status: int) -> UnusableResponse:
    message = f"the body is larger than the limit of {request.max_body_bytes:,} bytes"
    return UnusableResponse(request.summary, code="TOO_LARGE", message=message, http_status=status)


async def _read_beginning(raw_response: aiohttp.ClientResponse) -> bytes:
    """The first bytes of an error's body, which say what is wrong."""
    body = b""
    while len(body) < MAX_ERROR_BYTES and (chunk := await raw_response.content.readany()):
        body += chunk
    if len(body) >= MAX_ERROR_BYTES:
        raw_response.close()  # the rest may have no end
    return body[:MAX_ERROR_BYTES]


def redact_headers(headers: Any, redactor: Redactor) -> Headers:
    """The headers with the request's credentials withheld; the same object where none are quoted."""
    quoted = "\n".join(headers.values())
    if redactor.header(quoted) is quoted:
        return headers  # type: ignore[no-any-return]
    redacted = headers.copy()
    redacted.clear()
    redacted.extend((name, redactor.header(value)) for name, value in headers.items())
    return redacted  # type: ignore[no-any-return]


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
