"""Which proxy the environment names for a host: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, in either case."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies_environment

from crawler.errors import CredentialsError
from crawler.transport.no_proxy import NoProxy
from crawler.untrusted_text import printable

_FOR_EVERY_SCHEME: Final = "all"
_FORM: Final = "http://[USER:PASSWORD@]HOST:PORT"


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        address: its `host:port`.
        variable: the environment variable that names it, for messages.
        headers: the credentials for the proxy, as request headers; empty without a user.
    """

    address: str
    variable: str
    headers: Mapping[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://{self.address}"


class Proxies:
    """The proxies that an environment names.

    `by_scheme` holds their URLs by the scheme that they are for, "all" for every scheme, and NO_PROXY as "no", as
    `urllib.request.getproxies_environment` returns it.
    """

    def __init__(self, by_scheme: Mapping[str, str]) -> None:
        self._by_scheme = by_scheme
        self._no_proxy = NoProxy(by_scheme.get("no", ""))

    @classmethod
    def from_environment(cls) -> "Proxies | None":
        """None where no proxy is named, so that requests need no lookup.

        Raises CredentialsError for a value that is not a URL.
        """
        by_scheme = getproxies_environment()
        used = by_scheme.keys() & {"http", "https", _FOR_EVERY_SCHEME}
        for key in sorted(used):
            _split(f"{key.upper()}_PROXY", by_scheme[key])
        return cls(by_scheme) if used else None

    def proxy(self, scheme: str, host: str, port: int | None) -> Proxy | None:
        """The proxy for a host, or None where the host is reached without one.

        Raises CredentialsError for a proxy that is not an HTTP proxy; the message does not hold its password.
        """
        if self._no_proxy.covers(host, port):
            return None
        for key in (scheme, _FOR_EVERY_SCHEME):
            if key in self._by_scheme:
                return _parse(f"{key.upper()}_PROXY", self._by_scheme[key])
        return None


def _split(variable: str, value: str) -> SplitResult:
    try:
        return urlsplit(value if "://" in value else f"http://{value}")
    except ValueError:
        raise CredentialsError(f"{variable} is not the URL of a proxy: {_FORM}") from None


def _parse(variable: str, value: str) -> Proxy:
    url = _split(variable, value)
    try:
        host, port = url.hostname, url.port or 80
    except ValueError:
        host, port = None, 0
    if url.scheme != "http":
        raise CredentialsError(
            f"{variable} names a proxy with scheme {printable(url.scheme, 20)}, and only http is supported: "
            f"{_FORM} (NO_PROXY names hosts that need no proxy)"
        )
    if not host:
        raise CredentialsError(f"{variable} is not the URL of a proxy: {_FORM}")
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return Proxy(printable(address), variable, _proxy_headers(url))


def _proxy_headers(url: SplitResult) -> dict[str, str]:
    if url.username is None:
        return {}
    user = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return {"Proxy-Authorization": "Basic " + b64encode(user.encode()).decode("ascii")}
