"""Harbor's API: names and images of a whole crawl, what they cost, and what happens where the API is closed."""

import json
from typing import Any

import pytest
from registries import harbor_api
from registries.crawls import crawl, crawl_fails, password_requests
from registries.harbor_api import (
    ALL_REPOSITORIES,
    ANONYMOUS,
    ARTIFACTS,
    FORBIDDEN,
    HARBOR,
    NOT_FOUND,
    PROJECTS,
    SIGNATURE_TAG,
    SYSTEM_INFO,
    TAGS,
    UNAUTHORIZED,
    api,
    artifacts_path,
    closed,
    crawl_digests,
    digest,
    named,
    pages,
    public,
    registry,
    repositories_path,
    system_info,
    tags_by_name,
    with_login,
)
from registries.vocabulary import PASSWORD, basic
from support.scripted import document, html, on, redirect, refusal, serve

pytestmark = pytest.mark.usefixtures("few_authorities")

NOT_LISTED = (
    *("kind", "media_type", "artifact_type", "subject_digest", "size_bytes", "created_at", "uploaded_at"),
    *("updated_at", "pulled_at", "platforms", "manifest", "config", "referrers"),
)


def image(name: str, *tags: str, **told: Any) -> dict[str, Any]:
    """An image of a record: what is not told is null."""
    return {**dict.fromkeys(NOT_LISTED), "digest": digest(name), "tags": list(tags), "referrers": [], **told}


def platform(name: str, **told: Any) -> dict[str, Any]:
    fields = ("os", "architecture", "variant", "os_version", "size_bytes", "media_type", "role", "attests_digest")
    return {**dict.fromkeys(fields), "digest": digest(name), **told}


def referrer(name: str, kind: str) -> dict[str, Any]:
    fields = ("artifact_type", "predicate_type", "size_bytes", "created_at")
    return {**dict.fromkeys(fields), "digest": digest(name), "via": "bulk", "kind": kind}


def config(**told: Any) -> dict[str, Any]:
    fields = (
        *("os", "architecture", "variant", "created_at", "user", "entrypoint", "cmd", "working_dir", "exposed_ports"),
        *("env_names", "healthcheck", "labels", "diff_ids", "base_name", "base_digest", "base_from"),
    )
    return {**dict.fromkeys(fields), **told}


SINGLE = {"media_type": harbor_api.MANIFEST_TYPE}
APP = [
    image(
        "app-1.0",
        "1.0",
        "stable",
        **SINGLE,
        kind="image",
        size_bytes=123_456,
        created_at="2026-10-01T10:00:00.123Z",
        uploaded_at="2026-10-02T08:30:00.500Z",
        platforms=[platform("app-1.0", os="linux", architecture="arm64", role="image", **SINGLE)],
        config=config(
            os="linux",
            architecture="arm64",
            created_at="2026-10-01T10:00:00.123Z",
            user="1000",
            entrypoint=["/app"],
            cmd=["serve"],
            working_dir="/srv",
            exposed_ports=["8080/tcp"],
            env_names=["PATH", "DB_PASSWORD"],
            labels={"team": "ours"},
        ),
    ),
    image(
        "app-1.1",
        "1.1",
        kind="index",
        media_type=harbor_api.INDEX_TYPE,
        size_bytes=9_999,
        uploaded_at="2026-10-03T08:30:00.000Z",
        pulled_at="2026-10-04T10:00:00.000Z",
        platforms=[
            platform("windows", os="windows", architecture="amd64", variant="v2", os_version="10.0.1", role="image"),
            platform("attestation", role="attestation", attests_digest=digest("windows")),
        ],
        referrers=sorted(
            [referrer("signature", "signature"), referrer("sbom", "sbom"), referrer("other", "other")],
            key=lambda each: each["digest"],
        ),
    ),
    image(
        "signature",
        SIGNATURE_TAG,
        kind="signature",
        subject_digest=digest("app-1.1"),
        size_bytes=1_024,
        uploaded_at="2026-10-03T09:00:00.000Z",
    ),
    image("sbom", kind="sbom", subject_digest=digest("app-1.1")),
    image("other", subject_digest=digest("app-1.1")),
]
WEB = [
    image(
        "web-7",
        "7",
        **SINGLE,
        kind="artifact",
        artifact_type=harbor_api.CHART_TYPE,
        size_bytes=10,
        uploaded_at="2026-10-05T08:30:00.000Z",
    )
]
JOB = [image("untagged", **SINGLE, kind="image"), image("job", "nightly", **SINGLE, kind="image")]
IMAGES = {
    name: sorted(images, key=lambda each: each["digest"])
    for name, images in {"library/app": APP, "library/web": WEB, "library/tools/deep/job": JOB}.items()
}


def manifest_requests(server) -> list[str]:
    return [asked.path for asked in server.requests if "/manifests/" in asked.path or "/blobs/" in asked.path]


ALL_TAGS = {name: sorted(tags) for name, tags in TAGS.items()}


async def test_harbor_names_and_images_come_from_its_api(tmp_path):
    async with serve(with_login()) as server:
        snapshot = await crawl_digests(server, tmp_path)
    assert snapshot.manifest["verdict"] == "complete"
    assert {name: record["images"] for name, record in snapshot.by_name.items()} == IMAGES
    assert tags_by_name(snapshot) == ALL_TAGS
    assert not [record for record in snapshot.records if record["suspect"] or record["problems"]]
    discovery = snapshot.manifest["discovery"]
    assert (discovery["method"], discovery["complete"]) == ("api", True)
    assert discovery["evidence"] == (
        "Harbor's API listed 3 repositories, which are all in the projects that the account may see"
    )
    assert manifest_requests(server) == []
    api_requests = [asked.path for asked in server.requests if asked.path.startswith("/api/")]
    assert sorted(api_requests) == sorted([SYSTEM_INFO, ALL_REPOSITORIES, *map(artifacts_path, ARTIFACTS)])
    assert [asked.path for asked in server.requests if "/tags/list" in asked.path] == ["/v2/library/app/tags/list"]


async def test_harbor_price_of_10_000_images_is_100_exchanges(tmp_path):
    artifacts = [
        {**harbor_api.UNTAGGED, "digest": digest(str(number)), "tags": [{"name": f"v{number}"}], "accessories": None}
        for number in range(10_000)
    ]
    async with serve(public({"p/big": artifacts})) as server:
        snapshot = await crawl_digests(server, tmp_path, target="/p", **ANONYMOUS)
    assert snapshot.manifest["verdict"] == "complete"
    (record,) = snapshot.records
    assert {each["digest"]: each["tags"] for each in record["images"]} == {
        each["digest"]: [each["tags"][0]["name"]] for each in artifacts
    }
    assert len(server.asked(artifacts_path("p/big"))) == 100
    assert len(server.requests) == 100 + len(server.asked(repositories_path("p"))) + len(server.asked("/v2/"))
    assert len(server.asked("/v2/")) <= 1


CLOSED = {
    "401": UNAUTHORIZED,
    "403": FORBIDDEN,
    "404": NOT_FOUND,
    "csrf": refusal(403, "FORBIDDEN", "CSRF token not found in request"),
    "login-page": html(200, "Sign in"),
    "object": document({"errors": []}),
    "sso": redirect("{origin}/login"),
}


@pytest.mark.parametrize("reply", CLOSED)
async def test_harbor_whose_api_is_closed_is_crawled_by_the_protocol(reply, tmp_path):
    login_page = on("/login", html(200, "Sign in"))
    async with serve([login_page, *closed(CLOSED[reply]), *registry()]) as server:
        snapshot = await crawl(server, tmp_path, **HARBOR)
    assert snapshot.manifest["verdict"] == "complete"
    assert tags_by_name(snapshot) == ALL_TAGS
    assert snapshot.manifest["discovery"]["method"] == "catalog"
    evidence = snapshot.manifest["discovery"]["evidence"]
    assert evidence.startswith("the catalog listed 3 names on 1 page: no next link (tried: api: GET ")
    assert f"{ALL_REPOSITORIES if reply == 'object' else SYSTEM_INFO}" in evidence
    assert password_requests(server)["/v2/_catalog"] == 1


@pytest.mark.parametrize("reply", CLOSED)
async def test_harbor_images_that_the_api_refuses_are_listed_by_the_protocol(reply, tmp_path):
    """The names come from a file, and the API is asked for images alone."""
    login_page = on("/login", html(200, "Sign in"))
    settings = {**HARBOR, "discovery": "auto", "listed": tuple(TAGS)}
    async with serve([login_page, *closed(CLOSED[reply]), *registry()]) as server:
        snapshot = await crawl(server, tmp_path, **settings)
    assert snapshot.manifest["verdict"] == "complete"
    assert tags_by_name(snapshot) == ALL_TAGS
    assert "the API refused 3 and was not asked again" in json.dumps(snapshot.manifest)


async def test_harbor_catalog_that_is_denied_is_replaced_by_the_api(tmp_path):
    """An ordinary user: only administrators may list the catalog."""
    denied = on("/v2/_catalog", refusal(401, "UNAUTHORIZED", "unauthorized"))
    async with serve([denied, *with_login()]) as server:
        snapshot = await crawl(server, tmp_path, **{**HARBOR, "discovery": "auto"})
    assert snapshot.manifest["verdict"] == "complete"
    assert set(snapshot.by_name) == set(TAGS)
    assert "(tried: catalog: GET " in snapshot.manifest["discovery"]["evidence"]


async def test_harbor_wrong_password_lists_public_projects_and_the_snapshot_is_partial(tmp_path):
    """Harbor answers a wrong password like an anonymous user: with the public projects."""
    script = [system_info(is_logged_in=False), *api(), *registry()]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, **HARBOR)
    assert snapshot.manifest["verdict"] == "partial"
    (reason,) = snapshot.manifest["reasons"]
    assert "Harbor did not accept the login, and listed public projects alone: check the user name" in reason
    assert set(snapshot.by_name) == set(TAGS)


async def test_harbor_anonymous_crawl_is_of_public_projects(tmp_path):
    async with serve(public()) as server:
        snapshot = await crawl_digests(server, tmp_path, **ANONYMOUS)
    assert snapshot.manifest["verdict"] == "complete"
    assert snapshot.manifest["discovery"]["evidence"] == (
        "Harbor's API listed 3 repositories, which are all in public projects"
    )
    assert server.authorizations == set()
    assert server.asked(SYSTEM_INFO) == []


@pytest.mark.parametrize("prefix", ["library", "library/tools"])
async def test_harbor_target_prefix_narrows_to_its_project(prefix, tmp_path):
    """A robot account of the project may not list projects: it is never asked for more than its project."""
    robot = "robot$library+crawler"
    refused = [on(path, FORBIDDEN) for path in (PROJECTS, ALL_REPOSITORIES, SYSTEM_INFO, "/v2/_catalog")]
    auth = {"method": "basic", "username": robot, "password": PASSWORD}
    async with serve([*refused, *with_login(basic(robot))]) as server:
        snapshot = await crawl_digests(server, tmp_path, target=f"/{prefix}", auth=auth)
    assert snapshot.manifest["verdict"] == "complete"
    assert set(snapshot.by_name) == {name for name in TAGS if name.startswith(f"{prefix}/")}
    assert snapshot.manifest["discovery"]["evidence"].startswith(
        "Harbor's API listed 3 repositories of the project library, which are all that it has"
    )
    assert [asked for entry in refused for asked in server.asked(entry.match.path)] == []
    assert basic(robot) in server.authorizations


async def test_harbor_slashes_of_a_repository_are_encoded_twice(tmp_path):
    async with serve(with_login()) as server:
        await crawl_digests(server, tmp_path, target="/library")
    targets = {asked.target.partition("?")[0] for asked in server.requests}
    assert f"{PROJECTS}/library/repositories/tools%252Fdeep%252Fjob/artifacts" in targets


async def test_harbor_project_with_a_number_as_its_name_is_asked_by_its_name(tmp_path):
    """The project 7 has the id 1, and the project with the id 7 is another one."""
    artifacts = {"7/app": ARTIFACTS["library/web"]}
    async with serve(public(artifacts)) as server:
        snapshot = await crawl_digests(server, tmp_path, **ANONYMOUS)
    assert set(snapshot.by_name) == {"7/app"}
    assert len(server.asked(artifacts_path("7/app"))) == 1


async def test_harbor_before_2_3_lists_project_by_project(tmp_path):
    artifacts = {**ARTIFACTS, **{f"p{number:03}/app": ARTIFACTS["library/web"] for number in range(101)}}
    async with serve([on(ALL_REPOSITORIES, NOT_FOUND), *api(artifacts), *registry()]) as server:
        snapshot = await crawl_digests(server, tmp_path)
    assert snapshot.manifest["verdict"] == "complete"
    assert set(snapshot.by_name) == set(artifacts)
    assert len(server.asked(PROJECTS)) == 2
    assert snapshot.manifest["discovery"]["evidence"] == (
        "Harbor's API listed 104 repositories, which are all in the projects that the account may see"
    )


async def test_harbor_with_oidc_users_lists_project_by_project(tmp_path):
    """`/repositories` takes the CLI secret of such a user for no login: it lists public repositories alone."""
    info = {"auth_mode": "oidc_auth", "harbor_version": "v2.13.0"}
    public_only = pages(ALL_REPOSITORIES, named(["library/web"]))
    async with serve([on(SYSTEM_INFO, document(info)), *public_only, *api(), *registry()]) as server:
        snapshot = await crawl_digests(server, tmp_path)
    assert snapshot.manifest["verdict"] == "complete"
    assert set(snapshot.by_name) == set(ARTIFACTS)
    assert server.asked(ALL_REPOSITORIES) == []


@pytest.mark.parametrize("refused", [("other",), ("library", "other")])
async def test_harbor_project_that_is_refused_is_named(refused, tmp_path):
    """A robot account may see a project, and may not list its repositories."""
    artifacts = {**ARTIFACTS, "other/app": ARTIFACTS["library/web"]}
    script = [
        on(ALL_REPOSITORIES, NOT_FOUND),
        *(on(repositories_path(project), FORBIDDEN) for project in refused),
        *api(artifacts),
        *registry({**TAGS, "other/app": ("7",)}),
    ]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, **HARBOR)
    evidence = snapshot.manifest["discovery"]["evidence"]
    if len(refused) == 2:
        assert snapshot.manifest["discovery"]["method"] == "catalog"
        assert snapshot.manifest["verdict"] == "complete"
    else:
        assert set(snapshot.by_name) == set(TAGS)
        assert snapshot.manifest["verdict"] == "partial"
        assert "Harbor's API listed 3 repositories; it did not list 1 of 2 projects, for example GET " in evidence
    assert f"{repositories_path(refused[0])}?page_size=100: 403 FORBIDDEN: forbidden" in evidence


async def test_harbor_that_lists_nothing_proves_nothing(tmp_path):
    nothing = pages(ALL_REPOSITORIES, [])
    denied = on("/v2/_catalog", refusal(401, "UNAUTHORIZED", "unauthorized"))
    async with serve([*nothing, denied, *with_login()]) as server:
        snapshot = await crawl(server, tmp_path, **HARBOR)
    assert (snapshot.manifest["verdict"], snapshot.records) == ("partial", [])
    assert (
        "Harbor's API lists no repository, which proves nothing: check which projects the account may see"
        in (snapshot.manifest["reasons"][0])
    )


SIGNED = ARTIFACTS["library/app"][0]


async def test_harbor_tags_of_signatures_that_cannot_be_listed_make_the_listing_suspect(tmp_path):
    refused = on("/v2/library/app/tags/list", refusal(403, "DENIED", "denied"))
    async with serve([refused, *with_login()]) as server:
        snapshot = await crawl_digests(server, tmp_path)
    record = snapshot.by_name["library/app"]
    assert "Harbor's API does not list the tags of signatures, and tags/list failed: GET " in record["suspect"]
    assert [each["digest"] for each in record["images"]] == [each["digest"] for each in IMAGES["library/app"]]
    assert snapshot.manifest["verdict"] == "partial"


async def test_harbor_tag_of_one_of_two_signatures_is_resolved_by_the_protocol(tmp_path):
    """An image was signed twice: the API does not say which of its signatures has the tag."""
    second = {**SIGNED["accessories"][0], "digest": digest("second")}
    twice = {**SIGNED, "accessories": [SIGNED["accessories"][0], second]}
    script = [*api({"library/app": [twice]}), *registry({"library/app": ("1.1", SIGNATURE_TAG)})]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, target=f"{server.host}/library", **HARBOR)
    (record,) = snapshot.records
    assert record["tags"] == ["1.1", SIGNATURE_TAG]
    assert {tag for each in record["images"] for tag in each["tags"]} == {"1.1"}


async def test_harbor_password_is_in_no_error(tmp_path):
    everything = refusal(500, "UNKNOWN", "internal error for {authorization}")
    script = [*api(), *registry()]
    failing = [on(entry.match.path, everything) for entry in script if entry.match.path != "/v2/"]
    async with serve([*failing, *script]) as server:
        error = await crawl_fails(server, tmp_path, **HARBOR)
    assert PASSWORD not in str(error)
    assert basic() in server.authorizations
