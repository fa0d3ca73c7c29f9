"""Which addresses and hosts no registry, realm or redirect may lead to: where clouds keep their machines' secrets.

Link-local addresses, and the metadata services that have an address elsewhere, in every form in which IPv6 carries an
IPv4 address. Private and loopback addresses are allowed: registries live there.
"""

import socket
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

IPAddress = IPv4Address | IPv6Address

_FORBIDDEN_V4: Final = (
    IPv4Network("169.254.0.0/16"),  # link-local: AWS, Google, Azure, DigitalOcean, OpenStack, Scaleway, ECS's tasks
    IPv4Network("168.63.129.16/32"),  # Azure's WireServer
    IPv4Network("192.0.0.192/32"),  # Oracle's metadata of old
    IPv4Network("100.100.100.200/32"),  # Alibaba's
)
_FORBIDDEN_V6: Final = (
    IPv6Network("fe80::/10"),  # link-local
    IPv6Network("fd00:ec2::/32"),  # AWS's services of an instance: metadata at ::254, EKS pod identity at ::23
    IPv6Network("fd20:ce::254/128"),  # Google's
    IPv6Network("fd00:42::42/128"),  # Scaleway's
    IPv6Network("fd00:c1::a9fe:a9fe/128"),  # Oracle's
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
"""Names of metadata services, for when a proxy resolves them and we see no address."""

_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052
_LOCAL_NAT64: Final = IPv6Network("64:ff9b:1::/48")  # RFC 8215: a network's own choice of RFC 6052's layouts in it
_TRANSLATED: Final = IPv6Network("::ffff:0:0:0/96")  # RFC 7915 §7, of RFC 2765
_COMPATIBLE: Final = IPv6Network("::/96")  # RFC 4291 §2.5.5.1
_ISATAP: Final = (0x00005EFE, 0x02005EFE)  # RFC 5214 §6.1: the upper half of an interface's identifier


class ForbiddenAddressError(OSError):
    """An address that no registry, realm or redirect may lead to."""


def check_address(address: IPAddress) -> None:
    """Raises ForbiddenAddressError for a link-local or metadata address."""
    if isinstance(address, IPv4Address):
        forbidden = _is_forbidden(address)
    else:
        forbidden = any(address in network for network in _FORBIDDEN_V6) or any(map(_is_forbidden, _embedded(address)))
    if forbidden:
        raise ForbiddenAddressError(f"{address} is a link-local or metadata address")


def check_host(host: str) -> None:
    """Raises ForbiddenAddressError for what can be known of a host that is resolved elsewhere.

    These are addresses as they stand, and the names of metadata services.
    """
    host = host.rstrip(".").lower()
    if host in _FORBIDDEN_NAMES:
        raise ForbiddenAddressError(f"{host} is a metadata service")
    address = _as_address(host)
    if address is not None:
        check_address(address)


def _as_address(host: str) -> IPAddress | None:
    """The address that a host is, if any; resolvers take 2852039166 and 0xa9fea9fe for 169.254.169.254."""
    with suppress(ValueError):
        return ip_address(host.partition("%")[0])
    with suppress(OSError, ValueError):  # ValueError: a NUL, or what is no ASCII
        return ip_address(socket.inet_aton(host))
    return None


def _is_forbidden(address: IPv4Address) -> bool:
    return any(address in network for network in _FORBIDDEN_V4)


def _embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    """Every IPv4 address to which a packet for this one may be carried, by any form of embedding that is in use."""
    value = int(address)
    last = IPv4Address(value & 0xFFFFFFFF)
    if address.ipv4_mapped is not None or any(address in net for net in (_NAT64, _TRANSLATED, _COMPATIBLE)):
        yield last
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo  # the relay's server, and the client
    if (value >> 32) & 0xFFFFFFFF in _ISATAP:
        yield last
    if address in _LOCAL_NAT64:
        yield from _layouts(value)


def _layouts(value: int) -> Iterator[IPv4Address]:
    """RFC 6052 §2.2: where an IPv4 address is, for prefixes of 48, 56, 64 and 96 bits; bits 64 to 71 are left out."""
    yield IPv4Address((value >> 64 & 0xFFFF) << 16 | value >> 40 & 0xFFFF)
    yield IPv4Address((value >> 64 & 0xFF) << 24 | value >> 32 & 0xFFFFFF)
    yield IPv4Address(value >> 24 & 0xFFFFFFFF)
    yield IPv4Address(value & 0xFFFFFFFF)
