"""a: what a whole crawl costs in CPU, beside the same exchanges by aiohttp alone, and with many exchanges in flight."""

from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Final

from perf.bench import Bench
from perf.crawl import BASIC, crawl, write_key
from perf.measure import in_turns, program, run
from perf.server import Nginx, Site, serving
from perf.table import AtMost, Row, Unit

REPOSITORIES: Final = 10_000
CONCURRENCY: Final = 32
LISTINGS: Final = {"google": "Google's listing of 4 KB", "plain": "400 bytes"}
TARGETS: Final = {"google": 0.8, "plain": 0.5}
"""The CPU of an exchange, as a part of tuned aiohttp's."""
FLOWS: Final = ("access-token", "token")
MANY: Final = 512
FEWER: Final = 64


@dataclass(frozen=True, slots=True)
class Client:
    """Whose exchanges, at how many in flight."""

    name: str
    concurrency: int = CONCURRENCY


OURS, TUNED, USUAL = Client("crawl"), Client("tuned_client"), Client("usual_client")
_AT_MANY, _AT_FEWER = Client("crawl", MANY), Client("crawl", FEWER)


@dataclass(frozen=True, slots=True)
class Errand:
    """What is asked of a registry by whom."""

    client: Client
    listing: str
    flow: str

    def site(self, repositories: int) -> Site:
        return Site(repositories=repositories, listing=self.listing, wants_tokens=self.flow == "token")


def rows(bench: Bench) -> list[Row]:
    errands = [
        Errand(client, listing, flow) for listing, flow in product(LISTINGS, FLOWS) for client in (OURS, TUNED, USUAL)
    ]
    errands += [Errand(client, listing, "access-token") for listing in LISTINGS for client in (_AT_MANY, _AT_FEWER)]
    sites = {errand.site(repositories) for errand in errands for repositories in (1, REPOSITORIES)}
    with serving(bench.folder, sorted(sites, key=repr)) as nginx:
        taken = in_turns(bench.rounds, {errand: partial(_cost_us, bench.folder, nginx, errand) for errand in errands})
    given = []
    for listing, flow in product(LISTINGS, FLOWS):
        ours, tuned, usual = (taken[Errand(client, listing, flow)] for client in (OURS, TUNED, USUAL))
        what = f"{LISTINGS[listing]}, {flow}"
        given += [
            Row(letter="a", what=f"CPU of an exchange: {what}", unit=Unit.MICROSECONDS, figures=ours),
            _ratio(f"÷ tuned aiohttp's {median(tuned):.0f} µs: {what}", ours, tuned, TARGETS[listing]),
            _ratio(f"÷ usual aiohttp's {median(usual):.0f} µs: {what}", ours, usual, 0.85),
        ]
    for listing in LISTINGS:
        many, fewer = (taken[Errand(client, listing, "access-token")] for client in (_AT_MANY, _AT_FEWER))
        given.append(_ratio(f"{MANY} in flight ÷ {FEWER}: {LISTINGS[listing]}, access-token", many, fewer, 1.3))
    return given


def _ratio(what: str, ones: list[float], others: list[float], limit: float) -> Row:
    """Round by round, so that what slows a machine for a while slows both."""
    figures = [one / other for one, other in zip(ones, others, strict=True)]
    return Row(letter="a", what=what, unit=Unit.RATIO, figures=figures, target=AtMost(limit))


def _cost_us(folder: Path, nginx: Nginx, errand: Errand) -> float:
    """CPU of one exchange, system's share included: a crawl's less that of a crawl of one repository, by exchanges."""
    most, most_exchanges = _spent(folder, nginx, errand, REPOSITORIES)
    least, least_exchanges = _spent(folder, nginx, errand, 1)
    return (most - least) / (most_exchanges - least_exchanges) * 1e6


def _spent(folder: Path, nginx: Nginx, errand: Errand, repositories: int) -> tuple[float, int]:
    host = nginx.host(errand.site(repositories))
    concurrency = errand.client.concurrency
    if errand.client.name == "crawl":
        key = folder / "key.json"
        write_key(key, host)
        login = (f"--auth={errand.flow}", f"--key-file={key}")
        crawled = crawl(folder, host, *login, repositories=repositories, concurrency=concurrency)
        return crawled.usage.cpu_s, crawled.exchanges
    options = (f"http://{host}", f"--credentials={BASIC}", f"--concurrency={concurrency}")
    tokens = ("--tokens",) if errand.flow == "token" else ()
    usage = run(program(errand.client.name, *options, *tokens))
    return usage.cpu_s, int(usage.output)
