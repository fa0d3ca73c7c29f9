"""A page of the catalog: `{"repositories": ["a", "b/c"]}` (distribution-spec, "Listing Repositories")."""

from collections.abc import Sequence
from dataclasses import dataclass

from crawler.errors import MalformedResponse
from crawler.wire.json_fields import names_next_page, parse_object, parse_strings


@dataclass(frozen=True, slots=True)
class CatalogPage:
    """One page of the catalog, in the form that the pager needs; see `registry.pager.Page`.

    Attributes:
        names: as the registry sends them, without duplicates and in its order. They are not checked.
        skipped: the number of entries that are not strings.
        length: the number of entries, with duplicates and with entries that are not strings.
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
        return self.names

    @property
    def lengths(self) -> tuple[int, ...]:
        return (self.length,)


def parse_catalog(body: bytes) -> CatalogPage:
    """Parse one page. A null list is an empty list: Artifact Registry sends one (GoogleCloudPlatform/gcr-cleaner#112).

    Raises MalformedResponse for a body that is not a JSON object, or without a list, or with errors beside the list.
    """
    document = parse_object(body)
    if "repositories" not in document:
        raise MalformedResponse("a catalog without 'repositories'")
    names_next = names_next_page(document)
    repositories = document["repositories"]
    names, skipped = parse_strings(repositories, "repositories")
    return CatalogPage(names, skipped, len(repositories or ()), names_next)
