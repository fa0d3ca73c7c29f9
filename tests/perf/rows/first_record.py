"""e: whether listing begins with the catalog's first page, or waits for its last."""

import time
from functools import partial
from typing import Final

from perf.bench import Bench
from perf.crawl import Crawling, crawling
from perf.delaying import Delaying, delaying
from perf.inventory import NAMES_PER_PAGE
from perf.measure import BenchBroken, in_turns
from perf.table import AtMost, Row, Unit

PAGES: Final = 20
CONCURRENCY: Final = 64
DELAY_S: Final = 0.05
_PATIENCE_S: Final = 30.0


def rows(bench: Bench) -> list[Row]:
    figures = in_turns(bench.rounds, {"share": partial(_share, bench)})["share"]
    what = f"time to the first record on the disk ÷ to a catalog's {PAGES} pages at 50 ms each"
    return [Row(letter="e", what=what, unit=Unit.RATIO, figures=figures, target=AtMost(0.5))]


def _share(bench: Bench) -> float:
    """Both counted from the first exchange on; the crawl is ended when both are known."""
    with (
        delaying(repositories=PAGES * NAMES_PER_PAGE, listing="plain", delay_s=DELAY_S) as registry,
        crawling(bench.folder, registry.host, "--auth=anonymous", concurrency=CONCURRENCY) as crawl,
    ):
        recorded = _first_record(crawl)
        began, whole = _catalog(registry)
    return (recorded - began) / (whole - began)


def _first_record(crawl: Crawling) -> float:
    """The moment at which a run's journal got its first byte."""
    deadline = time.monotonic() + _PATIENCE_S
    while not any(journal.stat().st_size for journal in crawl.output.glob(".unfinished/*/part-*.jsonl")):
        if time.monotonic() > deadline:
            raise BenchBroken(f"no record after {_PATIENCE_S:.0f} s")
        time.sleep(0.001)
    return time.monotonic()


def _catalog(registry: Delaying) -> tuple[float, float]:
    """The moments of the first exchange, and of the answer with the catalog's last page."""
    deadline = time.monotonic() + _PATIENCE_S
    while len((others := registry.diary().others).answered) < 1 + PAGES:  # the first of them is `/v2/`
        if time.monotonic() > deadline:
            raise BenchBroken(f"no whole catalog after {_PATIENCE_S:.0f} s")
        time.sleep(0.1)
    return others.arrived[0], others.answered[PAGES]
