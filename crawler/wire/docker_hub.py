"""A page of Docker Hub's API: `{"count": 287, "next": "https://…?page=2", "results": [{"name": "app"}]}`.

(`/v2/namespaces/NAMESPACE/repositories` of https://hub.docker.com.)
"""

from dataclasses import dataclass
from typing import Any

from crawler.errors import MalformedResponse
from crawler.wire.json_fields import parse_object
from crawler.wire.link import next_url


@dataclass(frozen=True, slots=True)
class HubPage:
    """One page of a namespace's repositories.

    Attributes:
        names: of the repositories, below their namespace.
        count: the number of repositories on all pages together.
        next_url: the URL of the next page, on the origin of this page; None on the last page.
    """

    names: tuple[str, ...]
    count: int
    next_url: str | None


def parse_hub_page(body: bytes, requested: str) -> HubPage:
    """Parse the page at the URL `requested`. Raises MalformedResponse."""
    document = parse_object(body)
    results, count, link = (document.get(field) for field in ("results", "count", "next"))
    if not isinstance(results, list) or isinstance(count, bool) or not isinstance(count, int):
        raise MalformedResponse("a page without 'results' and 'count'")
    if link is not None and not isinstance(link, str):
        raise MalformedResponse("'next' is not a URL")
    return HubPage(tuple(map(_parse_name, results)), count, next_url(link, requested) if link else None)


def _parse_name(result: Any) -> str:
    name = result.get("name") if isinstance(result, dict) else None
    if not isinstance(name, str) or not name:
        raise MalformedResponse("a repository without a name")
    return name
