"""Nexus: links to its internal host and path, null in place of tags that it no longer has."""

from .vocabulary import WITH_PASSWORD, Scripted, guarded_by_basic, listing, names_of, paged

REPOSITORIES = {"app": ("1.0", "latest"), "team/emptied": (), "team/web": ("7",)}
LISTED = {"app": ("1.0", None, "latest"), "team/emptied": (), "team/web": (None, "7")}
CATALOG = "/v2/_catalog"

NEXUS = Scripted(
    kind="nexus",
    script=guarded_by_basic(
        'BASIC realm="Sonatype Nexus Repository Manager"',
        [
            *paged(
                CATALOG,
                names_of,
                list(REPOSITORIES),
                size=2,
                link_url=lambda cursor: f"http://nexus.internal:8081/repository/docker/v2/_catalog?n=2&last={cursor}",
                sizes="2",
            ),
            *(listing(name, tags) for name, tags in LISTED.items()),
        ],
    ),
    repositories=REPOSITORIES,
    config={**WITH_PASSWORD, "page_size": 2},
    password_paths=frozenset({"/v2/", CATALOG, *(f"/v2/{name}/tags/list" for name in REPOSITORIES)}),
    evidence="the catalog listed 3 names on 2 pages: no next link",
    exchanges=2 + 2 + 3,
)
