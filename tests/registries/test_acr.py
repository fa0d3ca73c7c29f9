"""Azure Container Registry: identity tokens, and catalogs that time out."""

import pytest
from support.scripted import Reply, document, on, serve

from registries import acr
from registries.crawls import (
    CATALOG,
    assert_complete,
    crawl,
    login,
    password_requests,
)

pytestmark = pytest.mark.usefixtures("few_authorities")


async def test_acr_identity_token_is_exchanged_for_access_tokens(tmp_path, docker):
    """The identity token that `az acr login` stores is sent to the token server by POST, and nowhere else."""
    scripted = acr.BY_IDENTITY_TOKEN
    async with serve(scripted.script) as server:
        stored = {"auth": "MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOg==", "identitytoken": acr.IDENTITY_TOKEN}
        login(docker, **{server.host: stored})
        snapshot = await crawl(server, tmp_path, kind="acr", **scripted.config)
    assert_complete(snapshot, scripted)
    assert snapshot.manifest["verdict"] == "complete"
    assert len(server.requests) == snapshot.manifest["requests"]["total"] == scripted.exchanges
    assert snapshot.manifest["requests"]["token"] == scripted.tokens
    assert {request.path for request in server.requests if request.method == "POST"} == {"/oauth2/token"}
    assert not password_requests(server)


async def test_acr_page_size_shrinks_where_the_catalog_times_out(tmp_path):
    async with serve(acr.SLOW_CATALOG.script) as server:
        await crawl(server, tmp_path, kind="acr", **acr.SLOW_CATALOG.config)
    assert [request.query["n"] for request in server.asked(CATALOG)] == [["1000"], ["100"], ["5"], ["5"]]


async def test_acr_page_size_shrinks_on_a_later_page(tmp_path):
    async with serve(acr.SLOW_LATER_PAGE.script) as server:
        await crawl(server, tmp_path, kind="acr", **acr.SLOW_LATER_PAGE.config)
    assert [(request.query["n"], request.query.get("last")) for request in server.asked(CATALOG)] == [
        (["1000"], None),
        (["1000"], [acr.MIDDLE]),
        (["100"], [acr.MIDDLE]),
        (["1000"], None),  # after two failures in a row, the last good request is repeated to detect an outage
        (["5"], [acr.MIDDLE]),
    ]


async def test_acr_page_size_stays_where_one_listing_fails(tmp_path):
    """A 502 of the catalog means that the page is too large. A 502 of a listing in pages is an ordinary failure."""
    names = [f"app-{number}" for number in range(20)]
    down = on("/v2/app-3/tags/list", Reply(status=502))
    listings = [on(f"/v2/{name}/tags/list", document({"name": name, "tags": ["1"]})) for name in names]
    script = [on("/v2/", document({})), on("/v2/_catalog", document({"repositories": names})), down, *listings]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, kind="acr", limits={"concurrency": 1})
    assert snapshot.outcomes["app-3"] == "failed"
    assert sum(outcome == "ok" for outcome in snapshot.outcomes.values()) == 19
    sizes = [request.query["n"] for request in server.requests if request.path.endswith("/tags/list")]
    assert sizes == [["1000"]] * (20 + 1)  # a failed listing is requested once more at the end
