"""A page of the catalog: `{"repositories": ["a", "b/c"]}`."""

from dataclasses import dataclass

from crawler.errors import MalformedReply
from crawler.wire.fields import read_object, read_strings


@dataclass(frozen=True, slots=True)
class CatalogPage:
    """Names as the registry gave them, unchecked; `skipped` counts entries that were no strings."""

    names: tuple[str, ...]
    skipped: int


def read_catalog(body: bytes) -> CatalogPage:
    """Read one page; a null list is an empty one. Raises MalformedReply, also where there is no list at all."""
    document = read_object(body)
    if "repositories" not in document:
        raise MalformedReply("a catalog without 'repositories'")
    return CatalogPage(*read_strings(document["repositories"], "repositories"))
