"""What depth costs at Debian's docker-registry: each tag is asked once a night, and each digest once ever."""

from collections import Counter

import pytest
from support.distribution import open_front, open_registry, push_content, requires_docker_registry
from support.distribution.samples import sample, sample_repositories
from support.distribution.storage import store_content
from support.real_depth import children_of, configs_of, crawl_deep, digests_by_tag, exchanges_by_kind, first_night
from support.snapshots import read_snapshot

pytestmark = [requires_docker_registry, pytest.mark.slow, pytest.mark.timeout(300)]

REPOSITORIES = 200
MOVED = 10


def two_hundred_repositories():
    """Five tags each. Ten repositories have a copy of another's index, and ten of another's image."""
    tagged = sample_repositories(REPOSITORIES, 5)
    for number, name in enumerate(sorted(tagged)):
        if number % 10 == 4:
            tagged[name]["1.4"] = sample(2 if number < 100 else 1)
    return tagged


async def test_depth_costs_what_the_formula_says_and_the_second_night_only_what_changed(tmp_path, shell):
    tagged = two_hundred_repositories()
    fresh = [sample(number) for number in range(5000, 5000 + MOVED)]
    moved = {name: {"1.3": content} for name, content in zip(sorted(tagged), fresh, strict=False)}
    async with open_registry(tmp_path / "registry") as registry, open_front(registry) as front:
        store_content(registry, tagged)
        first = await crawl_deep(shell, front.host)
        first_exchanges, first_snapshot = list(front.exchanges), read_snapshot(shell.output)
        await push_content(registry, moved)
        front.exchanges.clear()
        second = await crawl_deep(shell, front.host)

    assert (first.code, second.code) == (0, 0)
    assert exchanges_by_kind(first_exchanges) == first_night(tagged)
    assert {exchange.status for exchange in first_exchanges} == {200}
    assert digests_by_tag(first_snapshot) == {
        (name, tag): content.digest for name, tags in tagged.items() for tag, content in tags.items()
    }
    assert first_snapshot.manifest["requests"]["total"] == len(first_exchanges)

    assert exchanges_by_kind(front.exchanges) == {
        "ping": 1,
        "catalog": 1,
        "listing": REPOSITORIES,
        "tag": 5 * REPOSITORIES,
        "manifest": len(children_of(fresh)),
        "blob": len(configs_of(fresh)),
    }
    of_tags = [exchange for exchange in front.exchanges if exchange.kind == "tag"]
    assert Counter(exchange.status for exchange in of_tags) == {304: 5 * REPOSITORIES - MOVED, 200: MOVED}
    assert all(exchange.body_bytes == 0 for exchange in of_tags if exchange.status == 304)
    assert {exchange.path for exchange in of_tags if exchange.status == 200} == {
        f"/v2/{name}/manifests/1.3" for name in moved
    }
    second_snapshot = read_snapshot(shell.output)
    assert digests_by_tag(second_snapshot) == digests_by_tag(first_snapshot) | {
        (name, "1.3"): tags["1.3"].digest for name, tags in moved.items()
    }
    assert second_snapshot.manifest["counts"]["problems"] == 0
