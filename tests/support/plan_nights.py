"""A plan, and the crawl that it is about: the same configuration file for both, night after night."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import crawler
from support.run_cli import CommandRunner
from support.snapshots import read_snapshot
from support.toml_text import toml_value

FEW = 20
"""A kind of exchange that a crawl makes so seldom has no share that could be compared."""


class Nights:
    """Plans and crawls of one registry. Plans are made by the installed command."""

    def __init__(self, command: CommandRunner, registry: Mapping[str, Any], **tables: Mapping[str, Any]) -> None:
        """`registry` is the `[[registry]]` table, and `tables` are the others."""
        self.output = command.folder / "out"
        self.file = command.folder / "config.toml"
        self._command = command
        limits = {"rate": "none", "concurrency": 16, **tables.pop("limits", {})}
        document = {"registry": [dict(registry)], "output": {"path": str(self.output)}, "limits": limits, **tables}
        self.file.write_text("".join(f"{key} = {toml_value(value)}\n" for key, value in document.items()))

    async def plan(self, *options: str) -> dict[str, Any]:
        """What `plan` says of the next crawl."""
        ended = await self._command("plan", "--config", self.file, "--format", "json", *options)
        assert ended.code == 0, ended.err
        planned: dict[str, Any] = json.loads(ended.out)
        return planned

    async def crawl(self) -> dict[str, Any]:
        """The `requests` of the next crawl, by its _run.json."""
        await crawler.crawl(crawler.Config.load(self.file))
        requests: dict[str, Any] = read_snapshot(self.output).manifest["requests"]
        return requests


def compared(planned: Mapping[str, Any], crawled: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """What was planned beside what was crawled: in all, each kind of more than a few exchanges, and bytes."""
    by_kind = planned["exchanges"]["by_kind"]
    kinds = {kind: (by_kind.get(kind, 0), count) for kind, count in crawled["by_kind"].items() if count > FEW}
    unforeseen = {kind: (count, crawled["by_kind"].get(kind, 0)) for kind, count in by_kind.items() if count > FEW}
    total = (planned["exchanges"]["total"], crawled["total"])
    return {**kinds, **unforeseen, "total": total, "bytes": (planned["bytes"], crawled["bytes"])}


def far_off(planned: Mapping[str, Any], crawled: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """What is more than a tenth away from what was crawled, as (planned, crawled)."""
    return {
        name: (plan, truth)
        for name, (plan, truth) in compared(planned, crawled).items()
        if abs(plan - truth) > truth / 10
    }


def files_in(folder: Path) -> set[Path]:
    """Every file and folder below a folder."""
    return set(folder.rglob("*"))
