"""Long lists are parsed in linear time, counted in hashes and comparisons of their entries instead of seconds."""

from collections.abc import Callable
from typing import Any

import pytest

from crawler.model.image import Image
from crawler.model.record import Listing
from crawler.wire import json_fields
from crawler.wire.json_fields import parse_strings
from crawler.wire.tags import merge_listings


class Counted(str):
    """A string that counts how often any such string is hashed or compared."""

    __slots__ = ()
    work = 0

    def __hash__(self) -> int:
        Counted.work += 1
        return str.__hash__(self)

    def __eq__(self, other: object) -> bool:
        Counted.work += 1
        return str.__eq__(self, other)

    def __lt__(self, other: str) -> bool:
        Counted.work += 1
        return str.__lt__(self, other)


def work_of(parse: Callable[[Any], object], values: Any) -> int:
    Counted.work = 0
    parse(values)
    return Counted.work


def strings(count: int) -> list[str]:
    """Each string twice, as two objects."""
    return [Counted(f"v{number}") for number in [*range(count), *range(count)]]


def pages(count: int) -> list[Listing]:
    """Pages of ten tags and images. Each page also has the entries of the page before."""

    def page(number: int) -> Listing:
        names = [Counted(f"{entry:08}") for entry in range(max(number - 10, 0), number + 10)]
        images = tuple(Image(name, (name,)) for name in names)
        return Listing(tuple(names), images, tuple(names))

    return [page(number) for number in range(0, count, 10)]


def only_strings(values: list[str]) -> object:
    return parse_strings(values, "tags")


def strings_and_others(values: list[str]) -> object:
    return parse_strings([None, *values], "tags")


@pytest.mark.parametrize(
    ("parse", "make"),
    [(only_strings, strings), (strings_and_others, strings), (merge_listings, pages)],
    ids=["strings", "strings-and-others", "pages"],
)
def test_list_parsing_is_linear(parse, make, monkeypatch):
    """Ten times the entries cost ten times the work, and a little for sorting, but not a hundred times."""
    monkeypatch.setattr(json_fields, "ONLY_STRINGS", frozenset({str, Counted}))
    small, large = (work_of(parse, make(count)) for count in (100, 1000))
    assert small >= 100
    assert large <= 20 * small
