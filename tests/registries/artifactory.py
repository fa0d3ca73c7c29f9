"""Artifactory: an API below a path, links that leave the path out, digests among the tags."""

from support.scripted import Entry

from .vocabulary import WITH_PASSWORD, Scripted, guarded_by_basic, names_of, paged, relative, tags_of

API_PATH = "/artifactory/api/docker/images/v2/"
DIGEST = "sha256:" + "0123456789abcdef" * 4
REPOSITORIES = {"app": ("1.0", DIGEST, "latest"), "team/web": ("7",), "team/job": ("nightly", "weekly")}


def catalog() -> list[Entry]:
    return paged(
        f"{API_PATH}_catalog", names_of, list(REPOSITORIES), size=2, link_url=relative("/v2/_catalog", 2), sizes="2"
    )


def listings(name: str) -> list[Entry]:
    """Two tags a page, whatever is requested. These links leave the path out, too."""
    path = f"{name}/tags/list"
    return paged(f"{API_PATH}{path}", tags_of(name), REPOSITORIES[name], size=2, link_url=relative(f"/v2/{path}", 2))


ARTIFACTORY = Scripted(
    kind="artifactory",
    script=guarded_by_basic(
        'Basic realm="Artifactory Realm"',
        [*catalog(), *(entry for name in REPOSITORIES for entry in listings(name))],
        base=API_PATH,
    ),
    repositories=REPOSITORIES,
    config={**WITH_PASSWORD, "page_size": 2, "api_path": API_PATH},
    password_paths=frozenset(
        {API_PATH, f"{API_PATH}_catalog", *(f"{API_PATH}{name}/tags/list" for name in REPOSITORIES)}
    ),
    evidence="the catalog listed 3 names on 2 pages: no next link",
    exchanges=2 + 2 + 3 + 1,
)
