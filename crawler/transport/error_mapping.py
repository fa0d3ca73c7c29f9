"""A library's exception as one of ours, in words for the person who reads it at night. Part of the door to aiohttp."""

import os
import re
import ssl
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.http_exceptions import LineTooLong

from crawler.errors import RegistryError, Unreachable, UnsafeAddress, UnusableReply, printable
from crawler.transport.messages import Request
from crawler.transport.patience import PASSING
from crawler.transport.proxies import Proxy
from crawler.transport.redact import Redactor
from crawler.transport.ssrf import ForbiddenAddressError

LONGEST_HEADER: Final = 64 * 1024
"""Bytes of a header, or of a status line, that are read: Go's limit is 1 MB, curl's 100 KB, aiohttp's own 8 KB."""

_ALERTS: Final = re.compile("ALERT.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE)")
"""OpenSSL's names for what a server may say of the certificate that it was shown, or was not."""


def map_exception(request: Request, exc: Exception, proxy: Proxy | None, redactor: Redactor) -> RegistryError:
    """The error to raise where an exchange ended with `exc`. `redactor` knows the exchange's secrets."""
    if any(isinstance(cause, ForbiddenAddressError) for cause in _causes(exc)):
        message = "it leads to a link-local or metadata address, where we do not go"
        return UnsafeAddress(request.asked, code="FORBIDDEN_ADDRESS", message=message)
    if isinstance(exc, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return UnsafeAddress(request.asked, code="BAD_ADDRESS", message="not an address of http or https")
    if isinstance(exc, aiohttp.ClientHttpProxyError) and proxy is not None:
        return refused_by_proxy(request, proxy, exc.status)
    if isinstance(exc, aiohttp.ClientResponseError):
        return UnusableReply(request.asked, code="NOT_HTTP", message=_not_http_message(exc, redactor))
    if alert := _alert(exc):
        return UnusableReply(request.asked, code="TLS", message=alert)
    if isinstance(exc, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return UnusableReply(request.asked, code="TLS", message=_tls_message(exc))
    code = "TIMEOUT" if isinstance(exc, TimeoutError) else "UNREACHABLE"
    return Unreachable(request.asked, code=code, message=_unreachable_message(request, exc, proxy, redactor))


def refused_by_proxy(request: Request, proxy: Proxy, status: int) -> RegistryError:
    """A proxy's own response in place of a connection: final, unless it is that the proxy cannot connect itself."""
    host = _host(request)
    if status == 407:
        wants = "refuses the user and password" if proxy.headers else "wants a user and password"
        message = f"the proxy {proxy.address} {wants} (of {proxy.variable}: http://USER:PASSWORD@HOST:PORT)"
        return UnusableReply(request.asked, code="PROXY", message=message, http_status=status)
    kind = Unreachable if status in PASSING else UnusableReply
    message = f"the proxy {proxy.address} makes no connection to {host} {_where(proxy)}"
    return kind(request.asked, code="PROXY", message=message, http_status=status)


def _host(request: Request) -> str:
    try:
        return printable(urlsplit(request.url).netloc)
    except ValueError:  # what has no host is what fails
        return printable(request.url)


def _where(proxy: Proxy) -> str:
    return f"({proxy.variable} names the proxy, NO_PROXY the hosts that need none)"


def _causes(exc: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = exc
    while cause is not None:
        yield cause
        yield from getattr(cause, "exceptions", ())
        cause = cause.__cause__ or cause.__context__


def _not_http_message(exc: aiohttp.ClientResponseError, redactor: Redactor) -> str:
    if any(isinstance(cause, LineTooLong) for cause in _causes(exc)):
        return f"a header is longer than the {LONGEST_HEADER:,} bytes that we read"
    return printable(" ".join(redactor.text(exc.message).split()))


def _tls_message(exc: aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError) -> str:
    reason = exc.certificate_error if isinstance(exc, aiohttp.ClientConnectorCertificateError) else exc.os_error
    words = printable(str(getattr(reason, "verify_message", None) or getattr(reason, "reason", None) or reason))
    return f"{words} (a CA of your own goes into ca_file, a registry without TLS wants plain_http)"


def _alert(exc: Exception) -> str | None:
    """What a server says of our certificate: in TLS 1.3 only after the handshake, when the connection seems open."""
    for cause in _causes(exc):
        if isinstance(cause, ssl.SSLError) and _ALERTS.search(getattr(cause, "reason", None) or ""):
            words = printable(str(cause.reason)).replace("_", " ").lower()
            return f"{words} (where it wants to see a certificate of ours: client_certificate)"
    return None


def _unreachable_message(request: Request, exc: Exception, proxy: Proxy | None, redactor: Redactor) -> str:
    host = _host(request)
    if proxy is not None:
        host = f"{host} through the proxy {proxy.address}"
    match exc:
        case aiohttp.ClientConnectorDNSError():
            reason = printable(exc.os_error.strerror or "no such name")
            if proxy is not None:
                return f"the name of the proxy {proxy.address} is not known (DNS): {reason} {_where(proxy)}"
            return f"the name {host} is not known (DNS): {reason}"
        case aiohttp.ClientProxyConnectionError() if proxy is not None:
            return f"no connection to the proxy {proxy.address}: {_system_message(exc.os_error)} {_where(proxy)}"
        case aiohttp.ConnectionTimeoutError():
            return f"no connection to {host} in time"
        case aiohttp.ClientConnectorError():
            return f"no connection to {host}: {_system_message(exc.os_error)}"
        case aiohttp.ServerDisconnectedError():
            return f"{host} closed the connection without an answer"
        case aiohttp.ClientPayloadError():
            return f"the answer of {host} broke off or could not be decoded"
        case TimeoutError():
            return f"{host} fell silent"
        case _:
            return f"the exchange with {host} broke: {printable(redactor.text(str(exc)) or type(exc).__name__)}"


def _system_message(exc: OSError) -> str:
    """What the system calls the failure; asyncio's own words repeat the address instead."""
    return os.strerror(exc.errno) if exc.errno and exc.errno > 0 else printable(str(exc))
