"""Catalogs that are wrong, broken off or refused, and names that are not repository names."""

import pytest
from support.hostile_servers import (
    CATALOG,
    ONCE,
    VICTIM,
    assert_others_whole,
    cases,
    catalog_of,
    crawl_fails,
    crawl_snapshot,
    is_one_line,
)
from support.scripted import (
    REPOSITORIES,
    Ending,
    Framing,
    Reply,
    document,
    dropped,
    html,
    listing_path,
    on,
    plain_registry,
    raw,
    redirect,
    refusal,
    serve,
    silent,
)

import crawler

pytestmark = pytest.mark.usefixtures("few_authorities")


@cases(
    "reply names",
    {
        "null": (document({"repositories": None}), []),
        "an-empty-list": (catalog_of(), []),
        "nothing-but-a-name-twice": (catalog_of("alpha", "alpha"), ["alpha"]),
    },
)
async def test_catalog_with_few_or_no_names(reply, names, tmp_path):
    async with serve([on(CATALOG, reply), *plain_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
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
async def test_catalog_that_cannot_be_parsed_ends_the_run(reply, tmp_path):
    async with serve([on(CATALOG, reply), *plain_registry()]) as server:
        error = await crawl_fails(server, tmp_path)
    assert isinstance(error, crawler.UnusableResponse)
    assert error.code == "MALFORMED"
    assert server.paths == ["/v2/", CATALOG, CATALOG]


async def test_catalog_with_errors_and_status_200_ends_the_run(tmp_path):
    """An error body is not an empty catalog, whatever the status."""
    error = refusal(200, "UNAUTHORIZED", "authentication required")
    async with serve([on(CATALOG, error), *plain_registry()]) as server:
        error = await crawl_fails(server, tmp_path)
    assert isinstance(error, crawler.UnusableResponse)
    assert error.code == "MALFORMED"
    assert server.paths == ["/v2/", CATALOG, CATALOG]


async def test_catalog_without_the_key_repositories_ends_the_run(tmp_path):
    """A JSON document of another kind is not an empty catalog."""
    async with serve([on(CATALOG, document({"status": "maintenance"})), *plain_registry()]) as server:
        error = await crawl_fails(server, tmp_path)
    assert "a catalog without 'repositories'" in str(error)
    assert server.paths == ["/v2/", CATALOG, CATALOG]


async def test_catalog_entries_that_are_no_strings_are_counted(tmp_path):
    """They are skipped, and the evidence counts them, because their names are unknown."""
    async with serve([on(CATALOG, catalog_of("alpha", None, 7, VICTIM, ["x"], "zulu")), *plain_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    assert_others_whole(snapshot, but="")
    assert len(snapshot.records) == 3
    assert "3 entries" in snapshot.manifest["discovery"]["evidence"]


async def test_catalog_names_repeated_across_pages_are_listed_once(tmp_path):
    script = [
        on(CATALOG, catalog_of("alpha", "alpha", VICTIM, links=["<?last=x>; rel=next"]), query={"last": None}),
        on(CATALOG, catalog_of(VICTIM, "zulu", "alpha", "zulu"), query={"last": "x"}),
        *plain_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
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
async def test_catalog_that_fails_on_a_later_page_is_partial(reply, code, tmp_path):
    """The names so far are published, and the verdict says that there may be more."""
    script = [
        on(CATALOG, catalog_of("alpha", "zulu", links=["<?last=zulu>; rel=next"]), query={"last": None}),
        on(CATALOG, reply),
        *plain_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl_snapshot(server, tmp_path, limits=ONCE)
    assert snapshot.manifest["verdict"] == "partial"
    (reason,) = snapshot.manifest["reasons"]
    assert code in reason
    assert is_one_line(reason)
    assert snapshot.manifest["discovery"]["complete"] is False
    assert snapshot.manifest["discovery"]["pages"] == 1
    assert snapshot.outcomes == {"alpha": "ok", "zulu": "ok"}


@cases(
    "reply kind message",
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
async def test_catalog_that_fails_on_the_first_page_ends_the_run(reply, kind, message, tmp_path):
    async with serve([on(CATALOG, reply), *plain_registry()]) as server:
        error = await crawl_fails(server, tmp_path, limits=ONCE)
    assert isinstance(error, kind)
    assert message in str(error)


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
async def test_page_size_is_lowered_until_the_server_accepts_it(status, granted, asked, tmp_path):
    fine = plain_registry()
    catalog = next(entry.reply for entry in fine if entry.match.path == CATALOG)
    script = [on(CATALOG, catalog, query={"n": granted}), on(CATALOG, Reply(status=status)), *fine]
    async with serve(script) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    assert [page.query.get("n", [None])[0] for page in server.asked(CATALOG)] == asked
    assert snapshot.manifest["verdict"] == "complete"
    assert_others_whole(snapshot, but="")


async def test_page_size_is_not_lowered_for_ever(tmp_path):
    """A 400 that has another cause ends the run after the last, smallest size."""
    async with serve([on(CATALOG, refusal(400, "UNSUPPORTED", "no")), *plain_registry()]) as server:
        error = await crawl_fails(server, tmp_path)
    assert "UNSUPPORTED" in str(error)
    assert len(server.asked(CATALOG)) == 3


INVALID_NAMES = {
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


@cases("name escaped", INVALID_NAMES)
async def test_name_that_is_invalid_is_recorded_and_never_requested(name, escaped, tmp_path):
    """The invalid name has a record, escaped; the names beside it are listed as usual."""
    async with serve([on(CATALOG, catalog_of("alpha", name, VICTIM, "zulu")), *plain_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    assert snapshot.outcomes == {escaped: "invalid", "alpha": "ok", VICTIM: "ok", "zulu": "ok"}
    assert snapshot.by_name[escaped]["error"]["code"] == "NAME_INVALID"
    assert snapshot.manifest["verdict"] == "complete"
    assert sorted(asked.target for asked in server.requests) == sorted(
        ["/v2/", f"{CATALOG}?n=1000", *map(listing_path, REPOSITORIES)]
    )
