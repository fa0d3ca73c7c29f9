"""Crawls that look behind the tags of a scripted registry."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import crawler
from crawler.model.run_manifest import RunManifest
from support.scripted import ScriptedServer
from support.snapshots import read_snapshot


@dataclass(frozen=True, slots=True)
class DeepCrawl:
    """A crawl and its snapshot."""

    manifest: RunManifest
    records: dict[str, dict[str, Any]]
    lines: bytes

    def images(self, name: str) -> dict[str, dict[str, Any]]:
        """The images of a repository by digest."""
        return {image["digest"]: image for image in self.records[name]["images"]}

    def problems(self, name: str) -> list[tuple[str, str | None, str | None]]:
        return [(each["problem"], each["tag"], each["digest"]) for each in self.records[name]["problems"]]


async def deep_crawl(
    server: ScriptedServer,
    folder: Path,
    *,
    cache: str = "digests.sqlite",
    limits: Mapping[str, Any] | None = None,
    registry: Mapping[str, Any] | None = None,
    **images: Any,
) -> DeepCrawl:
    """Crawl with a cache in the folder, or without one. `images` are keys of that table, by default depth configs."""
    config = crawler.Config(
        registry=[{"target": server.host, **(registry or {})}],
        images={"depth": "configs", **images},
        limits={"attempts": 1, "concurrency": 4, **(limits or {})},
        output={"path": folder / "out"},
        cache={"path": cache if cache == "none" else folder / cache},
    )
    manifest = await crawler.crawl(config)
    snapshot = read_snapshot(folder / "out")
    lines = b"".join((snapshot.folder / file["name"]).read_bytes() for file in snapshot.manifest["files"])
    return DeepCrawl(manifest, snapshot.by_name, lines)


def exchanges(server: ScriptedServer) -> list[tuple[str, str]]:
    """Method and path of every request but those for the catalog and listings, in order."""
    plain = ("/v2/", "/v2/_catalog")
    return [
        (asked.method, asked.path)
        for asked in server.requests
        if asked.path not in plain and not asked.path.endswith("/tags/list")
    ]
