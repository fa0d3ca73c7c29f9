"""n: what a snapshot of 300,000 images costs after the crawl: publishing it to a lake, and each question of audit."""

import json
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from perf.bench import Bench
from perf.crawl import COMMAND
from perf.many_images import ManyImages, publish_many_images
from perf.measure import BenchBroken, Usage, in_turns, run
from perf.table import Row, Unit, Unmeasured

IMAGES: Final = 300_000

_POLICY: Final = [{"name": "old", "action": {"type": "Delete"}, "condition": {"tagState": "any", "olderThan": "30d"}}]
_POD: Final = {
    "kind": "Pod",
    "metadata": {"namespace": "default", "name": "web"},
    "spec": {"containers": [{"name": "web", "image": "docker.io/library/nginx:1.29"}]},
}
_RUNNING: Final = {"kind": "List", "items": [_POD]}
"""What cleanup and unused read: a cleanup policy of Artifact Registry, and a cluster that runs another image."""


def rows(bench: Bench) -> list[Row | Unmeasured]:
    snapshot = publish_many_images(bench.folder, IMAGES)
    published = in_turns(min(bench.rounds, 2), {"publish": partial(_publish, bench, snapshot)})["publish"]
    what = f"publishing {snapshot.images:,} images ({snapshot.megabytes:.0f} MB of JSON) to a lake of Parquet"
    return [
        _row(f"{what}: CPU", Unit.SECONDS, [usage.cpu_s for usage in published]),
        _row(f"{what}: wall", Unit.SECONDS, [usage.wall_s for usage in published]),
        _row(f"{what}: peak memory", Unit.MEGABYTES, [usage.peak_mb for usage in published]),
        *_audit(bench, snapshot),
    ]


def _row(what: str, unit: Unit, figures: list[float]) -> Row:
    return Row(letter="n", what=what, unit=unit, figures=figures)


def _publish(bench: Bench, snapshot: ManyImages) -> Usage:
    lake = Path(mkdtemp(prefix="lake-", dir=bench.folder))
    usage = run([COMMAND, "publish", f"--output={snapshot.output}", f"--lake=file://{lake}"])
    if not list(lake.glob("_runs/*.json")):
        raise BenchBroken(f"publish wrote no run to the lake: {usage.errors}")
    return usage


def _audit(bench: Bench, snapshot: ManyImages) -> list[Row | Unmeasured]:
    """One round: each question takes seconds, and there are many."""
    files = _files(bench.folder)
    questions = json.loads(run([COMMAND, "audit", f"--output={snapshot.output}", "--format=json"]).output)
    given: list[Row | Unmeasured] = []
    for question in questions:
        name, can_be_answered = question["question"], question["can_be_answered"]
        what = f"audit {name} of {snapshot.images:,} images: wall"
        if can_be_answered == "yes":
            options = [option for option in files if option.partition("=")[0] in question["parameters"]]
            usage = run([COMMAND, "audit", name, f"--output={snapshot.output}", "--format=csv", *options])
            given.append(_row(what, Unit.SECONDS, [usage.wall_s]))
        else:
            given.append(Unmeasured(letter="n", what=what, why=can_be_answered))
    return given


def _files(folder: Path) -> list[str]:
    """The options of the questions that read a file."""
    policy, running = folder / "policy.json", folder / "running.json"
    policy.write_text(json.dumps(_POLICY))
    running.write_text(json.dumps(_RUNNING))
    return [f"--policy={policy}", f"--running={running}"]
