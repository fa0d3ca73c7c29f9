"""Lists of Harbor's API: counts that disagree, pages that move, and what is not listed."""

import pytest
from registries.crawls import crawl
from registries.harbor_api import (
    ALL_REPOSITORIES,
    ANONYMOUS,
    ARTIFACTS,
    HARBOR,
    NOT_FOUND,
    PROJECTS,
    api,
    artifacts_path,
    crawl_digests,
    digest,
    named,
    pages,
    public,
    registry,
    repositories_path,
    tags_by_name,
    with_login,
)
from support.scripted import document, on, serve

pytestmark = pytest.mark.usefixtures("few_authorities")


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
    assert (record["tags"], record["suspect"]) == (["0", "odd"], None)
    assert [each["tags"] for each in record["images"]] == [["0"]]


@pytest.mark.parametrize("reply", [NOT_FOUND, document({"errors": []}, status=500), document({"nonsense": 1})])
async def test_harbor_project_that_cannot_be_listed_does_not_hide_the_others(reply, tmp_path):
    """It may have been deleted since the projects were listed. The projects after it are listed all the same."""
    broken = [on(ALL_REPOSITORIES, NOT_FOUND), on(repositories_path("a"), reply)]
    artifacts = {"a/gone": MANY[:1], "b/app": MANY[:1], "c/app": MANY[:1]}
    async with serve([*broken, *public(artifacts)]) as server:
        snapshot = await crawl_digests(server, tmp_path, **ANONYMOUS)
    assert set(snapshot.by_name) == {"b/app", "c/app"}
    assert snapshot.manifest["verdict"] == "partial"
    assert (
        "Harbor's API listed 2 repositories; it did not list 1 of 3 projects, for example GET "
        in (snapshot.manifest["discovery"]["evidence"])
    )
