"""Pagination of Google's APIs (AIP-158). An empty field is omitted, as in protobuf's JSON encoding."""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from aiohttp import web

from crawler.emulator.errors import ApiError
from crawler.emulator.middleware import json_response

_DEFAULT_PAGE_SIZE = 100
_MAX_PAGE_SIZE = 1000
_PARAMETERS = frozenset(("pageSize", "pageToken"))

Items = Iterable[Mapping[str, Any]]


def page_response(
    request: web.Request, *, field: str, max_page_size: int, after: Callable[[str], Items]
) -> web.Response:
    """The requested page: at most `max_page_size` items, in `field`. Raises ApiError.

    `after(name)` returns the items that follow the item called `name`, or all items if `name` is empty. It raises
    ApiError if no item has that name. A page token is the name of the page's last item, in base64.
    """
    unknown = sorted(request.query.keys() - _PARAMETERS)
    if unknown:
        raise ApiError(400, "INVALID_ARGUMENT", f"Unknown name {unknown[0]!r}: Cannot bind query parameter.")
    size = min(_requested_page_size(request), max_page_size)
    items = list(islice(after(_decode_page_token(request)), size + 1))
    body: dict[str, Any] = {field: items[:size]} if items else {}
    if len(items) > size:
        body["nextPageToken"] = base64.urlsafe_b64encode(items[size - 1]["name"].encode()).decode()
    return json_response(body)


def items_after(items: Sequence[Mapping[str, Any]]) -> Callable[[str], Items]:
    """The `after` function for a list that is in memory as a whole."""

    def after(name: str) -> Items:
        names = ["", *(item["name"] for item in items)]
        if name not in names:
            raise invalid_token()
        return items[names.index(name) :]

    return after


def invalid_token() -> ApiError:
    return ApiError(400, "INVALID_ARGUMENT", "The page token is invalid.")


def _requested_page_size(request: web.Request) -> int:
    value = request.query.get("pageSize", "0")
    try:
        size = int(value)
    except ValueError:
        size = -1
    if size < 0:
        raise ApiError(400, "INVALID_ARGUMENT", f"Invalid value at 'page_size' (TYPE_INT32), {value[:100]!r}")
    return min(size, _MAX_PAGE_SIZE) or _DEFAULT_PAGE_SIZE


def _decode_page_token(request: web.Request) -> str:
    try:
        return base64.b64decode(request.query.get("pageToken", ""), altchars="-_", validate=True).decode()
    except ValueError:
        raise invalid_token() from None
