"""The event that ends each run, for a collector of logs."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from crawler.cli.exit_codes import COMPLETE
from crawler.errors import Interrupted, OutputClosed
from crawler.model.run_manifest import RunManifest, Verdict
from crawler.run.crawl import Crawl

End = RunManifest | Exception
"""What a run comes to: its manifest, or why it published nothing."""


def level_of(end: End) -> int:
    """How serious it is: nothing to do, something to look at, or a night without a snapshot."""
    match end:
        case RunManifest(verdict=Verdict.COMPLETE) | OutputClosed():
            return logging.INFO
        case RunManifest() | Interrupted():
            return logging.WARNING
        case _:
            return logging.ERROR


def fields_of(run: Crawl, end: End, sentence: str, output: Path, code: int) -> dict[str, Any]:
    """The event's fields. `verdict` and `snapshot` are null where there is no snapshot; then a reason says why.

    `sentence` is what is said of an error, `code` the exit code of the command if this were its only run.
    """
    manifest = end if isinstance(end, RunManifest) else None
    reasons = (sentence,) if manifest is None and code != COMPLETE else ()
    return {
        "event": "run_ended",
        "target": str(run.target),
        "run_id": run.parameters.run_id,
        "verdict": None if manifest is None else manifest.verdict,
        "reasons": reasons if manifest is None else manifest.reasons,
        "counts": asdict(run.counts),
        "requests": {"total": run.progress.exchanges} if manifest is None else asdict(manifest.requests),
        "duration_s": round(run.progress.seconds, 3),
        "snapshot": str(output / manifest.folder) if manifest is not None and run.writes_snapshot else None,
        "identity": run.parameters.identity if manifest is None else manifest.identity,
        "exit_code": code,
    }
