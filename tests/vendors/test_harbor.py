"""Harbor's API: names and images of a whole crawl, what they cost, and what happens where the API is closed."""

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registries import harbor_api
from registries.crawls import crawl, crawl_fails, password_requests
from registries.harbor_api import (
    ALL_REPOSITORIES,
    ARTIFACTS,
    FORBIDDEN,
    NOT_FOUND,
    PROJECTS,
    SECRET_VALUE,
    SIGNATURE_TAG,
    SYSTEM_INFO,
    TAGS,
    UNAUTHORIZED,
    api,
    artifacts_path,
    closed,
    digest,
    named,
    pages,
    public,
    registry,
    repositories_path,
    system_info,
    with_login,
)
from registries.vocabulary import PASSWORD, WITH_PASSWORD, basic
from support.depth_crawls import deep_crawl
from support.json_values import flat, values
from support.scripted import document, html, on, redirect, refusal, serve
from support.snapshots import read_snapshot

from crawler.errors import MalformedResponse
from crawler.vendors.harbor import parse_artifact, parse_entries, parse_name, parse_system_info, parse_total
from crawler.wire.digest import is_digest

pytestmark = pytest.mark.usefixtures("few_authorities")

HARBOR = {"kind": "harbor", "discovery": "api", "images_from": "api", **WITH_PASSWORD}
ANONYMOUS = {**HARBOR, "auth": {"method": "anonymous"}}
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
        manifest={
            "config_digest": None,
            "layers": None,
            "annotations": {"org.opencontainers.image.vendor": "Ours"},
        },
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


async def crawl_digests(server, folder, *, target: str = "", referrers: str = "listed", **settings: Any):
    """The snapshot of a crawl at depth `digests`. No secret is in any of its files."""
    table = {"target": f"{server.host}{target}", **HARBOR, **settings}
    await deep_crawl(server, folder, cache="none", registry=table, depth="digests", referrers=referrers)
    snapshot = read_snapshot(folder / "out")
    published = b"".join(path.read_bytes() for path in snapshot.folder.iterdir())
    assert not [secret for secret in (PASSWORD, SECRET_VALUE, "minted-") if secret.encode() in published]
    return snapshot


def manifest_requests(server) -> list[str]:
    return [asked.path for asked in server.requests if "/manifests/" in asked.path or "/blobs/" in asked.path]


def tags_by_name(snapshot) -> dict[str, list[str]]:
    return {name: sorted(record["tags"]) for name, record in snapshot.by_name.items()}


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
    assert "Harbor's API listed the images of 0 repositories and refused 3 repositories" in json.dumps(
        snapshot.manifest
    )


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
        assert "Harbor's API listed 3 repositories; it refused 1 of 2 projects, for example GET " in evidence
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


@pytest.mark.parametrize(
    ("listed", "doubt"),
    [
        ({"total": 4}, "Harbor's API listed 3 repositories; it counts 4 repositories and lists 3"),
        ({"total": None}, ""),
        ({"total": 2}, ""),
    ],
    ids=["more", "no count", "fewer"],
)
async def test_harbor_count_of_repositories_is_compared(listed, doubt, tmp_path):
    repositories = pages(ALL_REPOSITORIES, named(ARTIFACTS), **listed)
    async with serve([*repositories, *with_login()]) as server:
        snapshot = await crawl(server, tmp_path, **HARBOR)
    assert snapshot.manifest["verdict"] == ("partial" if doubt else "complete")
    assert doubt in snapshot.manifest["discovery"]["evidence"]


async def test_harbor_list_of_names_that_breaks_off_is_partial(tmp_path):
    """A 404 in the middle of the list is no sign of an old Harbor."""
    artifacts = {f"p/r{number:03}": ARTIFACTS["library/web"] for number in range(101)}
    broken = on(ALL_REPOSITORIES, NOT_FOUND, query={"page": "2"})
    async with serve([broken, *public(artifacts)]) as server:
        snapshot = await crawl_digests(server, tmp_path, **ANONYMOUS)
    assert snapshot.manifest["verdict"] == "partial"
    assert len(snapshot.records) == 100
    assert "Harbor's API listed 100 repositories, " in snapshot.manifest["discovery"]["evidence"]
    assert ", then failed: GET " in snapshot.manifest["discovery"]["evidence"]
    assert server.asked(PROJECTS) == []


async def test_harbor_full_page_of_names_without_a_count_and_a_link_proves_nothing(tmp_path):
    artifacts = {f"p/r{number:03}": ARTIFACTS["library/web"] for number in range(100)}
    repositories = pages(repositories_path("p"), named(artifacts), total=None, links=False)
    async with serve([*repositories, *public(artifacts)]) as server:
        snapshot = await crawl_digests(server, tmp_path, target="/p", **ANONYMOUS)
    assert snapshot.manifest["verdict"] == "partial"
    assert snapshot.manifest["discovery"]["evidence"] == (
        "Harbor's API listed 100 repositories of the project p; it lists 100 repositories on full pages, "
        "and names neither their count nor a next page"
    )


MANY = [{**ARTIFACTS["library/web"][0], "digest": digest(str(n)), "tags": [{"name": str(n)}]} for n in range(100)]


@pytest.mark.parametrize(
    ("artifacts", "listed", "suspect"),
    [
        (MANY, {"total": 101, "links": False}, "Harbor's API counts 101 artifacts and lists 100"),
        (MANY[:2], {"total": 3}, "Harbor's API counts 3 artifacts and lists 2"),
        (
            MANY,
            {"total": None, "links": False},
            "Harbor's API lists 100 artifacts on full pages, and names neither their count nor a next page",
        ),
        (MANY[:99], {"total": None, "links": False}, None),
        (MANY, {"total": 100}, None),
        (MANY, {"size": 60}, None),
        (MANY[:2], {"total": 1}, None),
        ([*MANY[:2], MANY[0]], {"size": 2, "total": 2}, None),
        ([*MANY[:2], MANY[0]], {"size": 2, "total": 3}, "Harbor's API counts 3 artifacts and lists 2"),
    ],
    ids=["link lost", "fewer", "full", "not full", "counted", "short pages", "more", "repeated", "repeated, counted"],
)
async def test_harbor_count_of_artifacts_is_compared(artifacts, listed, suspect, tmp_path):
    """A push while the list is read moves an artifact to the next page; a deletion moves one to the page before."""
    script = [*pages(artifacts_path("p/app"), artifacts, **listed), *public({"p/app": artifacts})]
    async with serve(script) as server:
        snapshot = await crawl_digests(server, tmp_path, target="/p", **ANONYMOUS)
    (record,) = snapshot.records
    assert record["suspect"] == suspect
    assert len(record["images"]) == len({each["digest"] for each in artifacts})
    assert snapshot.manifest["verdict"] == ("partial" if suspect else "complete")


async def test_harbor_push_while_the_list_is_read_is_no_gap(tmp_path):
    """The new artifact is first in the list, of which the first page has been read."""
    path = artifacts_path("p/app")
    link = ("Link", f'<{path}?page=2&page_size=100>; rel="next"')
    script = [
        on(path, document(MANY[:1], ("X-Total-Count", "2"), link), query={"page": None}),
        on(path, document(MANY[:2], ("X-Total-Count", "3")), query={"page": "2"}),
        *public({"p/app": []}),
    ]
    async with serve(script) as server:
        snapshot = await crawl_digests(server, tmp_path, target="/p", **ANONYMOUS)
    assert snapshot.manifest["verdict"] == "complete"
    assert snapshot.records[0]["tags"] == ["0", "1"]


async def test_harbor_name_without_a_project_is_not_asked_for(tmp_path):
    async with serve([on("/v2/", document({})), *registry({"alone": ("1",)})]) as server:
        snapshot = await crawl(server, tmp_path, **{**HARBOR, "discovery": "auto"}, listed=("alone",))
    assert tags_by_name(snapshot) == {"alone": ["1"]}
    assert not [asked for asked in server.requests if asked.path.startswith("/api/")]


async def test_harbor_untagged_child_of_an_index_is_not_taken_for_missing(tmp_path):
    """The list has no untagged children of indexes: that a signed image is not in it proves nothing."""
    tag = f"sha256-{digest('child').removeprefix('sha256:')}.att"
    artifacts = {"p/app": [{**MANY[0], "tags": [{"name": tag}]}]}
    async with serve(public(artifacts)) as server:
        snapshot = await crawl_digests(server, tmp_path, target="/p", **ANONYMOUS)
    assert [record["problems"] for record in snapshot.records] == [[]]


async def test_harbor_empty_page_in_the_middle_ends_no_list(tmp_path):
    """Harbor 2.5.0 took the accessories out of its pages, and not out of its count (goharbor/harbor#16816)."""
    path = artifacts_path("p/app")
    link = ("Link", f'<{path}?page=2&page_size=100>; rel="next"')
    script = [
        on(path, document([], ("X-Total-Count", "2"), link), query={"page": None}),
        on(path, document(MANY[:1], ("X-Total-Count", "2")), query={"page": "2"}),
        *public({"p/app": []}),
    ]
    async with serve(script) as server:
        snapshot = await crawl_digests(server, tmp_path, target="/p", **ANONYMOUS)
    (record,) = snapshot.records
    assert record["tags"] == ["0"]
    assert record["suspect"] == "Harbor's API counts 2 artifacts and lists 1"


async def test_harbor_repository_without_artifacts_is_asked_for_by_the_protocol(tmp_path):
    script = [*api({"p/empty": []}), *registry({"p/empty": ()})]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, target=f"{server.host}/p", **HARBOR)
    assert snapshot.outcomes == {"p/empty": "ok"}
    assert len(server.asked("/v2/p/empty/tags/list")) == 1


async def test_harbor_artifact_without_a_digest_keeps_its_tags(tmp_path):
    artifacts = {"p/app": [{"digest": "sha1:12", "tags": [{"name": "odd"}]}, MANY[0]]}
    async with serve([*api(artifacts), *registry({"p/app": ("odd", "0")})]) as server:
        snapshot = await crawl(server, tmp_path, target=f"{server.host}/p", **HARBOR)
    (record,) = snapshot.records
    assert record["tags"] == ["0", "odd"]
    assert [each["tags"] for each in record["images"]] == [["0"]]


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


def test_harbor_artifact_has_the_time_of_its_annotation():
    annotations = {"org.opencontainers.image.created": "2026-01-02T03:04:05Z"}
    parsed = parse_artifact({**ARTIFACTS["library/web"][0], "annotations": annotations}).image
    assert parsed.created_at == "2026-01-02T03:04:05.000Z"


def test_harbor_children_of_an_index_without_a_platform_or_a_digest():
    references = [{"child_digest": digest("a"), "platform": None}, {"child_digest": None}, None, {}]
    (child,) = parse_artifact({**SIGNED, "references": references}).image.platforms
    assert (child.digest, child.os, child.role) == (digest("a"), None, None)
    assert parse_artifact({**SIGNED, "references": None}).image.platforms is None


def test_harbor_image_kinds():
    def kind_of(**fields: Any) -> tuple[str | None, str | None]:
        told = parse_artifact({"digest": digest("x"), "manifest_media_type": harbor_api.MANIFEST_TYPE, **fields}).image
        return told.kind, told.artifact_type

    bundle = "application/vnd.dev.sigstore.bundle.v0.3+json"
    docker = "application/vnd.docker.distribution.manifest"
    assert kind_of() == (None, None)
    assert kind_of(media_type=harbor_api.CONFIG_TYPE) == ("image", None)
    assert kind_of(media_type=harbor_api.CHART_TYPE) == ("artifact", harbor_api.CHART_TYPE)
    assert kind_of(media_type="application/vnd.oci.empty.v1+json", artifact_type=bundle) == ("signature", bundle)
    assert kind_of(artifact_type="application/spdx+json") == ("sbom", "application/spdx+json")
    assert kind_of(manifest_media_type=f"{docker}.v2+json", media_type="application/octet-stream") == ("image", None)
    assert kind_of(manifest_media_type=f"{docker}.v1+prettyjws", media_type=f"{docker}.v1+prettyjws") == ("image", None)
    assert kind_of(manifest_media_type=f"{docker}.list.v2+json", artifact_type="a/b") == ("index", "a/b")


@pytest.mark.parametrize(
    "document",
    [{}, {"x": 1}, "text", [1], [None], [{"digest": digest("x"), "tags": "a"}], [{"tags": [{}]}], [{"tags": ["a"]}]],
)
def test_harbor_page_of_another_shape_is_malformed(document):
    with pytest.raises(MalformedResponse):
        parse_entries(parse_artifact, json.dumps(document).encode())


@pytest.mark.parametrize("entry", [{}, {"name": ""}, {"name": 1}, {"name": None}])
def test_harbor_repository_without_a_name_is_malformed(entry):
    with pytest.raises(MalformedResponse):
        parse_name(entry)


@pytest.mark.parametrize(
    ("text", "total"),
    [(None, None), ("", None), ("0", 0), ("12", 12), ("-1", None), ("1e3", None), ("\u0661", None), ("9" * 5000, None)],
)
def test_harbor_count_is_a_number_or_none(text, total):
    assert parse_total(text) == total


ANY_ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "digest": st.just(digest("x")) | flat,
        "tags": st.lists(st.fixed_dictionaries({"name": flat}) | flat, max_size=3) | flat,
        "manifest_media_type": st.sampled_from([harbor_api.MANIFEST_TYPE, harbor_api.INDEX_TYPE]) | flat,
        "media_type": st.just(harbor_api.CONFIG_TYPE) | flat,
        "artifact_type": flat,
        "size": flat,
        "push_time": st.just(harbor_api.NEVER) | flat,
        "pull_time": flat,
        "annotations": flat,
        "extra_attrs": st.dictionaries(st.sampled_from(["config", "os", "created"]), values, max_size=3) | values,
        "references": st.lists(
            st.fixed_dictionaries(
                {"child_digest": st.just(digest("y")) | flat, "platform": values, "annotations": flat}
            )
            | flat,
            max_size=3,
        )
        | flat,
        "accessories": st.lists(
            st.fixed_dictionaries({"digest": st.just(digest("z")) | flat, "type": flat, "size": flat}) | flat,
            max_size=3,
        )
        | flat,
    },
)


@settings(max_examples=300)
@given(st.lists(ANY_ENTRY | flat, max_size=3) | values)
def test_harbor_page_of_any_json_is_parsed_or_malformed(document):
    body = json.dumps(document).encode()
    for parse in (partial(parse_entries, parse_artifact), partial(parse_entries, parse_name), parse_system_info):
        try:
            parsed = parse(body)
        except MalformedResponse:
            continue
        if parse is parse_system_info:
            assert {*map(type, parsed)} == {bool}
    try:
        artifacts = parse_entries(parse_artifact, body)
    except MalformedResponse:
        return
    for artifact in artifacts:
        assert all(isinstance(tag, str) and tag for tag in artifact.tags)
        assert artifact.image is None or is_digest(artifact.image.digest)
        assert all(is_digest(accessory.image.digest) for accessory in artifact.accessories)
