"""GHCR: a delay in the message, one scope a token, no catalog."""

import pytest
from support.scripted import on, serve

import crawler
from registries import ghcr
from registries.crawls import (
    assert_complete,
    crawl,
    crawl_fails,
)
from registries.vocabulary import scope_of

pytestmark = pytest.mark.usefixtures("few_authorities")


async def test_ghcr_throttling_waits_for_the_delay_in_the_message(tmp_path):
    """The delay is ten milliseconds. Without one, the default would be a second."""
    busy = on("/v2/owner/tool/tags/list", ghcr.BUSY, times=1)
    async with serve([busy, *ghcr.SCRIPT]) as server:
        snapshot = await crawl(server, tmp_path, kind="ghcr", listed=ghcr.GHCR.listed, limits={"concurrency": 1})
    assert_complete(snapshot, ghcr.GHCR)
    requests = snapshot.manifest["requests"]
    assert (requests["throttled"], requests["retries"]) == (1, 1)
    assert requests["wait_s"] < 0.5


async def test_ghcr_tokens_are_for_one_repository_each(tmp_path):
    """A scope of another owner, as in its own challenge, fails the whole token request."""
    async with serve(ghcr.SCRIPT) as server:
        await crawl(server, tmp_path, kind="ghcr", listed=ghcr.GHCR.listed)
    assert sorted(request.query["scope"] for request in server.asked("/token")) == [
        [scope_of("owner/app")],
        [scope_of("owner/tool")],
    ]


async def test_ghcr_private_repository_is_denied(tmp_path):
    """The token server refuses the token."""
    listed = (*ghcr.GHCR.listed, "owner/private")
    async with serve(ghcr.SCRIPT) as server:
        snapshot = await crawl(server, tmp_path, kind="ghcr", listed=listed)
    assert snapshot.outcomes == {"owner/app": "ok", "owner/tool": "ok", "owner/private": "denied"}
    assert snapshot.by_name["owner/private"]["error"]["code"] == "DENIED"
    assert snapshot.manifest["reasons"] == ["1 repository denied"]
    assert server.asked("/v2/owner/private/tags/list") == []


async def test_ghcr_catalog_does_not_exist(tmp_path):
    async with serve(ghcr.SCRIPT) as server:
        error = await crawl_fails(server, tmp_path, kind="ghcr", discovery="catalog")
    assert isinstance(error, crawler.UnexpectedStatus)
    assert error.http_status == 404
