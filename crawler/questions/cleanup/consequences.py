"""What would break if images are deleted, and by which names they may be in use."""

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from crawler.questions.cleanup.kinship import may_have_unread_children, parents
from crawler.questions.cleanup.policy import Decision, Fate, PolicyImage

_NAMED: Final = 3
_REFERRERS_TAG: Final = re.compile(r"sha(256-[0-9a-f]{64}|512-[0-9a-f]{128})")  # "Referrers Tag Schema"
_UNREAD: Final = "an index that stays was not read, and may list it"

_COSIGN_TAG: Final = re.compile(r"(sha256|sha512)-([0-9a-f]+)[.](?:sig|att|sbom)")  # sigstore/cosign


def breakages(images: Sequence[PolicyImage], decisions: Sequence[Decision]) -> dict[str, str]:
    """What would break within the repository, by the digest of an image that is deleted.

    An index that stays, and lists it, could not be pulled for its platform; the list of an image's referrers is no such
    index. An image that stays would lose what it is
    a signature or an SBOM of. What only may stay counts as well.
    """
    deleted = {image.digest: image for image, each in zip(images, decisions, strict=True) if each.fate is Fate.DELETE}
    staying = {image.digest: image for image in images if image.digest not in deleted}
    found = defaultdict[str, list[str]](list)
    for index in staying.values():
        if is_referrers_list(index):
            continue
        for child in index.children or ():
            if child in deleted:
                found[child].append(f"the index {_shown(index)} lists it, and stays")
    for image in deleted.values():
        for subject in sorted(_subjects(image) & staying.keys()):
            found[image.digest].append(f"it is attached to {_shown(staying[subject])}, which stays")
    if may_have_unread_children(staying.values()):
        for digest in deleted:
            found[digest].append(_UNREAD)
    return {digest: _joined(sentences) for digest, sentences in found.items()}


def index_names(images: Sequence[PolicyImage]) -> dict[str, list[str]]:
    """By digest, the tags and digests of the indexes that list an image: a workload that names one uses the image."""
    by_digest, parents_of = {image.digest: image for image in images}, parents(images)
    found = dict[str, list[str]]()
    for image in images:
        indexes, todo = dict[str, None](), [*parents_of.get(image.digest, ())]
        while todo:
            digest = todo.pop()
            if digest not in indexes:
                indexes[digest] = None
                todo += parents_of.get(digest, ())
        found[image.digest] = [name for digest in indexes for name in (digest, *by_digest[digest].tags)]
    return found


def is_referrers_list(image: PolicyImage) -> bool:
    """Whether an index is the list of what refers to another image, under the tags that the specification gives it."""
    return bool(image.tags) and all(_REFERRERS_TAG.fullmatch(tag) for tag in image.tags)


def _subjects(image: PolicyImage) -> set[str]:
    """The images that this one is a signature, an SBOM or the like of: by its manifest, or by the tags of cosign."""
    named = {f"{match[1]}:{match[2]}" for tag in image.tags if (match := _COSIGN_TAG.fullmatch(tag))}
    return named if image.subject is None else named | {image.subject}


def _shown(image: PolicyImage) -> str:
    return image.tags[0] if image.tags else image.digest


def _joined(sentences: Sequence[str]) -> str:
    more = [f"and {len(sentences) - _NAMED:,} more"] if len(sentences) > _NAMED else []
    return "; ".join([*sentences[:_NAMED], *more])
