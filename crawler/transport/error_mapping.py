"""aiohttp's exceptions as the crawler's, with a message that an operator can act on. Part of the door to aiohttp."""

import errno
import os
import re
import ssl
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError, HttpProcessingError, LineTooLong

from crawler.errors import RegistryError, TimedOut, Unreachable, UnsafeAddress, UnusableResponse
from crawler.transport.messages import Purpose, Request
from crawler.transport.proxies import Proxy
from crawler.transport.redact import Redactor
from crawler.transport.request_bytes import NotHttpUrlError
from crawler.transport.retry import RETRYABLE_STATUSES, Timeouts
from crawler.transport.ssrf import ForbiddenAddressError
from crawler.transport.tls_messages import USE_HTTPS, USE_PLAIN_HTTP, alert_message, tls_message
from crawler.untrusted_text import printable

MAX_HEADER_BYTES: Final = 64 * 1024
"""The longest header or status line that is read.

Go's limit is 1 MB, curl's 100 KB, aiohttp's own 8 KB: a Content-Security-Policy, or the
cursor in a Link, may be longer than that.
"""

EXCHANGE_ERRORS: Final = (aiohttp.ClientError, HttpProcessingError, OSError, ValueError)
"""What an exchange may end with, and `map_exception` maps. A TimeoutError is an OSError."""

_OTHER_SERVICES: Final = frozenset({Purpose.TOKEN, Purpose.API})
"""Purposes of exchanges with other services: registry.plain_http does not apply to them."""

_ERRNO_ADVICE: Final = {
    errno.EMFILE: "raise `ulimit -n`, or lower --concurrency (limits.concurrency)",
    errno.ENFILE: "the whole machine has too many: lower --concurrency (limits.concurrency)",
    errno.EADDRNOTAVAIL: "the machine has no free port left, or no such address",
    errno.EACCES: "a firewall or sandbox of this machine forbids it",
    errno.EPERM: "a firewall or sandbox of this machine forbids it",
}
"""What to do about a failure of the system, where the system's own message does not say it."""

_ERRNO: Final = re.compile(r"\[Errno (\d+)\]")
_QUOTED_BYTES: Final = re.compile(r"""(?<!['\w])b(?P<quote>['"])(?P<bytes>.*)(?P=quote)""", re.DOTALL)
"""The bytes that aiohttp's parser could not read, as its message quotes them: in Python's notation."""
_TLS_RECORD: Final = re.compile(r"\\x1[56]\\x03")
"""The first bytes of a TLS alert or handshake, in Python's notation."""


def map_exception(
    request: Request, exc: Exception, proxy: Proxy | None, redactor: Redactor, timeouts: Timeouts
) -> RegistryError:
    """The error to raise where an exchange ended with `exc`. `redactor` withholds the exchange's secrets.

    A bare TimeoutError means that `timeouts.total_s` is over.
    """
    if any(isinstance(cause, ForbiddenAddressError) for cause in _causes(exc)):
        message = "it leads to a link-local or metadata address, which is never contacted"
        return UnsafeAddress(request.summary, code="FORBIDDEN_ADDRESS", message=message)
    if isinstance(exc, aiohttp.InvalidURL | NotHttpUrlError):
        return UnsafeAddress(request.summary, code="BAD_ADDRESS", message="not an http or https URL")
    if isinstance(exc, aiohttp.ClientHttpProxyError) and proxy is not None:
        return proxy_refusal(request, proxy, exc.status)
    if isinstance(exc, aiohttp.ClientResponseError | HttpProcessingError):
        return UnusableResponse(request.summary, code="NOT_HTTP", message=_not_http_message(request, exc, redactor))
    if alert := next(filter(None, map(alert_message, _causes(exc))), None):
        return UnusableResponse(request.summary, code="TLS", message=alert)
    if isinstance(exc, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return UnusableResponse(request.summary, code="TLS", message=_tls_message(request, exc))
    if isinstance(exc, TimeoutError):
        return TimedOut(request.summary, code="TIMEOUT", message=_timeout_message(request, exc, proxy, timeouts))
    return Unreachable(request.summary, code="UNREACHABLE", message=_unreachable_message(request, exc, proxy, redactor))


def proxy_refusal(request: Request, proxy: Proxy, status: int) -> RegistryError:
    """A proxy refused the connection. Worth a retry (Unreachable) only where the proxy itself could not connect."""
    host = _host(request)
    if status == 407:
        problem = "refuses the user and password" if proxy.headers else "requires a user and password"
        message = f"the proxy {proxy.address} {problem} (of {proxy.variable}: http://USER:PASSWORD@HOST:PORT)"
        return UnusableResponse(request.summary, code="PROXY", message=message, http_status=status)
    error_type = Unreachable if status in RETRYABLE_STATUSES else UnusableResponse
    message = f"the proxy {proxy.address} makes no connection to {host} {_proxy_advice(proxy)}"
    return error_type(request.summary, code="PROXY", message=message, http_status=status)


def _host(request: Request) -> str:
    try:
        return printable(urlsplit(request.url).netloc)
    except ValueError:  # an invalid URL: show it whole
        return printable(request.url)


def _proxy_advice(proxy: Proxy) -> str:
    return f"({proxy.variable} names the proxy, NO_PROXY the hosts that need none)"


def _causes(exc: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = exc
    while cause is not None:
        yield cause
        yield from getattr(cause, "exceptions", ())
        cause = cause.__cause__ or cause.__context__


def _not_http_message(
    request: Request, exc: aiohttp.ClientResponseError | HttpProcessingError, redactor: Redactor
) -> str:
    if any(isinstance(cause, LineTooLong) for cause in _causes(exc)):
        return f"a header is longer than the {MAX_HEADER_BYTES:,} bytes that are read"
    text = redactor.text(exc.message)
    if isinstance(exc, ContentEncodingError):
        return f"the body cannot be decoded (only gzip and deflate were asked for): {_one_line(text)}"
    quoted = _QUOTED_BYTES.search(text)
    if quoted is None:
        return f"the response is not HTTP: {_one_line(text)}"
    if _TLS_RECORD.match(quoted["bytes"]):
        return f"the server speaks TLS{_for_registry(request, f': {USE_HTTPS}')}"
    reason = _one_line(text[: quoted.start()]).rstrip(":")
    return f"the response is not HTTP: {reason}, in '{printable(quoted['bytes'], 100)}'"


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def _for_registry(request: Request, advice: str) -> str:
    """The advice, for an exchange with the registry itself; "" for a token server or an API."""
    return "" if request.purpose in _OTHER_SERVICES else advice


def _tls_message(request: Request, exc: aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError) -> str:
    reason = exc.certificate_error if isinstance(exc, aiohttp.ClientConnectorCertificateError) else exc.os_error
    return tls_message(reason, advice=_for_registry(request, USE_PLAIN_HTTP))


def _timeout_message(request: Request, exc: TimeoutError, proxy: Proxy | None, timeouts: Timeouts) -> str:
    """Which time limit is over."""
    host = _host(request)
    match exc:
        case aiohttp.ConnectionTimeoutError() if proxy is not None:
            return (
                f"no connection to {host} through the proxy {proxy.address}: {timeouts.connect_s:g} s to reach the "
                f"proxy (limits.connect_timeout) and {timeouts.read_s:g} s for its response (limits.read_timeout) "
                f"are over {_proxy_advice(proxy)}"
            )
        case aiohttp.ConnectionTimeoutError():
            return f"no connection to {host} within {timeouts.connect_s:g} s (limits.connect_timeout)"
        case aiohttp.ServerTimeoutError():
            return f"timed out waiting for {host}: nothing came for {timeouts.read_s:g} s (limits.read_timeout)"
        case TimeoutError() if exc.errno:
            return f"the connection to {host} broke: {_system_message(exc)}"
        case _:
            return f"timed out: the whole response of {host} took over {timeouts.total_s:g} s (limits.total_timeout)"


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
            return f"{host} closed the connection without a response{advice}"
        case aiohttp.ClientPayloadError():
            return f"the response of {host} broke off or could not be decoded"
        case ssl.SSLError():
            return f"the connection to {host} broke: {tls_message(exc, advice='')}"
        case OSError():
            return f"the connection to {host} broke: {_system_message(exc)}"
        case UnicodeError():
            return f"{host} is not a valid host name"
        case _:
            return f"the exchange with {host} broke: {_one_line(redactor.text(str(exc))) or 'no reason given'}"


def _no_connection_message(request: Request, exc: aiohttp.ClientConnectorError, proxy: Proxy | None, host: str) -> str:
    """`host` is the host to connect to, with the proxy in between."""
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        reason = printable(exc.os_error.strerror or "no such name")
        if proxy is not None:
            return f"the name of the proxy {proxy.address} is not known (DNS): {reason} {_proxy_advice(proxy)}"
        return f"the name {host} is not known (DNS): {reason}"
    if isinstance(exc, aiohttp.ClientProxyConnectionError) and proxy is not None:
        return f"no connection to the proxy {proxy.address}: {_system_message(exc.os_error)} {_proxy_advice(proxy)}"
    if request.url.startswith("https:") and _is_hang_up(exc.os_error):
        advice = f" (if it speaks plain http: {USE_PLAIN_HTTP})" if request.purpose is Purpose.PING else ""
        return f"{host} closed the connection during the TLS handshake{advice}"
    return f"no connection to {host}: {_system_message(exc.os_error)}"


def _is_hang_up(exc: OSError) -> bool:
    """Whether the server closed a connection that was open: asyncio raises a ConnectionResetError with no errno."""
    return isinstance(exc, ConnectionResetError)


def _system_message(exc: OSError) -> str:
    """The system's message for a failure, and advice. asyncio's own message repeats the address instead.

    Where a name has several addresses and none of them can be reached, asyncio joins the failures into one OSError,
    whose `errno` is None: their numbers are in its text alone.
    """
    numbers = [exc.errno] if exc.errno and exc.errno > 0 else [int(number) for number in _ERRNO.findall(str(exc))]
    if not numbers:
        return "the other end closed it" if isinstance(exc, ConnectionError) else "no reason given"
    advice = [_ERRNO_ADVICE[number] for number in numbers if number in _ERRNO_ADVICE]
    message = ", ".join(dict.fromkeys(map(os.strerror, numbers)))
    return f"{message} ({advice[0]})" if advice else message
