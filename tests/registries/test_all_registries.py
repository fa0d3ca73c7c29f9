"""Each script, crawled: the snapshot is complete, or says why not. And what holds for every registry."""

from pathlib import Path

import pytest
from support.scripted import serve

from crawler.profiles import PROFILES_BY_KIND
from registries import EMULATED, SCRIPTED
from registries.crawls import (
    CATALOG,
    assert_complete,
    crawl,
    mistakes,
    password_requests,
)

pytestmark = pytest.mark.usefixtures("few_authorities")


TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("name", SCRIPTED)
async def test_crawl_of_each_scripted_registry(name, tmp_path):
    scripted = SCRIPTED[name]
    async with serve(scripted.script) as server:
        target = f"{server.host}/{scripted.prefix}" if scripted.prefix else server.host
        snapshot = await crawl(
            server, tmp_path, target=target, kind=scripted.kind, listed=scripted.listed, **scripted.config
        )
    assert_complete(snapshot, scripted)
    assert snapshot.manifest["verdict"] == ("partial" if scripted.partial_reason else "complete")
    assert scripted.partial_reason in "".join(snapshot.manifest["reasons"])
    assert scripted.evidence in snapshot.manifest["discovery"]["evidence"]
    assert (len(server.requests), snapshot.manifest["requests"]["total"]) == (scripted.exchanges, scripted.exchanges)
    assert snapshot.manifest["requests"]["token"] == scripted.tokens
    assert set(password_requests(server)) == scripted.password_paths
    assert {record["registry"] for record in snapshot.records} <= {server.host}


KIND_OF_HOST = {
    "ghcr.io": "ghcr",
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com": "ecr",
    "public.ecr.aws": "ecr-public",
    "ours.azurecr.io": "acr",
    "mcr.microsoft.com": "mcr",
    "quay.io": "quay",
}


@pytest.mark.parametrize("host", KIND_OF_HOST)
async def test_profile_is_chosen_by_host(host, tmp_path, monkeypatch):
    """The configuration names no kind. All requests go through a proxy, and the proxy is the server."""
    scripted = SCRIPTED[KIND_OF_HOST[host]]
    async with serve(scripted.script) as server:
        monkeypatch.setenv("http_proxy", server.origin)
        server.host = host
        snapshot = await crawl(server, tmp_path, plain_http=True, listed=scripted.listed, **scripted.config)
    assert_complete(snapshot, scripted)
    assert snapshot.manifest["verdict"] == "complete"
    assert scripted.evidence in snapshot.manifest["discovery"]["evidence"]
    assert len(server.requests) == scripted.exchanges
    assert set(password_requests(server)) == scripted.password_paths
    assert {record["registry"] for record in snapshot.records} == {host}


def test_profile_table_has_a_script_for_each_kind():
    """A new row in `crawler.profiles.PROFILES` needs a script."""
    assert sorted({scripted.kind for scripted in SCRIPTED.values()} | EMULATED.keys()) == sorted(PROFILES_BY_KIND)
    assert not [file for file in EMULATED.values() if not (TESTS / file).is_file()]


@pytest.mark.parametrize("kind", [kind for kind in PROFILES_BY_KIND if kind not in EMULATED])
def test_profile_table_has_a_module_for_each_kind(kind):
    assert (TESTS / "registries" / f"{kind.replace('-', '_')}.py").is_file()


@pytest.mark.parametrize("name", SCRIPTED)
def test_script_names_begin_with_their_kind(name):
    assert name.startswith(SCRIPTED[name].kind) or name.endswith("-without-kind")


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ('target = "ghcr.io"', "ghcr.io/OWNER; or name the repositories with repositories_from"),
        ('target = "mirror.example.com"\nkind = "ghcr"', "ghcr.io/OWNER; or name the repositories"),
        ('target = "mirror.example.com/owner"\nkind = "ghcr"', "GitHub's packages API is not known for this host: set"),
        ('target = "public.ecr.aws"', "public.ecr.aws/ALIAS; or name the repositories with repositories_from"),
        ('target = "localhost:5000/alias"\nkind = "ecr-public"', "ECR Public's API is not known for this host: set"),
        ('target = "registry.example.com"\nkind = "gitlab"\ndiscovery = "api"', "needs a target with a namespace"),
        ('target = "registry.example.com/g"\nkind = "gitlab"\ndiscovery = "api"', "is not known for this host: set"),
    ],
)
def test_target_without_a_catalog_needs_an_api_or_a_list_of_names(text, advice, tmp_path):
    (mistake,) = mistakes(text, tmp_path)
    assert advice in mistake


LARGEST_PAGES = {
    "distribution-2.8": ("1000", None),
    "ghcr": (None, "1000"),
    "ecr": ("1000", "1000"),
    "ecr-public": (None, "1000"),
    "acr": ("1000", "1000"),
    "mcr": ("1000", None),
    "quay": ("100", "100"),
    "harbor": ("1000", None),
    "gitea": ("100", "100"),
}
"""The page sizes (of names, of tags) that the first requests have; None for a request without a size."""


@pytest.mark.parametrize("name", LARGEST_PAGES)
async def test_page_size_is_the_largest_that_is_accepted_by(name, tmp_path):
    scripted, (names, tags) = SCRIPTED[name], LARGEST_PAGES[name]
    settings = {**scripted.config, "page_size": None, "include": [next(iter(scripted.repositories))]}
    async with serve(scripted.script) as server:
        await crawl(server, tmp_path, kind=scripted.kind, listed=scripted.listed, **settings)
    sizes = {False: set(), True: set()}
    for first in (request for request in server.requests if request.query.keys() <= {"n"}):
        sizes["/tags/" in first.path] |= {first.query.get("n", [None])[0]}
    assert sizes[True] == {tags}
    assert sizes[False] - {None} == {names} - {None}


@pytest.mark.parametrize("name", SCRIPTED)
async def test_page_size_is_never_zero_and_scope_never_empty(name, tmp_path):
    """OpenShift fails at n=0, and some token servers at an empty scope, which zot's challenge names."""
    scripted = SCRIPTED[name]
    async with serve(scripted.script) as server:
        target = f"{server.host}/{scripted.prefix}" if scripted.prefix else server.host
        few = [next(iter(scripted.repositories), "none")]
        settings = {**scripted.config, "include": few, "kind": scripted.kind}
        await crawl(server, tmp_path, target=target, listed=scripted.listed, **settings)
    assert not [request for request in server.requests if request.path == CATALOG and request.query.get("n") == ["0"]]
    assert not [request for request in server.requests if request.query.get("scope") in ([""], ["*"])]
