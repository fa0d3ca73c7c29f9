"""d: how large a crawl's process becomes, by the size of the registry and by the size of one listing."""

from contextlib import ExitStack
from typing import Final

from perf.bench import Bench
from perf.crawl import crawling
from perf.delaying import delaying
from perf.inventory import TAGS_OF_A_GIANT
from perf.table import AtMost, Row, Unit

SIZES: Final = (10_000, 200_000, 1_000_000)
CONCURRENCY: Final = 32


def rows(bench: Bench) -> list[Row]:
    """All at once, because memory does not depend on how fast they go."""
    crawls = [*((size, "tiny") for size in SIZES), (1, "giant")]
    with ExitStack() as stack:
        under_way = []
        for repositories, listing in crawls:
            registry = stack.enter_context(delaying(repositories=repositories, listing=listing, delay_s=0))
            begun = crawling(bench.folder, registry.host, "--auth=anonymous", concurrency=CONCURRENCY)
            under_way.append((repositories, stack.enter_context(begun)))
        peaks = [one.finish(repositories).usage.peak_mb for repositories, one in under_way]
    given = [
        Row(letter="d", what=f"peak memory, {size:,} repositories", unit=Unit.MEGABYTES, figures=[peak])
        for size, peak in zip(SIZES, peaks, strict=False)
    ]
    return [
        *given,
        Row(
            letter="d",
            what=f"growth from {SIZES[0]:,} to {SIZES[-1]:,} repositories",
            unit=Unit.MEGABYTES,
            figures=[peaks[len(SIZES) - 1] - peaks[0]],
            target=AtMost(20),
        ),
        Row(
            letter="d",
            what=f"peak memory, one repository of {TAGS_OF_A_GIANT:,} tags",
            unit=Unit.MEGABYTES,
            figures=[peaks[-1]],
        ),
    ]
