"""Referrers: what refers to an image, and how a tag, an artifact type or a predicate says what it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from crawler.model.image import ImageKind, Referrer, ReferrerKind


@dataclass(frozen=True, slots=True)
class ReferrersPage:
    """A page of the referrers API, in the form that the pager needs; see `registry.pager.Page`."""

    referrers: tuple[Referrer, ...]

    @property
    def entries(self) -> Sequence[str]:
        raise NotImplementedError

    @property
    def ordered(self) -> Sequence[str]:
        raise NotImplementedError

    @property
    def lengths(self) -> tuple[int, ...]:
        raise NotImplementedError

    @property
    def names_next(self) -> bool:
        raise NotImplementedError


def parse_referrers(body: bytes) -> ReferrersPage:
    """Parse a page of `/v2/NAME/referrers/DIGEST` (distribution-spec, "Listing Referrers").

    Raises MalformedResponse.
    """
    raise NotImplementedError


@dataclass(frozen=True, slots=True)
class ReferrerTag:
    """A tag that belongs to an image by its name.

    Attributes:
        subject_digest: the image.
        kind: what cosign's suffix says; None for the index of all referrers (`sha256-HEX`).
        image_kind: what the tag's manifest is, where cosign's suffix says so.
    """

    subject_digest: str
    kind: ReferrerKind | None
    image_kind: ImageKind | None


def parse_referrer_tag(tag: str) -> ReferrerTag | None:
    """What a tag `sha256-HEX`, `sha256-HEX.sig`, `.att` or `.sbom` says; None for any other tag."""
    raise NotImplementedError


def referrer_kind(artifact_type: str | None, predicate_type: str | None) -> ReferrerKind:
    """What a referrer is, by its artifact type and the predicate that it holds."""
    raise NotImplementedError
