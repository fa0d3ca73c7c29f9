"""Reads what is behind the tags of one repository, and notes what cannot be read.

A tag leads to a manifest, an index to its children, an image to its config: every step is a job, and a job adds the
jobs that follow from it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, NamedTuple

from crawler.digest_cache.values import Content
from crawler.errors import DIGEST_MISMATCH, CredentialsError, MalformedResponse, Missing, RegistryError
from crawler.inspect.allowance import AllowanceSpent
from crawler.inspect.contents import Contents
from crawler.inspect.fan_out import FanOut, FreeTasks
from crawler.model.depth import Depth
from crawler.model.grammar import TAG
from crawler.model.image import Image, ImageConfig, Platform
from crawler.model.names import RepositoryName
from crawler.model.record import INVALID_CONTENT, Listing, Outcome, Problem, ProblemKind
from crawler.registry.registry import Registry
from crawler.untrusted_text import printable
from crawler.wire.digest import is_digest
from crawler.wire.image_config import parse_image_config
from crawler.wire.manifest import Manifest, is_schema1_type, may_be_manifest, parse_manifest

_TAG: Final = re.compile(TAG)

_OF_ONE_TAG: Final = frozenset({ProblemKind.DANGLING_TAG, ProblemKind.VANISHED_TAG})
"""Problems of a tag itself, rather than of the image that it leads to."""

_Unread = RegistryError | CredentialsError | AllowanceSpent


@dataclass(slots=True)
class Facts:
    """What was read of one repository. `Reading` fills it.

    Attributes:
        digests: the digest of each tag that was resolved.
        media_types: the content type of manifests that were not read.
        manifests: by digest.
        body_sizes: the bytes of each manifest.
        configs: the config of each image, by the digest of its manifest.
        parents: the digest of the index that lists a child; the lowest where several do.
        index_entries: the platform of each child in this index, by the child's digest.
        gone: digests that a listing, a tag or an index names, and that are not there.
        problems: in no order.
        failure: an error that may pass, so that reading once more may help.
    """

    digests: dict[str, str] = field(default_factory=dict)
    media_types: dict[str, str | None] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    body_sizes: dict[str, int] = field(default_factory=dict)
    configs: dict[str, ImageConfig] = field(default_factory=dict)
    index_entries: dict[str, Platform] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    failure: RegistryError | None = None

    @property
    def ordered_problems(self) -> tuple[Problem, ...]:
        """The problems by kind, tag and digest: a record does not depend on the order of responses.

        An image is read for whichever of its tags is resolved first, and its problem is that of its first tag.
        """
        first_tags = self.first_tags if self.problems else {}
        problems = [
            each
            if each.tag is None or each.problem in _OF_ONE_TAG
            else replace(each, tag=first_tags.get(self.digests.get(each.tag, ""), each.tag))
            for each in self.problems
        ]
        return tuple(sorted(problems, key=lambda each: (each.problem, each.tag or "", each.digest or "")))

    @property
    def first_tags(self) -> dict[str, str]:
        """The first tag of each digest that tags were resolved to, by the alphabet."""
        return {digest: tag for tag, digest in sorted(self.digests.items(), reverse=True)}

    @property
    def tags_read(self) -> dict[str, str]:
        """The tags whose manifests were read, with their digests, but for those of schema 1, which are never kept."""
        manifests = self.manifests
        return {tag: of for tag, of in self.digests.items() if of in manifests and not manifests[of].is_schema1}

    def add_problem(
        self, kind: ProblemKind, tag: str | None, digest: str | None, message: str, *, code: str | None = None
    ) -> None:
        """Note a problem that no response of the registry reported."""
        self.problems.append(Problem(kind, tag, digest, code, None, printable(message)))

    def add_error(self, kind: ProblemKind, tag: str | None, digest: str | None, error: RegistryError) -> None:
        """Note a problem in the registry's own words."""
        self.problems.append(Problem(kind, tag, digest, error.code, error.http_status, error.message))

    def add_unread(self, tag: str | None, digest: str | None, error: _Unread) -> None:
        """Note that something was not read, so that the snapshot is partial."""
        if isinstance(error, RegistryError):
            is_mismatch = error.code == DIGEST_MISMATCH
            kind = ProblemKind.DIGEST_MISMATCH if is_mismatch else ProblemKind.MANIFEST_UNREADABLE
            self.add_error(kind, tag, digest, error)
            if error.outcome is Outcome.FAILED:
                self.failure = error.with_traceback(None)  # which has frames that have these facts: a cycle
        else:
            code = error.code if isinstance(error, AllowanceSpent) else "CREDENTIALS"
            self.add_problem(ProblemKind.MANIFEST_UNREADABLE, tag, digest, str(error), code=code)


class _Gone(NamedTuple):
    """A listed tag, or a listed digest without a tag, that the registry answered 404 for."""

    tag: str | None
    digest: str | None
    error: Missing


class Reading:
    """One reading of one repository. `facts` is its result."""

    def __init__(
        self,
        name: RepositoryName,
        depth: Depth,
        contents: Contents,
        free_tasks: FreeTasks,
        *,
        last_digests: Mapping[str, str],
        resolved: Mapping[str, str],
    ) -> None:
        """`last_digests` are the digests of the tags when they were last resolved, whenever that was.

        `resolved` are those that this run resolved, and that are not resolved again.
        """
        self.facts = Facts()
        self._name = name
        self._depth = depth
        self._contents = contents
        self._last_digests = last_digests
        self._resolved = resolved
        self._jobs = FanOut(free_tasks)
        self._claimed: set[str] = set()
        self._children: dict[str, str | None] = {}
        """Children of indexes that are to be read, with a tag of their index."""
        self._gone: list[_Gone] = []

    async def read(self, tags: Iterable[str], listed: Iterable[Image]) -> None:
        """Read the manifests of tags, and of images that a listing names, as deep as asked."""
        jobs = [partial(self._resolve, tag) for tag in tags]
        if self._depth.reads_manifests:
            images = list(listed)
            await self._contents.read_ahead(self._name, [image.digest for image in images])
            jobs += [partial(self._read_listed, image) for image in images]
        while jobs:
            await self._jobs.run(jobs)
            # Children come after all tags: a child that has a tag of its own has been read by then.
            children, self._children = self._children, {}
            await self._contents.read_ahead(self._name, children)
            first_tags = self.facts.first_tags if children else {}
            jobs = [
                partial(self._read_manifest, digest, first_tags.get(self.facts.parents[digest], tag))
                for digest, tag in children.items()
                if self._claim(digest)
            ]

    async def classify_gone(self, registry: Registry) -> None:
        """List the repository once more where a 404 came: is a tag still listed without its manifest, or is it gone?

        A tag that is still listed is read once more: it may have been pushed again meanwhile, with another image.
        """
        gone, self._gone = self._gone, []
        if not gone:
            return
        try:
            again = await registry.list_tags(self._name)
        except Missing:
            again = Listing(tags=())
        except (RegistryError, CredentialsError) as error:
            for each in gone:
                self.facts.add_unread(each.tag, each.digest, error)
            return
        tags = {*again.tags}
        listed_tags = {each.tag: each for each in gone if each.tag is not None and each.tag in tags}
        for each in gone:
            if each.tag not in listed_tags:
                self._classify_not_listed(each, again)
        await self._read_once_more(listed_tags)
        if again.images is not None:
            there = {image.digest for image in again.images} | self.facts.manifests.keys()
            self.facts.gone.update(each.digest for each in gone if each.digest is not None and each.digest not in there)

    def _classify_not_listed(self, gone: _Gone, again: Listing) -> None:
        """Classify a 404 for a tag that is not listed any more, or for a digest without a tag."""
        if gone.tag is None and gone.digest in {image.digest for image in again.images or ()}:
            self.facts.add_error(ProblemKind.DANGLING_TAG, None, gone.digest, gone.error)
            return
        if again.suspect is not None:
            self.facts.add_unread(gone.tag, gone.digest, gone.error)  # it may be among what the listing left out
        elif gone.tag is not None:
            self.facts.add_error(ProblemKind.VANISHED_TAG, gone.tag, gone.digest, gone.error)
        if gone.digest is not None:
            self.facts.gone.add(gone.digest)

    async def _read_once_more(self, listed_tags: Mapping[str, _Gone]) -> None:
        """Read tags once more that are listed, and that were not there. Those that are still not there dangle."""
        self._claimed -= {each.digest for each in listed_tags.values() if each.digest is not None}
        await self.read(listed_tags, ())
        still_gone, self._gone = self._gone, []
        for tag in {each.tag for each in still_gone if each.tag is not None}:
            first = listed_tags[tag]
            self.facts.add_error(ProblemKind.DANGLING_TAG, tag, first.digest, first.error)

    async def _resolve(self, tag: str) -> None:
        if _TAG.fullmatch(tag) is None:
            message = "the tag's name is not valid, so it was not requested"
            self.facts.add_problem(ProblemKind.MANIFEST_UNREADABLE, printable(tag), None, message, code=INVALID_CONTENT)
            return
        if (resolved := self._resolved.get(tag)) is not None:
            self.facts.digests[tag] = resolved
            if self._claim(resolved):
                await self._read_resolved(resolved, tag, None)
            return
        try:
            response = await self._contents.resolve(self._name, tag, self._last_digests.get(tag))
        except Missing as error:
            self._add_gone([tag], None, error)
            return
        except (RegistryError, CredentialsError, AllowanceSpent) as error:
            self.facts.add_unread(tag, None, error)
            return
        digest = response.digest
        content = None if response.body is None else Content(response.body, response.media_type)
        if content is not None and not response.is_verified and not self._is_manifest(tag, content):
            return
        self.facts.digests[tag] = digest
        if not self._claim(digest):
            return
        if content is not None:
            self._add_resolved(digest, tag, content)
        elif is_schema1_type(response.media_type):
            self._add_schema1(digest, tag, response.media_type)
        else:
            await self._read_resolved(digest, tag, response.media_type)

    async def _read_resolved(self, digest: str, tag: str, media_type: str | None) -> None:
        """Read the manifest of a tag whose digest is known."""
        if (known := self._contents.known(digest)) is not None:
            self._add(digest, tag, known)
        elif self._depth.reads_manifests:
            await self._read_manifest(digest, tag)
        else:
            self.facts.media_types[digest] = media_type

    def _is_manifest(self, tag: str, content: Content) -> bool:
        """Whether a body whose digest the registry did not name is a manifest at all. If not, the tag is unread."""
        try:
            parse_manifest(content.body, content.media_type)
        except MalformedResponse as exc:
            self.facts.add_problem(ProblemKind.MANIFEST_UNREADABLE, tag, None, str(exc), code=exc.code)
            return False
        return True

    async def _read_listed(self, image: Image) -> None:
        digest, tags = image.digest, image.tags
        if not is_digest(digest):
            message = "the listing has it under a digest that is not valid, so it was not requested"
            for tag in tags or (None,):
                self.facts.add_problem(
                    ProblemKind.MANIFEST_UNREADABLE, tag, printable(digest), message, code=INVALID_CONTENT
                )
            return
        if not self._claim(digest):
            return
        if is_schema1_type(image.media_type):
            self._add_schema1(digest, tags[0] if tags else None, image.media_type)
            return
        try:
            content = await self._contents.manifest(self._name, digest)
        except Missing as error:
            self._add_gone(tags or (None,), digest, error)
        except (RegistryError, CredentialsError, AllowanceSpent) as error:
            self.facts.add_unread(tags[0] if tags else None, digest, error)
        else:
            self._add(digest, tags[0] if tags else None, content)

    async def _read_manifest(self, digest: str, tag: str | None) -> None:
        """Read a manifest that a tag or an index refers to."""
        entry = self.facts.index_entries.get(digest)
        if entry is not None and is_schema1_type(entry.media_type):
            self._add_schema1(digest, tag, entry.media_type)
            return
        try:
            content = await self._contents.manifest(self._name, digest)
        except Missing as error:
            if digest in self.facts.parents:
                self.facts.add_error(ProblemKind.INDEX_CHILD_MISSING, tag, digest, error)
                self.facts.gone.add(digest)
            else:
                self._add_gone([tag], digest, error)
        except (RegistryError, CredentialsError, AllowanceSpent) as error:
            self.facts.add_unread(tag, digest, error)
        else:
            self._add(digest, tag, content)

    async def _read_config(self, digest: str, config_digest: str, tag: str | None) -> None:
        try:
            body = await self._contents.config(self._name, config_digest)
        except Missing as error:
            self.facts.add_error(ProblemKind.CONFIG_MISSING, tag, config_digest, error)
            return
        except (RegistryError, CredentialsError, AllowanceSpent) as error:
            self.facts.add_unread(tag, digest, error)
            return
        try:
            self.facts.configs[digest] = parse_image_config(body)
        except MalformedResponse as exc:
            self._add_invalid(tag, config_digest, exc)

    def _add_resolved(self, digest: str, tag: str, content: Content) -> None:
        """Take the facts of a manifest that came for a tag, and keep it."""
        self._add(digest, tag, content)
        manifest = self.facts.manifests.get(digest)
        if manifest is None or not manifest.is_schema1:  # whose body does not have its digest
            self._contents.keep(digest, content)

    def _add(self, digest: str, tag: str | None, content: Content) -> None:
        """Take the facts of a manifest, and add the jobs that follow from it."""
        self.facts.body_sizes[digest] = len(content.body)
        try:
            manifest = parse_manifest(content.body, content.media_type)
        except MalformedResponse as exc:
            self.facts.media_types[digest] = content.media_type
            self._add_invalid(tag, digest, exc)
            return
        self.facts.manifests[digest] = manifest
        if manifest.is_schema1:
            self._add_schema1(digest, tag, manifest.media_type)
            return
        if self._depth.reads_manifests:
            self._add_children(digest, tag, manifest.children)
        config_digest = manifest.image_config_digest
        if self._depth.reads_configs and config_digest is not None:
            self._jobs.add(partial(self._read_config, digest, config_digest, tag))

    def _add_schema1(self, digest: str, tag: str | None, media_type: str | None) -> None:
        message = "an image of schema 1, which has neither platforms nor a config: push it again"
        self.facts.media_types[digest] = media_type
        self.facts.add_problem(ProblemKind.SCHEMA1, tag, digest, message)

    def _add_children(self, digest: str, tag: str | None, children: Iterable[Platform]) -> None:
        for child in children:
            if child.digest is not None and may_be_manifest(child.media_type):
                if child.digest not in self.facts.parents or digest < self.facts.parents[child.digest]:
                    self.facts.parents[child.digest], self.facts.index_entries[child.digest] = digest, child
                self._children.setdefault(child.digest, tag)

    def _add_invalid(self, tag: str | None, digest: str, exc: MalformedResponse) -> None:
        """A content that has its digest, so that reading it again would not help."""
        self.facts.add_problem(ProblemKind.MANIFEST_UNREADABLE, tag, digest, str(exc), code=INVALID_CONTENT)

    def _add_gone(self, tags: Iterable[str | None], digest: str | None, error: Missing) -> None:
        """Note a 404 without its traceback, which has frames that have this reading: a cycle."""
        self._gone += [_Gone(tag, digest, error.with_traceback(None)) for tag in tags]

    def _claim(self, digest: str) -> bool:
        """Whether no job has begun to read a digest. The caller reads it then."""
        if digest in self._claimed:
            return False
        self._claimed.add(digest)
        return True
