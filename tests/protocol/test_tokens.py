"""Registry tokens are cached until shortly before they expire, by a clock that only the test moves."""

from collections.abc import AsyncIterator

import anyio
import pytest
from support.bearer_auth import bearer
from support.fake_clock import Time
from support.scripted import ScriptedServer, document, on, serve

from crawler.auth import bearer as bearer_module
from crawler.auth.bearer import BearerAuth
from crawler.auth.credentials import ANONYMOUS


class Tokens:
    """Tokens of a token server that numbers them and lets them live for 300 seconds."""

    def __init__(self, server: ScriptedServer, authenticator: BearerAuth, clock: Time) -> None:
        self.server = server
        self.clock = clock
        self.authenticator = authenticator

    async def get(self, name: str) -> str:
        header = await self.authenticator.header(f"repository:{name}:pull")
        assert header is not None
        return header.removeprefix("Bearer token-")


@pytest.fixture
async def tokens() -> AsyncIterator[Tokens]:
    clock = Time()
    granted = document('{"token": "token-{count}", "expires_in": 300}')
    async with serve([on("/token", granted)]) as server, bearer(server, ANONYMOUS, clock) as authenticator:
        yield Tokens(server, authenticator, clock)


async def test_token_is_cached_until_shortly_before_it_expires(tokens):
    assert await tokens.get("a") == "1"
    tokens.clock.now += 294
    assert await tokens.get("a") == "1"
    tokens.clock.now += 2
    assert await tokens.get("a") == "2"


async def test_token_is_for_one_scope(tokens):
    assert [await tokens.get("a"), await tokens.get("b"), await tokens.get("a")] == ["1", "2", "1"]
    assert [asked.query["scope"] for asked in tokens.server.asked("/token")] == [
        ["repository:a:pull"],
        ["repository:b:pull"],
    ]


async def test_token_request_is_shared_by_concurrent_callers(tokens):
    got = []

    async def call() -> None:
        got.append(await tokens.get("a"))

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(call)
    assert got == ["1"] * 10


async def test_token_that_was_refused_is_renewed_once_for_all_callers(tokens):
    scope = "repository:a:pull"
    refused = await tokens.authenticator.header(scope)
    refreshed = [await tokens.authenticator.refresh(scope, [refused], ()) for _ in range(3)]
    assert refreshed == ["Bearer token-2"] * 3


@pytest.mark.parametrize("leap", [1e9, 3600])
async def test_token_is_renewed_once_after_the_clock_leaps_ahead(tokens, leap):
    assert await tokens.get("a") == "1"
    tokens.clock.now += leap
    assert [await tokens.get("a"), await tokens.get("a")] == ["2", "2"]


async def test_token_cache_drops_the_oldest_at_its_limit(tokens, monkeypatch):
    monkeypatch.setattr(bearer_module, "MAX_TOKENS", 2)
    assert [await tokens.get(name) for name in ("a", "b", "c", "c", "b", "a")] == ["1", "2", "3", "3", "2", "4"]
