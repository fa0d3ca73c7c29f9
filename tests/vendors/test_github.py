"""GitHub's packages API: the packages of an owner, and their versions, many in one exchange."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registries import crawls, ghcr_api
from registries.ghcr_api import (
    NOT_FOUND,
    StoredVersion,
    accounts,
    packages,
    pages,
    registry,
    throttled,
    versions_path,
    with_token,
)
from registries.vocabulary import BASIC, PASSWORD, WITH_PASSWORD
from support.api_images import api_image, numbered_digest
from support.json_values import flat, text, values
from support.scripted import ScriptedServer, document, on, serve
from support.snapshots import Snapshot

import crawler
from crawler.errors import MalformedResponse
from crawler.vendors.github import parse_account, parse_packages, parse_versions
from crawler.wire.digest import is_digest

pytestmark = pytest.mark.usefixtures("few_authorities")

ORG = "/orgs/team"
INVENTORY = {
    "app": (
        StoredVersion(number=1, tags=("1.0", "latest")),
        StoredVersion(number=2),
        StoredVersion(number=3, tags=("edge",), created="2026-02-01T00:00:00Z", updated="2026-02-03T00:00:00Z"),
    ),
    "charts/app": (StoredVersion(number=4, tags=("0.1.0",)),),
    "tool": (StoredVersion(number=5, tags=("v5",)),),
}
TAGS = {"team/app": ["1.0", "latest", "edge"], "team/charts/app": ["0.1.0"], "team/tool": ["v5"]}


def settings_of(server: ScriptedServer, changes: dict[str, Any]) -> dict[str, Any]:
    """The settings of a crawl with a login whose password is a classic token."""
    images = {"depth": changes.pop("depth", "digests"), "referrers": changes.pop("referrers", "none")}
    usual = {"target": f"{server.host}/team", "kind": "ghcr", "images_from": "api", "apis": {"own": "{origin}"}}
    return {"images": images, **usual, **WITH_PASSWORD, **changes}


async def crawl(server: ScriptedServer, folder: Path, **changes: Any) -> Snapshot:
    return await crawls.crawl(server, folder, **settings_of(server, changes))


async def crawl_fails(server: ScriptedServer, folder: Path, **changes: Any) -> crawler.CrawlerError:
    return await crawls.crawl_fails(server, folder, **settings_of(server, changes))


def image(number: int, *tags: str, **told: Any) -> dict[str, Any]:
    """An image of a record, with what the API tells."""
    usual = {"uploaded_at": "2026-01-01T00:00:00.000Z", "updated_at": "2026-01-02T00:00:00.000Z"}
    return api_image(numbered_digest(number), *tags, **{**usual, **told})


IMAGES = {
    "team/app": [
        image(1, "1.0", "latest"),
        image(2),
        image(3, "edge", uploaded_at="2026-02-01T00:00:00.000Z", updated_at="2026-02-03T00:00:00.000Z"),
    ],
    "team/charts/app": [image(4, "0.1.0")],
    "team/tool": [image(5, "v5")],
}


def images_of(snapshot: Snapshot) -> dict[str, Any]:
    return {name: record["images"] for name, record in snapshot.by_name.items()}


def tags_of(snapshot: Snapshot) -> dict[str, list[str]]:
    return {name: record["tags"] for name, record in snapshot.by_name.items()}


def healthy(size: int = 100) -> tuple[Any, ...]:
    script = [*ghcr_api.api(ORG, INVENTORY, size=size), *with_token(accounts("team")), *registry("team", INVENTORY)]
    return tuple(script)


@pytest.mark.parametrize("discovery", ["api", "auto"])
async def test_github_crawl_has_what_the_api_tells(discovery, tmp_path):
    async with serve(healthy(size=2)) as server:
        snapshot = await crawl(server, tmp_path, discovery=discovery, images_from=discovery)
    assert images_of(snapshot) == IMAGES
    assert tags_of(snapshot) == TAGS
    assert snapshot.manifest["verdict"] == "complete"
    assert snapshot.manifest["discovery"]["evidence"] == (
        "GitHub's packages API listed 3 container packages of the organization team, "
        "which are all that the account may see"
    )
    asked = [request for request in server.requests if not request.path.startswith("/v2/")]
    assert {request.authorization for request in asked} == {f"Bearer {PASSWORD}"}
    assert {(request.headers["accept"], request.headers["x-github-api-version"]) for request in asked} == {
        ("application/vnd.github+json", "2022-11-28")
    }
    assert {request.path for request in server.requests if request.authorization == BASIC} == set()
    assert len(server.asked("/users/team")) == 1
    (charts,) = server.asked(versions_path(ORG, "charts/app"))
    assert charts.target.startswith("/orgs/team/packages/container/charts%2Fapp/versions?per_page=100")


async def test_github_price_of_ten_thousand_images_is_a_hundred_exchanges(tmp_path):
    stored = [StoredVersion(number=number, tags=(f"v{number}",)) for number in range(10_000)]
    script = [*ghcr_api.api(ORG, {"app": stored}), *with_token(accounts("team")), *registry("team", {"app": stored})]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path)
    assert len(server.asked(versions_path(ORG, "app"))) == 100
    assert len(server.requests) == 100 + len([ORG, "/users/team"]) + len(server.asked("/v2/"))
    assert len(snapshot.records[0]["images"]) == 10_000
    assert snapshot.manifest["verdict"] == "complete"


def test_github_quota_allows_a_burst_of_a_hundred():
    """900 a minute: a hundred take less than seven seconds, where 5,000 an hour evenly would take 72."""
    own = crawler.profiles.PROFILES_BY_KIND["ghcr"].api
    quota = own.quota("ghcr.io")
    assert [(window.count, window.seconds) for window in quota.windows] == [(900, 60), (5000, 3600)]
    assert 100 / quota.per_second < 7


REFUSALS = [
    pytest.param(ghcr_api.NO_TOKEN, "401 HTTP_401: Requires authentication", id="401"),
    pytest.param(ghcr_api.FORBIDDEN, "403 HTTP_403: Resource not accessible by personal access token", id="403"),
    pytest.param(NOT_FOUND, "404 HTTP_404: Not Found", id="404"),
    pytest.param(ghcr_api.ACTIONS_TOKEN, "400 HTTP_400: Invalid argument.", id="400"),
]


@pytest.mark.parametrize(("reply", "why"), REFUSALS)
async def test_github_closed_api_of_names_says_what_to_do(reply, why, tmp_path):
    """GHCR has no catalog, so nothing else lists names."""
    async with serve([on(f"{ORG}/packages", reply), *healthy()]) as server:
        error = await crawl_fails(server, tmp_path)
    assert f"/orgs/team/packages?package_type=container&per_page=100: {why}" in str(error)
    assert "a classic personal access token with the scope read:packages: run docker login ghcr.io" in str(error)
    assert ("check the owner's name" in str(error)) == (reply is NOT_FOUND)


@pytest.mark.parametrize(("reply", "why"), REFUSALS)
async def test_github_closed_api_of_versions_leaves_the_protocol(reply, why, tmp_path):
    """The names come from a list."""
    inventory = {f"app-{number}": INVENTORY["tool"] for number in range(8)}
    closed = [on(versions_path(ORG, name), reply) for name in inventory]
    script = [*closed, *with_token(accounts("team")), *registry("team", inventory)]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, depth="tags", listed=[f"team/{name}" for name in inventory])
    assert tags_of(snapshot) == {f"team/{name}": ["v5"] for name in inventory}
    assert snapshot.manifest["verdict"] == "complete"
    assert len([path for path in server.paths if path.endswith("/versions")]) == 3, "closed after three refusals"
    assert len(server.asked("/users/team")) == 1


async def test_github_without_credentials_is_not_asked(tmp_path):
    async with serve(registry("team", INVENTORY, user=None)) as server:
        error = await crawl_fails(server, tmp_path, auth={"method": "anonymous"})
        assert isinstance(error, crawler.CredentialsError)
        assert "no credentials to list the repositories of team with: GitHub's packages API takes a" in str(error)
        snapshot = await crawl(server, tmp_path, auth={"method": "anonymous"}, listed=list(TAGS), depth="tags")
    assert tags_of(snapshot) == TAGS
    assert {path for path in server.paths if not path.startswith(("/v2/", "/token"))} == set()


async def test_github_password_stays_at_home_where_a_token_file_is_given(tmp_path):
    (tmp_path / "token").write_text("ghp_of-the-api\n")
    token = {"Authorization": "Bearer ghp_of-the-api"}
    script = [
        on("/users/team", document({"login": "Team", "type": "Organization"}), headers=token),
        on(f"{ORG}/packages", document([{"name": "tool"}]), headers=token),
        on(versions_path(ORG, "tool"), document([StoredVersion(number=5, tags=("v5",)).document]), headers=token),
        on("/v2/", ghcr_api.REFUSED),
    ]
    async with serve(script) as server:
        apis = {"own": server.origin, "token_file": str(tmp_path / "token")}
        snapshot = await crawl(server, tmp_path, apis=apis, auth={"method": "anonymous"})
    assert tags_of(snapshot) == {"team/tool": ["v5"]}
    assert b"ghp_of-the-api" not in b"".join(path.read_bytes() for path in snapshot.folder.iterdir())


@pytest.mark.parametrize(
    ("login", "base", "label"),
    [("TEAM", "/user", "the token's own account team"), ("Someone", "/users/team", "the user team")],
)
async def test_github_packages_of_a_user(login, base, label, tmp_path):
    """Of the token's own account, the API lists private packages elsewhere. Logins have upper case letters."""
    script = [*ghcr_api.api(base, INVENTORY), *with_token(accounts("team", "User", login=login))]
    async with serve([*script, *registry("team", INVENTORY)]) as server:
        snapshot = await crawl(server, tmp_path)
    assert images_of(snapshot) == IMAGES
    assert snapshot.manifest["verdict"] == "complete"
    assert f"of {label}, which are all that the account may see" in snapshot.manifest["discovery"]["evidence"]
    assert len(server.asked("/user")) == 1


async def test_github_token_without_an_account_may_not_see_private_packages(tmp_path):
    script = [*ghcr_api.api("/users/team", INVENTORY), on("/user", ghcr_api.NO_ACCOUNT)]
    async with serve([*script, *with_token(accounts("team", "User")), *registry("team", INVENTORY)]) as server:
        snapshot = await crawl(server, tmp_path)
    assert images_of(snapshot) == IMAGES
    assert snapshot.manifest["verdict"] == "partial"
    assert "private packages may be missing, because the token has no account (GET" in snapshot.manifest["reasons"][0]


async def test_github_token_that_is_refused_is_no_token_without_an_account(tmp_path):
    script = [on("/user", ghcr_api.NO_TOKEN), *with_token(accounts("team", "User")), *registry("team", INVENTORY)]
    async with serve(script) as server:
        error = await crawl_fails(server, tmp_path)
    assert "/user: 401 HTTP_401: Requires authentication" in str(error)


async def test_github_owner_that_does_not_exist(tmp_path):
    async with serve([on("/users/team", NOT_FOUND), *registry("team", INVENTORY)]) as server:
        error = await crawl_fails(server, tmp_path)
    assert "/users/team: 404 HTTP_404: Not Found (check the owner's name; " in str(error)


async def test_github_owner_without_packages_proves_nothing(tmp_path):
    script = [*with_token(packages(ORG, [])), *with_token(accounts("team")), *registry("team", {})]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.manifest["verdict"] == "partial"
    assert (
        "lists no container package of the organization team, which proves nothing: check the owner's name"
        in (snapshot.manifest["discovery"]["evidence"])
    )


async def test_github_names_that_end_early_are_partial(tmp_path):
    first, *_ = packages(ORG, list(INVENTORY), size=2)
    script = [*with_token([first]), on(f"{ORG}/packages", document({"message": "oops"}, status=500)), *healthy()]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path)
    assert set(snapshot.by_name) == {"team/app", "team/charts/app"}
    assert snapshot.manifest["verdict"] == "partial"
    assert "then failed: GET " in snapshot.manifest["discovery"]["evidence"]


async def test_github_packages_of_other_types_are_not_in_ghcr(tmp_path):
    listed = [{"name": "old", "package_type": "docker"}, {"name": "tool", "package_type": "container"}]
    names = on(f"{ORG}/packages", document(listed, ("Retry-After", "0")))
    async with serve([names, *healthy()]) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.manifest["requests"]["throttled"] == 0, "only a refusal says that there were too many requests"
    assert set(snapshot.by_name) == {"team/tool"}


async def test_github_version_without_a_digest_leaves_its_tags_to_the_protocol(tmp_path):
    odd = {**StoredVersion(number=6, tags=("odd",)).document, "name": "not-a-digest"}
    deleted = {**StoredVersion(number=7, tags=("deleted",)).document, "deleted_at": "2026-01-01T00:00:00Z"}
    listed = [odd, deleted, StoredVersion(number=5, tags=("v5",)).document]
    names = on(f"{ORG}/packages", document([{"name": "tool"}]))
    manifest = document({"schemaVersion": 2, "layers": []})
    own = [*pages(versions_path(ORG, "tool"), listed), on("/v2/team/tool/manifests/odd", manifest)]
    async with serve([names, *own, *healthy()]) as server:
        snapshot = await crawl(server, tmp_path)
    assert tags_of(snapshot) == {"team/tool": ["v5", "odd"]}
    assert [path for path in server.paths if "/manifests/" in path] == ["/v2/team/tool/manifests/odd"]


@pytest.mark.parametrize("metadata", [None, {}, {"container": None}, {"container": {}}, {"container": {"tags": [1]}}])
async def test_github_versions_whose_tags_are_not_told_leave_the_protocol(metadata, tmp_path):
    version = {**StoredVersion(number=5, tags=("v5",)).document, "metadata": metadata}
    own = [on(f"{ORG}/packages", document([{"name": "tool"}])), on(versions_path(ORG, "tool"), document([version]))]
    async with serve([*own, *healthy()]) as server:
        snapshot = await crawl(server, tmp_path, depth="tags")
    assert tags_of(snapshot) == {"team/tool": ["v5"]}
    assert len(server.asked("/v2/team/tool/tags/list")) == 1


async def test_github_version_that_moves_between_pages_is_one_image(tmp_path):
    """A new version moves the others to later pages while they are listed."""
    stored = INVENTORY["app"]
    moved = [version.document for version in (stored[0], stored[1], stored[1], stored[2])]
    own = pages(versions_path(ORG, "app"), moved, size=2)
    async with serve([*own, *healthy()]) as server:
        snapshot = await crawl(server, tmp_path)
    assert images_of(snapshot)["team/app"] == IMAGES["team/app"]


RESET = str(int(time.time()) - 1)
"""The time of a reset that has just passed."""


async def test_github_quota_that_is_spent_for_an_hour_leaves_the_protocol(tmp_path):
    """A run does not wait for so long. What was listed by then stays."""
    reset = ("X-RateLimit-Reset", str(int(time.time()) + 3600))
    spent = on(versions_path(ORG, "tool"), throttled(403, ("X-RateLimit-Remaining", "0"), reset))
    async with serve([spent, *healthy()]) as server:
        snapshot = await crawl(server, tmp_path, depth="tags", limits={"attempts": 2, "concurrency": 1})
    assert tags_of(snapshot) == TAGS
    assert snapshot.by_name["team/tool"]["images"] is None
    assert snapshot.manifest["verdict"] == "complete"
    assert len(server.asked(versions_path(ORG, "tool"))) == 1


@pytest.mark.parametrize(
    "reply",
    [
        throttled(403, ("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", RESET)),
        throttled(429, ("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", RESET)),
        throttled(403, ("Retry-After", "0")),
        throttled(403, message="You have exceeded a secondary rate limit. Please wait a few minutes."),
    ],
    ids=["quota 403", "quota 429", "secondary with a delay", "secondary with a message"],
)
async def test_github_throttling_is_waited_for(reply, tmp_path):
    busy = on(versions_path(ORG, "tool"), reply, times=1)
    async with serve([busy, *healthy()]) as server:
        snapshot = await crawl(server, tmp_path, limits={"attempts": 2})
    assert images_of(snapshot) == IMAGES
    assert snapshot.manifest["verdict"] == "complete"
    requests = snapshot.manifest["requests"]
    assert (requests["throttled"], requests["retries"]) == (1, 1)


@pytest.mark.parametrize(("others", "problems"), [([], ["orphan-referrer"]), ([{"name": "odd"}], [])])
async def test_github_listing_of_untagged_manifests_proves_orphans(others, problems, tmp_path):
    """The API lists every manifest, so a signature's image that is not there does not exist.

    A version without a digest may be that image.
    """
    signature = StoredVersion(number=9, tags=(f"sha256-{8:064x}.sig",)).document
    untagged = StoredVersion(number=10).document
    listed = [signature, *({**untagged, **other} for other in others)]
    script = [*pages(versions_path(ORG, "tool"), listed), on(f"{ORG}/packages", document([{"name": "tool"}]))]
    async with serve([*script, *healthy()]) as server:
        snapshot = await crawl(server, tmp_path, referrers="listed")
    (record,) = snapshot.records
    assert [problem["problem"] for problem in record["problems"]] == problems


VERSION = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from([numbered_digest(1), numbered_digest(2)]) | flat,
        "created_at": text | flat,
        "updated_at": st.just("2026-01-01T00:00:00Z") | flat,
        "deleted_at": flat,
        "metadata": flat | st.fixed_dictionaries({"container": flat | st.fixed_dictionaries({"tags": values})}),
    },
)


@settings(max_examples=200)
@given(values | st.lists(VERSION, max_size=3))
def test_github_versions_of_any_json_are_parsed_or_malformed(body):
    try:
        parsed = parse_versions(json.dumps(body).encode())
    except MalformedResponse:
        return
    assert all(isinstance(tag, str) for version in parsed for tag in version.tags)
    assert all(is_digest(version.image.digest) for version in parsed if version.image is not None)


@settings(max_examples=200)
@given(values | st.lists(st.fixed_dictionaries({}, optional={"name": text | flat, "package_type": flat}), max_size=3))
def test_github_packages_of_any_json_are_parsed_or_malformed(body):
    try:
        assert all(parse_packages(json.dumps(body).encode()))
    except MalformedResponse:
        return


@settings(max_examples=200)
@given(values | st.fixed_dictionaries({}, optional={"login": text | flat, "type": flat}))
def test_github_account_of_any_json_is_parsed_or_malformed(body):
    try:
        assert parse_account(json.dumps(body).encode()).login
    except MalformedResponse:
        return
