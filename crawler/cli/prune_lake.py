"""`registry-crawler runs prune --lake`: remove runs of a lake, and report it."""

import logging
import shlex
from datetime import datetime
from typing import Final

from crawler.cli import logs
from crawler.cli.exit_codes import COMPLETE, COULD_NOT_RUN
from crawler.cli.prune_mode import PruneMode
from crawler.cli.prune_report import PrunedTarget, place_text, report_run, report_target
from crawler.errors import LakeError
from crawler.lake.retention import LakePlan, LakeRun, PrunedLake, plan_lake_retention
from crawler.snapshot.retention import Retention, RetentionRules
from crawler.untrusted_text import printable

_MOST_NAMED: Final = 5
"""So many unfinished runs are named in one line."""


def read_lake_plan(lake: PrunedLake, rules: RetentionRules, now: datetime) -> LakePlan | None:
    """What becomes of the runs of a lake; None, which is reported, where it cannot be read. Raises ConfigError."""
    try:
        return plan_lake_retention(lake, rules, now)
    except LakeError as exc:
        logs.notice(f"{exc}; nothing is removed from the lake", logging.ERROR)
        return None


def prune_lake(lake: PrunedLake, plan: LakePlan, mode: PruneMode) -> int:
    """Remove runs of a lake. Returns the exit code. The first error ends it: a lake that is down answers slowly."""
    url = printable(lake.url)
    for unknown in plan.unknown:
        logs.notice(f"{url}: {printable(unknown.name)} is left, and its run: {unknown.reason}")
    if plan.unfinished:
        logs.notice(f"{url}: {_unfinished_text(plan.unfinished)}", logging.INFO)
    if not plan.targets:
        logs.notice(f"there are no runs in {url}", logging.INFO)
    for retention in plan.targets:
        try:
            mode.drop_runs(lake, retention.dropped)
        except LakeError as exc:
            logs.notice(_failure_text(retention, lake, exc), logging.ERROR)
            return COULD_NOT_RUN
        _report(retention, lake, mode)
    return COMPLETE


def _report(retention: Retention[LakeRun], lake: PrunedLake, mode: PruneMode) -> None:
    for each in retention.dropped:
        report_run(place_text(retention.target, lake.url), each.run, each.bytes, mode)
    freed = sum(each.bytes for each in retention.dropped)
    report_target(
        PrunedTarget(
            target=retention.target, lake=lake.url, kept=retention.kept, dropped=retention.dropped, bytes=freed
        ),
        mode,
    )


def _failure_text(retention: Retention[LakeRun], lake: PrunedLake, exc: LakeError) -> str:
    runs = ", ".join(printable(each.run.run_id) for each in retention.dropped)
    return (
        f"{exc}; of {printable(retention.target)} these runs may be removed in part, and no other run is: {runs}; "
        f"`registry-crawler runs prune --lake {shlex.quote(printable(lake.url))}` removes the rest"
    )


def _unfinished_text(unfinished: tuple[str, ...]) -> str:
    more = f", and {len(unfinished) - _MOST_NAMED:,} more" if len(unfinished) > _MOST_NAMED else ""
    named = ", ".join(map(printable, unfinished[:_MOST_NAMED]))
    return (
        f"{len(unfinished):,} unfinished {'run is' if len(unfinished) == 1 else 'runs are'} left: {named}{more}; "
        "`registry-crawler publish RUN_ID` completes a run, unless it is just being published"
    )
