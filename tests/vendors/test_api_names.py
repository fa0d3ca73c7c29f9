"""Names from an API that stops: what was listed counts once, and another source takes over where nothing was."""

import pytest
from registries.crawls import crawl, crawl_fails
from registries.docker_hub_api import NAMESPACE, repositories
from registries.gitea_api import OWNER, TAGS, VERSIONS, packages, page, registry
from registries.quay_api import REPOSITORY as QUAY_NAMES
from registries.quay_api import registry as quay_registry
from registries.vocabulary import WITH_PASSWORD
from support.scripted import document, on, plain_registry, serve

import crawler
from crawler.discovery.api import ApiDiscovery
from crawler.discovery.fallback import FallbackDiscovery
from crawler.errors import CredentialsError, GaveUp, Missing
from crawler.model.run_manifest import Evidence

IN_AN_HOUR = document({"message": "too many requests"}, ("Retry-After", "3600"), status=429)
GITEA = {"kind": "gitea", "discovery": "api", **WITH_PASSWORD}
QUAY = {"kind": "quay", "discovery": "api", "auth": {"method": "anonymous"}}
HUB = {"kind": "docker-hub", "auth": {"method": "anonymous"}, "apis": {"docker_hub": "{origin}"}}


async def test_api_whose_quota_is_spent_before_the_first_name_leaves_the_catalog(tmp_path):
    async with serve([packages(IN_AN_HOUR), *registry()]) as server:
        snapshot = await crawl(server, tmp_path, target=f"{server.host}/{OWNER}", **GITEA)
    assert {name: tuple(record["tags"]) for name, record in snapshot.by_name.items()} == TAGS
    assert snapshot.manifest["verdict"] == "complete"
    evidence = snapshot.manifest["discovery"]["evidence"]
    assert evidence.startswith("the catalog listed 3 names on 1 page: no next link (tried: api: GET ")
    assert "asks for a pause of 3,600 s" in evidence


async def test_api_whose_quota_is_spent_on_a_later_page_makes_the_snapshot_partial(tmp_path):
    async with serve([page(1, VERSIONS[:50], total=64), packages(IN_AN_HOUR, 2), *registry()]) as server:
        snapshot = await crawl(server, tmp_path, target=f"{server.host}/{OWNER}", **GITEA)
    assert set(snapshot.by_name) == {"org/app", "org/many"}
    assert snapshot.manifest["verdict"] == "partial"
    assert "with 50 of 64 versions, then failed: GET " in snapshot.manifest["discovery"]["evidence"]


async def test_api_whose_quota_is_spent_ends_a_run_that_has_no_other_source(tmp_path):
    """The run can be resumed when the quota starts afresh."""
    path = f"/v2/namespaces/{NAMESPACE}/repositories"
    async with serve([on(path, IN_AN_HOUR), *repositories(["app"]), *plain_registry({})]) as server:
        with pytest.raises(crawler.GaveUp, match="asks for a pause"):
            raise await crawl_fails(server, tmp_path, target=f"{server.host}/{NAMESPACE}", **HUB)


async def test_catalog_whose_quota_is_spent_ends_the_run(tmp_path):
    """The registry itself is not replaced by its product's API."""
    script = [page(1, VERSIONS[:50], total=50), on("/v2/_catalog", IN_AN_HOUR), *registry()]
    async with serve(script) as server:
        target = f"{server.host}/{OWNER}"
        with pytest.raises(crawler.GaveUp, match="asks for a pause"):
            raise await crawl_fails(server, tmp_path, target=target, **{**GITEA, "discovery": "auto"})


async def test_quay_pages_of_names_that_begin_again_end(tmp_path):
    """Without the query that a proxy drops, each page is the first one, with another token for the next."""
    page = {"repositories": [{"namespace": "org", "name": "app"}], "next_page": "token-{count}"}
    async with serve([on(QUAY_NAMES, document(page)), *quay_registry(user=None)]) as server:
        snapshot = await crawl(server, tmp_path, target=f"{server.host}/org", **QUAY)
    assert snapshot.manifest["verdict"] == "partial"
    assert set(snapshot.by_name) == {"org/app"}
    assert "more than 10 pages in a row without a new name" in snapshot.manifest["discovery"]["evidence"]
    assert len(server.asked(QUAY_NAMES)) == 12


class Names:
    """An API that lists one page of names, and then fails."""

    def __init__(self, names, failure=None):
        self.names = names
        self.failure = failure

    async def pages(self):
        yield dict.fromkeys(self.names)
        if self.failure is not None:
            raise self.failure

    def evidence(self, listed):
        return Evidence(complete=True, text=f"listed {listed}")


@pytest.mark.parametrize(
    "failure",
    [CredentialsError("they expired"), GaveUp("no answer"), Missing("GET x", code="GONE", message="gone")],
    ids=lambda failure: type(failure).__name__,
)
async def test_api_that_fails_on_a_later_page_has_its_names_listed_once(failure):
    """Another source would list the same names again."""
    first, second = (
        ApiDiscovery(method, Names(["a", "b"], failure), keeps_listings=False) for method in ("api", "other")
    )
    discovery = FallbackDiscovery([first, second])
    assert [name async for page in discovery.pages() for name in page] == ["a", "b"]
    assert discovery.evidence == Evidence(complete=False, text=f"listed 2, then failed: {failure}")


async def test_api_that_images_are_wanted_from_without_credentials_is_named_in_the_evidence(tmp_path):
    settings = {"kind": "ghcr", "images_from": "api", "auth": {"method": "anonymous"}, "apis": {"own": "{origin}"}}
    async with serve(plain_registry({"org/app": ["v1"]})) as server:
        snapshot = await crawl(server, tmp_path, listed=["org/app"], **settings)
    assert snapshot.manifest["verdict"] == "complete"
    assert snapshot.manifest["discovery"]["evidence"].endswith(
        "; GitHub's packages API was not asked for images, because this run has no credentials for it: "
        "the protocol listed them"
    )
