"""A policy in registry-crawler's own words, for cleanup jobs that delete manifest by manifest.

    keep_tags = ["latest", "v*"]          # images with such a tag are never deleted

    [[rule]]                              # an image is deleted if one rule says so
    name = "old builds"
    repositories = ["team/*"]             # globs of full names; every repository without it
    exclude_repositories = ["team/base"]
    tags = ["build-*"]                    # images with one tag at least that matches
    exclude_tags = ["build-rc*"]          # and none that matches this
    images = "all"                        # or "tagged", or "untagged"
    older_than = "30d"                    # and older than this
    keep = 10                             # and not among the newest ones of those that the lines above select
    by = "pushed"                         # what older and newest go by: or "built"

Each manifest is judged by itself, as such jobs do it: the images that an index lists, and signatures, are images
without a tag. So a rule for untagged images takes the platforms from indexes, which the answer says in `breaks`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

from crawler.model.globs import compile_globs
from crawler.questions.cleanup.certainty import Certainty, Unknown, all_of, any_of, negation
from crawler.questions.cleanup.document import Mistakes, Table
from crawler.questions.cleanup.newest import NO_TIME, are_newest, is_older
from crawler.questions.cleanup.policy import KEEP, Decision, Fate, PolicyImage, PolicyRepository, unknown

NO_BUILD: Final = Unknown("it is not known when it was built")
_MOST: Final = 10**9
_EARLIEST_BUILD: Final = datetime(1981, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a rule deletes: what it selects, is old enough, and is not among the newest.

    Attributes:
        repositories, tags: None for all of them.
        images: `all`, `tagged` or `untagged`.
        keep: how many of the newest are kept; 0 for none.
        by: `pushed` or `built`.
    """

    name: str
    repositories: re.Pattern[str] | None
    exclude_repositories: re.Pattern[str] | None
    tags: re.Pattern[str] | None
    exclude_tags: re.Pattern[str] | None
    images: str
    older_than: timedelta | None
    keep: int
    by: str

    def covers(self, name: str) -> bool:
        is_included = self.repositories is None or self.repositories.fullmatch(name) is not None
        return is_included and not (self.exclude_repositories and self.exclude_repositories.fullmatch(name))

    def selects(self, image: PolicyImage) -> bool:
        if self.images != "all" and (self.images == "tagged") is not bool(image.tags):
            return False
        is_included = self.tags is None or has_match(self.tags, image)
        return is_included and not (self.exclude_tags and has_match(self.exclude_tags, image))

    def deletes(self, images: list[PolicyImage], now: datetime) -> dict[str, Certainty]:
        """Whether it deletes each of those that it selects, by digest."""
        selected = [image for image in images if self.selects(image)]
        if self.by == "pushed":
            times, no_time = [image.uploaded_at for image in selected], NO_TIME
        else:
            built = build_times(images, now)
            times, no_time = [built[image.digest] for image in selected], NO_BUILD
        newest = are_newest(self.keep, times, [None] * len(selected), no_time)
        limit = now - self.older_than if self.older_than is not None else None
        return {
            image.digest: all_of((limit is None or is_older(time, limit, no_time), negation(is_kept)))
            for image, time, is_kept in zip(selected, times, newest, strict=True)
        }


@dataclass(frozen=True, slots=True)
class PlainPolicy:
    """The policy of a cleanup job."""

    product: ClassVar[str] = "registry-crawler"

    keep_tags: re.Pattern[str] | None
    rules: tuple[Rule, ...]

    def covers(self, repository: PolicyRepository) -> bool:
        return any(rule.covers(repository.name) for rule in self.rules)

    def decide(self, repository: PolicyRepository, now: datetime) -> Mapping[str, Decision]:
        images = list(repository.images)
        answers = [(rule, rule.deletes(images, now)) for rule in self.rules if rule.covers(repository.name)]
        return {image.digest: self._decision(image, answers) for image in images}

    def _decision(self, image: PolicyImage, answers: list[tuple[Rule, dict[str, Certainty]]]) -> Decision:
        if self.keep_tags is not None and has_match(self.keep_tags, image):
            return KEEP
        of_rules = [(rule, deletes.get(image.digest, False)) for rule, deletes in answers]
        is_deleted = any_of(deletes for _, deletes in of_rules)
        if isinstance(is_deleted, Unknown):
            return unknown(is_deleted.why)
        return (
            Decision(Fate.DELETE, rule=next(r.name for r, deletes in of_rules if deletes is True))
            if is_deleted
            else KEEP
        )


def build_times(images: list[PolicyImage], now: datetime) -> dict[str, datetime | None]:
    """When images were built, by digest. An index is as old as its newest image."""
    own = {image.digest: image.created_at if _is_build_time(image.created_at, now) else None for image in images}
    built = dict(own)
    for index in images:
        times = [own.get(child) for child in index.children or ()]
        known = [time for time in times if time is not None]
        if own[index.digest] is None and known and len(known) == len(times):
            built[index.digest] = max(known)
    return built


def _is_build_time(time: datetime | None, now: datetime) -> bool:
    """Whether a time is that of a build: reproducible builds write 1970 or 1980, and some clocks are wrong."""
    return time is not None and _EARLIEST_BUILD <= time < now + timedelta(days=1)


def has_match(pattern: re.Pattern[str], image: PolicyImage) -> bool:
    return any(pattern.fullmatch(tag) for tag in image.tags)


def parse(document: object, mistakes: Mistakes) -> PlainPolicy:
    """The policy of a file; the mistakes are noted."""
    policy = Table(document, "", mistakes)
    keep_tags = _globs(policy, "keep_tags")
    tables = policy.tables("rule")
    policy.close()
    return PlainPolicy(keep_tags, tuple(_rule(table, number) for number, table in enumerate(tables, 1)))


def _rule(table: Table, number: int) -> Rule:
    rule = Rule(
        name=table.text("name", f"rule {number}"),
        repositories=_globs(table, "repositories"),
        exclude_repositories=_globs(table, "exclude_repositories"),
        tags=_globs(table, "tags"),
        exclude_tags=_globs(table, "exclude_tags"),
        images=table.choice("images", ("all", "tagged", "untagged"), "all"),
        older_than=table.duration("older_than"),
        keep=table.whole_number("keep", 1, _MOST, 0),
        by=table.choice("by", ("pushed", "built"), "pushed"),
    )
    if rule.images == "untagged" and (rule.tags or rule.exclude_tags):
        table.mistake("images", "untagged images have no tags for tags and exclude_tags to match")
    if not (rule.tags or rule.older_than or rule.keep or rule.images == "untagged"):
        table.mistake("", "would delete every image: it needs tags, older_than, keep, or images = untagged")
    table.close()
    return rule


def _globs(table: Table, key: str) -> re.Pattern[str] | None:
    globs = table.texts(key)
    return compile_globs(globs) if globs else None
