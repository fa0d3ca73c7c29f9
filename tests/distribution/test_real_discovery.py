"""Pages, prefixes, patterns and lists: which repositories of a real registry are crawled."""

import math
import re

import pytest
from support.distribution import (
    Account,
    Htpasswd,
    TokenPolicy,
    requires_docker_registry,
)
from support.real_crawls import BASIC, PREFIX, READER, SECRET, check_snapshot, expect_nothing
from support.snapshots import read_snapshot

import crawler

pytestmark = requires_docker_registry


@pytest.mark.parametrize(
    ("page_size", "pages", "refusals"),
    [
        (7, 43, 0),
        (100, 3, 0),  # the last page is a full one
        (300, 2, 0),  # the only one is: what comes behind it is asked for
        (1000, 1, 0),
        (1001, 1, 1),
    ],
)
async def test_pagination_of_the_catalog_at_any_page_size(shelf, shell, page_size, pages, refusals):
    async with shelf.serving() as registry:
        await crawler.crawl(shell.config(registry, page_size=page_size))

    snapshot = read_snapshot(shell.output)
    check_snapshot(snapshot, shelf.pushed.tags, registry=registry)
    assert snapshot.manifest["discovery"]["pages"] == pages
    assert snapshot.manifest["requests"]["total"] == 1 + refusals + pages + 300


@pytest.mark.parametrize(("maximum", "page_size", "refusals"), [(50, 1000, 2), (7, 10, 1)])
async def test_pagination_of_a_catalog_that_allows_small_pages_only(shelf, shell, maximum, page_size, refusals):
    async with shelf.serving(catalog_max_entries=maximum) as registry:
        await crawler.crawl(shell.config(registry, page_size=page_size))

    snapshot = read_snapshot(shell.output)
    check_snapshot(snapshot, shelf.pushed.tags, registry=registry)
    pages = math.ceil(300 / maximum)
    assert snapshot.manifest["discovery"]["pages"] == pages
    assert snapshot.manifest["requests"]["total"] == 1 + refusals + pages + 300


async def test_prefix_selects_the_repositories_under_it(shelf, shell):
    async with shelf.serving() as registry:
        ended = await shell.crawl(f"{registry.host}/{PREFIX}")

    assert ended.code == 0
    wanted = shelf.under(PREFIX)
    assert not {"team-1-a/app", "team-10/app"} & wanted.keys()
    check_snapshot(read_snapshot(shell.output), wanted, registry=registry, target=f"{registry.host}/{PREFIX}")


async def test_prefix_may_be_a_repository_and_a_folder(shelf, shell):
    async with shelf.serving() as registry:
        await crawler.crawl(shell.config(f"{registry.host}/base"))

    wanted = {name: shelf.pushed.tags[name] for name in ("base", "base/tools", "base/tools/jq")}
    check_snapshot(read_snapshot(shell.output), wanted, registry=registry, target=f"{registry.host}/base")


async def test_include_and_exclude_select_repositories(shelf, shell):
    globs = ("--include", "team-1/*", "--include", "base*", "--exclude", "*/tools", "--exclude", "*/service-?")
    async with shelf.serving() as registry:
        ended = await shell.crawl(registry.host, *globs)

    wanted = {
        name: tags
        for name, tags in shelf.pushed.tags.items()
        if name.startswith(("team-1/", "base")) and re.search(r"/tools$|/service-.$", name) is None
    }
    assert ended.code == 0
    assert {"base", "base/tools/jq", "base_x"} < wanted.keys()
    check_snapshot(read_snapshot(shell.output), wanted, registry=registry)
    config = read_snapshot(shell.output).manifest["config"]["registry"]
    assert (config["include"], config["exclude"]) == (["team-1/*", "base*"], ["*/tools", "*/service-?"])


LIST = f"""\
# what we run
base/tools
{SECRET}
not/there        # gone since spring
../../etc/passwd

base/tools
"""


@pytest.mark.parametrize("source", ["file", "stdin"])
async def test_repository_list_from_file_or_stdin(shelf, shell, source):
    names = shell.folder / "names.txt"
    names.write_text(LIST)
    async with shelf.serving() as registry:
        if source == "file":
            ended = await shell.crawl(registry.host, "--repositories-from", names)
        else:
            ended = await shell.crawl(registry.host, "--discovery", "list", "--repositories-from", "-", stdin=LIST)

    snapshot = read_snapshot(shell.output)
    tags = {name: shelf.pushed.tags.get(name, ()) for name in ("base/tools", SECRET, "not/there", "../../etc/passwd")}
    outcomes = {"not/there": "missing", "../../etc/passwd": "invalid"}
    assert ended.code == 3
    (reason,) = snapshot.manifest["reasons"]
    assert "../../etc/passwd" in reason
    check_snapshot(snapshot, tags, registry=registry, method="list", outcomes=outcomes, reasons=[reason], proved=False)
    assert snapshot.by_name["not/there"]["error"]["code"] == "NAME_UNKNOWN"
    assert snapshot.by_name["../../etc/passwd"]["error"]["http_status"] is None
    # /v2/ and three names: the fourth was never asked for
    assert snapshot.manifest["requests"]["total"] == 1 + 3


async def test_repository_list_and_password_share_stdin(shelf, shell):
    """The first line is the password, the other lines are the list: neither swallows the other."""
    async with shelf.serving(auth=Htpasswd()) as registry:
        ended = await shell.crawl(
            registry.host, *BASIC, "--password-stdin", "--repositories-from", "-", stdin=f"correct-horse\n{SECRET}\n"
        )

    snapshot = read_snapshot(shell.output)
    wanted = {SECRET: shelf.pushed.tags[SECRET]}
    check_snapshot(snapshot, wanted, registry=registry, method="list")
    assert ended.code == 0


async def test_repository_list_works_without_access_to_the_catalog(shelf, shell):
    account = Account(user="reader", password="correct-horse", scopes=("repository:base/*:pull",))
    names = shell.folder / "names.txt"
    names.write_text("base/tools\nbase/tools/jq\n")
    async with shelf.serving(auth=TokenPolicy(accounts=(account,))) as registry:
        with pytest.raises(crawler.Denied, match=r"_catalog.*: 401 UNAUTHORIZED"):
            await crawler.crawl(shell.config(registry, auth=READER))
        expect_nothing(shell)
        await crawler.crawl(shell.config(registry, auth=READER, repositories_from=names))

    wanted = {name: shelf.pushed.tags[name] for name in ("base/tools", "base/tools/jq")}
    check_snapshot(read_snapshot(shell.output), wanted, registry=registry, method="list")
