"""One request over the wire: its whole response, or an error in plain words. With error_mapping the door to aiohttp."""

import asyncio
import logging
import select
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final

import aiohttp
from yarl import URL

from crawler.errors import RegistryError, UnusableResponse
from crawler.transport.bodies import BodyBudget
from crawler.transport.deadline import DeadlineTimer
from crawler.transport.error_mapping import MAX_HEADER_BYTES, map_exception, proxy_refusal
from crawler.transport.messages import MAX_ERROR_BYTES, Headers, Request, Response
from crawler.transport.proxies import Proxies, Proxy
from crawler.transport.redact import WITHHELD, Redactor, credentials_in
from crawler.transport.retry import RetryPolicy
from crawler.transport.ssrf import check_address, check_host
from crawler.transport.tls import Certificates, run_ssl_context

log = logging.getLogger(__name__)

_KEPT_SECRETS: Final = 64


class HttpSession:
    """The connections of one run. Made by `open_door`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        overdue: DeadlineTimer,
        proxies: Proxies | None,
        room: BodyBudget,
        policy: RetryPolicy,
    ) -> None:
        self._session = session
        self._deadlines = overdue
        self._proxies = proxies
        self._room = room
        self._policy = policy
        self._proxy_of_origin: dict[tuple[str, str | None, int | None], Proxy | None] = {}
        self._redactor_for = lru_cache(_KEPT_SECRETS)(Redactor)
        self._credentials_in = lru_cache(_KEPT_SECRETS)(credentials_in)
        self._logs_exchanges = log.isEnabledFor(logging.DEBUG)

    async def send(self, request: Request) -> Response:
        """One exchange, without redirects or retries.

        What of the response quotes our credentials is withheld. Raises RegistryError where no usable response came,
        CredentialsError for a proxy that we cannot speak to.
        """
        proxy = None
        task = asyncio.current_task()
        assert task is not None
        self._deadlines.since[task] = self._deadlines.tick
        try:
            url = URL(request.url, encoded=True)
            if self._proxies is not None:
                proxy = self._proxy(url, self._proxies)
            response = await self._session.request(**_arguments(request, url, proxy))
            reply = await self._response(request, response, proxy, task)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
            # without its cause, which may quote our credentials
            raise self._error(request, exc, proxy) from None
        except asyncio.CancelledError:
            if self._deadlines.has_expired(task):
                raise self._error(request, TimeoutError(), proxy) from None
            raise
        finally:
            self._deadlines.forget(task)
        if proxy is not None and reply.status == 407:
            raise proxy_refusal(request, proxy, 407)
        if self._logs_exchanges:
            log.debug("%s: %d, %d bytes", request.summary, reply.status, len(reply.body))
        return reply

    def distrust(self, reply: Response) -> None:
        """Ask nothing more on the connection of this reply: what comes on it may be the answer to another question.

        An exchange that is under way on it by now goes on; the connection is closed behind it.
        """
        reply.connection.force_close()

    def redacted(self, request: Request, text: str) -> str:
        """A text that was made of the response to a request, without the secrets of the request."""
        proxy = None if self._proxies is None else self._proxy(URL(request.url, encoded=True), self._proxies)
        return self._redactor(request, proxy).text(text)

    def _error(self, request: Request, exc: Exception, proxy: Proxy | None) -> RegistryError:
        return map_exception(request, exc, proxy, self._redactor(request, proxy), self._policy)

    def _redactor(self, request: Request, proxy: Proxy | None) -> Redactor:
        return self._redactor_for(_secret_headers(request, proxy), request.form)

    def _proxy(self, url: URL, proxies: Proxies) -> Proxy | None:
        origin = (url.scheme, url.raw_host, url.port)
        try:
            return self._proxy_of_origin[origin]
        except KeyError:
            proxy = proxies.proxy(url.scheme, url.raw_host or "", url.port)
        if proxy is not None:
            check_host(url.raw_host or "")
        self._proxy_of_origin[origin] = proxy
        return proxy

    async def _response(
        self, request: Request, response: aiohttp.ClientResponse, proxy: Proxy | None, task: asyncio.Task[Any]
    ) -> Response:
        """The whole response, or a refusal with the first of its body, without our secrets.

        Its connection is free afterwards, or closed.
        """
        status, headers = response.status, response.headers
        try:
            if status >= 400:
                body = await _read_beginning(response)
            else:
                body = await response.content.readany()
                if not response.content.at_eof():
                    body = await self._read_on(request, response, body, task)
        except BaseException:
            response.close()
            raise
        if len(body) > request.max_body_bytes:
            raise _too_large_error(request, response)
        connection = response._protocol  # noqa: SLF001  (`response.connection` has none once the body is read)
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

    async def _read_on(
        self, request: Request, response: aiohttp.ClientResponse, first: bytes, task: asyncio.Task[Any]
    ) -> bytes:
        """The whole body, of which `first` was read. Raises UnusableReply for one that is too large."""
        chunks = [first]
        size = len(first)
        self._room.reserve(task, size)
        try:
            while chunk := await response.content.readany():
                size += len(chunk)
                if size > request.max_body_bytes:
                    raise _too_large_error(request, response)
                chunks.append(chunk)
                self._room.reserve(task, len(chunk))
                if self._room.must_wait(task):
                    with self._deadlines.paused(task):
                        await self._room.wait(task)
        finally:
            self._room.release(task)
        return b"".join(chunks)


class _Connector(aiohttp.TCPConnector):
    """Keeps connections, and drops those on which something has come since the last response was read.

    aiohttp hands them out again, and takes what came unasked for the response to the next request: each response after
    it is then taken for that of another request.
    """

    _kept = aiohttp.TCPConnector._get  # noqa: SLF001  (the pool's only way out; without it this fails at once)

    async def _get(self, key: Any, traces: Any) -> Any:
        while (connection := await self._kept(key, traces)) is not None:
            protocol: Any = connection.protocol
            # A whole response stands in the queue. The first bytes of one are the parser's alone; but the clock for
            # the rest of them runs, as it does after all that comes.
            if not protocol.should_close and protocol._read_timeout_handle is None:  # noqa: SLF001
                try:
                    unread = protocol.unread
                except AttributeError:  # the first time: made once, as it takes five calls
                    unread = protocol.unread = _unread_of(connection.transport)
                if not unread(0):
                    break
            connection.close()
        return connection


def _unread_of(transport: Any) -> Callable[[int], list[tuple[int, int]]]:
    """A function that tells at once, of 0 milliseconds, whether bytes wait in the transport's socket, or its end."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return poll.poll


def _arguments(request: Request, url: URL, proxy: Proxy | None) -> dict[str, Any]:
    """What aiohttp is to be asked."""
    headers = {} if request.authorization is None else {"Authorization": request.authorization}
    asked = {"method": "GET", "url": url, "headers": headers, "allow_redirects": False}
    if request.headers:
        headers |= dict(request.headers)
    if request.form:
        asked |= {"method": "POST", "data": dict(request.form)}
    if proxy is not None:
        asked |= {"proxy": proxy.url, "proxy_headers": proxy.headers}
        if url.scheme == "http":
            headers |= proxy.headers  # without a tunnel the proxy reads the request itself
    return asked


@asynccontextmanager
async def open_http_session(
    *,
    user_agent: str,
    policy: RetryPolicy,
    concurrency: int,
    certificates: Certificates,
    room: BodyBudget | None = None,
) -> AsyncIterator[HttpSession]:
    """A door whose connections close when the block ends, through the proxies that the environment names.

    `room` is what bodies under way may hold together. Raises CredentialsError for certificates that cannot be used.
    """
    proxies = Proxies.from_environment()
    connector = _Connector(
        limit=concurrency,  # aiohttp's default of 100 would cap it silently
        ssl=run_ssl_context(certificates),
        socket_factory=guarded_socket,
    )
    session = aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": user_agent, "Accept": "application/json"},
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=_timeouts(policy, proxies),
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
    )
    # aiohttp would repeat a GET by itself where a kept connection breaks: neither paced nor counted, so not wanted
    session._retry_connection = False  # noqa: SLF001
    async with session, DeadlineTimer(policy.total_s) as overdue:
        yield HttpSession(session, overdue, proxies, room or BodyBudget(), policy)


def _timeouts(policy: RetryPolicy, proxies: Proxies | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=None,  # a scope for each exchange costs a tenth of the speed: Overdue's one clock does without
        # of a proxy's answer to CONNECT only the whole way to a connection can be timed
        connect=None if proxies is None else policy.connect_s + policy.read_s,
        sock_connect=policy.connect_s,
        sock_read=policy.read_s,
    )


def _secret_headers(request: Request, proxy: Proxy | None) -> tuple[str, ...]:
    own = () if request.authorization is None else (request.authorization,)
    return own if proxy is None else (*own, *proxy.headers.values())


def _too_large_error(request: Request, response: aiohttp.ClientResponse) -> UnusableResponse:
    message = f"the body is larger than the {request.max_body_bytes:,} bytes that we read"
    return UnusableResponse(request.summary, code="TOO_LARGE", message=message, http_status=response.status)


async def _read_beginning(response: aiohttp.ClientResponse) -> bytes:
    """What of a refusal's body matters: its first words."""
    body = b""
    while len(body) < MAX_ERROR_BYTES and (chunk := await response.content.readany()):
        body += chunk
    if len(body) >= MAX_ERROR_BYTES:
        response.close()  # there may be no end to it
    return body[:MAX_ERROR_BYTES]


def redact_headers(headers: Any, redactor: Redactor) -> Headers:
    """The headers with our credentials withheld in them; the same object where there are none."""
    quoted = "\n".join(headers.values())
    if redactor.header(quoted) is quoted:
        return headers  # type: ignore[no-any-return]
    shown = headers.copy()
    shown.clear()
    shown.extend((name, redactor.header(value)) for name, value in headers.items())
    return shown  # type: ignore[no-any-return]


def guarded_socket(address: tuple[Any, ...]) -> socket.socket:
    """A socket to a resolved address. Raises ForbiddenAddressError for one of a metadata service."""
    family, kind, protocol, _, peer = address
    check_address(ip_address(str(peer[0]).partition("%")[0]))
    sock = socket.socket(family, kind, protocol)
    sock.setblocking(False)
    return sock
