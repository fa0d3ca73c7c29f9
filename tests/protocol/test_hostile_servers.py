"""Servers that are broken, or mean harm: none may hang a run, mislead it about completeness, or get at its secrets.

Every case is named by what the server does. Where it misbehaves about one repository, that one's record says so and
the others are whole; where the run cannot go on, its error is one printable line and nothing is published.
"""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.distribution import Certificates, make_certificates
from support.inventories import NOT_LISTED
from support.plain_words import is_plain
from support.scripted import (
    REPOSITORIES,
    Ending,
    Entry,
    Framing,
    Reply,
    ScriptedServer,
    basic_registry,
    catalog_path,
    challenge,
    document,
    dropped,
    gzipped,
    html,
    listing_path,
    on,
    plain_registry,
    raw,
    redirect,
    refusal,
    reset,
    serve,
    silent,
    to_token,
    token_registry,
)
from support.snapshots import Snapshot, folders, read_snapshot

import crawler

VICTIM = "team/victim"
LISTING = listing_path(VICTIM)
VICTIM_SCOPE = f"repository:{VICTIM}:pull"
CATALOG = catalog_path()
WHOLE = document({"name": VICTIM, "tags": list(REPOSITORIES[VICTIM])})

USER = "robot"
PASSWORD = "correct-horse-battery"
BASIC = "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()
WITH_PASSWORD = {"auth": {"method": "basic", "username": USER, "password": PASSWORD}}
SECRETS = (PASSWORD, BASIC.removeprefix("Basic "), "minted-")

ELSEWHERE = "0.0.0.0"
"""An address that reaches this machine, and by its name does not: a foreign host that a test can listen on."""

MIB = 1024**2
ONCE = {"attempts": 1}


def config(
    server: ScriptedServer, folder: Path, *, limits: dict[str, Any] | None = None, **registry: Any
) -> crawler.Config:
    limits = {"attempts": 2, "read_timeout": 0.5, "connect_timeout": 0.5, "concurrency": 8, **(limits or {})}
    table = {"target": server.host, **registry}
    return crawler.Config(registry=[table], limits=limits, output={"path": folder})


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("authority"))


pytestmark = pytest.mark.usefixtures("few_authorities")


async def crawl(server: ScriptedServer, folder: Path, **registry: Any) -> Snapshot:
    """Crawl, and read the snapshot with what holds for every one of them."""
    manifest = await crawler.crawl(config(server, folder, **registry))
    snapshot = read_snapshot(folder)
    complete = snapshot.manifest["verdict"] == "complete"
    assert snapshot.manifest["verdict"] == manifest.verdict
    assert complete == snapshot.has_success == (not snapshot.manifest["reasons"])
    assert len(snapshot.by_name) == snapshot.manifest["counts"]["repositories"]
    for record in snapshot.records:
        assert record["repository"].isprintable()
        assert record["error"] is None or is_one_line(record["error"]["message"])
    published = b"".join(path.read_bytes() for path in snapshot.folder.iterdir())
    assert not [secret for secret in SECRETS if secret.encode() in published]
    return snapshot


async def fails(server: ScriptedServer, folder: Path, **registry: Any) -> crawler.CrawlerError:
    """Crawl in vain: the error is one line for a person, without secrets, and nothing is published."""
    with pytest.raises(crawler.CrawlerError) as caught:
        await crawler.crawl(config(server, folder, **registry))
    said = str(caught.value)
    assert is_one_line(said)
    assert not [secret for secret in SECRETS if secret in said]
    assert not folders(folder)
    return caught.value


def is_one_line(text: str) -> bool:
    return is_plain(text) and 0 < len(text) < 4000


def assert_others_whole(snapshot: Snapshot, but: str = VICTIM) -> None:
    whole = {name: list(tags) for name, tags in REPOSITORIES.items() if name != but}
    assert {name: snapshot.by_name[name]["tags"] for name in whole} == whole
    assert {snapshot.outcomes[name] for name in whole} == {"ok"}


def catalog_of(*names: Any, links: Iterable[str] = ()) -> Reply:
    return document({"repositories": list(names)}, *(("Link", link) for link in links))


def tags_of(*tags: Any, links: Iterable[str] = ()) -> Reply:
    return document({"name": VICTIM, "tags": list(tags)}, *(("Link", link) for link in links))


def cases(names: str, table: dict[str, Any]) -> pytest.MarkDecorator:
    """Parametrize by a table, whose keys name the cases by what their servers do."""
    return pytest.mark.parametrize(names.replace(" ", ","), list(table.values()), ids=list(table))


# ------------------------------------------------------------------------------------------------ a listing's answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of the repository whose listing is answered so, and after how many requests each time it is asked.

    A failure is asked once more at the end of the run. A body that cannot be read is tried again like one that broke
    off, and so is what is no HTTP, from a server that has spoken HTTP before.
    """

    outcome: str = "failed"
    code: str = "MALFORMED"
    status: int | None = 200
    says: str = ""
    requests: int = 1

    @property
    def asked(self) -> set[int]:
        if self.code == "NOT_HTTP":
            return {2, 3, 4}
        tries = 2 if self.code == "MALFORMED" else self.requests
        return {tries * self.times}

    @property
    def times(self) -> int:
        return 2 if self.outcome == "failed" else 1


UNREACHED = Fate(code="UNREACHABLE", status=None, requests=2)
SILENCED = Fate(code="TIMEOUT", status=None, requests=2)

MISBEHAVED = {
    "answers-html-with-200": (html(), Fate(says="an HTML page came where JSON was due")),
    "answers-an-empty-body": (document(b""), Fate()),
    "answers-truncated-json": (document(b'{"name": "team/victim", "tags": ["1.0", "1.'), Fate()),
    "answers-invalid-utf8": (document(b'{"tags": ["\xff\xfe"]}'), Fate()),
    "answers-brackets-100k-deep": (document(b'{"tags": ' + b"[" * 100_000), Fate()),
    "answers-brackets-100k-deep-and-closed": (document(b'{"tags": %b%b}' % (b"[" * 100_000, b"]" * 100_000)), Fate()),
    "answers-a-json-list": (document(["1.0"]), Fate(says="a JSON list")),
    "answers-json-null": (document(b"null"), Fate(says="a JSON null")),
    "answers-tags-as-a-string": (document({"tags": "edge"}), Fate(says="'tags' is a JSON string")),
    "answers-tags-as-a-number": (document({"tags": 7}), Fate(says="'tags' is a JSON number")),
    "answers-tags-as-an-object": (document({"tags": {"edge": 1}}), Fate(says="'tags' is a JSON object")),
    "answers-tags-as-false": (document({"tags": False}), Fate(says="'tags' is a JSON boolean")),
    "answers-manifest-as-a-list": (document({"tags": [], "manifest": [1]}), Fate(says="'manifest'")),
    "answers-manifest-as-a-string": (document({"tags": [], "manifest": "sha256:0"}), Fate(says="'manifest'")),
    "answers-a-manifest-that-is-a-number": (document({"manifest": {"sha256:\x1b[2J": 1}}), Fate(says="\\x1b[2J")),
    "answers-a-manifest-whose-tags-are-a-number": (document({"manifest": {"sha256:0": {"tag": 1}}}), Fate()),
    "answers-children-as-a-string": (document({"tags": [], "child": "base"}), Fate(says="'child'")),
    "answers-404-with-an-empty-body": (Reply(status=404), Fate(code="HTTP_404", status=404, requests=2)),
    "answers-404-as-an-ingress": (
        Reply(status=404, headers=(("Content-Type", "text/plain"),), body=b"default backend - 404"),
        Fate(code="HTTP_404", status=404, says="default backend - 404", requests=2),
    ),
    "answers-404-with-a-code-of-its-own": (
        refusal(404, "NO_ROUTE", "no route matched"),
        Fate(code="NO_ROUTE", status=404, says="no route matched", requests=2),
    ),
    "answers-404-name-unknown": (
        refusal(404, "NAME_UNKNOWN", "repository name not known to registry"),
        Fate(outcome="missing", code="NAME_UNKNOWN", status=404, says="repository name not known"),
    ),
    "answers-403-with-html": (
        html(403, "Forbidden by the proxy"),
        Fate(outcome="denied", code="HTTP_403", status=403, says="Forbidden by the proxy"),
    ),
    "answers-401-without-a-challenge": (Reply(status=401), Fate(outcome="denied", code="HTTP_401", status=401)),
    "answers-204": (Reply(status=204, framing=Framing.CLOSE), Fate(code="HTTP_204", status=204)),
    "answers-206": (WHOLE.but(status=206), Fate(code="HTTP_206", status=206)),
    "answers-304": (Reply(status=304), Fate(code="HTTP_304", status=304)),
    "answers-418-with-errors-of-wrong-types": (
        document({"errors": [{"code": 5, "message": ["no"]}]}, status=418),
        Fate(code="HTTP_418", status=418),
    ),
    "answers-400-with-errors-as-a-number": (document({"errors": 4}, status=400), Fate(code="HTTP_400", status=400)),
    "answers-501": (Reply(status=501), Fate(code="HTTP_501", status=501)),
    "answers-505": (Reply(status=505), Fate(code="HTTP_505", status=505)),
    "answers-500-for-ever": (Reply(status=500), Fate(code="HTTP_500", status=500, requests=2)),
    "drops-every-connection": (dropped(), UNREACHED),
    "resets-every-connection": (reset(), UNREACHED),
    "never-answers": (silent(), SILENCED),
    "stops-amid-the-headers": (raw(b"HTTP/1.1 200 OK\r\nContent-Type: app", Ending.SILENT), SILENCED),
    "stops-amid-the-body": (WHOLE.but(withheld=9, ending=Ending.SILENT), SILENCED),
    "breaks-off-amid-the-headers": (raw(b"HTTP/1.1 200 OK\r\nContent-Type: app"), UNREACHED),
    "promises-more-bytes-than-it-sends": (WHOLE.but(withheld=9), UNREACHED),
    "never-sends-the-last-chunk": (
        WHOLE.but(framing=Framing.CHUNKED, withheld=1, ending=Ending.CLOSED),
        UNREACHED,
    ),
    "claims-gzip-and-sends-plain": (WHOLE.with_headers(("Content-Encoding", "gzip")), UNREACHED),
    "breaks-off-amid-gzip": (gzipped(WHOLE).but(body=gzipped(WHOLE).body[:-12]), Fate(says="not JSON")),
    "speaks-ssh": (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), Fate(code="NOT_HTTP", status=None)),
    "speaks-of-an-unheard-status": (Reply(status=999), Fate(code="HTTP_999", status=999)),
    "sends-two-content-lengths": (
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
        Fate(code="NOT_HTTP", status=None),
    ),
    "sends-a-negative-content-length": (
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"),
        Fate(code="NOT_HTTP", status=None),
    ),
    "sends-200-headers": (
        WHOLE.with_headers(*((f"X-Flood-{index}", "x") for index in range(200))),
        Fate(code="NOT_HTTP", status=None),
    ),
    "sends-a-header-of-100-kb": (
        WHOLE.with_headers(("X-Flood", "x" * 100_000)),
        Fate(code="NOT_HTTP", status=None),
    ),
    "sends-headers-without-end": (
        Reply(raw=b"HTTP/1.1 200 OK\r\nX: " + b"x" * 8192, ending=Ending.ENDLESS),
        Fate(code="NOT_HTTP", status=None),
    ),
    "sends-an-error-body-without-end": (
        Reply(status=400, body=b"x" * 8192, framing=Framing.CHUNKED, ending=Ending.ENDLESS),
        Fate(code="HTTP_400", status=400, says="xxx"),
    ),
    "sends-an-error-body-over-the-cap": (
        Reply(status=400, body=b"x" * (64 * 1024 + 1)),
        Fate(code="HTTP_400", status=400, says="xxx"),
    ),
    "sends-an-error-body-that-inflates-over-the-cap": (
        gzipped(Reply(status=400, body=b"x" * (8 * MIB))),
        Fate(code="HTTP_400", status=400, says="xxx"),
    ),
}


async def test_a_server_that_answers_429_for_ever(tmp_path):
    """Being throttled passes by waiting, so it is borne ten times as often as a failure, and not for ever."""
    reply = refusal(429, "TOOMANYREQUESTS", "slow down", ("Retry-After", "0"))
    async with serve([on(LISTING, reply), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path, limits={**ONCE, "give_up_after": 30})
    record = snapshot.by_name[VICTIM]
    assert record["error"] == {"code": "TOOMANYREQUESTS", "http_status": 429, "message": "slow down"}
    assert len(server.asked(LISTING)) >= 2 * 10
    assert snapshot.manifest["requests"]["throttled"] == len(server.asked(LISTING))
    assert_others_whole(snapshot)


async def test_a_server_whose_body_trickles(tmp_path):
    """A byte now and then keeps every silence short: the answer as a whole has its time."""
    trickle = Reply(body=b" ", framing=Framing.CHUNKED, ending=Ending.ENDLESS, delay_s=0.02)
    async with serve([on(LISTING, trickle), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path, limits={"total_timeout": 0.3})
    assert snapshot.by_name[VICTIM]["error"]["code"] == "TIMEOUT"
    assert len(server.asked(LISTING)) == 2 * 2
    assert_others_whole(snapshot)


@cases(
    "reply",
    {
        "a-header": Reply(raw=b"HTTP/1.1 200 OK\r\nX: x", piece=1, ending=Ending.ENDLESS, delay_s=0.02),
        "interim-answers": Reply(raw=b"HTTP/1.1 100 Continue\r\n\r\n", ending=Ending.ENDLESS, delay_s=0.02),
    },
)
async def test_a_server_that_trickles_without_end(reply, tmp_path):
    """Before the body there is as little to wait for, for as long."""
    async with serve([on(LISTING, reply), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path, limits={"total_timeout": 0.3})
    assert snapshot.outcomes[VICTIM] == "failed"
    assert_others_whole(snapshot)


@cases("reply fate", MISBEHAVED)
async def test_a_server_that_misbehaves_about_one_listing(reply, fate, tmp_path):
    async with serve([on(LISTING, reply), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path)
    record = snapshot.by_name[VICTIM]
    assert record["outcome"] == fate.outcome
    assert (record["error"]["code"], record["error"]["http_status"]) == (fate.code, fate.status)
    assert fate.says in record["error"]["message"]
    assert record["tags"] == []
    asked = len(server.asked(LISTING))
    assert asked in fate.asked
    assert_others_whole(snapshot)
    expected = "complete" if fate.outcome == "missing" else "partial"
    assert snapshot.manifest["verdict"] == expected
    assert snapshot.manifest["counts"][fate.outcome] == 1
    assert snapshot.manifest["requests"]["retries"] == asked - fate.times


RECOVERED = {
    "answers-408-once": Reply(status=408),
    "answers-429-with-retry-after-0-once": Reply(status=429, headers=(("Retry-After", "0"),)),
    "answers-429-with-retry-after-in-no-language-once": Reply(status=429, headers=(("Retry-After", "\u0662 s"),)),
    "answers-429-with-retry-after-in-the-past-once": Reply(
        status=429, headers=(("Retry-After", "Thu, 01 Jan 1970 00:00:00 GMT"),)
    ),
    "answers-500-once": refusal(500, "UNKNOWN", "oops"),
    "answers-502-with-html-once": html(502),
    "answers-503-with-a-page-over-the-cap-once": html(503, "x" * (64 * 1024)),
    "answers-599-once": Reply(status=599),
    "drops-the-connection-once": dropped(),
    "resets-the-connection-once": reset(),
    "falls-silent-once": silent(),
    "stops-amid-the-body-once": WHOLE.but(withheld=9, ending=Ending.SILENT),
    "breaks-off-amid-the-body-once": WHOLE.but(withheld=9),
    "breaks-off-amid-the-chunks-once": WHOLE.but(framing=Framing.CHUNKED, withheld=1, ending=Ending.CLOSED),
    "resets-amid-the-body-once": WHOLE.but(withheld=9, ending=Ending.RESET),
    "breaks-off-an-error-once": refusal(500, "UNKNOWN", "oops").but(withheld=9),
}


@cases("reply", RECOVERED)
async def test_a_server_that_recovers(reply, tmp_path):
    async with serve([on(LISTING, reply, times=1), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.manifest["verdict"] == "complete"
    assert_others_whole(snapshot, but="")
    assert len(server.asked(LISTING)) == 2
    assert snapshot.manifest["requests"]["retries"] == 1
    assert snapshot.manifest["requests"]["throttled"] == (reply.status == 429)


ODD = {
    "answers-in-http-1.0-and-closes": WHOLE.but(framing=Framing.CLOSE),
    "answers-byte-by-byte": WHOLE.but(piece=1),
    "answers-in-chunks-of-a-byte": WHOLE.but(framing=Framing.CHUNKED, piece=1),
    "answers-with-pauses": WHOLE.but(framing=Framing.CHUNKED, piece=16, delay_s=0.01),
    "answers-gzipped-in-pieces": gzipped(WHOLE).but(piece=5),
    "answers-as-html-in-name": WHOLE.with_headers(("Content-Type", "text/html; charset=no-such-charset")),
    "closes-after-every-answer": WHOLE.with_headers(("Connection", "close")),
    "closes-after-every-answer-without-a-word": WHOLE.but(ending=Ending.CLOSED),
    "answers-100-continue-five-times-first": raw(
        b"HTTP/1.1 100 Continue\r\n\r\n" * 5 + b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{"tags": ["edge"]}'
    ),
    "says-every-tag-twice": tags_of("edge", "edge"),
    "says-a-key-twice": document(b'{"tags": ["wrong"], "tags": ["edge"]}'),
}


@cases("reply", ODD)
async def test_a_server_that_is_merely_odd(reply, tmp_path):
    async with serve([on(LISTING, reply), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.manifest["verdict"] == "complete"
    assert_others_whole(snapshot, but="")
    assert len(server.asked(LISTING)) == 1


@cases("reply", {"answers-tags-as-null": document({"tags": None}), "leaves-tags-out": document({"name": VICTIM})})
async def test_a_server_whose_repository_is_empty(reply, tmp_path):
    async with serve([on(LISTING, reply), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.manifest["verdict"] == "complete"
    assert (snapshot.by_name[VICTIM]["outcome"], snapshot.by_name[VICTIM]["tags"]) == ("ok", [])
    assert snapshot.by_name[VICTIM]["images"] is None


async def test_a_server_that_answers_a_listing_with_200_and_an_error(tmp_path):
    """Its repository is not one without tags."""
    error = refusal(200, "UNAUTHORIZED", "authentication required")
    async with serve([on(LISTING, error), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.outcomes[VICTIM] != "ok"
    assert snapshot.manifest["verdict"] == "partial"
    assert_others_whole(snapshot)


async def test_a_server_that_puts_numbers_among_the_tags(tmp_path):
    async with serve([on(LISTING, tags_of("edge", None, 3, {"a": 1})), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path)
    record = snapshot.by_name[VICTIM]
    assert (record["outcome"], record["tags"]) == ("ok", ["edge"])
    assert "2 entries" in record["suspect"]
    assert snapshot.manifest["verdict"] == "partial"
    assert_others_whole(snapshot)


NO_NUMBERS = {
    "ten-to-the-30th": b"1000000000000000000000000000000",
    "ten-to-the-30th-as-a-string": b'"1000000000000000000000000000000"',
    "five-thousand-digits-as-a-string": b'"%b"' % (b"9" * 5000),
    "negative": b"-5",
    "negative-as-a-string": b'"-5"',
    "zero": b'"0"',
    "true": b"true",
    "a-list": b"[1]",
    "an-object": b'{"seconds": 1}',
    "words": b'"yesterday"',
    "other-digits": '"\u0661\u0662"'.encode(),
    "underscores": b'"1_000"',
    "infinity-as-a-string": b'"Infinity"',
}


@cases("number", NO_NUMBERS)
async def test_a_server_whose_sizes_and_times_are(number, tmp_path):
    """Nonsense is unknown, and no reason to lose the rest of the listing."""
    image = b'{"imageSizeBytes": %b, "timeCreatedMs": %b, "timeUploadedMs": %b, "tag": ["edge"], "mediaType": 5}'
    listing = b'{"tags": ["edge"], "child": [], "manifest": {"sha256:0": %b}}' % (image % (number, number, number))
    async with serve([on(LISTING, document(listing)), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path)
    record = snapshot.by_name[VICTIM]
    assert record["outcome"] == "ok"
    assert record["images"] == [
        {
            "digest": "sha256:0",
            "tags": ["edge"],
            **dict.fromkeys(NOT_LISTED),
            "media_type": None,
            "size_bytes": None,
            "created_at": None,
            "uploaded_at": None,
        }
    ]
    assert_others_whole(snapshot)


async def test_a_server_whose_size_is_ten_to_the_400th(tmp_path):
    """No double holds it: the listing may be lost, or the size; the run and the others are not."""
    listing = b'{"tags": ["edge"], "manifest": {"sha256:0": {"imageSizeBytes": 1e400, "tag": ["edge"]}}}'
    async with serve([on(LISTING, document(listing)), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path)
    record = snapshot.by_name[VICTIM]
    if record["outcome"] == "ok":
        assert record["images"][0]["size_bytes"] is None
    else:
        assert (record["outcome"], record["error"]["code"]) == ("failed", "MALFORMED")
    assert_others_whole(snapshot)


async def test_a_server_that_sets_cookies(tmp_path):
    """None comes back: a session begun by one repository's answer says nothing about another's."""
    cookie = ("Set-Cookie", "session=stolen; Path=/")
    script = [on("/v2/", document({}, cookie)), *plain_registry()]
    async with serve(script) as server:
        await crawl(server, tmp_path)
    assert not [asked for asked in server.requests if "cookie" in asked.headers]


# -------------------------------------------------------------------------------------------------------- the catalog


@cases(
    "reply names",
    {
        "null": (document({"repositories": None}), []),
        "an-empty-list": (catalog_of(), []),
        "nothing-but-a-name-twice": (catalog_of("alpha", "alpha"), ["alpha"]),
    },
)
async def test_a_server_whose_catalog_is(reply, names, tmp_path):
    async with serve([on(CATALOG, reply), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.manifest["verdict"] == ("complete" if names else "partial")
    assert list(snapshot.by_name) == names


@cases(
    "reply",
    {
        "html": html(),
        "empty": document(b""),
        "truncated": document(b'{"repositories": ["alpha"'),
        "deep": document(b'{"repositories": ' + b"[" * 100_000),
        "a-list": document(["alpha"]),
        "repositories-as-a-string": document({"repositories": "alpha"}),
        "repositories-as-a-number": document({"repositories": 3}),
        "repositories-as-an-object": document({"repositories": {"alpha": {}}}),
    },
)
async def test_a_server_whose_catalog_cannot_be_read(reply, tmp_path):
    async with serve([on(CATALOG, reply), *plain_registry()]) as server:
        error = await fails(server, tmp_path)
    assert isinstance(error, crawler.UnusableResponse)
    assert error.code == "MALFORMED"
    assert server.paths == ["/v2/", CATALOG, CATALOG]


async def test_a_server_that_answers_the_catalog_with_200_and_an_error(tmp_path):
    """That is not a registry without repositories."""
    error = refusal(200, "UNAUTHORIZED", "authentication required")
    async with serve([on(CATALOG, error), *plain_registry()]) as server:
        await fails(server, tmp_path)


async def test_a_server_whose_catalog_has_no_repositories_at_all(tmp_path):
    """A page for another purpose is not an empty registry."""
    async with serve([on(CATALOG, document({"status": "maintenance"})), *plain_registry()]) as server:
        error = await fails(server, tmp_path)
    assert "a catalog without 'repositories'" in str(error)
    assert server.paths == ["/v2/", CATALOG, CATALOG]


async def test_a_server_that_puts_null_and_numbers_into_the_catalog(tmp_path):
    """They are skipped, and told: nobody knows which names they should have been."""
    async with serve([on(CATALOG, catalog_of("alpha", None, 7, VICTIM, ["x"], "zulu")), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path)
    assert_others_whole(snapshot, but="")
    assert len(snapshot.records) == 3
    assert "3 entries" in snapshot.manifest["discovery"]["evidence"]


async def test_a_server_whose_page_holds_nothing_but_nulls_and_leads_on(tmp_path):
    """Such a page is not the empty one that ends a list."""
    script = [
        on(CATALOG, catalog_of(None, None, links=['</v2/_catalog?last=alpha>; rel="next"']), query={"last": None}),
        on(CATALOG, catalog_of("alpha"), query={"last": "alpha"}),
        *plain_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path)
    assert "alpha" in snapshot.by_name or snapshot.manifest["verdict"] == "partial"


async def test_a_server_that_repeats_names_across_pages(tmp_path):
    script = [
        on(CATALOG, catalog_of("alpha", "alpha", VICTIM, links=["<?last=x>; rel=next"]), query={"last": None}),
        on(CATALOG, catalog_of(VICTIM, "zulu", "alpha", "zulu"), query={"last": "x"}),
        *plain_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.manifest["verdict"] == "complete"
    assert sorted(snapshot.by_name) == sorted(REPOSITORIES)
    assert {len(server.asked(listing_path(name))) for name in REPOSITORIES} == {1}


BROKEN_OFF = {
    "answers-500-for-ever": (Reply(status=500), "HTTP_500"),
    "answers-html": (html(), "MALFORMED"),
    "answers-401": (refusal(401, "UNAUTHORIZED", "who are you"), "UNAUTHORIZED"),
    "drops-the-connection": (dropped(), "UNREACHABLE"),
    "falls-silent": (silent(), "TIMEOUT"),
    "redirects-to-a-file": (redirect("file:///etc/passwd"), "REDIRECT"),
}


@cases("reply code", BROKEN_OFF)
async def test_a_server_that_behind_the_first_page(reply, code, tmp_path):
    """What is known is published, and that it is not all."""
    script = [
        on(CATALOG, catalog_of("alpha", "zulu", links=["<?last=zulu>; rel=next"]), query={"last": None}),
        on(CATALOG, reply),
        *plain_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, limits=ONCE)
    assert snapshot.manifest["verdict"] == "partial"
    (reason,) = snapshot.manifest["reasons"]
    assert code in reason
    assert is_one_line(reason)
    assert snapshot.manifest["discovery"]["complete"] is False
    assert snapshot.manifest["discovery"]["pages"] == 1
    assert snapshot.outcomes == {"alpha": "ok", "zulu": "ok"}


@cases(
    "reply kind says",
    {
        "answers-500-for-ever": (Reply(status=500), crawler.UnexpectedStatus, "HTTP_500"),
        "answers-404": (Reply(status=404), crawler.UnexpectedStatus, "no proof"),
        "answers-403-with-html": (html(403), crawler.Denied, "Down for maintenance"),
        "answers-401": (Reply(status=401), crawler.Denied, "HTTP_401"),
        "drops-the-connection": (dropped(), crawler.Unreachable, "closed the connection"),
        "falls-silent": (silent(), crawler.Unreachable, "nothing came for 0.5 s (limits.read_timeout)"),
        "speaks-ssh": (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), crawler.UnusableResponse, "NOT_HTTP"),
        "sends-an-error-without-end": (
            Reply(status=404, body=b"x" * 8192, framing=Framing.CHUNKED, ending=Ending.ENDLESS),
            crawler.RegistryError,
            "404",
        ),
        "sends-an-error-with-escapes": (
            refusal(403, "DENIED\x1b]0;", "no\x1b[2J \u202e\x07\nsecond line"),
            crawler.Denied,
            "\\x1b[2J",
        ),
    },
)
async def test_a_server_that_on_the_first_page(reply, kind, says, tmp_path):
    async with serve([on(CATALOG, reply), *plain_registry()]) as server:
        error = await fails(server, tmp_path, limits=ONCE)
    assert isinstance(error, kind)
    assert says in str(error)


@cases(
    "status granted asked",
    {
        "400-above-100": (400, "100", ["1000", "100"]),
        "405-above-100": (405, "100", ["1000", "100"]),
        "413-above-100": (413, "100", ["1000", "100"]),
        "400-for-any-size": (400, None, ["1000", "100", None]),
        "405-for-any-size": (405, None, ["1000", "100", None]),
        "413-for-any-size": (413, None, ["1000", "100", None]),
        "502-above-100": (502, "100", ["1000", "1000", "100"]),
        "502-above-5": (502, "5", ["1000", "1000", "100", "100", "5"]),
        "504-above-100": (504, "100", ["1000", "1000", "100"]),
    },
)
async def test_a_server_that_refuses_a_page_size_with(status, granted, asked, tmp_path):
    fine = plain_registry()
    catalog = next(entry.reply for entry in fine if entry.match.path == CATALOG)
    script = [on(CATALOG, catalog, query={"n": granted}), on(CATALOG, Reply(status=status)), *fine]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path)
    assert [page.query.get("n", [None])[0] for page in server.asked(CATALOG)] == asked
    assert snapshot.manifest["verdict"] == "complete"
    assert_others_whole(snapshot, but="")


async def test_a_server_that_refuses_every_catalog(tmp_path):
    """A 400 that is not about the size ends the run after the last try, not never."""
    async with serve([on(CATALOG, refusal(400, "UNSUPPORTED", "no")), *plain_registry()]) as server:
        error = await fails(server, tmp_path)
    assert "UNSUPPORTED" in str(error)
    assert len(server.asked(CATALOG)) == 3


# ---------------------------------------------------------------------------------------------------- names for paths

NAMES = {
    "climbs-out": ("../../etc/passwd", "../../etc/passwd"),
    "climbs-inside": ("alpha/../zulu", "alpha/../zulu"),
    "shouts": ("Alpha", "Alpha"),
    "has-300-characters": ("a" * 300, "a" * 300),
    "has-256-characters": ("a" * 256, "a" * 256),
    "has-10000-characters": ("a/" * 5000, "a/" * 149 + "a…"),
    "clears-the-screen": ("a\x1b[2Jb", "a\\x1b[2Jb"),
    "sets-the-title": ("a\x1b]0;owned\x07", "a\\x1b]0;owned\\x07"),
    "begins-a-line": ("a\r\nX-Injected: b", "a\\r\\nX-Injected: b"),
    "writes-backwards": ("a\u202egnp.exe", "a\\u202egnp.exe"),
    "hides-a-character": ("al\u200bpha", "al\\u200bpha"),
    "holds-nul": ("a\x00b", "a\\x00b"),
    "is-empty": ("", ""),
    "begins-with-a-slash": ("/alpha", "/alpha"),
    "ends-with-a-slash": ("alpha/", "alpha/"),
    "has-an-empty-part": ("a//b", "a//b"),
    "holds-spaces": ("a b", "a b"),
    "ends-with-a-newline": ("alpha\n", "alpha\\n"),
    "holds-a-query": ("a?n=1", "a?n=1"),
    "holds-a-fragment": ("a#b", "a#b"),
    "holds-percents": ("a%2e%2e%2fb", "a%2e%2e%2fb"),
    "holds-an-address": ("http://169.254.169.254/", "http://169.254.169.254/"),
    "holds-a-user": ("a@b", "a@b"),
    "holds-a-backslash": ("a\\b", "a\\b"),
    "holds-other-letters": ("\u0430lpha", "\u0430lpha"),
    "holds-half-a-character": ("bad\ud800name", "bad\ufffdname"),
}


@cases("name escaped", NAMES)
async def test_a_server_whose_catalog_tells_a_name_that(name, escaped, tmp_path):
    """It has its record, escaped, and is never asked for; whoever stands beside it is."""
    async with serve([on(CATALOG, catalog_of("alpha", name, VICTIM, "zulu")), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.outcomes == {escaped: "invalid", "alpha": "ok", VICTIM: "ok", "zulu": "ok"}
    assert snapshot.by_name[escaped]["error"]["code"] == "NAME_INVALID"
    assert snapshot.manifest["verdict"] == "complete"
    assert sorted(asked.target for asked in server.requests) == sorted(
        ["/v2/", f"{CATALOG}?n=1000", *map(listing_path, REPOSITORIES)]
    )


async def test_a_server_whose_tags_hold_escapes(tmp_path):
    """Tags are data and stay as they are, in JSON that no line of it breaks."""
    tags = ["\x1b[2J", "a\nb", "\u202e", "\u2028", "x" * 5000, "../../etc/passwd"]
    async with serve([on(LISTING, tags_of(*tags)), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.by_name[VICTIM]["tags"] == tags
    (part,) = (snapshot.folder / file["name"] for file in snapshot.manifest["files"])
    assert part.read_bytes().count(b"\n") == 3
    assert b"\x1b" not in part.read_bytes()


# -------------------------------------------------------------------------------------------------------------- links

FOLLOWED = {
    "relative-to-the-host": ['</v2/_catalog?last=c>; rel="next"'],
    "relative-to-the-path": ['<_catalog?last=c>; rel="next"'],
    "a-query-alone": ['<?last=c>; rel="next"'],
    "absolute": ['<{origin}/v2/_catalog?last=c>; rel="next"'],
    "without-a-scheme": ['<//{host}/v2/_catalog?last=c>; rel="next"'],
    "on-a-wrong-host-behind-a-proxy": ['<http://inner.example.invalid:8081/v2/_catalog?last=c>; rel="next"'],
    "on-a-wrong-scheme-behind-a-proxy": ['<https://{host}/v2/_catalog?last=c>; rel="next"'],
    "on-the-metadata-address": ['<http://169.254.169.254/v2/_catalog?last=c>; rel="next"'],
    "with-another-prefix": ['</artifactory/api/docker/key/v2/_catalog?last=c>; rel="next"'],
    "with-a-user": ['<http://eve:adam@{host}/v2/_catalog?last=c>; rel="next"'],
    "with-an-unquoted-relation": ["</v2/_catalog?last=c>;rel=next"],
    "with-a-shouted-relation": ['</v2/_catalog?last=c>; REL="NEXT"'],
    "with-several-relations": ['</v2/_catalog?last=c>; rel="last next"'],
    "with-parameters-before": ['</v2/_catalog?last=c>; title="a, <b>; c"; rel="next"'],
    "among-several": ['</v2/_catalog?last=0>; rel="first", </v2/_catalog?last=c>; rel="next", </>; rel="up"'],
    "among-several-headers": ['</v2/_catalog?last=0>; rel="prev"', '</v2/_catalog?last=c>; rel="next"'],
    "without-brackets": ['/v2/_catalog?last=c; rel="next"'],
    "with-a-fragment": ['</v2/_catalog?last=c#?last=x>; rel="next"'],
}


@cases("links", FOLLOWED)
async def test_a_server_whose_next_link_is_followed_though(links, tmp_path):
    """All requests stay on the registry's own origin, whatever host the link names."""
    script = [
        on(CATALOG, catalog_of("alpha", links=links), query={"last": None}),
        on(CATALOG, catalog_of(VICTIM, "zulu"), query={"last": "c"}),
        *plain_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path)
    assert_others_whole(snapshot, but="")
    assert snapshot.manifest["verdict"] == "complete"
    assert len(server.asked(CATALOG)) == 2
    assert server.authorizations == set()


REFUSED_LINKS = {
    "on-a-foreign-host-to-another-path": '<http://evil.example.invalid/steal?last=c>; rel="next"',
    "to-another-path": '</v2/alpha/tags/list?last=c>; rel="next"',
    "to-the-root": '</>; rel="next"',
    "up-and-away": '<../../admin?last=c>; rel="next"',
    "of-a-foreign-scheme": '<ftp://{host}/v2/_catalog?last=c>; rel="next"',
    "of-a-file": '<file:///v2/_catalog?last=c>; rel="next"',
    "of-javascript": '<javascript:alert(1)>; rel="next"',
    "without-an-address": '<http://[::1/v2/_catalog?last=c>; rel="next"',
    "to-where-it-stands": '<{origin}/v2/_catalog?n=1000>; rel="next"',
    "to-nowhere": '<>; rel="next"',
    "without-an-end": '</v2/_catalog?last=c; rel="next"',
}


@cases("link", REFUSED_LINKS)
async def test_a_server_whose_next_link_is_not_followed_being(link, tmp_path):
    """What the page told is published; that there is more is not forgotten."""
    async with serve([on(CATALOG, catalog_of("alpha", "zulu", links=[link])), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path)
    assert len(server.asked(CATALOG)) == 1
    assert snapshot.outcomes == {"alpha": "ok", "zulu": "ok"}
    assert snapshot.manifest["verdict"] == "partial"
    assert snapshot.manifest["discovery"]["complete"] is False
    assert is_one_line(snapshot.manifest["discovery"]["evidence"])


@cases("link", REFUSED_LINKS)
async def test_a_server_whose_next_link_of_a_listing_is_not_followed_being(link, tmp_path):
    link = link.replace("_catalog?n=1000", f"{VICTIM}/tags/list").replace("_catalog", f"{VICTIM}/tags/list")
    async with serve([on(LISTING, tags_of("edge", links=[link])), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path)
    record = snapshot.by_name[VICTIM]
    assert len(server.asked(LISTING)) == 1
    assert (record["outcome"], record["tags"]) == ("ok", ["edge"])
    assert record["suspect"]
    assert snapshot.manifest["verdict"] == "partial"
    assert_others_whole(snapshot, but="")


async def test_a_server_whose_second_page_leads_back_to_the_first(tmp_path):
    script = [
        on(CATALOG, catalog_of("alpha", links=["<?last=a>; rel=next"]), query={"last": None}),
        on(CATALOG, catalog_of("zulu", links=["<?n=1000>; rel=next"]), query={"last": "a"}),
        *plain_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path)
    assert len(server.asked(CATALOG)) == 2
    assert snapshot.outcomes == {"alpha": "ok", "zulu": "ok"}
    assert "leads back" in snapshot.manifest["reasons"][0]


@cases("names", {"the-same-names": ["alpha", "zulu"], "one-of-the-names": ["zulu"]})
async def test_a_server_that_leads_on_for_ever_with(names, tmp_path):
    script = [
        on(CATALOG, catalog_of("alpha", "zulu", links=["<?last=0>; rel=next"]), query={"last": None}),
        on(CATALOG, catalog_of(*names, links=["<?last={count}>; rel=next"])),
        *plain_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path)
    assert len(server.asked(CATALOG)) == 2
    assert snapshot.outcomes == {"alpha": "ok", "zulu": "ok"}
    assert snapshot.manifest["verdict"] == "partial"
    assert "repeated earlier entries" in snapshot.manifest["reasons"][0]


async def test_a_server_that_leads_on_for_ever_with_the_same_tags(tmp_path):
    async with serve([on(LISTING, tags_of("edge", links=["<?last={count}>; rel=next"])), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path)
    assert len(server.asked(LISTING)) == 2
    assert snapshot.by_name[VICTIM]["tags"] == ["edge"]
    assert "repeated earlier entries" in snapshot.by_name[VICTIM]["suspect"]
    assert snapshot.manifest["verdict"] == "partial"


async def test_a_server_that_leads_from_its_last_page_to_an_empty_one(tmp_path):
    script = [
        on(CATALOG, catalog_of(*REPOSITORIES, links=["<?last=zulu>; rel=next"]), query={"last": None}),
        on(CATALOG, catalog_of(links=["<?last=>; rel=next"]), query={"last": "zulu"}),
        *plain_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.manifest["verdict"] == "complete"
    assert "empty last page" in snapshot.manifest["discovery"]["evidence"]
    assert_others_whole(snapshot, but="")


async def test_a_server_whose_cursor_is_not_encoded(tmp_path):
    """It comes back as it was meant, and breaks no line."""
    script = [
        on(CATALOG, catalog_of("alpha", links=["<?last=a b,\u00e9&x=1>; rel=next"]), query={"last": None}),
        on(CATALOG, catalog_of(VICTIM, "zulu"), query={"last": "a b,\u00e9"}),
        *plain_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path)
    assert " " not in server.asked(CATALOG)[1].target
    assert snapshot.manifest["verdict"] == "complete"
    assert_others_whole(snapshot, but="")


def images_of(*digests: str, links: Iterable[str] = ()) -> Reply:
    told = {digest: {"imageSizeBytes": "1", "tag": []} for digest in digests}
    value = {"name": VICTIM, "tags": [], "child": [], "manifest": told}
    return document(value, *(("Link", link) for link in links))


async def test_a_server_whose_pages_hold_untagged_images_alone(tmp_path):
    """A page without tags is not empty where it holds images: what comes behind it is wanted too."""
    script = [
        on(LISTING, images_of("sha256:a", links=["<?last=a>; rel=next"]), query={"last": None}),
        on(LISTING, images_of("sha256:b"), query={"last": "a"}),
        *plain_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path)
    record = snapshot.by_name[VICTIM]
    assert [image["digest"] for image in record["images"]] == ["sha256:a", "sha256:b"]
    assert snapshot.manifest["verdict"] == "complete"


# ---------------------------------------------------------------------------------------------------------- redirects


async def test_a_server_that_redirects_on_its_own_origin(tmp_path):
    script = [
        on(LISTING, redirect("/moved?to=here")),
        on("/moved", WHOLE, headers={"Authorization": BASIC}, query={"to": "here"}),
        *basic_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"
    assert_others_whole(snapshot, but="")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_server_that_redirects_to_another_port_with(status, tmp_path):
    """The answer is taken, and what we say of ourselves is not said there."""
    async with serve([on("/cdn", WHOLE)]) as other:
        script = [on(LISTING, redirect(f"{other.origin}/cdn", status=status)), *basic_registry()]
        async with serve(script) as server:
            snapshot = await crawl(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"
    assert_others_whole(snapshot, but="")
    assert server.authorizations == {BASIC}
    assert other.paths == ["/cdn"]
    assert other.authorizations == set()


@cases(
    "address", {"another-name": "http://localhost:{port}/cdn", "another-address": f"http://{ELSEWHERE}:{{port}}/cdn"}
)
async def test_a_server_that_redirects_to_itself_under(address, tmp_path):
    """For Authorization that is a foreign host."""
    async with serve([on("/cdn", WHOLE)]) as other:
        script = [on(LISTING, redirect(address.format(port=other.port))), *basic_registry()]
        async with serve(script) as server:
            snapshot = await crawl(server, tmp_path, **WITH_PASSWORD)
    assert_others_whole(snapshot, but="")
    assert other.authorizations == set()


async def test_a_server_that_redirects_away_and_back(tmp_path):
    """Authorization that was dropped on the way stays dropped."""
    async with serve([on("/away", redirect("{back}"))]) as between:
        script = [
            on(LISTING, redirect(f"{between.origin}/away")),
            on("/back", WHOLE, headers={"Authorization": None}),
            *basic_registry(),
        ]
        async with serve(script) as server:
            between.say(back=f"{server.origin}/back")
            snapshot = await crawl(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"
    assert_others_whole(snapshot, but="")
    assert between.authorizations == set()


async def test_a_server_whose_token_server_redirects_to_another_host(tmp_path):
    async with serve([on("/grab", document({"token": "minted-there"}))]) as other:
        script = [on("/token", redirect(f"{other.origin}/grab")), *token_registry()]
        async with serve(script) as server:
            snapshot = await crawl(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"
    assert BASIC in server.authorizations
    assert other.authorizations == set()
    assert other.requests


async def test_a_server_that_redirects_to_a_path_with_blanks(tmp_path):
    """They are encoded: a blank in a request's first line would end the path, and begin what the server likes."""
    script = [on(LISTING, redirect("/moved here HTTP/1.1")), on("/moved here HTTP/1.1", WHOLE), *plain_registry()]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path)
    assert not [asked.target for asked in server.requests if " " in asked.target]
    assert snapshot.manifest["verdict"] == "complete"


BAD_REDIRECTS = {
    "to-itself-for-ever": ("{origin}" + LISTING, "REDIRECT", 6),
    "to-no-address": ("http://[::1/", "REDIRECT", 1),
    "to-a-port-that-is-none": ("http://127.0.0.1:99999/", "REDIRECT", 1),
    "to-no-host": ("http://:80/etc/passwd", "REDIRECT", 1),
    "to-a-file": ("file:///etc/passwd", "REDIRECT", 1),
    "to-javascript": ("javascript:alert(1)", "REDIRECT", 1),
    "to-a-gopher": ("gopher://127.0.0.1:25/_HELO", "REDIRECT", 1),
    "to-an-address-with-a-user": ("http://eve:adam@{host}/v2/", "REDIRECT", 1),
    "to-an-address-with-escapes": ("ftp://a\u202eb/", "REDIRECT", 1),
    "to-the-metadata-address": ("http://169.254.169.254/computeMetadata/v1/", "FORBIDDEN_ADDRESS", 1),
    "to-the-metadata-address-as-one-number": ("http://2852039166/", "BAD_ADDRESS", 1),
    "to-another-clouds-metadata-address": ("http://100.100.100.200/", "FORBIDDEN_ADDRESS", 1),
    "to-the-metadata-address-of-ipv6": ("http://[fd00:ec2::254]/", "FORBIDDEN_ADDRESS", 1),
    "to-a-link-local-address": ("http://169.254.7.7/", "FORBIDDEN_ADDRESS", 1),
    "to-a-link-local-address-of-ipv6": ("http://[fe80::1]/", "FORBIDDEN_ADDRESS", 1),
    "to-a-link-local-address-in-ipv6-clothes": ("http://[::ffff:169.254.7.7]/", "FORBIDDEN_ADDRESS", 1),
}


@cases("location code requests", BAD_REDIRECTS)
async def test_a_server_that_redirects(location, code, requests, tmp_path):
    async with serve([on(LISTING, redirect(location)), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path)
    record = snapshot.by_name[VICTIM]
    assert (record["outcome"], record["error"]["code"]) == ("failed", code)
    assert len(server.asked(LISTING)) == 2 * requests
    assert server.authorizations == set()
    assert_others_whole(snapshot)


async def test_a_server_that_redirects_without_saying_where(tmp_path):
    async with serve([on(LISTING, Reply(status=302)), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.outcomes[VICTIM] == "failed"
    assert snapshot.by_name[VICTIM]["error"]["http_status"] == 302
    assert_others_whole(snapshot)


async def test_a_server_that_redirects_the_ping_to_a_file(tmp_path):
    async with serve([on("/v2/", redirect("file:///etc/\u202epasswd")), *plain_registry()]) as server:
        error = await fails(server, tmp_path)
    assert isinstance(error, crawler.UnsafeAddress)
    assert server.paths == ["/v2/"]


# ---------------------------------------------------------------------------------------------------------------- TLS


async def test_a_server_with_tls_that_redirects_to_plain_http(certificates, tmp_path):
    async with serve([on("/cdn", WHOLE)]) as other:
        script = [on(LISTING, redirect(f"{other.origin}/cdn")), *basic_registry()]
        async with serve(script, certificates=certificates) as server:
            snapshot = await crawl(server, tmp_path, ca_file=certificates.ca_file, **WITH_PASSWORD)
    record = snapshot.by_name[VICTIM]
    assert (record["outcome"], record["error"]["code"]) == ("failed", "REDIRECT")
    assert other.requests == []
    assert_others_whole(snapshot)


async def test_a_server_with_tls_that_sends_to_a_plain_realm(certificates, tmp_path):
    script = [on("/v2/", refusal(401, "UNAUTHORIZED", "", challenge("http://{host}/token")))]
    async with serve(script, certificates=certificates) as server:
        error = await fails(server, tmp_path, ca_file=certificates.ca_file, **WITH_PASSWORD)
    assert isinstance(error, crawler.CredentialsError)
    assert "https" in str(error)
    assert server.paths == ["/v2/"]


async def test_a_server_with_tls_that_leads_on_in_plain_http(certificates, tmp_path):
    """Behind a proxy that ends TLS: the next page is asked for over TLS all the same."""
    script = [
        on(CATALOG, catalog_of("alpha", links=["<http://{host}/v2/_catalog?last=c>; rel=next"]), query={"last": None}),
        on(CATALOG, catalog_of(VICTIM, "zulu"), query={"last": "c"}),
        *plain_registry(),
    ]
    async with serve(script, certificates=certificates) as server:
        snapshot = await crawl(server, tmp_path, ca_file=certificates.ca_file)
    assert snapshot.manifest["verdict"] == "complete"


async def test_a_server_with_a_strangers_certificate(certificates, tmp_path):
    stranger = make_certificates(tmp_path / "stranger")
    async with serve(plain_registry(), certificates=stranger) as server:
        error = await fails(server, tmp_path, ca_file=certificates.ca_file, **WITH_PASSWORD)
    assert "TLS" in str(error)
    assert server.requests == []


async def test_a_server_without_tls_where_it_should_be(certificates, tmp_path):
    """Nothing is said in the clear to a server that cannot shake hands."""
    async with serve(plain_registry()) as server:
        await fails(server, tmp_path, ca_file=certificates.ca_file, **WITH_PASSWORD)
    assert server.requests == []


# -------------------------------------------------------------------------------------------------------------- realms

FOREIGN = "https://auth.example.invalid/token"


def guarded_by(*challenges: tuple[str, str]) -> list[Entry]:
    return [on("/v2/", refusal(401, "UNAUTHORIZED", "authentication required", *challenges))]


async def test_a_server_that_sends_credentials_to_a_foreign_host(tmp_path):
    """It is refused before the foreign name is looked up: the error is ours, and not the resolver's."""
    async with serve(guarded_by(challenge(FOREIGN))) as server:
        error = await fails(server, tmp_path, **WITH_PASSWORD)
    assert isinstance(error, crawler.CredentialsError)
    assert "auth.example.invalid" in str(error)
    assert "realms" in str(error)
    assert server.paths == ["/v2/"]


@cases(
    "realm",
    {
        "a-name-that-begins-alike": "http://127.0.0.1.example.invalid/token",
        "a-user-that-looks-alike": "http://{host}@auth.example.invalid/token",
        "a-backslash": "http://{host}\\@auth.example.invalid/token",
        "the-metadata-address": "http://169.254.169.254/token",
        "a-foreign-host-without-a-scheme": "//auth.example.invalid/token",
    },
)
async def test_a_server_that_sends_credentials_by(realm, tmp_path):
    async with serve(guarded_by(challenge(realm))) as server:
        error = await fails(server, tmp_path, **WITH_PASSWORD)
    assert isinstance(error, crawler.CredentialsError)
    assert server.paths == ["/v2/"]
    assert server.authorizations == set()


def foreign_realm(other: ScriptedServer) -> str:
    return f"http://{ELSEWHERE}:{other.port}/token"


MINT = on("/token", document({"token": "minted-there"}))


async def test_a_server_that_sends_credentials_to_a_foreign_port_nobody_listed(tmp_path):
    async with serve([MINT]) as other, serve(token_registry(realm=foreign_realm(other))) as server:
        error = await fails(server, tmp_path, **WITH_PASSWORD)
    assert "realms" in str(error)
    assert other.requests == []


@cases("listed", {"by-host": "{name}", "by-host-and-port": "{name}:{port}"})
async def test_a_server_that_sends_credentials_to_a_host_that_is_listed(listed, tmp_path):
    async with serve([MINT]) as other:
        realms = [listed.format(name=ELSEWHERE, port=other.port)]
        async with serve(token_registry(realm=foreign_realm(other))) as server:
            snapshot = await crawl(server, tmp_path, realms=realms, **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"
    assert other.authorizations == {BASIC}
    assert server.authorizations == {"Bearer minted-there"}


@cases("listed", {"another-port-of-the-host": "{name}:1", "a-longer-name": "auth.{name}"})
async def test_a_server_that_sends_credentials_elsewhere_than_to_the_listed(listed, tmp_path):
    async with serve([MINT]) as other, serve(token_registry(realm=foreign_realm(other))) as server:
        await fails(server, tmp_path, realms=[listed.format(name=ELSEWHERE)], **WITH_PASSWORD)
    assert other.requests == []


async def test_a_server_that_sends_nobody_to_a_foreign_host(tmp_path):
    """Without credentials there is nothing to lose: Docker Hub's realm is another host's too."""
    async with serve([MINT]) as other, serve(token_registry(realm=foreign_realm(other))) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.manifest["verdict"] == "complete"
    assert other.authorizations == set()


@cases(
    "realm",
    {
        "relative": "/token",
        "relative-to-the-path": "../token",
        "without-a-host": "http:///token",
        "with-a-query": "{origin}/token?account=a",
    },
)
async def test_a_server_whose_realm_is(realm, tmp_path):
    async with serve(token_registry(realm=realm)) as server:
        snapshot = await crawl(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"
    assert {asked.authorization for asked in server.asked("/token")} == {BASIC}
    assert len(server.asked("/token", **to_token(VICTIM))) == 1


@cases(
    "realm",
    {
        "with-a-user": "http://eve:adam@{host}/token",
        "with-an-empty-user": "http://@{host}/token",
        "without-a-host": "http://:80/token",
        "without-an-end": "http://[::1/token",
        "with-a-port-that-is-none": "http://127.0.0.1:99999/token",
        "of-a-foreign-scheme": "ftp://{host}/token",
        "of-a-file": "file:///etc/passwd",
        "of-javascript": "javascript:alert(1)",
        "in-other-letters": "http://\u0430uth.example.invalid/token",
        "that-writes-backwards": "http://auth\u202e.example.invalid/token",
    },
)
async def test_a_server_with_a_realm(realm, tmp_path):
    async with serve(guarded_by(challenge(realm))) as server:
        error = await fails(server, tmp_path)
    assert isinstance(error, crawler.CredentialsError)
    assert server.paths == ["/v2/"]


async def test_a_server_whose_realm_is_the_metadata_address(tmp_path):
    """Even nobody does not go there."""
    async with serve(guarded_by(challenge("http://169.254.169.254/token"))) as server:
        error = await fails(server, tmp_path)
    assert isinstance(error, crawler.UnsafeAddress)
    assert error.code == "FORBIDDEN_ADDRESS"
    assert server.paths == ["/v2/"]


async def test_a_server_whose_realm_holds_blanks(tmp_path):
    """Encoded or refused, but never as it stands in the first line of a request."""
    realm = "{origin}/token here HTTP/1.1"
    script = [on("/token here HTTP/1.1", Reply(status=404)), *guarded_by(challenge(realm))]
    async with serve(script) as server:
        await fails(server, tmp_path)
    assert not [asked.target for asked in server.requests if " " in asked.target]


async def test_a_server_whose_realm_holds_escapes(tmp_path):
    """The terminal that shows the error obeys none of them."""
    failing = [on("/token\x1b[2J", Reply(status=404)), on("/token", Reply(status=404))]
    script = [*failing, *guarded_by(challenge("{origin}/token\x1b[2J"))]
    async with serve(script) as server:
        await fails(server, tmp_path)


@cases(
    "challenges",
    {
        "none": [],
        "garbage": [("WWW-Authenticate", '=,"; \\')],
        "negotiate": [("WWW-Authenticate", "Negotiate abcdef==")],
        "a-bearer-without-a-realm": [("WWW-Authenticate", 'Bearer service="scripted"')],
        "a-bearer-with-an-empty-realm": [challenge("")],
    },
)
async def test_a_server_whose_challenge_is(challenges, tmp_path):
    async with serve(guarded_by(*challenges)) as server:
        error = await fails(server, tmp_path, **WITH_PASSWORD)
    assert isinstance(error, crawler.CredentialsError)
    assert server.authorizations == set()


@cases(
    "reply says",
    {
        "answers-400-with-html": (html(400), "is this a registry?"),
        "answers-500-for-ever": (Reply(status=500), "HTTP_500"),
        "drops-the-connection": (dropped(), "closed the connection"),
        "falls-silent": (silent(), "nothing came for 0.5 s (limits.read_timeout)"),
        "speaks-ssh": (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "NOT_HTTP"),
        "sends-a-body-without-end": (
            Reply(body=b"x" * 8192, framing=Framing.CHUNKED, ending=Ending.ENDLESS),
            "TOO_LARGE",
        ),
        "sends-escapes": (refusal(400, "X\x1b[2J", "\u202e\x1b]0;owned\x07\r\n" * 99), "\\u202e"),
    },
)
async def test_a_server_that_to_the_ping(reply, says, tmp_path):
    async with serve([on("/v2/", reply)]) as server:
        error = await fails(server, tmp_path, limits=ONCE)
    assert says in str(error)
    assert set(server.paths) == {"/v2/"}


# -------------------------------------------------------------------------------------------------------------- tokens


def grant(**fields: Any) -> Reply:
    return document({"token": "minted-odd", **fields})


LIFETIMES = {
    "0": b"0",
    "negative": b"-1",
    "ten-to-the-12th": b"1000000000000",
    "ten-to-the-30th": b"1000000000000000000000000000000",
    "words": b'"abc"',
    "a-number-in-words": b'"300"',
    "true": b"true",
    "null": b"null",
    "a-list": b"[300]",
}


@cases("lifetime", LIFETIMES)
async def test_a_server_whose_token_lives_for(lifetime, tmp_path):
    """Nonsense is the default of a minute, or is cut: the token serves for both of the catalog's pages."""
    page = catalog_of("alpha", links=["<?last=c>; rel=next"])
    script = [
        on("/token", document(b'{"token": "minted-odd", "expires_in": %b}' % lifetime), query={"scope": "registry:.*"}),
        on(CATALOG, page, query={"last": None}, headers={"Authorization": "Bearer minted-odd"}),
        on(CATALOG, catalog_of(VICTIM, "zulu"), query={"last": "c"}, headers={"Authorization": "Bearer minted-odd"}),
        *token_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.manifest["verdict"] == "complete"
    assert_others_whole(snapshot, but="")
    assert len(server.asked("/token", scope="registry:catalog:*")) == 1


@cases(
    "reply",
    {
        "as-plain-text": grant().with_headers(("Content-Type", "text/plain")),
        "as-access-token": document({"access_token": "minted-odd"}),
        "beside-an-empty-one": document({"token": "", "access_token": "minted-odd"}),
        "beside-much-else": grant(refresh_token="minted-for-long", issued_at="yesterday", scope=7),
        "gzipped": gzipped(grant()),
    },
)
async def test_a_server_that_gives_its_token(reply, tmp_path):
    script = [on("/token", reply, query={"scope": VICTIM_SCOPE}), *token_registry()]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"
    assert_others_whole(snapshot, but="")
    assert server.asked(LISTING)[0].authorization == "Bearer minted-odd"


@cases(
    "reply",
    {"answers-500-once": Reply(status=500), "answers-429-once": Reply(status=429, headers=(("Retry-After", "0"),))},
)
async def test_a_server_whose_token_server_recovers_after_it(reply, tmp_path):
    async with serve([on("/token", reply, query={"scope": VICTIM_SCOPE}, times=1), *token_registry()]) as server:
        snapshot = await crawl(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"
    assert_others_whole(snapshot, but="")
    assert len(server.asked("/token", **to_token(VICTIM))) == 2


LARGE = "minted-" + "x" * MIB
BAD_TOKENS = {
    "answers-without-a-token": (document({"expires_in": 300}), Fate()),
    "answers-a-token-that-is-null": (document({"token": None}), Fate()),
    "answers-a-token-that-is-a-number": (document({"token": 7}), Fate()),
    "answers-a-token-with-a-newline": (document({"token": "minted-\r\nX-Injected: 1"}), Fate()),
    "answers-a-token-with-nul": (document({"token": "minted-\x00"}), Fate()),
    "answers-a-token-in-other-letters": (document({"token": "minted-\u0430"}), Fate()),
    "answers-html": (html(), Fate()),
    "answers-brackets-100k-deep": (document(b'{"token": ' + b"[" * 100_000), Fate()),
    "answers-a-token-of-a-megabyte": (document({"token": LARGE}), Fate(code="TOO_LARGE")),
    "answers-a-token-that-inflates-to-64-mib": (
        gzipped(document(b'{"token": "%b"}' % (b"x" * (64 * MIB)))),
        Fate(code="TOO_LARGE"),
    ),
    "answers-a-token-without-end": (
        Reply(body=b"x" * 65536, framing=Framing.CHUNKED, ending=Ending.ENDLESS),
        Fate(code="TOO_LARGE"),
    ),
    "answers-401": (
        refusal(401, "UNAUTHORIZED", "incorrect username or password"),
        Fate(outcome="denied", code="UNAUTHORIZED", status=401, says="incorrect username"),
    ),
    "answers-403-with-html": (
        html(403, "Too many failures"),
        Fate(outcome="denied", code="HTTP_403", status=403, says="Too many failures"),
    ),
    "answers-400-as-oauth2-does": (
        document({"error": "invalid_scope", "error_description": "no\x1b[2J"}, status=400),
        Fate(code="invalid_scope", status=400, says="no\\x1b[2J"),
    ),
    "answers-404": (Reply(status=404), Fate(code="HTTP_404", status=404, requests=2)),
    "answers-501": (Reply(status=501), Fate(code="HTTP_501", status=501)),
    "answers-500-for-ever": (Reply(status=500), Fate(code="HTTP_500", status=500, requests=2)),
    "drops-every-connection": (dropped(), UNREACHED),
    "never-answers": (silent(), SILENCED),
    "redirects-to-the-metadata-address": (
        redirect("http://169.254.169.254/"),
        Fate(code="FORBIDDEN_ADDRESS", status=None),
    ),
    "redirects-to-a-file": (redirect("file:///etc/passwd"), Fate(code="REDIRECT", status=307)),
}


@cases("reply fate", BAD_TOKENS)
async def test_a_server_whose_token_server(reply, fate, tmp_path):
    """One repository's token cannot be had: that one's listing is not asked for, and the others are whole."""
    script = [on("/token", reply, query={"scope": VICTIM_SCOPE}), *token_registry()]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, **WITH_PASSWORD)
    record = snapshot.by_name[VICTIM]
    assert record["outcome"] == fate.outcome
    assert (record["error"]["code"], record["error"]["http_status"]) == (fate.code, fate.status)
    assert fate.says in record["error"]["message"]
    assert len(server.asked("/token", **to_token(VICTIM))) in fate.asked
    assert server.asked(LISTING) == []
    assert_others_whole(snapshot)
    assert snapshot.manifest["verdict"] == "partial"


@cases(
    "reply kind",
    {
        "answers-401": (refusal(401, "UNAUTHORIZED", "incorrect username or password"), crawler.Denied),
        "answers-without-a-token": (document({}), crawler.UnusableResponse),
        "answers-a-token-with-a-newline": (document({"token": "minted-\r\n"}), crawler.UnusableResponse),
        "answers-500-for-ever": (Reply(status=500), crawler.UnexpectedStatus),
        "drops-every-connection": (dropped(), crawler.Unreachable),
    },
)
async def test_a_server_whose_token_server_for_the_catalog(reply, kind, tmp_path):
    async with serve([on("/token", reply), *token_registry()]) as server:
        error = await fails(server, tmp_path, **WITH_PASSWORD)
    assert isinstance(error, kind)
    assert server.asked(CATALOG) == []


async def test_a_server_that_refuses_a_token_once(tmp_path):
    """As after a token that was revoked, or a clock that is wrong: a fresh one is tried."""
    refused = refusal(401, "UNAUTHORIZED", "expired", challenge("{origin}/token"))
    script = [on(LISTING, refused, times=1), *token_registry()]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"
    assert_others_whole(snapshot, but="")
    assert len(server.asked("/token", **to_token(VICTIM))) == 2
    first, second = server.asked(LISTING)
    assert first.authorization != second.authorization


async def test_a_server_that_grants_less_than_was_asked(tmp_path):
    """Exactly one fresh token is tried: a token proves no access, and a hundred of them no more."""
    name, value = challenge("{origin}/token")
    refused = refusal(401, "UNAUTHORIZED", "insufficient scope", (name, f'{value},error="insufficient_scope"'))
    async with serve([on(LISTING, refused), *token_registry()]) as server:
        snapshot = await crawl(server, tmp_path, **WITH_PASSWORD)
    record = snapshot.by_name[VICTIM]
    assert (record["outcome"], record["error"]["code"]) == ("denied", "UNAUTHORIZED")
    assert len(server.asked("/token", **to_token(VICTIM))) == 2
    assert len(server.asked(LISTING)) == 2
    assert_others_whole(snapshot)
    assert snapshot.manifest["verdict"] == "partial"


async def test_a_server_whose_later_challenge_names_another_realm(tmp_path):
    """The way in was learned once: a realm that comes with a listing's refusal gets nothing."""
    async with serve([MINT]) as other:
        turned = refusal(401, "UNAUTHORIZED", "ask there", challenge(f"{other.origin}/token"))
        async with serve([on(LISTING, turned), *token_registry()]) as server:
            snapshot = await crawl(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.outcomes[VICTIM] == "denied"
    assert other.requests == []


async def test_a_server_that_refuses_a_password(tmp_path):
    """A password is as good the second time as the first: it is shown once."""
    script = [on(LISTING, refusal(401, "UNAUTHORIZED", "no")), *basic_registry()]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.outcomes[VICTIM] == "denied"
    assert len(server.asked(LISTING)) == 1
    assert_others_whole(snapshot)


# --------------------------------------------------------------------------------------------------- what errors say

WORDS = {
    "clear-the-screen": ("\x1b[2J\x1b[H", "\\x1b[2J\\x1b[H"),
    "set-the-title": ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
    "speak-in-c1-controls": ("\x9b2J", "\\x9b2J"),
    "write-backwards": ("\u202e\u2066txt", "\\u202e\\u2066txt"),
    "begin-a-line": ("one\r\n2026-01-01 INFO all is well", "one\\r\\n2026-01-01 INFO all is well"),
    "begin-a-line-of-unicode": ("one\u2028two\u2029three\u0085", "one\\u2028two\\u2029three\\x85"),
    "hold-nul": ("a\x00b", "a\\x00b"),
    "hide": ("a\u200b\ufeff\u00adb", "a\\u200b\\ufeff\\xadb"),
}


@cases("words escaped", WORDS)
async def test_a_server_whose_errors(words, escaped, tmp_path, caplog):
    """They are escaped in the record, and in the log."""
    async with serve([on(LISTING, refusal(400, f"C{words}", f"M{words}")), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path)
    error = snapshot.by_name[VICTIM]["error"]
    assert error == {"code": f"C{escaped}", "http_status": 400, "message": f"M{escaped}"}
    assert all(entry.getMessage().isprintable() for entry in caplog.records)


@cases("reply", {"json": refusal(400, "LONG" * 1000, "long " * 10_000), "html": html(400, "long " * 10_000)})
async def test_a_server_whose_errors_are_as_long_as_books_in(reply, tmp_path):
    async with serve([on(LISTING, reply), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path)
    error = snapshot.by_name[VICTIM]["error"]
    assert len(error["code"]) <= 60
    assert len(error["message"]) <= 300
    assert "long" in error["message"]


@cases("registry_entries", {"a-password": basic_registry(), "a-token": token_registry()})
async def test_a_server_whose_errors_say_back(registry_entries, tmp_path, caplog):
    """An error page that repeats the request's headers puts no secret into the snapshot or the log."""
    echo = refusal(400, "BAD", "your header was Authorization: {authorization}")
    async with serve([on(LISTING, echo), *registry_entries]) as server:
        await crawl(server, tmp_path, **WITH_PASSWORD)
    assert not [secret for secret in SECRETS if secret in caplog.text]


async def test_a_server_that_refuses_everyone(tmp_path):
    """Credentials that are refused again and again are not shown to it for every repository."""
    many = {f"repository-{index}": ("latest",) for index in range(60)}
    refused = refusal(401, "UNAUTHORIZED", "incorrect username or password")
    script = [on("/token", refused, query={"scope": "repository:.*"}), *token_registry(many)]
    async with serve(script) as server:
        error = await fails(server, tmp_path, **WITH_PASSWORD)
    assert isinstance(error, crawler.GaveUp)
    assert len(server.asked("/token")) < 30
