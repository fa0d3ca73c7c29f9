"""TLS with a real registry: private and unknown authorities, and the wrong scheme."""

import asyncio
import re

import pytest
from support.distribution import (
    TokenPolicy,
    make_certificates,
    requires_docker_registry,
)
from support.real_crawls import (
    PREFIX,
    check_snapshot,
    expect_nothing,
)
from support.snapshots import read_snapshot

import crawler

pytestmark = requires_docker_registry


@pytest.mark.parametrize("auth", [None, TokenPolicy()], ids=["open", "token"])
async def test_tls_with_a_private_authority(shelf, shell, tmp_path, auth):
    certificates = make_certificates(tmp_path / "tls")
    given = () if auth is None else ("--auth", "token", "--username", "reader", "--password-stdin")
    async with shelf.serving(auth=auth, certificates=certificates) as registry:
        target = f"{registry.host}/{PREFIX}"
        ended = await shell.crawl(target, "--ca-file", certificates.ca_file, *given, stdin="correct-horse\n")

    assert (ended.code, ended.stdout) == (0, "")
    check_snapshot(read_snapshot(shell.output), shelf.under(PREFIX), registry=registry, target=target)


async def test_tls_with_an_unknown_authority_ends_the_run(shelf, shell, tmp_path):
    certificates, stranger = make_certificates(tmp_path / "tls"), make_certificates(tmp_path / "stranger")
    async with shelf.serving(certificates=certificates) as registry:
        without, wrong = await asyncio.gather(
            shell.crawl(registry.host, "--no-plain-http"),
            shell.crawl(registry.host, "--ca-file", stranger.ca_file),
        )
        with pytest.raises(crawler.UnusableResponse, match="certificate"):
            await crawler.crawl(shell.config(registry, plain_http=False))

    for ended in (without, wrong):
        assert registry.host in ended.error_line
        assert "certificate" in ended.error_line
        assert "ca_file" in ended.error_line
    expect_nothing(shell)


async def test_tls_ca_file_without_certificates_ends_the_run(shelf, shell, tmp_path):
    certificates = make_certificates(tmp_path / "tls")
    async with shelf.serving(certificates=certificates) as registry:
        for file in (certificates.key_file, tmp_path / "nowhere.pem"):
            with pytest.raises(crawler.CredentialsError, match=re.escape(str(file))):
                await crawler.crawl(shell.config(registry, ca_file=file))

    expect_nothing(shell)


async def test_tls_wrong_scheme_ends_the_run(shelf, shell, tmp_path):
    async with shelf.serving() as registry:
        with pytest.raises(crawler.UnusableResponse, match="plain_http"):
            await crawler.crawl(shell.config(registry, plain_http=False))
    async with shelf.serving(certificates=make_certificates(tmp_path / "tls")) as registry:
        with pytest.raises(crawler.UnexpectedStatus, match="HTTP request to an HTTPS server"):
            await crawler.crawl(shell.config(registry))

    expect_nothing(shell)
