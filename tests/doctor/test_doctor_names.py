"""Where names come from: catalogs that are refused, missing, empty or cut, prefixes without a match, one listing."""

import pytest
from support.doctor_runs import config, diagnose, examine
from support.scripted import (
    catalog_path,
    challenge,
    document,
    listing_path,
    on,
    plain_registry,
    refusal,
    serve,
)
from support.scripted_google import EMPTY_CATALOG, node, repository

CATALOG = catalog_path()


@pytest.fixture
def names(tmp_path):
    file = tmp_path / "names"
    file.write_text("alpha\n")
    return file


@pytest.mark.parametrize("status", [404, 405, 401, 403])
async def test_doctor_names_catalog_that_is_refused_or_missing(status, names, tmp_path):
    async with serve([on(CATALOG, refusal(status, "UNSUPPORTED", "no catalog")), *plain_registry()]) as server:
        refused = await examine(config(server.host, tmp_path))
        listed = await examine(config(server.host, tmp_path, repositories_from=names))
    assert (refused.code, refused.amiss) == (1, {"names": "failure"})
    assert "--repositories-from FILE needs no" in refused.advice("names")
    assert refused.skipped_for("names") >= {"listing", "page size"}
    assert (listed.code, listed.amiss) == (0, {})
    assert listed.found("names") == "from list: alpha"


async def test_doctor_names_and_a_crawl_agree_on_a_catalog_that_is_refused(command):
    async with serve([on(CATALOG, refusal(404, "NAME_UNKNOWN", "no")), *plain_registry()]) as server:
        found = await diagnose(command, server.host)
        crawled = await command("crawl", server.host, "--no-progress")
    assert (found.code, crawled.code) == (1, 1)
    assert found.found("names") in crawled.err
    assert found.advice("names") in crawled.err


async def test_doctor_names_kind_of_a_registry_that_is_not_recognised(tmp_path):
    """Quay's token server refuses the catalog's scope, and opens the catalog without one."""
    script = [
        on("/v2/auth", refusal(400, "UNSUPPORTED", "bad scope"), query={"scope": "registry:catalog:.*"}),
        on("/v2/auth", document({"token": "minted-1"})),
        on("/v2/", refusal(401, "UNAUTHORIZED", "no", challenge("{origin}/v2/auth"))),
        *plain_registry()[1:],
    ]
    login = {"method": "basic", "username": "robot", "password": "s3cret-pass"}
    async with serve(script) as server:
        unknown = await examine(config(server.host, tmp_path, auth=login))
        known = await examine(config(server.host, tmp_path, auth=login, kind="quay"))
    assert (unknown.code, unknown.amiss) == (1, {"token for names": "failure"})
    assert unknown.advice("token for names") == "this looks like Quay, whose catalog needs --kind quay"
    assert (known.code, known.amiss) == (0, {})


async def test_doctor_names_empty_catalog_is_no_proof_where_the_host_hides_names(tmp_path):
    """Google's: the walk from a prefix finds what the catalog does not tell."""
    script = [
        on("/v2/", document({})),
        EMPTY_CATALOG,
        node("acme", "team"),
        node("acme/team", "app"),
        repository("acme/team/app"),
    ]
    table = {"kind": "gcr", "auth": {"method": "anonymous"}}
    async with serve(script) as server:
        hidden = await examine(config(server.host, tmp_path, **table))
        found = await examine(config(f"{server.host}/acme", tmp_path, **table))
    assert (hidden.code, hidden.amiss) == (3, {"names": "warning"})
    assert "an empty catalog from a Google host means unknown, not none" in hidden.found("names")
    assert hidden.advice("names").startswith("name the project in the target (HOST/PROJECT)")
    assert hidden.skipped_for("names") >= {"listing"}
    assert (found.code, found.amiss) == (0, {})
    assert found.found("names") == "from walk: acme/team/app"


async def test_doctor_names_empty_registry(tmp_path):
    async with serve(plain_registry({})) as server:
        found = await examine(config(server.host, tmp_path))
        allowed = await examine(config(server.host, tmp_path, verdict={"expect": 0}))
    assert (found.code, found.amiss) == (3, {"names": "warning"})
    assert found.advice("names") == "--expect 0 (verdict.expect) allows an empty snapshot"
    assert (allowed.code, allowed.amiss) == (0, {})


@pytest.mark.parametrize(
    ("prefix", "table", "why"),
    [
        ("/teem", {}, "no repository is under the prefix teem: did you mean team?"),
        ("", {"include": ["other/*"]}, "no repository matches --include 'other/*'"),
        ("", {"exclude": ["*"]}, "--exclude '*' excludes every repository"),
    ],
)
async def test_doctor_names_nothing_matches(prefix, table, why, tmp_path):
    async with serve(plain_registry()) as server:
        found = await examine(config(f"{server.host}{prefix}", tmp_path, **table))
        mended = await examine(config(f"{server.host}/team", tmp_path))
    assert (found.code, found.amiss) == (3, {"names": "warning"})
    assert found.found("names") == why
    assert found.advice("names") == "check the target's prefix, --include and --exclude"
    assert (mended.code, mended.found("names")) == (0, "from catalog: team/victim")


async def test_doctor_names_that_may_come_on_a_later_page_are_unknown_and_no_failure(tmp_path):
    """It reads two pages, and not ten."""
    pages = [
        on(
            CATALOG,
            document({"repositories": [f"r{n}"]}, ("Link", f'</v2/_catalog?n=1000&last=r{n}>; rel="next"')),
            query={"last": f"r{n - 1}" if n else None},
        )
        for n in range(10)
    ]
    async with serve([*pages, *plain_registry()]) as server:
        found = await examine(config(f"{server.host}/team", tmp_path, page_size=1000))
    assert found.state("names") == "skipped"
    assert found.found("names").startswith("none of the first 2 names is a repository that is wanted")
    assert len(server.asked(CATALOG)) == 2 + 1  # the last is for the size of a page


def paged(size: int):
    """A catalog that sends `size` names on its first page, however many are asked for."""
    listed = document(
        {"repositories": ["alpha", "team/victim", "zulu"][:size]}, ("Link", '</v2/_catalog?last=z>; rel="next"')
    )
    rest = on(CATALOG, document({"repositories": []}), query={"last": "z"})
    return [rest, on(CATALOG, listed), *plain_registry()]


async def test_doctor_names_page_that_is_smaller_than_asked(tmp_path):
    async with serve(paged(2)) as server:
        found = await examine(config(server.host, tmp_path))
        mended = await examine(config(server.host, tmp_path, page_size=2))
    assert (found.code, found.amiss) == (3, {"page size": "warning"})
    assert found.found("page size") == (
        "a page has 2 names where 1,000 are asked for: a crawl needs 500 times the requests"
    )
    assert found.advice("page size").endswith("or accept it with registry.page_size = 2")
    assert (mended.code, mended.amiss) == (0, {})


async def test_doctor_names_page_size_that_is_refused(tmp_path):
    script = [
        on(CATALOG, refusal(400, "PAGINATION_NUMBER_INVALID", "too many"), query={"n": "1000"}),
        *plain_registry(),
    ]
    async with serve(script) as server:
        found = await examine(config(server.host, tmp_path))
        mended = await examine(config(server.host, tmp_path, page_size=100))
    assert (found.code, found.amiss) == (3, {"page size": "warning"})
    assert found.found("page size") == "the registry refuses pages of 1,000 names, and takes 100"
    assert found.advice("page size").startswith("set registry.page_size = 100,")
    assert (mended.code, mended.amiss) == (0, {})


async def test_doctor_names_listing_of_a_repository_that_is_gone_or_denied(tmp_path):
    gone = on(listing_path("alpha"), refusal(404, "NAME_UNKNOWN", "gone"))
    denied = on(listing_path("alpha"), refusal(403, "DENIED", "no"))
    async with serve([gone, *plain_registry()]) as server:
        passing = await examine(config(server.host, tmp_path))
    async with serve([denied, *plain_registry()]) as server:
        refused = await examine(config(server.host, tmp_path))
    assert (passing.code, passing.found("listing")) == (0, "team/victim has tags: 1")
    assert (refused.code, refused.amiss) == (3, {"listing": "warning"})
    assert refused.found("listing").startswith("team/victim has tags: 1; but alpha: GET http://")


async def test_doctor_names_are_shown_escaped(tmp_path):
    hostile = "a\x1b[31m/b"
    async with serve(plain_registry({hostile: ("1",), "zulu": ("2",)})) as server:
        found = await examine(config(server.host, tmp_path))
    assert found.code == 0
    assert found.found("names") == "from catalog: zulu"
    assert all(step["found"].isprintable() and step["advice"].isprintable() for step in found.steps.values())
