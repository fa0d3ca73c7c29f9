"""The three flows against the emulated Google registry: what they find, what they cost, and how they fail."""

from datetime import UTC, datetime, timedelta

import pytest
from support.inventories import comparable, expected
from support.scripted import challenge, on, refusal, serve
from support.snapshots import read_snapshot

import crawler
from crawler.auth import google as google_auth

FLOWS = ["token", "access-token", "json-key"]


@pytest.mark.parametrize("method", FLOWS)
async def test_google_flow_records_the_whole_inventory(google, method):
    registry = await google(repositories=150)
    manifest = await crawler.crawl(registry.config(auth={"method": method}))
    snapshot = read_snapshot(registry.output)
    assert comparable(snapshot.by_name) == expected(registry.emulator.inventory)
    assert manifest.verdict == "complete"
    assert manifest.reasons == ()
    assert snapshot.has_success


@pytest.mark.parametrize(("method", "tokens", "oauth"), [("token", 151, 1), ("access-token", 0, 1), ("json-key", 0, 0)])
async def test_google_flow_takes_the_expected_exchanges(google, method, tokens, oauth):
    registry = await google(repositories=150, catalog_page=40)
    manifest = await crawler.crawl(registry.config(auth={"method": method}))
    counts = registry.emulator.counts
    assert {kind: counts[kind] for kind in ("ping", "catalog", "token", "listing", "oauth")} == {
        "ping": 1,
        "catalog": 4,
        "token": tokens,  # one for each repository, one for the whole catalog
        "listing": 150,
        "oauth": oauth,
    }
    assert manifest.requests.total == 1 + 4 + tokens + 150
    assert manifest.requests.token == tokens
    assert manifest.discovery.pages == 4


async def test_google_flow_of_a_key_file_alone_is_the_token_flow(google):
    registry = await google(repositories=30)
    manifest = await crawler.crawl(registry.config())
    assert manifest.requests.token == 31


async def test_google_denied_repositories_make_the_snapshot_partial(google):
    registry = await google(repositories=100, denied=0.03)
    manifest = await crawler.crawl(registry.config())
    snapshot = read_snapshot(registry.output)
    assert comparable(snapshot.by_name) == expected(registry.emulator.inventory)
    denied = [record for record in snapshot.records if record["outcome"] == "denied"]
    assert [(r["error"]["code"], r["error"]["http_status"]) for r in denied] == [("DENIED", 403)] * 3
    assert "(or it may not exist)" in denied[0]["error"]["message"]
    assert (manifest.verdict, manifest.reasons) == ("partial", ("3 repositories denied",))
    assert not snapshot.has_success


async def test_google_vanished_repositories_are_counted_and_complete(google):
    registry = await google(repositories=100, vanished=0.05)
    manifest = await crawler.crawl(registry.config())
    assert (manifest.counts.missing, manifest.verdict) == (5, "complete")


async def test_google_storage_scope_lists_tags_but_no_catalog(google, tmp_path):
    registry = await google(repositories=40)
    storage = {"scope": "devstorage.read_only"}
    with pytest.raises(crawler.Denied, match=r"_catalog\?n=1000: 403 DENIED"):
        await crawler.crawl(registry.config(auth=storage))
    names = tmp_path / "names.txt"
    names.write_text("\n".join(registry.emulator.inventory.names))
    manifest = await crawler.crawl(registry.config(auth=storage, repositories_from=names))
    assert (manifest.verdict, manifest.counts.repositories) == ("complete", 40)


async def test_google_oauth_scope_that_is_unknown_is_a_plain_error(google):
    registry = await google(repositories=5)
    with pytest.raises(
        crawler.CredentialsError, match=r"Google does not know the OAuth scope https://\S+/auth/no-such-scope"
    ):
        await crawler.crawl(registry.config(auth={"scope": "no-such-scope"}))


async def test_google_key_that_is_forged_is_a_plain_error(google):
    ours, other = await google(repositories=5), await google(repositories=5)
    forged = other.key_file.read_text().replace(other.emulator.registry, ours.emulator.registry)
    ours.key_file.write_text(forged)
    with pytest.raises(
        crawler.CredentialsError, match=r"the key of \S+ was deleted, or .*: make a new key: "
    ) as refusal:
        await crawler.crawl(ours.config())
    assert "\n" not in str(refusal.value)
    assert "PRIVATE KEY" not in str(refusal.value)


@pytest.mark.parametrize("method", ["access-token", "json-key"])
async def test_google_credentials_that_are_refused_publish_nothing(google, method):
    ours, other = await google(repositories=5), await google(repositories=5)
    ours.key_file.write_bytes(other.key_file.read_bytes())
    with pytest.raises(crawler.CredentialsError, match="refuses the credentials: 401"):
        await crawler.crawl(ours.config(auth={"method": method}))
    assert not list(ours.output.glob("source=*"))


async def test_google_access_token_never_goes_to_an_untrusted_realm(google):
    registry = await google(repositories=5)
    elsewhere = challenge("https://auth.example.invalid/token")
    async with serve([on("/v2/", refusal(401, "UNAUTHORIZED", "credentials needed", elsewhere))]) as untrusted:
        config = registry.config(target=untrusted.host, realms=["auth.example.invalid"])
        with pytest.raises(crawler.CredentialsError, match=r"token server auth\.example\.invalid .* is not trusted"):
            await crawler.crawl(config)
    assert untrusted.paths == ["/v2/"]


async def test_google_access_token_that_expires_is_renewed(google):
    registry = await google(repositories=60, access_token_lifetime_s=1, latency_s=0.1)
    manifest = await crawler.crawl(registry.config(auth={"method": "access-token"}))
    assert (manifest.verdict, manifest.counts.repositories) == ("complete", 60)


@pytest.mark.parametrize("leap", [timedelta(days=-400), timedelta(days=400)])
def test_google_access_token_lifetime_survives_a_leap_of_the_clock(leap):
    assert 0 < google_auth._lifetime_s(datetime.now(UTC).replace(tzinfo=None) + leap) <= 3600


async def test_google_transient_failures_are_retried(google):
    registry = await google(repositories=80, unavailable=0.05, resets=0.03, truncated=0.03)
    manifest = await crawler.crawl(registry.config())
    assert comparable(read_snapshot(registry.output).by_name) == expected(registry.emulator.inventory)
    assert manifest.verdict == "complete"
    assert manifest.requests.retries > 0


async def test_google_open_records_yields_the_records_without_a_snapshot(google):
    registry = await google(repositories=50)
    async with crawler.open_records(registry.config()) as records:
        outcomes = {record.repository: record.outcome async for record in records}
    assert outcomes == {name: record["outcome"] for name, record in expected(registry.emulator.inventory).items()}
    assert not registry.output.exists()


async def test_google_open_records_left_early_ends_the_crawl(google):
    registry = await google(repositories=5000, latency_s=0.05)
    async with crawler.open_records(registry.config()) as records:
        first = await anext(records)
    assert first.outcome in set(crawler.Outcome)
    assert registry.emulator.counts["listing"] < 5000


async def test_google_open_records_raises_the_crawls_error(google):
    registry = await google(repositories=5)
    with pytest.raises(crawler.Denied):
        async with crawler.open_records(registry.config(auth={"scope": "devstorage.read_only"})) as records:
            [record async for record in records]
