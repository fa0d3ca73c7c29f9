"""j: what the image behind a tag costs, on the first night and the second, beside a listing and aiohttp alone."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from typing import Final

from perf.bench import Bench
from perf.crawl import BASIC, crawl
from perf.measure import in_turns, program, run
from perf.server import Nginx, Site, serving
from perf.table import Row, Unit, Unmeasured, ratio

TAGS: Final = 8
"""Of the listing `few`."""

REPOSITORIES: Final = 300
LISTED: Final = 4000
"""Repositories whose tags are listed, and not read."""

PROFILED: Final = (20, 60)
CONCURRENCY: Final = 32
DEPTHS: Final = ("manifests", "configs")
NIGHTS: Final = ("first night", "second night")

_CONFIG: Final = """\
[output]
path = {output}
[images]
depth = "configs"
[limits]
concurrency = 32
rate = "none"
[[registry]]
target = "{host}"
[registry.auth]
method = "anonymous"
"""


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU of a process, in microseconds, and its exchanges."""

    cpu_us: float
    exchanges: int

    def since(self, other: "Spent") -> "Spent":
        return Spent(self.cpu_us - other.cpu_us, self.exchanges - other.exchanges)

    @property
    def exchange_us(self) -> float:
        return self.cpu_us / self.exchanges

    @property
    def image_us(self) -> float:
        """Of a registry of REPOSITORIES; a repository's listing is part of it."""
        return self.cpu_us / ((REPOSITORIES - 1) * TAGS)


def rows(bench: Bench) -> list[Row | Unmeasured]:
    sites = [_site(count) for count in (1, REPOSITORIES, *PROFILED)]
    with serving(bench.folder, [*sites, *map(_listed_site, (1, LISTED))]) as nginx:
        measured: dict[str, Callable[[], list[Spent]]] = {
            "tags": partial(_listings, bench.folder, nginx),
            "tuned": partial(_tuned, nginx),
            **{depth: partial(_nights, bench.folder, nginx, depth) for depth in DEPTHS},
        }
        taken = in_turns(bench.rounds, measured)
        calls = {count: _calls(bench.folder, nginx.host(_site(count))) for count in PROFILED}
    listing = [spent.exchange_us for (spent,) in taken["tags"]]
    tuned = [spent.exchange_us for (spent,) in taken["tuned"]]
    given: list[Row | Unmeasured] = [
        Row(letter="j", what="CPU of a listing's exchange: 8 tags", unit=Unit.MICROSECONDS, figures=listing)
    ]
    for depth in DEPTHS:
        for night, spent in zip(NIGHTS, zip(*taken[depth], strict=True), strict=True):
            image = [one.image_us for one in spent]
            what = f"depth {depth}, {night}"
            given += [
                Row(letter="j", what=f"CPU of an image: {what}", unit=Unit.MICROSECONDS, figures=image),
                ratio("j", f"÷ a listing's exchange: {what}", image, listing),
            ]
            if night == NIGHTS[0]:
                exchange = [one.exchange_us for one in spent]
                given.append(
                    ratio("j", f"an exchange ÷ tuned aiohttp's {median(tuned):.0f} µs: {what}", exchange, tuned)
                )
    few, many = PROFILED
    return [
        *given,
        *(
            Row(
                letter="j",
                what=f"profiled function calls of an image: depth configs, {night}",
                unit=Unit.COUNT,
                figures=[(more - fewer) / ((many - few) * TAGS)],
            )
            for night, fewer, more in zip(NIGHTS, calls[few], calls[many], strict=True)
        ),
    ]


def _site(repositories: int) -> Site:
    return Site(repositories=repositories, listing="few", has_images=True)


def _listed_site(repositories: int) -> Site:
    return Site(repositories=repositories, listing="few")


def _listings(folder: Path, nginx: Nginx) -> list[Spent]:
    """The listings alone."""
    one, whole = (_crawl(folder, nginx, _listed_site(count)) for count in (1, LISTED))
    return [whole.since(one)]


def _nights(folder: Path, nginx: Nginx, depth: str) -> list[Spent]:
    """The first night, which fills the cache, and the second, whose manifests are answered by 304 without a body."""
    cache = Path(mkdtemp(prefix="cache-", dir=folder)) / "digests.sqlite"
    options = (f"--depth={depth}", f"--cache={cache}")
    ones, wholes = ([_crawl(folder, nginx, _site(count), *options) for _ in NIGHTS] for count in (1, REPOSITORIES))
    return [whole.since(one) for one, whole in zip(ones, wholes, strict=True)]


def _crawl(folder: Path, nginx: Nginx, site: Site, *options: str) -> Spent:
    crawled = crawl(
        folder,
        nginx.host(site),
        "--auth=anonymous",
        *options,
        repositories=site.repositories,
        concurrency=CONCURRENCY,
    )
    return Spent(crawled.usage.cpu_s * 1e6, crawled.exchanges)


def _tuned(nginx: Nginx) -> list[Spent]:
    """The exchanges of the first night at depth configs."""
    one, whole = (_run_tuned(nginx.host(_site(count))) for count in (1, REPOSITORIES))
    return [whole.since(one)]


def _run_tuned(host: str) -> Spent:
    options = (f"http://{host}", f"--credentials={BASIC}", f"--concurrency={CONCURRENCY}", "--images")
    usage = run(program("tuned_client", *options))
    return Spent(usage.cpu_s * 1e6, int(usage.output))


def _calls(folder: Path, host: str) -> list[int]:
    """The function calls of each night."""
    home = Path(mkdtemp(prefix="profiled-", dir=folder))
    config = home / "config.toml"
    config.write_text(_CONFIG.format(output=json.dumps(str(home / "snapshots")), host=host))
    return [int(run(program("profiled", str(config))).output) for _ in NIGHTS]
