"""One connection: a request is written in one piece, and one future is the response to it. Part of the door to aiohttp.

aiohttp opens the connection (see opening.py) and its parser reads what comes on it. What is between, aiohttp's own
protocol, costs more than both: it makes an object for the request, another for the response, a task for the body and a
timer for each read.

Bytes are taken for a response only between the writing of a request and the end of the response to it. All other bytes
close the connection: had they been taken for the response to the next request, every later response on the connection
would answer another request than it is taken for, and one repository's tags would be recorded as another's. Servers
send such bytes before they close an idle connection (a 408, RFC 9110 §15.5.9), and so does an attacker who smuggles
responses.
Only a connection that was not used yet may have such bytes: a server speaks first because it is too busy, or because
it speaks no HTTP. They are the response to the first request, unless they claim success, and no second one is sent.
"""

import asyncio
import select
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import aiohttp
from aiohttp.http import HttpResponseParser
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD

from crawler.transport.deadline import DeadlineTimer
from crawler.transport.error_mapping import MAX_HEADER_BYTES
from crawler.transport.write_queue import WriteQueue

BUFFERED_BYTES: Final = 64 * 1024
"""The body of a response is awaited whole up to this size, decompressed. The exchange reads a larger one in parts."""

_READ_BUFFER: Final = 256 * 1024
"""aiohttp's own: above twice as much that was not read yet, the connection stops reading."""

PARSER_OPTIONS: Final[dict[str, Any]] = {
    "payload_exception": aiohttp.ClientPayloadError,
    "read_until_eof": True,
    "max_line_size": MAX_HEADER_BYTES,
    "max_field_size": MAX_HEADER_BYTES,
}
"""The arguments of aiohttp's parser, beside those of an exchange."""

_PARSER: Final[Any] = HttpResponseParser
"""It asks for one of aiohttp's own protocols, and uses what `Connection` has of one."""

_SWITCHING_PROTOCOLS: Final = 101


class NotWrittenError(Exception):
    """A kept connection had closed, or had bytes that no request asked for, before the request was written.

    Nothing of the request was sent, so that another connection may take it.
    """


class Connection(asyncio.Protocol):
    """A connection that was opened, and one exchange at a time on it.

    `begin` starts an exchange, and `finish` must be called at its end, in whatever way it ends.

    Attributes:
        started: the tick in which the exchange began; see DeadlineTimer.
        touched: the tick of the last bytes; see DeadlineTimer.
        idle_since: the tick in which the last exchange ended.
        is_complete: whether no bytes are expected: the response is whole, or none was asked for.
        payload: the body of the response, once the future of `begin` is done.
    """

    __slots__ = (
        "_early",
        "_future",
        "_has_unread",
        "_is_open",
        "_is_paused",
        "_is_used",
        "_is_written",
        "_loop",
        "_may_serve_another",
        "_message",
        "_on_lost",
        "_parser",
        "_queue",
        "_request",
        "_timer",
        "_transport",
        "idle_since",
        "is_complete",
        "payload",
        "started",
        "touched",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        timer: DeadlineTimer,
        queue: WriteQueue,
        on_lost: Callable[["Connection"], None],
        early: bytes = b"",
    ) -> None:
        """`transport` is open, and becomes this connection's own. `on_lost` is called once, when it has closed.

        `early` is what came on it already: the response to the first request, and to no other.
        """
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._timer = timer
        self._queue = queue
        self._on_lost = on_lost
        self._early = early
        self._parser: Any = None
        self._future: asyncio.Future[Any] | None = None
        self._message: Any = None
        self._is_open = True
        self._is_paused = False
        self._is_used = self._is_written = False
        self._request = b""
        self._may_serve_another = True
        self.payload: Any = None
        self.is_complete = True
        self.started = self.touched = self.idle_since = timer.now
        poll = select.poll()
        poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        self._has_unread: Callable[[int], list[tuple[int, int]]] = poll.poll
        """Says at once (it is called with 0 milliseconds) whether the socket has bytes that the loop has not read yet.
        The end of the connection counts as bytes."""
        transport.set_protocol(self)

    @property
    def connected(self) -> bool:
        """For aiohttp's stream, which does not wait for bytes on a connection that is lost."""
        return self._is_open

    def is_usable(self) -> bool:
        """Whether the next request may begin, as far as the event loop knows: it may have bytes to read."""
        return self._may_serve_another and not self._transport.is_closing()

    def begin(self, method: str, request: bytes, started: int) -> "asyncio.Future[Any]":
        """Write a request that began in the tick `started`, soon, and return the future of aiohttp's response message.

        The message comes with the body, where that is small; see `is_complete`. The future raises aiohttp's exceptions,
        OSError where the connection broke, NotWrittenError, and a bare TimeoutError where the exchange takes too long.
        """
        self._parser = _PARSER(self, self._loop, _READ_BUFFER, response_with_body=method != "HEAD", **PARSER_OPTIONS)
        self.is_complete = False
        self.started, self.touched = started, self._timer.now
        self._timer.watch(self)
        self._request, self._is_written = request, False
        self._future = future = self._loop.create_future()
        if self._is_used:
            self._queue.put(self)
        else:
            self._is_used = True
            self._is_written = True
            self._transport.write(request)  # at once: what comes before the first request is taken for its response
            if self._early:
                self._take_early()
        return future

    def write_request(self) -> None:
        """For the queue: write the request that `begin` put there, unless the socket has bytes or has closed.

        The loop would read them after the request is written, and they would be taken for the response.
        """
        if self.is_complete:
            return
        if self._transport.is_closing() or self._has_unread(0):
            self._fail(NotWrittenError())
        else:
            self._is_written = True
            self._transport.write(self._request)

    def take_body(self) -> bytes:
        """The body of a response that is complete and of which nothing was read yet."""
        return b"" if self.payload is EMPTY_PAYLOAD else b"".join(self.payload._buffer)  # noqa: SLF001  (see opening.py)

    def finish(self) -> bool:
        """The exchange is over. Returns whether the connection may serve another one; else it closes."""
        self._timer.unwatch(self)
        future, self._future = self._future, None
        if not self.is_complete:
            self.is_complete = True
            self.close()
            if future is not None and future.done() and not future.cancelled():
                future.exception()  # it ended as its task was cancelled: asyncio would complain that it was not read
        self._parser = self._message = self.payload = None
        self.idle_since = self._timer.now
        if not self._may_serve_another:
            self.close()
        return self._may_serve_another

    def distrust(self) -> None:
        """Send no other request; an exchange that runs continues."""
        self._may_serve_another = False

    def close(self) -> None:
        """Close at once: no exchange begins, and one that runs fails."""
        self._may_serve_another = False
        if self._is_open:
            self._transport.abort()

    def on_total_timeout(self) -> None:
        self._fail(TimeoutError())

    def on_read_timeout(self) -> None:
        self._fail(aiohttp.SocketTimeoutError())

    # --------------------------------------------------------------------------------- called by the event loop

    def data_received(self, data: bytes) -> None:
        if self.is_complete or not self._is_written:
            self.close()
            return
        self.touched = self._timer.now
        self._feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_open = self._may_serve_another = False
        self._on_lost(self)
        if self.is_complete:
            return
        if not self._is_written:
            self._fail(NotWrittenError())
            return
        try:
            unfinished = self._parser.feed_eof()
        except Exception as broken_off:  # noqa: BLE001  (as in `_feed`)
            self._fail(_caused(aiohttp.ClientPayloadError(), broken_off if exc is None else exc))
            return
        if self.payload is None:
            self._fail(_lost(exc, unfinished))
        elif exc is not None:
            self._fail(_caused(aiohttp.ClientPayloadError(), exc))  # what came may not be all
        else:
            self._check_progress()
            if not (self.payload.is_eof() or self._is_paused):  # where it is paused, the parser has the rest
                self._fail(aiohttp.ClientPayloadError())

    # ------------------------------------------------------------- called by aiohttp's stream, for flow control

    def pause_reading(self) -> None:
        """Too much of the body waits to be read."""
        self._is_paused = True
        self._parser.pause_reading()
        with suppress(RuntimeError):  # the connection is closing
            self._transport.pause_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002  (aiohttp's signature)
        """The exchange has read most of what waited."""
        if not self._is_paused:
            return
        self._is_paused = False
        self.touched = self._timer.now
        if resume_parser:
            self._feed(b"")  # what the parser has kept, and may pause again
        if not self._is_paused:
            with suppress(RuntimeError):  # the connection is closing
                self._transport.resume_reading()

    # ---------------------------------------------------------------------------------------------------- parts

    def _take_early(self) -> None:
        self._may_serve_another = False
        self._feed(self._early)
        self._early = b""

    def _feed(self, data: bytes) -> None:
        try:
            messages, _, _ = self._parser.feed_data(data)
        except Exception as exc:  # noqa: BLE001  (a decompressor's errors are of its own kind, and none is lost)
            self._fail(exc if isinstance(exc, HttpProcessingError) else HttpProcessingError(message=str(exc)))
            return
        for message, payload in messages:
            if self._message is not None:
                self._may_serve_another = False  # a second response, which no request asked for
            elif not 100 <= message.code < 200 or message.code == _SWITCHING_PROTOCOLS:
                if self._early and message.code < 400:
                    self._fail(aiohttp.ClientError("it sent a response before the request, which is none to it"))
                    return
                self._message, self.payload = message, payload
                if message.should_close or message.code == _SWITCHING_PROTOCOLS:
                    self._may_serve_another = False
        if self.payload is not None:
            self._check_progress()

    def _check_progress(self) -> None:
        """Something of the body has come: hand it over, if it is whole or large."""
        payload, future = self.payload, self._future
        if payload is EMPTY_PAYLOAD or payload._eof:  # noqa: SLF001  (see opening.py)
            self.is_complete = True
            if self._has_begun_another():
                self._may_serve_another = False
        elif not self._is_paused and payload.total_bytes < BUFFERED_BYTES and payload.exception() is None:
            return
        if future is not None and not future.done():
            future.set_result(self._message)

    def _has_begun_another(self) -> bool:
        """Whether the parser has a part of another response, after the end of this one."""
        try:
            return self._parser.feed_eof() is not None
        except HttpProcessingError:
            return True

    def _fail(self, exc: Exception) -> None:
        """The exchange ends with this error, wherever it is. The first one counts: others may follow from it."""
        future = self._future
        if future is not None and not future.done():
            future.set_exception(exc)
        elif self.payload is not None and self.payload.exception() is None:
            self.payload.set_exception(exc)
        self.close()


def _lost(exc: Exception | None, unfinished: Any) -> Exception:
    """The error where a connection closed before the headers of the response were whole. `unfinished` came of them."""
    if exc is None:
        return aiohttp.ServerDisconnectedError(unfinished)
    return _caused(aiohttp.ClientOSError(*exc.args), exc) if isinstance(exc, OSError) else exc


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error
