"""A library's exception as one of ours, in words for the person who reads it at night. Part of the door to aiohttp."""

import errno
import os
import re
import ssl
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.http_exceptions import LineTooLong

from crawler.errors import RegistryError, TimedOut, Unreachable, UnsafeAddress, UnusableResponse
from crawler.transport.messages import Purpose, Request
from crawler.transport.proxies import Proxy
from crawler.transport.redact import Redactor
from crawler.transport.retry import RETRYABLE_STATUSES, RetryPolicy
from crawler.transport.ssrf import ForbiddenAddressError
from crawler.transport.tls_messages import USE_HTTPS, USE_PLAIN_HTTP, alert_message, tls_message
from crawler.untrusted_text import printable

MAX_HEADER_BYTES: Final = 64 * 1024
"""Bytes of a header, or of a status line, that are read: Go's limit is 1 MB, curl's 100 KB, aiohttp's own 8 KB."""

_NOT_THE_REGISTRYS: Final = frozenset({Purpose.TOKEN, Purpose.API})
"""What registry.plain_http says nothing about."""

_WHAT_TO_DO: Final = {
    errno.EMFILE: "raise `ulimit -n`, or lower --concurrency (limits.concurrency)",
    errno.ENFILE: "the whole machine has too many: lower --concurrency (limits.concurrency)",
    errno.EADDRNOTAVAIL: "the machine has no free port left for it, or no such address",
    errno.EACCES: "a firewall or sandbox of this machine forbids it",
    errno.EPERM: "a firewall or sandbox of this machine forbids it",
}
"""What to do about failures of the system, where its words do not say it."""

_ERRNO: Final = re.compile(r"\[Errno (\d+)\]")
_QUOTED_BYTES: Final = re.compile(r"""(?<!['\w])b(?P<quote>['"])(?P<bytes>.*)(?P=quote)""", re.DOTALL)
"""What the parser quotes of the bytes that it could not read, as Python writes them."""
_TLS_RECORD: Final = re.compile(r"\\x1[56]\\x03")
"""How an alert or a handshake of TLS begins, as Python writes bytes."""


def map_exception(
    request: Request, exc: Exception, proxy: Proxy | None, redactor: Redactor, policy: RetryPolicy
) -> RegistryError:
    """The error to raise where an exchange ended with `exc`. `redactor` knows the exchange's secrets.

    A bare TimeoutError is `patience.total_s` that ran out.
    """
    if any(isinstance(cause, ForbiddenAddressError) for cause in _causes(exc)):
        message = "it leads to a link-local or metadata address, where we do not go"
        return UnsafeAddress(request.summary, code="FORBIDDEN_ADDRESS", message=message)
    if isinstance(exc, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return UnsafeAddress(request.summary, code="BAD_ADDRESS", message="not an address of http or https")
    if isinstance(exc, aiohttp.ClientHttpProxyError) and proxy is not None:
        return proxy_refusal(request, proxy, exc.status)
    if isinstance(exc, aiohttp.ClientResponseError):
        return UnusableResponse(request.summary, code="NOT_HTTP", message=_not_http_message(request, exc, redactor))
    if alert := next(filter(None, map(alert_message, _causes(exc))), None):
        return UnusableResponse(request.summary, code="TLS", message=alert)
    if isinstance(exc, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return UnusableResponse(request.summary, code="TLS", message=_tls_message(request, exc))
    if isinstance(exc, TimeoutError):
        return TimedOut(request.summary, code="TIMEOUT", message=_timeout_message(request, exc, proxy, policy))
    return Unreachable(request.summary, code="UNREACHABLE", message=_unreachable_message(request, exc, proxy, redactor))


def proxy_refusal(request: Request, proxy: Proxy, status: int) -> RegistryError:
    """A proxy's own response in place of a connection: final, unless it is that the proxy cannot connect itself."""
    host = _host(request)
    if status == 407:
        wants = "refuses the user and password" if proxy.headers else "wants a user and password"
        message = f"the proxy {proxy.address} {wants} (of {proxy.variable}: http://USER:PASSWORD@HOST:PORT)"
        return UnusableResponse(request.summary, code="PROXY", message=message, http_status=status)
    kind = Unreachable if status in RETRYABLE_STATUSES else UnusableResponse
    message = f"the proxy {proxy.address} makes no connection to {host} {_where(proxy)}"
    return kind(request.summary, code="PROXY", message=message, http_status=status)


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


def _not_http_message(request: Request, exc: aiohttp.ClientResponseError, redactor: Redactor) -> str:
    if any(isinstance(cause, LineTooLong) for cause in _causes(exc)):
        return f"a header is longer than the {MAX_HEADER_BYTES:,} bytes that we read"
    text = redactor.text(exc.message)
    quoted = _QUOTED_BYTES.search(text)
    if quoted is None:
        return f"what came is not HTTP: {_one_line(text)}"
    if _TLS_RECORD.match(quoted["bytes"]):
        return f"the server speaks TLS{_for_registry(request, f': {USE_HTTPS}')}"
    reason = _one_line(text[: quoted.start()]).rstrip(":")
    return f"what came is not HTTP: {reason}, in '{printable(quoted['bytes'], 100)}'"


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def _for_registry(request: Request, advice: str) -> str:
    """Advice that fits the registry itself, and neither a token server nor an API."""
    return "" if request.purpose in _NOT_THE_REGISTRYS else advice


def _tls_message(request: Request, exc: aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError) -> str:
    reason = exc.certificate_error if isinstance(exc, aiohttp.ClientConnectorCertificateError) else exc.os_error
    return tls_message(reason, advice=_for_registry(request, USE_PLAIN_HTTP))


def _timeout_message(request: Request, exc: TimeoutError, proxy: Proxy | None, policy: RetryPolicy) -> str:
    """Which limit it was that ran out."""
    host = _host(request)
    match exc:
        case aiohttp.ConnectionTimeoutError() if proxy is not None:
            return (
                f"no connection to {host} through the proxy {proxy.address}: {policy.connect_s:g} s to reach the "
                f"proxy (limits.connect_timeout) and {policy.read_s:g} s for its answer (limits.read_timeout) "
                f"are over {_where(proxy)}"
            )
        case aiohttp.ConnectionTimeoutError():
            return f"no connection to {host} within {policy.connect_s:g} s (limits.connect_timeout)"
        case aiohttp.ServerTimeoutError():
            return f"timed out waiting for {host}: nothing came for {policy.read_s:g} s (limits.read_timeout)"
        case TimeoutError() if exc.errno:
            return f"the connection to {host} broke: {_system_message(exc)}"
        case _:
            return f"timed out: the whole answer of {host} took over {policy.total_s:g} s (limits.total_timeout)"


def _unreachable_message(request: Request, exc: Exception, proxy: Proxy | None, redactor: Redactor) -> str:
    host = _host(request)
    if proxy is not None:
        host = f"{host} through the proxy {proxy.address}"
    match exc:
        case aiohttp.ClientConnectorError():
            return _no_connection_message(request, exc, proxy, host)
        case aiohttp.ServerDisconnectedError():
            plain = request.url.startswith("http:") and request.purpose is Purpose.PING
            advice = f" (if it speaks https: {USE_HTTPS})" if plain else ""
            return f"{host} closed the connection without an answer{advice}"
        case aiohttp.ClientPayloadError():
            return f"the answer of {host} broke off or could not be decoded"
        case ssl.SSLError():
            return f"the connection to {host} broke: {tls_message(exc, advice='')}"
        case OSError():
            return f"the connection to {host} broke: {_system_message(exc)}"
        case UnicodeError():
            return f"{host} is no name of a host"
        case _:
            return f"the exchange with {host} broke: {_one_line(redactor.text(str(exc))) or 'no reason given'}"


def _no_connection_message(request: Request, exc: aiohttp.ClientConnectorError, proxy: Proxy | None, host: str) -> str:
    """`host` is whom the connection was for, in words."""
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        reason = printable(exc.os_error.strerror or "no such name")
        if proxy is not None:
            return f"the name of the proxy {proxy.address} is not known (DNS): {reason} {_where(proxy)}"
        return f"the name {host} is not known (DNS): {reason}"
    if isinstance(exc, aiohttp.ClientProxyConnectionError) and proxy is not None:
        return f"no connection to the proxy {proxy.address}: {_system_message(exc.os_error)} {_where(proxy)}"
    if request.url.startswith("https:") and _is_hang_up(exc.os_error):
        advice = f" (if it speaks plain http: {USE_PLAIN_HTTP})" if request.purpose is Purpose.PING else ""
        return f"{host} closed the connection during the TLS handshake{advice}"
    return f"no connection to {host}: {_system_message(exc.os_error)}"


def _is_hang_up(exc: OSError) -> bool:
    """Whether the other end closed a connection that was open: asyncio tells so without a number or words."""
    return isinstance(exc, ConnectionResetError)


def _system_message(exc: OSError) -> str:
    """What the system calls the failure, and what to do; asyncio's own words repeat the address instead.

    Where several addresses of a name were tried, their failures are in the text alone.
    """
    numbers = [exc.errno] if exc.errno and exc.errno > 0 else [int(number) for number in _ERRNO.findall(str(exc))]
    if not numbers:
        return "the other end closed it" if isinstance(exc, ConnectionError) else "no reason given"
    advice = [_WHAT_TO_DO[number] for number in numbers if number in _WHAT_TO_DO]
    words = ", ".join(dict.fromkeys(map(os.strerror, numbers)))
    return f"{words} ({advice[0]})" if advice else words
