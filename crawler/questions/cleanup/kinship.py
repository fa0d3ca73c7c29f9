"""Which images are kept, or deleted, because others are: an index and its images, an image and its signatures."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from crawler.questions.cleanup.policy import KEEP, Decision, Fate, PolicyImage, PolicyRepository, unknown

_NOT_READ: Final = "an index of the repository was not read, and may list it"
_INDEX_UNKNOWN: Final = "whether the index that lists it is deleted is not known"
_SUBJECT_UNKNOWN: Final = "whether the image that it belongs to is deleted is not known"

_Decisions = dict[str, Decision]


def parents(images: Iterable[PolicyImage]) -> Mapping[str, list[str]]:
    """By digest, the indexes that list it."""
    found = defaultdict[str, list[str]](list)
    for image in images:
        for child in image.children or ():
            found[child].append(image.digest)
    return found


def referrers_of(images: Sequence[PolicyImage]) -> frozenset[str]:
    """The signatures, SBOMs and the like whose subject is there."""
    digests = {image.digest for image in images}
    return frozenset(image.digest for image in images if image.subject in digests)


def may_have_unread_children(images: Iterable[PolicyImage]) -> bool:
    """Whether an index, or what may be one, was not read: every other image may be listed in it."""
    return any(image.children is None for image in images)


def protect_children(repository: PolicyRepository, decisions: Mapping[str, Decision]) -> _Decisions:
    """The decisions of a registry that deletes no manifest that an index lists, while the index is there."""
    protected = dict(decisions)
    by_digest = {image.digest: image for image in repository.images}
    # kept indexes first: what one of them lists is kept, whatever another one that is unknown says
    for fate, decision in ((Fate.KEEP, KEEP), (Fate.UNKNOWN, unknown(_INDEX_UNKNOWN))):
        todo = [image for image in repository.images if protected[image.digest].fate is fate]
        while todo:
            for child in todo.pop().children or ():
                if child in protected and protected[child].fate is Fate.DELETE:
                    protected[child] = decision
                    todo.append(by_digest[child])
    return _doubt_deletions(protected) if may_have_unread_children(repository.images) else protected


def _doubt_deletions(decisions: Mapping[str, Decision]) -> _Decisions:
    return {
        digest: unknown(_NOT_READ) if decision.fate is Fate.DELETE else decision
        for digest, decision in decisions.items()
    }


def delete_referrers(repository: PolicyRepository, decisions: Mapping[str, Decision]) -> _Decisions:
    """The decisions of a registry that deletes signatures, SBOMs and the like with the image that they belong to."""
    final = dict(decisions)
    referrers = defaultdict[str, list[str]](list)
    for image in repository.images:
        if image.subject is not None:
            referrers[image.subject].append(image.digest)
    # deletions first: what refers to an image that is deleted goes with it, whatever was doubtful of it
    for fate in (Fate.DELETE, Fate.UNKNOWN):
        todo = [digest for digest, decision in final.items() if decision.fate is fate]
        while todo:
            subject = todo.pop()
            for referrer in referrers[subject]:
                if final[referrer].fate is not Fate.DELETE and final[referrer].fate is not fate:
                    final[referrer] = final[subject] if fate is Fate.DELETE else unknown(_SUBJECT_UNKNOWN)
                    todo.append(referrer)
    return final


def delete_orphans(repository: PolicyRepository, decisions: Mapping[str, Decision]) -> _Decisions:
    """The decisions of a registry that deletes an index with its untagged images, unless another index lists them."""
    final = dict(decisions)
    by_digest = {image.digest: image for image in repository.images}
    parents_of = parents(repository.images)
    todo = [image for image in repository.images if final[image.digest].fate is not Fate.KEEP]
    while todo:
        index = todo.pop()
        for child in index.children or ():
            if child not in by_digest or by_digest[child].tags or final[child].fate is not Fate.KEEP:
                continue
            fates = {final[parent].fate for parent in parents_of[child]}
            if Fate.KEEP not in fates:
                final[child] = final[index.digest] if fates == {Fate.DELETE} else unknown(_INDEX_UNKNOWN)
                todo.append(by_digest[child])
    return final


def doubt_children(repository: PolicyRepository, decisions: Mapping[str, Decision]) -> _Decisions:
    """The decisions, where images that only doubtful indexes list are doubtful themselves."""
    final = dict(decisions)
    parents_of = parents(repository.images)
    todo = [image for image in repository.images if final[image.digest].fate is Fate.UNKNOWN]
    by_digest = {image.digest: image for image in repository.images}
    while todo:
        for child in todo.pop().children or ():
            fates = {final[parent].fate for parent in parents_of[child]}
            if final.get(child) == KEEP and fates == {Fate.UNKNOWN}:
                final[child] = unknown(_INDEX_UNKNOWN)
                todo.append(by_digest[child])
    return final
