"""i: how many functions an exchange calls, the libraries' and Python's own counted in: a figure that no noise moves."""

import json
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from perf.bench import Bench
from perf.measure import program, run
from perf.server import Site, serving
from perf.table import AtMost, Row, Unit

FEWER: Final = 1000
MORE: Final = 3000
LISTINGS: Final = {"google": "Google's listing of 8 images", "plain": "400 bytes"}
TARGETS: Final = {"google": AtMost(145), "plain": AtMost(130)}

_CONFIG: Final = """\
[output]
path = {output}
[limits]
concurrency = 32
rate = "none"
[[registry]]
target = "{host}"
[registry.auth]
method = "anonymous"
"""


def rows(bench: Bench) -> list[Row]:
    """The slope between two sizes, so that what a run calls once does not count."""
    sites = [Site(repositories=size, listing=listing) for listing in LISTINGS for size in (FEWER, MORE)]
    with serving(bench.folder, sites) as nginx:
        calls = {site: _calls(bench.folder, nginx.host(site)) for site in sites}
    return [
        Row(
            letter="i",
            what=f"profiled function calls of an exchange: {LISTINGS[fewer.listing]}",
            unit=Unit.COUNT,
            figures=[(calls[more] - calls[fewer]) / (MORE - FEWER)],
            target=TARGETS[fewer.listing],
        )
        for fewer, more in zip(sites[::2], sites[1::2], strict=True)
    ]


def _calls(folder: Path, host: str) -> int:
    home = Path(mkdtemp(prefix="profiled-", dir=folder))
    config = home / "config.toml"
    config.write_text(_CONFIG.format(output=json.dumps(str(home / "snapshots")), host=host))
    return int(run(program("profiled", str(config))).output)
