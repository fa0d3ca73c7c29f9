"""A fresh token that is refused: tried once more after its first second, where time may be what it is refused for."""

import re

import pytest
from support.bearer_auth import bearer, scope_of
from support.fake_clock import Time
from support.scripted import REPOSITORIES, challenge, document, listing_path, on, refusal, serve, token_registry
from support.snapshots import read_snapshot

import crawler
from crawler.auth.bearer import CLOCK_SKEW_S
from crawler.auth.challenge import ANONYMOUS
from crawler.wire.challenge import parse_challenges

pytestmark = pytest.mark.usefixtures("few_authorities")

VICTIM = "team/victim"
LISTING = listing_path(VICTIM)
SCOPE = scope_of(VICTIM)
GRANTED = document({"token": "minted-{count}", "expires_in": 300})


async def renewals(authorization, *, error: str = "", asked_after: float = 0.0, time: Time) -> list[str | None]:
    """Every header that a question is asked with until nothing is left to try."""
    said = f'Bearer realm="https://x/token"{f",error={chr(34)}{error}{chr(34)}" if error else ""}'
    shown: list[str | None] = [await authorization.header(SCOPE)]
    while (header := await authorization.renewed(SCOPE, shown, parse_challenges([said]))) is not None:
        time.now += asked_after
        shown.append(header)
    return shown


@pytest.mark.parametrize("error", ["invalid_token", ""])
async def test_fresh_token_is_tried_once_more_after_its_first_second(error):
    time = Time()
    async with serve([on("/token", GRANTED)]) as server, bearer(server, ANONYMOUS, time, time.sleep) as authorization:
        shown = await renewals(authorization, error=error, time=time)
    assert shown == ["Bearer minted-1", "Bearer minted-2", "Bearer minted-2"]
    assert time.slept == [CLOCK_SKEW_S]


async def test_fresh_token_that_the_server_gives_twice_is_tried_once_more_all_the_same():
    time, same = Time(), document({"token": "minted", "expires_in": 300})
    async with serve([on("/token", same)]) as server, bearer(server, ANONYMOUS, time, time.sleep) as authorization:
        shown = await renewals(authorization, error="invalid_token", time=time)
    assert shown == ["Bearer minted", "Bearer minted"]
    assert time.slept == [CLOCK_SKEW_S]


async def test_fresh_token_of_too_little_scope_is_not_waited_for():
    time = Time()
    async with serve([on("/token", GRANTED)]) as server, bearer(server, ANONYMOUS, time, time.sleep) as authorization:
        shown = await renewals(authorization, error="insufficient_scope", time=time)
    assert shown == ["Bearer minted-1", "Bearer minted-2"]
    assert time.slept == []


async def test_fresh_token_that_is_older_than_a_second_is_not_waited_for():
    time = Time()
    async with serve([on("/token", GRANTED)]) as server, bearer(server, ANONYMOUS, time, time.sleep) as authorization:
        shown = await renewals(authorization, asked_after=2 * CLOCK_SKEW_S, time=time)
    assert shown == ["Bearer minted-1", "Bearer minted-2"]
    assert time.slept == []


async def test_fresh_tokens_are_not_waited_for_any_more_where_it_never_helped():
    time = Time()
    async with serve([on("/token", GRANTED)]) as server, bearer(server, ANONYMOUS, time, time.sleep) as authorization:
        for _ in range(10):
            await renewals(authorization, time=time)
    assert len(time.slept) == 3


async def test_fresh_token_that_a_slow_clock_refuses_opens_its_repository(tmp_path):
    """docker/hub-feedback#647: `nbf` is a second ahead of the server's clock."""
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
