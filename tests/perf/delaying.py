"""A registry that answers each exchange so many milliseconds later, cheap enough for thousands a second.

Also a program: `python -m perf.delaying`, which says the port it listens on, and ends with its standard input.
"""

import argparse
import asyncio
import re
import ssl
import subprocess
import sys
import time
import urllib.request
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

import orjson
import uvloop
from support.distribution.certificates import Certificates

from perf import inventory
from perf.measure import program, surroundings

SEEN: Final = "/seen"
"""The path of the diary, which is served without delay and not counted."""

Scheme = Literal["basic", "bearer"]
"""What the registry's challenge asks for. With `bearer` the registry issues the tokens itself."""

_HOST: Final = re.compile(rb"\r\nhost: *([^\r]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The monotonic times of requests and responses of one kind, in order."""

    arrived: list[float]
    answered: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diary:
    """All requests since the registry was started."""

    listings: Seen
    others: Seen

    @property
    def delay_s(self) -> float:
        """What an exchange really waited for its answer: a timer is good to a millisecond, which is 2 % of 50."""
        listings = self.listings
        return (sum(listings.answered) - sum(listings.arrived)) / len(listings.answered)


class Delaying:
    """A running registry. Made by `delaying`."""

    def __init__(self, host: str) -> None:
        self.host = host

    def diary(self) -> Diary:
        with urllib.request.urlopen(f"http://{self.host}{SEEN}") as reply:
            told = orjson.loads(reply.read())
        return Diary(listings=Seen(**told["listings"]), others=Seen(**told["others"]))


@contextmanager
def delaying(
    *,
    repositories: int,
    listing: str,
    delay_s: float,
    certificates: Certificates | None = None,
    challenge: Scheme | None = None,
) -> Iterator[Delaying]:
    """A registry in a process of its own, until the block ends."""
    options = [f"--repositories={repositories}", f"--listing={listing}", f"--delay={delay_s}"]
    if challenge is not None:
        options.append(f"--challenge={challenge}")
    if certificates is not None:
        options += [f"--certificate={certificates.certificate_file}", f"--key={certificates.key_file}"]
    command = program("delaying", *options)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=surroundings()
    ) as process:
        try:
            assert process.stdout is not None
            yield Delaying(f"127.0.0.1:{process.stdout.readline().strip()}")
        finally:
            process.terminate()


class _Noted:
    def __init__(self) -> None:
        self.arrived = array("d")
        self.answered = array("d")

    def told(self) -> dict[str, list[float]]:
        return {"arrived": self.arrived.tolist(), "answered": self.answered.tolist()}


class _Registry:
    def __init__(self, repositories: int, listing: str, delay_s: float, challenge: Scheme | None) -> None:
        self.delay_s = delay_s
        self.listings = _Noted()
        self.others = _Noted()
        self._repositories = repositories
        self._folder = f"/v2/{inventory.FOLDER}/tags/list".encode()
        self._challenge = challenge
        self._ping = _reply(b"{}")
        self._token = _reply(inventory.TOKEN)
        self._listing = _reply(inventory.listing(listing))

    def answer(self, head: bytes) -> tuple[bytes, _Noted | None]:
        target = head.split(b" ", 2)[1]
        path = target.partition(b"?")[0]
        if path == self._folder:
            return _reply(inventory.folder_listing(self._repositories)), self.others
        if path.endswith(b"/tags/list"):
            return self._listing, self.listings
        if path == b"/v2/_catalog":
            page = int(target.partition(b"&page=")[2] or 0)
            link = inventory.next_link(self._repositories, page)
            return _reply(inventory.catalog_page(self._repositories, page), link), self.others
        if path == b"/v2/token":
            return self._token, self.others
        if path == SEEN.encode():
            told = {"listings": self.listings.told(), "others": self.others.told()}
            return _reply(orjson.dumps(told)), None
        if self._challenge is not None and f"authorization: {self._challenge} ".encode() not in head.lower():
            return _refusal(self._challenge, _HOST.findall(head)[0].decode()), self.others
        return self._ping, self.others


def _reply(body: bytes, link: str | None = None) -> bytes:
    return _response("200 OK", body, *(() if link is None else (f"Link: {link}",)))


def _refusal(scheme: Scheme, host: str) -> bytes:
    realm = f"http://{host}/v2/token" if scheme == "bearer" else "bench"
    challenge = f'WWW-Authenticate: {scheme.title()} realm="{realm}",service="bench"'
    return _response("401 Unauthorized", b'{"errors":[{"code":"UNAUTHORIZED"}]}', challenge)


def _response(status: str, body: bytes, *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers)
    return "\r\n".join([*lines, "", ""]).encode() + body


class _Connection(asyncio.Protocol):
    """One client's. It asks by GET, and the next thing only after it was answered, as every client here does."""

    def __init__(self, registry: _Registry, loop: asyncio.AbstractEventLoop) -> None:
        self._registry = registry
        self._loop = loop
        self._asked = b""
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:  # uvloop's transport is not an asyncio.Transport
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._asked += data
        if not self._asked.endswith(b"\r\n\r\n"):
            return
        asked, self._asked = self._asked, b""
        reply, noted = self._registry.answer(asked)
        if noted is not None:
            noted.arrived.append(time.monotonic())
        if noted is None or not self._registry.delay_s:
            self._write(reply, noted)
        else:
            self._loop.call_later(self._registry.delay_s, self._write, reply, noted)

    def _write(self, reply: bytes, noted: _Noted | None) -> None:
        if self._transport.is_closing():  # the client has been stopped
            return
        self._transport.write(reply)
        if noted is not None:
            noted.answered.append(time.monotonic())


async def _serve(wanted: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    registry = _Registry(wanted.repositories, wanted.listing, wanted.delay, wanted.challenge)
    tls = None
    if wanted.certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(wanted.certificate, wanted.key)
    server = await loop.create_server(lambda: _Connection(registry, loop), "127.0.0.1", 0, ssl=tls, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repositories", type=int, required=True)
    parser.add_argument("--listing", required=True)
    parser.add_argument("--delay", type=float, required=True, help="seconds")
    parser.add_argument("--challenge", choices=get_args(Scheme))
    parser.add_argument("--certificate", type=Path)
    parser.add_argument("--key", type=Path)
    uvloop.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
