"""The way to the registry: each refusal is scripted, doctor names what mends it, and with that it passes."""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from support.distribution import make_certificates, requires_docker_registry
from support.distribution.process import run_process
from support.doctor_runs import config, diagnose, examine
from support.forward_proxy import proxy_to
from support.scripted import on, plain_registry, refusal, serve, silent

from crawler.doctor.checkup import make_impatient_plan
from crawler.doctor.network import connection
from crawler.errors import TimedOut
from crawler.run.assemble import open_connections


@pytest.fixture
def certificates(tmp_path):
    return make_certificates(tmp_path / "server")


async def test_doctor_network_unknown_host(command):
    found = await diagnose(command, "registry.example.invalid")
    assert (found.code, found.amiss) == (1, {"name": "failure"})
    assert "the name registry.example.invalid is not known (DNS)" in found.found("name")
    assert found.advice("name").startswith("check the spelling of registry.example.invalid")
    assert {"connection", "credentials", "names", "listing"} <= found.skipped_for("name")
    async with serve(plain_registry()) as server:
        spelled = await diagnose(command, f"localhost:{server.port}")
    assert spelled.code == 0


async def test_doctor_network_refused_port(dead_port, tmp_path):
    found = await examine(config(dead_port, tmp_path))
    assert (found.code, found.amiss) == (1, {"connection": "failure"})
    assert "Connection refused" in found.found("connection")
    assert found.advice("connection") == f"check that a registry listens at {dead_port}"
    async with serve(plain_registry()) as server:
        assert (await examine(config(server.host, tmp_path))).code == 0


@contextmanager
def deaf() -> Iterator[str]:
    """The address of a server that takes no connection: its queue is full, so the kernel drops each further SYN."""
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield "{}:{}".format(*server.getsockname())


async def test_doctor_network_host_that_takes_no_connection(tmp_path):
    limits = {"connect_timeout": 0.3}
    with deaf() as address:
        found = await examine(config(address, tmp_path, limits=limits))
    async with serve(plain_registry()) as server:
        mended = await examine(config(server.host, tmp_path, limits=limits))
    assert (found.code, found.amiss) == (1, {"connection": "failure"})
    assert found.advice("connection").startswith("check the host, its port and the firewalls; if this network needs a")
    assert (mended.code, mended.amiss) == (0, {})


async def test_doctor_network_untrusted_authority(command, certificates, few_authorities):
    async with serve(plain_registry(), certificates=certificates) as server:
        untrusting = await diagnose(command, server.host, "--no-plain-http")
        trusting = await diagnose(command, server.host, "--ca-file", certificates.ca_file)
    assert (untrusting.code, untrusting.amiss) == (1, {"connection": "failure"})
    assert untrusting.advice("connection").startswith("give --ca-file FILE (registry.ca_file); `openssl s_client")
    assert (trusting.code, trusting.amiss) == (0, {})
    assert trusting.found("certificates") == f"the CAs of ca_file: {certificates.ca_file} are trusted"


async def test_doctor_network_authorities_that_cannot_be_read(tmp_path, certificates):
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate")
    async with serve(plain_registry(), certificates=certificates) as server:
        found = await examine(config(server.host, tmp_path, ca_file=empty))
        mended = await examine(config(server.host, tmp_path, ca_file=certificates.ca_file))
    assert (found.code, found.amiss) == (1, {"certificates": "failure"})
    assert f"{empty}: holds no certificates in PEM form" in found.found("certificates")
    assert mended.code == 0


@requires_docker_registry
async def test_doctor_network_client_certificate_required(tmp_path, certificates):
    client = make_certificates(tmp_path / "client", "registry-crawler")
    tls = {
        "certificate": str(certificates.certificate_file),
        "key": str(certificates.key_file),
        "clientcas": [str(client.ca_file)],
    }
    configuration = {
        "version": 0.1,
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "storage")}},
        "http": {"addr": "127.0.0.1:0", "secret": "any text", "tls": tls},
    }
    (tmp_path / "config.json").write_text(json.dumps(configuration))
    trusting = {"ca_file": certificates.ca_file, "verdict": {"expect": 0}}
    shown = {"client_certificate": client.certificate_file, "client_key": client.key_file}
    async with run_process(tmp_path / "config.json", tmp_path / "registry.log") as address:
        without = await examine(config(address, tmp_path, **trusting))
        with_one = await examine(config(address, tmp_path, **trusting, **shown))
    assert (without.code, without.amiss) == (1, {"connection": "failure"})
    assert without.advice("connection") == "set registry.client_certificate and registry.client_key to the PEM files"
    assert (with_one.code, with_one.amiss) == (0, {})
    assert str(client.certificate_file) in with_one.found("certificates")


@asynccontextmanager
async def speaking_no_tls():
    """A server that answers in plain HTTP whatever comes, as a registry does to a client that speaks TLS."""

    async def answer(reader, writer):
        await reader.read(65536)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_doctor_network_https_to_a_server_of_plain_http(tmp_path):
    async with speaking_no_tls() as address:
        found = await examine(config(address, tmp_path, plain_http=False))
    async with serve(plain_registry()) as server:
        mended = await examine(config(server.host, tmp_path, plain_http=True))
    assert (found.code, found.amiss) == (1, {"connection": "failure"})
    assert found.advice("connection") == "use --plain-http"
    assert mended.code == 0


async def test_doctor_network_plain_http_to_a_server_of_https(tmp_path, certificates):
    async with serve(plain_registry(), certificates=certificates) as server:
        found = await examine(config(server.host, tmp_path, plain_http=True))
        mended = await examine(config(server.host, tmp_path, plain_http=False, ca_file=certificates.ca_file))
    assert (found.code, found.amiss) == (1, {"connection": "failure"})
    assert "--no-plain-http" in found.found("connection")
    assert mended.code == 0


async def test_doctor_network_proxy_that_wants_a_password(tmp_path, monkeypatch):
    async with serve(plain_registry()) as server:
        name = f"registry.test:{server.port}"
        async with proxy_to({name: ("127.0.0.1", server.port)}, password="robot:s3cret-pass") as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            without = await examine(config(name, tmp_path, plain_http=True))
            monkeypatch.setenv("HTTP_PROXY", f"http://robot:s3cret-pass@{proxy.address}")
            with_one = await examine(config(name, tmp_path, plain_http=True))
    assert (without.code, without.amiss) == (1, {"connection": "failure"})
    assert without.advice("connection") == "set HTTP_PROXY=http://USER:PASSWORD@HOST:PORT"
    assert (with_one.code, with_one.amiss) == (0, {})
    assert with_one.found("proxy") == f"{proxy.address}, which HTTP_PROXY names"
    assert with_one.found("name").endswith(f"; the proxy resolves {name}")


async def test_doctor_network_proxy_that_refuses_the_host(tmp_path, monkeypatch):
    certificates = make_certificates(tmp_path / "named", "registry.test")
    async with serve(plain_registry()) as server:
        servers = {"registry.test:443": ("127.0.0.1", server.port)}
        async with proxy_to({}) as refusing, proxy_to(servers, certificates=certificates) as letting:
            monkeypatch.setenv("HTTPS_PROXY", refusing.url)
            refused = await examine(config("registry.test", tmp_path, ca_file=certificates.ca_file))
            monkeypatch.setenv("HTTPS_PROXY", letting.url)
            mended = await examine(config("registry.test", tmp_path, ca_file=certificates.ca_file))
    assert (refused.code, refused.amiss) == (1, {"connection": "failure"})
    assert refused.advice("connection") == (
        "set HTTPS_PROXY=http://HOST:PORT to a proxy that answers, or add registry.test to NO_PROXY"
    )
    assert (mended.code, mended.amiss) == (0, {})


@pytest.mark.parametrize(
    ("value", "step"), [("socks5://127.0.0.1:1080", "proxy"), ("http://proxy.invalid:3128", "name")]
)
async def test_doctor_network_proxy_that_cannot_be_used(value, step, tmp_path, monkeypatch):
    async with serve(plain_registry(), address="0.0.0.0") as server:
        monkeypatch.setenv("HTTP_PROXY", value)
        found = await examine(config(server.host, tmp_path, plain_http=True))
        monkeypatch.setenv("NO_PROXY", "0.0.0.0")
        mended = await examine(config(server.host, tmp_path, plain_http=True))
    assert (found.code, found.amiss) == (1, {step: "failure"})
    assert found.advice(step) == "set HTTP_PROXY=http://HOST:PORT to a proxy that answers, or add 0.0.0.0 to NO_PROXY"
    assert mended.code == 0


async def test_doctor_network_server_without_an_answer_fails_as_a_crawl_does(tmp_path):
    limits = {"read_timeout": 0.2}
    async with serve([on("/v2/", silent()), *plain_registry()]) as server:
        found = await examine(config(server.host, tmp_path, limits=limits))
    assert (found.code, found.amiss) == (1, {"connection": "failure"})
    assert "timed out waiting for" in found.found("connection")
    async with serve(plain_registry()) as server:
        assert (await examine(config(server.host, tmp_path, limits=limits))).code == 0


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (refusal(429, "TOOMANYREQUESTS", "slow down", ("Retry-After", "60")), TimeoutError),
        (silent(), TimedOut),
    ],
    ids=["throttled", "silent"],
)
async def test_doctor_network_throttling_is_no_failure_of_the_connection_and_silence_is(reply, error, tmp_path):
    """A crawl waits until its turn comes, longer than doctor does."""
    async with serve([on("/v2/", reply)]) as server:
        settings = config(server.host, tmp_path)
        async with open_connections(make_impatient_plan(settings, settings.registry[0])) as transport:
            with pytest.raises(error):
                await connection(settings.registry[0], transport, limit_s=3)


@pytest.mark.parametrize(
    ("names", "days", "advice"),
    [
        ((), (-3, -1), "renew the server's certificate: `openssl s_client -connect 127.0.0.1:{port} </dev/null | "),
        (("registry.test",), (-1, 1), "`openssl s_client -connect 127.0.0.1:{port} </dev/null | openssl x509 -noout"),
    ],
    ids=["expired", "another name"],
)
async def test_doctor_network_certificate_of_another_time_or_name(names, days, advice, tmp_path):
    wrong = make_certificates(tmp_path / "wrong", *names, days=days)
    async with serve(plain_registry(), certificates=wrong) as server:
        found = await examine(config(server.host, tmp_path, ca_file=wrong.ca_file))
        assert found.advice("connection").startswith(advice.format(port=server.port))
    assert (found.code, found.amiss) == (1, {"connection": "failure"})
    right = make_certificates(tmp_path / "right")
    async with serve(plain_registry(), certificates=right) as server:
        assert (await examine(config(server.host, tmp_path, ca_file=right.ca_file))).code == 0
