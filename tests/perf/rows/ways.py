"""k: row a's exchanges with more in flight and over TLS, CPU and wall time, beside tuned aiohttp and Go."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from statistics import median
from typing import Final

from perf.bench import Bench
from perf.clients import FLOWS, LISTINGS, Client, Cost, Way, cost, present, sites
from perf.go_program import NOT_HERE
from perf.measure import in_turns
from perf.rows import cost as row_a
from perf.server import serving
from perf.table import AtMost, Row, Unmeasured, ratio

SIZES: Final = (1000, 4000)
"""Both have more repositories than requests are in flight, so that what connections cost does not count."""

ROUNDS_AT_MOST: Final = 2
"""There are twenty ways, each with six processes."""

_CLIENTS: Final = (Client.OURS, Client.TUNED, Client.GO)
WAYS: Final = [
    Way(listing=listing, flow=flow, concurrency=concurrency, tls=tls)
    for tls, concurrency, listing, flow in product((False, True), (32, 64, 512), LISTINGS, FLOWS)
    if tls or concurrency != row_a.CONCURRENCY  # what row a has
]


def rows(bench: Bench) -> list[Row | Unmeasured]:
    clients = present(bench, *_CLIENTS)
    with serving(bench.folder, sites(WAYS, *SIZES), bench.certificates) as nginx:
        variants: dict[tuple[Client, Way], Callable[[], Cost]] = {
            (client, way): partial(cost, bench, nginx, client, way, SIZES) for way, client in product(WAYS, clients)
        }
        taken = in_turns(min(bench.rounds, ROUNDS_AT_MOST), variants)
    given: list[Row | Unmeasured] = []
    for way in WAYS:
        ours, tuned = taken[Client.OURS, way], taken[Client.TUNED, way]
        given.append(_cpu(Client.TUNED, way, ours, tuned, row_a.OF_TUNED[way.listing]))
        if Client.GO in clients:
            go = taken[Client.GO, way]
            given += [_cpu(Client.GO, way, ours, go, row_a.OF_GO[way.flow]), _wall(way, ours, go)]
        else:
            given.append(Unmeasured(letter="k", what=f"÷ Go's: {way}", why=NOT_HERE))
    return given


def _cpu(client: Client, way: Way, ours: Sequence[Cost], theirs: Sequence[Cost], target: AtMost) -> Row | Unmeasured:
    one, other = ([cost.cpu_us for cost in costs] for costs in (ours, theirs))
    return ratio("k", f"CPU ÷ {client}'s {median(other):.0f} µs: {way}", one, other, target)


def _wall(way: Way, ours: Sequence[Cost], go: Sequence[Cost]) -> Row | Unmeasured:
    one, other = ([cost.wall_us for cost in costs] for costs in (ours, go))
    return ratio("k", f"wall ÷ Go's {median(other):.0f} µs: {way}", one, other)
