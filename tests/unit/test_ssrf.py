"""Forbidden addresses: metadata services, in every form in which an IPv6 address embeds an IPv4 address."""

from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.transport.ssrf import ForbiddenAddressError, check_address, check_host

FORBIDDEN = {
    "AWS, Google, Azure": "169.254.169.254",
    "ECS tasks": "169.254.170.2",
    "Scaleway": "169.254.42.42",
    "the first link-local one": "169.254.0.0",
    "the last link-local one": "169.254.255.255",
    "Azure's WireServer": "168.63.129.16",
    "Oracle": "192.0.0.192",
    "Alibaba": "100.100.100.200",
    "AWS by IPv6": "fd00:ec2::254",
    "EKS pod identity": "fd00:ec2::23",
    "Google by IPv6": "fd20:ce::254",
    "Scaleway by IPv6": "fd00:42::42",
    "Oracle by IPv6": "fd00:c1::a9fe:a9fe",
    "link-local by IPv6": "fe80::a9fe:a9fe",
    "the last link-local one by IPv6": "febf:ffff::1",
    "IPv4-mapped": "::ffff:169.254.169.254",
    "IPv4-compatible": "::169.254.169.254",
    "IPv4-translated": "::ffff:0:169.254.169.254",
    "NAT64": "64:ff9b::a9fe:a9fe",
    "NAT64 of Azure's": "64:ff9b::168.63.129.16",
    "a network's own NAT64": "64:ff9b:1::a9fe:a9fe",
    "a network's own NAT64, 48 bits": "64:ff9b:1:a9fe:a9:fe00::",
    "6to4": "2002:a9fe:a9fe::1",
    "Teredo": "2001:0:4136:e378:8000:63bf:5601:5601",
    "Teredo's server": "2001:0:a9fe:a9fe:8000:63bf:3fff:fdd2",
    "ISATAP": "2001:db8::5efe:169.254.169.254",
}
ALLOWED = (
    "8.8.8.8", "10.0.0.1", "192.168.1.1", "127.0.0.1", "0.0.0.0", "100.100.100.201", "168.63.129.17", "192.0.0.193",
    "169.253.255.255", "169.255.0.0", "::1", "::", "fd00:ec3::254", "fd20:ce::253", "fec0::1", "2001:4860:4860::8888",
    "64:ff9b::8.8.8.8", "64:ff9b:1::8.8.8.8", "2002:808:808::1", "::ffff:10.0.0.1", "fd12:3456::a9fe:a9fe",
)  # fmt: skip


def embeddings(v4: IPv4Address) -> dict[str, IPv6Address]:
    """Every IPv6 address that embeds an IPv4 address."""
    n = int(v4)
    return {
        "mapped": IPv6Address(0xFFFF << 32 | n),
        "compatible": IPv6Address(n),
        "translated": IPv6Address(0xFFFF << 48 | n),
        "nat64": IPv6Address(0x0064FF9B << 96 | n),
        "local nat64 96": IPv6Address(0x0064FF9B0001 << 80 | n),
        "local nat64 64": IPv6Address(0x0064FF9B0001 << 80 | n << 24),
        "local nat64 56": IPv6Address(0x0064FF9B0001 << 80 | (n >> 24) << 64 | (n & 0xFFFFFF) << 32),
        "local nat64 48": IPv6Address(0x0064FF9B0001 << 80 | (n >> 16) << 64 | (n & 0xFFFF) << 40),
        "6to4": IPv6Address(0x2002 << 112 | n << 80 | 1),
        "teredo": IPv6Address(0x20010000 << 96 | 0x08080808 << 64 | n ^ 0xFFFFFFFF),
        "isatap": IPv6Address(0x20010DB8 << 96 | 0x5EFE << 32 | n),
    }


@pytest.mark.parametrize("address", FORBIDDEN.values(), ids=FORBIDDEN)
def test_ssrf_refuses_metadata_addresses(address):
    with pytest.raises(ForbiddenAddressError):
        check_address(ip_address(address))
    with pytest.raises(ForbiddenAddressError):
        check_host(address)


@pytest.mark.parametrize("address", ALLOWED)
def test_ssrf_allows_other_addresses(address):
    check_address(ip_address(address))
    check_host(address)


FORBIDDEN_NETWORKS = tuple(
    map(IPv4Network, ("169.254.0.0/16", "168.63.129.16/32", "192.0.0.192/32", "100.100.100.200/32"))
)


@st.composite
def forbidden(draw) -> IPv4Address:
    network = draw(st.sampled_from(FORBIDDEN_NETWORKS))
    return network[draw(st.integers(0, network.num_addresses - 1))]


public = st.ip_addresses(v=4).filter(lambda address: address.is_global)


@given(forbidden())
@settings(deadline=None)
def test_ssrf_refuses_a_forbidden_address_in_every_embedding(address):
    for embedded in embeddings(address).values():
        with pytest.raises(ForbiddenAddressError):
            check_address(embedded)


@given(public)
@settings(deadline=None)
def test_ssrf_allows_a_public_address_in_every_embedding(address):
    if any(address in network for network in FORBIDDEN_NETWORKS):
        return  # the address of Azure's WireServer is public
    for embedded in embeddings(address).values():
        check_address(embedded)


@pytest.mark.parametrize(
    "host",
    [
        "metadata.google.internal", "METADATA.google.internal.", "metadata", "metadata.goog", "instance-data",
        "metadata.tencentyun.com", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518",
        "169.254.169.254.", "fe80::1%eth0", "64:ff9b::a9fe:a9fe",
    ],
)  # fmt: skip
def test_ssrf_refuses_hosts_that_a_proxy_would_resolve_to_metadata(host):
    with pytest.raises(ForbiddenAddressError):
        check_host(host)


@given(st.text())
@settings(deadline=None)
def test_ssrf_accepts_any_text_as_a_host(host):
    with suppress(ForbiddenAddressError):
        check_host(host)
