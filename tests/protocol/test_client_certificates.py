"""Client certificates: Debian's docker-registry over mutual TLS, and files that cannot be used."""

import asyncio
import json
import socket
import ssl

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from support.distribution import certificates as loopback
from support.distribution import make_certificates, requires_docker_registry
from support.distribution.process import run_process
from support.scripted import plain_registry, serve
from support.snapshots import read_snapshot

import crawler


@pytest.fixture
def server_certificates(tmp_path):
    return loopback.make_certificates(tmp_path / "server")


@pytest.fixture
def client(tmp_path):
    return make_certificates(tmp_path / "client", "registry-crawler")


@pytest.fixture
async def registry(tmp_path, server_certificates, client):
    """The address of an empty docker-registry that requires a certificate of the client's authority."""
    tls = {
        "certificate": str(server_certificates.certificate_file),
        "key": str(server_certificates.key_file),
        "clientcas": [str(client.ca_file)],
    }
    configuration = {
        "version": 0.1,
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "storage")}},
        "http": {"addr": "127.0.0.1:0", "secret": "any text", "tls": tls},
    }
    (tmp_path / "config.json").write_text(json.dumps(configuration))
    async with run_process(tmp_path / "config.json", tmp_path / "registry.log") as address:
        yield address


def config(target, tmp_path, **registry):
    return crawler.Config(
        registry=[{"target": target, "auth": {"method": "anonymous"}, **registry}],
        verdict={"expect": 0},
        output={"path": tmp_path / "out"},
    )


@requires_docker_registry
@pytest.mark.parametrize("files", ["two", "one"])
async def test_client_certificate_is_shown_to_a_registry_that_requires_one(
    files, registry, server_certificates, client, tmp_path
):
    shown = {"client_certificate": client.certificate_file, "client_key": client.key_file}
    if files == "one":
        both = tmp_path / "both.pem"
        both.write_bytes(client.key_file.read_bytes() + client.certificate_file.read_bytes())
        shown = {"client_certificate": both}
    manifest = await crawler.crawl(config(registry, tmp_path, ca_file=server_certificates.ca_file, **shown))
    assert manifest.verdict == "complete"


@pytest.fixture
def untrusted(tmp_path):
    """A certificate of an authority that the server does not trust."""
    other = make_certificates(tmp_path / "untrusted", "registry-crawler")
    return {"client_certificate": other.certificate_file, "client_key": other.key_file}


@requires_docker_registry
@pytest.mark.parametrize("certificate", ["none", "untrusted"])
async def test_client_certificate_that_is_refused_ends_the_run(
    certificate, registry, server_certificates, untrusted, tmp_path
):
    """Which error it is depends on timing: the registry resets the connection right after its alert."""
    shown = untrusted if certificate == "untrusted" else {}
    with pytest.raises(crawler.CrawlerError):
        await crawler.crawl(config(registry, tmp_path, ca_file=server_certificates.ca_file, **shown))
    assert not list((tmp_path / "out").glob("source=*"))


def refuse_and_drain(listener, context):
    """Answer one connection with OpenSSL's alert about its certificate, and read on until the client closes.

    A server that closes at once resets the connection, because the client's request is unread in it.
    """
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    handshake = context.wrap_bio(incoming, outgoing, server_side=True)
    connection, _ = listener.accept()
    with connection:
        while True:
            try:
                handshake.do_handshake()
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
                incoming.write(connection.recv(65536))
            except ssl.SSLError as refused:
                connection.sendall(outgoing.read())
                while connection.recv(65536):
                    pass
                return refused.reason
            else:
                raise AssertionError("the certificate was accepted")


@pytest.mark.parametrize("certificate", ["none", "untrusted"])
async def test_client_certificate_that_is_refused_after_the_handshake_is_named(
    certificate, server_certificates, client, untrusted, tmp_path
):
    """In TLS 1.3 the client has sent its request when the alert comes."""
    context = server_certificates.server_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(client.ca_file)
    context.verify_mode = ssl.CERT_REQUIRED

    shown = untrusted if certificate == "untrusted" else {}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        refusing = asyncio.create_task(asyncio.to_thread(refuse_and_drain, listener, context))
        target = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(crawler.UnusableResponse, match=r"TLS: .*client_certificate"):
            await crawler.crawl(config(target, tmp_path, ca_file=server_certificates.ca_file, **shown))
        assert "CERT" in await refusing


async def test_client_certificate_that_is_refused_within_the_handshake_of_tls_1_2_is_named(
    server_certificates, client, tmp_path
):
    context = server_certificates.server_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(client.ca_file)
    context.verify_mode = ssl.CERT_REQUIRED

    def refuse(listener):
        # a socket of ssl, because asyncio closes the connection without an alert
        connection, _ = listener.accept()
        with connection, pytest.raises(ssl.SSLError):
            context.wrap_socket(connection, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        refusing = asyncio.create_task(asyncio.to_thread(refuse, listener))
        target = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(crawler.UnusableResponse, match=r"TLS: .*client_certificate"):
            await crawler.crawl(config(target, tmp_path, ca_file=server_certificates.ca_file))
        await refusing


async def test_client_certificate_does_no_harm_where_none_is_required(server_certificates, client, tmp_path):
    shown = {"client_certificate": client.certificate_file, "client_key": client.key_file}
    async with serve(plain_registry(), certificates=server_certificates) as server:
        manifest = await crawler.crawl(config(server.host, tmp_path, ca_file=server_certificates.ca_file, **shown))
    assert manifest.counts.ok == len(read_snapshot(tmp_path / "out").records) == 3


async def refusal(tmp_path, **files):
    """The one line by which the files are refused, before any request is sent."""
    with pytest.raises(crawler.CredentialsError) as refused:
        await crawler.crawl(config("registry.invalid", tmp_path, **files))
    line = str(refused.value)
    assert "\n" not in line
    assert "PRIVATE" not in line
    return line


@pytest.mark.parametrize("name", ["client_certificate", "client_key"])
async def test_client_certificate_file_that_is_missing_is_named(name, client, tmp_path):
    gone = tmp_path / "gone.pem"
    files = {"client_certificate": client.certificate_file, "client_key": client.key_file, name: gone}
    assert await refusal(tmp_path, **files) == f"{gone}: cannot be read: No such file or directory"


@pytest.mark.parametrize(
    "content", ["", "no PEM at all", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
async def test_client_certificate_file_without_a_certificate_is_named(content, client, tmp_path):
    broken = tmp_path / "broken.pem"
    broken.write_text(content)
    line = await refusal(tmp_path, client_certificate=broken, client_key=client.key_file)
    assert line == f"{broken}: holds no certificate in PEM form"


async def test_client_certificate_file_without_a_key_is_named(client, tmp_path):
    line = await refusal(tmp_path, client_certificate=client.certificate_file)
    assert line == f"{client.certificate_file}: holds no private key in PEM form"
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    line = await refusal(tmp_path, client_certificate=client.certificate_file, client_key=broken)
    assert line == f"{broken}: holds no private key in PEM form"


async def test_client_certificate_with_another_certificates_key_is_refused(client, tmp_path):
    other = make_certificates(tmp_path / "other", "registry-crawler")
    line = await refusal(tmp_path, client_certificate=client.certificate_file, client_key=other.key_file)
    assert line == f"{other.key_file}: not the key of the certificate in {client.certificate_file}"


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
async def test_client_certificate_with_an_encrypted_key_is_refused_without_asking_for_a_passphrase(
    form, client, tmp_path
):
    key = load_pem_private_key(client.key_file.read_bytes(), None)
    encrypted = tmp_path / "encrypted.pem"
    encrypted.write_bytes(key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"s3cret")))
    line = await refusal(tmp_path, client_certificate=client.certificate_file, client_key=encrypted)
    assert line.startswith(f"{encrypted}: the key is encrypted")
