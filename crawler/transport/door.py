"""One request over the wire, and its whole answer or a plain word on why there is none. The only door to aiohttp."""

import asyncio
import ipaddress
import logging
import os
import re
import socket
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from crawler.errors import RegistryError, Unreachable, UnsafeAddress, UnusableReply, printable
from crawler.transport.certificates import Certificates, trust
from crawler.transport.messages import ERROR_CAP, Reply, Request
from crawler.transport.overdue import Overdue
from crawler.transport.patience import PASSING, Patience
from crawler.transport.proxies import Proxies, Proxy

log = logging.getLogger(__name__)

_METADATA: Final = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "fd00:ec2::254", "fd20:ce::254")))
"""Where clouds keep their machines' secrets beside the link-local 169.254.169.254."""
_METADATA_NAMES: Final = frozenset({"metadata", "metadata.google.internal"})
"""Its names, for when it is not we who resolve them."""

_ALERTS: Final = re.compile("ALERT.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE)")
"""OpenSSL's names for what a server may say of the certificate that it was shown, or was not."""

_WITHHELD: Final = b"[withheld]"
_SECRET_FIELDS: Final = frozenset({"refresh_token"})
_SHORTEST_SECRET: Final = 4


class Door:
    """The connections of one run. Made by `open_door`."""

    def __init__(self, session: aiohttp.ClientSession, overdue: Overdue, proxies: Proxies | None) -> None:
        self._session = session
        self._overdue = overdue
        self._proxies = proxies
        self._proxy_of_origin: dict[tuple[str, str | None, int | None], Proxy | None] = {}
        self._tells_all = log.isEnabledFor(logging.DEBUG)

    async def send(self, request: Request) -> Reply:
        """One exchange, without redirects or retries.

        Raises RegistryError where no usable answer came, CredentialsError for a proxy that we cannot speak to.
        """
        proxy = None
        task = asyncio.current_task()
        assert task is not None
        self._overdue.since[task] = self._overdue.tick
        try:
            url = URL(request.url, encoded=True)
            if self._proxies is not None:
                proxy = self._proxy(url, self._proxies)
            asked = _arguments(request, url, proxy)
            response = await self._session.request(**asked)
            reply = Reply(response.status, response.headers, await _body(request, response, asked["headers"]))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as fault:
            raise _explained(request, fault, proxy) from fault
        except asyncio.CancelledError:
            if self._overdue.has_ended(task):
                raise _explained(request, TimeoutError(), proxy) from None
            raise
        finally:
            self._overdue.forget(task)
        if proxy is not None and reply.status == 407:
            raise _refused_by_proxy(request, proxy, 407)
        if self._tells_all:
            log.debug("%s: %d, %d bytes", request.asked, reply.status, len(reply.body))
        return reply

    def _proxy(self, url: URL, proxies: Proxies) -> Proxy | None:
        origin = (url.scheme, url.raw_host, url.port)
        try:
            return self._proxy_of_origin[origin]
        except KeyError:
            proxy = proxies.proxy(url.scheme, url.raw_host or "", url.port)
        if proxy is not None:
            _check_host(url.raw_host or "")
        self._proxy_of_origin[origin] = proxy
        return proxy


def _arguments(request: Request, url: URL, proxy: Proxy | None) -> dict[str, Any]:
    """What aiohttp is to be asked."""
    headers = {} if request.authorization is None else {"Authorization": request.authorization}
    asked = {"method": "GET", "url": url, "headers": headers, "allow_redirects": False}
    if request.form:
        asked |= {"method": "POST", "data": dict(request.form)}
    if proxy is not None:
        asked |= {"proxy": proxy.url, "proxy_headers": proxy.headers}
        if url.scheme == "http":
            headers |= proxy.headers  # without a tunnel the proxy reads the request itself
    return asked


@asynccontextmanager
async def open_door(
    *, user_agent: str, patience: Patience, concurrency: int, certificates: Certificates
) -> AsyncIterator[Door]:
    """A door whose connections close when the block ends, through the proxies that the environment names.

    Raises CredentialsError for certificates that cannot be used.
    """
    proxies = Proxies.of_environment()
    connector = aiohttp.TCPConnector(
        limit=concurrency,  # aiohttp's default of 100 would cap it silently
        ssl=trust(certificates),
        socket_factory=_guarded_socket,
    )
    session = aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": user_agent, "Accept": "application/json"},
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=_timeouts(patience, proxies),
    )
    # aiohttp would repeat a GET by itself where a kept connection breaks: neither paced nor counted, so not wanted
    session._retry_connection = False  # noqa: SLF001
    async with session, Overdue(patience.total_s) as overdue:
        yield Door(session, overdue, proxies)


def _timeouts(patience: Patience, proxies: Proxies | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=None,  # a scope for each exchange costs a tenth of the speed: Overdue's one clock does without
        # of a proxy's answer to CONNECT only the whole way to a connection can be timed
        connect=None if proxies is None else patience.connect_s + patience.read_s,
        sock_connect=patience.connect_s,
        sock_read=patience.read_s,
    )


async def _body(request: Request, response: aiohttp.ClientResponse, headers: Mapping[str, str]) -> bytes:
    """All of an answer to a request with these `headers`, or a refusal's first words.

    Its connection is free afterwards, or closed.
    """
    try:
        if response.status >= 400:
            return _without_secrets(await _read_beginning(response), headers, request)
        body = await response.content.readany()
        if not response.content.at_eof():
            body = await _read_on(request, response, body)
    except BaseException:
        response.close()
        raise
    if len(body) > request.cap:
        raise _too_large(request, response)
    return body


async def _read_on(request: Request, response: aiohttp.ClientResponse, first: bytes) -> bytes:
    """The whole body, of which `first` was read. Raises UnusableReply for one that is too large."""
    chunks = [first]
    size = len(first)
    while chunk := await response.content.readany():
        size += len(chunk)
        if size > request.cap:
            raise _too_large(request, response)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(request: Request, response: aiohttp.ClientResponse) -> UnusableReply:
    message = f"the body is larger than the {request.cap:,} bytes that we read"
    return UnusableReply(request.asked, code="TOO_LARGE", message=message, http_status=response.status)


async def _read_beginning(response: aiohttp.ClientResponse) -> bytes:
    """What of a refusal's body matters: its first words."""
    body = b""
    while len(body) < ERROR_CAP and (chunk := await response.content.readany()):
        body += chunk
    if len(body) >= ERROR_CAP:
        response.close()  # there may be no end to it
    return body[:ERROR_CAP]


def _without_secrets(body: bytes, headers: Mapping[str, str], request: Request) -> bytes:
    """Some servers quote in a refusal what they refuse: our credentials, which errors and records must not."""
    secrets = [value.encode() for key, value in request.form if key in _SECRET_FIELDS]
    for header in headers.values():
        scheme, _, credentials = header.partition(" ")
        secrets.append(credentials.encode())
        if scheme == "Basic":
            secrets.append(b64decode(credentials).partition(b":")[2])
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            body = body.replace(secret, _WITHHELD)
    return body


def _guarded_socket(address: tuple[Any, ...]) -> socket.socket:
    """A socket to a resolved address, unless it is one where clouds keep their machines' secrets."""
    family, kind, protocol, _, peer = address
    _check_address(ipaddress.ip_address(str(peer[0]).partition("%")[0]))
    sock = socket.socket(family, kind, protocol)
    sock.setblocking(False)
    return sock


def _check_address(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    address = getattr(address, "ipv4_mapped", None) or address  # an IPv4 address in IPv6's clothes
    if address in _METADATA or address.is_link_local:
        raise _ForbiddenAddressError(f"{address} is a link-local or metadata address")


def _check_host(host: str) -> None:
    """What can be told of a host that a proxy resolves: addresses as they stand, and the metadata server's names."""
    if host.rstrip(".").lower() in _METADATA_NAMES:
        raise _ForbiddenAddressError(f"{host} is a metadata server")
    address = _as_address(host)
    if address is not None:
        _check_address(address)


def _as_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is, if any; 2852039166 and 0xa9fea9fe are 169.254.169.254 to whoever resolves them."""
    with suppress(ValueError):
        return ipaddress.ip_address(host.partition("%")[0])
    with suppress(OSError, UnicodeEncodeError):
        return ipaddress.ip_address(socket.inet_aton(host))
    return None


class _ForbiddenAddressError(OSError):
    """An address that no registry, realm or redirect may lead to."""


def _explained(request: Request, fault: Exception, proxy: Proxy | None) -> RegistryError:
    """A library's exception as one of ours, in words for the person who reads it at night."""
    if any(isinstance(cause, _ForbiddenAddressError) for cause in _causes(fault)):
        message = "it leads to a link-local or metadata address, where we do not go"
        return UnsafeAddress(request.asked, code="FORBIDDEN_ADDRESS", message=message)
    if isinstance(fault, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return UnsafeAddress(request.asked, code="BAD_ADDRESS", message="not an address of http or https")
    if isinstance(fault, aiohttp.ClientHttpProxyError) and proxy is not None:
        return _refused_by_proxy(request, proxy, fault.status)
    if isinstance(fault, aiohttp.ClientResponseError):
        return UnusableReply(request.asked, code="NOT_HTTP", message=printable(fault.message))
    if alert := _alert(fault):
        return UnusableReply(request.asked, code="TLS", message=alert)
    if isinstance(fault, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return UnusableReply(request.asked, code="TLS", message=_tls_words(fault))
    code = "TIMEOUT" if isinstance(fault, TimeoutError) else "UNREACHABLE"
    return Unreachable(request.asked, code=code, message=_unreachable_words(request, fault, proxy))


def _refused_by_proxy(request: Request, proxy: Proxy, status: int) -> RegistryError:
    """A proxy's own answer in place of a connection: final, unless it is that it reaches nobody itself."""
    host = printable(urlsplit(request.url).netloc)
    if status == 407:
        wants = "refuses the user and password" if proxy.headers else "wants a user and password"
        message = f"the proxy {proxy.address} {wants} (of {proxy.variable}: http://USER:PASSWORD@HOST:PORT)"
        return UnusableReply(request.asked, code="PROXY", message=message, http_status=status)
    kind = Unreachable if status in PASSING else UnusableReply
    message = f"the proxy {proxy.address} makes no connection to {host} {_where(proxy)}"
    return kind(request.asked, code="PROXY", message=message, http_status=status)


def _where(proxy: Proxy) -> str:
    return f"({proxy.variable} names the proxy, NO_PROXY the hosts that need none)"


def _causes(fault: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = fault
    while cause is not None:
        yield cause
        yield from getattr(cause, "exceptions", ())
        cause = cause.__cause__ or cause.__context__


def _tls_words(fault: aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError) -> str:
    reason = fault.certificate_error if isinstance(fault, aiohttp.ClientConnectorCertificateError) else fault.os_error
    words = printable(str(getattr(reason, "verify_message", None) or getattr(reason, "reason", None) or reason))
    return f"{words} (a CA of your own goes into ca_file, a registry without TLS wants plain_http)"


def _alert(fault: Exception) -> str | None:
    """What a server says of our certificate: in TLS 1.3 only after the handshake, when a connection seems to stand."""
    for cause in _causes(fault):
        if isinstance(cause, ssl.SSLError) and _ALERTS.search(getattr(cause, "reason", None) or ""):
            words = printable(str(cause.reason)).replace("_", " ").lower()
            return f"{words} (where it wants to see a certificate of ours: client_certificate)"
    return None


def _unreachable_words(request: Request, fault: Exception, proxy: Proxy | None) -> str:
    host = printable(urlsplit(request.url).netloc)
    if proxy is not None:
        host = f"{host} through the proxy {proxy.address}"
    match fault:
        case aiohttp.ClientConnectorDNSError():
            reason = printable(fault.os_error.strerror or "no such name")
            if proxy is not None:
                return f"the name of the proxy {proxy.address} is not known (DNS): {reason} {_where(proxy)}"
            return f"the name {host} is not known (DNS): {reason}"
        case aiohttp.ClientProxyConnectionError() if proxy is not None:
            return f"no connection to the proxy {proxy.address}: {_system_words(fault.os_error)} {_where(proxy)}"
        case aiohttp.ConnectionTimeoutError():
            return f"no connection to {host} in time"
        case aiohttp.ClientConnectorError():
            return f"no connection to {host}: {_system_words(fault.os_error)}"
        case aiohttp.ServerDisconnectedError():
            return f"{host} closed the connection without an answer"
        case aiohttp.ClientPayloadError():
            return f"the answer of {host} broke off or could not be decoded"
        case TimeoutError():
            return f"{host} fell silent"
        case _:
            return f"the exchange with {host} broke: {printable(str(fault) or type(fault).__name__)}"


def _system_words(fault: OSError) -> str:
    """What the system calls the failure; asyncio's own words repeat the address instead."""
    return os.strerror(fault.errno) if fault.errno and fault.errno > 0 else printable(str(fault))
