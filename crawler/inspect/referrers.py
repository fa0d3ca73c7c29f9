"""Which signatures, SBOMs and other manifests refer to the images of a repository."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import anyio

from crawler.errors import Missing
from crawler.inspect.allowance import Allowance
from crawler.inspect.reading import Facts
from crawler.model.image import PlatformRole, Referrer, ReferrerKind, ReferrerSource
from crawler.model.names import RepositoryName
from crawler.registry.referrers import Referrers, ReferrersList
from crawler.wire.referrers import ReferrerTag, parse_referrer_tag, referrer_kind

_UNKNOWN_WITHOUT_API: Final = 3
"""A registry has no referrers API where it answers for so many images that they are unknown, and for none otherwise."""

_NO_REFERRERS: Final = ReferrersList((), None)

_Found = dict[str, list[Referrer]]
"""Referrers by the digest of their subject."""


class SubjectTag(NamedTuple):
    """A tag that belongs to an image by its name, and the digest that the tag has; None where it is not known."""

    tag: str
    digest: str | None
    parsed: ReferrerTag


def parse_subject_tags(tags: Iterable[str], digests: Mapping[str, str]) -> list[SubjectTag]:
    """The tags of the fallback scheme and of cosign."""
    return [
        SubjectTag(tag, digests.get(tag), parsed) for tag in tags if (parsed := parse_referrer_tag(tag)) is not None
    ]


def listed_referrers(tags: Sequence[SubjectTag], facts: Facts) -> _Found:
    """The referrers that tags, indexes and the manifests that were read name, without a further exchange.

    A referrer that several of them name has the first of these sources.
    """
    found: _Found = defaultdict(list)
    for source in (_of_tags(tags, facts), _of_indexes(facts), _of_subjects(facts)):
        named = {(subject, referrer.digest) for subject, referrers in found.items() for referrer in referrers}
        for subject, referrer in source:
            if (subject, referrer.digest) not in named:
                found[subject].append(referrer)
    return found


def merged(lists: Iterable[Iterable[Referrer]]) -> tuple[Referrer, ...]:
    """Referrers without duplicates, ordered by digest. A referrer that two lists have is the one of the first list."""
    found: dict[tuple[str, str | None], Referrer] = {}
    digests: set[str] = set()
    for referrers in lists:
        fresh = [referrer for referrer in referrers if referrer.digest not in digests]
        found.update({(referrer.digest, referrer.predicate_type): referrer for referrer in fresh})
        digests.update(referrer.digest for referrer in fresh)
    return tuple(sorted(found.values(), key=lambda referrer: (referrer.digest, referrer.predicate_type or "")))


def _of_tags(tags: Sequence[SubjectTag], facts: Facts) -> Iterator[tuple[str, Referrer]]:
    for tag in tags:
        manifest = None if tag.digest is None else facts.manifests.get(tag.digest)
        if tag.parsed.kind is None:
            for listed in () if manifest is None else manifest.child_referrers:
                for referrer in _from_fallback_index(listed, facts):
                    yield tag.parsed.subject_digest, referrer
        elif tag.digest is not None:
            for referrer in _described(tag.digest, facts, ReferrerSource.COSIGN_TAG, tag.parsed.kind):
                yield tag.parsed.subject_digest, referrer


def _from_fallback_index(listed: Referrer, facts: Facts) -> Iterator[Referrer]:
    """A referrer as its own manifest describes it, where that was read: an index may leave its type out."""
    if listed.digest not in facts.manifests:
        yield listed
        return
    for referrer in _described(listed.digest, facts, listed.via, listed.kind):
        yield replace(
            referrer,
            artifact_type=referrer.artifact_type or listed.artifact_type,
            predicate_type=referrer.predicate_type or listed.predicate_type,
            created_at=referrer.created_at or listed.created_at,
        )


def _of_indexes(facts: Facts) -> Iterator[tuple[str, Referrer]]:
    for manifest in facts.manifests.values():
        for child in manifest.children:
            if child.role is PlatformRole.ATTESTATION and child.digest is not None and child.attests_digest is not None:
                for referrer in _described(child.digest, facts, ReferrerSource.INDEX, ReferrerKind.OTHER):
                    yield child.attests_digest, referrer


def _of_subjects(facts: Facts) -> Iterator[tuple[str, Referrer]]:
    for digest, manifest in facts.manifests.items():
        if manifest.subject_digest is not None:
            for referrer in _described(digest, facts, ReferrerSource.BULK, ReferrerKind.OTHER):
                yield manifest.subject_digest, referrer


def _described(digest: str, facts: Facts, via: ReferrerSource, kind: ReferrerKind) -> Iterator[Referrer]:
    """A referrer for each predicate that its manifest holds. `kind` is what is known without the manifest."""
    manifest = facts.manifests.get(digest)
    if manifest is None:
        yield Referrer(digest, via, kind)
        return
    for predicate_type in manifest.predicate_types or (None,):
        known = referrer_kind(manifest.artifact_type, predicate_type)
        is_known = known is not ReferrerKind.OTHER
        yield Referrer(
            digest=digest,
            via=via,
            kind=known if is_known else kind,
            artifact_type=manifest.artifact_type,
            predicate_type=predicate_type,
            size_bytes=facts.body_sizes[digest],
            created_at=manifest.created_at,
        )


class ReferrersApi:
    """The referrers API of one registry, for all repositories of a run, as long as the registry has it."""

    def __init__(self, api: Referrers, allowance: Allowance) -> None:
        self._api = api
        self._allowance = allowance
        self._is_there: bool | None = None
        self._first_request = anyio.Lock()
        self._is_first_done = False
        self._answered = self._empty = self._cut_short = self._unknown = 0

    async def of(self, name: RepositoryName, digest: str) -> ReferrersList:
        """The referrers of a manifest; empty where the registry has no such API, or does not have the manifest.

        Raises what `Referrers.of` raises, and AllowanceSpent.
        """
        if not self._is_first_done:
            async with self._first_request:  # one request finds out for all
                if not self._is_first_done:
                    try:
                        return await self._request(name, digest)
                    finally:
                        self._is_first_done = True
        return _NO_REFERRERS if self._is_there is False else await self._request(name, digest)

    async def _request(self, name: RepositoryName, digest: str) -> ReferrersList:
        self._allowance.take_exchange()
        try:
            found = await self._api.of(name, digest)
        except Missing:
            self._unknown += 1  # one image may have been deleted meanwhile; more of them are no coincidence
            if self._is_there is None and self._unknown >= _UNKNOWN_WITHOUT_API:
                self._is_there = False
            return _NO_REFERRERS
        if found is None:
            # after an answer a 404 is about this manifest
            self._is_there = bool(self._is_there)
            return _NO_REFERRERS
        self._is_there = True
        self._answered += 1
        self._empty += not found.referrers
        self._cut_short += found.suspect is not None
        return found

    @property
    def is_absent(self) -> bool:
        """Whether the registry was asked, and has no such API. It is not asked again."""
        return self._is_there is False

    @property
    def note(self) -> str:
        """What the operator should know of the responses; "" where none was requested."""
        if self._is_there is None:
            return ""
        if not self._is_there:
            return "the registry has no referrers API: referrers are those that tags, indexes and manifests name"
        images = "1 image" if self._answered == 1 else f"{self._answered:,} images"
        note = f"the referrers API answered for {images}"
        if self._empty:
            note += f", {self._empty:,} of them with an empty list, which alone proves nothing"
        return f"{note}; lists that were not read to their end: {self._cut_short:,}" if self._cut_short else note
