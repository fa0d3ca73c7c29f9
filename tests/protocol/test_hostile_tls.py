"""TLS: credentials and pages never fall back to plain HTTP, and certificates are verified."""

import pytest
from support.distribution import Certificates, make_certificates
from support.hostile_servers import (
    CATALOG,
    LISTING,
    VICTIM,
    WHOLE,
    WITH_PASSWORD,
    assert_others_whole,
    catalog_of,
    crawl_fails,
    crawl_snapshot,
)
from support.scripted import (
    basic_registry,
    challenge,
    on,
    plain_registry,
    redirect,
    refusal,
    serve,
)

import crawler

pytestmark = pytest.mark.usefixtures("few_authorities")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("authority"))


async def test_link_with_plain_http_is_followed_over_tls(certificates, tmp_path):
    """A proxy that ends TLS makes a registry send such links."""
    script = [
        on(CATALOG, catalog_of("alpha", links=["<http://{host}/v2/_catalog?last=c>; rel=next"]), query={"last": None}),
        on(CATALOG, catalog_of(VICTIM, "zulu"), query={"last": "c"}),
        *plain_registry(),
    ]
    async with serve(script, certificates=certificates) as server:
        snapshot = await crawl_snapshot(server, tmp_path, ca_file=certificates.ca_file)
    assert snapshot.manifest["verdict"] == "complete"


async def test_redirect_from_tls_to_plain_http_is_refused(certificates, tmp_path):
    async with serve([on("/cdn", WHOLE)]) as other:
        script = [on(LISTING, redirect(f"{other.origin}/cdn")), *basic_registry()]
        async with serve(script, certificates=certificates) as server:
            snapshot = await crawl_snapshot(server, tmp_path, ca_file=certificates.ca_file, **WITH_PASSWORD)
    record = snapshot.by_name[VICTIM]
    assert (record["outcome"], record["error"]["code"]) == ("failed", "REDIRECT")
    assert other.requests == []
    assert_others_whole(snapshot)


async def test_tls_certificate_of_another_authority_ends_the_run(certificates, tmp_path):
    untrusted = make_certificates(tmp_path / "untrusted")
    async with serve(plain_registry(), certificates=untrusted) as server:
        error = await crawl_fails(server, tmp_path, ca_file=certificates.ca_file, **WITH_PASSWORD)
    assert "TLS" in str(error)
    assert server.requests == []


async def test_tls_is_never_replaced_by_plain_http(certificates, tmp_path):
    """A server that does not speak TLS gets no HTTP request."""
    async with serve(plain_registry()) as server:
        await crawl_fails(server, tmp_path, ca_file=certificates.ca_file, **WITH_PASSWORD)
    assert server.requests == []


async def test_realm_with_plain_http_is_refused_under_tls(certificates, tmp_path):
    script = [on("/v2/", refusal(401, "UNAUTHORIZED", "", challenge("http://{host}/token")))]
    async with serve(script, certificates=certificates) as server:
        error = await crawl_fails(server, tmp_path, ca_file=certificates.ca_file, **WITH_PASSWORD)
    assert isinstance(error, crawler.CredentialsError)
    assert "https" in str(error)
    assert server.paths == ["/v2/"]
