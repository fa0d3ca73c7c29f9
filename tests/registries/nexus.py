"""Nexus: links to where it believes to be, and null for tags that it has no more."""

from .vocabulary import WITH_PASSWORD, Scripted, behind_basic, listing, names_of, paged

HOLDS = {"app": ("1.0", "latest"), "team/emptied": (), "team/web": ("7",)}
TOLD = {"app": ("1.0", None, "latest"), "team/emptied": (), "team/web": (None, "7")}
CATALOG = "/v2/_catalog"

NEXUS = Scripted(
    kind="nexus",
    script=behind_basic(
        'BASIC realm="Sonatype Nexus Repository Manager"',
        [
            *paged(
                CATALOG,
                names_of,
                list(HOLDS),
                size=2,
                address=lambda cursor: f"http://nexus.internal:8081/repository/docker/v2/_catalog?n=2&last={cursor}",
                sizes="2",
            ),
            *(listing(name, tags) for name, tags in TOLD.items()),
        ],
    ),
    holds=HOLDS,
    config={**WITH_PASSWORD, "page_size": 2},
    shown_to=frozenset({"/v2/", CATALOG, *(f"/v2/{name}/tags/list" for name in HOLDS)}),
    evidence="the catalog listed 3 names on 2 pages: no next link",
    exchanges=2 + 2 + 3,
)
