"""How long a run continues with a registry that fails, refuses or throttles, and when it ends."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from support.scripted import (
    Reply,
    catalog_path,
    document,
    dropped,
    listing_path,
    on,
    plain_registry,
    refusal,
    serve,
    token_registry,
)
from support.snapshots import read_snapshot

import crawler

NAMES = [f"team/app-{number:03}" for number in range(200)]
WITH_PASSWORD = {"method": "basic", "username": "robot", "password": "wrong-horse"}


def config(server, folder, *, limits=None, **registry) -> crawler.Config:
    limits = {"attempts": 5, "concurrency": 4, **(limits or {})}
    return crawler.Config(
        registry=[{"target": server.host, **registry}], limits=limits, output={"path": folder / "out"}
    )


def name_list(folder) -> dict[str, object]:
    names = folder / "names.txt"
    names.write_text("\n".join(NAMES))
    return {"repositories_from": names}


async def test_lockout_guard_ends_the_run_after_ten_refused_token_requests(tmp_path):
    refused = refusal(401, "UNAUTHORIZED", "incorrect username or password")
    async with serve([on("/token", refused), *token_registry()]) as server:
        with pytest.raises(crawler.GaveUp, match="refused 10 times in a row"):
            await crawler.crawl(config(server, tmp_path, auth=WITH_PASSWORD, **name_list(tmp_path)))
    assert 10 <= len(server.asked("/token")) < 10 + 4


async def test_wrong_password_is_noticed_before_anything_is_listed(tmp_path):
    challenge = ("WWW-Authenticate", 'Basic realm="scripted"')
    async with serve([on("/v2/", refusal(401, "UNAUTHORIZED", "incorrect password", challenge))]) as server:
        with pytest.raises(crawler.CredentialsError, match="refuses the credentials: 401"):
            await crawler.crawl(config(server, tmp_path, auth=WITH_PASSWORD, **name_list(tmp_path)))
    assert set(server.paths) == {"/v2/"}


async def test_lockout_guard_does_not_count_refusals_of_anonymous_tokens(tmp_path):
    refused = refusal(401, "DENIED", "anonymous users see nothing here")
    async with serve([on("/token", refused), *token_registry()]) as server:
        manifest = await crawler.crawl(config(server, tmp_path, **name_list(tmp_path)))
    assert manifest.counts.denied == len(NAMES)


@pytest.mark.timeout(120)
async def test_retry_budget_protects_a_registry_that_fails_everywhere(tmp_path):
    """Retries take from a budget: at first each failure is retried, and in the end only the second pass is left."""
    script = [*(on(listing_path(name), Reply(status=500)) for name in NAMES), *plain_registry({})]
    script.insert(0, on(catalog_path(), document({"repositories": NAMES})))
    async with serve(script) as server:
        manifest = await crawler.crawl(config(server, tmp_path, limits={"concurrency": 64}))
    assert manifest.counts.failed == len(NAMES)
    asked = sum(len(server.asked(listing_path(name))) for name in NAMES)
    assert manifest.requests.retries <= 100 + 0.2 * manifest.requests.total + 1
    assert asked == 2 * len(NAMES) + manifest.requests.retries
    assert manifest.verdict == "partial"


async def test_outage_that_lasts_ends_the_run_and_keeps_the_records(tmp_path):
    """It goes down after the tenth listing. One worker, and more attempts than fit into the time: no second outage."""
    alive = NAMES[:10]
    script = [
        on(None, dropped(), state="gone"),
        on(catalog_path(), document({"repositories": NAMES})),
        on(listing_path(alive[-1]), document({"name": alive[-1], "tags": ["1"]}), then="gone"),
        *plain_registry({name: ["1"] for name in alive}),
    ]
    limits = {"give_up_after": 1, "attempts": 20, "concurrency": 1}
    async with serve(script) as server:
        with pytest.raises(crawler.GaveUp, match="answered"):
            await crawler.crawl(config(server, tmp_path, limits=limits))
    (journal,) = (tmp_path / "out").glob(".unfinished/*/part-00000.jsonl")
    assert journal.read_bytes().count(b"\n") == len(alive)


def with_seconds() -> Reply:
    return refusal(429, "TOOMANYREQUESTS", "slow down", ("Retry-After", "1"))


def with_a_date() -> Reply:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=5), usegmt=True)  # in whole seconds, and read later
    return refusal(429, "TOOMANYREQUESTS", "slow down", ("Retry-After", date))


def with_a_go_duration() -> Reply:
    return Reply(status=429, body=b"toomanyrequests: retry-after: 810.305464ms, allowed: 2000/minute")


def without_retry_after() -> Reply:
    return refusal(429, "TOOMANYREQUESTS", "slow down")


def with_a_503_and_seconds() -> Reply:
    return Reply(status=503, headers=(("Retry-After", "1"),))


@pytest.mark.parametrize(
    "throttled", [with_seconds, with_a_date, with_a_go_duration, without_retry_after, with_a_503_and_seconds]
)
async def test_throttling_holds_every_request(throttled, tmp_path):
    """Every request waits, and not only the refused one."""
    names = NAMES[:40]
    script = [
        on(catalog_path(), document({"repositories": names})),
        on(listing_path(names[3]), throttled(), times=1),
        *plain_registry({name: ["1"] for name in names}),
    ]
    async with serve(script) as server:
        manifest = await crawler.crawl(config(server, tmp_path))
    assert (manifest.verdict, manifest.requests.throttled, manifest.requests.retries) == ("complete", 1, 1)
    assert manifest.requests.wait_s > 0.5
    assert len(read_snapshot(tmp_path / "out").records) == len(names)


async def test_pipeline_lists_while_the_catalogs_next_page_is_fetched(tmp_path):
    """The second page comes only after a repository of the first page was listed."""
    link = ("Link", '</v2/_catalog?last=team/one>; rel="next"')
    script = [
        on(catalog_path(), document({"repositories": ["team/one"]}, link), query={"last": None}),
        on(catalog_path(), document({"repositories": ["team/two"]}), query={"last": "team/one"}, state="listed"),
        on(catalog_path(), Reply(status=503), query={"last": "team/one"}),
        on(listing_path("team/one"), document({"name": "team/one", "tags": ["1"]}), then="listed"),
        *plain_registry({"team/two": ["2"]}),
    ]
    async with serve(script) as server:
        manifest = await crawler.crawl(config(server, tmp_path))
    assert (manifest.verdict, manifest.counts.ok) == ("complete", 2)


async def test_outage_of_the_catalog_is_waited_for(tmp_path):
    """The catalog is down after its first page, for more requests than one of them has attempts."""
    link = ("Link", '</v2/_catalog?last=team/one>; rel="next"')
    script = [
        on(catalog_path(), Reply(status=503), state="down", times=8),
        on(catalog_path(), document({"repositories": ["team/one"]}, link), query={"last": None}, then="down"),
        *plain_registry({"team/two": ["2"]}),
        on(listing_path("team/one"), document({"name": "team/one", "tags": ["1"]})),
    ]
    async with serve(script) as server:
        manifest = await crawler.crawl(config(server, tmp_path, limits={"attempts": 3}))
    assert (manifest.verdict, manifest.counts.ok) == ("complete", 2)
    assert manifest.discovery.evidence == "the catalog listed 2 names on 2 pages: no next link"
