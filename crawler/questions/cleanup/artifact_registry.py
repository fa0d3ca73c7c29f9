"""Cleanup policies of Google's Artifact Registry: the file of `gcloud artifacts repositories set-cleanup-policies`.

https://cloud.google.com/artifact-registry/docs/repositories/cleanup-policy-overview and the comments of
google/devtools/artifactregistry/v1/repository.proto (googleapis/googleapis) say how a policy is applied:
a version that a Delete policy matches is deleted, unless a Keep policy matches it. Without a Delete policy nothing is.
A manifest that an index lists cannot be deleted while the index is there: the registry refuses it with
GOOGLE_MANIFEST_DANGLING_PARENT_IMAGE (GoogleCloudPlatform/gcr-cleaner#118).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final
from urllib.parse import unquote

from crawler.questions.cleanup.certainty import Certainty, Unknown, all_of, any_of
from crawler.questions.cleanup.document import Mistakes, Table
from crawler.questions.cleanup.kinship import (
    doubt_deletions,
    may_have_unread_children,
    parents,
    settle,
)
from crawler.questions.cleanup.newest import are_newest, is_newer, is_older
from crawler.questions.cleanup.policy import KEEP, Decision, Fate, PolicyImage, PolicyRepository, unknown

_TAG_STATES: Final = ("any", "tagged", "untagged")
_MOST_KEPT: Final = 2**31 - 1
_GCR_HOST: Final = re.compile(r"([a-z]+\.)?gcr\.io")
_PKG_HOST: Final = re.compile(r"[a-z0-9-]+\.pkg\.dev")

_NO_PACKAGE: Final = Unknown("on this host it is not known which part of the name is the package")
# The documentation says nothing of it.
_LISTED: Final = Unknown("it is not documented whether the images that an index lists count among the most recent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What a version must be: all that is given. Prefixes match if one of them does."""

    tag_state: str = "any"
    tag_prefixes: tuple[str, ...] = ()
    version_prefixes: tuple[str, ...] = ()
    package_prefixes: tuple[str, ...] = ()
    older_than: timedelta | None = None
    newer_than: timedelta | None = None

    def matches(self, image: PolicyImage, package: str | None, now: datetime) -> Certainty:
        tags = image.tags
        return all_of(
            (
                self.tag_state == "any" or (self.tag_state == "tagged") == bool(tags),
                not self.tag_prefixes or any(tag.startswith(self.tag_prefixes) for tag in tags),
                not self.version_prefixes or image.digest.startswith(self.version_prefixes),
                has_prefix(package, self.package_prefixes),
                self.older_than is None or is_older(image.uploaded_at, now - self.older_than),
                self.newer_than is None or is_newer(image.uploaded_at, now - self.newer_than),
            )
        )


@dataclass(frozen=True, slots=True)
class MostRecent:
    """The most recent versions of each package whose name has one of the prefixes, or of every package."""

    count: int
    package_prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class ArtifactRegistryPolicy:
    """The cleanup policies of a repository of Artifact Registry, whose packages are the repositories of a snapshot."""

    product: ClassVar[str] = "Artifact Registry"

    delete: tuple[Rule, ...]
    keep: tuple[Rule, ...]
    most_recent: tuple[MostRecent, ...]

    def covers(self, repository: PolicyRepository) -> bool:
        package = package_of(repository)
        return any(has_prefix(package, rule.condition.package_prefixes) is not False for rule in self.delete)

    def decide(self, repository: PolicyRepository, now: datetime) -> Mapping[str, Decision]:
        package = package_of(repository)
        recent = self._are_recent(repository.images, package)
        decisions = {
            image.digest: self._decide(image, package, is_recent, now)
            for image, is_recent in zip(repository.images, recent, strict=True)
        }
        return doubt_deletions(repository, settle(repository, decisions))

    def _are_recent(self, images: Sequence[PolicyImage], package: str | None) -> list[Certainty]:
        doubts = _doubts(images)
        times = [image.uploaded_at for image in images]
        columns = [
            [
                all_of((has_prefix(package, rule.package_prefixes), each))
                for each in are_newest(rule.count, times, doubts)
            ]
            for rule in self.most_recent
        ]
        return [any_of(row) for row in zip(*columns, strict=True)] if columns else [False] * len(images)

    def _decide(self, image: PolicyImage, package: str | None, is_recent: Certainty, now: datetime) -> Decision:
        matches = [rule.condition.matches(image, package, now) for rule in self.delete]
        is_deleted = any_of(matches)
        if is_deleted is False:
            return KEEP
        is_kept = any_of((is_recent, *(rule.condition.matches(image, package, now) for rule in self.keep)))
        if is_kept is True:
            return KEEP
        for doubt in (is_kept, is_deleted):
            if isinstance(doubt, Unknown):
                return unknown(doubt.why)
        return Decision(Fate.DELETE, rule=self.delete[matches.index(True)].name)


def _doubts(images: Sequence[PolicyImage]) -> list[Unknown | None]:
    """Why it is not known whether each image counts among the most recent."""
    listed = parents(images)
    unread = may_have_unread_children(images)
    return [_LISTED if image.digest in listed or (unread and not image.tags) else None for image in images]


def has_prefix(package: str | None, prefixes: tuple[str, ...]) -> Certainty:
    if not prefixes:
        return True
    return _NO_PACKAGE if package is None else package.startswith(prefixes)


def package_of(repository: PolicyRepository) -> str | None:
    """The package of a repository: its name after the project and, on pkg.dev, the repository of Artifact Registry.

    A project of a domain has two components, `example.com/my-project`. None where the host is neither.
    """
    if _GCR_HOST.fullmatch(repository.registry):
        skipped = 1
    elif _PKG_HOST.fullmatch(repository.registry):
        skipped = 2
    else:
        return None
    components = repository.name.split("/")
    return "/".join(components[skipped + ("." in components[0]) :])


def parse(document: Sequence[object], mistakes: Mistakes) -> ArtifactRegistryPolicy:
    """The policies of a file; the mistakes are noted."""
    delete, keep, most_recent, names = list[Rule](), list[Rule](), list[MostRecent](), set[str]()
    for number, value in enumerate(document):
        table = Table(value, f"[{number}]", mistakes)
        key = "id" if "name" not in table and "id" in table else "name"
        name = table.text(key)
        if name in names:
            table.mistake(key, "is the name of another policy, too")
        names.add(name)
        kind = _action(table)
        if "mostRecentVersions" in table:
            most_recent.append(_most_recent(table, kind))
        else:
            (delete if kind == "Delete" else keep).append(Rule(name, _condition(table.table("condition"))))
        table.close()
    return ArtifactRegistryPolicy(tuple(delete), tuple(keep), tuple(most_recent))


def _action(table: Table) -> str:
    """The action: `{"type": "Delete"}` in the file that gcloud takes, `"DELETE"` in what the API answers."""
    if table.holds_text("action"):
        return table.choice("action", ("DELETE", "KEEP")).capitalize()
    action = table.table("action")
    kind = action.choice("type", ("Delete", "Keep"))
    action.close()
    return kind


def _most_recent(table: Table, kind: str) -> MostRecent:
    if kind != "Keep":
        table.mistake("mostRecentVersions", "is for policies whose action is Keep")
    if "condition" in table:
        table.anything("condition")
        table.mistake("condition", "a policy has either a condition or mostRecentVersions")
    recent = table.table("mostRecentVersions")
    found = MostRecent(recent.whole_number("keepCount", 1, _MOST_KEPT), _packages(recent))
    recent.close()
    return found


def _condition(table: Table) -> Condition:
    if table.is_empty:
        table.mistake("", "has no criterion: it would match every version; write tagState any for that")
    state = table.text("tagState", "any").lower()
    if state not in _TAG_STATES:
        table.mistake("tagState", f"must be one of {', '.join(_TAG_STATES)}")
    condition = Condition(
        tag_state=state,
        tag_prefixes=table.texts("tagPrefixes"),
        version_prefixes=table.texts("versionNamePrefixes"),
        package_prefixes=_packages(table),
        older_than=table.duration("olderThan"),
        newer_than=table.duration("newerThan"),
    )
    if state == "untagged" and condition.tag_prefixes:
        table.mistake("tagPrefixes", "an untagged version has none: tagState must be tagged")
    table.close()
    return condition


def _packages(table: Table) -> tuple[str, ...]:
    """Prefixes of packages; the API writes the slashes of a package as %2F."""
    return tuple(unquote(prefix) for prefix in table.texts("packageNamePrefixes"))
