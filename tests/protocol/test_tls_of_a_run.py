"""TLS: the certificates of a run are loaded for its first connection with TLS, and mistakes are found before it."""

import asyncio
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import pytest
from support.distribution import Certificates, make_certificates
from support.scripted import listing_path, on, plain_registry, redirect, serve
from support.snapshots import read_snapshot

import crawler
from crawler.auth.google import AccessTokens
from crawler.transport.outage import OutageDetector
from crawler.transport.tls import Certificates as Configured
from crawler.transport.tls import prepare_tls

DAMAGED = "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"
"""What looks like a certificate until it is loaded."""

NO_PEM = "holds no certificates in PEM form"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("authority"))


def config_of(server, folder, **table) -> crawler.Config:
    return crawler.Config(
        registry=[{"target": server.host, **table}], limits={"attempts": 1}, output={"path": folder / "out"}
    )


@contextmanager
def no_more_files() -> Iterator[None]:
    """In this block, this process can open no file."""
    lowest_free = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest_free)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
async def test_tls_authorities_of_the_environment_serve_a_redirect_from_plain_http(
    variable, certificates, monkeypatch, tmp_path
):
    monkeypatch.setenv(variable, str(certificates.ca_file))
    async with serve(plain_registry({"alpha": ("1", "2")}), certificates=certificates) as storage:
        moved = on(listing_path("alpha"), redirect(f"{storage.origin}{listing_path('alpha')}"))
        async with serve([moved, *plain_registry({"alpha": ("1", "2")})]) as server:
            manifest = await crawler.crawl(config_of(server, tmp_path))
    assert (manifest.verdict, storage.paths) == ("complete", [listing_path("alpha")])
    assert read_snapshot(tmp_path / "out").by_name["alpha"]["tags"] == ["1", "2"]


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
@pytest.mark.parametrize(
    ("content", "message"), [(None, "cannot be read: No such file"), ("no PEM", NO_PEM)], ids=["missing", "text"]
)
async def test_tls_mistake_in_a_variable_ends_a_run_over_plain_http_before_it_asks(
    variable, content, message, monkeypatch, tmp_path
):
    file = tmp_path / "authorities"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv(variable, str(file))
    async with serve(plain_registry()) as server:
        with pytest.raises(crawler.CredentialsError, match=f"^{variable}: {file}: {message}"):
            await crawler.crawl(config_of(server, tmp_path))
    assert server.requests == []


def test_tls_damage_in_a_configured_file_is_found_before_the_first_connection(tmp_path):
    file = tmp_path / "authorities"
    file.write_text(DAMAGED)
    with pytest.raises(crawler.CredentialsError, match=f"^ca_file: {file}: {NO_PEM}"):
        prepare_tls(Configured(ca_file=file))


async def test_tls_damage_in_a_variable_is_no_matter_over_plain_http(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authorities"))
    (tmp_path / "authorities").write_text(DAMAGED)
    async with serve(plain_registry()) as server:
        manifest = await crawler.crawl(config_of(server, tmp_path))
    assert manifest.verdict == "complete"


async def test_tls_damage_in_a_variable_ends_a_run_with_tls_and_is_named(certificates, monkeypatch, tmp_path):
    file = tmp_path / "authorities"
    file.write_text(DAMAGED)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with serve(plain_registry(), certificates=certificates) as server:
        with pytest.raises(crawler.CredentialsError, match=f"^SSL_CERT_FILE: {file}: {NO_PEM}"):
            await crawler.crawl(config_of(server, tmp_path, plain_http=False))
    assert server.requests == []


def test_tls_without_a_file_to_open_is_no_mistake_of_the_configuration(certificates, monkeypatch):
    """The exchange that needs the certificates is sent again later, and then they are loaded."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca_file))
    tls = prepare_tls(Configured())
    with no_more_files(), pytest.raises(OSError, match="Too many open files"):
        tls.context()
    assert len(tls.context().get_ca_certs()) == 1


def test_tls_without_a_file_to_open_does_not_leave_a_run_without_the_authorities_of_the_system(monkeypatch):
    """OpenSSL says nothing where it cannot open the system's file. The run would trust nobody until its end."""
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)
    tls = prepare_tls(Configured())
    with no_more_files(), pytest.raises(OSError, match="Too many open files"):
        tls.context()
    assert tls.context() is tls.context()


async def test_tls_without_a_file_to_open_is_no_internal_error_of_a_google_token():
    for takes_files in ("google.auth.transport.requests", "crawler.auth.google_session", "google.auth.exceptions"):
        import_module(takes_files)
    tokens = AccessTokens("user", scope="scope", load_source=object, outage=OutageDetector(0), quota_project=None)
    with no_more_files(), pytest.raises(crawler.CrawlerError, match="Too many open files"):
        await tokens.get()


@pytest.mark.parametrize("is_configured", [True, False], ids=["ca_file", "variable"])
async def test_tls_offers_http_1_1_to_servers_that_prefer_http_2(is_configured, certificates, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca_file))
    tls = prepare_tls(Configured(ca_file=certificates.ca_file) if is_configured else Configured())
    prefers_http_2 = certificates.server_context()
    prefers_http_2.set_alpn_protocols(["h2", "http/1.1"])
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=prefers_http_2)
    async with server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), ssl=tls.context())
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        writer.close()
        await writer.wait_closed()
