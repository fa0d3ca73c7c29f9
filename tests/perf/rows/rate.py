"""c: how much of a rate a crawl uses, and whether any second holds more, as the registry sees it."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from perf.bench import Bench
from perf.crawl import crawl
from perf.delaying import delaying
from perf.table import AtLeast, AtMost, Row, Unit

RATE: Final = 500
SECONDS: Final = 8
CONCURRENCY: Final = 64
DELAY_S: Final = 0.05
_EDGE_S: Final = 1.0
"""Left out at both ends, where a crawl sets out and runs out of names."""


def rows(bench: Bench) -> list[Row]:
    repositories = RATE * SECONDS
    with delaying(repositories=repositories, listing="plain", delay_s=DELAY_S) as registry:
        options = ("--auth=anonymous", f"--rate={RATE}/s")
        crawl(bench.folder, registry.host, *options, repositories=repositories, concurrency=CONCURRENCY)
        diary = registry.diary()
    arrived = sorted([*diary.listings.arrived, *diary.others.arrived])
    return [
        Row(
            letter="c",
            what=f"share of a rate of {RATE}/s that is used, without the first and the last second",
            unit=Unit.SHARE,
            figures=[_steady_rate(arrived) / RATE],
            target=AtLeast(0.97),
        ),
        Row(
            letter="c",
            what="the busiest second, as a share of the rate",
            unit=Unit.SHARE,
            figures=[_busiest_second(arrived) / RATE],
            target=AtMost(1.10),
        ),
    ]


def _steady_rate(arrived: Sequence[float]) -> float:
    began, ended = arrived[0] + _EDGE_S, arrived[-1] - _EDGE_S
    return (bisect_left(arrived, ended) - bisect_left(arrived, began)) / (ended - began)


def _busiest_second(arrived: Sequence[float]) -> int:
    return max(bisect_left(arrived, moment + 1) - first for first, moment in enumerate(arrived))
