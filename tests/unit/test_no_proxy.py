"""NO_PROXY: networks, addresses, domains and ports, as clusters and companies set them."""

import ipaddress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crawler.transport.no_proxy import NoProxy
from crawler.transport.proxies import Proxies

KUBEADM = "10.96.0.0/12,192.168.0.0/16,.svc,.cluster.local,127.0.0.1"
PORTS = st.integers(1, 65535)
LABELS = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
DOMAINS = st.lists(LABELS, min_size=2, max_size=4).map(".".join).filter(lambda name: not name.endswith("localhost"))
ADDRESSES = st.ip_addresses().filter(
    lambda it: not it.is_loopback and not (it.version == 6 and it.ipv4_mapped)  # each has a test of its own
)


@pytest.mark.parametrize(
    ("value", "host", "port"),
    [
        ("10.0.0.0/8", "10.1.2.3", 443),
        ("10.1.2.3/8", "10.200.0.1", 443),
        ("10.0.0.0/255.0.0.0", "10.1.2.3", 443),
        (KUBEADM, "10.97.3.4", 5000),
        (KUBEADM, "registry.kube-system.svc", 5000),
        (KUBEADM, "registry.kube-system.svc.cluster.local", 5000),
        ("fd00::/8", "fd12:3456::1", 443),
        ("fd00::/8", "[fd12:3456::1]", 443),
        ("10.0.0.0/8", "::ffff:10.1.2.3", 443),
        ("2001:db8::1", "2001:db8::1", 443),
        ("[2001:db8::1]:5000", "2001:db8::1", 5000),
        ("[2001:db8::1]", "2001:db8::1", 443),
        ("2001:DB8:0::1", "2001:db8::1", 443),
        ("192.0.2.7", "192.0.2.7", 443),
        ("192.0.2.7:5000", "192.0.2.7", 5000),
        ("example.com", "example.com", 443),
        ("example.com", "registry.example.com", 443),
        (".example.com", "registry.example.com", 443),
        (".example.com", "example.com", 443),
        ("*.example.com", "registry.example.com", 443),
        ("*.example.com", "a.b.example.com", 443),
        ("EXAMPLE.com", "Registry.Example.COM", 443),
        ("example.com.", "registry.example.com", 443),
        ("example.com", "registry.example.com.", 443),
        ("example.com:443", "registry.example.com", 443),
        ("*.example.com:5000", "registry.example.com", 5000),
        ("example.com:", "registry.example.com", 443),
        ("*", "registry.example.com", 443),
        ("elsewhere.example.net, *", "192.0.2.7", 443),
        (" 192.0.2.7 , elsewhere ", "192.0.2.7", 443),
        ("elsewhere 192.0.2.7\texample.com", "example.com", 443),
        (",,example.com,", "example.com", 443),
    ],
)
def test_no_proxy_covers(value, host, port):
    assert NoProxy(value).covers(host, port)


@pytest.mark.parametrize(
    ("value", "host", "port"),
    [
        ("", "registry.example.com", 443),
        ("10.0.0.0/8", "11.0.0.1", 443),
        ("10.0.0.0/8", "10.example.com", 443),
        ("10.0.0.0/8", "fd12::1", 443),
        ("fd00::/8", "10.1.2.3", 443),
        ("0.0.0.0/0", "registry.example.com", 443),
        ("example.com", "counterexample.com", 443),
        ("example.com", "example.com.evil.net", 443),
        ("*.example.com", "example.com", 443),
        ("*.example.com", "counterexample.com", 443),
        ("registry.example.com:5000", "registry.example.com", 443),
        ("192.0.2.7:5000", "192.0.2.7", 443),
        ("[2001:db8::1]:5000", "2001:db8::1", 443),
        ("*.com:80", "example.com", 443),
    ],
)
def test_no_proxy_does_not_cover(value, host, port):
    assert not NoProxy(value).covers(host, port)


@pytest.mark.parametrize(
    "entry",
    [
        *("10.0.0.0/33", "10.0.0/8/8", "fd00::/200", "http://192.0.2.7", "192.0.2.7/", "192.0.2.7:port"),
        *("[192.0.2.7", "192.0.2.7]", ":443", "*:443", "re*gistry.example.com", "**", ".", "::::", "\x00"),
    ],
)
@pytest.mark.parametrize("host", ["registry.example.com", "192.0.2.7"])
def test_no_proxy_entry_that_is_malformed_is_ignored(entry, host):
    assert not NoProxy(entry).covers(host, 443)
    assert NoProxy(f"{entry},{host}").covers(host, 443)


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST", "localhost.", "registry.localhost", "127.0.0.1", "127.8.9.10"),
        *("::1", "[::1]", "::ffff:127.0.0.1"),
    ],
)
def test_no_proxy_is_not_needed_for_this_machine(host):
    named = {"http": "http://proxy.example.com:3128", "https": "http://proxy.example.com:3128"}
    assert Proxies(named).proxy("https", host, 443) is None
    assert Proxies({**named, "no": "elsewhere.example.com"}).proxy("http", host, 5000) is None


@pytest.mark.parametrize("host", ["localhost.example.com", "mylocalhost", "128.0.0.1", "::2"])
def test_no_proxy_is_needed_for_hosts_that_only_look_like_this_machine(host):
    assert Proxies({"https": "http://proxy.example.com:3128"}).proxy("https", host, 443) is not None


@given(ADDRESSES, st.data(), PORTS)
def test_no_proxy_covers_every_network(address, data, port):
    other = data.draw(ADDRESSES)
    network = ipaddress.ip_network(f"{address}/{data.draw(st.integers(0, address.max_prefixlen))}", strict=False)
    assert NoProxy(str(network)).covers(str(address), port)
    assert NoProxy(str(network)).covers(str(other), port) is (other in network)


@given(DOMAINS, LABELS, PORTS)
def test_no_proxy_covers_every_domain(domain, label, port):
    for value in (domain, f".{domain}", f"*.{domain}", f"{domain}:{port}"):
        assert NoProxy(value).covers(f"{label}.{domain}", port)
        assert not NoProxy(value).covers(f"{label}{domain}", port)
        assert not NoProxy(value).covers(f"{domain}.{label}0", port)


@given(st.text(max_size=60), st.text(max_size=30), PORTS)
def test_no_proxy_never_fails(value, host, port):
    NoProxy(value).covers(host, port)


@given(st.text(max_size=30), DOMAINS, st.sampled_from([",", " ", ", ", "\t", ",,"]))
def test_no_proxy_entry_counts_beside_any_other(other, domain, separator):
    assume(not NoProxy(other).covers("registry.test", 443))
    no_proxy = NoProxy(separator.join((other, domain, other)))
    assert no_proxy.covers(domain, 443)
    assert not no_proxy.covers("registry.test", 443) or "registry.test".endswith(domain)
