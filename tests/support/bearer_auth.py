"""Bearer authorization by a scripted token server, for tests that ask for tokens themselves."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

from crawler.auth.bearer import BearerAuth, TokenServer
from crawler.auth.credentials import CredentialProvider
from crawler.limiter import Limiter
from crawler.transport.fetch import open_transport
from crawler.transport.retry import RetryPolicy
from crawler.transport.tls import Certificates
from support.scripted import ScriptedServer

PATIENCE = RetryPolicy(attempts=1, connect_s=5, read_s=5, total_s=5, give_up_s=60)


@asynccontextmanager
async def bearer(
    server: ScriptedServer,
    credentials: CredentialProvider,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> AsyncIterator[BearerAuth]:
    """Asks `/token` of the server, one try each, and reads the age of tokens from `clock`."""
    transport = open_transport(
        user_agent="test",
        pace=Limiter(concurrency=8, starts=None),
        policy=PATIENCE,
        concurrency=8,
        scheme="http",
        certificates=Certificates(),
    )
    async with transport as opened:
        token_server = TokenServer(f"{server.origin}/token", "ours")
        yield BearerAuth(token_server, credentials, opened, clock=clock, sleep=sleep)


def scope_of(repository: str) -> str:
    return f"repository:{repository}:pull"
