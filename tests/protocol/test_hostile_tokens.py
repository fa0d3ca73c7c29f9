"""Token servers and refused credentials: one bad token costs one repository, and credentials are not repeated."""

from typing import Any

import pytest
from support.hostile_servers import (
    CATALOG,
    LISTING,
    MIB,
    SILENCED,
    UNREACHED,
    VICTIM,
    VICTIM_SCOPE,
    WITH_PASSWORD,
    Expected,
    assert_others_whole,
    cases,
    catalog_of,
    crawl_fails,
    crawl_snapshot,
)
from support.scripted import (
    Ending,
    Framing,
    Reply,
    basic_registry,
    challenge,
    document,
    dropped,
    gzipped,
    html,
    on,
    redirect,
    refusal,
    serve,
    silent,
    to_token,
    token_registry,
)

import crawler

pytestmark = pytest.mark.usefixtures("few_authorities")


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
async def test_token_with_an_invalid_lifetime_serves_both_pages(lifetime, tmp_path):
    """An invalid lifetime becomes the default of a minute, a long one is cut: the token is used for both pages."""
    page = catalog_of("alpha", links=["<?last=c>; rel=next"])
    script = [
        on("/token", document(b'{"token": "minted-odd", "expires_in": %b}' % lifetime), query={"scope": "registry:.*"}),
        on(CATALOG, page, query={"last": None}, headers={"Authorization": "Bearer minted-odd"}),
        on(CATALOG, catalog_of(VICTIM, "zulu"), query={"last": "c"}, headers={"Authorization": "Bearer minted-odd"}),
        *token_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
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
async def test_token_in_an_unusual_response_is_used(reply, tmp_path):
    script = [on("/token", reply, query={"scope": VICTIM_SCOPE}), *token_registry()]
    async with serve(script) as server:
        snapshot = await crawl_snapshot(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"
    assert_others_whole(snapshot, but="")
    assert server.asked(LISTING)[0].authorization == "Bearer minted-odd"


@cases(
    "reply",
    {"answers-500-once": Reply(status=500), "answers-429-once": Reply(status=429, headers=(("Retry-After", "0"),))},
)
async def test_token_request_is_retried_after_one_failure(reply, tmp_path):
    async with serve([on("/token", reply, query={"scope": VICTIM_SCOPE}, times=1), *token_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"
    assert_others_whole(snapshot, but="")
    assert len(server.asked("/token", **to_token(VICTIM))) == 2


LARGE = "minted-" + "x" * MIB


BAD_TOKENS = {
    "answers-without-a-token": (document({"expires_in": 300}), Expected()),
    "answers-a-token-that-is-null": (document({"token": None}), Expected()),
    "answers-a-token-that-is-a-number": (document({"token": 7}), Expected()),
    "answers-a-token-with-a-newline": (document({"token": "minted-\r\nX-Injected: 1"}), Expected()),
    "answers-a-token-with-nul": (document({"token": "minted-\x00"}), Expected()),
    "answers-a-token-in-other-letters": (document({"token": "minted-\u0430"}), Expected()),
    "answers-html": (html(), Expected()),
    "answers-brackets-100k-deep": (document(b'{"token": ' + b"[" * 100_000), Expected()),
    "answers-a-token-of-a-megabyte": (document({"token": LARGE}), Expected(code="TOO_LARGE")),
    "answers-a-token-that-inflates-to-64-mib": (
        gzipped(document(b'{"token": "%b"}' % (b"x" * (64 * MIB)))),
        Expected(code="TOO_LARGE"),
    ),
    "answers-a-token-without-end": (
        Reply(body=b"x" * 65536, framing=Framing.CHUNKED, ending=Ending.ENDLESS),
        Expected(code="TOO_LARGE"),
    ),
    "answers-401": (
        refusal(401, "UNAUTHORIZED", "incorrect username or password"),
        Expected(outcome="denied", code="UNAUTHORIZED", status=401, message="incorrect username"),
    ),
    "answers-403-with-html": (
        html(403, "Too many failures"),
        Expected(outcome="denied", code="HTTP_403", status=403, message="Too many failures"),
    ),
    "answers-400-as-oauth2-does": (
        document({"error": "invalid_scope", "error_description": "no\x1b[2J"}, status=400),
        Expected(code="invalid_scope", status=400, message="no\\x1b[2J"),
    ),
    "answers-404": (Reply(status=404), Expected(code="HTTP_404", status=404, requests=2)),
    "answers-501": (Reply(status=501), Expected(code="HTTP_501", status=501)),
    "answers-500-for-ever": (Reply(status=500), Expected(code="HTTP_500", status=500, requests=2)),
    "drops-every-connection": (dropped(), UNREACHED),
    "never-answers": (silent(), SILENCED),
    "redirects-to-the-metadata-address": (
        redirect("http://169.254.169.254/"),
        Expected(code="FORBIDDEN_ADDRESS", status=None),
    ),
    "redirects-to-a-file": (redirect("file:///etc/passwd"), Expected(code="REDIRECT", status=307)),
}


@cases("reply expected", BAD_TOKENS)
async def test_token_failure_costs_one_repository(reply, expected, tmp_path):
    """The listing is not requested without a token; the other repositories are whole."""
    script = [on("/token", reply, query={"scope": VICTIM_SCOPE}), *token_registry()]
    async with serve(script) as server:
        snapshot = await crawl_snapshot(server, tmp_path, **WITH_PASSWORD)
    record = snapshot.by_name[VICTIM]
    assert record["outcome"] == expected.outcome
    assert (record["error"]["code"], record["error"]["http_status"]) == (expected.code, expected.status)
    assert expected.message in record["error"]["message"]
    assert len(server.asked("/token", **to_token(VICTIM))) in expected.request_counts
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
async def test_token_failure_for_the_catalog_ends_the_run(reply, kind, tmp_path):
    async with serve([on("/token", reply), *token_registry()]) as server:
        error = await crawl_fails(server, tmp_path, **WITH_PASSWORD)
    assert isinstance(error, kind)
    assert server.asked(CATALOG) == []


async def test_token_that_is_refused_is_replaced_once(tmp_path):
    """A revoked token, or a wrong clock, looks like this."""
    refused = refusal(401, "UNAUTHORIZED", "expired", challenge("{origin}/token"))
    script = [on(LISTING, refused, times=1), *token_registry()]
    async with serve(script) as server:
        snapshot = await crawl_snapshot(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"
    assert_others_whole(snapshot, but="")
    assert len(server.asked("/token", **to_token(VICTIM))) == 2
    first, second = server.asked(LISTING)
    assert first.authorization != second.authorization


async def test_token_with_too_little_scope_is_replaced_once(tmp_path):
    """A token proves no access: one new token is tried, and not more."""
    name, value = challenge("{origin}/token")
    refused = refusal(401, "UNAUTHORIZED", "insufficient scope", (name, f'{value},error="insufficient_scope"'))
    async with serve([on(LISTING, refused), *token_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path, **WITH_PASSWORD)
    record = snapshot.by_name[VICTIM]
    assert (record["outcome"], record["error"]["code"]) == ("denied", "UNAUTHORIZED")
    assert len(server.asked("/token", **to_token(VICTIM))) == 2
    assert len(server.asked(LISTING)) == 2
    assert_others_whole(snapshot)
    assert snapshot.manifest["verdict"] == "partial"


async def test_password_that_is_refused_is_sent_once(tmp_path):
    """A password does not expire: to send it again is useless, and counts as a failed login."""
    script = [on(LISTING, refusal(401, "UNAUTHORIZED", "no")), *basic_registry()]
    async with serve(script) as server:
        snapshot = await crawl_snapshot(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.outcomes[VICTIM] == "denied"
    assert len(server.asked(LISTING)) == 1
    assert_others_whole(snapshot)


async def test_lockout_guard_stops_repeating_refused_credentials(tmp_path):
    """Refused credentials are not sent again for each of the repositories."""
    many = {f"repository-{index}": ("latest",) for index in range(60)}
    refused = refusal(401, "UNAUTHORIZED", "incorrect username or password")
    script = [on("/token", refused, query={"scope": "repository:.*"}), *token_registry(many)]
    async with serve(script) as server:
        error = await crawl_fails(server, tmp_path, **WITH_PASSWORD)
    assert isinstance(error, crawler.GaveUp)
    assert len(server.asked("/token")) < 30
