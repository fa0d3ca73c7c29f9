"""How an emulator starts and stops."""

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
from crawler.emulator.faults import Weather
from crawler.emulator.inventory import Inventory
from crawler.emulator.middleware import Exchanges
from crawler.emulator.server import Registry
from crawler.emulator.settings import Settings

_BACKLOG = 1024  # a crawl opens its connections all at once
_LAST_ANSWERS_S = 1.0  # for exchanges under way when the emulator stops


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """A registry that is being served.

    registry: its host:port, over plain http.
    key: the JSON key of the one service account it knows.
    counts: exchanges received so far, failed ones included, by kind: ping, catalog, token, listing, api,
        oauth; besides, those answered with 429 (throttled), those spoilt on purpose (faults), and the most
        that arrived in any one second (busiest_second; OAuth and the APIs aside).
    """

    registry: str
    key: dict[str, str]
    inventory: Inventory
    counts: Mapping[str, int]

    def write_key(self, path: Path) -> None:
        """Writes the key file, readable by its owner only. Raises OSError."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)  # the file may have been there with a mode of its own
            file.write(orjson.dumps(self.key, option=orjson.OPT_INDENT_2))


@asynccontextmanager
async def serving(settings: Settings, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Emulator]:
    """Serves an emulated registry for as long as the context lasts.

    `host` is a name or an IPv4 address, and what the key calls the registry, and challenges too unless the settings
    have an origin; port 0 takes a free port. Raises OSError if it cannot listen.
    """
    with socket.create_server((host, port), backlog=_BACKLOG) as listener:
        address = f"{host}:{listener.getsockname()[1]}"
        inventory = await asyncio.to_thread(Inventory, settings)
        account = await asyncio.to_thread(new_account, project=settings.project, registry=address)
        exchanges = Exchanges(Weather(settings))
        registry = Registry(settings, address=address, inventory=inventory, account=account)
        runner = web.AppRunner(registry.application(exchanges), access_log=None, shutdown_timeout=_LAST_ANSWERS_S)
        try:
            await runner.setup()
            await web.SockSite(runner, listener, backlog=_BACKLOG).start()
            yield Emulator(
                registry=address,
                key=account.key,
                inventory=inventory,
                counts=MappingProxyType(exchanges.counts),
            )
        finally:
            await runner.cleanup()


async def serve_until_stopped(
    settings: Settings, *, host: str, port: int, key_file: Path, announce: Callable[[Emulator], None]
) -> None:
    """Serves until SIGINT, SIGTERM or cancellation; `announce` is called once the key file is written.

    To be run in the main thread, where signals arrive. Raises OSError as `serving` and `write_key` do.
    """
    stopped = asyncio.Event()
    with _signals_setting(stopped):
        async with serving(settings, host=host, port=port) as emulator:
            emulator.write_key(key_file)
            announce(emulator)
            await stopped.wait()


@contextmanager
def _signals_setting(stopped: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, stopped.set)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
