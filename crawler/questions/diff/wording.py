"""The words for changes, for people: the same in text, Markdown and HTML. Untrusted text is made printable here."""

from collections.abc import Mapping
from typing import Final

from crawler.questions.diff.changes import Change, ChangeKind, Comparison
from crawler.questions.diff.pairing import Pairing
from crawler.questions.diff.proof import ComparedRun
from crawler.untrusted_text import printable

_LONGEST_NAME: Final = 512

_OF_NIGHTS: Final[Mapping[ChangeKind, str]] = {
    ChangeKind.REPOSITORY_ADDED: "repositories added",
    ChangeKind.REPOSITORY_REMOVED: "repositories removed",
    ChangeKind.REPOSITORY_EMPTIED: "repositories emptied",
    ChangeKind.TAG_ADDED: "tags added",
    ChangeKind.TAG_REMOVED: "tags removed",
    ChangeKind.TAG_MOVED: "tags moved",
    ChangeKind.IMAGE_ADDED: "images added",
    ChangeKind.IMAGE_REMOVED: "images removed",
    ChangeKind.SIGNATURE_ADDED: "signatures added",
    ChangeKind.SIGNATURE_REMOVED: "signatures removed",
    ChangeKind.PROBLEM_NEW: "new problems",
    ChangeKind.PROBLEM_GONE: "problems gone",
    ChangeKind.UNKNOWN: "unknown",
}
_OF_A_MIRROR: Final[Mapping[ChangeKind, str]] = {
    ChangeKind.REPOSITORY_ADDED: "repositories only in the mirror",
    ChangeKind.REPOSITORY_REMOVED: "repositories missing in the mirror",
    ChangeKind.REPOSITORY_EMPTIED: "repositories empty in the mirror",
    ChangeKind.TAG_ADDED: "tags only in the mirror",
    ChangeKind.TAG_REMOVED: "tags missing in the mirror",
    ChangeKind.TAG_MOVED: "tags that differ in the mirror",
    ChangeKind.IMAGE_ADDED: "images only in the mirror",
    ChangeKind.IMAGE_REMOVED: "images missing in the mirror",
    ChangeKind.SIGNATURE_ADDED: "signatures only in the mirror",
    ChangeKind.SIGNATURE_REMOVED: "signatures missing in the mirror",
    ChangeKind.PROBLEM_NEW: "problems only in the mirror",
    ChangeKind.PROBLEM_GONE: "problems not in the mirror",
    ChangeKind.UNKNOWN: "unknown",
}


def heading(kind: ChangeKind, pairing: Pairing) -> str:
    """What changes of a kind are called, in the plural and in lower case."""
    return (_OF_A_MIRROR if pairing is Pairing.AS_MIRROR else _OF_NIGHTS)[kind]


def run_lines(comparison: Comparison) -> tuple[str, str]:
    """A line for each of the two snapshots: which it is, and whether it is complete."""
    return f"old: {_run(comparison.old)}", f"new: {_run(comparison.new)}"


def _run(run: ComparedRun) -> str:
    why = f": {'; '.join(printable(reason) for reason in run.reasons)}" if run.reasons else ""
    return (
        f"{printable(str(run.target))}, run {printable(run.run_id)} of {printable(run.started_at)}, {run.verdict}{why}"
    )


def nothing_changed(comparison: Comparison) -> str:
    """The one sentence for two snapshots that do not differ."""
    old, new = comparison.old, comparison.new
    if comparison.pairing is Pairing.AS_MIRROR:
        return f"{printable(str(new.target))} does not differ from {printable(str(old.target))}"
    return (
        f"nothing changed in {printable(str(new.target))} between {printable(old.run_id)} and {printable(new.run_id)}"
    )


def name_of(change: Change) -> str:
    """The repository, with the tag; "" where the change concerns the whole snapshot."""
    repository = printable(change.repository or "", _LONGEST_NAME)
    return repository if change.tag is None else f"{repository}:{printable(change.tag, _LONGEST_NAME)}"


def digests_of(change: Change) -> str:
    """The digests of a change, "" where it has none: `OLD -> NEW` for a tag that moved, `DIGEST of IMAGE`."""
    listed = [printable(digest) for digest in (change.old_digest, change.new_digest) if digest is not None]
    subject = "" if change.subject_digest is None else f" of {printable(change.subject_digest)}"
    return " -> ".join(listed) + subject


def detail_of(change: Change) -> str:
    return "" if change.detail is None else printable(change.detail)
