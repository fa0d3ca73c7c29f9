"""A page of the catalog: `{"repositories": ["a", "b/c"]}`."""

from dataclasses import dataclass

from crawler.wire.fields import read_object, read_strings


@dataclass(frozen=True, slots=True)
class CatalogPage:
    """Names as the registry gave them, unchecked; `skipped` counts entries that were no strings."""

    names: tuple[str, ...]
    skipped: int


def read_catalog(body: bytes) -> CatalogPage:
    """Read one page; a missing or null list is an empty one. Raises MalformedReply."""
    return CatalogPage(*read_strings(read_object(body).get("repositories"), "repositories"))
