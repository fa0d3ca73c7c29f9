"""What a policy sees of a repository and its images, and what it decides of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final, Protocol


class Fate(StrEnum):
    """What becomes of an image under a policy."""

    DELETE = "delete"
    KEEP = "keep"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a policy does with an image.

    Attributes:
        rule: the rule that deletes it, as the policy's file names it; "" where none does.
        why: why it is not known; "" where it is.
    """

    fate: Fate
    rule: str = ""
    why: str = ""


KEEP: Final = Decision(Fate.KEEP)


def unknown(why: str) -> Decision:
    return Decision(Fate.UNKNOWN, why=why)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyImage:
    """A manifest of a repository, as far as a policy can see it.

    Attributes:
        uploaded_at, pulled_at, created_at: None where they are not told. A registry that was never asked for an image
            tells no time of a pull either.
        children: the manifests that an index lists; None of what is or may be an index, and was not read.
        subject: the manifest that it is a signature or an SBOM of.
    """

    digest: str
    tags: tuple[str, ...] = ()
    uploaded_at: datetime | None = None
    pulled_at: datetime | None = None
    created_at: datetime | None = None
    children: tuple[str, ...] | None = ()
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyRepository:
    """A repository and its images, in the order of their digests.

    Attributes:
        registry: the host.
        unread: why not all of it was read; "" where it was.
    """

    registry: str
    name: str
    images: tuple[PolicyImage, ...]
    unread: str = ""

    def without(self, digests: frozenset[str]) -> "PolicyRepository":
        """The repository as it is when these images are deleted."""
        return replace(self, images=tuple(image for image in self.images if image.digest not in digests))


class Policy(Protocol):
    """A retention policy of one product."""

    product: ClassVar[str]
    """Whose policy it is, for messages."""

    def covers(self, repository: PolicyRepository) -> bool:
        """Whether the policy deletes anything in repositories of this name."""

    def decide(self, repository: PolicyRepository, now: datetime) -> Mapping[str, Decision]:
        """The decision of each image, by digest, for a repository that was read whole."""


def judge(policy: Policy, repository: PolicyRepository, now: datetime) -> Sequence[Decision]:
    """What a policy decides of each image, in their order.

    `now` is the start of the snapshot, so that its answer never changes. Of a repository that was not read whole
    nothing is known: an image or a tag that is not in the snapshot may be the newest one, or the one that protects
    another.
    """
    if not policy.covers(repository):
        return [KEEP] * len(repository.images)
    if repository.unread:
        return [unknown(repository.unread)] * len(repository.images)
    decisions = policy.decide(repository, now)
    return [decisions[image.digest] for image in repository.images]
