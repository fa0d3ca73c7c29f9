"""doctor and crawl agree: a failure is a crawl without a snapshot, a warning one whose snapshot is partial."""

from collections.abc import Mapping
from typing import Any

import pytest
from support.doctor_runs import config, examine
from support.scripted import (
    Entry,
    basic_registry,
    catalog_path,
    challenge,
    document,
    dropped,
    gzipped,
    html,
    listing_path,
    on,
    plain_registry,
    raw,
    redirect,
    refusal,
    serve,
    token_registry,
)
from support.scripted_google import EMPTY_CATALOG, node, projects, repositories, repository

import crawler

CATALOG, ALPHA = catalog_path(), listing_path("alpha")
LOGIN = {"auth": {"method": "basic", "username": "robot", "password": "s3cret-pass"}}
NO = refusal(403, "DENIED", "no")
UNKNOWN = refusal(401, "UNAUTHORIZED", "who are you?", ("WWW-Authenticate", 'Basic realm="ours"'))
ALL_LISTINGS = [listing_path(name) for name in ("alpha", "team/victim", "zulu")]
GOOGLE = {"kind": "artifact-registry", "location": "us", "auth": {"method": "anonymous"}}
TREE = (node("acme", "team"), node("acme/team", "app"), repository("acme/team/app"), EMPTY_CATALOG)

SCRIPTS: Mapping[str, tuple[list[Entry], dict[str, Any]]] = {
    "healthy": ([*plain_registry()], {}),
    "healthy with a login": ([*basic_registry()], LOGIN),
    "healthy with tokens": ([*token_registry()], LOGIN),
    "healthy with anonymous tokens": ([*token_registry()], {}),
    "compressed": ([on(CATALOG, gzipped(document({"repositories": ["alpha"]}))), *plain_registry()], {}),
    "no registry at all": ([on("/v2/", html(404)), *plain_registry()], {}),
    "a web page in place of the ping": ([on("/v2/", html(200)), *plain_registry()], {}),
    "a hidden ping": ([on("/v2/", NO), *plain_registry()], {}),
    "a ping that fails": ([on("/v2/", html(503))], {}),
    "a ping that breaks": ([on("/v2/", dropped())], {}),
    "a ping that is no HTTP": ([on("/v2/", raw(b"SSH-2.0-OpenSSH_9.2\r\n"))], {}),
    "a ping that redirects": (
        [on("/v2/", redirect("/elsewhere/")), on("/elsewhere/", document({})), *plain_registry()],
        {},
    ),
    "a ping that redirects to nowhere": ([on("/v2/", redirect("ftp://elsewhere/"))], {}),
    "no usable challenge": ([on("/v2/", refusal(401, "UNAUTHORIZED", "no", ("WWW-Authenticate", "Negotiate")))], {}),
    "a realm that is no URL": ([on("/v2/", refusal(401, "UNAUTHORIZED", "no", challenge("http://%/token")))], {}),
    "a login that is refused": ([on("/v2/", UNKNOWN), *plain_registry()], LOGIN),
    "a catalog that is refused": ([on(CATALOG, UNKNOWN), *plain_registry()], {}),
    "a catalog that is missing": ([on(CATALOG, refusal(404, "NAME_UNKNOWN", "no")), *plain_registry()], {}),
    "a catalog that is a web page": ([on(CATALOG, html(200)), *plain_registry()], {}),
    "a catalog that is no list": ([on(CATALOG, document({"repositories": "all"})), *plain_registry()], {}),
    "a catalog that fails": ([on(CATALOG, html(500)), *plain_registry()], {}),
    "a catalog with strange entries": ([on(CATALOG, document({"repositories": ["alpha", 7]})), *plain_registry()], {}),
    "an empty catalog": ([*plain_registry({})], {}),
    "a prefix without a repository": ([*plain_registry()], {"include": ["no/*"]}),
    "a first listing that is denied": ([on(ALPHA, NO), *plain_registry()], {}),
    "a first listing that is gone": ([on(ALPHA, refusal(404, "NAME_UNKNOWN", "gone")), *plain_registry()], {}),
    "every listing denied": ([*(on(path, NO) for path in ALL_LISTINGS), *plain_registry()], {}),
    "every listing gone": (
        [*(on(path, refusal(404, "NAME_UNKNOWN", "gone")) for path in ALL_LISTINGS), *plain_registry()],
        {},
    ),
    "every listing fails": ([*(on(path, html(500)) for path in ALL_LISTINGS), *plain_registry()], {}),
    "every listing a web page": ([*(on(path, html(200)) for path in ALL_LISTINGS), *plain_registry()], {}),
    "a listing that is cut": (
        [on(ALPHA, document({"name": "alpha", "tags": ["1"], "next": "x"})), *plain_registry()],
        {},
    ),
    "a token server that is not there": ([on("/token", html(404)), *token_registry()], LOGIN),
    "a token server that fails": ([on("/token", html(500)), *token_registry()], LOGIN),
    "a token server that refuses": ([on("/token", NO), *token_registry()], LOGIN),
    "Google by a walk": ([on("/v2/", document({})), *TREE], {**GOOGLE, "prefix": "/acme"}),
    "Google by an empty catalog": ([on("/v2/", document({})), *TREE], GOOGLE),
    "Google by a prefix that is not there": (
        [on("/v2/", document({})), on("/v2/acne/tags/list", refusal(404, "NAME_UNKNOWN", "no")), *TREE],
        {**GOOGLE, "prefix": "/acne"},
    ),
    "Google by a prefix that is denied": (
        [on("/v2/", document({})), on("/v2/acme/tags/list", NO), *TREE],
        {**GOOGLE, "prefix": "/acme"},
    ),
    "Google by its API": (
        [on("/v2/", document({})), projects("acme"), repositories("acme", team="7"), *TREE],
        {**GOOGLE, "auth": {"method": "basic", "username": "oauth2accesstoken", "password": "ya29.secret"}},
    ),
}


async def crawled(settings: crawler.Config) -> int:
    """The exit code of a crawl."""
    try:
        manifest = await crawler.crawl(settings)
    except crawler.CrawlerError:
        return 1
    return 0 if manifest.verdict == "complete" else 3


@pytest.mark.parametrize("name", SCRIPTS)
async def test_doctor_and_crawl_agree(name, tmp_path):
    script, registry = SCRIPTS[name]
    async with serve(script) as server:
        apis = {"artifact_registry": server.origin, "resource_manager": server.origin}
        table = {"limits": {"attempts": 1}, "apis": apis, **registry}
        settings = config(server.host + table.pop("prefix", ""), tmp_path, **table)
        found = await examine(settings)
        assert (found.code, found.amiss) == (await crawled(settings), found.amiss)
