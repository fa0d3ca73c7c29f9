"""The verdict: the evidence and the counts of a run become the reasons why its snapshot may be incomplete.

One pure function, the same for a run, a resumed run and a merge of shards. `complete` means that there is no reason.
"""

from dataclasses import dataclass
from typing import Final

from crawler.model.run_manifest import Counts, Evidence
from crawler.model.words import repositories

MANY_MISSING: Final = 10
"""Up to this many repositories may be missing, whatever their share: a small registry may lose a few in a night."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the verdict is made from.

    Attributes:
        evidence: how discovery ended.
        counts: what was recorded.
        names: how many names need a record.
        nothing_matched: why the target's prefix or the filters left out every name; None where they did not.
        expect: fewer repositories than this are a reason for doubt.
        max_shrink: the share by which the listed repositories may be fewer than `previous_ok`; None allows any.
        unresolved: images that were not read and are not among `counts.images`, since their digest is not known.
        allowance_spent: which limit of exchanges for depth was reached; None where none was.
        previous_ok: how many repositories were listed in the target's last complete snapshot; None where there is none.
    """

    evidence: Evidence
    counts: Counts
    names: int
    nothing_matched: str | None = None
    expect: int = 1
    max_shrink: float | None = None
    previous_ok: int | None = None
    unresolved: int = 0
    allowance_spent: str | None = None


def reasons_for_doubt(found: Findings) -> tuple[str, ...]:
    """Each reason in plain words; none for a complete snapshot."""
    counts = found.counts
    reasons = [
        "" if found.evidence.complete else f"discovery may be incomplete: {found.evidence.text}",
        _too_few(found),
        _without_record(found),
        f"{repositories(counts.denied)} denied" if counts.denied else "",
        f"{repositories(counts.failed)} failed" if counts.failed else "",
        f"{repositories(counts.suspect)} with a possibly truncated listing" if counts.suspect else "",
        _unread(found),
        _mostly_missing(counts),
        _shrunk(found),
    ]
    return tuple(reason for reason in reasons if reason)


def _too_few(found: Findings) -> str:
    # an invalid name is no repository: a list that holds nothing else is the wrong file
    there = found.counts.repositories - found.counts.invalid
    if there >= found.expect:
        return ""
    if found.nothing_matched is not None:
        return found.nothing_matched
    return f"{repositories(there)} found, and at least {found.expect:,} expected (--expect)"


def _without_record(found: Findings) -> str:
    without = found.names - found.counts.repositories
    if without > 0:
        return f"{without:,} {'name has' if without == 1 else 'names have'} no record"
    return f"{-without:,} more {'record' if without == -1 else 'records'} than names" if without else ""


def _unread(found: Findings) -> str:
    unread = found.counts.unread
    if not unread:
        return ""
    images = (found.counts.images or 0) + found.unresolved
    noun, verb = "image" if images == 1 else "images", "was" if unread == 1 else "were"
    reason = f"{unread:,} of {images:,} {noun} {verb} not read"
    return reason if found.allowance_spent is None else f"{reason}: {found.allowance_spent}"


def _mostly_missing(counts: Counts) -> str:
    if counts.missing <= MANY_MISSING or 2 * counts.missing <= counts.repositories:
        return ""
    return f"{counts.missing:,} of {repositories(counts.repositories)} missing: more than half"


def _shrunk(found: Findings) -> str:
    if found.max_shrink is None or found.previous_ok is None:
        return ""
    # 1e-6: rounding of floats must not look like a lost repository
    if found.counts.ok >= found.previous_ok * (1 - found.max_shrink) - 1e-6:
        return ""
    return (
        f"{repositories(found.counts.ok)} listed, and {found.previous_ok:,} in the last complete snapshot: "
        f"more than {100 * found.max_shrink:.4g}% fewer (--max-shrink)"
    )
