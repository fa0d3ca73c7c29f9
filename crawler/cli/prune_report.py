"""The messages of `registry-crawler runs prune` that are the same for snapshots on the disk and in a lake."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from crawler.cli import logs
from crawler.cli.prune_mode import PruneMode
from crawler.model.words import size_text
from crawler.snapshot.reader import PublishedRun
from crawler.snapshot.retention import Published
from crawler.untrusted_text import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunedTarget:
    """What became of a target's snapshots in one place, the newest first.

    Attributes:
        lake: its URL; None for the output folder.
        bytes: of the dropped ones.
    """

    target: str
    lake: str | None
    kept: Sequence[Published]
    dropped: Sequence[Published]
    bytes: int


def place_text(target: str, lake: str | None) -> str:
    """A target, and the lake that its runs are in; None for the output folder."""
    return printable(target) if lake is None else f"{printable(target)} in {printable(lake)}"


def report_run(place: str, run: PublishedRun, size: int, mode: PruneMode) -> None:
    """Report a run that is dropped. `place` is of `place_text`."""
    verdict = "complete" if run.is_complete else "partial"
    logs.notice(f"{place}: run {printable(run.run_id)} ({verdict}, {size_text(size)}) {mode.dropped}", logging.INFO)


def report_target(pruned: PrunedTarget, mode: PruneMode) -> None:
    """Report what is kept of a target, and what is dropped."""
    logs.notice(
        f"{place_text(pruned.target, pruned.lake)}: {_kept_text(pruned.kept)}; {len(pruned.dropped):,} {mode.dropped}, "
        f"{size_text(pruned.bytes)} {mode.freed}",
        logging.INFO,
        event="pruned",
        target=pruned.target,
        lake=pruned.lake,
        kept=[each.run.run_id for each in pruned.kept],
        dropped=[each.run.run_id for each in pruned.dropped],
        bytes_freed=pruned.bytes,
        dry_run=mode.is_dry_run,
    )


def _kept_text(kept: Sequence[Published]) -> str:
    """How many snapshots are kept, and from when to when; the newest is the first."""
    if not kept:
        return "no snapshot kept"
    first, last = (each.run.started_at[:10] for each in (kept[-1], kept[0]))
    dates = first if first == last else f"{first} to {last}"
    return f"{len(kept):,} {'snapshot' if len(kept) == 1 else 'snapshots'} kept ({dates})"
