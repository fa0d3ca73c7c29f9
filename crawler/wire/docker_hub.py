"""A page of Docker Hub's API: `{"count": 287, "next": "https://…?page=2", "results": [{"name": "app"}]}`."""

from dataclasses import dataclass
from typing import Any

from crawler.errors import MalformedResponse
from crawler.wire.json_fields import parse_object
from crawler.wire.link import next_url


@dataclass(frozen=True, slots=True)
class HubPage:
    """Names below their namespace, how many there are on all pages, and the next one's address or None."""

    names: tuple[str, ...]
    count: int
    next_url: str | None


def parse_hub_page(body: bytes, requested: str) -> HubPage:
    """Read the page that came from the address `requested`. Raises MalformedReply."""
    document = parse_object(body)
    results, count, following = (document.get(field) for field in ("results", "count", "next"))
    if not isinstance(results, list) or isinstance(count, bool) or not isinstance(count, int):
        raise MalformedResponse("a page without 'results' and 'count'")
    if following is not None and not isinstance(following, str):
        raise MalformedResponse("'next' is not an address")
    address = next_url(following, requested) if following else None
    return HubPage(tuple(_name(told) for told in results), count, address)


def _name(told: Any) -> str:
    name = told.get("name") if isinstance(told, dict) else None
    if not isinstance(name, str) or not name:
        raise MalformedResponse("a repository without a name")
    return name
