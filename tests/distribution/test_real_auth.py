"""Basic and token authentication against a real registry, and what it costs."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from support.distribution import (
    Htpasswd,
    Registry,
    TokenPolicy,
    requires_docker_registry,
)
from support.distribution.process import run_process
from support.real_crawls import (
    BASIC,
    CATALOG,
    PREFIX,
    READER,
    SECRET,
    WRONG,
    check_snapshot,
    each_once,
    expect_nothing,
    expect_secret,
)
from support.snapshots import read_snapshot

import crawler

pytestmark = requires_docker_registry


@pytest.mark.parametrize("way", ["file", "stdin", "environment", "environment alone"])
async def test_basic_auth_with_every_password_source(shelf, shell, way):
    (shell.folder / "password.txt").write_text("correct-horse\n")
    environment = {"REGISTRY_CRAWLER_USERNAME": "reader", "REGISTRY_CRAWLER_PASSWORD": "correct-horse"}
    async with shelf.serving(auth=Htpasswd()) as registry:
        target = f"{registry.host}/{PREFIX}"
        match way:
            case "file":
                ended = await shell.crawl(target, *BASIC, "--password-file", "password.txt", "-vv")
            case "stdin":
                ended = await shell.crawl(target, *BASIC, "--password-stdin", "-vv", stdin="correct-horse\n")
            case "environment":
                ended = await shell.crawl(target, "--auth", "basic", "-vv", environment=environment)
            case _:
                ended = await shell.crawl(target, "-vv", environment=environment)

    assert ended.code == 0
    check_snapshot(read_snapshot(shell.output), shelf.under(PREFIX), registry=registry, target=target)
    # -vv tells of every exchange, and of nothing that is secret
    assert f"/v2/{SECRET}/tags/list: 200" in ended.stderr
    expect_secret(shell, ended, "reader", "correct-horse")


@pytest.mark.parametrize("auth", [Htpasswd(), TokenPolicy()], ids=["htpasswd", "token"])
async def test_auth_with_wrong_or_missing_credentials_ends_the_run(shelf, shell, auth):
    given = (*BASIC, "--password-stdin")
    async with shelf.serving(auth=auth) as registry:
        quiet, verbose, without = await asyncio.gather(
            shell.crawl(registry.host, *given, stdin=f"{WRONG}\n"),
            shell.crawl(registry.host, *given, "-vv", stdin=f"{WRONG}\n"),
            shell.crawl(registry.host),
        )

    for ended in (quiet, verbose, without):
        error_line = ended.stderr.splitlines()[-1] if ended is verbose else ended.error_line
        assert error_line.startswith(f"registry-crawler: {registry.host}: ")
        assert "401 UNAUTHORIZED" in error_line
        assert "authentication required" in error_line
        assert (ended.code, ended.stdout) == (1, "")
        expect_secret(shell, ended, "reader", WRONG)
    expect_nothing(shell)


async def test_auth_with_an_unreadable_password_file_ends_the_run(shelf, shell):
    auth = {"method": "basic", "username": "reader", "password_file": "nowhere.txt"}
    async with shelf.serving(auth=Htpasswd()) as registry:
        with pytest.raises(crawler.CredentialsError, match=re.escape("nowhere.txt")):
            await crawler.crawl(shell.config(registry, auth=auth))

    expect_nothing(shell)


async def test_token_auth_costs_one_exchange_for_each_repository(shelf, shell):
    async with shelf.serving(auth=TokenPolicy()) as registry:
        ended = await shell.crawl(registry.host, *BASIC, "--password-stdin", "-vv", stdin="correct-horse\n")

    snapshot = read_snapshot(shell.output)
    assert ended.code == 0
    check_snapshot(snapshot, shelf.pushed.tags, registry=registry)
    assert dict(registry.token_server.requests) == each_once(shelf.pushed.tags)
    # /v2/, the catalog's token and its one page, then a token and a listing for each repository
    assert snapshot.manifest["requests"]["total"] == 1 + 1 + 1 + 2 * 300
    assert snapshot.manifest["requests"]["token"] == 1 + 300
    assert "exchanges    603 (301 for tokens, 0 retries, 0 throttled)" in ended.stderr
    expect_secret(shell, ended, "reader", "correct-horse")


async def test_token_is_shared_by_the_pages_of_the_catalog(shelf, shell):
    async with shelf.serving(auth=TokenPolicy()) as registry:
        await crawler.crawl(shell.config(registry, page_size=7, auth=READER))

    snapshot = read_snapshot(shell.output)
    check_snapshot(snapshot, shelf.pushed.tags, registry=registry)
    assert dict(registry.token_server.requests) == each_once(shelf.pushed.tags)
    assert snapshot.manifest["discovery"]["pages"] == 43
    assert snapshot.manifest["requests"]["total"] == 1 + 1 + 43 + 2 * 300
    assert snapshot.manifest["requests"]["token"] == 1 + 300


async def test_denied_repository_makes_the_verdict_partial(shelf, shell):
    async with shelf.serving(auth=TokenPolicy(denied=frozenset({SECRET}))) as registry:
        ended = await shell.crawl(registry.host, *BASIC, "--password-stdin", stdin="correct-horse\n")

    snapshot = read_snapshot(shell.output)
    assert (ended.code, ended.stdout) == (3, "")
    reason = "1 repository denied"
    check_snapshot(snapshot, shelf.pushed.tags, registry=registry, outcomes={SECRET: "denied"}, reasons=[reason])
    error = snapshot.by_name[SECRET]["error"]
    assert (error["code"], error["http_status"]) == ("UNAUTHORIZED", 401)
    assert error["message"]
    assert ended.stderr.startswith(f"PARTIAL: {registry.host}, ")
    assert f"because      {reason}\n" in ended.stderr
    assert "repositories 300: 299 ok, 0 missing, 1 denied, 0 failed, 0 invalid" in ended.stderr
    assert f"denied {SECRET}: UNAUTHORIZED" in ended.stderr
    # a fresh token and one more try for the one, and for nobody else
    assert dict(registry.token_server.requests) == each_once(shelf.pushed.tags) | {f"repository:{SECRET}:pull": 2}
    assert snapshot.manifest["requests"]["total"] == 1 + 1 + 1 + 2 * 300 + 2
    assert snapshot.manifest["requests"]["token"] == 1 + 300 + 1


async def test_token_that_is_dead_on_arrival_is_replaced_once(shelf, shell):
    """The first of each scope is dead: it costs a token and a try, and nothing of the verdict."""
    async with shelf.serving(auth=TokenPolicy(stillborn=1)) as registry:
        target = f"{registry.host}/{PREFIX}"
        await crawler.crawl(shell.config(target, auth=READER))

    snapshot = read_snapshot(shell.output)
    wanted = shelf.under(PREFIX)
    check_snapshot(snapshot, wanted, registry=registry, target=target)
    assert dict(registry.token_server.requests) == dict.fromkeys(each_once(wanted), 2)
    assert snapshot.manifest["requests"]["total"] == 1 + 2 * (1 + 1 + 2 * len(wanted))
    assert snapshot.manifest["requests"]["token"] == 2 * (1 + len(wanted))


async def test_token_that_is_always_dead_ends_the_run(shelf, shell):
    async with shelf.serving(auth=TokenPolicy(lifetime=0, announced_lifetime=3600)) as registry:
        with pytest.raises(crawler.Denied, match="401 UNAUTHORIZED"):
            await crawler.crawl(shell.config(registry, auth=READER))

    assert dict(registry.token_server.requests) == {CATALOG: 2}
    expect_nothing(shell)


async def test_token_that_expires_early_is_renewed(shelf, shell):
    """The rate alone makes the catalog's pages outlast their token: fifty of them, twenty in a second."""
    policy = TokenPolicy(lifetime=2, announced_lifetime=3600)
    async with shelf.serving(auth=policy) as registry:
        await crawler.crawl(
            shell.config(
                registry, auth=READER, page_size=6, include=["base*"], limits={"rate": "20/s", "concurrency": 2}
            )
        )

    snapshot = read_snapshot(shell.output)
    wanted = {name: tags for name, tags in shelf.pushed.tags.items() if name.startswith("base")}
    check_snapshot(snapshot, wanted, registry=registry)
    requests, pages = snapshot.manifest["requests"], snapshot.manifest["discovery"]["pages"]
    assert registry.token_server.requests[CATALOG] >= 2
    assert registry.token_server.requests.total() == requests["token"]
    renewals = requests["token"] - 1 - len(wanted)
    assert renewals >= 1
    # every renewal follows one refusal
    assert requests["total"] == 1 + pages + len(wanted) + requests["token"] + renewals


async def test_anonymous_crawl_of_a_public_registry(shelf, shell):
    policy = TokenPolicy(anonymous=(CATALOG, "repository:*:pull"))
    async with shelf.serving(auth=policy) as registry:
        target = f"{registry.host}/{PREFIX}"
        ended = await shell.crawl(target)

    assert ended.code == 0
    check_snapshot(read_snapshot(shell.output), shelf.under(PREFIX), registry=registry, target=target)
    assert dict(registry.token_server.requests) == each_once(shelf.under(PREFIX))


async def test_anonymous_crawl_records_denied_repositories(shelf, shell):
    policy = TokenPolicy(anonymous=(CATALOG, "repository:team-1/group-1/*:pull"))
    async with shelf.serving(auth=policy) as registry:
        target = f"{registry.host}/{PREFIX}"
        await crawler.crawl(shell.config(target, auth={"method": "anonymous"}))

    wanted = shelf.under(PREFIX)
    denied = {name: "denied" for name in wanted if not name.startswith("team-1/group-1/")}
    assert 0 < len(denied) < len(wanted)
    reasons = [f"{len(denied)} repositories denied"]
    snapshot = read_snapshot(shell.output)
    check_snapshot(snapshot, wanted, registry=registry, target=target, outcomes=denied, reasons=reasons)


@asynccontextmanager
async def realm_elsewhere(registry: Registry) -> AsyncIterator[Registry]:
    """The same registry once more, sending for tokens to 0.0.0.0: not a loopback address, though it leads there."""
    directory = registry.log_file.parent
    configuration = json.loads((directory / "config.json").read_text())
    token = configuration["auth"]["token"]
    token["realm"] = token["realm"].replace("127.0.0.1", "0.0.0.0")
    configuration_file, log_file = directory / "elsewhere.json", directory / "elsewhere.log"
    configuration_file.write_text(json.dumps(configuration))
    async with run_process(configuration_file, log_file) as host:
        yield replace(registry, host=host, log_file=log_file)


async def test_realm_on_a_foreign_host_gets_credentials_only_if_configured(shelf, shell):
    async with shelf.serving(auth=TokenPolicy()) as here, realm_elsewhere(here) as registry:
        target = f"{registry.host}/{PREFIX}"
        given = (target, *BASIC, "--password-stdin")
        ended = await shell.crawl(*given, stdin="correct-horse\n")
        asked = dict(registry.token_server.requests)
        expect_nothing(shell)
        named = await shell.crawl(
            *given, stdin="correct-horse\n", environment={"REGISTRY_CRAWLER_REGISTRY__REALMS": "0.0.0.0"}
        )

    assert "0.0.0.0" in ended.error_line
    assert "registry.realms" in ended.error_line
    assert asked == {}
    assert named.code == 0
    check_snapshot(read_snapshot(shell.output), shelf.under(PREFIX), registry=registry, target=target)
