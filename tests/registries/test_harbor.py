"""Harbor: the catalog accepts Basic alone."""

import pytest
from support.scripted import on, serve

import crawler
from registries import harbor, harbor_api
from registries.crawls import (
    CATALOG,
    crawl,
    crawl_fails,
    password_requests,
)
from registries.vocabulary import WITH_PASSWORD

pytestmark = pytest.mark.usefixtures("few_authorities")


@pytest.mark.parametrize("scripted", [harbor.HARBOR, harbor.WITHOUT_KIND], ids=["named", "without-kind"])
async def test_harbor_password_is_sent_to_catalog_and_token_server_alone(scripted, tmp_path):
    """Harbor also names Basic where it refuses a token. The crawler sends a fresh token there."""
    async with serve(scripted.script) as server:
        await crawl(server, tmp_path, kind=scripted.kind, **scripted.config)
    assert password_requests(server) == {CATALOG: 2, "/service/token": scripted.tokens}
    first, second = server.asked("/v2/library/web/tags/list")
    assert (first.authorization, second.authorization) == (
        "Bearer minted-for-repository:library/web:pull-1",
        "Bearer minted-for-repository:library/web:pull-2",
    )


async def test_harbor_catalog_is_denied_to_ordinary_users(tmp_path):
    """The catalog is denied, and the API, too; a crawl of listed names is complete."""
    forbidden = [on(CATALOG, harbor.REFUSED), *harbor_api.closed(harbor_api.UNAUTHORIZED)]
    async with serve([*forbidden, *harbor.SCRIPT]) as server:
        error = await crawl_fails(server, tmp_path, kind="harbor", **WITH_PASSWORD)
        assert isinstance(error, crawler.Denied)
        snapshot = await crawl(server, tmp_path, kind="harbor", listed=tuple(harbor.REPOSITORIES), **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"
