"""The query of a page's URL: `n`, the size of the page, and `last`, the cursor (distribution-spec, "Listing Tags").

The query is edited as text, parameter by parameter. Everything but the edited parameter may belong to the registry's
own cursor, and keeps its order and its encoding.
"""

from typing import Final
from urllib.parse import quote, unquote

_MAX_DIGITS: Final = 18
"""A longer number is no page size. int() raises ValueError for one of more than 4,300 digits."""


def page_size_of(url: str) -> int | None:
    """The page size `n` that a URL asks for, or None where it asks for none, or in anything but plain digits."""
    match _values(url, "n"):
        case [size] if size.isascii() and size.isdigit() and len(size) <= _MAX_DIGITS:
            return int(size)
        case _:
            return None


def with_page_size(url: str, size: int | None) -> str:
    """The URL, asking for pages of `size` entries. None leaves the size to the registry."""
    return _with_parameter(url, "n", None if size is None else str(size))


def with_cursor(url: str, last: str) -> str:
    """The URL of the page after the entry `last`, by a cursor that the crawler makes itself."""
    return _with_parameter(url, "last", quote(last, safe=""))


def has_cursor(url: str, last: str) -> bool:
    """Whether the URL's cursor is this entry in plain text, rather than one that only the registry can make."""
    return [unquote(value) for value in _values(url, "last")] == [last]


def is_start_of_list(url: str) -> bool:
    """Whether the URL has an empty cursor, and no other cursor beside it.

    Cloudflare's serverless registry puts a link on every page. On the empty page after the last entry, its cursor is
    empty (cloudflare/serverless-registry, src/router.ts). Quay's links also have an empty `last`, beside `next_page`.
    """
    names = {part.partition("=")[0] for part in url.partition("?")[2].split("&")}
    return names <= {"n", "last"} and _values(url, "last") == [""]


def _with_parameter(url: str, name: str, value: str | None) -> str:
    path, _, query = url.partition("?")
    kept = [part for part in query.split("&") if part and not part.startswith(f"{name}=")]
    if value is not None:
        kept.append(f"{name}={value}")
    return f"{path}?{'&'.join(kept)}" if kept else path


def _values(url: str, name: str) -> list[str]:
    """All values of a query's parameter, still encoded."""
    return [part.partition("=")[2] for part in url.partition("?")[2].split("&") if part.startswith(f"{name}=")]
