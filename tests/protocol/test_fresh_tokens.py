"""A new token that the registry refuses is tried once more after a second, where the clocks may be the cause."""

import re

import pytest
from support.bearer_auth import bearer, scope_of
from support.fake_clock import Time
from support.scripted import REPOSITORIES, challenge, document, listing_path, on, refusal, serve, token_registry
from support.snapshots import read_snapshot

import crawler
from crawler.auth.bearer import CLOCK_SKEW_S
from crawler.auth.credentials import ANONYMOUS
from crawler.wire.challenge import parse_challenges

pytestmark = pytest.mark.usefixtures("few_authorities")

REPOSITORY = "team/victim"
LISTING = listing_path(REPOSITORY)
SCOPE = scope_of(REPOSITORY)
NEW_TOKEN = document({"token": "minted-{count}", "expires_in": 300})


async def headers_tried(authenticator, *, error: str = "", response_takes: float = 0.0, time: Time) -> list[str | None]:
    """Every header that one request is sent with until nothing is left to try."""
    challenge_header = f'Bearer realm="https://x/token"{f",error={chr(34)}{error}{chr(34)}" if error else ""}'
    headers: list[str | None] = [await authenticator.header(SCOPE)]
    while (header := await authenticator.refresh(SCOPE, headers, parse_challenges([challenge_header]))) is not None:
        time.now += response_takes
        headers.append(header)
    return headers


@pytest.mark.parametrize("error", ["invalid_token", ""])
async def test_new_token_is_tried_once_more_after_a_second(error):
    time = Time()
    async with serve([on("/token", NEW_TOKEN)]) as server, bearer(server, ANONYMOUS, time, time.sleep) as authenticator:
        headers = await headers_tried(authenticator, error=error, time=time)
    assert headers == ["Bearer minted-1", "Bearer minted-2", "Bearer minted-2"]
    assert time.slept == [CLOCK_SKEW_S]


async def test_new_token_that_the_token_server_caches_is_tried_once_more():
    time, same = Time(), document({"token": "minted", "expires_in": 300})
    async with serve([on("/token", same)]) as server, bearer(server, ANONYMOUS, time, time.sleep) as authenticator:
        headers = await headers_tried(authenticator, error="invalid_token", time=time)
    assert headers == ["Bearer minted", "Bearer minted"]
    assert time.slept == [CLOCK_SKEW_S]


async def test_new_token_with_insufficient_scope_is_not_waited_for():
    time = Time()
    async with serve([on("/token", NEW_TOKEN)]) as server, bearer(server, ANONYMOUS, time, time.sleep) as authenticator:
        headers = await headers_tried(authenticator, error="insufficient_scope", time=time)
    assert headers == ["Bearer minted-1", "Bearer minted-2"]
    assert time.slept == []


async def test_new_token_that_is_older_than_a_second_is_not_waited_for():
    time = Time()
    async with serve([on("/token", NEW_TOKEN)]) as server, bearer(server, ANONYMOUS, time, time.sleep) as authenticator:
        headers = await headers_tried(authenticator, response_takes=2 * CLOCK_SKEW_S, time=time)
    assert headers == ["Bearer minted-1", "Bearer minted-2"]
    assert time.slept == []


async def test_new_tokens_are_no_longer_waited_for_where_it_never_helped():
    time = Time()
    async with serve([on("/token", NEW_TOKEN)]) as server, bearer(server, ANONYMOUS, time, time.sleep) as authenticator:
        for _ in range(10):
            await headers_tried(authenticator, time=time)
    assert len(time.slept) == 3


async def test_new_token_that_a_slow_clock_refuses_lists_its_repository(tmp_path):
    """docker/hub-feedback#647: a token's `nbf` is a second ahead of the clock of the server that checks it."""
    name, value = challenge("{origin}/token")
    early = refusal(401, "UNAUTHORIZED", "not yet valid", (name, f'{value},error="invalid_token"'))
    second = f"Bearer {re.escape('minted-')}.*"
    script = [on(LISTING, early, headers={"Authorization": second}, times=2), *token_registry()]
    async with serve(script) as server:
        table = {"target": server.host, "auth": {"method": "anonymous"}}
        await crawler.crawl(crawler.Config(registry=[table], output={"path": tmp_path}, limits={"attempts": 1}))
        assert len(server.asked(LISTING)) == 3
        assert server.asked(LISTING)[1].authorization == server.asked(LISTING)[2].authorization
    assert read_snapshot(tmp_path).outcomes == dict.fromkeys(REPOSITORIES, "ok")
