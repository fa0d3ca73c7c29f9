"""A page of the catalog: `{"repositories": ["a", "b/c"]}`."""

from collections.abc import Sequence
from dataclasses import dataclass

from crawler.errors import MalformedResponse
from crawler.wire.json_fields import names_next_page, parse_object, parse_strings


@dataclass(frozen=True, slots=True)
class CatalogPage:
    """Names as the registry gave them, unchecked.

    Attributes:
        skipped: how many entries were no strings.
        length: how many entries there were, such and duplicates among them.
        names_next: whether the body names a next page.
    """

    names: tuple[str, ...]
    skipped: int = 0
    length: int = 0
    names_next: bool = False

    @property
    def entries(self) -> Sequence[str]:
        return self.names

    @property
    def ordered(self) -> Sequence[str]:
        """The entries by which a `last` goes on."""
        return self.names

    @property
    def lengths(self) -> tuple[int, ...]:
        """By how many entries the registry may have measured the page."""
        return (self.length,)


def parse_catalog(body: bytes) -> CatalogPage:
    """Read one page; a null list is an empty one.

    Raises MalformedReply, also where there is no list at all, or errors beside it.
    """
    document = parse_object(body)
    if "repositories" not in document:
        raise MalformedResponse("a catalog without 'repositories'")
    names_next = names_next_page(document)
    repositories = document["repositories"]
    names, skipped = parse_strings(repositories, "repositories")
    return CatalogPage(names, skipped, len(repositories or ()), names_next)
