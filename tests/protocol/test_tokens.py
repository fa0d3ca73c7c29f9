"""Registry tokens: kept until shortly before their end, by a clock that only the test moves."""

from collections.abc import AsyncIterator

import anyio
import pytest
from support.bearer_auth import bearer
from support.scripted import ScriptedServer, document, on, serve

from crawler.auth import bearer as bearer_module
from crawler.auth.bearer import BearerAuth
from crawler.auth.challenge import ANONYMOUS


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Tokens:
    """An authorization by a token server whose tokens are numbered, and live for 300 seconds."""

    def __init__(self, server: ScriptedServer, authorization: BearerAuth, clock: Clock) -> None:
        self.server = server
        self.clock = clock
        self.authorization = authorization

    async def of(self, name: str) -> str:
        header = await self.authorization.header(f"repository:{name}:pull")
        assert header is not None
        return header.removeprefix("Bearer token-")


@pytest.fixture
async def tokens() -> AsyncIterator[Tokens]:
    clock = Clock()
    granted = document('{"token": "token-{count}", "expires_in": 300}')
    async with serve([on("/token", granted)]) as server, bearer(server, ANONYMOUS, clock) as authorization:
        yield Tokens(server, authorization, clock)


async def test_a_token_is_kept_until_shortly_before_its_end(tokens):
    assert await tokens.of("a") == "1"
    tokens.clock.now += 294
    assert await tokens.of("a") == "1"
    tokens.clock.now += 2
    assert await tokens.of("a") == "2"


async def test_each_scope_has_a_token_of_its_own(tokens):
    assert [await tokens.of("a"), await tokens.of("b"), await tokens.of("a")] == ["1", "2", "1"]
    assert [asked.query["scope"] for asked in tokens.server.asked("/token")] == [
        ["repository:a:pull"],
        ["repository:b:pull"],
    ]


async def test_concurrent_needs_of_one_scope_share_one_request(tokens):
    got = []

    async def need() -> None:
        got.append(await tokens.of("a"))

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(need)
    assert got == ["1"] * 10


async def test_a_refused_token_is_renewed_once_and_for_all_who_were_refused_with_it(tokens):
    scope = "repository:a:pull"
    refused = await tokens.authorization.header(scope)
    renewed = [await tokens.authorization.renewed(scope, [refused], ()) for _ in range(3)]
    assert renewed == ["Bearer token-2"] * 3


@pytest.mark.parametrize("leap", [1e9, 3600])
async def test_a_clock_that_leaps_ahead_costs_a_renewal(tokens, leap):
    assert await tokens.of("a") == "1"
    tokens.clock.now += leap
    assert [await tokens.of("a"), await tokens.of("a")] == ["2", "2"]


async def test_the_oldest_tokens_go_where_there_are_too_many(tokens, monkeypatch):
    monkeypatch.setattr(bearer_module, "KEPT_TOKENS", 2)
    assert [await tokens.of(name) for name in ("a", "b", "c", "c", "b", "a")] == ["1", "2", "3", "3", "2", "4"]
