"""One request over the wire: its whole response, or an error in plain words."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, Final

from crawler.errors import RegistryError, UnusableResponse
from crawler.transport.bodies import BodyBudget
from crawler.transport.connection import Connection, NotWrittenError
from crawler.transport.deadline import DeadlineTimer
from crawler.transport.error_mapping import EXCHANGE_ERRORS, map_exception, proxy_refusal
from crawler.transport.messages import MAX_ERROR_BYTES, Headers, Request, Response
from crawler.transport.opening import open_opener
from crawler.transport.pool import KEEP_S, ConnectionPool, open_pool
from crawler.transport.proxies import Proxies, Proxy
from crawler.transport.redact import SECRET_FIELD, WITHHELD, Redactor, credentials_in
from crawler.transport.request_bytes import Origin, RequestWriter
from crawler.transport.retry import Timeouts
from crawler.transport.tls import Certificates

log = logging.getLogger(__name__)

_KEPT_SECRETS: Final = 64
"""How many secrets are kept, and redactors: making one costs as much as an exchange."""


class HttpSession:
    """The connections of one run. Made by `open_http_session`."""

    def __init__(
        self,
        writer: RequestWriter,
        pool: ConnectionPool,
        timer: DeadlineTimer,
        bodies: BodyBudget,
        timeouts: Timeouts,
    ) -> None:
        self._writer = writer
        self._pool = pool
        self._timer = timer
        self._bodies = bodies
        self._timeouts = timeouts
        self._redactor_for = lru_cache(_KEPT_SECRETS)(Redactor)
        self._credentials_in = lru_cache(_KEPT_SECRETS)(credentials_in)
        self._logs_exchanges = log.isEnabledFor(logging.DEBUG)

    async def send(self, request: Request) -> Response:
        """One exchange, without redirects or retries.

        Where the response quotes the request's credentials, they are withheld. Raises RegistryError without a usable
        response, and CredentialsError for a proxy that is not an HTTP proxy.
        """
        started = self._timer.now
        proxy = None
        body = b""
        try:
            origin, written = self._writer.write(request)
            proxy = origin.proxy
            while True:
                connection = self._pool.take(origin) or await self._pool.open(origin)
                try:
                    message = await connection.begin(request.method, written, started)
                    status = message.code
                    if connection.is_complete:
                        body = connection.take_body()
                    else:
                        body = await self._read(request, connection, status)
                except NotWrittenError:
                    continue  # on another connection, which is a new one where none is kept
                finally:
                    self._pool.give_back(origin, connection)
                break
        except EXCHANGE_ERRORS as exc:
            # without its cause, which may quote credentials
            raise self._error(request, exc, proxy) from None
        if status >= 400:
            body = body[:MAX_ERROR_BYTES]
        if len(body) > request.max_body_bytes:
            raise _too_large_error(request, status)
        if proxy is not None and status == 407:
            raise proxy_refusal(request, proxy, 407)
        if self._logs_exchanges:
            log.debug("%s: %d, %d bytes", request.summary, status, len(body))
        return self._response(request, origin, message, body, connection)

    def distrust(self, response: Response) -> None:
        """Send nothing more on the connection of this response: what comes on it may answer another request.

        An exchange that runs on it by now continues; the connection is closed after that exchange.
        """
        response.connection.distrust()

    def redacted(self, request: Request, text: str) -> str:
        """A text that was made from the response to a request, without the secrets of the request."""
        return self._redactor(request, self._writer.origin(request).proxy).text(text)

    def _error(self, request: Request, exc: Exception, proxy: Proxy | None) -> RegistryError:
        return map_exception(request, exc, proxy, self._redactor(request, proxy), self._timeouts)

    def _redactor(self, request: Request, proxy: Proxy | None) -> Redactor:
        return self._redactor_for(_secret_headers(request.authorization, proxy), _secret_fields(request))

    def _response(
        self, request: Request, origin: Origin, message: Any, body: bytes, connection: Connection
    ) -> Response:
        """The response, with the request's secrets withheld. `message` is aiohttp's status and headers."""
        status, headers = message.code, message.headers
        if status < 400:
            if request.authorization is not None:
                body = self._without_credentials(body, request.authorization)
            if origin.proxy is not None:
                for header in origin.proxy.headers.values():
                    body = self._without_credentials(body, header)
        if status == 200 and "Link" not in headers:
            return Response(status, headers, body, None, connection)
        redactor = self._redactor(request, origin.proxy)
        if status >= 400:
            body = redactor.body(body)
        return Response(status, redact_headers(headers, redactor), body, None, connection)

    def _without_credentials(self, body: bytes, header: str) -> bytes:
        """The body, with the credentials of a request's header withheld."""
        credentials = self._credentials_in(header)
        if credentials is None or credentials not in body:
            return body
        return body.replace(credentials, WITHHELD.encode())

    async def _read(self, request: Request, connection: Connection, status: int) -> bytes:
        """A body that came in parts: the whole of it, or the beginning of an error's.

        The sizes are those of decompressed bytes: a gzip bomb of a few kilobytes is stopped like any other body
        (CVE-2025-69223 and its kind). Raises UnusableResponse for a body that is too large.
        """
        chunks, size = [], 0
        self._bodies.reserve(connection, 0)
        try:
            while chunk := await connection.payload.readany():
                size += len(chunk)
                if size > request.max_body_bytes and status < 400:
                    raise _too_large_error(request, status)
                chunks.append(chunk)
                if size >= MAX_ERROR_BYTES and status >= 400:
                    break  # the rest may have no end
                self._bodies.reserve(connection, len(chunk))
                if self._bodies.must_wait(connection):
                    with self._timer.paused(connection):
                        await self._bodies.wait(connection)
        finally:
            self._bodies.release(connection)
        return b"".join(chunks)


@asynccontextmanager
async def open_http_session(
    *,
    user_agent: str,
    timeouts: Timeouts,
    concurrency: int,
    certificates: Certificates,
    bodies: BodyBudget,
) -> AsyncIterator[HttpSession]:
    """A session whose connections close when the block ends, through the proxies that the environment names.

    `concurrency` is how many exchanges may run at once, and `bodies` limits what all bodies hold together. Raises
    CredentialsError for certificates that cannot be used, and CrawlerError for a version of aiohttp that cannot be
    used.
    """
    writer = RequestWriter(user_agent, Proxies.from_environment())
    timer = DeadlineTimer(total_s=timeouts.total_s, read_s=timeouts.read_s, precise_for_s=KEEP_S)
    opening = open_opener(user_agent=user_agent, timeouts=timeouts, certificates=certificates)
    async with (
        opening as opener,
        timer,
        open_pool(opener, timer, limit=concurrency, open_within_s=timeouts.total_s) as pool,
    ):
        yield HttpSession(writer, pool, timer, bodies, timeouts)


def _secret_headers(authorization: str | None, proxy: Proxy | None) -> tuple[str, ...]:
    own = () if authorization is None else (authorization,)
    return own if proxy is None else (*own, *proxy.headers.values())


def _secret_fields(request: Request) -> tuple[tuple[str, str], ...]:
    """The fields of a POST's body, as a redactor takes them."""
    return request.form or tuple((SECRET_FIELD, secret) for secret in request.secrets)


def _too_large_error(request: Request, status: int) -> UnusableResponse:
    message = f"the body is larger than the limit of {request.max_body_bytes:,} bytes"
    return UnusableResponse(request.summary, code="TOO_LARGE", message=message, http_status=status)


def redact_headers(headers: Any, redactor: Redactor) -> Headers:
    """The headers with the request's credentials withheld; the same object where none are quoted."""
    quoted = "\n".join(headers.values())
    if redactor.header(quoted) is quoted:
        return headers  # type: ignore[no-any-return]
    redacted = headers.copy()
    redacted.clear()
    redacted.extend((name, redactor.header(value)) for name, value in headers.items())
    return redacted  # type: ignore[no-any-return]
