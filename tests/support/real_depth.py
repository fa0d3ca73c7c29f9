"""Crawls of a real registry that go behind the tags, and the exchanges that they must cost."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from support.distribution import Content, Exchange
from support.distribution.content import distinct
from support.real_crawls import Ended, Shell
from support.snapshots import Snapshot

Tagged = Mapping[str, Mapping[str, Content]]
"""What the tags of each repository name."""


DEEP = ("--depth", "configs", "--no-progress")
"""The options of a crawl that reads everything that is behind the tags."""


async def crawl_deep(shell: Shell, host: str, *options: str | Path, environment: Mapping[str, str] = {}) -> Ended:
    """Crawl to the depth `configs`."""
    return await shell.crawl(host, *DEEP, *options, environment=environment)


def exchanges_by_kind(exchanges: Iterable[Exchange]) -> dict[str, int]:
    return dict(Counter(exchange.kind for exchange in exchanges))


def first_night(tagged: Tagged) -> dict[str, int]:
    """What the first crawl to the depth `configs` costs: a GET for each tag, and then each digest once.

    An index of p platforms and a attestations costs p + a manifests and p configs more than its tag.
    """
    contents = distinct(content for tags in tagged.values() for content in tags.values()).values()
    return {
        "ping": 1,
        "catalog": 1,
        "listing": len(tagged),
        "tag": sum(map(len, tagged.values())),
        "manifest": len(children_of(contents)),
        "blob": len(configs_of(contents)),
    }


def children_of(contents: Iterable[Content]) -> set[str]:
    return {child.digest for content in contents for child in content.children}


def configs_of(contents: Iterable[Content]) -> set[str]:
    return {config for content in contents for config in content.configs}


def images_of(snapshot: Snapshot) -> dict[tuple[str, str], dict[str, Any]]:
    """The images of a snapshot by repository and digest."""
    return {(record["repository"], image["digest"]): image for record in snapshot.records for image in record["images"]}


def digests_by_tag(snapshot: Snapshot) -> dict[tuple[str, str], str]:
    """The digest that each tag names, by repository and tag."""
    return {(name, tag): digest for (name, digest), image in images_of(snapshot).items() for tag in image["tags"]}


def problems_of(snapshot: Snapshot) -> set[tuple[str, str, str | None]]:
    """Repository, kind and tag of each problem."""
    return {
        (record["repository"], problem["problem"], problem["tag"])
        for record in snapshot.records
        for problem in record["problems"]
    }


def lasting(snapshot: Snapshot) -> list[dict[str, Any]]:
    """The records without what belongs to one run, ordered by repository."""
    return [
        {key: value for key, value in record.items() if key not in {"run_id", "observed_at"}}
        for _, record in sorted(snapshot.by_name.items())
    ]
