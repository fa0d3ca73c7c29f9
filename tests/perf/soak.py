"""Faults, a quota, short-lived tokens, kills at random times, and outages: nothing is lost and nothing listed twice.

`make soak` runs everything; `test_survival.py` and `test_outages.py` run short versions of its parts. Every process is
one that a user would run. `python tests/perf/soak.py outages --only refused:10,tokens` runs some outages alone.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

if __name__ == "__main__":  # a script has its own folder in sys.path[0]; the imports below need tests/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from support.inventories import comparable, expected
from support.snapshots import folders, read_snapshot

from crawler.emulator import Inventory, Settings
from perf.outages import table

COMMAND = [sys.executable, "-m", "crawler"]
FAULTS = ["--unavailable=0.05", "--resets=0.02", "--truncated=0.01"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """What goes wrong during a crawl. The seconds before each kill are drawn from the range `between_kills_s`."""

    repositories: int
    kills: int
    between_kills_s: tuple[float, float]
    quota: int
    token_lifetime_s: int = 3
    seed: int = 1


@dataclass(slots=True, kw_only=True)
class Survival:
    """The result: how the snapshot differs from the inventory."""

    verdict: str = "none"
    kills: int = 0
    lost: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    twice: int = 0
    snapshots: int = 0
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        return (self.verdict, self.lost, self.altered, self.twice, self.snapshots) == ("complete", [], [], 0, 1)


def crawl_through(storm: Storm, folder: Path) -> Survival:
    """Crawl an emulated registry through the storm, killing and resuming, until the crawl ends by itself."""
    chance = random.Random(storm.seed)
    survival = Survival()
    options = [*FAULTS, f"--quota={storm.quota}", f"--token-lifetime={storm.token_lifetime_s}"]
    began = time.monotonic()
    with emulated(storm.repositories, folder, *options) as registry:
        crawl = crawl_command(registry, folder, "--resume")
        for _ in range(storm.kills):
            if not killed(crawl, after_s=chance.uniform(*storm.between_kills_s)):
                break  # it was quicker than the kill; another crawl would begin another snapshot
            survival.kills += 1
        else:
            subprocess.run(crawl, check=False, stdout=subprocess.DEVNULL)
        survival.counts = counts(registry)
    survival.seconds = time.monotonic() - began
    compare(folder / "snapshots", Inventory(Settings(repositories=storm.repositories)), survival)
    return survival


def compare(output: Path, inventory: Inventory, survival: Survival) -> None:
    snapshot = read_snapshot(output)
    truth = expected(inventory)
    found = comparable({record["repository"]: record for record in snapshot.records})
    survival.verdict = snapshot.manifest["verdict"]
    survival.snapshots = len(folders(output))
    survival.lost = sorted(truth.keys() - found.keys())
    survival.altered = sorted(name for name in truth.keys() & found.keys() if truth[name] != found[name])
    survival.twice = len(snapshot.records) - len(found)


@contextmanager
def emulated(repositories: int, folder: Path, *options: str) -> Iterator[str]:
    """Run the emulator in a process of its own; yields its host:port."""
    command = [*COMMAND, "emulator", "--port=0", f"--repositories={repositories}", *options]
    with subprocess.Popen(
        [*command, f"--key-file={folder / 'key.json'}"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[0]
        finally:
            process.terminate()


def crawl_command(registry: str, folder: Path, *options: str) -> list[str]:
    where = ["--key-file", str(folder / "key.json"), "--output", str(folder / "snapshots")]
    return [*COMMAND, "crawl", registry, *where, "--no-progress", *options]


def killed(command: list[str], *, after_s: float) -> bool:
    """Run a command and kill it after `after_s` seconds; False if it ended before."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def counts(registry: str) -> dict[str, int]:
    with urllib.request.urlopen(f"http://{registry}/emulator/counts") as reply:
        return dict(json.load(reply))


@dataclass(frozen=True, slots=True, kw_only=True)
class Steadiness:
    """How a crawl kept its rate: the share of it used, exchanges in the busiest second, and exchanges with 429."""

    rate: int
    used: float
    busiest_second: int
    throttled: int


def keep_rate(rate: int, repositories: int, folder: Path) -> Steadiness:
    """Crawl a registry that allows `rate` exchanges a second, with --rate set to the same number.

    The inventory has no giants: a giant listing blocks the emulator, which delays all other responses.
    """
    with emulated(repositories, folder, f"--quota={rate}", "--latency=0.02", "--giants=0") as registry:
        subprocess.run(crawl_command(registry, folder, f"--rate={rate}/s"), check=True, stdout=subprocess.DEVNULL)
        seen = counts(registry)
    manifest: dict[str, Any] = read_snapshot(folder / "snapshots").manifest
    seconds = seconds_of(manifest["finished_at"]) - seconds_of(manifest["started_at"])
    used = manifest["requests"]["total"] / seconds / rate
    return Steadiness(rate=rate, used=used, busiest_second=seen["busiest_second"], throttled=seen["throttled"])


def seconds_of(timestamp: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(timestamp).timestamp()


def main() -> int:
    parser = argparse.ArgumentParser(description="Crawl through faults, kills and outages.")
    parser.add_argument("part", nargs="?", choices=["storm", "outages"], help="run one part; the default is both")
    parser.add_argument("--only", default="", help="run these outages only, such as refused:10,gone,tokens")
    options = parser.parse_args()
    outages = table.chosen(options.only)
    good = options.part == "outages" or survives_storm()
    if options.part != "storm":
        print()
        good = table.play(outages) and good
    print("\nnothing lost, nothing twice" if good else "\nFAILED: see above")
    return 0 if good else 1


def survives_storm() -> bool:
    with TemporaryDirectory() as folder:
        storm = Storm(repositories=5000, kills=20, between_kills_s=(1.5, 7.0), quota=200)
        survival = crawl_through(storm, Path(folder))
    with TemporaryDirectory() as folder:
        steadiness = keep_rate(200, 6000, Path(folder))
    rows = [
        ("exchanges with the registry", sum(survival.counts[k] for k in ("ping", "catalog", "token", "listing"))),
        ("faults met (503, resets, truncated bodies)", survival.counts["faults"]),
        ("throttled (429)", survival.counts["throttled"]),
        ("access tokens asked for", survival.counts["oauth"]),
        ("kills survived", survival.kills),
        ("repositories lost", len(survival.lost)),
        ("listed twice", survival.twice),
        ("recorded with wrong content", len(survival.altered)),
        ("snapshots published", survival.snapshots),
        ("verdict", survival.verdict),
        ("seconds", round(survival.seconds)),
        ("", ""),
        ("with the rate set to the quota of", f"{steadiness.rate}/s"),
        ("share of it used", f"{steadiness.used:.1%}"),
        ("most in any one second", steadiness.busiest_second),
        ("throttled (429) ", steadiness.throttled),
    ]
    for what, figure in rows:
        print(f"{what:<45}{figure:>12}")
    return survival.is_whole and steadiness.used >= 0.97 and steadiness.throttled == 0


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parents[1])
    sys.exit(main())
