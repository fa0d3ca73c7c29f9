"""Crawls of a scripted server that misbehaves about one repository, for the tests named `test_hostile_*`.

`crawl_snapshot` and `crawl_fails` check what holds for every crawl, however the server misbehaves: the verdict and
the counts agree with the records, messages are one printable line, and no secret is published or shown.
"""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import crawler
from support.plain_words import is_plain
from support.scripted import (
    REPOSITORIES,
    Entry,
    Reply,
    ScriptedServer,
    catalog_path,
    document,
    listing_path,
    on,
    plain_registry,
    refusal,
    serve,
)
from support.snapshots import Snapshot, folders, read_snapshot

VICTIM = "team/victim"
LISTING = listing_path(VICTIM)
VICTIM_SCOPE = f"repository:{VICTIM}:pull"
CATALOG = catalog_path()
WHOLE = document({"name": VICTIM, "tags": list(REPOSITORIES[VICTIM])})
"""The victim's listing, as a well-behaved server sends it."""

USER = "robot"
PASSWORD = "correct-horse-battery"
BASIC = "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()
WITH_PASSWORD = {"auth": {"method": "basic", "username": USER, "password": PASSWORD}}
SECRETS = (PASSWORD, BASIC.removeprefix("Basic "), "minted-")

ELSEWHERE = "0.0.0.0"
"""A foreign host name on which a test can listen: connections to 0.0.0.0 reach this machine."""

FOREIGN = "https://auth.example.invalid/token"
MINT = on("/token", document({"token": "minted-there"}))
"""A token server that issues tokens without credentials."""

MIB = 1024**2
ONCE = {"attempts": 1}


def config(
    server: ScriptedServer, folder: Path, *, limits: dict[str, Any] | None = None, **registry: Any
) -> crawler.Config:
    limits = {"attempts": 2, "read_timeout": 0.5, "connect_timeout": 0.5, "concurrency": 8, **(limits or {})}
    table = {"target": server.host, **registry}
    return crawler.Config.model_validate({"registry": [table], "limits": limits, "output": {"path": folder}})


async def crawl_snapshot(server: ScriptedServer, folder: Path, **registry: Any) -> Snapshot:
    """Crawl, check what holds for every snapshot, and return the snapshot."""
    run_manifest = await crawler.crawl(config(server, folder, **registry))
    snapshot = read_snapshot(folder)
    complete = snapshot.manifest["verdict"] == "complete"
    assert snapshot.manifest["verdict"] == run_manifest.verdict
    assert complete == snapshot.has_success == (not snapshot.manifest["reasons"])
    assert len(snapshot.by_name) == snapshot.manifest["counts"]["repositories"]
    for record in snapshot.records:
        assert record["repository"].isprintable()
        assert record["error"] is None or is_one_line(record["error"]["message"])
    published = b"".join(path.read_bytes() for path in snapshot.folder.iterdir())
    assert not [secret for secret in SECRETS if secret.encode() in published]
    return snapshot


async def crawl_fails(server: ScriptedServer, folder: Path, **registry: Any) -> crawler.CrawlerError:
    """Crawl, and return the error: one printable line without secrets. Nothing is published."""
    with pytest.raises(crawler.CrawlerError) as caught:
        await crawler.crawl(config(server, folder, **registry))
    message = str(caught.value)
    assert is_one_line(message)
    assert not [secret for secret in SECRETS if secret in message]
    assert not folders(folder)
    return caught.value


def is_one_line(text: str) -> bool:
    return is_plain(text) and 0 < len(text) < 4000


def assert_others_whole(snapshot: Snapshot, but: str = VICTIM) -> None:
    """Every repository except `but` has its record, with all its tags."""
    whole = {name: list(tags) for name, tags in REPOSITORIES.items() if name != but}
    assert {name: snapshot.by_name[name]["tags"] for name in whole} == whole
    assert {snapshot.outcomes[name] for name in whole} == {"ok"}


def catalog_of(*names: Any, links: Iterable[str] = ()) -> Reply:
    return document({"repositories": list(names)}, *(("Link", link) for link in links))


def tags_of(*tags: Any, links: Iterable[str] = ()) -> Reply:
    return document({"name": VICTIM, "tags": list(tags)}, *(("Link", link) for link in links))


def guarded_by(*challenges: tuple[str, str]) -> list[Entry]:
    """A registry whose ping gets 401 with these challenges."""
    return [on("/v2/", refusal(401, "UNAUTHORIZED", "authentication required", *challenges))]


def cases(names: str, table: dict[str, Any]) -> pytest.MarkDecorator:
    """Parametrize by a table. Its keys are the ids of the cases: they name what the server does."""
    return pytest.mark.parametrize(names.replace(" ", ","), list(table.values()), ids=list(table))


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The victim's record, and how many requests each listing of it takes.

    A failed repository is listed a second time at the end of the run. Within one listing, a body that cannot be
    parsed is requested twice, like a body that ends early. So is a response that is not HTTP, if the server has
    spoken HTTP on the connection before.
    """

    outcome: str = "failed"
    code: str = "MALFORMED"
    status: int | None = 200
    message: str = ""
    requests: int = 1

    @property
    def request_counts(self) -> set[int]:
        """The possible numbers of requests in the whole run."""
        if self.code == "NOT_HTTP":
            return {2, 3, 4}
        attempts = 2 if self.code == "MALFORMED" else self.requests
        return {attempts * self.listings}

    @property
    def listings(self) -> int:
        return 2 if self.outcome == "failed" else 1


UNREACHED = Expected(code="UNREACHABLE", status=None, requests=2)
SILENCED = Expected(code="TIMEOUT", status=None, requests=2)


async def assert_listing_fails(reply: Reply, expected: Expected, folder: Path) -> None:
    """Crawl a server that sends `reply` for the victim's listing: its record is as expected, the others are whole."""
    async with serve([on(LISTING, reply), *plain_registry()]) as server:
        snapshot = await crawl_snapshot(server, folder)
    record = snapshot.by_name[VICTIM]
    assert record["outcome"] == expected.outcome
    assert (record["error"]["code"], record["error"]["http_status"]) == (expected.code, expected.status)
    assert expected.message in record["error"]["message"]
    assert record["tags"] == []
    requests = len(server.asked(LISTING))
    assert requests in expected.request_counts
    assert_others_whole(snapshot)
    assert snapshot.manifest["verdict"] == ("complete" if expected.outcome == "missing" else "partial")
    assert snapshot.manifest["counts"][expected.outcome] == 1
    assert snapshot.manifest["requests"]["retries"] == requests - expected.listings
