"""Who makes the exchanges of a crawl, how they are made, and what each costs."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from perf.bench import Bench
from perf.crawl import BASIC, Crawled, crawl, write_key
from perf.go_program import build, list_with_go
from perf.measure import program, run
from perf.server import Nginx, Site

LISTINGS: Final = {"google": "Google's listing of 4 KB", "plain": "400 bytes"}
FLOWS: Final = ("access-token", "token")


class Client(StrEnum):
    """The value is how a table names it."""

    OURS = "the crawl"
    TUNED = "tuned aiohttp"
    USUAL = "usual aiohttp"
    GO = "Go"


_MODULES: Final = {Client.TUNED: "tuned_client", Client.USUAL: "usual_client"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a registry is asked: what it answers, with which credentials, how many requests at once, and over what."""

    listing: str
    flow: str
    concurrency: int
    tls: bool = False

    def __str__(self) -> str:
        over = ", TLS" if self.tls else ""
        return f"{LISTINGS[self.listing]}, {self.flow}, {self.concurrency} in flight{over}"

    def site(self, repositories: int) -> Site:
        return Site(repositories=repositories, listing=self.listing, wants_tokens=self.flow == "token", tls=self.tls)

    @property
    def token_server(self) -> Site:
        """Which exchanges a service account's key for an access token, always in the clear."""
        return Site(repositories=1, listing=self.listing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one exchange costs, the start and the end of the process left out."""

    cpu_us: float
    wall_us: float


def present(bench: Bench, *clients: Client) -> list[Client]:
    """Those that can be measured here."""
    return [client for client in clients if client is not Client.GO or build(bench.folder) is not None]


def sites(ways: Iterable[Way], *sizes: int) -> list[Site]:
    """Every site that `cost` needs, for each of its sizes."""
    needed = {site for way in ways for site in (way.token_server, *map(way.site, sizes))}
    return sorted(needed, key=repr)


def cost(bench: Bench, nginx: Nginx, client: Client, way: Way, sizes: tuple[int, int]) -> Cost:
    """What the larger registry takes, less what the smaller one takes, by exchanges.

    CPU time has the system's share. What both sizes take does not count: the start, and the connections if the smaller
    one has as many repositories as requests are in flight.
    """
    least, most = (_spend(bench, nginx, client, way, size) for size in sizes)
    exchanges = most.exchanges - least.exchanges
    return Cost(
        cpu_us=(most.usage.cpu_s - least.usage.cpu_s) / exchanges * 1e6,
        wall_us=(most.usage.wall_s - least.usage.wall_s) / exchanges * 1e6,
    )


def _spend(bench: Bench, nginx: Nginx, client: Client, way: Way, repositories: int) -> Crawled:
    site = way.site(repositories)
    options = [f"--ca-file={bench.certificates.ca_file}"] if way.tls else []
    if client is Client.OURS:
        key = bench.folder / "key.json"
        write_key(key, nginx.host(way.token_server))
        options += [f"--auth={way.flow}", f"--key-file={key}"]
        return crawl(bench.folder, nginx.host(site), *options, repositories=repositories, concurrency=way.concurrency)
    if client is Client.GO:
        return list_with_go(
            bench.folder, nginx.url(site), *options, repositories=repositories, concurrency=way.concurrency
        )
    options += [f"--credentials={BASIC}", f"--concurrency={way.concurrency}"]
    if way.flow == "token":
        options.append("--tokens")
    usage = run(program(_MODULES[client], nginx.url(site), *options))
    return Crawled(usage=usage, exchanges=int(usage.output))
