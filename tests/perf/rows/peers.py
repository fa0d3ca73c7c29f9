"""f: a registry over https by the tools that people use for it, beside a crawl: whole processes, wall time."""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from perf import inventory
from perf.bench import Bench
from perf.crawl import crawl
from perf.delaying import delaying
from perf.measure import in_turns, run
from perf.programs import found
from perf.server import Site, serving
from perf.table import AtLeast, Row, Unit, Unmeasured

REPOSITORIES: Final = 1000
SAMPLE: Final = 200
"""What of them the peers list, whose time is scaled up: they take the same for each."""

DELAY_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """One peer's way of listing a registry, and what a crawl should be faster by with as many in flight.

    `command` is for a shell; it has `{host}`, and `{certificates}`, a folder with the authority's.
    """

    peer: str
    what: str
    command: str
    far: bool
    concurrency: int
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
        target=50.0,
    )
)


@dataclass(frozen=True, slots=True)
class Hosts:
    """The whole registry, and its sample for the peers."""

    whole: str
    sample: str


def rows(bench: Bench) -> list[Row | Unmeasured]:
    present = [contest for contest in CONTESTS if found(contest.peer) is not None]
    with ExitStack() as stack:
        near, far = _near(bench, stack), _far(bench, stack)
        runs: dict[tuple[Contest, str], Callable[[], float]] = {}
        for contest in present:
            hosts = far if contest.far else near
            runs[contest, "peer"] = partial(_peer_s, bench, contest, hosts.sample)
            runs[contest, "ours"] = partial(_ours_s, bench, contest, hosts.whole)
        taken = in_turns(min(bench.rounds, 2), runs)
    return [_row(contest, taken) if contest in present else _missing(contest) for contest in CONTESTS]


def _row(contest: Contest, taken: dict[tuple[Contest, str], list[float]]) -> Row:
    both = zip(taken[contest, "peer"], taken[contest, "ours"], strict=True)
    return Row(
        letter="f",
        what=f"{contest.what}: {REPOSITORIES:,} repositories (its time for {SAMPLE}, scaled) ÷ ours",
        unit=Unit.RATIO,
        figures=[peer / ours for peer, ours in both],
        target=AtLeast(contest.target),
    )


def _missing(contest: Contest) -> Unmeasured:
    return Unmeasured(letter="f", what=contest.what, why="not installed")


def _near(bench: Bench, stack: ExitStack) -> Hosts:
    whole, sample = (Site(repositories=count, listing="plain", tls=True) for count in (REPOSITORIES, SAMPLE))
    nginx = stack.enter_context(serving(bench.folder, [whole, sample], bench.certificates))
    return Hosts(nginx.host(whole), nginx.host(sample))


def _far(bench: Bench, stack: ExitStack) -> Hosts:
    whole, sample = (
        stack.enter_context(
            delaying(repositories=count, listing="plain", delay_s=DELAY_S, certificates=bench.certificates)
        )
        for count in (REPOSITORIES, SAMPLE)
    )
    return Hosts(whole.host, sample.host)


def _ours_s(bench: Bench, contest: Contest, host: str) -> float:
    options = ("--auth=anonymous", f"--ca-file={bench.certificates.ca_file}")
    done = crawl(bench.folder, host, *options, repositories=REPOSITORIES, concurrency=contest.concurrency)
    return done.usage.wall_s


def _peer_s(bench: Bench, contest: Contest, host: str) -> float:
    names = bench.folder / "names.txt"
    names.write_text("".join(f"{inventory.name(number)}\n" for number in range(SAMPLE)))
    command = contest.command.format(host=host, certificates=_authority(bench))
    trust = {"SSL_CERT_FILE": str(bench.certificates.ca_file)}
    return run(["sh", "-c", command], stdin=names, env=trust).wall_s * REPOSITORIES / SAMPLE


def _authority(bench: Bench) -> Path:
    """The authority's certificate as containers/image wants it: in a folder of its own, by that suffix."""
    folder = bench.folder / "authority"
    folder.mkdir(exist_ok=True)
    shutil.copy(bench.certificates.ca_file, folder / "ca.crt")
    return folder
