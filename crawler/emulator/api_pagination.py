"""How Google's APIs page (AIP-158). What is empty is left out of an answer, as protobuf's JSON does."""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from aiohttp import web

from crawler.emulator.errors import ApiRefusal
from crawler.emulator.middleware import json_response

_DEFAULT_SIZE = 100
_LARGEST_SIZE = 1000
_PARAMETERS = frozenset(("pageSize", "pageToken"))

Items = Iterable[Mapping[str, Any]]


def page_response(request: web.Request, *, field: str, largest: int, after: Callable[[str], Items]) -> web.Response:
    """The page asked for, no longer than `largest`; `field` holds its items. Raises ApiRefusal.

    `after` gives the items that follow the one with the `name` given, or all if that is empty; it raises
    ApiRefusal for a name that is none of theirs.
    """
    unknown = sorted(request.query.keys() - _PARAMETERS)
    if unknown:
        raise ApiRefusal(400, "INVALID_ARGUMENT", f"Unknown name {unknown[0]!r}: Cannot bind query parameter.")
    size = min(_asked_size(request), largest)
    items = list(islice(after(_asked_name(request)), size + 1))
    body: dict[str, Any] = {field: items[:size]} if items else {}
    if len(items) > size:
        body["nextPageToken"] = base64.urlsafe_b64encode(items[size - 1]["name"].encode()).decode()
    return json_response(body)


def following(items: Sequence[Mapping[str, Any]]) -> Callable[[str], Items]:
    """The `after` of a few items that are all known."""

    def after(name: str) -> Items:
        names = ["", *(item["name"] for item in items)]
        if name not in names:
            raise invalid_token()
        return items[names.index(name) :]

    return after


def invalid_token() -> ApiRefusal:
    return ApiRefusal(400, "INVALID_ARGUMENT", "The page token is invalid.")


def _asked_size(request: web.Request) -> int:
    asked = request.query.get("pageSize", "0")
    try:
        size = int(asked)
    except ValueError:
        size = -1
    if size < 0:
        raise ApiRefusal(400, "INVALID_ARGUMENT", f"Invalid value at 'page_size' (TYPE_INT32), {asked[:100]!r}")
    return min(size, _LARGEST_SIZE) or _DEFAULT_SIZE


def _asked_name(request: web.Request) -> str:
    try:
        return base64.b64decode(request.query.get("pageToken", ""), altchars="-_", validate=True).decode()
    except ValueError:
        raise invalid_token() from None
