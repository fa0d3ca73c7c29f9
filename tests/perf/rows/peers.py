"""f: a registry over https by the tools that people use for it, beside a crawl: whole processes, wall time.

What a peer printed is counted before its time is believed.
"""

import json
import re
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from perf import inventory
from perf.bench import Bench
from perf.crawl import crawl
from perf.delaying import delaying
from perf.measure import ProcessFailed, in_turns, run
from perf.programs import found
from perf.server import Site, serving
from perf.table import AtLeast, Row, Unit, Unmeasured

REPOSITORIES: Final = 1000
DELAY_S: Final = 0.05
_LISTING: Final = "plain"
_TAG: Final = re.compile(r"\bv1\.\d+\.\d+\b")
"""A tag of that listing, however a peer prints it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """One peer's way of listing a registry, and what a crawl should be faster by with as many in flight.

    `command` is for a shell; it has `{host}`, and `{certificates}`, a folder with the authority's. The peer lists
    `sample` repositories, and its time is scaled up: it takes the same for each.
    """

    peer: str
    what: str
    command: str
    far: bool
    concurrency: int
    sample: int
    target: float


_CRANE: Final = "crane catalog {host} | xargs -P%d -I NAME crane ls {host}/NAME"
_SKOPEO: Final = "xargs -P%d -I NAME skopeo list-tags --cert-dir {certificates} docker://{host}/NAME"
_GCRANE: Final = f"gcrane ls -r --json {{host}}/{inventory.FOLDER}"

CONTESTS: Final = [
    Contest(
        peer=peer,
        what=f"{peer}, xargs -P{concurrency}{', 50 ms an exchange' if far else ''}",
        command=command % concurrency,
        far=far,
        concurrency=concurrency,
        sample=200,
        target=target,
    )
    for peer, command in (("crane", _CRANE), ("skopeo", _SKOPEO))
    for far, concurrency, target in ((False, 16, 15.0), (True, 64, 5.0))
]
CONTESTS.append(
    Contest(
        peer="gcrane",
        what="gcrane ls -r, 50 ms an exchange",
        command=_GCRANE,
        far=True,
        concurrency=64,
        sample=50,  # it asks for one after the other
        target=50.0,
    )
)


@dataclass(frozen=True, slots=True)
class GaveUp:
    """A peer that did not list what there is, so that its time says nothing."""

    why: str


def rows(bench: Bench) -> list[Row | Unmeasured]:
    present = [contest for contest in CONTESTS if found(contest.peer) is not None]
    with ExitStack() as stack:
        hosts = _serve(bench, stack)
        races = {contest: partial(_race, bench, contest, hosts) for contest in present}
        taken = in_turns(min(bench.rounds, 2), races)
    return [
        judge(contest, taken[contest]) if contest in present else _unmeasured(contest, "not installed")
        for contest in CONTESTS
    ]


def _race(bench: Bench, contest: Contest, hosts: dict[tuple[bool, int], str]) -> float | GaveUp:
    """How many times as long as a crawl the peer takes."""
    theirs = attempt(bench, contest, hosts[contest.far, contest.sample])
    if isinstance(theirs, GaveUp):
        return theirs
    return theirs / _ours_s(bench, contest, hosts[contest.far, REPOSITORIES])


def attempt(bench: Bench, contest: Contest, host: str) -> float | GaveUp:
    """The seconds that the peer would take for all repositories, by those for its sample."""
    names = bench.folder / "names.txt"
    names.write_text("".join(f"{inventory.name(number)}\n" for number in range(contest.sample)))
    command = contest.command.format(host=host, certificates=_authority(bench))
    trust = {"SSL_CERT_FILE": str(bench.certificates.ca_file)}
    try:
        usage = run(["sh", "-c", command], stdin=names, env=trust)
    except ProcessFailed as failure:
        return GaveUp(f"gave up: exit code {failure.exit_code}: {failure.complaint}")
    tags = contest.sample * len(json.loads(inventory.listing(_LISTING))["tags"])
    listed = len(_TAG.findall(usage.output))
    if listed != tags:
        return GaveUp(f"gave up: it listed {listed:,} of {tags:,} tags")
    return usage.wall_s * REPOSITORIES / contest.sample


def judge(contest: Contest, races: Sequence[float | GaveUp]) -> Row | Unmeasured:
    """The row of a contest, by what each round came to. One round in which the peer gave up spoils all of them."""
    figures: list[float] = []
    for race in races:
        if isinstance(race, GaveUp):
            return _unmeasured(contest, race.why)
        figures.append(race)
    return Row(
        letter="f",
        what=f"{contest.what}: {REPOSITORIES:,} repositories (its time for {contest.sample}, scaled) ÷ ours",
        unit=Unit.RATIO,
        figures=figures,
        target=AtLeast(contest.target),
    )


def _unmeasured(contest: Contest, why: str) -> Unmeasured:
    return Unmeasured(letter="f", what=contest.what, why=why)


def _serve(bench: Bench, stack: ExitStack) -> dict[tuple[bool, int], str]:
    """The host of each registry, by whether it is far away and how many repositories it has."""
    counts = {REPOSITORIES, *(contest.sample for contest in CONTESTS)}
    sites = {count: Site(repositories=count, listing=_LISTING, tls=True) for count in counts}
    nginx = stack.enter_context(serving(bench.folder, list(sites.values()), bench.certificates))
    hosts = {(False, count): nginx.host(site) for count, site in sites.items()}
    for count in counts:
        registry = delaying(repositories=count, listing=_LISTING, delay_s=DELAY_S, certificates=bench.certificates)
        hosts[True, count] = stack.enter_context(registry).host
    return hosts


def _ours_s(bench: Bench, contest: Contest, host: str) -> float:
    options = ("--auth=anonymous", f"--ca-file={bench.certificates.ca_file}")
    done = crawl(bench.folder, host, *options, repositories=REPOSITORIES, concurrency=contest.concurrency)
    return done.usage.wall_s


def _authority(bench: Bench) -> Path:
    """The authority's certificate as containers/image wants it: in a folder of its own, by that suffix."""
    folder = bench.folder / "authority"
    folder.mkdir(exist_ok=True)
    shutil.copy(bench.certificates.ca_file, folder / "ca.crt")
    return folder
