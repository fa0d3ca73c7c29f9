"""a: what a whole crawl costs in CPU, beside the same exchanges by other clients, and with many exchanges in flight."""

from collections.abc import Callable
from functools import partial
from itertools import product
from statistics import median
from typing import Final

from perf.bench import Bench
from perf.clients import FLOWS, LISTINGS, Client, Cost, Way, cost, present, sites
from perf.go_program import NOT_HERE
from perf.measure import in_turns
from perf.server import serving
from perf.table import AtMost, Row, Unit, Unmeasured, ratio

SIZES: Final = (1, 10_000)
CONCURRENCY: Final = 32
MANY: Final = 512
FEWER: Final = 64

OF_TUNED: Final = {"plain": AtMost(0.50), "google": AtMost(0.80)}
"""The share of tuned aiohttp's cost, by listing."""

OF_GO: Final = {"access-token": AtMost(0.85), "token": AtMost(0.95)}
"""The share of the Go program's cost, by flow."""

_OF_USUAL: Final = AtMost(0.85)
_WAYS: Final = [Way(listing=one, flow=flow, concurrency=CONCURRENCY) for one, flow in product(LISTINGS, FLOWS)]


def rows(bench: Bench) -> list[Row | Unmeasured]:
    clients = present(bench, *Client)
    runs = list(product(clients, _WAYS))
    runs += [(Client.OURS, _many(listing, count)) for listing in LISTINGS for count in (MANY, FEWER)]
    with serving(bench.folder, sites((way for _, way in runs), *SIZES)) as nginx:
        variants: dict[tuple[Client, Way], Callable[[], Cost]] = {
            (client, way): partial(cost, bench, nginx, client, way, SIZES) for client, way in runs
        }
        taken = in_turns(bench.rounds, variants)
    cpu = {run: [one.cpu_us for one in costs] for run, costs in taken.items()}
    given: list[Row | Unmeasured] = []
    for way in _WAYS:
        ours = cpu[Client.OURS, way]
        given.append(Row(letter="a", what=f"CPU of an exchange: {way}", unit=Unit.MICROSECONDS, figures=ours))
        targets = {Client.TUNED: OF_TUNED[way.listing], Client.USUAL: _OF_USUAL, Client.GO: OF_GO[way.flow]}
        for client, target in targets.items():
            if client in clients:
                theirs = cpu[client, way]
                given.append(ratio("a", f"÷ {client}'s {median(theirs):.0f} µs: {way}", ours, theirs, target))
            else:
                given.append(Unmeasured(letter="a", what=f"÷ {client}'s: {way}", why=NOT_HERE))
        if Client.GO in clients:
            wall, wall_of_go = ([one.wall_us for one in taken[client, way]] for client in (Client.OURS, Client.GO))
            given.append(ratio("a", f"wall ÷ Go's {median(wall_of_go):.0f} µs: {way}", wall, wall_of_go))
    for listing in LISTINGS:
        many, fewer = (cpu[Client.OURS, _many(listing, count)] for count in (MANY, FEWER))
        given.append(ratio("a", f"÷ {FEWER} in flight: {_many(listing, MANY)}", many, fewer, AtMost(1.3)))
    return given


def _many(listing: str, concurrency: int) -> Way:
    return Way(listing=listing, flow="access-token", concurrency=concurrency)
