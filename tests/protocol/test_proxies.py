"""Registries behind a proxy of the environment: names that only the proxy resolves, its password, its errors."""

import socket

import pytest
from support.distribution import make_certificates
from support.forward_proxy import proxy_to
from support.scripted import basic_registry, on, plain_registry, redirect, serve, token_registry
from support.snapshots import read_snapshot

import crawler

REGISTRY = "registry.example.com"
PASSWORD = "s3cret/w@rd"
URL_PASSWORD = "s3cret%2Fw%40rd"
LISTED = {"alpha": ["1.0", "1.1"], "team/victim": ["edge"], "zulu": ["latest"]}


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """No proxies but those of the test, and a home folder without logins."""
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)
    for variable in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG", "NETRC"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


@pytest.fixture
def certificates(tmp_path):
    return make_certificates(tmp_path / "certificates", REGISTRY, "gcr.io")


@pytest.fixture
def crawl(tmp_path):
    """Crawl a target, and return what was listed of it."""

    async def run(target, **registry):
        config = crawler.Config(
            registry=[{"target": target, **registry}],
            output={"path": tmp_path / "out"},
            limits={"attempts": 1, "concurrency": 4},
        )
        manifest = await crawler.crawl(config)
        assert manifest.verdict == "complete"
        return {record["repository"]: record["tags"] for record in read_snapshot(tmp_path / "out").records}

    return run


def address(server):
    return ("127.0.0.1", server.port)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_proxy_resolves_the_registrys_name_and_tls_is_verified_through_it(
    variable, environment, certificates, crawl
):
    async with (
        serve(plain_registry()) as server,
        proxy_to({f"{REGISTRY}:443": address(server)}, certificates=certificates) as proxy,
    ):
        environment.setenv(variable, proxy.url)
        assert await crawl(REGISTRY, ca_file=certificates.ca_file) == LISTED
    assert proxy.targets == {f"CONNECT {REGISTRY}:443"}
    assert len(proxy.requests) <= 4  # a tunnel is kept: there is not one per request


async def test_proxy_with_an_untrusted_certificate_behind_it_is_refused(environment, certificates, crawl, tmp_path):
    other = make_certificates(tmp_path / "other", REGISTRY)
    async with (
        serve(plain_registry()) as server,
        proxy_to({f"{REGISTRY}:443": address(server)}, certificates=other) as proxy,
    ):
        environment.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(crawler.UnusableResponse, match=r"TLS: .*ca_file"):
            await crawl(REGISTRY, ca_file=certificates.ca_file)
    assert server.requests == []


async def test_proxy_is_used_for_google(environment, google, certificates):
    registry = await google(repositories=40)
    host, _, port = registry.emulator.registry.partition(":")
    async with proxy_to({"gcr.io:443": (host, int(port))}, certificates=certificates) as proxy:
        environment.setenv("HTTPS_PROXY", proxy.url)
        config = registry.config(
            target="gcr.io", auth={"method": "access-token"}, ca_file=certificates.ca_file, discovery="catalog"
        )
        manifest = await crawler.crawl(config)
    assert (manifest.registry, manifest.counts.repositories) == ("gcr.io", 40)
    assert proxy.targets == {"CONNECT gcr.io:443"}


async def test_proxy_gets_the_whole_url_of_a_plain_http_request(environment, crawl):
    async with serve(basic_registry()) as server, proxy_to({f"{REGISTRY}:5000": address(server)}) as proxy:
        environment.setenv("HTTP_PROXY", proxy.address)  # the scheme may be left out
        user = {"username": "ann", "password": "opensesame"}
        assert await crawl(f"{REGISTRY}:5000", plain_http=True, auth=user) == LISTED
    assert f"GET http://{REGISTRY}:5000/v2/alpha/tags/list" in {target.partition("?")[0] for target in proxy.targets}


@pytest.mark.parametrize("named", [None, "elsewhere.example.com"])
async def test_proxy_is_never_used_for_this_machine(named, environment, crawl):
    async with serve(plain_registry()) as server, proxy_to({}) as proxy:
        environment.setenv("HTTP_PROXY", proxy.url)
        environment.setenv("HTTPS_PROXY", proxy.url)
        if named is not None:
            environment.setenv("NO_PROXY", named)
        assert await crawl(server.host) == LISTED
    assert proxy.requests == []


@pytest.mark.parametrize("named", ["*", "elsewhere.example.com, *.invalid", "registry.invalid:5000", ".invalid"])
async def test_no_proxy_covers_a_registry_by_its_name(named, environment, crawl):
    """No name server has the name, so that going there without the proxy fails in its own way."""
    async with proxy_to({}) as proxy:
        environment.setenv("HTTP_PROXY", proxy.url)
        environment.setenv("NO_PROXY", named)
        with pytest.raises(crawler.Unreachable, match=r"the name registry\.invalid:5000 is not known"):
            await crawl("registry.invalid:5000", plain_http=True)
    assert proxy.requests == []


async def test_proxy_password_is_sent_to_the_proxy_alone(environment, certificates, crawl):
    async with (
        serve(token_registry()) as server,
        proxy_to({f"{REGISTRY}:5000": address(server)}, password=f"ann:{PASSWORD}") as proxy,
    ):
        environment.setenv("HTTP_PROXY", f"http://ann:{URL_PASSWORD}@{proxy.address}")
        environment.setenv("NO_PROXY", "127.0.0.1")
        assert await crawl(f"{REGISTRY}:5000", plain_http=True, realms=["127.0.0.1"]) == LISTED
    assert all("proxy-authorization" in request.headers for request in proxy.requests)
    assert not [request for request in server.requests if "proxy-authorization" in request.headers]


async def test_proxy_password_is_not_sent_through_the_tunnel(environment, certificates, crawl):
    async with (
        serve(basic_registry()) as server,
        proxy_to({f"{REGISTRY}:443": address(server)}, certificates=certificates, password=f"ann:{PASSWORD}") as proxy,
    ):
        environment.setenv("HTTPS_PROXY", f"http://ann:{URL_PASSWORD}@{proxy.address}")
        user = {"username": "reader", "password": "opensesame"}
        assert await crawl(REGISTRY, ca_file=certificates.ca_file, auth=user) == LISTED
    assert not [request for request in server.requests if "proxy-authorization" in request.headers]
    assert not [request for request in proxy.requests if "authorization" in request.headers]


@pytest.mark.parametrize(
    "target", [{"target": REGISTRY}, {"target": REGISTRY, "plain_http": True}], ids=["tls", "plain"]
)
@pytest.mark.parametrize("user", ["", "ann:wr%2Fong@"], ids=["no-user", "wrong-user"])
async def test_proxy_that_requires_a_password_is_named_and_not_retried(target, user, environment, crawl):
    servers = {f"{REGISTRY}:443": ("127.0.0.1", 9), f"{REGISTRY}:80": ("127.0.0.1", 9)}
    async with proxy_to(servers, password=f"ann:{PASSWORD}") as proxy:
        environment.setenv("ALL_PROXY", f"http://{user}{proxy.address}")
        with pytest.raises(crawler.UnusableResponse) as refused:
            await crawl(**target)
    assert f"407 PROXY: the proxy {proxy.address} {'refuses the' if user else 'requires a'} user and password" in str(
        refused.value
    )
    assert "ALL_PROXY" in str(refused.value)
    assert "wr/ong" not in str(refused.value)
    assert len(proxy.requests) == 1


async def test_proxy_that_forbids_the_host_is_named_and_not_retried(environment, crawl):
    async with proxy_to({}) as proxy:
        environment.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(
            crawler.UnusableResponse, match=rf"403 PROXY: the proxy {proxy.address} makes no connection to"
        ):
            await crawl(REGISTRY)
    assert len(proxy.requests) == 1


async def test_proxy_that_cannot_reach_the_registry_is_unreachable(environment, crawl):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        async with proxy_to({f"{REGISTRY}:443": held.getsockname()}) as proxy:
            environment.setenv("HTTPS_PROXY", proxy.url)
            with pytest.raises(crawler.Unreachable, match=rf"502 PROXY: the proxy {proxy.address} makes no connection"):
                await crawl(REGISTRY)


async def test_proxy_that_is_down_is_named_without_its_password(environment, crawl):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        environment.setenv("HTTPS_PROXY", f"http://ann:{URL_PASSWORD}@{address}")
        with pytest.raises(crawler.Unreachable) as dead:
            await crawl(REGISTRY)
    line = str(dead.value)
    assert f"no connection to the proxy {address}: Connection refused (HTTPS_PROXY names the proxy" in line
    assert not [secret for secret in (PASSWORD, URL_PASSWORD, "ann") if secret in line]


async def test_proxy_with_an_unknown_name_is_named(environment, crawl):
    environment.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    with pytest.raises(crawler.Unreachable, match=r"the name of the proxy proxy\.invalid:3128 is not known"):
        await crawl(REGISTRY)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (f"socks5://ann:{URL_PASSWORD}@127.0.0.1:1080", "ALL_PROXY names a proxy with scheme socks5"),
        (f"https://ann:{URL_PASSWORD}@127.0.0.1:1080", "ALL_PROXY names a proxy with scheme https"),
        (f"http://ann:{URL_PASSWORD}@127.0.0.1:port", "ALL_PROXY is not the URL of a proxy"),
        ("http://", "ALL_PROXY is not the URL of a proxy"),
    ],
)
async def test_proxy_that_is_not_supported_is_named_by_its_variable(value, message, environment, crawl):
    environment.setenv("ALL_PROXY", value)
    with pytest.raises(crawler.CredentialsError, match=message) as refused:
        await crawl(REGISTRY)
    assert not [secret for secret in (PASSWORD, URL_PASSWORD) if secret in str(refused.value)]


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "[fe80::1]",
        "[::ffff:169.254.169.254]",
        "100.100.100.200",
        "metadata.google.internal",
        "Metadata.Google.Internal.",
    ],
)
async def test_ssrf_through_a_proxy_is_refused(host, environment, crawl):
    away = on("/v2/_catalog", redirect(f"http://{host}/computeMetadata/v1/"))
    async with serve([away, *plain_registry()]) as server, proxy_to({}) as proxy:
        environment.setenv("HTTP_PROXY", proxy.url)
        environment.setenv("NO_PROXY", "127.0.0.1")
        with pytest.raises(crawler.UnsafeAddress, match="FORBIDDEN_ADDRESS"):
            await crawl(server.host)
    assert proxy.requests == []


@pytest.mark.parametrize("entry", ["machine {host}", "default"])
async def test_netrc_is_never_read(entry, environment, crawl, tmp_path):
    (tmp_path / ".netrc").write_text(f"{entry.format(host=REGISTRY)} login ann password {PASSWORD}\n")
    (tmp_path / ".netrc").chmod(0o600)
    async with serve(plain_registry()) as server, proxy_to({f"{REGISTRY}:80": address(server)}) as proxy:
        environment.setenv("HTTP_PROXY", proxy.url)
        assert await crawl(REGISTRY, plain_http=True) == LISTED
    assert server.authorizations == set()
    assert not [request for request in proxy.requests if "proxy-authorization" in request.headers]
