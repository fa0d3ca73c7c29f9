"""h: what it takes to begin, beside Python's own start; and that nothing is imported that is not needed."""

import sys
from collections.abc import Callable, Collection
from functools import partial
from statistics import median
from typing import Final

from perf.bench import Bench
from perf.crawl import COMMAND, crawl
from perf.measure import Usage, in_turns, run
from perf.server import Site, serving
from perf.table import AtMost, Row, Unit

ROUNDS_AT_LEAST: Final = 5
"""It is over in no time, of which one cold cache would be most."""

_NAMING_IMPORTS: Final = {"PYTHONPROFILEIMPORTTIME": "1"}
"""Has Python name on standard error each module that it imports."""

_HEAVY: Final = ("google.auth", "cryptography", "rich", "sqlite3", "zstandard", "crawler.emulator")
_SITE: Final = Site(repositories=1, listing="google", wants_tokens=True)

_PYTHON: Final = "python -c pass"
_AIOHTTP: Final = "python -c 'import aiohttp'"
_HELP: Final = "registry-crawler --help"
_ONE: Final = "a crawl of one repository with a password"

_ALLOWED_S: Final = {_HELP: 0.1, _ONE: 0.3}
"""Seconds of CPU, on a machine that has nothing else to do."""


def rows(bench: Bench) -> list[Row]:
    password = bench.folder / "password"
    password.write_text("bench\n")
    login = ("--username=bench", f"--password-file={password}")
    with serving(bench.folder, [_SITE]) as nginx:
        crawl_one = partial(crawl, bench.folder, nginx.host(_SITE), *login, repositories=1, concurrency=1)
        starts: dict[str, Callable[[], Usage]] = {
            _PYTHON: partial(run, [sys.executable, "-c", "pass"]),
            _AIOHTTP: partial(run, [sys.executable, "-c", "import aiohttp"]),
            _HELP: partial(run, [COMMAND, "--help"]),
            _ONE: lambda: crawl_one().usage,
        }
        taken = in_turns(max(bench.rounds, ROUNDS_AT_LEAST), starts)
        of_help = run([COMMAND, "--help"], env=_NAMING_IMPORTS)
        of_crawl = crawl_one(env=_NAMING_IMPORTS).usage
    return [
        *(_absolute(start, taken) for start in (_HELP, _ONE)),
        *(row for start in (_HELP, _ONE) for ground in (_PYTHON, _AIOHTTP) for row in _ratios(start, ground, taken)),
        _imports(_HELP, of_help, {*_HEAVY, "aiohttp", "pydantic"}),
        _imports(_ONE, of_crawl, _HEAVY),
    ]


def _absolute(start: str, taken: dict[str, list[Usage]]) -> Row:
    allowed_s = _ALLOWED_S[start]
    figures = [usage.cpu_s / allowed_s for usage in taken[start]]
    what = f"{start}, CPU ÷ {allowed_s * 1e3:.0f} ms: {median(figures) * allowed_s * 1e3:.0f} ms"
    return Row(letter="h", what=what, unit=Unit.RATIO, figures=figures, target=AtMost(1))


def _ratios(start: str, ground: str, taken: dict[str, list[Usage]]) -> list[Row]:
    return [
        _ratio(f"{start} ÷ {ground}, wall", *([usage.wall_s for usage in taken[key]] for key in (start, ground))),
        _ratio(f"{start} ÷ {ground}, CPU", *([usage.cpu_s for usage in taken[key]] for key in (start, ground))),
    ]


def _ratio(what: str, ones: list[float], others: list[float]) -> Row:
    figures = [one / other for one, other in zip(ones, others, strict=True)]
    what = f"{what}: {median(ones) * 1e3:.0f} ÷ {median(others) * 1e3:.0f} ms"
    return Row(letter="h", what=what, unit=Unit.RATIO, figures=figures)


def _imports(start: str, usage: Usage, unwanted: Collection[str]) -> Row:
    modules = {line.rpartition("|")[2].strip() for line in usage.errors.splitlines() if line.startswith("import time:")}
    found = sorted(modules & set(unwanted))
    named = f": {', '.join(found)}" if found else f" of {', '.join(sorted(unwanted))}"
    what = f"{start}: modules imported in vain{named}"
    return Row(letter="h", what=what, unit=Unit.COUNT, figures=[len(found)], target=AtMost(0))
