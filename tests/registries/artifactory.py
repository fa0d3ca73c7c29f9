"""Artifactory: a registry below a path, which its links forget; digests among the tags."""

from support.scripted import Entry

from .vocabulary import WITH_PASSWORD, Scripted, behind_basic, names_of, paged, relative, tags_of

API_PATH = "/artifactory/api/docker/images/v2/"
DIGEST = "sha256:" + "0123456789abcdef" * 4
HOLDS = {"app": ("1.0", DIGEST, "latest"), "team/web": ("7",), "team/job": ("nightly", "weekly")}


def catalog() -> list[Entry]:
    return paged(f"{API_PATH}_catalog", names_of, list(HOLDS), size=2, address=relative("/v2/_catalog", 2), sizes="2")


def listings(name: str) -> list[Entry]:
    """Two tags a page, whatever is asked for: the links of listings have lost the path as well."""
    path = f"{name}/tags/list"
    return paged(f"{API_PATH}{path}", tags_of(name), HOLDS[name], size=2, address=relative(f"/v2/{path}", 2))


ARTIFACTORY = Scripted(
    kind="artifactory",
    script=behind_basic(
        'Basic realm="Artifactory Realm"',
        [*catalog(), *(entry for name in HOLDS for entry in listings(name))],
        base=API_PATH,
    ),
    holds=HOLDS,
    config={**WITH_PASSWORD, "page_size": 2, "api_path": API_PATH},
    shown_to=frozenset({API_PATH, f"{API_PATH}_catalog", *(f"{API_PATH}{name}/tags/list" for name in HOLDS)}),
    evidence="the catalog listed 3 names on 2 pages: no next link",
    exchanges=2 + 2 + 3 + 1,
)
