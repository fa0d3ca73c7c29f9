"""Bearer authorization by a scripted token server, for tests that ask for tokens themselves."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
from support.scripted import ScriptedServer

from crawler.auth.bearer import BearerAuthorization, TokenServer
from crawler.auth.credentials import Credentials
from crawler.limiter import Pace
from crawler.transport.fetch import open_transport
from crawler.transport.retry import Patience
from crawler.transport.tls import Certificates

PATIENCE = Patience(attempts=1, connect_s=5, read_s=5, total_s=5, give_up_s=60)


@asynccontextmanager
async def bearer(
    server: ScriptedServer,
    credentials: Credentials,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> AsyncIterator[BearerAuthorization]:
    """Asks `/token` of the server, one try each, and reads the age of tokens from `clock`."""
    transport = open_transport(
        user_agent="test",
        pace=Pace(concurrency=8, starts=None),
        patience=PATIENCE,
        concurrency=8,
        scheme="http",
        certificates=Certificates(),
    )
    async with transport as opened:
        token_server = TokenServer(f"{server.origin}/token", "ours")
        yield BearerAuthorization(token_server, credentials, opened, clock=clock, sleep=sleep)


def scope_of(repository: str) -> str:
    return f"repository:{repository}:pull"
