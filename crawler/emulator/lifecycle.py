"""Start and stop an emulator."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import orjson
from aiohttp import web

from crawler.emulator.accounts import new_account
from crawler.emulator.faults import FaultInjector
from crawler.emulator.inventory import Inventory
from crawler.emulator.middleware import ExchangeMiddleware
from crawler.emulator.server import Registry
from crawler.emulator.settings import Settings

_BACKLOG = 1024  # a crawl opens all its connections at once; the default of 128 would drop some of them
_SHUTDOWN_TIMEOUT_S = 1.0  # for exchanges in progress when the emulator stops


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """A running emulator.

    registry: host:port, served over plain http.
    key: the JSON key of its only service account.
    inventory: what the registry holds.
    counts: exchanges so far, failed ones included, by kind: ping, catalog, token, listing, manifest, blob, referrers,
        api, oauth. A blob that is redirected counts twice. In addition: throttled (responses with 429), faults
        (exchanges that failed on purpose), and busiest_second (the most exchanges with the registry in any one second,
        without OAuth and the APIs).
    """

    registry: str
    key: dict[str, str]
    inventory: Inventory
    counts: Mapping[str, int]

    def write_key(self, path: Path) -> None:
        """Write the key file, readable by its owner only. Raises OSError."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)  # an existing file keeps its own mode on open()
            file.write(orjson.dumps(self.key, option=orjson.OPT_INDENT_2))


@asynccontextmanager
async def serving(settings: Settings, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Emulator]:
    """Serve an emulated registry while the context is open. Raises OSError if it cannot listen.

    host: a name or an IPv4 address to listen on. The key file uses it for token_uri; challenges use it for the realm,
        unless the settings have an origin.
    port: 0 picks a free port.
    """
    with socket.create_server((host, port), backlog=_BACKLOG) as listener:
        address = f"{host}:{listener.getsockname()[1]}"
        inventory = await asyncio.to_thread(Inventory, settings)
        account = await asyncio.to_thread(new_account, project=settings.project, registry=address)
        middleware = ExchangeMiddleware(FaultInjector(settings))
        registry = Registry(settings, address=address, inventory=inventory, account=account)
        runner = web.AppRunner(registry.application(middleware), access_log=None, shutdown_timeout=_SHUTDOWN_TIMEOUT_S)
        try:
            await runner.setup()
            await web.SockSite(runner, listener, backlog=_BACKLOG).start()
            yield Emulator(
                registry=address,
                key=account.key,
                inventory=inventory,
                counts=MappingProxyType(middleware.counts),
            )
        finally:
            await runner.cleanup()


async def serve_until_stopped(
    settings: Settings, *, host: str, port: int, key_file: Path, announce: Callable[[Emulator], None]
) -> None:
    """Serve until SIGINT, SIGTERM or cancellation; call `announce` once the key file is written.

    Must run in the main thread, where Python delivers signals. Raises OSError as `serving` and `write_key` do.
    """
    stopped = asyncio.Event()
    with _set_on_signals(stopped):
        async with serving(settings, host=host, port=port) as emulator:
            emulator.write_key(key_file)
            announce(emulator)
            await stopped.wait()


@contextmanager
def _set_on_signals(stopped: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, stopped.set)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
