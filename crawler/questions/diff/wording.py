"""The words for changes, for people: the same in text, Markdown and HTML. Untrusted text is made printable here."""

from collections.abc import Mapping
from typing import Final

from crawler.questions.diff.changes import Change, ChangeKind, Comparison
from crawler.questions.diff.pairing import Pairing
from crawler.questions.diff.proof import ComparedRun
from crawler.untrusted_text import printable

_LONGEST_NAME: Final = 512

_NOUNS: Final[Mapping[str, tuple[str, str]]] = {
    "repository": ("repository", "repositories"),
    "tag": ("tag", "tags"),
    "image": ("image", "images"),
    "signature": ("signature", "signatures"),
    "problem": ("problem", "problems"),
}
_OF_A_MIRROR: Final[Mapping[str, str]] = {
    "added": "only in the mirror",
    "new": "only in the mirror",
    "removed": "missing in the mirror",
    "gone": "not in the mirror",
    "emptied": "empty in the mirror",
    "moved": "different in the mirror",
}


def counted(kind: ChangeKind, count: int, pairing: Pairing) -> str:
    """So many changes of a kind, such as `1 tag moved`."""
    noun, _, happened = kind.partition("-")
    return f"{count:,} {_phrase(noun, happened, count, pairing)}"


def heading(kind: ChangeKind, pairing: Pairing) -> str:
    """What changes of a kind are called, in the plural and in lower case."""
    noun, _, happened = kind.partition("-")
    return _phrase(noun, happened, 2, pairing)


def _phrase(noun: str, happened: str, count: int, pairing: Pairing) -> str:
    if not happened:
        return noun
    written = _NOUNS[noun][count != 1]
    if pairing is Pairing.AS_MIRROR:
        return f"{written} {_OF_A_MIRROR[happened]}"
    return f"new {written}" if happened == "new" else f"{written} {happened}"


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
