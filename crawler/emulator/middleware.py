"""Middleware for every exchange: counts it, injects faults, and turns exceptions into error responses."""

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

from crawler.emulator.errors import ApiError, OAuthError, RegistryError
from crawler.emulator.faults import Fault, FaultInjector

OAUTH = "oauth"
API = "api"
REGISTRY_KINDS = ("ping", "catalog", "token", "listing", "manifest", "blob", "referrers")

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: close() sends RST instead of FIN


@dataclass(frozen=True, slots=True, kw_only=True)
class _ErrorStyle:
    """A service's error responses, and the headers of its other responses."""

    over_quota: RegistryError
    unavailable: RegistryError
    headers: Mapping[str, str]


_REGISTRY_STYLE = _ErrorStyle(
    over_quota=RegistryError(429, "TOOMANYREQUESTS", "Quota exceeded for requests.", headers={"Retry-After": "1"}),
    unavailable=RegistryError(503, "UNAVAILABLE", "The service is currently unavailable."),
    headers={"Docker-Distribution-API-Version": "registry/2.0"},
)
_API_STYLE = _ErrorStyle(
    over_quota=ApiError(
        429,
        "RESOURCE_EXHAUSTED",
        "Quota exceeded for quota metric 'Requests' and limit 'Requests per minute'.",
        headers={"Retry-After": "1"},
    ),
    unavailable=ApiError(503, "UNAVAILABLE", "The service is currently unavailable."),
    headers={},
)


class ExchangeMiddleware:
    """Counts the exchanges of named routes and injects faults into them; routes without a name are left alone.

    A route's name is the kind of exchange. Several routes of one kind have a suffix after a dot: api.projects.
    """

    def __init__(self, faults: FaultInjector) -> None:
        self.counts = Counter(dict.fromkeys((*REGISTRY_KINDS, API, OAUTH, "throttled", "faults", "busiest_second"), 0))
        self._faults = faults
        self._last_second: deque[float] = deque()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        route = request.match_info.route.name
        if route is None:
            return await handler(request)
        kind = route.partition(".")[0]
        self.counts[kind] += 1
        if kind in REGISTRY_KINDS:
            self._record_arrival(time.monotonic())
        latency_s = self._faults.latency_s()
        if latency_s:
            await asyncio.sleep(latency_s)
        if kind == OAUTH:
            return await _oauth_response(request, handler)
        if kind == API:
            return await self._with_faults(request, handler, fault=self._faults.api_fault(), style=_API_STYLE)
        return await self._with_faults(request, handler, fault=self._faults.registry_fault(), style=_REGISTRY_STYLE)

    def _record_arrival(self, now: float) -> None:
        """Keep `busiest_second`, the most exchanges that arrived in any window of one second."""
        self._last_second.append(now)
        while self._last_second[0] <= now - 1:
            self._last_second.popleft()
        self.counts["busiest_second"] = max(self.counts["busiest_second"], len(self._last_second))

    async def _with_faults(
        self, request: web.Request, handler: Handler, *, fault: Fault, style: _ErrorStyle
    ) -> web.StreamResponse:
        if fault is Fault.NONE:
            return await _response(request, handler, style)
        if fault is Fault.THROTTLED:
            self.counts["throttled"] += 1
            return _error_response(style.over_quota)
        self.counts["faults"] += 1
        if fault is Fault.RESET:
            return _reset(request)
        if fault is Fault.TRUNCATED:
            return await _truncated(request, await _response(request, handler, style))
        return _error_response(style.unavailable)


def json_response(body: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json", headers=headers)


async def _oauth_response(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except OAuthError as exc:
        return json_response({"error": exc.error, "error_description": str(exc)}, status=400)


async def _response(request: web.Request, handler: Handler, style: _ErrorStyle) -> web.StreamResponse:
    try:
        response = await handler(request)
    except RegistryError as exc:
        response = _error_response(exc)
    except web.HTTPNotFound as exc:  # a path that this registry does not have
        response = web.Response(status=exc.status, text=exc.text)
    response.headers.update(style.headers)
    return response


def _error_response(error: RegistryError) -> web.Response:
    return json_response(error.body, status=error.status, headers=error.headers)


def _reset(request: web.Request) -> web.Response:
    transport = request.transport
    if transport is not None:  # None: the client has disconnected already
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    return web.Response()  # aiohttp needs a response; the connection is gone


async def _truncated(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    assert isinstance(response, web.Response)
    if not response.body:  # a 304 or a redirect
        return response
    assert isinstance(response.body, bytes)
    partial = web.StreamResponse(status=response.status, headers=response.headers)
    partial.content_length = len(response.body)
    await partial.prepare(request)
    await partial.write(response.body[: len(response.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return partial
