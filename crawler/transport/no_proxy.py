"""NO_PROXY: which hosts are reached without a proxy, by the rules of Go's programs (golang.org/x/net/http/httpproxy).

Docker, podman and kubectl follow these rules, and clusters set the variable for them: `10.96.0.0/12,.svc`. Python's
urllib supports no networks, and requests supports no IPv6 networks.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from crawler.model.names import is_loopback

_SEPARATORS: Final = re.compile(r"[,\s]+")
_HOST_AND_PORT: Final = re.compile(r"(\[[^\[\]/]*\]|[^:/\[\]]+)(?::([0-9]*))?")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class NoProxy:
    """The hosts that a value of NO_PROXY lists. The machine's own loopback is never reached through a proxy.

    An entry is a network (`10.0.0.0/8`, `fd00::/8`), an IP address, a domain with all its subdomains (`example.com` or
    `.example.com`), the subdomains alone (`*.example.com`), or `*` for all hosts. An address or a domain may have a
    port. Commas or blanks separate entries; an entry of another form is ignored.
    """

    def __init__(self, value: str) -> None:
        entries = (_parse(text) for text in _SEPARATORS.split(value.lower()))
        self._entries = tuple(entry for entry in entries if entry is not None)

    def covers(self, host: str, port: int | None) -> bool:
        """Whether a host is reached without a proxy. An IPv6 address may have its brackets, or not."""
        name = host.strip("[]").rstrip(".").lower()
        address = _address(name)
        if is_loopback(name if address is None else str(address)):
            return True
        return any(entry.covers(name, address, port) for entry in self._entries)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A network, or a suffix of names; `port` is None for all ports."""

    port: int | None
    network: _Network | None = None
    suffix: str = ""

    def covers(self, name: str, address: _Address | None, port: int | None) -> bool:
        if self.port not in {None, port}:
            return False
        if self.network is not None:
            return address is not None and address in self.network
        return f".{name}".endswith(self.suffix)


@dataclass(frozen=True, slots=True)
class _SubdomainEntry(_Entry):
    """The subdomains of a domain, without the domain itself."""

    def covers(self, name: str, address: _Address | None, port: int | None) -> bool:
        return _Entry.covers(self, name, address, port) and f".{name}" != self.suffix


def _parse(text: str) -> _Entry | None:
    if text == "*":
        return _Entry(None)
    if (network := _network(text)) is not None:
        return _Entry(None, network)
    matched = _HOST_AND_PORT.fullmatch(text)
    if matched is None:
        return None
    port = int(matched[2]) if matched[2] else None
    if (network := _network(matched[1].strip("[]"))) is not None:
        return _Entry(port, network)
    domain = matched[1].removeprefix("*").strip(".")
    if not domain or "*" in domain or "[" in domain:
        return None
    entry_type = _SubdomainEntry if matched[1].startswith("*") else _Entry
    return entry_type(port, suffix=f".{domain}")


def _network(text: str) -> _Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _address(host: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
