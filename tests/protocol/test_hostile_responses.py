"""Statuses, headers, connections and delays that go wrong, and what is retried."""

import pytest
from support.hostile_servers import (
    LISTING,
    MIB,
    ONCE,
    SILENCED,
    UNREACHED,
    VICTIM,
    WHOLE,
    Expected,
    assert_listing_fails,
    assert_others_whole,
    cases,
    crawl_fails,
    crawl_snapshot,
)
from support.scripted import (
    Ending,
    Framing,
    Reply,
    document,
    dropped,
    gzipped,
    html,
    on,
    plain_registry,
    raw,
    refusal,
    reset,
    serve,
    silent,
)

pytestmark = pytest.mark.usefixtures("few_authorities")


BAD_STATUSES = {
    "404-with-an-empty-body": (Reply(status=404), Expected(code="HTTP_404", status=404, requests=2)),
    "404-as-an-ingress": (
        Reply(status=404, headers=(("Content-Type", "text/plain"),), body=b"default backend - 404"),
        Expected(code="HTTP_404", status=404, message="default backend - 404", requests=2),
    ),
    "404-with-a-code-of-its-own": (
        refusal(404, "NO_ROUTE", "no route matched"),
        Expected(code="NO_ROUTE", status=404, message="no route matched", requests=2),
    ),
    "404-name-unknown": (
        refusal(404, "NAME_UNKNOWN", "repository name not known to registry"),
        Expected(outcome="missing", code="NAME_UNKNOWN", status=404, message="repository name not known"),
    ),
    "403-with-html": (
        html(403, "Forbidden by the proxy"),
        Expected(outcome="denied", code="HTTP_403", status=403, message="Forbidden by the proxy"),
    ),
    "401-without-a-challenge": (Reply(status=401), Expected(outcome="denied", code="HTTP_401", status=401)),
    "204": (Reply(status=204, framing=Framing.CLOSE), Expected(code="HTTP_204", status=204)),
    "206": (WHOLE.but(status=206), Expected(code="HTTP_206", status=206)),
    "304": (Reply(status=304), Expected(code="HTTP_304", status=304)),
    "418-with-errors-of-wrong-types": (
        document({"errors": [{"code": 5, "message": ["no"]}]}, status=418),
        Expected(code="HTTP_418", status=418),
    ),
    "400-with-errors-as-a-number": (document({"errors": 4}, status=400), Expected(code="HTTP_400", status=400)),
    "501": (Reply(status=501), Expected(code="HTTP_501", status=501)),
    "505": (Reply(status=505), Expected(code="HTTP_505", status=505)),
    "500-for-ever": (Reply(status=500), Expected(code="HTTP_500", status=500, requests=2)),
    "speaks-of-an-unheard-status": (Reply(status=999), Expected(code="HTTP_999", status=999)),
}


@cases("reply expected", BAD_STATUSES)
async def test_status_that_is_no_success_fails_the_repository(reply, expected, tmp_path):
    await assert_listing_fails(reply, expected, tmp_path)


ENDLESS_ERROR_BODIES = {
    "sends-an-error-body-without-end": (
        Reply(status=400, body=b"x" * 8192, framing=Framing.CHUNKED, ending=Ending.ENDLESS),
        Expected(code="HTTP_400", status=400, message="xxx"),
    ),
    "sends-an-error-body-over-the-cap": (
        Reply(status=400, body=b"x" * (64 * 1024 + 1)),
        Expected(code="HTTP_400", status=400, message="xxx"),
    ),
    "sends-an-error-body-that-inflates-over-the-cap": (
        gzipped(Reply(status=400, body=b"x" * (8 * MIB))),
        Expected(code="HTTP_400", status=400, message="xxx"),
    ),
}


@cases("reply expected", ENDLESS_ERROR_BODIES)
async def test_error_body_is_read_up_to_the_cap(reply, expected, tmp_path):
    await assert_listing_fails(reply, expected, tmp_path)


BAD_HEADERS = {
    "speaks-ssh": (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), Expected(code="NOT_HTTP", status=None)),
    "sends-two-content-lengths": (
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
        Expected(code="NOT_HTTP", status=None),
    ),
    "sends-a-negative-content-length": (
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"),
        Expected(code="NOT_HTTP", status=None),
    ),
    "sends-200-headers": (
        WHOLE.with_headers(*((f"X-Flood-{index}", "x") for index in range(200))),
        Expected(code="NOT_HTTP", status=None),
    ),
    "sends-a-header-of-100-kb": (
        WHOLE.with_headers(("X-Flood", "x" * 100_000)),
        Expected(code="NOT_HTTP", status=None),
    ),
    "sends-headers-without-end": (
        Reply(raw=b"HTTP/1.1 200 OK\r\nX: " + b"x" * 8192, ending=Ending.ENDLESS),
        Expected(code="NOT_HTTP", status=None),
    ),
}


@cases("reply expected", BAD_HEADERS)
async def test_header_that_is_no_valid_http_fails_the_repository(reply, expected, tmp_path):
    await assert_listing_fails(reply, expected, tmp_path)


BROKEN_CONNECTIONS = {
    "drops-every-connection": (dropped(), UNREACHED),
    "resets-every-connection": (reset(), UNREACHED),
    "breaks-off-amid-the-headers": (raw(b"HTTP/1.1 200 OK\r\nContent-Type: app"), UNREACHED),
    "promises-more-bytes-than-it-sends": (WHOLE.but(withheld=9), UNREACHED),
    "never-sends-the-last-chunk": (
        WHOLE.but(framing=Framing.CHUNKED, withheld=1, ending=Ending.CLOSED),
        UNREACHED,
    ),
}


@cases("reply expected", BROKEN_CONNECTIONS)
async def test_connection_that_breaks_is_retried_and_fails_the_repository(reply, expected, tmp_path):
    await assert_listing_fails(reply, expected, tmp_path)


TIMEOUTS = {
    "never-answers": (silent(), SILENCED),
    "stops-amid-the-headers": (raw(b"HTTP/1.1 200 OK\r\nContent-Type: app", Ending.SILENT), SILENCED),
    "stops-amid-the-body": (WHOLE.but(withheld=9, ending=Ending.SILENT), SILENCED),
}


@cases("reply expected", TIMEOUTS)
async def test_timeout_of_a_silent_server_is_retried_and_fails_the_repository(reply, expected, tmp_path):
    await assert_listing_fails(reply, expected, tmp_path)


async def test_timeout_total_ends_a_body_that_trickles(tmp_path):
    """Each byte restarts the read timeout, so only the total timeout ends this body."""
    trickle = Reply(body=b" ", framing=Framing.CHUNKED, ending=Ending.ENDLESS, delay_s=0.02)
    async with serve([on(LISTING, trickle), *plain_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path, limits={"total_timeout": 0.3})
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
async def test_timeout_total_ends_headers_that_trickle(reply, tmp_path):
    """The total timeout covers the time before the body as well."""
    async with serve([on(LISTING, reply), *plain_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path, limits={"total_timeout": 0.3})
    assert snapshot.by_name[VICTIM]["error"]["code"] == "TIMEOUT"
    assert "limits.total_timeout" in snapshot.by_name[VICTIM]["error"]["message"]
    assert_others_whole(snapshot)


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
async def test_retry_succeeds_after_one_failure(reply, tmp_path):
    async with serve([on(LISTING, reply, times=1), *plain_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    assert snapshot.manifest["verdict"] == "complete"
    assert_others_whole(snapshot, but="")
    assert len(server.asked(LISTING)) == 2
    assert snapshot.manifest["requests"]["retries"] == 1
    assert snapshot.manifest["requests"]["throttled"] == (reply.status == 429)


async def test_retry_after_429_ends_after_ten_times_the_attempts(tmp_path):
    """A throttled request is retried ten times as often as a failed one, but not for ever."""
    reply = refusal(429, "TOOMANYREQUESTS", "slow down", ("Retry-After", "0"))
    async with serve([on(LISTING, reply), *plain_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path, limits={**ONCE, "give_up_after": 30})
    record = snapshot.by_name[VICTIM]
    assert record["error"] == {"code": "TOOMANYREQUESTS", "http_status": 429, "message": "slow down"}
    assert len(server.asked(LISTING)) >= 2 * 10
    assert snapshot.manifest["requests"]["throttled"] == len(server.asked(LISTING))
    assert_others_whole(snapshot)


async def test_header_set_cookie_is_ignored(tmp_path):
    """A session that one response begins must not affect the next response."""
    cookie = ("Set-Cookie", "session=stolen; Path=/")
    script = [on("/v2/", document({}, cookie)), *plain_registry()]
    async with serve(script) as server:
        await crawl_snapshot(server, tmp_path)
    assert not [asked for asked in server.requests if "cookie" in asked.headers]


@cases(
    "reply message",
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
async def test_ping_failure_ends_the_run(reply, message, tmp_path):
    async with serve([on("/v2/", reply)]) as server:
        error = await crawl_fails(server, tmp_path, limits=ONCE)
    assert message in str(error)
    assert set(server.paths) == {"/v2/"}
