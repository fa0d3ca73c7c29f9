"""BearerAuth with a scripted token server, for tests that request tokens themselves."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

from crawler.auth.bearer import BearerAuth, TokenServer
from crawler.auth.credentials import CredentialProvider
from crawler.limiter import AdaptiveLimiter
from crawler.transport.fetch import open_transport
from crawler.transport.retry import RetryPolicy, Timeouts
from crawler.transport.run_limits import RunLimits
from crawler.transport.tls import Certificates
from support.scripted import ScriptedServer

TIMEOUTS = Timeouts(connect_s=5, read_s=5, total_s=5)


@asynccontextmanager
async def bearer(
    server: ScriptedServer,
    credentials: CredentialProvider,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> AsyncIterator[BearerAuth]:
    """Tokens from `/token` of the server, without retries; `clock` gives their age."""
    transport = open_transport(
        user_agent="test",
        limiter=AdaptiveLimiter(concurrency=8, rate=None),
        timeouts=TIMEOUTS,
        limits=RunLimits(RetryPolicy(attempts=1, give_up_s=60)),
        concurrency=8,
        scheme="http",
        certificates=Certificates(),
    )
    async with transport as opened:
        token_server = TokenServer(f"{server.origin}/token", "ours")
        yield BearerAuth(token_server, credentials, opened, clock=clock, sleep=sleep)


def scope_of(repository: str) -> str:
    return f"repository:{repository}:pull"
