"""The statements that compare two snapshots, in `sql/`. Each reads as little, and holds as little, as it can.

1. Of each old record: how it was listed, and a fingerprint of what is in it.
2. The new records. What is in one is kept only where no old record has its fingerprint, or something was not read.
3. The old records whose new record was kept.

So a night in which little changes costs three readings, and the memory of what changed.
"""

from importlib.resources import files
from typing import Any, Final

from crawler.errors import SnapshotError
from crawler.questions.diff.limits import Limits
from crawler.questions.diff.pairing import Pairing, full_name
from crawler.questions.diff.proof import ComparedRun
from crawler.tables.database import Database

_FIELDS: Final = (
    "outcome",
    "suspect",
    "error.code",
    "tags",
    "images.digest",
    "images.tags",
    "problems.problem",
    "problems.tag",
    "problems.digest",
)
_SIGNATURE_FIELDS: Final = ("images.referrers.digest", "images.referrers.via", "images.referrers.kind")

_CREATE_CHANGES: Final = """
CREATE TEMP TABLE changes (
    kind VARCHAR, repository VARCHAR, tag VARCHAR, subject_digest VARCHAR, old_digest VARCHAR, new_digest VARCHAR,
    detail VARCHAR
)
"""


def record_fields(limits: Limits) -> tuple[str, ...]:
    """The fields of a record that are compared."""
    return (*_FIELDS, *_SIGNATURE_FIELDS) if limits.compares_signatures else _FIELDS


def fill_changes(database: Database, old: ComparedRun, new: ComparedRun, pairing: Pairing, limits: Limits) -> None:
    """Create the table `changes`. Raises QueryError and SnapshotError."""
    is_mirror = pairing is Pairing.AS_MIRROR
    evidence = {
        "old_prefix": old.target.prefix if is_mirror else "",
        "new_prefix": new.target.prefix if is_mirror else "",
        "absence_doubt": limits.absence_doubt,
        "addition_doubt": limits.addition_doubt,
        "digests_doubt": limits.digests_doubt,
        "compares_images": limits.compares_images,
    }
    for macro in _sql("macros").split(";\n"):
        _execute(database, macro)
    _execute(database, _sql("evidence"), evidence)
    for side in ("old", "new"):
        _execute(database, _of_side("contents", side))
    for name in ("old_heads", "new_heads", "old_kept", "new_kept"):
        _execute(database, _sql(name))
    _check_records(database, "old", old)
    _check_records(database, "new", new)
    _fill_outside(database, old, new, pairing)
    _execute(database, _CREATE_CHANGES)
    _fill(database, limits)


def _fill(database: Database, limits: Limits) -> None:
    _insert(database, _sql("repositories"))
    for side in ("old", "new"):
        _insert(database, _of_side("outside", side))
        _execute(database, _of_side("tags_of", side))
    _insert(database, _sql("tags"))
    _insert(database, _sql("digests"))
    if limits.compares_images:
        _insert(database, _sql("images"))
    if limits.compares_signatures:
        _insert(database, _sql("signatures"), {"api_answers": _api_answers(database, limits)})
    if limits.compares_problems:
        _insert(database, _sql("problems"))
    for line in limits.unknown:
        _execute(database, "INSERT INTO changes (kind, detail) VALUES ('unknown', $line)", {"line": line})


def _check_records(database: Database, side: str, run: ComparedRun) -> None:
    """A file that was copied in part must not look like repositories that are gone. Raises SnapshotError."""
    ((found,),) = database.query(f"SELECT count(*) FROM {side}_heads").rows  # noqa: S608  (a constant)
    if found != run.records:
        message = (
            f"{run.run_id} holds {found:,} records, and its _run.json claims {run.records:,}: was it copied whole?"
        )
        raise SnapshotError(message)


def _fill_outside(database: Database, old: ComparedRun, new: ComparedRun, pairing: Pairing) -> None:
    """Create `outside_old` and `outside_new`: the repositories of one snapshot that the other run did not look for."""
    for side, run, other, other_run in (("old", old, "new", new), ("new", new, "old", old)):
        _execute(database, f"CREATE TEMP TABLE outside_{side} (repository VARCHAR)")
        if run.scope == other_run.scope:
            continue
        sql = f"SELECT repository FROM {other}_heads ANTI JOIN {side}_heads USING (repository)"  # noqa: S608
        names = [name for (name,) in database.query(sql).rows if not _is_covered(run, name, pairing)]
        _execute(database, f"INSERT INTO outside_{side} SELECT unnest($names::VARCHAR[])", {"names": names})


def _is_covered(run: ComparedRun, name: str, pairing: Pairing) -> bool:
    return run.scope.covers(full_name(run.target, name) if pairing is Pairing.AS_MIRROR else name)


def _api_answers(database: Database, limits: Limits) -> bool:
    return limits.asks_referrers_api and any(database.query(_sql("api_answers")).rows)


def _insert(database: Database, sql: str, parameters: dict[str, Any] | None = None) -> None:
    _execute(database, f"INSERT INTO changes {sql}", parameters)


def _execute(database: Database, sql: str, parameters: dict[str, Any] | None = None) -> None:
    database.query(sql, parameters)


def _sql(name: str) -> str:
    return (files(__package__) / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def _of_side(name: str, side: str) -> str:
    """A statement that is the same for both sides."""
    other = "new" if side == "old" else "old"
    return _sql(name).replace("{side}", side).replace("{other}", other)
