"""Error messages: what came in place of an answer, which time limit is over, and what to do about it."""

import asyncio
import os
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support.distribution import Certificates, make_certificates
from support.distribution.certificates import self_signed
from support.http_sessions import http_session
from support.plain_words import is_plain
from support.run_cli import ONE_TRY
from support.scripted import (
    Ending,
    Framing,
    Reply,
    basic_registry,
    catalog_path,
    document,
    listing_path,
    on,
    plain_registry,
    raw,
    redirect,
    refusal,
    serve,
    silent,
)
from support.snapshots import read_snapshot

import crawler
from crawler.transport.messages import Request

USE_PLAIN_HTTP = "use --plain-http (registry.plain_http)"
USE_HTTPS = "use --no-plain-http (registry.plain_http = false)"
WITH_PASSWORD = {"auth": {"method": "basic", "username": "robot", "password": "correct-horse-battery"}}
LOGIN_PAGE = Reply(
    headers=(("Content-Type", "text/html"),),
    body="<!doctype html><html><head><title>Sign in – Example SSO</title></head><body>Password</body></html>".encode(),
)
TLS_ALERT = b"\x15\x03\x01\x00\x02\x02\x46"

pytestmark = pytest.mark.usefixtures("few_authorities")


def config(target: str, folder: Path, *, limits: dict[str, Any] | None = None, **registry: Any) -> crawler.Config:
    limits = {"attempts": 1, "read_timeout": 2, "connect_timeout": 2, "concurrency": 4, **(limits or {})}
    return crawler.Config(registry=[{"target": target, **registry}], limits=limits, output={"path": folder})


async def error_of(target: str, folder: Path, **registry: Any) -> str:
    """The message of the error that ends a run."""
    with pytest.raises(crawler.CrawlerError) as caught:
        await crawler.crawl(config(target, folder, **registry))
    message = str(caught.value)
    assert is_plain(message)
    return message


@asynccontextmanager
async def deaf_server(answer: bytes) -> AsyncIterator[str]:
    """A server that sends these bytes on each connection, whatever the client sends, and closes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


# ------------------------------------------------------------------------------------------- a page in place of JSON


async def test_html_page_of_a_single_sign_on_is_named_with_its_title_and_url(tmp_path):
    async with serve([on("/login", LOGIN_PAGE)]) as sso:
        script = [on(catalog_path(), redirect(f"{sso.origin}/login?SAMLRequest=s3cret")), *plain_registry()]
        async with serve(script) as registry:
            message = await error_of(registry.host, tmp_path)
        asked = f"GET {registry.origin}{catalog_path()}?n=1000"
    assert message.startswith(
        f"{asked}: 200 MALFORMED: an HTML page came where JSON was due, titled 'Sign in – Example SSO', "
        f"after a redirect to {sso.origin}/login: "
    )
    assert "single sign-on" in message
    assert "s3cret" not in message


async def test_html_page_in_place_of_a_listing_is_in_the_record(tmp_path):
    script = [on(listing_path("team/victim"), LOGIN_PAGE), *plain_registry()]
    async with serve(script) as registry:
        await crawler.crawl(config(registry.host, tmp_path))
    error = read_snapshot(tmp_path).by_name["team/victim"]["error"]
    assert error["code"] == "MALFORMED"
    assert error["message"].startswith("an HTML page came where JSON was due, titled 'Sign in – Example SSO': ")
    assert is_plain(error["message"])


async def test_text_in_place_of_json_is_named_with_its_type(tmp_path):
    text = Reply(headers=(("Content-Type", "text/plain; charset=utf-8"),), body=b"welcome")
    async with serve([on(catalog_path(), text), *plain_registry()]) as registry:
        message = await error_of(registry.host, tmp_path)
    assert "MALFORMED: not JSON: " in message
    assert message.endswith(" (Content-Type: text/plain; charset=utf-8)")
    assert "welcome" not in message  # a token server's text may be a token


async def test_html_page_with_a_403_is_in_the_record(tmp_path):
    script = [on(listing_path("team/victim"), LOGIN_PAGE.but(status=403)), *plain_registry()]
    async with serve(script) as registry:
        await crawler.crawl(config(registry.host, tmp_path))
    record = read_snapshot(tmp_path).by_name["team/victim"]
    assert (record["outcome"], record["error"]["code"]) == ("denied", "HTTP_403")
    assert record["error"]["message"] == (
        "an HTML page came where JSON was due, titled 'Sign in – Example SSO': Password"
    )


async def test_error_body_is_quoted_with_its_detail_and_the_number_of_further_errors(tmp_path):
    refused = document({"errors": [{"code": "DENIED", "message": "no", "detail": "ask Bob"}, {}, {}]}, status=403)
    async with serve([on(listing_path("team/victim"), refused), *plain_registry()]) as registry:
        await crawler.crawl(config(registry.host, tmp_path))
    error = read_snapshot(tmp_path).by_name["team/victim"]["error"]
    assert error == {"code": "DENIED", "http_status": 403, "message": "no: ask Bob (+2 more)"}


# ------------------------------------------------------------------------------------------------- http against TLS


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request", id="http"),
        pytest.param(b"\0" * 50, id="zeros"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="ssh"),
    ],
)
async def test_tls_to_a_server_without_it_names_the_flag(answer, tmp_path):
    async with deaf_server(answer) as host:
        message = await error_of(host, tmp_path, plain_http=False)
    assert f"TLS: the server does not speak TLS on this port: {USE_PLAIN_HTTP} (" in message


async def test_tls_to_a_token_server_without_it_names_no_flag_of_the_registry(tmp_path):
    async with deaf_server(b"HTTP/1.0 400 Bad Request\r\n\r\n") as host:
        wanted = ("WWW-Authenticate", f'Bearer realm="https://{host}/token",service="s"')
        async with serve([on("/v2/", refusal(401, "UNAUTHORIZED", "no", wanted)), *plain_registry()[1:]]) as registry:
            message = await error_of(registry.host, tmp_path, auth={"method": "anonymous"})
    assert "the server does not speak TLS on this port (" in message
    assert "plain_http" not in message


async def test_tls_connection_that_is_closed_in_the_handshake_names_the_flag(tmp_path):
    async with deaf_server(b"") as host:
        message = await error_of(host, tmp_path, plain_http=False)
    assert f"{host} closed the connection during the TLS handshake" in message
    assert USE_PLAIN_HTTP in message


async def test_plain_http_to_a_tls_server_that_sends_an_alert_names_the_flag(tmp_path):
    async with serve([on("/v2/", raw(TLS_ALERT))]) as registry:
        message = await error_of(registry.host, tmp_path)
    assert message.endswith(f"NOT_HTTP: the server speaks TLS: {USE_HTTPS}")


async def test_plain_http_to_a_tls_server_that_hangs_up_names_the_flag(tmp_path):
    certificates = make_certificates(tmp_path / "tls")
    async with serve(plain_registry(), certificates=certificates) as registry:
        message = await error_of(registry.host, tmp_path)
    assert message.endswith(f"closed the connection without a response (if it speaks https: {USE_HTTPS})")


async def test_plain_http_to_a_tls_server_that_says_so_names_the_flag(tmp_path):
    answer = Reply(status=400, body=b"Client sent an HTTP request to an HTTPS server.\n")
    async with serve([on("/v2/", answer)]) as registry:
        message = await error_of(registry.host, tmp_path)
    assert f"Client sent an HTTP request to an HTTPS server: the server speaks https: {USE_HTTPS}" in message


async def test_plain_http_connection_that_is_closed_during_a_run_names_no_flag(tmp_path):
    async with serve([on(catalog_path(), raw(b"")), *plain_registry()]) as registry:
        message = await error_of(registry.host, tmp_path)
    assert message.endswith("closed the connection without a response")


async def test_redirect_to_https_of_the_same_host_names_the_flag(tmp_path):
    script = [on(catalog_path(), redirect("https://127.0.0.1:1/v2/_catalog?token=s3cret")), *basic_registry()]
    async with serve(script) as registry:
        message = await error_of(registry.host, tmp_path, **WITH_PASSWORD)
    assert "REDIRECT: a redirect that is not followed, to https://127.0.0.1:1/v2/_catalog: " in message
    assert "wants https" in message
    assert USE_HTTPS in message
    assert "s3cret" not in message


async def test_redirect_to_https_of_the_same_host_is_followed_without_credentials(tmp_path):
    async with serve(plain_registry(), certificates=make_certificates(tmp_path / "tls")) as other:
        script = [on(catalog_path(), redirect(f"{other.origin}/v2/_catalog")), *plain_registry()]
        async with serve(script) as registry:
            message = await error_of(registry.host, tmp_path)
    assert ": TLS: " in message  # the redirect was followed, and the CA there is not trusted


async def test_redirects_without_end_name_the_last_url(tmp_path):
    script = [on(catalog_path(), redirect(f"{catalog_path()}?token=s3cret")), *plain_registry()]
    async with serve(script) as registry:
        message = await error_of(registry.host, tmp_path)
    assert message.endswith(f"more than 5 redirects, the last to {registry.origin}{catalog_path()}")


async def test_redirect_to_another_scheme_says_so(tmp_path):
    async with serve([on(catalog_path(), redirect("ftp://x/y?z=1")), *plain_registry()]) as registry:
        message = await error_of(registry.host, tmp_path)
    assert message.endswith("a redirect that is not followed, to ftp://x/y: it leads neither to http nor to https")


async def test_redirect_from_https_to_plain_http_names_the_proxy_as_the_reason(tmp_path):
    certificates = make_certificates(tmp_path / "tls")
    script = [on(catalog_path(), redirect("http://{host}/elsewhere")), *plain_registry()]
    async with serve(script, certificates=certificates) as registry:
        message = await error_of(registry.host, tmp_path, ca_file=certificates.ca_file)
    assert "it leads from https to plain http (a registry behind a proxy that ends TLS must know" in message


# ---------------------------------------------------------------------------------------------------- certificates


def self_signed_certificates(folder: Path) -> Certificates:
    key = ec.generate_private_key(ec.SECP256R1())
    folder.mkdir()
    shown = Certificates(ca_file=folder / "ca.pem", certificate_file=folder / "own.pem", key_file=folder / "key.pem")
    shown.certificate_file.write_bytes(self_signed(key, "alone").public_bytes(Encoding.PEM))
    shown.key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return shown


@pytest.mark.parametrize(
    ("days", "names", "says"),
    [
        pytest.param((-9, -2), (), ["certificate has expired", "needs a new one", "UTC"], id="expired"),
        pytest.param((2, 9), (), ["certificate is not yet valid", "check the clock of this machine"], id="not yet"),
        pytest.param(
            (-1, 1), ("other.example",), ["certificate is not valid for", "by a name that its certificate"], id="name"
        ),
    ],
)
async def test_certificate_that_is_not_valid_comes_with_advice(days, names, says, tmp_path):
    certificates = make_certificates(tmp_path / "tls", *names, days=days)
    async with serve(plain_registry(), certificates=certificates) as registry:
        message = await error_of(registry.host, tmp_path, ca_file=certificates.ca_file)
    assert [words for words in says if words not in message] == []
    assert "--ca-file" not in message


async def test_certificate_of_an_unknown_authority_names_the_flag(tmp_path):
    certificates = make_certificates(tmp_path / "tls")
    async with serve(plain_registry(), certificates=certificates) as registry:
        message = await error_of(registry.host, tmp_path, plain_http=False)
    assert "unable to get local issuer certificate: give the certificate of the authority (CA)" in message
    assert "with --ca-file (registry.ca_file)" in message


async def test_certificate_that_is_self_signed_names_the_flag(tmp_path):
    certificates = self_signed_certificates(tmp_path / "tls")
    async with serve(plain_registry(), certificates=certificates) as registry:
        message = await error_of(registry.host, tmp_path, plain_http=False)
    assert "self-signed certificate: if you trust it, give the certificate itself with --ca-file" in message


# -------------------------------------------------------------------------------------------------------- time-outs


async def test_timeout_of_a_connection_names_its_limit(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:  # the handshake belongs to the connection
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        message = await error_of(host, tmp_path, plain_http=False, limits={"connect_timeout": 0.5})
    assert message.endswith(f"TIMEOUT: no connection to {host} within 0.5 s (limits.connect_timeout)")


async def test_timeout_of_a_silence_names_its_limit(tmp_path):
    async with serve([on("/v2/", silent())]) as registry:
        message = await error_of(registry.host, tmp_path, limits={"read_timeout": 0.5})
    host = registry.host
    assert message.endswith(f"TIMEOUT: timed out waiting for {host}: nothing came for 0.5 s (limits.read_timeout)")


async def test_timeout_of_a_whole_response_names_its_limit(tmp_path):
    trickle = Reply(body=b" ", framing=Framing.CHUNKED, ending=Ending.ENDLESS, delay_s=0.05)
    async with serve([on("/v2/", trickle)]) as registry:
        message = await error_of(registry.host, tmp_path, limits={"total_timeout": 1})
    host = registry.host
    assert message.endswith(f"TIMEOUT: timed out: the whole response of {host} took over 1 s (limits.total_timeout)")


# ------------------------------------------------------------------------------------------------------- the system


async def test_refused_connection_has_the_systems_message(tmp_path):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{held.getsockname()[1]}"
        message = await error_of(host, tmp_path)
    assert message == f"GET http://{host}/v2/: UNREACHABLE: no connection to {host}: Connection refused"


async def test_refused_connection_to_several_addresses_is_named_once(monkeypatch, tmp_path):
    """asyncio's own message is a list of Python tuples."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{last}", port)) for last in (1, 2)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
        message = await error_of(f"several.localhost:{port}", tmp_path)
    assert message.endswith(f"no connection to several.localhost:{port}: Connection refused")


async def test_unknown_name_has_the_resolvers_message(tmp_path):
    message = await error_of("registry.invalid", tmp_path)
    assert "UNREACHABLE: the name registry.invalid is not known (DNS): " in message


@contextmanager
def no_more_files():
    """`ulimit -n` is reached: no further file can be opened within the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
        try:
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in held:
            os.close(descriptor)


async def test_too_many_open_files_names_the_limit():
    async with deaf_server(b"") as host, http_session() as session:
        with no_more_files(), pytest.raises(crawler.Unreachable) as caught:
            await session.send(Request(url=f"http://{host}/v2/"))
    message = str(caught.value)
    assert is_plain(message)
    assert "Too many open files (raise `ulimit -n`, or lower --concurrency (limits.concurrency))" in message


# ------------------------------------------------------------------------------------------------------ the command


async def test_command_names_the_flag_for_plain_http_in_one_line(command):
    async with deaf_server(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request") as host:
        ended = await command("crawl", host, "--no-plain-http", environment=ONE_TRY)
    assert ended.code == 1
    assert ended.complaint == (
        f"{host}: GET https://{host}/v2/: TLS: the server does not speak TLS on this port: "
        f"{USE_PLAIN_HTTP} (wrong version number)"
    )


async def test_command_names_a_login_page_in_one_line(command):
    async with serve([on("/login", LOGIN_PAGE)]) as sso:
        script = [on(catalog_path(), redirect(f"{sso.origin}/login")), *plain_registry()]
        async with serve(script) as registry:
            ended = await command("crawl", registry.host, environment=ONE_TRY)
    assert ended.code == 1
    assert f"titled 'Sign in – Example SSO', after a redirect to {sso.origin}/login" in ended.complaint
    assert "--repositories-from" not in ended.complaint
