"""Retention policies judged in memory: images by the days since their push, and what becomes of each."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crawler.errors import ConfigError
from crawler.questions.cleanup.load import parse_policy
from crawler.questions.cleanup.policy import Decision, Fate, PolicyImage, PolicyRepository, judge

NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)


def days_ago(days: float | None) -> datetime | None:
    return None if days is None else NOW - timedelta(days=days)


def pushed(name: str, *tags: str, days: float | None, **fields: Any) -> PolicyImage:
    """An image that was pushed this many days ago; its name stands for its digest."""
    return PolicyImage(digest=name, tags=tags, uploaded_at=days_ago(days), **fields)


def decisions(
    policy: Any, *images: PolicyImage, name: str = "team/app", registry: str = "registry.example.com", unread: str = ""
) -> dict[str, Decision]:
    """The decision of each image. The policy is a document, or a text in TOML."""
    repository = PolicyRepository(registry, name, images, unread)
    judged = judge(load(policy), repository, NOW)
    return {image.digest: decision for image, decision in zip(images, judged, strict=True)}


def load(policy: Any) -> Any:
    if isinstance(policy, str):
        return parse_policy(policy, "policy.toml")
    return parse_policy(json.dumps(policy), "policy.json")


def deleted(policy: Any, *images: PolicyImage, **repository: str) -> set[str]:
    """The images that are deleted; fails where something is unknown."""
    found = decisions(policy, *images, **repository)
    assert {each.fate for each in found.values()} <= {Fate.DELETE, Fate.KEEP}
    return {digest for digest, decision in found.items() if decision.fate is Fate.DELETE}


def fates(policy: Any, *images: PolicyImage, **repository: str) -> dict[str, str]:
    return {digest: str(each.fate) for digest, each in decisions(policy, *images, **repository).items()}


def mistakes(policy: Any) -> list[str]:
    """The mistakes of a policy that has some."""
    with pytest.raises(ConfigError) as caught:
        load(policy)
    return list(caught.value.mistakes)
