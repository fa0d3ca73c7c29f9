"""The memory of a crawl: it hardly grows with the number of repositories, or with what was read of them."""

import asyncio
import gc
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from threading import Thread
from typing import Any

import anyio
import orjson
import pytest
from support.depth_crawls import deep_crawl
from support.scripted import on, plain_registry, refusal, serve
from support.scripted_images import blobs, child, config, image, index, manifests

import crawler
from crawler.inspect.images_in_memory import MAX_IMAGES_IN_HAND
from crawler.inspect.reading import Facts

FEW, MANY = 999, 49_950  # the catalog's only page is not full, which would cost an exchange more

CATALOG_PAGE = 1_000
TAGS = [f"1.{n}.0-build.{n * 7919}" for n in range(8)]
TOKEN = "t" * 800  # about as long as those of registries are


# Measured: 12 MB, most of it for names, which must be unique; and 20 MB with tokens, of which 8,192 are kept.
# With mistakes: 42 MB with every repository's tags kept in a list, 58 MB with every record, 61 MB with every token,
# 199 MB with a task for each repository.
MAX_GROWTH_MB = 30.0


GIANTS = ["giant-one", "giant-two"]
IMAGE = image(config("base"), "base")


PEAK_OF = """
import os, sys

pid = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[1:]], os.environ)
_, status, usage = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""
"""A small process that starts the measured one: the kernel never reports a child's peak below its parent's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cheap:
    """A registry that takes next to no time and keeps no state."""

    repositories: int
    wants_tokens: bool

    def answer(self, target: str, host: str, *, has_token: bool) -> bytes:
        path, _, query = target.partition("?")
        if path == "/token":
            return _response({"token": TOKEN, "expires_in": 3600})
        if self.wants_tokens and not has_token:
            challenge = f'WWW-Authenticate: Bearer realm="http://{host}/token",service="cheap"\r\n'
            return _response({"errors": []}, challenge, status="401 Unauthorized")
        if path == "/v2/":
            return _response({})
        if path == "/v2/_catalog":
            return self._catalog(int(query.rpartition("last=")[2]) if "last=" in query else 0)
        return _response({"name": path.removeprefix("/v2/").removesuffix("/tags/list"), "tags": TAGS})

    def _catalog(self, start: int) -> bytes:
        end = min(start + CATALOG_PAGE, self.repositories)
        link = f'Link: </v2/_catalog?n={CATALOG_PAGE}&last={end}>; rel="next"\r\n'
        names = [f"team-{n % 97:02}/service-{n:06}" for n in range(start, end)]
        return _response({"repositories": names}, link if end < self.repositories else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Giants:
    """A registry of two repositories, each with more than half of the images that a run has in hand."""

    requests: list[str] = field(default_factory=list)

    def answer(self, target: str, host: str, *, has_token: bool) -> bytes:
        name, _, rest = target.removeprefix("/v2/").partition("/")
        if name in GIANTS and rest == "tags/list":
            return _response({"name": name, "tags": [f"build-{n}" for n in range(MAX_IMAGES_IN_HAND // 2 + 1)]})
        if name in GIANTS:
            self.requests.append(name)
            return _response(IMAGE.body, media_type=IMAGE.media_type)
        return _response({"repositories": GIANTS})


class Connection(asyncio.Protocol):
    """One client's connection; it is in `alive` while it is open."""

    def __init__(self, registry: Cheap | Giants, alive: set[asyncio.Transport]) -> None:
        self._registry = registry
        self._alive = alive
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._alive.add(transport)
        self._host = "{}:{}".format(*transport.get_extra_info("sockname"))

    def connection_lost(self, _: Exception | None) -> None:
        self._alive.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            target = head.split(b" ", 2)[1].decode()
            self._transport.write(self._registry.answer(target, self._host, has_token=b"\r\nAuthorization:" in head))


def _response(body: Any, headers: str = "", *, status: str = "200 OK", media_type: str = "application/json") -> bytes:
    """Bytes as they are, and everything else as JSON."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    head = f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {len(content)}\r\n{headers}\r\n"
    return head.encode() + content


@contextmanager
def served(registry: Cheap | Giants) -> Iterator[str]:
    """Serve the registry from a thread; yields its host and port."""
    loop = asyncio.new_event_loop()
    alive: set[asyncio.Transport] = set()
    listening = loop.create_server(lambda: Connection(registry, alive), "127.0.0.1", 0, backlog=256)
    server = loop.run_until_complete(listening)
    thread = Thread(target=loop.run_forever)
    thread.start()
    try:
        yield "{}:{}".format(*server.sockets[0].getsockname())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for transport in alive:
            transport.abort()
        server.close()
        loop.run_until_complete(server.wait_closed())
        loop.close()


def peak_mb(registry: Cheap, output: Path) -> float:
    """The peak memory of a crawl's process, in megabytes."""
    with served(registry) as host:
        crawl = ["-m", "crawler", "crawl", host, "--auth=anonymous", "--no-progress", f"--output={output}"]
        command = [sys.executable, "-I", "-S", "-c", PEAK_OF, *crawl]
        ended = subprocess.run(command, check=True, capture_output=True, text=True)
    code, kilobytes = ended.stdout.splitlines()[-1].split()
    assert code == "0"
    assert ended.stderr.startswith("COMPLETE: ")
    (manifest,) = output.glob("source=*/date=*/run=*/_run.json")
    assert orjson.loads(manifest.read_bytes())["counts"]["ok"] == registry.repositories
    return int(kilobytes) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux only")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("wants_tokens", [False, True], ids=["open", "tokens"])
def test_memory_hardly_grows_with_fifty_times_the_repositories(wants_tokens, tmp_path):
    few, many = (
        peak_mb(Cheap(repositories=count, wants_tokens=wants_tokens), tmp_path / str(count)) for count in (FEW, MANY)
    )
    assert many - few < MAX_GROWTH_MB, f"{few:.1f} MB for {FEW:,} repositories, {many:.1f} MB for {MANY:,}"


def test_memory_holds_one_giant_repository_at_a_time(tmp_path):
    giants = Giants()
    with served(giants) as host:
        options = {"registry": [{"target": host}], "output": {"path": tmp_path}, "images": {"depth": "digests"}}
        manifest = anyio.run(crawler.crawl, crawler.Config(**options))
    assert manifest.verdict == "complete"
    assert [name for name, _ in groupby(giants.requests)] in (GIANTS, GIANTS[::-1])


async def test_memory_of_what_was_read_is_free_after_the_run_without_the_collector(tmp_path):
    """Commands let the collector come late. A cycle that has a repository's manifests would stay for hours."""
    whole, orphaned = config("base"), config("base", architecture="arm64")
    single, broken = image(whole, "base"), image(orphaned, "base")
    lost = image(config("lost"), "lost")
    several = index(child(single), child(lost, "arm64"))
    tags = {"whole": single, "no-config": broken, "no-child": several, "gone": single, "down": single}
    script = []
    for name in ("team/one", "team/two"):  # of the same digests: one repository waits for the other's request
        script += [
            on(f"/v2/{name}/manifests/gone", refusal(404, "MANIFEST_UNKNOWN", "manifest unknown")),
            on(f"/v2/{name}/manifests/down", refusal(500, "UNKNOWN", "unknown error")),
            on(f"/v2/{name}/manifests/{lost.digest}", refusal(404, "MANIFEST_UNKNOWN", "manifest unknown")),
            on(f"/v2/{name}/blobs/{orphaned.digest}", refusal(404, "BLOB_UNKNOWN", "blob unknown to registry")),
            *manifests(name, tags, single, broken),
            *blobs(name, whole),
        ]
    gc.disable()
    try:
        async with serve([*script, *plain_registry({"team/one": tags, "team/two": tags})]) as server:
            crawl = await deep_crawl(server, tmp_path)
        left = [len(found.manifests) for found in gc.get_objects() if isinstance(found, Facts)]
    finally:
        gc.enable()
    assert {kind for kind, _, _ in crawl.problems("team/two")} == {
        "config-missing",
        "dangling-tag",
        "index-child-missing",
        "manifest-unreadable",
    }
    assert left == []
