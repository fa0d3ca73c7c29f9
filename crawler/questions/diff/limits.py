"""What two runs can be compared in: what both looked at, in the same way."""

from dataclasses import dataclass
from typing import Final

from crawler.model.depth import Depth, ReferrersLevel
from crawler.questions.diff.pairing import Pairing
from crawler.questions.diff.proof import ComparedRun, Reading
from crawler.untrusted_text import printable

_DEPTHS: Final = tuple(Depth)
_LEVELS: Final = tuple(ReferrersLevel)

MAY_HAVE_MISSED: Final = "the old snapshot may have missed it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is compared, and what is not.

    Attributes:
        absence_doubt: why a repository that the new snapshot has no record of may be there still; None where it is
            gone.
        addition_doubt: why a repository that the old snapshot has no record of may have been there; None where it was
            not.
        digests_doubt: why the new snapshot may have no digest for a tag that has one in the old snapshot; None where
            there is no reason for all tags.
        compares_images: whether images are compared by themselves, and not only as those of tags.
        compares_signatures, compares_problems: whether both runs looked for them in the same way.
        asks_referrers_api: whether the new run asked the referrers API.
        notes: what neither snapshot can tell.
        unknown: what the old snapshot tells and the new one cannot.
    """

    absence_doubt: str | None
    addition_doubt: str | None
    digests_doubt: str | None
    compares_images: bool
    compares_signatures: bool
    compares_problems: bool
    asks_referrers_api: bool
    notes: tuple[str, ...]
    unknown: tuple[str, ...]


def limits_between(old: ComparedRun, new: ComparedRun, pairing: Pairing) -> Limits:
    """What can be compared between two runs."""
    same_reading = old.reading == new.reading
    looked_for = [run.reading.referrers is not ReferrersLevel.NONE and run.knows_images for run in (old, new)]
    return Limits(
        absence_doubt=_absence_doubt(new, "new") or _other_view(old, new, pairing),
        addition_doubt=MAY_HAVE_MISSED if _absence_doubt(old, "old") or _other_view(old, new, pairing) else None,
        digests_doubt=_digests_doubt(old.reading, new.reading),
        compares_images=same_reading and old.lists_every_image and new.lists_every_image,
        compares_signatures=same_reading and all(looked_for),
        compares_problems=same_reading,
        asks_referrers_api=new.reading.referrers is ReferrersLevel.API,
        notes=tuple(_notes(old, new)),
        unknown=tuple(_unknown(old, new)),
    )


def _absence_doubt(run: ComparedRun, which: str) -> str | None:
    """Why a repository that a run has no record of may be there."""
    if run.is_name_list:
        return f"not on the {which} snapshot's list of names"
    if not run.is_discovered:
        return f"not listed, and discovery of the {which} snapshot may be incomplete"
    if run.unrecorded:
        return f"not recorded, and {run.unrecorded:,} of the names that the {which} run found have no record"
    return None


def _other_view(old: ComparedRun, new: ComparedRun, pairing: Pairing) -> str | None:
    """What else the runs differ in, so that they may not see the same repositories."""
    if pairing is Pairing.AS_MIRROR:
        return None
    if old.identity != new.identity:
        was, became = printable(old.identity), printable(new.identity)
        return f"not listed to another account: the new snapshot was taken as {became}, the old one as {was}"
    if (old.source, old.location) != (new.source, new.location):
        return "not listed, and the new snapshot was taken with another registry.kind, api_path or location"
    return None


def _digests_doubt(old: Reading, new: Reading) -> str | None:
    if not new.depth.reads_tags:
        return f"no digest in the new snapshot, whose depth is {new.depth}"
    if (old.include_tags, old.exclude_tags) != (new.include_tags, new.exclude_tags):
        return "no digest in the new snapshot, which reads other tags (images.include_tags, images.exclude_tags)"
    return None


def _knows_more(old: Reading, new: Reading) -> bool:
    """Whether the old run looked for something that the new one did not look for."""
    same_tags = (old.include_tags, old.exclude_tags) == (new.include_tags, new.exclude_tags)
    as_deep = _DEPTHS.index(new.depth) >= _DEPTHS.index(old.depth)
    return not (same_tags and as_deep and _LEVELS.index(new.referrers) >= _LEVELS.index(old.referrers))


def _is_lost(old: ComparedRun, new: ComparedRun) -> bool:
    """Whether the old snapshot may have a problem or a signature that the new run did not look for."""
    has_some = old.problems > 0 or old.reading.referrers is not ReferrersLevel.NONE
    return has_some and _knows_more(old.reading, new.reading)


def _notes(old: ComparedRun, new: ComparedRun) -> list[str]:
    notes = []
    if not (old.knows_images or new.knows_images):
        notes.append("moved tags are not seen: no digests are known (--depth digests)")
    elif not new.lists_every_image and (new.reading.include_tags or new.reading.exclude_tags):
        notes.append("moves of tags that were not read are not seen (images.include_tags, images.exclude_tags)")
    if not (old.lists_every_image and new.lists_every_image):
        notes.append("untagged images are not compared: only Google's listings are known to have all")
    if old.reading.referrers is ReferrersLevel.NONE:
        notes.append("signatures are not compared: the old snapshot did not look for them (--referrers listed)")
    if old.reading != new.reading and not _is_lost(old, new):
        notes.append(
            f"problems, signatures and untagged images are not compared: {_readings(old.reading, new.reading)}"
        )
    return notes


def _unknown(old: ComparedRun, new: ComparedRun) -> list[str]:
    if not _is_lost(old, new):
        return []
    return [f"problems, signatures and untagged images are not compared: {_readings(old.reading, new.reading)}"]


def _readings(old: Reading, new: Reading) -> str:
    was, became = f"depth {old.depth}, referrers {old.referrers}", f"depth {new.depth}, referrers {new.referrers}"
    if was == became:
        return "other tags were read (images.include_tags, images.exclude_tags)"
    return f"the old snapshot has {was}, the new one {became}"
