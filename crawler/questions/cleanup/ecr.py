"""Lifecycle policies of Amazon ECR: the text that `aws ecr put-lifecycle-policy` takes.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html, "Lifecycle policy evaluation rules":

- All rules are evaluated at the same time, then applied by priority. An image that matches the tagging requirements of
  a rule cannot be expired by a rule with a lower priority; it is counted there all the same.
- An image matches a list if all its prefixes or patterns match some tag of the image.
- An image that a manifest list references cannot be expired before the manifest list is.
- What refers to an image, such as a signature, goes with it.

So a policy is evaluated again, at the same moment, once indexes are gone: their images are then images like others. It
ends when nothing more is deleted. Whether the images of a manifest list and signatures count is not documented.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from crawler.questions.cleanup.certainty import Certainty, Unknown, all_of, negation
from crawler.questions.cleanup.document import Mistakes, Table
from crawler.questions.cleanup.kinship import (
    doubt_deletions,
    parents,
    referrers_of,
    settle,
)
from crawler.questions.cleanup.newest import are_newest, is_older
from crawler.questions.cleanup.policy import KEEP, Decision, Fate, PolicyImage, PolicyRepository, unknown

_HIGHEST_PRIORITY: Final = 2**31 - 1
_MOST_WILDCARDS: Final = 4
_MOST: Final = 365_000
_COUNT_TYPES: Final = ("imageCountMoreThan", "sinceImagePushed")
_ARCHIVES: Final = "is about archived images, and a snapshot does not tell which ones are: take the rule out"

_LISTED: Final = Unknown("it is not documented whether the images that an index lists count")
_MAYBE_GONE: Final = Unknown("whether other images are deleted is not known")
_REFERRER: Final = Unknown("it is not documented how rules treat signatures and other referrers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule that expires images.

    Attributes:
        tag_status: `tagged`, `untagged` or `any`.
        tags: for tagged images, patterns that must each match a tag.
        age: how old they may be; None for a rule by number.
        most: how many are kept, for a rule by number.
    """

    priority: int
    description: str
    tag_status: str
    tags: tuple[re.Pattern[str], ...]
    most: int
    age: timedelta | None

    @property
    def name(self) -> str:
        return f"rule {self.priority}: {self.description}" if self.description else f"rule {self.priority}"

    def selects(self, tags: Sequence[str]) -> bool:
        """Whether an image with these tags matches the tagging requirements."""
        if self.tag_status == "any":
            return True
        if self.tag_status == "untagged":
            return not tags
        return all(any(pattern.fullmatch(tag) for tag in tags) for pattern in self.tags)


@dataclass(frozen=True, slots=True)
class EcrPolicy:
    """The lifecycle policy of a repository; the rules are in the order of their priority."""

    product: ClassVar[str] = "Amazon ECR"

    rules: tuple[Rule, ...]

    def covers(self, repository: PolicyRepository) -> bool:
        return bool(repository.images or repository.unread)

    def decide(self, repository: PolicyRepository, now: datetime) -> Mapping[str, Decision]:
        gone, doubts = dict[str, Decision](), dict[str, Decision]()
        while True:
            decisions = self._evaluate(repository, doubts, now)
            # what may be gone since an earlier evaluation is no surer now
            decisions |= {digest: each for digest, each in doubts.items() if decisions[digest] == KEEP}
            doubts = {digest: each for digest, each in decisions.items() if each.fate is Fate.UNKNOWN}
            deleted = {digest: each for digest, each in decisions.items() if each.fate is Fate.DELETE}
            if not any(image.children for image in repository.images if image.digest in deleted):
                # what depends on something that may be gone would be judged once more
                followers, attached = parents(repository.images), referrers_of(repository.images)
                return gone | settle(repository, decisions, followers=followers, attached=attached) | doubts
            gone |= deleted
            repository = repository.without(frozenset(deleted))

    def _evaluate(self, repository: PolicyRepository, doubtful: Iterable[str], now: datetime) -> dict[str, Decision]:
        """The decisions of one evaluation. Images that are `doubtful` may be gone."""
        listed, referrers = parents(repository.images), referrers_of(repository.images)
        doubts = {**dict.fromkeys(listed, _LISTED), **dict.fromkeys(referrers, _REFERRER)}
        doubts |= dict.fromkeys(doubtful, _MAYBE_GONE)
        decisions, seen = dict.fromkeys((image.digest for image in repository.images), KEEP), set(listed)
        for rule in self.rules:
            selected = [image for image in repository.images if rule.selects(image.tags)]
            of_selected = [doubts.get(image.digest) for image in selected]
            for image, is_expired in zip(selected, _are_expired(rule, selected, of_selected, now), strict=True):
                if image.digest not in seen:
                    may_be_expired = image.digest not in referrers or _REFERRER
                    decisions[image.digest] = _decision(rule, all_of((is_expired, may_be_expired)))
            seen.update(image.digest for image in selected)
        return settle(repository, doubt_deletions(repository, decisions), attached=referrers)


def _are_expired(
    rule: Rule, selected: Sequence[PolicyImage], doubts: Sequence[Unknown | None], now: datetime
) -> list[Certainty]:
    times = [image.uploaded_at for image in selected]
    if rule.age is not None:
        return [is_older(time, now - rule.age) for time in times]
    return [negation(each) for each in are_newest(rule.most, times, doubts)]


def _decision(rule: Rule, is_expired: Certainty) -> Decision:
    if isinstance(is_expired, Unknown):
        return unknown(is_expired.why)
    return Decision(Fate.DELETE, rule=rule.name) if is_expired else KEEP


def parse(document: object, mistakes: Mistakes) -> EcrPolicy:
    """The policy of a file; the mistakes are noted."""
    policy = Table(document, "", mistakes)
    tables = policy.tables("rules")
    policy.close()
    rules = [_rule(table) for table in tables]
    if not mistakes.lines:
        _check_together(rules, tables)
    return EcrPolicy(tuple(sorted(rules, key=lambda rule: rule.priority)))


def _rule(table: Table) -> Rule:
    priority = table.whole_number("rulePriority", 1, _HIGHEST_PRIORITY)
    description = table.text("description", "")
    selection = table.table("selection")
    if "storageClass" in selection and selection.choice("storageClass", ("standard", "archive")) == "archive":
        selection.mistake("storageClass", _ARCHIVES)
    status = selection.choice("tagStatus", ("tagged", "untagged", "any"))
    tags = _tags(selection, status)
    by_age = selection.choice("countType", _COUNT_TYPES) == "sinceImagePushed"
    if by_age:
        selection.choice("countUnit", ("days",))
    number = selection.whole_number("countNumber", 1, _MOST)
    selection.close()
    action = table.table("action")
    if action.choice("type", ("expire", "transition")) == "transition":
        action.anything("targetStorageClass")
        action.mistake("type", _ARCHIVES)
    action.close()
    table.close()
    return Rule(
        priority=priority,
        description=description,
        tag_status=status,
        tags=tags,
        most=0 if by_age else number,
        age=timedelta(days=number) if by_age else None,
    )


def _tags(selection: Table, status: str) -> tuple[re.Pattern[str], ...]:
    prefixes, patterns = selection.texts("tagPrefixList"), selection.texts("tagPatternList")
    if status != "tagged" and (prefixes or patterns):
        selection.mistake("tagStatus", "must be tagged for a tagPrefixList or a tagPatternList")
    if status == "tagged" and bool(prefixes) == bool(patterns):
        selection.mistake("tagStatus", "tagged needs either a tagPrefixList or a tagPatternList")
    if any(pattern.count("*") > _MOST_WILDCARDS for pattern in patterns):
        selection.mistake("tagPatternList", f"a pattern may have {_MOST_WILDCARDS} wildcards")
    globs = (*(re.escape(prefix) + ".*" for prefix in prefixes), *(_regex(pattern) for pattern in patterns))
    return tuple(re.compile(glob) for glob in globs)


def _regex(pattern: str) -> str:
    return ".*".join(re.escape(part) for part in pattern.split("*"))


def _check_together(rules: Sequence[Rule], tables: Sequence[Table]) -> None:
    """Note what ECR refuses in a set of rules."""
    last = max((rule.priority for rule in rules), default=0)
    earlier, requirements = set[int](), set[tuple[object, ...]]()
    for rule, table in zip(rules, tables, strict=True):
        if rule.priority in earlier:
            table.mistake("rulePriority", "is that of another rule, too")
        earlier.add(rule.priority)
        if rule.tag_status == "any" and rule.priority != last:
            table.mistake("rulePriority", "a rule for any tagStatus must have the highest number")
        requirement = (rule.tag_status, frozenset(rule.tags))
        if requirement in requirements:
            table.mistake("selection", "another rule selects the same images")
        requirements.add(requirement)
