"""Crawls of a scripted registry, and the checks that hold for every one of them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.scripted import ScriptedServer
from support.snapshots import Snapshot, folders, read_snapshot

import crawler
from registries import Scripted, acr
from registries.vocabulary import BASIC, PASSWORD

CATALOG = "/v2/_catalog"
SECRETS = (PASSWORD, BASIC.removeprefix("Basic "), acr.IDENTITY_TOKEN, "session-1", "minted-")

OTHER_HOST = "0.0.0.0"
"""An address that reaches this machine, and counts as another host than 127.0.0.1."""


def config(server: ScriptedServer, folder: Path, **settings: Any) -> crawler.Config:
    """A configuration. `{origin}` in a setting becomes the server's origin. Published quotas are switched off.

    `settings` are those of the `[[registry]]` table, and `images` and `limits` those of their own tables.
    """
    limits = {"attempts": 1, "read_timeout": 5, "concurrency": 16, "rate": "none", **settings.pop("limits", {})}
    listed = settings.pop("listed", ())
    images = settings.pop("images", {})
    table = {"target": server.host, **json.loads(json.dumps(settings).replace("{origin}", server.origin))}
    if listed:
        table["repositories_from"] = folder / "names.txt"
        table["repositories_from"].write_text("".join(f"{name}\n" for name in listed))
    return crawler.Config(registry=[table], images=images, limits=limits, output={"path": folder / "out"})


async def crawl(server: ScriptedServer, folder: Path, **settings: Any) -> Snapshot:
    """Crawl, and return the snapshot after the checks that hold for every snapshot."""
    manifest = await crawler.crawl(config(server, folder, **settings))
    snapshot = read_snapshot(folder / "out")
    assert snapshot.manifest["verdict"] == manifest.verdict
    assert (manifest.verdict == "complete") == snapshot.has_success == (not snapshot.manifest["reasons"])
    published = b"".join(path.read_bytes() for path in snapshot.folder.iterdir())
    assert not [secret for secret in SECRETS if secret.encode() in published]
    return snapshot


async def crawl_fails(server: ScriptedServer, folder: Path, **settings: Any) -> crawler.CrawlerError:
    """The error of a crawl that fails: one printable line without secrets, and no snapshot."""
    with pytest.raises(crawler.CrawlerError) as caught:
        await crawler.crawl(config(server, folder, **settings))
    message = str(caught.value)
    assert message.isprintable()
    assert not [secret for secret in SECRETS if secret in message]
    assert not folders(folder / "out")
    return caught.value


def mistakes(text: str, folder: Path) -> tuple[str, ...]:
    """The mistakes that are found in a `[[registry]]` table."""
    file = folder / "config.toml"
    file.write_text(f"[[registry]]\n{text}\n")
    with pytest.raises(crawler.ConfigError) as refused:
        crawler.Config.load(file)
    return refused.value.mistakes


def login(docker: Path, **auths: Any) -> None:
    """Write the configuration that `docker login` writes."""
    (docker / "config.json").write_text(json.dumps({"auths": auths}))


def password_requests(server: ScriptedServer, secret: str = "Basic ") -> Counter[str]:
    """How often a password was sent to each path."""
    return Counter(request.path for request in server.requests if (request.authorization or "").startswith(secret))


def assert_complete(snapshot: Snapshot, scripted: Scripted) -> None:
    """Every repository has a record with all of its tags, in order, and none is suspect."""
    tags = {name: record["tags"] for name, record in snapshot.by_name.items()}
    assert tags == {
        **{name: list(tags) for name, tags in scripted.repositories.items()},
        **{name: [] for name in scripted.missing},
    }
    assert snapshot.outcomes == {
        **dict.fromkeys(scripted.repositories, "ok"),
        **dict.fromkeys(scripted.missing, "missing"),
    }
    assert not [record for record in snapshot.records if record["suspect"]]


def requests_by_host(server: ScriptedServer) -> Counter[str]:
    return Counter(request.headers["host"] for request in server.requests)
