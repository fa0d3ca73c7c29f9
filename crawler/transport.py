"""One exchange with a registry: paced, capped, redirected by our rules, retried. The only door to aiohttp."""

import ipaddress
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urljoin, urlsplit

import aiohttp
import anyio
import tenacity
from yarl import URL

from crawler.errors import CredentialsError, RegistryError, Unreachable, UnsafeAddress, UnusableReply, printable
from crawler.pace import Pace

log = logging.getLogger(__name__)

TOKEN_CAP: Final = 1024**2
ERROR_CAP: Final = 64 * 1024
LISTING_CAP: Final = 256 * 1024**2

_PASSING: Final = frozenset({408, 429}) | frozenset(range(500, 600)) - {501, 505}
"""Statuses that may be gone at the next try; 501 and 505 say that they will not."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MAX_HOPS: Final = 5
_METADATA: Final = frozenset({"169.254.169.254", "fd00:ec2::254", "100.100.100.200"})


class Purpose(StrEnum):
    """What an exchange is for, as run.json counts it."""

    REGISTRY = "registry"
    TOKEN = "token"  # noqa: S105  (not a password)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A GET. `cap` is the largest body that we read, in decompressed bytes; `authorization` the header's value."""

    url: str
    authorization: str | None = None
    cap: int = LISTING_CAP
    purpose: Purpose = Purpose.REGISTRY

    def __repr__(self) -> str:
        return f"Request(GET {self.asked})"  # never the authorization

    @property
    def asked(self) -> str:
        """The question, for an error: without the query's cursor, which says nothing to a person."""
        return f"GET {printable(self.url)}"


class Headers(Protocol):
    """A reply's headers, by name in any case."""

    def get(self, name: str, /) -> str | None: ...
    def getall(self, name: str, default: Sequence[str], /) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, whole: its body read to the end, decompressed, and within the cap."""

    status: int
    headers: Headers
    body: bytes


@dataclass(slots=True)
class Exchanges:
    """What was exchanged so far, retries counted in; `bytes` are bodies as decompressed."""

    total: int = 0
    token: int = 0
    retries: int = 0
    throttled: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often an exchange is tried, and how many seconds a connection and a silence may take."""

    attempts: int
    connect_s: float
    read_s: float


class Transport:
    """Exchanges with one registry, and with whom it sends us to. Made by `open_transport`."""

    def __init__(self, session: aiohttp.ClientSession, pace: Pace, patience: Patience, scheme: str) -> None:
        self.exchanges = Exchanges()
        self.pace = pace
        self._session = session
        self._attempts = patience.attempts
        self._schemes = {"https", scheme}

    async def fetch(self, request: Request) -> Reply:
        """Ask, following redirects and trying again where that may help.

        A reply of any status is returned, a passing one (408, 429, 5xx) after the last try. Raises Unreachable
        without a whole reply, UnusableReply for one over the cap, UnsafeAddress for a redirect not followed.
        """
        try:
            return await self._try(request)
        except _Passing as first:
            return await self._again(request, first)

    async def _again(self, request: Request, first: "_Passing") -> Reply:
        """All tries after the first, which stands outside tenacity because it is the hot path."""
        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(self._attempts),
            wait=tenacity.wait_random_exponential(multiplier=0.5, max=30),
            retry=tenacity.retry_if_exception_type(_Passing),
            sleep=anyio.sleep,
            reraise=True,
        )
        try:
            async for attempt in retrying:
                with attempt:
                    if attempt.retry_state.attempt_number == 1:
                        raise first
                    self.exchanges.retries += 1
                    return await self._try(request)
        except _Passing as last:
            if last.reply is not None:
                return last.reply
            raise last.error from None
        raise AssertionError("tenacity ends with a reply or an error")

    async def _try(self, request: Request) -> Reply:
        try:
            reply = await self._follow(request)
        except Unreachable as error:
            raise _Passing(error=error) from None
        if reply.status in _PASSING:
            self.exchanges.throttled += reply.status == 429
            raise _Passing(reply=reply)
        return reply

    async def _follow(self, request: Request) -> Reply:
        reply = await self._exchange(request)
        hops = 0
        while reply.status in _REDIRECTS and (location := reply.headers.get("Location")):
            hops += 1
            if hops > _MAX_HOPS:
                raise UnsafeAddress(
                    request.asked, code="REDIRECT", message=f"more than {_MAX_HOPS} redirects", http_status=reply.status
                )
            request = self._redirected(request, location, reply.status)
            reply = await self._exchange(request)
        return reply

    def _redirected(self, request: Request, location: str, status: int) -> Request:
        try:
            url = urljoin(request.url, location)
            here, there = urlsplit(request.url), urlsplit(url)
            same_origin = (here.scheme, here.hostname, here.port) == (there.scheme, there.hostname, there.port)
        except ValueError:
            raise UnsafeAddress(
                request.asked, code="REDIRECT", message="a redirect to no address", http_status=status
            ) from None
        downgrade = here.scheme == "https" and there.scheme != "https"
        if downgrade or there.scheme not in self._schemes or there.username is not None:
            raise UnsafeAddress(
                request.asked,
                code="REDIRECT",
                message=f"a redirect that we do not follow, to {printable(url)}",
                http_status=status,
            )
        return Request(
            url=url,
            authorization=request.authorization if same_origin else None,
            cap=request.cap,
            purpose=request.purpose,
        )

    async def _exchange(self, request: Request) -> Reply:
        async with self.pace:
            self.exchanges.total += 1
            self.exchanges.token += request.purpose is Purpose.TOKEN
            try:
                return await self._send(request)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as fault:
                raise _explained(request, fault) from fault

    async def _send(self, request: Request) -> Reply:
        headers = {} if request.authorization is None else {"Authorization": request.authorization}
        response = await self._session.get(URL(request.url, encoded=True), headers=headers, allow_redirects=False)
        try:
            body = await self._read(request, response)
        finally:
            response.release()
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s: %d, %d bytes", request.asked, response.status, len(body))
        return Reply(response.status, response.headers, body)

    async def _read(self, request: Request, response: aiohttp.ClientResponse) -> bytes:
        cap = request.cap if response.status < 400 else min(request.cap, ERROR_CAP)
        chunks = []
        size = 0
        while chunk := await response.content.readany():
            size += len(chunk)
            if size > cap:
                response.close()
                raise UnusableReply(
                    request.asked,
                    code="TOO_LARGE",
                    message=f"the body is larger than the {cap:,} bytes that we read",
                    http_status=response.status,
                )
            chunks.append(chunk)
        self.exchanges.bytes += size
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class _Passing(Exception):
    """A try that failed and may succeed the next time: a reply with a passing status, or no whole reply."""

    def __init__(self, *, reply: Reply | None = None, error: Unreachable | None = None) -> None:
        self.reply = reply
        self._error = error
        super().__init__()

    @property
    def error(self) -> Unreachable:
        assert self._error is not None
        return self._error


@asynccontextmanager
async def open_transport(
    *, user_agent: str, pace: Pace, patience: Patience, concurrency: int, scheme: str, ca_file: Path | None
) -> AsyncIterator[Transport]:
    """A transport whose connections close when the block ends. Plain http is spoken only where `scheme` says so.

    Raises CredentialsError where `ca_file` holds no certificates.
    """
    connector = aiohttp.TCPConnector(
        limit=concurrency,  # aiohttp's default of 100 would cap it silently
        ssl=_trust(ca_file),
        socket_factory=_guarded_socket,
    )
    session = aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": user_agent, "Accept": "application/json"},
        cookie_jar=aiohttp.DummyCookieJar(),
        # A total per request would cost more than it saves: stalls are found by the socket time-outs.
        timeout=aiohttp.ClientTimeout(
            total=None, connect=None, sock_connect=patience.connect_s, sock_read=patience.read_s
        ),
    )
    async with session:
        yield Transport(session, pace, patience, scheme)


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        raise CredentialsError(f"{ca_file}: holds no certificates in PEM form") from None
    except OSError as fault:
        raise CredentialsError(f"{ca_file}: cannot be read: {fault.strerror}") from None


def _guarded_socket(address: tuple[Any, ...]) -> socket.socket:
    """A socket to a resolved address, unless it is one where clouds keep their machines' secrets."""
    family, kind, protocol, _, peer = address
    host = str(peer[0]).partition("%")[0]
    if host in _METADATA or ipaddress.ip_address(host).is_link_local:
        raise _ForbiddenAddressError(f"{host} is a link-local or metadata address")
    sock = socket.socket(family, kind, protocol)
    sock.setblocking(False)
    return sock


class _ForbiddenAddressError(OSError):
    """An address that no registry, realm or redirect may lead to."""


def _explained(request: Request, fault: Exception) -> RegistryError:
    """A library's exception as one of ours, in words for the person who reads it at night."""
    causes = _chain(fault)
    if any(isinstance(cause, _ForbiddenAddressError) for cause in causes):
        return UnsafeAddress(request.asked, code="FORBIDDEN_ADDRESS", message=printable(str(fault)))
    if isinstance(fault, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return UnsafeAddress(request.asked, code="BAD_ADDRESS", message="not an address of http or https")
    if isinstance(fault, aiohttp.ClientResponseError):
        return UnusableReply(request.asked, code="NOT_HTTP", message=printable(fault.message), http_status=None)
    if isinstance(fault, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return UnusableReply(request.asked, code="TLS", message=f"{_tls_words(fault)}")
    return Unreachable(request.asked, code="UNREACHABLE", message=_unreachable_words(request, fault))


def _chain(fault: BaseException) -> list[BaseException]:
    chain = [fault]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    return chain


def _tls_words(fault: aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError) -> str:
    words = printable(str(getattr(fault, "certificate_error", fault)))
    return f"{words} (a CA of your own goes into ca_file, a registry without TLS wants plain_http)"


def _unreachable_words(request: Request, fault: Exception) -> str:
    host = printable(urlsplit(request.url).netloc)
    match fault:
        case aiohttp.ClientConnectorDNSError():
            return f"the name {host} is not known (DNS): {printable(str(fault.os_error))}"
        case aiohttp.ConnectionTimeoutError():
            return f"no connection to {host} in time"
        case aiohttp.ClientConnectorError():
            return f"no connection to {host}: {printable(fault.os_error.strerror or str(fault.os_error))}"
        case aiohttp.ServerDisconnectedError():
            return f"{host} closed the connection without an answer"
        case aiohttp.ClientPayloadError():
            return f"the answer of {host} broke off or could not be decoded"
        case TimeoutError():
            return f"{host} fell silent"
        case _:
            return f"the exchange with {host} broke: {printable(str(fault) or type(fault).__name__)}"
