"""GitLab's list of names, where repositories come and go between its pages."""

from typing import Any

import pytest
from registries import crawls, gitlab_api
from registries.gitlab_api import StoredTag, repositories_path
from registries.vocabulary import WITH_PASSWORD
from support.scripted import document, on, serve

pytestmark = pytest.mark.usefixtures("few_authorities")

GROUP = repositories_path("groups", "team")
NAMES = ("team/a", "team/b", "team/c", "team/d", "team/z")
INVENTORY = {name: (StoredTag(name="1", number=1),) for name in NAMES}


def page(number: int, names: str, total: int | None, following: int | None) -> Any:
    link = [] if following is None else [("Link", f'<{GROUP}?page={following}&per_page=2>; rel="next"')]
    count = [] if total is None else [("X-Total", str(total))]
    listed = [{"path": f"team/{name}"} for name in names]
    return on(GROUP, document(listed, *link, *count), query={"page": None if number == 1 else str(number)})


@pytest.mark.parametrize(
    ("pages", "verdict", "text"),
    [
        ([page(1, "ab", 4, 2), page(2, "d", 3, None)], "partial", "3 of 4 repositories of the group team"),
        ([page(1, "ab", 3, 2), page(2, "bc", 4, None)], "complete", "3 of 3 repositories of the group team"),
        ([page(1, "ab", 3, 2), page(2, "cz", 4, None)], "complete", "4 of 4 repositories of the group team"),
        ([page(1, "ab", 3, 2), page(2, "c", None, None)], "complete", "3 of 3 repositories of the group team"),
    ],
    ids=["one of the first page is deleted", "one comes first", "one comes last", "a count on the first page alone"],
)
async def test_gitlab_count_of_names_is_that_of_every_page(pages, verdict, text, tmp_path):
    """What is deleted from a page that was read moves one name to it, where nobody reads it any more."""
    async with serve([*pages, *gitlab_api.registry(INVENTORY)]) as server:
        snapshot = await crawls.crawl(
            server,
            tmp_path,
            target=f"{server.host}/team",
            images={"depth": "tags"},
            **{"kind": "gitlab", "discovery": "api", "apis": {"own": "{origin}"}, **WITH_PASSWORD},
        )
    assert snapshot.manifest["verdict"] == verdict
    assert f"GitLab's API listed {text}" in snapshot.manifest["discovery"]["evidence"]
