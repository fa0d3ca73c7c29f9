"""A listing becomes images, as deep as asked.

What the registry's listing has (Google's has digests, sizes and dates) is not requested again, and neither is what the
digest cache has.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from crawler.digest_cache.cache import DigestCache
from crawler.digest_cache.values import KnownImage
from crawler.errors import CredentialsError, Missing, RegistryError
from crawler.inspect.allowance import AllowanceSpent
from crawler.inspect.bases import Base, Bases
from crawler.inspect.contents import Contents
from crawler.inspect.fan_out import FanOut, FreeTasks
from crawler.inspect.images import ImageBuilder
from crawler.inspect.images_in_memory import ImagesInMemory
from crawler.inspect.reading import Facts, Reading
from crawler.inspect.referrers import ReferrersApi, SubjectTag, listed_referrers, merged, parse_subject_tags
from crawler.inspect.tag_filter import TagFilter
from crawler.model.depth import Depth, ReferrersLevel
from crawler.model.image import Image, ImageKind, Referrer
from crawler.model.names import RepositoryName
from crawler.model.record import Listing, ProblemKind
from crawler.registry.registry import Registry


class Inspected(NamedTuple):
    """A listing with its images and problems.

    `failure` is an error after which something was not read, and which may pass; None where there is none.
    """

    listing: Listing
    failure: RegistryError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspector:
    """Inspects the repositories of one registry.

    Attributes:
        host: the registry, as references name it.
        referrers_api: None where no request may go to it.
        free_tasks: shared by all inspections of the run.
    """

    host: str
    depth: Depth
    referrers: ReferrersLevel
    tag_filter: TagFilter
    registry: Registry
    contents: Contents
    cache: DigestCache
    bases: Bases
    referrers_api: ReferrersApi | None
    free_tasks: FreeTasks
    _images_in_memory: ImagesInMemory = field(default_factory=ImagesInMemory)
    _read_before: dict[RepositoryName, dict[str, str]] = field(default_factory=dict)
    """The tags of repositories with a failure that were read, with their digests. They cost nothing the second time."""

    @property
    def referrers_note(self) -> str:
        """What the referrers API answered; "" where it was not asked."""
        return "" if self.referrers_api is None else self.referrers_api.note

    @property
    def lacks_referrers_api(self) -> bool:
        """Whether the registry was asked for its referrers API, and has none."""
        return self.referrers_api is not None and self.referrers_api.is_absent

    async def inspect(self, name: RepositoryName, listing: Listing) -> Inspected:
        """Read what is behind the tags of a repository, which has this listing.

        What cannot be read is a problem of the listing. Raises GaveUp.
        """
        if listing.images is None and not self.depth.reads_tags:
            return Inspected(listing, None)
        async with self._images_in_memory.hold(max(len(listing.tags), len(listing.images or ()))):
            return await self._inspect(name, listing)

    async def _inspect(self, name: RepositoryName, listing: Listing) -> Inspected:
        last_digests = self.cache.last_digests(self.host, name) if self.depth.reads_tags else {}
        read_before = self._read_before.pop(name, {})
        reading = Reading(
            name, self.depth, self.contents, self.free_tasks, last_digests=last_digests, resolved=read_before
        )
        await reading.read(self.tags_to_resolve(listing), self.images_to_read(listing))
        await reading.classify_gone(self.registry)
        facts = reading.facts
        if self.depth.reads_tags:
            self._keep_digests(name, listing, facts, last_digests)
        images = await self._images(name, listing, facts)
        if facts.failure is not None:
            self._read_before[name] = facts.tags_read
        return Inspected(listing.replace(images=images, problems=facts.ordered_problems), facts.failure)

    def tags_to_resolve(self, listing: Listing) -> list[str]:
        """The tags whose digest the listing does not have."""
        if not self.depth.reads_tags:
            return []
        listed = {tag for image in listing.images or () for tag in image.tags}
        return [tag for tag in self.tag_filter.select(listing.tags) if tag not in listed]

    def images_to_read(self, listing: Listing) -> list[Image]:
        """The images that the listing has and that can be read. Where tags are chosen, untagged ones are left out."""
        return [
            image
            for image in listing.images or ()
            if image.digest not in listing.not_readable
            and (self.tag_filter.matches_all or self.tag_filter.select(image.tags))
        ]

    def _keep_digests(
        self, name: RepositoryName, listing: Listing, facts: Facts, last_digests: Mapping[str, str]
    ) -> None:
        kept = {tag: last_digests[tag] for tag in listing.tags if tag in last_digests} | facts.digests
        if kept != last_digests:
            self.cache.keep_last_digests(self.host, name, kept)

    async def _images(self, name: RepositoryName, listing: Listing, facts: Facts) -> tuple[Image, ...]:
        digests = {tag: image.digest for image in listing.images or () for tag in image.tags} | facts.digests
        subject_tags = parse_subject_tags(listing.tags, digests)
        builder = ImageBuilder(listing, facts, self.depth, subject_tags)
        referrers = None
        if self.referrers is not ReferrersLevel.NONE:
            referrers = await self._referrers(name, listing, builder, subject_tags, facts)
            await self._find_orphans(name, listing, builder, subject_tags, facts)
        return builder.build(self._bases(name, builder, facts), referrers)

    def _bases(self, name: RepositoryName, builder: ImageBuilder, facts: Facts) -> dict[str, Base]:
        """The base of each image whose config was read. Every such image becomes known as a possible base."""
        for digest, config in facts.configs.items():
            config_digest = facts.manifests[digest].config_digest
            if config.diff_ids and config_digest is not None:
                reference = f"{self.host}/{name}{builder.reference(digest)}"
                self.bases.add(config.diff_ids, KnownImage(digest, config_digest, reference))
        found = {}
        for digest, config in facts.configs.items():
            index = facts.manifests.get(facts.parents.get(digest, ""))
            annotations = {} if index is None else index.annotations
            annotations = {**annotations, **facts.manifests[digest].annotations}
            base = self.bases.find(annotations, config.labels or {}, config.diff_ids or ())
            if base is not None:
                found[digest] = base
        return found

    async def _referrers(
        self,
        name: RepositoryName,
        listing: Listing,
        builder: ImageBuilder,
        subject_tags: list[SubjectTag],
        facts: Facts,
    ) -> dict[str, tuple[Referrer, ...]]:
        """The referrers of each image that has any. What came with the listing is not requested again."""
        listed = listed_referrers(subject_tags, facts)
        told = {image.digest: image.referrers for image in listing.images or () if image.referrers is not None}
        found: dict[str, tuple[Referrer, ...]] = {}
        if self.referrers_api is not None:
            subjects = [digest for digest in builder.subjects if digest not in told]
            jobs = FanOut(self.free_tasks)
            await jobs.run([partial(self._request_referrers, name, digest, found, facts) for digest in subjects])
        # what was read of a referrer says more than what the listing tells of it, and a mere tag says less
        read = {
            digest: [referrer for referrer in referrers if referrer.digest in facts.manifests]
            for digest, referrers in listed.items()
        }
        return {
            digest: merged(source.get(digest, ()) for source in (found, read, told, listed))
            for digest in {*found, *listed, *told}
        }

    async def _request_referrers(
        self, name: RepositoryName, digest: str, found: dict[str, tuple[Referrer, ...]], facts: Facts
    ) -> None:
        assert self.referrers_api is not None
        try:
            listed = await self.referrers_api.of(name, digest)
        except (RegistryError, CredentialsError, AllowanceSpent) as error:
            facts.add_unread(None, digest, error)
            return
        found[digest] = listed.referrers
        if listed.suspect is not None:
            message = f"its referrers were not read to their end: {listed.suspect}"
            facts.add_problem(ProblemKind.MANIFEST_UNREADABLE, None, digest, message, code="REFERRERS")

    async def _find_orphans(
        self,
        name: RepositoryName,
        listing: Listing,
        builder: ImageBuilder,
        subject_tags: list[SubjectTag],
        facts: Facts,
    ) -> None:
        """Note the tags that belong to an image which is proved not to be in the repository.

        A listing of all images is proof. Else an image may be there without a tag, so it is requested where
        exchanges for referrers are allowed.
        """
        there, unknown = builder.digests, defaultdict[str, list[str]](list)
        for tag in subject_tags:
            if tag.parsed.subject_digest not in there and not _is_ordinary(tag, facts):
                unknown[tag.parsed.subject_digest].append(tag.tag)
        if listing.images is not None and listing.lists_untagged and listing.suspect is None:
            missing = {*unknown}
        elif self.referrers is ReferrersLevel.API:
            missing = await self._missing(name, unknown, facts)
        else:
            return
        for subject in missing:
            message = f"the image {subject} that the tag belongs to is not in the repository"
            for its_tag in unknown[subject]:
                facts.add_problem(ProblemKind.ORPHAN_REFERRER, its_tag, subject, message)

    async def _missing(self, name: RepositoryName, digests: Iterable[str], facts: Facts) -> set[str]:
        """Those of the digests that are proved not to be in the repository."""
        missing: set[str] = set()
        await FanOut(self.free_tasks).run(
            [partial(self._check_manifest, name, digest, missing, facts) for digest in digests]
        )
        return missing

    async def _check_manifest(self, name: RepositoryName, digest: str, missing: set[str], facts: Facts) -> None:
        try:
            await self.contents.check_manifest(name, digest)
        except Missing:
            missing.add(digest)
        except (RegistryError, CredentialsError, AllowanceSpent) as error:
            facts.add_unread(None, digest, error)


def _is_ordinary(tag: SubjectTag, facts: Facts) -> bool:
    """Whether a tag `sha256-HEX` is that of an image: some builds name their images after a hash."""
    manifest = None if tag.digest is None else facts.manifests.get(tag.digest)
    return tag.parsed.kind is None and manifest is not None and manifest.kind is not ImageKind.INDEX
