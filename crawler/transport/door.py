"""One request over the wire, and its whole answer or a plain word on why there is none. The only door to aiohttp."""

import asyncio
import ipaddress
import logging
import os
import socket
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from crawler.errors import CredentialsError, RegistryError, Unreachable, UnsafeAddress, UnusableReply, printable
from crawler.transport.messages import ERROR_CAP, Reply, Request
from crawler.transport.patience import Patience

log = logging.getLogger(__name__)

_METADATA: Final = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "fd00:ec2::254", "fd20:ce::254")))
"""Where clouds keep their machines' secrets beside the link-local 169.254.169.254."""

_WITHHELD: Final = b"[withheld]"
_SECRET_FIELDS: Final = frozenset({"refresh_token"})
_SHORTEST_SECRET: Final = 4


class Door:
    """The connections of one run. Made by `open_door`."""

    def __init__(self, session: aiohttp.ClientSession, patience: Patience) -> None:
        self._session = session
        self._total_s = patience.total_s

    async def send(self, request: Request) -> Reply:
        """One exchange, without redirects or retries. Raises RegistryError where no usable answer came."""
        try:
            reply = await self._send(request)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as fault:
            raise _explained(request, fault) from fault
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s: %d, %d bytes", request.asked, reply.status, len(reply.body))
        return reply

    async def _send(self, request: Request) -> Reply:
        headers = {} if request.authorization is None else {"Authorization": request.authorization}
        async with asyncio.timeout(self._total_s):
            response = await self._session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=headers,
                data=dict(request.form) or None,
                allow_redirects=False,
            )
            try:
                if response.status < 400:
                    body = await _read(request, response)
                else:
                    body = _without_secrets(await _read_beginning(response), request)
            except BaseException:
                response.close()
                raise
            finally:
                response.release()
        return Reply(response.status, response.headers, body)


@asynccontextmanager
async def open_door(
    *, user_agent: str, patience: Patience, concurrency: int, ca_file: Path | None
) -> AsyncIterator[Door]:
    """A door whose connections close when the block ends. Raises CredentialsError for a bad `ca_file`."""
    connector = aiohttp.TCPConnector(
        limit=concurrency,  # aiohttp's default of 100 would cap it silently
        ssl=_trust(ca_file),
        socket_factory=_guarded_socket,
    )
    session = aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": user_agent, "Accept": "application/json"},
        cookie_jar=aiohttp.DummyCookieJar(),
        # aiohttp's own total costs a tenth of the speed; asyncio's, around each exchange, next to nothing
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=patience.connect_s, sock_read=patience.read_s),
    )
    # aiohttp would repeat a GET by itself where a kept connection breaks: neither paced nor counted, so not wanted
    session._retry_connection = False  # noqa: SLF001
    async with session:
        yield Door(session, patience)


async def _read(request: Request, response: aiohttp.ClientResponse) -> bytes:
    chunks = []
    size = 0
    while chunk := await response.content.readany():
        size += len(chunk)
        if size > request.cap:
            message = f"the body is larger than the {request.cap:,} bytes that we read"
            raise UnusableReply(request.asked, code="TOO_LARGE", message=message, http_status=response.status)
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _read_beginning(response: aiohttp.ClientResponse) -> bytes:
    """What of a refusal's body matters: its first words."""
    body = b""
    while len(body) < ERROR_CAP and (chunk := await response.content.readany()):
        body += chunk
    if len(body) >= ERROR_CAP:
        response.close()  # there may be no end to it
    return body[:ERROR_CAP]


def _without_secrets(body: bytes, request: Request) -> bytes:
    """Some servers quote in a refusal what they refuse: our credentials, which errors and records must not."""
    scheme, _, credentials = (request.authorization or "").partition(" ")
    secrets = [credentials.encode(), *(value.encode() for key, value in request.form if key in _SECRET_FIELDS)]
    if scheme == "Basic":
        secrets.append(b64decode(credentials).partition(b":")[2])
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            body = body.replace(secret, _WITHHELD)
    return body


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
    host = ipaddress.ip_address(str(peer[0]).partition("%")[0])
    host = getattr(host, "ipv4_mapped", None) or host  # an IPv4 address in IPv6's clothes
    if host in _METADATA or host.is_link_local:
        raise _ForbiddenAddressError(f"{host} is a link-local or metadata address")
    sock = socket.socket(family, kind, protocol)
    sock.setblocking(False)
    return sock


class _ForbiddenAddressError(OSError):
    """An address that no registry, realm or redirect may lead to."""


def _explained(request: Request, fault: Exception) -> RegistryError:
    """A library's exception as one of ours, in words for the person who reads it at night."""
    if any(isinstance(cause, _ForbiddenAddressError) for cause in _causes(fault)):
        message = "it leads to a link-local or metadata address, where we do not go"
        return UnsafeAddress(request.asked, code="FORBIDDEN_ADDRESS", message=message)
    if isinstance(fault, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return UnsafeAddress(request.asked, code="BAD_ADDRESS", message="not an address of http or https")
    if isinstance(fault, aiohttp.ClientResponseError):
        return UnusableReply(request.asked, code="NOT_HTTP", message=printable(fault.message))
    if isinstance(fault, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return UnusableReply(request.asked, code="TLS", message=_tls_words(fault))
    code = "TIMEOUT" if isinstance(fault, TimeoutError) else "UNREACHABLE"
    return Unreachable(request.asked, code=code, message=_unreachable_words(request, fault))


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


def _unreachable_words(request: Request, fault: Exception) -> str:
    host = printable(urlsplit(request.url).netloc)
    match fault:
        case aiohttp.ClientConnectorDNSError():
            return f"the name {host} is not known (DNS): {printable(fault.os_error.strerror or 'no such name')}"
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
