"""An aiohttp application on a free port of the loopback, for servers that compute the response from the request."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def serving_app(app: web.Application, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve the application while the block lasts; yields HOST:PORT. At the end, idle connections close at once."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        host, port = runner.addresses[0][:2]
        yield f"{host}:{port}"
    finally:
        await runner.cleanup()
