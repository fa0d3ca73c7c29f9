"""Tag retention of Harbor: the answer of `GET /api/v2.0/retentions/ID`.

From Harbor's source (goharbor/harbor, src/pkg/retention): a repository that the scope of a rule matches is cleaned:
what no rule retains is deleted. The images are those with a tag, and those that no index lists
(src/pkg/artifact/dao/dao.go); signatures and other accessories are not among them. An image is deleted with its
accessories and with the images of its index that have no tag and no other index (`deleteDeeply` of
src/controller/artifact/controller.go), and one that an index lists is not deleted.

Two things are not in a policy, and so not in its answer: rules of immutable tags, and tags that were pushed or moved
later than their image: Harbor counts the time of the last one.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

import orjson

from crawler.questions.cleanup.certainty import Certainty, Unknown, any_of, negation
from crawler.questions.cleanup.document import Mistakes, Table
from crawler.questions.cleanup.doublestar import compile_pattern
from crawler.questions.cleanup.kinship import doubt_deletions, parents, referrers_of, settle
from crawler.questions.cleanup.newest import are_newest, is_older
from crawler.questions.cleanup.policy import KEEP, Decision, Fate, PolicyImage, PolicyRepository, unknown

_MOST_KEPT: Final = 2**15 - 2
_MOST_DAYS: Final = 365_000
_NOT_RETAINED: Final = "no rule retains it"
_NO_PULL: Final = Unknown("no pull of it is known, which may be because the registry tells none")

_Retains = Callable[[Sequence[PolicyImage], int, datetime], list[Certainty]]


@dataclass(frozen=True, slots=True)
class Selector:
    """A pattern for tags or names; `excludes` takes what it does not match."""

    pattern: re.Pattern[str]
    excludes: bool
    untagged: bool = False

    def selects_name(self, name: str) -> bool:
        return (self.pattern.fullmatch(name) is not None) is not self.excludes

    def selects(self, tags: Sequence[str]) -> bool:
        """Whether one of the tags is selected; of an image without a tag, whether such images are."""
        if tags:
            return any(self.selects_name(tag) for tag in tags)
        return self.untagged is not self.excludes


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that retains images: those which all tag selectors select, and of these what the template says."""

    retains: _Retains
    number: int
    tags: tuple[Selector, ...]
    repositories: tuple[Selector, ...]

    def covers(self, name: str) -> bool:
        return all(selector.selects_name(name) for selector in self.repositories)


@dataclass(frozen=True, slots=True)
class HarborPolicy:
    """The retention policy of a project; its rules are those that are enabled."""

    product: ClassVar[str] = "Harbor"

    rules: tuple[Rule, ...]

    def covers(self, repository: PolicyRepository) -> bool:
        return any(rule.covers(_without_project(repository.name)) for rule in self.rules)

    def decide(self, repository: PolicyRepository, now: datetime) -> Mapping[str, Decision]:
        name = _without_project(repository.name)
        listed = parents(repository.images)
        candidates = [
            image for image in repository.images if image.subject is None and (image.tags or image.digest not in listed)
        ]
        retained: dict[str, list[Certainty]] = {image.digest: [] for image in candidates}
        for rule in self.rules:
            if rule.covers(name):
                selected = [image for image in candidates if all(each.selects(image.tags) for each in rule.tags)]
                for image, is_retained in zip(selected, rule.retains(selected, rule.number, now), strict=True):
                    retained[image.digest].append(is_retained)
        decisions = dict.fromkeys((image.digest for image in repository.images), KEEP)
        decisions |= {digest: _decision(any_of(answers)) for digest, answers in retained.items()}
        followers = {image.digest for image in repository.images if image.digest in listed and not image.tags}
        attached = referrers_of(repository.images)
        return doubt_deletions(repository, settle(repository, decisions, followers=followers, attached=attached))


def _decision(is_retained: Certainty) -> Decision:
    if isinstance(is_retained, Unknown):
        return unknown(is_retained.why)
    return KEEP if is_retained else Decision(Fate.DELETE, rule=_NOT_RETAINED)


def _without_project(name: str) -> str:
    project, slash, rest = name.partition("/")
    return rest if slash else project


def _latest_pushed(images: Sequence[PolicyImage], number: int, _: datetime) -> list[Certainty]:
    return are_newest(number, [image.uploaded_at for image in images], [None] * len(images))


def _latest_pulled(images: Sequence[PolicyImage], number: int, _: datetime) -> list[Certainty]:
    return are_newest(number, [image.pulled_at for image in images], [None] * len(images), _NO_PULL)


def _latest_active(images: Sequence[PolicyImage], number: int, _: datetime) -> list[Certainty]:
    """The later one of push and pull counts; where no pull is known, the time is not known."""
    times = [
        max(image.pulled_at, image.uploaded_at or image.pulled_at) if image.pulled_at else None for image in images
    ]
    return are_newest(number, times, [None] * len(images), _NO_PULL)


def _pushed_since(images: Sequence[PolicyImage], number: int, now: datetime) -> list[Certainty]:
    return [negation(is_older(image.uploaded_at, now - timedelta(days=number))) for image in images]


def _pulled_since(images: Sequence[PolicyImage], number: int, now: datetime) -> list[Certainty]:
    limit = now - timedelta(days=number)
    return [_NO_PULL if image.pulled_at is None else image.pulled_at >= limit for image in images]


def _always(images: Sequence[PolicyImage], _: int, __: datetime) -> list[Certainty]:
    return [True] * len(images)


_TEMPLATES: Final[Mapping[str, tuple[_Retains, int]]] = {
    "latestPushedK": (_latest_pushed, _MOST_KEPT),
    "latestPulledN": (_latest_pulled, _MOST_KEPT),
    "latestActiveK": (_latest_active, _MOST_KEPT),
    "nDaysSinceLastPush": (_pushed_since, _MOST_DAYS),
    "nDaysSinceLastPull": (_pulled_since, _MOST_DAYS),
    "lastXDays": (_pushed_since, _MOST_DAYS),
    "always": (_always, 0),
}
"""By template, what it retains and the largest number that it takes; 0 for one without a number."""


def parse(document: object, mistakes: Mistakes) -> HarborPolicy:
    """The policy of a file; the mistakes are noted."""
    policy = Table(document, "", mistakes)
    policy.anything("id")
    policy.anything("trigger")  # when it runs
    policy.choice("algorithm", ("or",))
    scope = policy.table("scope")
    scope.choice("level", ("project",))
    scope.anything("ref")  # the number of the project, which a snapshot does not have
    scope.close()
    rules = [_rule(table) for table in policy.tables("rules")]
    policy.close()
    return HarborPolicy(tuple(rule for rule in rules if rule is not None))


def _rule(table: Table) -> Rule | None:
    """A rule; None for one that is disabled."""
    for key in ("id", "priority"):
        table.anything(key)
    is_disabled = table.truth("disabled", default=False)
    table.choice("action", ("retain",))
    template = table.choice("template", tuple(_TEMPLATES))
    retains, most = _TEMPLATES[template]
    number = 0
    if most or "params" in table:
        params = table.table("params")
        number = params.whole_number(template, 0, most) if most else 0
        params.close()
    tags = tuple(_selector(each, "matches", "excludes") for each in table.tables("tag_selectors"))
    scope = table.table("scope_selectors")
    repositories = tuple(_selector(each, "repoMatches", "repoExcludes") for each in scope.tables("repository"))
    scope.close()
    table.close()
    return None if is_disabled else Rule(retains, number, tags, repositories)


def _selector(table: Table, matches: str, excludes: str) -> Selector:
    table.choice("kind", ("doublestar",))
    is_exclusion = table.choice("decoration", (matches, excludes)) == excludes
    text = table.text("pattern")
    try:
        pattern = compile_pattern(text)
    except ValueError as exc:
        table.mistake("pattern", f"is no pattern: {exc}")
        pattern = compile_pattern("")
    untagged = _takes_untagged(table, default=not is_exclusion)
    table.close()
    return Selector(pattern, is_exclusion, untagged)


def _takes_untagged(table: Table, *, default: bool) -> bool:
    """The setting `{"untagged": true}`, which is JSON within a text. Without it, untagged images are selected."""
    text = table.text("extras", "")
    if not text:
        return default
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = None
    match value:
        case {"untagged": bool(untagged)} if len(value) == 1:
            return untagged
        case {} if value == {}:
            return False
    table.mistake("extras", 'must be {"untagged": true} or {"untagged": false}, as JSON within a text')
    return default
