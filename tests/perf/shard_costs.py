"""What one shard of many costs, by the size of the catalog; and what `merge` costs, by the number of records.

    python tests/perf/shard_costs.py --repositories 100000 --repositories 1000000 --shards 256

Two shards crawl a server that answers at once: the first reads the names, the second takes them from the group's list.
The shards of the merge are written by hand. Each line has processor
time and peak memory; `simulate_shards.py` calculates with them.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import orjson

if __name__ == "__main__":  # a script has its own folder in sys.path[0]; the imports below need tests/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from support.stored_snapshots import golden_snapshot

from crawler.model.run_parameters import RunParameters
from crawler.model.shard import Shard
from crawler.model.shard_report import SeenNames, ShardReport
from crawler.snapshot.parts import describe_part, part_name, write_lines
from crawler.snapshot.shards import SHARD_REPORT, TERMS
from perf.crawl import COMMAND
from perf.delaying import delaying
from perf.inventory import name
from perf.measure import Usage, end_like_interrupted, run

_GROUP: Final = "calibration"
_TARGET: Final = "registry.example.com"
_STARTED_AT: Final = "2026-11-27T02:00:00.000Z"
_TAGS: Final = ["latest", *(f"v1.{minor}.0" for minor in range(10))]
"""Eleven tags: the mean of a Pareto distribution with the exponent 1.1."""


def measure_shards(repositories: int, shards: int, folder: Path) -> tuple[Usage, Usage]:
    """Crawl a shard that reads the names, and one that takes them from the list. Raises BenchBroken where one fails."""
    group = [f"--group={_GROUP}", f"--output={folder / f'shard-of-{repositories}'}"]
    with delaying(repositories=repositories, listing="tiny", delay_s=0) as registry:
        ours = [registry.host, "--auth=anonymous", "--rate=none", "--concurrency=32", "--no-progress"]
        reader, follower = (
            run([COMMAND, "crawl", *ours, *group, f"--shard={index}/{shards}"]) for index in (shards - 1, shards - 2)
        )
    return reader, follower


def measure_merge(records: int, shards: int, folder: Path) -> Usage:
    """Write the shards of a registry, and merge them. Raises BenchBroken where the merge fails."""
    output = folder / f"merge-of-{records}"
    for index in range(shards):
        _write_shard(output, Shard(index, shards), records)
    return run([COMMAND, "merge", "--group", _GROUP, "--output", str(output)])


def record_line(run_id: str, number: int, tags: Iterable[str] = _TAGS) -> bytes:
    """A record as depth `tags` writes it."""
    record = {
        "schema": 2,
        "run_id": run_id,
        "target": _TARGET,
        "registry": _TARGET,
        "repository": name(number),
        "outcome": "ok",
        "tags": list(tags),
        "images": None,
        "children": None,
        "problems": [],
        "suspect": None,
        "error": None,
        "observed_at": _STARTED_AT,
    }
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def _write_shard(output: Path, shard: Shard, records: int) -> None:
    """Write a shard as a crawl publishes it. Of the names by their number, it has every `shard.count`th."""
    parameters = _parameters(shard)
    folder = output / parameters.folder
    folder.mkdir(parents=True)
    numbers = range(shard.index, records, shard.count)
    part = folder / part_name(0, "none")
    write_lines(map(record_line, repeat(parameters.run_id), numbers), part, "none")
    described = describe_part(part)
    report = ShardReport(
        parameters=parameters,
        names=len(numbers),
        unresolved=0,
        nothing_matched=None,
        allowance_spent=None,
        seen=tuple(SeenNames(len(range(each, records, shard.count)), 0) for each in range(shard.count)),
    )
    (folder / SHARD_REPORT).write_bytes(orjson.dumps(report))
    (folder / "_run.json").write_bytes(orjson.dumps(_run_manifest(parameters, [described], len(numbers))))
    (folder.parent / TERMS).write_bytes(parameters.dump())


def _parameters(shard: Shard) -> RunParameters:
    return RunParameters(
        run_id=f"20261127T020000Z-{shard.index:04x}",
        started_at=_STARTED_AT,
        target=_TARGET,
        kind="distribution",
        identity="anonymous",
        images_from="auto",
        location=None,
        api_path="/v2/",
        discovery="auto",
        repositories_from=None,
        include=(),
        exclude=(),
        depth="tags",
        referrers="none",
        include_tags=(),
        exclude_tags=(),
        group=_GROUP,
        shards=shard.count,
        shard=shard.index,
    )


def _run_manifest(parameters: RunParameters, files: list[Any], records: int) -> dict[str, Any]:
    """The golden snapshot's, with what differs."""
    golden = json.loads((golden_snapshot() / "_run.json").read_text(encoding="utf-8"))
    none = dict.fromkeys(golden["counts"], 0)
    return {
        **golden,
        "run_id": parameters.run_id,
        "started_at": _STARTED_AT,
        "verdict": "complete",
        "reasons": [],
        "depth": "tags",
        "referrers": "none",
        "shard": str(parameters.part),
        "group": _GROUP,
        "counts": {**none, "repositories": records, "ok": records, "tags": records * len(_TAGS), "images": None},
        "files": files,
    }


def main() -> None:
    end_like_interrupted()
    parser = argparse.ArgumentParser(description="Measure what one shard of many costs, and what a merge costs.")
    parser.add_argument("--repositories", type=int, action="append", help="repeatable; 100,000 by default")
    parser.add_argument("--shards", type=int, default=256)
    options = parser.parse_args()
    with TemporaryDirectory() as place:
        folder = Path(place)
        for repositories in options.repositories or [100_000]:
            print(f"{repositories:,} repositories, {options.shards} shards")
            reader, follower = measure_shards(repositories, options.shards, folder)
            _print_usage("the shard that reads the names", reader)
            _print_usage("a shard that takes them from the list", follower)
            _print_usage("the merge", measure_merge(repositories, options.shards, folder))


def _print_usage(what: str, usage: Usage) -> None:
    print(f"  {what}: {usage.cpu_s:.1f} s of processor time, peak memory {usage.peak_mb:.0f} MB", flush=True)


if __name__ == "__main__":
    main()
