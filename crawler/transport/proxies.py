"""Which proxy the environment has for an address: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, in either case."""

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
    """An HTTP proxy: its `host:port`, the variable that names it, and what it is to be told of who we are."""

    address: str
    variable: str
    headers: Mapping[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://{self.address}"


class Proxies:
    """The proxies of an environment. `named` is by scheme, as `urllib.request.getproxies_environment` has it."""

    def __init__(self, named: Mapping[str, str]) -> None:
        self._named = named
        self._no_proxy = NoProxy(named.get("no", ""))

    @classmethod
    def from_environment(cls) -> "Proxies | None":
        """None where no proxy is named, so that nothing need be looked up.

        Raises CredentialsError for what is no address at all.
        """
        named = getproxies_environment()
        ours = named.keys() & {"http", "https", _FOR_EVERY_SCHEME}
        for key in sorted(ours):
            _split(f"{key.upper()}_PROXY", named[key])
        return cls(named) if ours else None

    def proxy(self, scheme: str, host: str, port: int | None) -> Proxy | None:
        """The proxy for an address, or None where it is reached without one.

        Raises CredentialsError for a proxy that is none of HTTP, in words without its password.
        """
        if self._no_proxy.covers(host, port):
            return None
        for key in (scheme, _FOR_EVERY_SCHEME):
            if key in self._named:
                return _read(f"{key.upper()}_PROXY", self._named[key])
        return None


def _split(variable: str, value: str) -> SplitResult:
    try:
        return urlsplit(value if "://" in value else f"http://{value}")
    except ValueError:
        raise CredentialsError(f"{variable} is not the address of a proxy: {_FORM}") from None


def _read(variable: str, value: str) -> Proxy:
    address = _split(variable, value)
    try:
        host, port = address.hostname, address.port or 80
    except ValueError:
        host, port = None, 0
    if address.scheme != "http":
        raise CredentialsError(
            f"{variable} names a proxy of {printable(address.scheme, 20)}, and we speak to proxies of HTTP only: "
            f"{_FORM} (NO_PROXY names hosts that need none)"
        )
    if not host:
        raise CredentialsError(f"{variable} is not the address of a proxy: {_FORM}")
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return Proxy(printable(place), variable, _proxy_headers(address))


def _proxy_headers(address: SplitResult) -> dict[str, str]:
    if address.username is None:
        return {}
    user = f"{unquote(address.username)}:{unquote(address.password or '')}"
    return {"Proxy-Authorization": "Basic " + b64encode(user.encode()).decode("ascii")}
