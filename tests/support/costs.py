"""Exchanges of a crawl, as _run.json reports them and as a server counted them."""

from collections.abc import Mapping
from typing import Any

import crawler
from support.snapshots import read_snapshot


async def crawled(config: crawler.Config) -> dict[str, Any]:
    """Crawl and return the published _run.json, after checking that the crawl was complete and needed no retries."""
    await crawler.crawl(config)
    manifest = read_snapshot(config.output.path).manifest
    assert (manifest["verdict"], manifest["requests"]["retries"]) == ("complete", 0)
    return manifest


def counted(counts: Mapping[str, int]) -> dict[str, int]:
    """What a server counted, without the kinds of request that never came."""
    kinds = ("ping", "catalog", "token", "listing", "api", "oauth")
    return {kind: counts[kind] for kind in kinds if counts[kind]}


def agree(manifest: Mapping[str, Any], counts: Mapping[str, int]) -> bool:
    """Whether _run.json reports what the server counted. OAuth2 exchanges are google-auth's, and are not in it."""
    seen = counted(counts)
    seen.pop("oauth", None)
    requests: Mapping[str, int] = manifest["requests"]
    return requests["total"] == sum(seen.values()) and requests["token"] == counts["token"]
