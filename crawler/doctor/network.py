"""Does the registry answer: certificates, proxy, name, connection?"""

import socket
from typing import Final
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from crawler.config import RegistryConfig
from crawler.doctor.step import Finding, ok, skipped
from crawler.errors import TimedOut, Unreachable
from crawler.run.assemble import certificates_of
from crawler.transport.fetch import Transport
from crawler.transport.messages import MAX_ERROR_BYTES, Purpose, Request, Response
from crawler.transport.proxies import Proxies, Proxy
from crawler.transport.tls import run_ssl_context, trusted_authorities
from crawler.untrusted_text import printable, quoted_path

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


async def certificates(registry: RegistryConfig) -> Finding:
    """Load the certificates as a crawl does. Raises CredentialsError, which names the file that cannot be used."""
    if registry.scheme == "http":
        return skipped("plain http: no certificate is checked")
    await anyio.to_thread.run_sync(run_ssl_context, certificates_of(registry))
    shown = registry.client_certificate
    own = "" if shown is None else f"; the client certificate is {quoted_path(shown)}"
    return ok(f"{trusted_authorities(registry.ca_file)} are trusted{own}")


async def proxy(registry: RegistryConfig) -> tuple[Finding, Proxy | None]:
    """The proxy that the environment names for the registry. Raises CredentialsError for one that cannot be used."""
    proxies = Proxies.from_environment()
    host, port = _address(registry)
    named = None if proxies is None else proxies.proxy(registry.scheme, host, port)
    if named is None:
        reason = "no variable names one" if proxies is None else "none is named for this host"
        return ok(f"none: {reason}"), None
    return ok(f"{named.address}, which {named.variable} names"), named


async def name(registry: RegistryConfig, through: Proxy | None) -> Finding:
    """Resolve the name of the host to connect to: the proxy's, where there is one. Raises Unreachable."""
    host, port = _address(registry)
    if through is not None:
        split = urlsplit(through.url)
        host, port = split.hostname or "", split.port or _DEFAULT_PORTS["http"]
    try:
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        reason = (exc.strerror if isinstance(exc, OSError) else "") or "no such name"
        named = f"the name {printable(host)}" if through is None else f"the name of the proxy {through.address}"
        message = f"{named} is not known (DNS): {reason}"
        raise Unreachable(Request(url=registry.api_url).summary, code="UNREACHABLE", message=message) from None
    addresses = ", ".join(dict.fromkeys(str(address[0]) for *_, address in found))
    resolves = "" if through is None else f"; the proxy resolves {printable(registry.target.registry)}"
    return ok(f"{printable(host)} resolves to {addresses}{resolves}")


async def connection(registry: RegistryConfig, transport: Transport, limit_s: float) -> tuple[Finding, Response]:
    """Ask `/v2/` without credentials: any answer will do, within `limit_s` seconds.

    Raises RegistryError, GaveUp and CredentialsError, and TimeoutError where the registry throttles.
    """
    ping = Request(url=registry.api_url, max_body_bytes=MAX_ERROR_BYTES, purpose=Purpose.PING)
    try:
        with anyio.fail_after(limit_s):
            response = await transport.fetch(ping)
    except TimeoutError:
        if transport.limits.requests.throttled:
            raise  # it answers, and a crawl waits for its turn
        message = f"timed out waiting for {printable(registry.target.registry)}: no answer within {limit_s:g} s"
        raise TimedOut(ping.summary, code="TIMEOUT", message=message) from None
    return ok(f"{ping.url} answers {response.status}"), response


def _address(registry: RegistryConfig) -> tuple[str, int]:
    url = urlsplit(registry.api_url)
    return url.hostname or "", url.port or _DEFAULT_PORTS[url.scheme]
