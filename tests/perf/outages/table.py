"""The outages of the soak: each is one line of a table."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from .crawls import Survival, outlive, own_hosts, survive
from .plan import Kind, Plan

REPOSITORIES = 20_000
AFTER = 5_000
SECONDS = (2, 10, 30, 60)
TOKENS_AWAY_S = 12

AT_ONCE = 4
"""The number of outages that run at the same time: an outage is mostly waiting."""

_TOKENS_LATENCY_S = 0.05
"""A latency that makes the crawl outlast its tokens and the outage."""
_TOKENS_LIFETIME_S = 3


@dataclass(frozen=True, slots=True)
class Scenario:
    """`play` returns a crawl's survival; of a registry that is gone for good, that and the resumed crawl's."""

    name: str
    play: Callable[[Path], tuple[Survival, ...]]


def scenarios() -> list[Scenario]:
    away = [_away(kind, seconds) for kind in get_args(Kind) for seconds in SECONDS]
    gone = [_gone(kind) for kind in get_args(Kind)]
    return [
        *away,
        *gone,
        _tokens("bearer", "refused"),
        _tokens("bearer", "503"),
        _tokens("google", "refused"),
        _tokens("google", "503"),
    ]


def chosen(only: str) -> list[Scenario]:
    """The outages in a comma-separated list of names, or of names up to the colon; "" is all of them."""
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    if not wanted:
        return scenarios()
    found = [one for one in scenarios() if any(f"{one.name}:".startswith(f"{name}:") for name in wanted)]
    if not found:
        names = ", ".join(one.name for one in scenarios())
        raise SystemExit(f"no outage is named {only}; there are {names}")
    return found


def play(which: Sequence[Scenario]) -> bool:
    """Run the outages, print each line when it is known, and return whether every crawl lost nothing."""
    if own_hosts() is None:
        print("dns: left out, as this machine does not permit a process its own /etc/hosts (unshare --mount)\n")
        which = [one for one in which if "dns" not in one.name]
    print(f"{REPOSITORIES:,} repositories, the outage begins after {AFTER:,} listings\n")
    print(f"{'outage':<24}{'exit':>6}{'verdict':>10}{'lost':>8}{'twice':>7}{'kept':>8}{'seconds':>9}")
    good = True
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for one, (outcome, survivals) in zip(which, pool.map(_played, which), strict=True):
            for what, survival in zip((one.name, "  and resumed"), survivals, strict=False):
                print(_line(what, survival), flush=True)
            good = good and outcome
    return good


def _played(one: Scenario) -> tuple[bool, tuple[Survival, ...]]:
    with TemporaryDirectory() as folder:
        survivals = one.play(Path(folder))
    *unfinished, last = survivals
    return last.is_whole and all(survival.is_resumable for survival in unfinished), survivals


def _line(what: str, survival: Survival) -> str:
    code = "late" if survival.code is None else survival.code
    line = f"{what:<24}{code:>6}{survival.verdict:>10}{survival.lost:>8}{survival.twice:>7}{survival.kept:>8}"
    line = f"{line}{survival.seconds:>9.0f}"
    if survival.is_whole or survival.is_resumable:
        return line
    missed = "" if survival.met else " (the crawl did not meet the whole outage)"
    return f"{line}  NOT AS PROMISED{missed}: {survival.says[:200]}"


def _away(kind: Kind, seconds: float) -> Scenario:
    plan = Plan(repositories=REPOSITORIES, after=AFTER, kind=kind, seconds=seconds)
    return Scenario(f"{kind}:{seconds:g}", lambda folder: (survive(plan, folder),))


def _gone(kind: Kind) -> Scenario:
    plan = Plan(repositories=REPOSITORIES, after=AFTER, kind=kind, seconds=None)
    return Scenario(f"gone:{kind}", lambda folder: outlive(plan, folder))


def _tokens(auth: str, kind: Kind) -> Scenario:
    plan = Plan(
        repositories=REPOSITORIES,
        after=AFTER,
        kind=kind,
        seconds=TOKENS_AWAY_S,
        party="tokens",
        auth="google" if auth == "google" else "bearer",
        token_lifetime_s=_TOKENS_LIFETIME_S,
        latency_s=_TOKENS_LATENCY_S,
    )
    return Scenario(f"tokens:{auth}:{kind}", lambda folder: (survive(plan, folder),))
