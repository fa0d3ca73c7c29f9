"""Which images are kept, or deleted, because others are: an index and its images, an image and its signatures."""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Final

from crawler.questions.cleanup.policy import KEEP, Decision, Fate, PolicyImage, PolicyRepository, unknown

_NOT_READ: Final = "an index of the repository was not read, and may list it"
_INDEX_UNKNOWN: Final = "whether the index that lists it is deleted is not known"
_CIRCLE: Final = "it and another image belong to each other, and neither can be judged first"
_LISTED_TOO: Final = "the image that it belongs to is deleted, and an index lists it"
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


def settle(
    repository: PolicyRepository,
    decisions: Mapping[str, Decision],
    *,
    followers: Container[str] = (),
    attached: Container[str] = (),
) -> _Decisions:
    """The decisions of a registry that deletes no manifest which an index lists, while the index is there.

    `followers` are deleted as soon as no index lists them any more, and what is `attached` with its subject.
    """
    final, parents_of = dict.fromkeys(decisions, unknown(_CIRCLE)), parents(repository.images)
    for image in _in_order(repository.images, attached):
        indexes = [final[parent] for parent in parents_of.get(image.digest, ())]
        is_follower = image.digest in followers
        own = _with_indexes(decisions[image.digest], indexes, is_follower=is_follower)
        subject = final.get(image.subject or "", KEEP) if image.digest in attached else KEEP
        if subject.fate is not Fate.KEEP and own.fate is not Fate.DELETE:
            # where an index lists it as well, it depends on what is deleted first
            doubt = _LISTED_TOO if indexes else _SUBJECT_UNKNOWN
            own = subject if subject.fate is Fate.DELETE and not indexes else unknown(doubt)
        final[image.digest] = own
    return final


def _with_indexes(own: Decision, indexes: Sequence[Decision], *, is_follower: bool) -> Decision:
    fates = {index.fate for index in indexes}
    if Fate.KEEP in fates:
        return KEEP
    if Fate.UNKNOWN in fates and (is_follower or own.fate is Fate.DELETE):
        return unknown(_INDEX_UNKNOWN)
    return indexes[0] if indexes and is_follower else own


def _in_order(images: Sequence[PolicyImage], attached: Container[str]) -> Iterator[PolicyImage]:
    """The images, each after the indexes that list it and after what it is attached to; none that is in a circle."""
    by_digest = {image.digest: image for image in images}
    behind = {image.digest: [child for child in image.children or () if child in by_digest] for image in images}
    for image in images:
        if image.digest in attached and image.subject in by_digest:
            behind[image.subject].append(image.digest)
    waiting_for = Counter(digest for digests in behind.values() for digest in digests)
    ready = [image.digest for image in images if not waiting_for[image.digest]]
    while ready:
        digest = ready.pop()
        yield by_digest[digest]
        for next_digest in behind[digest]:
            waiting_for[next_digest] -= 1
            if not waiting_for[next_digest]:
                ready.append(next_digest)


def doubt_deletions(repository: PolicyRepository, decisions: Mapping[str, Decision]) -> _Decisions:
    """The decisions, where no image can be sure to be deleted if an index was not read: it may list any of them."""
    if not may_have_unread_children(repository.images):
        return dict(decisions)
    return {
        digest: unknown(_NOT_READ) if decision.fate is Fate.DELETE else decision
        for digest, decision in decisions.items()
    }
