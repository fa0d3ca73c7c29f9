"""The IP addresses and hosts to which no registry, realm or redirect may lead: the metadata services of clouds.

A metadata service gives credentials of the machine to every process on it. A registry that redirects the crawler there
would see a part of them in the crawler's errors, or have them sent on (server-side request forgery). Forbidden are
link-local addresses, and metadata services that have another address, in every form in which an IPv6 address embeds an
IPv4 address. Private and loopback addresses are allowed, because registries have them.
"""

import socket
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

IPAddress = IPv4Address | IPv6Address

_FORBIDDEN_V4: Final = (
    IPv4Network("169.254.0.0/16"),  # link-local: AWS, Google, Azure, DigitalOcean, OpenStack, Scaleway, ECS tasks
    IPv4Network("168.63.129.16/32"),  # Azure WireServer
    IPv4Network("192.0.0.192/32"),  # Oracle, formerly
    IPv4Network("100.100.100.200/32"),  # Alibaba
)
_FORBIDDEN_V6: Final = (
    IPv6Network("fe80::/10"),  # link-local
    IPv6Network("fd00:ec2::/32"),  # AWS: instance metadata at ::254, EKS pod identity at ::23
    IPv6Network("fd20:ce::254/128"),  # Google
    IPv6Network("fd00:42::42/128"),  # Scaleway
    IPv6Network("fd00:c1::a9fe:a9fe/128"),  # Oracle
)
_FORBIDDEN_NAMES: Final = frozenset(
    {
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "metadata.azure.internal",
        "metadata.tencentyun.com",
        "metadata.packet.net",
        "metadata.platformequinix.com",
        "instance-data",
        "instance-data.ec2.internal",
    }
)
"""Names of metadata services. A proxy resolves names itself, so that the address is not seen here."""

_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052
_LOCAL_NAT64: Final = IPv6Network("64:ff9b:1::/48")  # RFC 8215: each network chooses one of RFC 6052's layouts
_TRANSLATED: Final = IPv6Network("::ffff:0:0:0/96")  # RFC 7915 §7, of RFC 2765
_COMPATIBLE: Final = IPv6Network("::/96")  # RFC 4291 §2.5.5.1
_ISATAP: Final = (0x00005EFE, 0x02005EFE)  # RFC 5214 §6.1: the upper half of an interface identifier


class ForbiddenAddressError(OSError):
    """An IP address or host to which no registry, realm or redirect may lead."""


def check_address(address: IPAddress) -> None:
    """Raises ForbiddenAddressError for a link-local or metadata address."""
    if isinstance(address, IPv4Address):
        forbidden = _is_forbidden(address)
    else:
        forbidden = any(address in network for network in _FORBIDDEN_V6) or any(map(_is_forbidden, _embedded(address)))
    if forbidden:
        raise ForbiddenAddressError(f"{address} is a link-local or metadata address")


def check_host(host: str) -> None:
    """Raises ForbiddenAddressError for a host that a proxy resolves, as far as its text alone can be judged.

    The text may be an IP address, or the name of a metadata service.
    """
    host = host.rstrip(".").lower()
    if host in _FORBIDDEN_NAMES:
        raise ForbiddenAddressError(f"{host} is a metadata service")
    address = _as_address(host)
    if address is not None:
        check_address(address)


def _as_address(host: str) -> IPAddress | None:
    """The IP address that a host is, if any. inet_aton reads 2852039166 and 0xa9fea9fe as 169.254.169.254."""
    with suppress(ValueError):
        return ip_address(host.partition("%")[0])
    with suppress(OSError, ValueError):  # ValueError: a NUL, or not ASCII
        return ip_address(socket.inet_aton(host))
    return None


def _is_forbidden(address: IPv4Address) -> bool:
    return any(address in network for network in _FORBIDDEN_V4)


def _embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    """Every IPv4 address to which a packet for this address may be carried, by any embedding that is in use."""
    value = int(address)
    last = IPv4Address(value & 0xFFFFFFFF)
    if address.ipv4_mapped is not None or any(address in net for net in (_NAT64, _TRANSLATED, _COMPATIBLE)):
        yield last
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo  # the Teredo server, and the client
    if (value >> 32) & 0xFFFFFFFF in _ISATAP:
        yield last
    if address in _LOCAL_NAT64:
        yield from _layouts(value)


def _layouts(value: int) -> Iterator[IPv4Address]:
    """The IPv4 address at RFC 6052 §2.2's places, for prefixes of 48, 56, 64 and 96 bits; bits 64 to 71 are unused."""
    yield IPv4Address((value >> 64 & 0xFFFF) << 16 | value >> 40 & 0xFFFF)
    yield IPv4Address((value >> 64 & 0xFF) << 24 | value >> 32 & 0xFFFFFF)
    yield IPv4Address(value >> 24 & 0xFFFFFFFF)
    yield IPv4Address(value & 0xFFFFFFFF)
