"""Registries with lists scripted page by page, and checks of what a crawl says about their ends."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import crawler
from support.scripted import Entry, Reply, ScriptedServer, document, on, serve
from support.snapshots import Snapshot, read_snapshot

CATALOG = "/v2/_catalog"
APP = "/v2/team/app/tags/list"
NAMES = [f"team/app-{number:02}" for number in range(9)]
ONCE = {"attempts": 1}
BY_LIST = {"kind": "gcr", "repositories_from": ["team/app"]}


async def crawl(server: ScriptedServer, folder: Path, *, prefix: str = "", **registry: Any) -> Snapshot:
    limits = {"attempts": 2, "read_timeout": 5, "concurrency": 8, "rate": "none", **registry.pop("limits", {})}
    if "repositories_from" in registry:
        names = folder / "names.txt"
        names.write_text("\n".join(registry["repositories_from"]))
        registry["repositories_from"] = names
    table = {"target": server.host + prefix, "auth": {"method": "anonymous"}, **registry}
    await crawler.crawl(crawler.Config(registry=[table], limits=limits, output={"path": folder / "out"}))
    assert not server.unscripted
    return read_snapshot(folder / "out")


async def crawl_the_catalog(catalog: Iterable[Entry], folder: Path, **registry: Any) -> tuple[Snapshot, list[str]]:
    """The snapshot of a registry with this catalog, and the queries of all requests for the catalog."""
    async with serve([*catalog, *plain_listings()]) as server:
        snapshot = await crawl(server, folder, **registry)
        return snapshot, [request.target.partition("?")[2] for request in server.asked(CATALOG)]


async def crawl_one(listing: Iterable[Entry], folder: Path, **registry: Any) -> tuple[Snapshot, list[str]]:
    """The snapshot of a registry with one repository, and the queries of all requests for its tags."""
    catalog = on(CATALOG, document({"repositories": ["team/app"]}))
    async with serve([on("/v2/", document({})), catalog, *listing]) as server:
        snapshot = await crawl(server, folder, **registry)
        return snapshot, [request.target.partition("?")[2] for request in server.asked(APP)]


def plain_listings() -> list[Entry]:
    listings = [on(f"/v2/{name}/tags/list", document({"name": name, "tags": ["1"]})) for name in NAMES]
    return [on("/v2/", document({})), *listings]


def names(listed: Sequence[Any] | None, *links: str, **more: Any) -> Reply:
    return document({"repositories": listed, **more}, *(("Link", link) for link in links))


def tags(listed: Sequence[Any] | None, *links: str, **more: Any) -> Reply:
    return document({"name": "team/app", "tags": listed, **more}, *(("Link", link) for link in links))


def page(reply: Reply, path: str = CATALOG, **query: str | None) -> Entry:
    return on(path, reply, query=query)


def evidence(snapshot: Snapshot) -> str:
    return str(snapshot.manifest["discovery"]["evidence"])


def assert_complete(snapshot: Snapshot, repositories: Sequence[str] = NAMES) -> None:
    assert snapshot.outcomes == dict.fromkeys(repositories, "ok")
    assert snapshot.manifest["reasons"] == []
    assert snapshot.manifest["verdict"] == "complete"


def assert_partial(snapshot: Snapshot, why: str, repositories: Sequence[str]) -> None:
    """The catalog is not proved complete, and every listed name has a record."""
    assert snapshot.outcomes == dict.fromkeys(repositories, "ok")
    assert snapshot.manifest["verdict"] == "partial"
    assert snapshot.manifest["discovery"]["complete"] is False
    assert why in evidence(snapshot)
    assert evidence(snapshot).isprintable()


def assert_suspect(snapshot: Snapshot, why: str, listed: Sequence[str]) -> None:
    """The listing of the only repository is not proved complete, and its tags are kept."""
    (record,) = snapshot.records
    assert (record["outcome"], record["tags"]) == ("ok", list(listed))
    assert why in record["suspect"]
    assert snapshot.manifest["verdict"] == "partial"
