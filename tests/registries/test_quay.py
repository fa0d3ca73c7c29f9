"""Quay: opaque cursors, and a catalog that accepts a token without a scope alone."""

import pytest
from support.scripted import serve

from registries import quay
from registries.crawls import (
    CATALOG,
    crawl,
    crawl_fails,
)
from registries.vocabulary import WITH_PASSWORD, scope_of

pytestmark = pytest.mark.usefixtures("few_authorities")


async def test_quay_cursors_are_never_made_by_the_crawler(tmp_path):
    async with serve(quay.CLAMPED) as server:
        await crawl(server, tmp_path, kind="quay", **WITH_PASSWORD)
    assert not [request for request in server.requests if "last" in request.query]
    assert len(server.asked(CATALOG)) == 2
    assert len(server.asked("/v2/org/app/tags/list")) == 3


async def test_quay_catalog_token_is_requested_without_a_scope(tmp_path):
    async with serve(quay.CLAMPED) as server:
        await crawl(server, tmp_path, kind="quay", include=["org/app"], **WITH_PASSWORD)
    assert [request.query.get("scope") for request in server.asked("/v2/auth")] == [None, [scope_of("org/app")]]


async def test_quay_anonymous_catalog_is_requested_without_a_token(tmp_path):
    async with serve(quay.ANONYMOUS_SCRIPT) as server:
        snapshot = await crawl(server, tmp_path, kind="quay")
    assert server.asked("/v2/auth") == []
    assert not snapshot.manifest["discovery"]["complete"]


async def test_quay_without_its_kind_fails_at_the_token_server(tmp_path):
    """The token server refuses the catalog's scope, once. An anonymous request would get an empty catalog."""
    async with serve(quay.WITHOUT_KIND) as server:
        error = await crawl_fails(server, tmp_path, **WITH_PASSWORD)
    assert "the token server" in str(error)
    assert len(server.asked("/v2/auth")) == 1
