"""What every exchange goes through, whatever it asks for: counts, weather, and the form of an error."""

import asyncio
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from crawler.emulator.errors import ApiRefusal, OAuthRefusal, Refusal
from crawler.emulator.faults import Fate, Weather

OAUTH = "oauth"
API = "api"
REGISTRY_KINDS = ("ping", "catalog", "token", "listing")

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER for no time: close() sends RST instead of FIN


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manner:
    """How a service says that it cannot serve, and the headers of what it does serve."""

    over_quota: Refusal
    unavailable: Refusal
    headers: Mapping[str, str]


_REGISTRYS = _Manner(
    over_quota=Refusal(429, "TOOMANYREQUESTS", "Quota exceeded for requests.", headers={"Retry-After": "1"}),
    unavailable=Refusal(503, "UNAVAILABLE", "The service is currently unavailable."),
    headers={"Docker-Distribution-API-Version": "registry/2.0"},
)
_APIS = _Manner(
    over_quota=ApiRefusal(
        429,
        "RESOURCE_EXHAUSTED",
        "Quota exceeded for quota metric 'Requests' and limit 'Requests per minute'.",
        headers={"Retry-After": "1"},
    ),
    unavailable=ApiRefusal(503, "UNAVAILABLE", "The service is currently unavailable."),
    headers={},
)


class Exchanges:
    """Counts and spoils the exchanges of routes named after a kind; other routes pass untouched.

    Where several routes serve one kind, a dot and what tells them apart follow the kind.
    """

    def __init__(self, weather: Weather) -> None:
        self.counts = Counter(dict.fromkeys((*REGISTRY_KINDS, API, OAUTH, "throttled", "faults", "busiest_second"), 0))
        self._weather = weather
        self._last_second: deque[float] = deque()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        route = request.match_info.route.name
        if route is None:
            return await handler(request)
        kind = route.partition(".")[0]
        self.counts[kind] += 1
        if kind in REGISTRY_KINDS:
            self._note_arrival(time.monotonic())
        latency_s = self._weather.latency_s()
        if latency_s:
            await asyncio.sleep(latency_s)
        if kind == OAUTH:
            return await _oauth_answer(request, handler)
        if kind == API:
            return await self._with_faults(request, handler, fate=self._weather.api_fate(), manner=_APIS)
        return await self._with_faults(request, handler, fate=self._weather.fate(), manner=_REGISTRYS)

    def _note_arrival(self, now: float) -> None:
        """Keep the most exchanges that any one second has seen arrive."""
        self._last_second.append(now)
        while self._last_second[0] <= now - 1:
            self._last_second.popleft()
        self.counts["busiest_second"] = max(self.counts["busiest_second"], len(self._last_second))

    async def _with_faults(
        self, request: web.Request, handler: Handler, *, fate: Fate, manner: _Manner
    ) -> web.StreamResponse:
        if fate is Fate.SERVED:
            return await _answer(request, handler, manner)
        if fate is Fate.THROTTLED:
            self.counts["throttled"] += 1
            return _error(manner.over_quota)
        self.counts["faults"] += 1
        if fate is Fate.RESET:
            return _reset(request)
        if fate is Fate.TRUNCATED:
            return await _truncated(request, await _answer(request, handler, manner))
        return _error(manner.unavailable)


def json_response(body: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json", headers=headers)


async def _oauth_answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except OAuthRefusal as refusal:
        return json_response({"error": refusal.error, "error_description": str(refusal)}, status=400)


async def _answer(request: web.Request, handler: Handler, manner: _Manner) -> web.StreamResponse:
    try:
        answer = await handler(request)
    except Refusal as refusal:
        answer = _error(refusal)
    answer.headers.update(manner.headers)
    return answer


def _error(refusal: Refusal) -> web.Response:
    return json_response(refusal.body, status=refusal.status, headers=refusal.headers)


def _reset(request: web.Request) -> web.Response:
    transport = request.transport
    if transport is not None:  # else the client was quicker
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    return web.Response()  # goes nowhere


async def _truncated(request: web.Request, whole: web.StreamResponse) -> web.StreamResponse:
    assert isinstance(whole, web.Response)
    assert isinstance(whole.body, bytes)
    broken = web.StreamResponse(status=whole.status, headers=whole.headers)
    broken.content_length = len(whole.body)
    await broken.prepare(request)
    await broken.write(whole.body[: len(whole.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return broken
