"""What the page says: everything of it, as one value."""

from dataclasses import dataclass

from crawler.questions.audit.own_tables import open_tables
from crawler.questions.report.history import (
    Growth,
    LastChanges,
    NewerSnapshot,
    NotCompared,
    newer_snapshot,
    read_growth,
    read_last_changes,
)
from crawler.questions.report.images import Images, read_images
from crawler.questions.report.run_facts import RunFacts, read_run_facts
from crawler.questions.report.statements import create
from crawler.questions.report.teams import Teams, read_teams
from crawler.questions.report.trouble import Failures, ProblemCount, read_failures, read_problems
from crawler.questions.whole import check_whole
from crawler.tables.selection import SelectedSnapshot, earlier_snapshots


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A snapshot on one page. Every text from a registry is printable, and every list has an end.

    Attributes:
        newer: None where this is the newest snapshot of its target.
        changes: None where no complete snapshot of the target is kept from before.
    """

    facts: RunFacts
    newer: NewerSnapshot | None
    changes: LastChanges | NotCompared | None
    growth: Growth
    teams: Teams
    images: Images
    problems: tuple[ProblemCount, ...]
    failures: Failures


def collect_report(snapshot: SelectedSnapshot) -> Report:
    """Ask everything of a snapshot, and of those before it. Raises SnapshotError."""
    check_whole(snapshot)
    earlier = earlier_snapshots(snapshot)
    changes = read_last_changes(earlier, snapshot)
    growth = read_growth([*reversed(earlier), snapshot])
    with open_tables([snapshot]) as database:
        facts = read_run_facts(database)
        images = read_images(database, snapshot.started_at)
        create(database, "listed")
        return Report(
            facts=facts,
            newer=newer_snapshot(snapshot),
            changes=changes,
            growth=growth,
            teams=read_teams(database, images.known),
            images=images,
            problems=read_problems(database, facts),
            failures=read_failures(database),
        )
