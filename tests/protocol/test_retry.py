"""How long a crawl bears with a registry that fails, refuses, throttles or falls silent, and when it lets go."""

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


def listed(folder) -> dict[str, object]:
    names = folder / "names.txt"
    names.write_text("\n".join(NAMES))
    return {"repositories_from": names}


async def test_credentials_refused_again_and_again_end_the_run_before_they_lock_anybody_out(tmp_path):
    refused = refusal(401, "UNAUTHORIZED", "incorrect username or password")
    async with serve([on("/token", refused), *token_registry()]) as server:
        with pytest.raises(crawler.GaveUp, match="refused 10 times in a row"):
            await crawler.crawl(config(server, tmp_path, auth=WITH_PASSWORD, **listed(tmp_path)))
    assert 10 <= len(server.asked("/token")) < 10 + 4


async def test_a_wrong_password_is_noticed_before_anything_is_listed(tmp_path):
    challenge = ("WWW-Authenticate", 'Basic realm="scripted"')
    async with serve([on("/v2/", refusal(401, "UNAUTHORIZED", "incorrect password", challenge))]) as server:
        with pytest.raises(crawler.CredentialsError, match="refuses the credentials: 401"):
            await crawler.crawl(config(server, tmp_path, auth=WITH_PASSWORD, **listed(tmp_path)))
    assert set(server.paths) == {"/v2/"}


async def test_nobody_is_refused_a_token_without_being_somebody(tmp_path):
    refused = refusal(401, "DENIED", "anonymous users see nothing here")
    async with serve([on("/token", refused), *token_registry()]) as server:
        manifest = await crawler.crawl(config(server, tmp_path, **listed(tmp_path)))
    assert manifest.counts.denied == len(NAMES)


@pytest.mark.timeout(120)
async def test_a_dying_registry_is_not_hammered(tmp_path):
    """Retries come out of a budget: at first each failure is tried again, in the end it is only asked once more."""
    script = [*(on(listing_path(name), Reply(status=500)) for name in NAMES), *plain_registry({})]
    script.insert(0, on(catalog_path(), document({"repositories": NAMES})))
    async with serve(script) as server:
        manifest = await crawler.crawl(config(server, tmp_path, limits={"concurrency": 64}))
    assert manifest.counts.failed == len(NAMES)
    asked = sum(len(server.asked(listing_path(name))) for name in NAMES)
    assert manifest.requests.retries <= 100 + 0.2 * manifest.requests.total + 1
    assert asked == 2 * len(NAMES) + manifest.requests.retries
    assert manifest.verdict == "partial"


async def test_a_registry_that_answers_nobody_ends_the_run_and_what_was_done_is_kept(tmp_path):
    """It goes with the tenth listing. One worker, and more attempts than fit into the time: so nothing else happens."""
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


def in_seconds() -> Reply:
    return refusal(429, "TOOMANYREQUESTS", "slow down", ("Retry-After", "1"))


def by_a_date() -> Reply:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=5), usegmt=True)  # in whole seconds, and seen later
    return refusal(429, "TOOMANYREQUESTS", "slow down", ("Retry-After", moment))


def in_words() -> Reply:
    return Reply(status=429, body=b"toomanyrequests: retry-after: 810.305464ms, allowed: 2000/minute")


def without_a_word() -> Reply:
    return refusal(429, "TOOMANYREQUESTS", "slow down")


def by_a_503_in_seconds() -> Reply:
    return Reply(status=503, headers=(("Retry-After", "1"),))


@pytest.mark.parametrize("throttled", [in_seconds, by_a_date, in_words, without_a_word, by_a_503_in_seconds])
async def test_a_throttling_registry_is_left_alone_as_a_whole(throttled, tmp_path):
    """All who want to ask wait, not only who was refused."""
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


async def test_listing_begins_while_the_catalogs_next_page_is_on_its_way(tmp_path):
    """The second page comes only to somebody who has listed a repository of the first."""
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


async def test_catalog_pages_have_the_patience_of_the_listings(tmp_path):
    """The catalog is away after its first page, for more exchanges than one of them is tried."""
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
