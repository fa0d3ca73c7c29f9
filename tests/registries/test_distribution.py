"""CNCF distribution: tags without pages, deleted repositories, and a token server that fails."""

import pytest
from support.scripted import html, on, serve

from registries import distribution
from registries.crawls import (
    CATALOG,
    assert_complete,
    crawl,
    crawl_fails,
)
from registries.vocabulary import WITH_PASSWORD

pytestmark = pytest.mark.usefixtures("few_authorities")


async def test_distribution_tags_are_requested_without_a_page_size(tmp_path):
    """2.8 ignores `n`, and 3.1 returns all tags to a request without `n`."""
    async with serve(distribution.SCRIPT_2) as server:
        await crawl(server, tmp_path)
    assert {request.target for request in server.requests if request.path != CATALOG} == {
        "/v2/",
        *(f"/v2/{name}/tags/list" for name in distribution.NAMES),
    }


async def test_distribution_repository_without_tags_is_missing_by_its_error_code(tmp_path):
    async with serve(distribution.SCRIPT_2) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.by_name["gone"]["error"] == {
        "code": "NAME_UNKNOWN",
        "http_status": 404,
        "message": "repository name not known to registry",
    }
    counts = snapshot.manifest["counts"]
    assert (counts["repositories"], counts["ok"], counts["missing"]) == (5, 4, 1)


async def test_distribution_page_size_is_kept_when_the_token_server_fails_once(tmp_path):
    """A 502 of the token server is no reason to request smaller pages."""
    passing = on("/token", html(502, "502 Bad Gateway"), query={"scope": "registry:.*"}, times=1)
    scripted = distribution.V3_1
    async with serve([passing, *scripted.script]) as server:
        snapshot = await crawl(
            server, tmp_path, kind="distribution", limits={"attempts": 2}, **{**scripted.config, "page_size": 1000}
        )
    assert_complete(snapshot, scripted)
    assert [request.query["n"] for request in server.asked(CATALOG)] == [["1000"]]


async def test_distribution_token_server_outage_is_not_retried_for_each_page_size(tmp_path):
    """The token is requested as often as configured, and not again for each page size."""
    down = on("/token", html(502, "502 Bad Gateway"))
    async with serve([down, *distribution.V3_1.script]) as server:
        error = await crawl_fails(server, tmp_path, kind="distribution", **WITH_PASSWORD)
    assert "the token server" in str(error)
    assert len(server.asked("/token")) == 1
