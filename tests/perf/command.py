"""The benchmark's command line: which rows to measure, how often, and where to write the result."""

import argparse
import compileall
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from support.distribution.certificates import make_certificates

import crawler
from perf.bench import Bench
from perf.measure import BenchBroken, end_like_interrupted
from perf.programs import versions
from perf.rows import (
    calls,
    compression,
    configs,
    cost,
    depth,
    first_record,
    latency,
    memory,
    peers,
    questions,
    rate,
    startup,
    tls,
    ways,
    whole,
)
from perf.table import Row, Unmeasured, written

_LIBRARIES: Final = ("registry-crawler", "aiohttp", "orjson", "uvloop", "anyio")

ROWS: Final[dict[str, Sequence[Callable[[Bench], Sequence[Row | Unmeasured]]]]] = {
    "a": [cost.rows],
    "b": [latency.rows],
    "c": [rate.rows],
    "d": [memory.rows],
    "e": [first_record.rows],
    "f": [peers.rows],
    "g": [tls.rows],
    "h": [startup.rows],
    "i": [compression.rows, calls.rows],
    "j": [depth.rows],
    "k": [ways.rows],
    "l": [whole.rows],
    "m": [configs.rows],
    "n": [questions.rows],
}


def main() -> int:
    wanted = _wanted()
    end_like_interrupted()
    machine = _machine()
    compileall.compile_dir(Path(crawler.__file__).parent, quiet=1)  # as pip does when it installs the package
    began = time.monotonic()
    rows: list[Row | Unmeasured] = []
    try:
        with TemporaryDirectory(prefix="perf-") as folder:
            for letter in wanted.only:
                rows += _measured(letter, Path(folder), wanted.rounds)
    except KeyboardInterrupt:
        return 130
    except BenchBroken as reason:
        broken = str(reason)
    else:
        broken = ""
    seconds = round(time.monotonic() - began)
    print("\n".join(f"{name:<16} {version}" for name, version in machine.items()))
    print(written(rows))
    if wanted.json is not None:
        figures = [row.document() for row in rows]
        document = {"machine": machine, "rounds": wanted.rounds, "seconds": seconds, "rows": figures}
        wanted.json.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
    if broken:
        print(f"the benchmark broke: {broken}", file=sys.stderr)
    return 1 if broken else 0


def _measured(letter: str, folder: Path, rounds: int) -> list[Row | Unmeasured]:
    began = time.monotonic()
    certificates = make_certificates(folder / "certificates")
    bench = Bench(folder=folder, rounds=rounds, certificates=certificates)
    rows = [row for measure in ROWS[letter] for row in measure(bench)]
    print(f"{letter}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return rows


def _machine() -> dict[str, str]:
    """The machine, and each library and program that takes part, with its version."""
    return {
        "cores": f"{os.cpu_count()} ({platform.machine()})",
        "load before": f"{os.getloadavg()[0]:.1f}",  # a high load of other processes spoils the result
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
        **versions(),
    }


def _wanted() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests/perf",
        description="Measure what a crawl costs beside other clients; takes about a quarter of an hour.",
    )
    parser.add_argument("--only", type=_letters, default=list(ROWS), metavar="a,b,h", help="measure these rows only")
    parser.add_argument("--rounds", type=_rounds, default=3, metavar="N", help="how often to measure")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the result to FILE")
    return parser.parse_args()


def _letters(text: str) -> list[str]:
    letters = text.split(",")
    if unknown := [letter for letter in letters if letter not in ROWS]:
        raise argparse.ArgumentTypeError(f"no row {', '.join(unknown)}: there are {', '.join(ROWS)}")
    return letters


def _rounds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return int(text)
