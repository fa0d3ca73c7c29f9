"""g: what TLS adds to an exchange where connections are used again, and whether they are."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from perf.bench import Bench
from perf.crawl import crawl, write_key
from perf.measure import in_turns
from perf.server import Nginx, Site, serving
from perf.table import AtMost, Row, Unit, Unmeasured, ratio

REPOSITORIES: Final = 5000
CONCURRENCY: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """The cost of an exchange, and how many connections over TLS were made for all of them."""

    exchange_s: float
    connections: int


def rows(bench: Bench) -> list[Row | Unmeasured]:
    sites = [_site(repositories, tls=tls) for repositories in (1, REPOSITORIES) for tls in (False, True)]
    with serving(bench.folder, sites, bench.certificates) as nginx:
        key = bench.folder / "key-of-tls.json"
        write_key(key, nginx.host(_site(1, tls=False)))
        taken = in_turns(bench.rounds, {tls: partial(_crossing, bench, nginx, key, tls=tls) for tls in (False, True)})
    plain, secure = taken[False], taken[True]
    return [
        ratio(
            "g",
            "CPU of an exchange over TLS ÷ in the clear: Google's listing of 4 KB, access-token",
            [crossing.exchange_s for crossing in secure],
            [crossing.exchange_s for crossing in plain],
            AtMost(1.3),
        ),
        Row(
            letter="g",
            what=f"connections for {REPOSITORIES:,} repositories, {CONCURRENCY} in flight",
            unit=Unit.COUNT,
            figures=[crossing.connections for crossing in secure],
            target=AtMost(CONCURRENCY),
        ),
    ]


def _site(repositories: int, *, tls: bool) -> Site:
    return Site(repositories=repositories, listing="google", tls=tls)


def _crossing(bench: Bench, nginx: Nginx, key: Path, *, tls: bool) -> Crossing:
    options = ["--auth=access-token", f"--key-file={key}"]
    if tls:
        options.append(f"--ca-file={bench.certificates.ca_file}")
    least, most = _site(1, tls=tls), _site(REPOSITORIES, tls=tls)
    one = crawl(bench.folder, nginx.host(least), *options, repositories=1, concurrency=CONCURRENCY)
    before = len(nginx.connections())
    all_ = crawl(bench.folder, nginx.host(most), *options, repositories=REPOSITORIES, concurrency=CONCURRENCY)
    cpu_s = all_.usage.cpu_s - one.usage.cpu_s
    return Crossing(
        exchange_s=cpu_s / (all_.exchanges - one.exchanges),
        connections=len(set(nginx.connections()[before:])),
    )
