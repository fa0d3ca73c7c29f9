"""Credentials that cannot be used: key files, passwords and OAuth scopes, each reported in one line."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from support.google_keys import KEY_FILE_METHODS, pem_lines
from support.run_cli import (
    CommandRunner,
    google_crawl,
)
from support.snapshots import folders


def _without(key: dict[str, Any], part: str) -> str:
    return json.dumps({name: value for name, value in key.items() if name != part})


def _with_private_key(key: dict[str, Any], private_key: object) -> str:
    return json.dumps({**key, "private_key": private_key})


async def key_file_errors(command: CommandRunner, google: Any, contents: Mapping[str, str]) -> dict[str, str]:
    """Crawl with each key file; check that the error names the file and quotes nothing of it; return the errors."""
    paths = {kind: google.folder / f"{kind}.json" for kind in contents}
    for kind, path in paths.items():
        path.write_text(contents[kind])
    ends = await asyncio.gather(*(command(*google_crawl(google, "--key-file", path)) for path in paths.values()))
    for path, ended in zip(paths.values(), ends, strict=True):
        assert (ended.code, ended.out) == (1, "")
        assert f" {path}: " in ended.complaint
        assert not any(line in ended.err for line in pem_lines(google.emulator.key))
    assert folders(google.output) == []
    return {kind: ended.complaint.split(": ", 2)[2] for kind, ended in zip(contents, ends, strict=True)}


async def test_key_file_that_cannot_be_used(command, google):
    registry = await google(repositories=1)
    key = registry.emulator.key
    contents = {
        "not JSON": key["private_key"],
        "half a file": json.dumps(key)[:900],
        "a user's": json.dumps({**key, "type": "authorized_user"}),
        "incomplete": _without(key, "client_email"),
        "garbled": _with_private_key(key, key["private_key"][:400] + "\n-----END PRIVATE KEY-----\n"),
        "a number": _with_private_key(key, 17),
    }
    errors = await key_file_errors(command, registry, contents)
    unreadable = "not a whole service account key: its private_key cannot be read"
    assert errors == {
        "not JSON": "the key file is not JSON; give the file that Google made",
        "half a file": "the key file is not JSON; give the file that Google made",
        "a user's": errors["a user's"],
        "incomplete": errors["incomplete"],
        "garbled": unreadable,
        "a number": unreadable,
    }
    assert "not a service account's key" in errors["a user's"]
    assert "client_email" in errors["incomplete"]


async def test_key_file_that_is_nested_too_deep(command, google):
    registry = await google(repositories=1)
    errors = await key_file_errors(command, registry, {"deep": "[" * 100_000})
    assert "is not JSON" in errors["deep"]


async def test_key_file_that_is_missing(command, google):
    registry = await google(repositories=1)
    ends = await asyncio.gather(
        command(*google_crawl(registry, "--key-file", "none.json")),
        command(*google_crawl(registry, "--key-file", ".", "--auth", "json-key")),
    )
    assert [(ended.code, ended.out) for ended in ends] == [(2, "")] * 2
    assert (
        ends[0].complaint == "--key-file: registry.auth.key_file: none.json: cannot be read: No such file or directory"
    )
    assert ends[1].complaint == "--key-file: registry.auth.key_file: .: cannot be read: Is a directory"


async def test_credentials_that_are_refused(command, google):
    ours, other = await google(repositories=1), await google(repositories=1)
    forged = other.key_file.read_text().replace(other.emulator.registry, ours.emulator.registry)
    ours.key_file.write_text(forged)
    *quiet, loud = await asyncio.gather(
        *(command(*google_crawl(ours, "--auth", method)) for method in KEY_FILE_METHODS),
        command(*google_crawl(ours, "-vv")),
    )
    for ended in quiet:
        assert (ended.code, ended.out) == (1, "")
        assert "refuses the credentials" in ended.complaint
    assert loud.code == 1
    assert not any(line in loud.out + loud.err for line in pem_lines(other.emulator.key))
    assert folders(ours.output) == []


async def test_oauth_scope_that_is_unknown_or_insufficient(command, google):
    registry = await google(repositories=1)
    unknown, weak = await asyncio.gather(
        command(*google_crawl(registry, "--scope", "no-such-scope")),
        command(*google_crawl(registry, "--scope", "devstorage.read_only")),
    )
    assert (unknown.code, unknown.out) == (1, "")
    assert "Google does not know the OAuth scope https://www.googleapis.com/auth/no-such-scope" in unknown.complaint
    assert (weak.code, weak.out) == (1, "")
    assert "403 DENIED: Request had insufficient authentication scopes." in weak.complaint
