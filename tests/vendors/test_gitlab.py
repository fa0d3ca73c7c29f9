"""GitLab's APIs: names from GitLab, and images from the registry's own host, many in one exchange."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registries import crawls, gitlab_api
from registries.gitlab_api import (
    NO_DATABASE,
    NOT_FOUND,
    OCI_INDEX,
    SBOM,
    StoredTag,
    registry,
    repositories,
    repositories_path,
    tags_path,
    with_read_api,
)
from registries.vocabulary import BASIC, PASSWORD, WITH_PASSWORD
from support.api_images import api_image, numbered_digest
from support.json_values import flat, text, values
from support.scripted import ScriptedServer, document, on, serve
from support.snapshots import Snapshot

from crawler.errors import MalformedResponse
from crawler.vendors.gitlab import images_of, parse_names, parse_tags, possible_places
from crawler.wire.digest import is_digest

pytestmark = pytest.mark.usefixtures("few_authorities")

GROUP = repositories_path("groups", "team")
INVENTORY = {
    "team/app": (
        StoredTag(name="1.0", number=1, referrers=((SBOM, 7),)),
        StoredTag(name="latest", number=1, updated="2026-03-01T00:00:00.5Z", referrers=((SBOM, 7),)),
        StoredTag(name="multi", number=2, media_type=OCI_INDEX, size=5000),
        StoredTag(name="v1", number=1, referrers=((SBOM, 7),)),
    ),
    "team/app/cache": (StoredTag(name="buildcache", number=3),),
    "team/sub/web": (StoredTag(name="v2", number=4, updated="2026-02-01T00:00:00.000Z"),),
}


async def crawl(server: ScriptedServer, folder: Path, *, prefix: str = "/team", **changes: Any) -> Snapshot:
    """Crawl with a login whose password is a token with read_api."""
    images = {"depth": changes.pop("depth", "digests"), "referrers": changes.pop("referrers", "none")}
    settings = {"kind": "gitlab", "discovery": "api", "images_from": "api", "apis": {"own": "{origin}"}}
    return await crawls.crawl(
        server, folder, target=f"{server.host}{prefix}", images=images, **{**settings, **WITH_PASSWORD, **changes}
    )


def image(number: int, *tags: str, **told: Any) -> dict[str, Any]:
    """An image of a record, with what the API tells of a tag that never moved."""
    usual = {"media_type": gitlab_api.OCI_IMAGE, "size_bytes": 1000, "updated_at": "2026-01-01T00:00:00.000Z"}
    return api_image(numbered_digest(number), *tags, **{**usual, **told})


SBOM_OF_APP = {
    **dict.fromkeys(("predicate_type", "size_bytes", "created_at")),
    "digest": numbered_digest(7),
    "via": "bulk",
    "kind": "sbom",
    "artifact_type": SBOM,
}
IMAGES = {
    "team/app": [
        image(1, "1.0", "latest", "v1", updated_at="2026-03-01T00:00:00.500Z", referrers=[SBOM_OF_APP]),
        image(2, "multi", kind="index", media_type=OCI_INDEX, size_bytes=5000, referrers=[]),
    ],
    "team/app/cache": [image(3, "buildcache")],
    "team/sub/web": [image(4, "v2", updated_at="2026-02-01T00:00:00.000Z")],
}


def api_names(**changes: Any) -> tuple[Any, ...]:
    return with_read_api(repositories(GROUP, tuple(INVENTORY), **changes))


def requests_of_manifests(server: ScriptedServer) -> list[str]:
    return [path for path in server.paths if "/manifests/" in path or "/blobs/" in path]


async def test_gitlab_crawl_has_what_the_apis_tell(tmp_path):
    async with serve([*api_names(size=2), *registry(INVENTORY, size=2)]) as server:
        snapshot = await crawl(server, tmp_path)
    assert {name: record["images"] for name, record in snapshot.by_name.items()} == IMAGES
    assert {name: record["tags"] for name, record in snapshot.by_name.items()} == {
        name: [tag.name for tag in tags] for name, tags in INVENTORY.items()
    }
    assert snapshot.manifest["verdict"] == "complete"
    assert snapshot.manifest["discovery"]["evidence"] == (
        "GitLab's API listed 3 of 3 repositories of the group team and its subgroups, "
        "which are all that the account may see"
    )
    assert requests_of_manifests(server) == []
    assert {request.query["per_page"][0] for request in server.asked(GROUP)} == {"100", "2"}
    assert {request.query["n"][0] for request in server.asked(tags_path("team/app"))} == {"1000", "2"}


async def test_gitlab_images_need_no_url_of_gitlab(tmp_path):
    """They are at the registry's own host, where names come from the catalog."""
    async with serve(registry(INVENTORY)) as server:
        snapshot = await crawl(server, tmp_path, discovery="auto", images_from="auto", apis={})
    assert {name: record["images"] for name, record in snapshot.by_name.items()} == IMAGES
    assert snapshot.manifest["discovery"]["method"] == "catalog"
    assert requests_of_manifests(server) == []


async def test_gitlab_password_goes_to_the_api_and_the_token_server_alone(tmp_path):
    async with serve([*api_names(), *registry(INVENTORY)]) as server:
        await crawl(server, tmp_path)
    assert {request.path for request in server.requests if request.authorization == f"Bearer {PASSWORD}"} == {GROUP}
    assert {request.path for request in server.requests if request.authorization == BASIC} == {"/jwt/auth"}


async def test_gitlab_token_of_the_api_goes_before_the_password(tmp_path):
    (tmp_path / "token").write_text("glpat-of-the-api")
    script = [on(GROUP, document([{"path": "team/app"}]), headers={"Authorization": "Bearer glpat-of-the-api"})]
    async with serve([*script, *registry(INVENTORY)]) as server:
        apis = {"own": server.origin, "token_file": str(tmp_path / "token")}
        snapshot = await crawl(server, tmp_path, apis=apis)
    assert list(snapshot.by_name) == ["team/app"]
    assert b"glpat-of-the-api" not in b"".join(path.read_bytes() for path in snapshot.folder.iterdir())


async def test_gitlab_price_of_ten_thousand_images_is_ten_exchanges(tmp_path):
    tags = [StoredTag(name=f"v{number:05}", number=number) for number in range(10_000)]
    script = [*with_read_api(repositories(GROUP, ["team/app"])), *registry({"team/app": tags})]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path)
    assert len(server.asked(tags_path("team/app"))) == 10
    assert len(server.asked(GROUP)) == 1
    assert len(server.asked("/jwt/auth")) == 1
    assert len(server.requests) == 10 + 1 + 1 + len(server.asked("/v2/"))
    assert len(snapshot.records[0]["images"]) == 10_000
    assert snapshot.manifest["verdict"] == "complete"


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (gitlab_api.UNAUTHORIZED, "401 HTTP_401: 401 Unauthorized (the API takes an access token with the scope read_"),
        (document({"message": "403 Forbidden"}, status=403), "and the Reporter role in the group or project"),
        (NOT_FOUND, "404 HTTP_404: GitLab has no group or project team that the account may see: check the target's"),
        (document({"message": "500"}), "a JSON object where a list belongs"),
        (document([{"path": None}]), "a repository without 'path'"),
    ],
    ids=["401", "403", "404", "another document", "a name of null"],
)
async def test_gitlab_closed_api_of_names_leaves_the_catalog(reply, why, tmp_path):
    async with serve([on(GROUP, reply), *registry(INVENTORY)]) as server:
        snapshot = await crawl(server, tmp_path)
    assert {name: record["images"] for name, record in snapshot.by_name.items()} == IMAGES
    assert snapshot.manifest["discovery"]["method"] == "catalog"
    assert snapshot.manifest["verdict"] == "complete"
    assert why in snapshot.manifest["discovery"]["evidence"]


@pytest.mark.parametrize(
    "reply",
    [
        NO_DATABASE,
        document({"errors": [{"code": "DENIED", "message": "no"}]}, status=401),
        document({"errors": [{"code": "DENIED", "message": "no"}]}, status=403),
        document({"errors": [{"code": "INVALID_QUERY_PARAMETER_VALUE", "message": "n"}]}, status=400),
        document([{"name": 1}]),
    ],
    ids=["404", "401", "403", "400", "nonsense"],
)
async def test_gitlab_closed_api_of_tags_leaves_the_protocol(reply, tmp_path):
    inventory = {f"team/app-{number}": INVENTORY["team/sub/web"] for number in range(8)}
    script = [*with_read_api(repositories(GROUP, tuple(inventory))), *registry(inventory, api=reply)]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, depth="tags")
    assert {name: record["tags"] for name, record in snapshot.by_name.items()} == {name: ["v2"] for name in inventory}
    assert snapshot.manifest["verdict"] == "complete"
    asked = {path for path in server.paths if path.startswith("/gitlab/v1/")}
    assert len(asked) == 3, "closed once and for all after three refusals"


async def test_gitlab_names_of_a_project_and_of_a_part_of_its_repositories(tmp_path):
    """404 on groups: the prefix is a project, or begins with one."""
    project = repositories_path("projects", "team/app")
    tried = [repositories_path("groups", "team/app/cache"), repositories_path("projects", "team/app/cache")]
    names = ["team/app", "team/app/cache"]
    script = [on(path, NOT_FOUND) for path in tried]
    async with serve([*script, *with_read_api(repositories(project, names)), *registry(INVENTORY)]) as server:
        snapshot = await crawl(server, tmp_path, prefix="/team/app/cache")
    assert list(snapshot.by_name) == ["team/app/cache"]
    assert snapshot.manifest["verdict"] == "complete"
    assert "listed 2 of 2 repositories of the project team/app, which" in snapshot.manifest["discovery"]["evidence"]
    (asked,) = server.asked(project)
    assert asked.target.startswith("/api/v4/projects/team%2Fapp/registry/repositories?")


@pytest.mark.parametrize(
    ("prefix", "places"),
    [
        ("a", ["groups a"]),
        ("a/b", ["groups a/b", "projects a/b"]),
        ("a/b/c/d/e", ["groups a/b/c/d/e", "projects a/b/c/d/e", "projects a/b/c/d", "projects a/b/c"]),
    ],
)
def test_gitlab_places_that_a_prefix_may_be_in(prefix, places):
    assert [" ".join(place) for place in possible_places(prefix)] == places


async def test_gitlab_404_of_a_later_page_is_no_other_place(tmp_path):
    """A group that was listed in part is not looked for as a project."""
    group = repositories_path("groups", "team/app")
    first, *_ = repositories(group, ["team/app", "team/app/cache"], size=1)
    script = [*with_read_api([first]), on(group, NOT_FOUND, query={"page": "2"})]
    async with serve([*script, *registry(INVENTORY)]) as server:
        snapshot = await crawl(server, tmp_path, prefix="/team/app")
    assert snapshot.manifest["verdict"] == "partial"
    assert "listed 1 of 2 repositories" in snapshot.manifest["discovery"]["evidence"]
    assert "then failed: GET " in snapshot.manifest["discovery"]["evidence"]
    assert list(snapshot.by_name) == ["team/app"]


@pytest.mark.parametrize("total", [2, 4])
async def test_gitlab_total_that_disagrees_is_partial(total, tmp_path):
    async with serve([*api_names(total=total), *registry(INVENTORY)]) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.manifest["verdict"] == "partial"
    assert f"listed 3 of {total} repositories of the group team" in snapshot.manifest["reasons"][0]
    assert len(snapshot.records) == 3


@pytest.mark.parametrize(("headers", "verdict"), [([], "complete"), ([("X-Next-Page", "2")], "partial")])
async def test_gitlab_total_that_is_not_told_leaves_the_next_page(headers, verdict, tmp_path):
    """Above 10,000 repositories GitLab counts no more. A proxy may remove the links."""
    names = on(GROUP, document([{"path": name} for name in INVENTORY], *headers))
    async with serve([names, *registry(INVENTORY)]) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.manifest["verdict"] == verdict
    assert ("names a next page without a link" in snapshot.manifest["discovery"]["evidence"]) == (verdict == "partial")


async def test_gitlab_without_repositories_proves_nothing(tmp_path):
    catalog = on("/v2/_catalog", document({"repositories": []}))
    async with serve([*with_read_api(repositories(GROUP, [])), catalog, *registry({})]) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.manifest["verdict"] == "partial"
    assert (
        "lists no repository of the group team and its subgroups, which proves nothing: check the"
        in (snapshot.manifest["discovery"]["evidence"])
    )


async def test_gitlab_next_link_of_a_proxy_stays_with_the_requested_list(tmp_path):
    async with serve([*api_names(size=1, host="http://gitlab.internal:8080"), *registry(INVENTORY)]) as server:
        snapshot = await crawl(server, tmp_path)
    assert set(snapshot.by_name) == set(INVENTORY)


async def test_gitlab_referrers_come_with_every_page(tmp_path):
    """The next link leaves `referrers` out."""
    tags = [
        StoredTag(name="a", number=1, referrers=((SBOM, 11),)),
        StoredTag(name="b", number=2),
        StoredTag(name="c", number=3, referrers=(("application/vnd.dev.cosign.artifact.sig.v1+json", 13),)),
    ]
    script = [*with_read_api(repositories(GROUP, ["team/app"])), *registry({"team/app": tags}, size=1)]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, referrers="api")
    referrers = {image["tags"][0]: image["referrers"] for image in snapshot.records[0]["images"]}
    assert [(one["digest"], one["kind"], one["via"]) for one in referrers["a"]] == [
        (numbered_digest(11), "sbom", "bulk")
    ]
    assert referrers["b"] == []
    assert [(one["digest"], one["kind"]) for one in referrers["c"]] == [(numbered_digest(13), "signature")]
    assert not [path for path in server.paths if "/referrers/" in path], "what the API told is not asked again"


async def test_gitlab_image_without_a_tag_is_not_proved_to_be_gone(tmp_path):
    """The API lists tags alone, so the image of a signature may be there."""
    signature = StoredTag(name=f"sha256-{8:064x}.sig", number=9)
    script = [*with_read_api(repositories(GROUP, ["team/app"])), *registry({"team/app": [signature]})]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, referrers="listed")
    assert snapshot.records[0]["problems"] == []


async def test_gitlab_images_without_depth_are_as_the_api_tells_them(tmp_path):
    async with serve([*api_names(), *registry(INVENTORY)]) as server:
        snapshot = await crawl(server, tmp_path, depth="tags")
    kinds = {found["digest"]: found["kind"] for found in snapshot.by_name["team/app"]["images"]}
    assert kinds == {numbered_digest(1): None, numbered_digest(2): "index"}


async def test_gitlab_full_page_without_a_link_is_not_the_end(tmp_path):
    tags = [StoredTag(name=f"v{number:04}", number=number) for number in range(2000)]
    own = gitlab_api.tag_pages("team/app", tags, links=False)
    script = [*with_read_api(repositories(GROUP, ["team/app"])), *own, *registry({"team/app": tags})]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.records[0]["tags"] == [tag.name for tag in tags]
    assert [request.query.get("last") for request in server.asked(tags_path("team/app"))] == [
        None,
        ["v0999"],
        ["v1999"],
    ]


async def test_gitlab_tag_without_a_digest_is_resolved_by_the_protocol(tmp_path):
    entry = StoredTag(name="old", number=5).document(with_referrers=False)
    own = on(tags_path("team/app"), document([{**entry, "digest": "sha256:short"}]))
    body = {"schemaVersion": 2, "mediaType": gitlab_api.OCI_IMAGE, "layers": []}
    manifest = document(body, ("Content-Type", gitlab_api.OCI_IMAGE))
    script = [
        *with_read_api(repositories(GROUP, ["team/app"])),
        own,
        on("/v2/team/app/manifests/old", manifest),
        *registry({"team/app": INVENTORY["team/app/cache"]}),
    ]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path)
    (record,) = snapshot.records
    assert record["tags"] == ["old"]
    assert [found["tags"] for found in record["images"]] == [["old"]]
    assert requests_of_manifests(server) == ["/v2/team/app/manifests/old"]


async def test_gitlab_repository_without_tags_is_asked_of_the_protocol(tmp_path):
    script = [*with_read_api(repositories(GROUP, ["team/app"])), *registry({"team/app": ()})]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.outcomes == {"team/app": "ok"}
    assert len(server.asked("/v2/team/app/tags/list")) == 1


def test_gitlab_referrers_of_a_registry_that_lists_none_are_unknown():
    body = json.dumps([StoredTag(name="a", number=1).document(with_referrers=True)]).encode()
    assert [found.referrers for found in images_of(parse_tags(body))] == [None]


def test_gitlab_update_before_published_at_is_the_tags():
    entry = StoredTag(name="a", number=1, updated="2026-05-05T05:05:05.005Z").document(with_referrers=False)
    for field, expected in (("published_at", "2026-05-05T05:05:05.005Z"), ("updated_at", "2026-01-01T00:00:00.000Z")):
        del entry[field]
        (tag,) = parse_tags(json.dumps([entry]).encode())
        assert tag.image is not None
        assert tag.image.updated_at == expected


REFERRERS = st.lists(st.fixed_dictionaries({}, optional={"artifactType": flat, "digest": flat}), max_size=2)
TAGS = st.fixed_dictionaries(
    {},
    optional={
        "name": text | flat,
        "digest": st.sampled_from([numbered_digest(1), numbered_digest(2)]) | flat,
        "media_type": st.just(OCI_INDEX) | flat,
        "size_bytes": flat,
        "created_at": text | flat,
        "published_at": st.just("2026-01-01T00:00:00Z") | flat,
        "referrers": REFERRERS | flat,
    },
)


@settings(max_examples=200)
@given(values | st.lists(TAGS, max_size=3))
def test_gitlab_tags_of_any_json_are_parsed_or_malformed(body):
    try:
        tags = parse_tags(json.dumps(body).encode())
    except MalformedResponse:
        return
    assert all(tag.name for tag in tags)
    assert all(is_digest(found.digest) for found in images_of(tags))


@settings(max_examples=200)
@given(values | st.lists(st.fixed_dictionaries({}, optional={"path": text | flat}), max_size=3))
def test_gitlab_names_of_any_json_are_parsed_or_malformed(body):
    try:
        names = parse_names(json.dumps(body).encode())
    except MalformedResponse:
        return
    assert all(names)
