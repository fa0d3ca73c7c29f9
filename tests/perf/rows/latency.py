"""b: how much of its concurrency a crawl keeps busy where the registry is far away."""

from functools import partial
from typing import Final

from perf.bench import Bench
from perf.crawl import crawl
from perf.delaying import delaying
from perf.measure import in_turns
from perf.table import AtLeast, Row, Unit

DELAY_S: Final = 0.05
SECONDS: Final = 3
"""What a crawl would take that lost no time."""

TARGETS: Final = {16: 0.95, 64: 0.94, 256: 0.88}


def rows(bench: Bench) -> list[Row]:
    shares = in_turns(bench.rounds, {concurrency: partial(_share, bench, concurrency) for concurrency in TARGETS})
    return [
        Row(
            letter="b",
            what=f"share of the ideal at 50 ms an exchange, {concurrency} in flight",
            unit=Unit.SHARE,
            figures=shares[concurrency],
            target=AtLeast(target),
        )
        for concurrency, target in TARGETS.items()
    ]


def _share(bench: Bench, concurrency: int) -> float:
    """Of the wall time between the first listing's arrival and the last one's answer, as the registry saw them.

    The catalog's later pages, which come meanwhile, count as exchanges.
    """
    repositories = int(concurrency * SECONDS / DELAY_S)
    with delaying(repositories=repositories, listing="google", delay_s=DELAY_S) as registry:
        crawl(bench.folder, registry.host, "--auth=anonymous", repositories=repositories, concurrency=concurrency)
        diary = registry.diary()
    began = diary.listings.arrived[0]
    exchanges = len(diary.listings.arrived) + sum(moment > began for moment in diary.others.arrived)
    return exchanges * diary.delay_s / concurrency / (diary.listings.answered[-1] - began)
