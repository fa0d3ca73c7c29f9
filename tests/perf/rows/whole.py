"""l: whole crawls of a registry that is 10 ms away beside the Go program, from the command to the snapshot."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from statistics import median
from typing import Final

from perf.bench import Bench
from perf.clients import Client
from perf.crawl import crawl
from perf.delaying import Scheme, delaying
from perf.go_program import NOT_HERE, build, list_with_go
from perf.measure import Usage, in_turns
from perf.table import AtMost, Row, Unmeasured, ratio

DELAY_S: Final = 0.01
CONCURRENCY: Final = 64
LISTING: Final = "google"
FLOWS: Final[dict[Scheme, str]] = {"basic": "access-token", "bearer": "token"}
"""A finished token goes by Basic at once; with a Bearer challenge, a password buys a token for each repository."""

ONE: Final = 1
LESS_THE_START: Final = 2000
WHOLE: Final = 10_000
SIZES: Final = (ONE, LESS_THE_START, WHOLE)

_NO_LONGER: Final = AtMost(1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a process took, and what the registry's 10 ms really were: its timers are good to a millisecond."""

    wall_s: float
    cpu_s: float
    delay_s: float


Run = tuple[Client, Scheme, int]


def rows(bench: Bench) -> list[Row | Unmeasured]:
    if build(bench.folder) is None:
        what = f"a whole crawl ÷ the Go program: {', '.join(f'{size:,}' for size in SIZES)} repositories"
        return [Unmeasured(letter="l", what=what, why=NOT_HERE)]
    runs: list[Run] = list(product((Client.OURS, Client.GO), FLOWS, SIZES))
    variants: dict[Run, Callable[[], Spent]] = {run: partial(_spend, bench, *run) for run in runs}
    taken = in_turns(bench.rounds, variants)
    given: list[Row | Unmeasured] = []
    for scheme, flow in FLOWS.items():
        ours, go = ({size: taken[client, scheme, size] for size in SIZES} for client in (Client.OURS, Client.GO))
        for size in SIZES:
            what = f"{flow}, {size:,} {'repository' if size == ONE else 'repositories'}"
            target = _NO_LONGER if size == WHOLE else None
            given += [_cpu(what, ours[size], go[size]), _wall(what, ours[size], go[size], target)]
        given.append(_wall_less_the_start(flow, ours, go))
    return given


def _cpu(what: str, ours: Sequence[Spent], go: Sequence[Spent]) -> Row | Unmeasured:
    one, other = ([spent.cpu_s for spent in each] for each in (ours, go))
    return ratio("l", f"CPU, start-up included, ÷ Go's {median(other) * 1e3:.0f} ms: {what}", one, other)


def _wall(what: str, ours: Sequence[Spent], go: Sequence[Spent], target: AtMost | None) -> Row | Unmeasured:
    one, other = ([spent.wall_s for spent in each] for each in (ours, go))
    waits = " / ".join(f"{median(spent.delay_s for spent in each) * 1e3:.1f}" for each in (ours, go))
    what = f"wall, start-up included, ÷ Go's {median(other):.2f} s: {what} (each waits {waits} ms)"
    return ratio("l", what, one, other, target)


def _wall_less_the_start(flow: str, ours: dict[int, list[Spent]], go: dict[int, list[Spent]]) -> Row | Unmeasured:
    """Without what a crawl of one repository takes."""
    one, other = (
        [more.wall_s - one.wall_s for more, one in zip(spent[LESS_THE_START], spent[ONE], strict=True)]
        for spent in (ours, go)
    )
    what = f"wall, less that of one repository, ÷ Go's: {flow}, {LESS_THE_START:,} repositories"
    return ratio("l", what, one, other, _NO_LONGER)


def _spend(bench: Bench, client: Client, scheme: Scheme, repositories: int) -> Spent:
    with delaying(repositories=repositories, listing=LISTING, delay_s=DELAY_S, challenge=scheme) as registry:
        usage = _list(bench, client, registry.host, repositories)
        return Spent(wall_s=usage.wall_s, cpu_s=usage.cpu_s, delay_s=registry.diary().delay_s)


def _list(bench: Bench, client: Client, host: str, repositories: int) -> Usage:
    if client is Client.GO:
        listed = list_with_go(bench.folder, f"http://{host}", repositories=repositories, concurrency=CONCURRENCY)
        return listed.usage
    password = bench.folder / "password"
    password.write_text("a" * 200)
    login = ("--auth=basic", "--username=oauth2accesstoken", f"--password-file={password}")
    return crawl(bench.folder, host, *login, repositories=repositories, concurrency=CONCURRENCY).usage
