"""Eight shards crawl one registry with faults and a quota; one is killed and started again. Nothing is lost.

    python tests/perf/shards.py --repositories 20000 --shards 8 --rate 320

Exits with 1 if the merged snapshot is not that of one run, record for record; if the shards together were faster than
their rate, or used less than 95 % of it while all of them were at work; or if a withheld shard is not missed.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

if __name__ == "__main__":  # a script has its own folder in sys.path[0]; the imports below need tests/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from support.shard_crawls import records_in

from perf.soak import COMMAND, counts, crawl_command, emulated, killed

GROUP = "soak"
KINDS = ("ping", "catalog", "token", "listing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    repositories: int
    shards: int
    rate: int


def shard_command(registry: str, folder: Path, shard: str, rate: int) -> list[str]:
    options = ["--resume", "--shard", shard, "--group", GROUP, f"--rate={rate}/s", "--concurrency=16"]
    return crawl_command(registry, folder, *options)


@contextmanager
def all_shards(registry: str, folder: Path, night: Night) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start every shard but the last, which is killed and started again meanwhile."""
    commands = [shard_command(registry, folder, f"{i}/{night.shards}", night.rate) for i in range(night.shards)]
    running = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for command in commands[:-1]]
    assert killed(commands[-1], after_s=night.repositories / night.rate / 2), "the last shard ended before its kill"
    running.append(subprocess.Popen(commands[-1], stderr=subprocess.PIPE))
    yield running


def rates(registry: str, running: list[subprocess.Popen[bytes]]) -> list[float]:
    """The exchanges of each second while every shard is at work.

    The emulator's own `busiest_second` has the start in it, where the processes leave it no processor: what has waited
    for it then arrives at once.
    """
    measured, then, before = [], time.monotonic(), exchanges(registry)
    while all(process.poll() is None for process in running):
        time.sleep(1)
        total, now = exchanges(registry), time.monotonic()
        measured.append((total - before) / (now - then))
        then, before = now, total
    return measured[3:-1]  # the killed shard starts in the first ones, and a shard ended in the last


def exchanges(registry: str) -> int:
    seen = counts(registry)
    return sum(seen[kind] for kind in KINDS)


def merged(output: Path, *options: str) -> tuple[int, str]:
    command = [*COMMAND, "merge", "--group", GROUP, "--output", str(output), *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    print(ended.stderr, end="")
    return ended.returncode, ended.stderr


def play(night: Night, folder: Path) -> list[str]:
    """Crawl, merge and compare. Returns what is wrong."""
    output, whole = folder / "snapshots", folder / "whole"
    faults = ["--unavailable=0.01", "--resets=0.005", "--truncated=0.005", "--giants=0", "--latency=0.02"]
    with emulated(night.repositories, folder, *faults, f"--quota={2 * night.rate}") as registry:
        began = time.monotonic()
        with all_shards(registry, folder, night) as running:
            measured = rates(registry, running)
            codes = [process.wait() for process in running]
        took, seen = time.monotonic() - began, counts(registry)
        subprocess.run(
            crawl_command(registry, folder, "--output", str(whole), f"--rate={2 * night.rate}/s"),
            check=True,
            stderr=subprocess.DEVNULL,
        )
    withheld = withhold(output, night.shards - 3)
    partial, said = merged(output)
    remove_partial(output)
    withheld.rename(output / ".shards" / GROUP / withheld.parent.name / withheld.name)
    code, _ = merged(output)
    found, truth = records_in(output), records_in(whole)
    share, busiest = mean(measured) / night.rate, max(measured) / night.rate
    print(f"{night.repositories:,} repositories, {night.shards} shards, {night.rate}/s together, {took:.0f} s")
    print(f"{len(measured)} seconds with all shards at work: mean {share:.1%} of the rate, busiest {busiest:.1%}")
    print(f"busiest second of the whole night, start included: {seen['busiest_second']}; {seen['faults']:,} faults")
    print(f"lost {len(truth.keys() - found.keys())}, altered {sum(truth[n] != found.get(n) for n in truth)}")
    checks = {
        "a shard did not end complete": set(codes) == {0},
        "the withheld shard was not missed": partial == 3
        and f"shard {night.shards - 3}/{night.shards} did not" in said,
        "the merge is not complete": code == 0,
        "the records differ from those of one run": found == truth,
        "more than 105% of the rate in one second": busiest <= 1.05,
        "less than 95% of the rate was used": share >= 0.95,
    }
    return [wrong for wrong, is_right in checks.items() if not is_right]


def remove_partial(output: Path) -> None:
    """Remove the snapshot without the withheld shard.

    A merged snapshot begins with its first shard. Where that was withheld, the whole snapshot is the older of the two.
    """
    for folder in output.glob("source=*/date=*/run=*"):
        shutil.rmtree(folder)


def withhold(output: Path, index: int) -> Path:
    """Move a shard's folder away; returns where it is."""
    (shard,) = output.glob(f".shards/{GROUP}/source=*/shard={index:05d}-*")
    place = output.parent / "withheld" / shard.parent.name / shard.name
    place.parent.mkdir(parents=True)
    return Path(shutil.move(shard, place))


def main() -> int:
    parser = argparse.ArgumentParser(description="Crawl with several shards, merge, and compare with one run.")
    parser.add_argument("--repositories", type=int, default=20_000)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--rate", type=int, default=320, help="exchanges a second of all shards together")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with TemporaryDirectory() as folder:
        night = Night(repositories=options.repositories, shards=options.shards, rate=options.rate)
        wrong = play(night, Path(folder))
    print("\n".join(f"FAILED: {each}" for each in wrong) or "nothing lost, nothing twice, the rate was kept")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
