"""A connection: a response is the same in whatever pieces it comes, and bytes that no request asked for close it."""

import asyncio
import gc
import gzip
import zlib
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp.http_exceptions import HttpProcessingError
from hypothesis import given
from hypothesis import strategies as st
from support.stub_transport import StubTransport

from crawler.transport.connection import Connection, NotWrittenError
from crawler.transport.deadline import DeadlineTimer
from crawler.transport.write_queue import TOGETHER, WriteQueue

REQUEST = b"GET /v2/ HTTP/1.1\r\nHost: registry.example.com\r\n\r\n"
BODY = b'{"name": "team/app", "tags": ["1.0", "1.1"]}'
ZIPPED = gzip.compress(BODY)


def whole(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]).encode() + body


def chunked(body: bytes, *headers: str) -> bytes:
    head = "\r\n".join(["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *headers, "", ""]).encode()
    pieces = [body[start : start + 7] for start in range(0, len(body), 7)]
    return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Sent:
    """A response, and what it says: `ends` by the end of the connection, which serves no other request then."""

    raw: bytes
    body: bytes = BODY
    status: int = 200
    method: str = "GET"
    ends: bool = False
    is_kept: bool = True


RESPONSES = {
    "with-a-length": Sent(whole(BODY)),
    "with-an-empty-body": Sent(whole(b""), body=b""),
    "in-chunks": Sent(chunked(BODY)),
    "gzip": Sent(whole(ZIPPED, "Content-Encoding: gzip")),
    "gzip-in-chunks": Sent(chunked(ZIPPED, "Content-Encoding: gzip")),
    "deflate": Sent(whole(zlib.compress(BODY), "Content-Encoding: deflate")),
    "to-the-end": Sent(b"HTTP/1.1 200 OK\r\n\r\n" + BODY, ends=True, is_kept=False),
    "gzip-to-the-end": Sent(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + ZIPPED, ends=True, is_kept=False),
    "that-closes": Sent(whole(BODY, "Connection: close"), is_kept=False),
    "of-http-1.0": Sent(whole(BODY).replace(b"HTTP/1.1", b"HTTP/1.0"), is_kept=False),
    "after-interim-ones": Sent(INTERIM + b"HTTP/1.1 100 Continue\r\n\r\n" + whole(BODY)),
    "to-a-head": Sent(whole(BODY).removesuffix(BODY), body=b"", method="HEAD"),
    "204": Sent(b"HTTP/1.1 204 No Content\r\n\r\n", body=b"", status=204),
    "304-with-a-length": Sent(whole(BODY, status="304 Not Modified").removesuffix(BODY), body=b"", status=304),
    "404": Sent(whole(BODY, status="404 Not Found"), status=404),
    "that-switches-protocols": Sent(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        body=b"",
        status=101,
        is_kept=False,
    ),
}


def connection() -> tuple[Connection, StubTransport]:
    transport = StubTransport()
    timer = DeadlineTimer(total_s=60, read_s=60, precise_for_s=15)
    return Connection(transport, timer, WriteQueue(), lambda _: None), transport


async def received(pieces: list[bytes], sent: Sent) -> tuple[Any, ...]:
    """Status, body and headers that the client has of a response in pieces, and whether the connection is kept."""
    client, transport = connection()
    future = client.begin(sent.method, REQUEST, 0)
    assert transport.written == REQUEST
    for piece in pieces:
        assert not future.done()
        transport.protocol.data_received(piece)
    if sent.ends:
        transport.lose()
    message = await future
    assert client.is_complete
    result = message.code, client.take_body(), dict(message.headers), client.finish()
    if not transport.is_aborted:
        transport.lose()
    await asyncio.sleep(0)
    return result


def in_two(raw: bytes) -> list[list[bytes]]:
    return [[raw[:position], raw[position:]] for position in range(1, len(raw))]


@pytest.mark.parametrize("sent", RESPONSES.values(), ids=RESPONSES)
async def test_connection_response_is_the_same_wherever_it_is_cut_in_two(sent):
    status, body, headers, is_kept = await received([sent.raw], sent)
    assert (status, body, is_kept) == (sent.status, sent.body, sent.is_kept)
    for pieces in in_two(sent.raw):
        assert await received(pieces, sent) == (status, body, headers, is_kept), pieces


@given(sent=st.sampled_from(list(RESPONSES.values())), data=st.data())
def test_connection_response_is_the_same_in_any_pieces(sent, data):
    cuts = sorted(data.draw(st.sets(st.integers(1, len(sent.raw) - 1), max_size=20)))
    pieces = [sent.raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent.raw)], strict=True)]
    status, body, _, is_kept = asyncio.run(received(pieces, sent))
    assert (status, body, is_kept) == (sent.status, sent.body, sent.is_kept)


async def test_connection_serves_one_request_after_another():
    client, transport = connection()
    for sent in (RESPONSES["to-a-head"], RESPONSES["304-with-a-length"], RESPONSES["gzip"], RESPONSES["in-chunks"]):
        assert client.is_usable()
        future = client.begin(sent.method, REQUEST, 0)
        await asyncio.sleep(0)  # a request on a kept connection is written at the end of the turn
        transport.protocol.data_received(sent.raw)
        assert ((await future).code, client.take_body(), client.finish()) == (sent.status, sent.body, True)
    transport.lose()


# --------------------------------------------------------------------------------- bytes that nobody asked for


@pytest.mark.parametrize("data", [b"H", whole(b"{}"), INTERIM, b"\r\n"], ids=["a byte", "a response", "interim", "end"])
async def test_connection_closes_at_once_when_bytes_come_without_a_request(data):
    client, transport = connection()
    transport.protocol.data_received(data)
    assert transport.is_aborted
    assert not client.is_usable()


@pytest.mark.parametrize(
    "more",
    [whole(b"{}"), whole(b"{}")[:9], b"HTTP/1.1 408 Request Timeout\r\n", INTERIM, b"H"],
    ids=["a response", "half a status line", "a status line", "interim", "a byte"],
)
@pytest.mark.parametrize("sent", [RESPONSES["with-a-length"], RESPONSES["in-chunks"]], ids=["length", "chunks"])
async def test_connection_with_bytes_after_a_response_serves_no_other_request(sent, more):
    client, transport = connection()
    future = client.begin("GET", REQUEST, 0)
    transport.protocol.data_received(sent.raw + more)
    assert ((await future).code, client.take_body()) == (200, BODY)
    assert not client.finish()
    assert transport.is_aborted


async def test_connection_with_unread_bytes_serves_no_request():
    [(client, transport)] = await kept_connections(1)
    transport.server.send(b"H")
    future = client.begin("GET", REQUEST, 0)
    with pytest.raises(NotWrittenError):
        await future
    assert not client.finish()
    assert (transport.written, transport.is_aborted) == (b"", True)


async def test_connection_that_is_distrusted_serves_no_other_request_and_ends_the_one_that_runs():
    client, transport = connection()
    future = client.begin("GET", REQUEST, 0)
    client.distrust()
    transport.protocol.data_received(RESPONSES["gzip"].raw)
    assert ((await future).code, client.take_body(), client.finish()) == (200, BODY, False)
    assert transport.is_aborted


# ------------------------------------------------------------------------------------------ what goes wrong


async def test_connection_fails_the_exchange_on_what_is_no_http():
    client, transport = connection()
    future = client.begin("GET", REQUEST, 0)
    transport.protocol.data_received(b"SSH-2.0-OpenSSH_9.2\r\n")
    with pytest.raises(HttpProcessingError):
        await future
    assert transport.is_aborted
    assert not client.finish()


@pytest.mark.parametrize("cut", range(1, len(whole(BODY))))
async def test_connection_that_ends_within_a_response_fails_the_exchange(cut):
    client, transport = connection()
    future = client.begin("GET", REQUEST, 0)
    transport.protocol.data_received(whole(BODY)[:cut])
    transport.lose()
    with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError)):
        await future
    assert not client.finish()


async def test_connection_that_breaks_within_a_body_to_the_end_is_no_whole_response():
    """Without a length, only a proper end of the connection says that the body is whole."""
    client, transport = connection()
    future = client.begin("GET", REQUEST, 0)
    transport.protocol.data_received(RESPONSES["to-the-end"].raw)
    transport.lose(ConnectionResetError(104, "Connection reset by peer"))
    with pytest.raises(aiohttp.ClientPayloadError):
        await future
    assert not client.finish()


async def test_connection_that_cannot_be_inflated_fails_the_exchange():
    client, transport = connection()
    future = client.begin("GET", REQUEST, 0)
    transport.protocol.data_received(whole(b"no gzip at all", "Content-Encoding: gzip"))
    await future
    assert not client.is_complete
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.payload.readany()
    assert not client.finish()
    assert transport.is_aborted


async def test_connection_whose_exchange_is_given_up_is_closed():
    client, transport = connection()
    future = client.begin("GET", REQUEST, 0)
    transport.protocol.data_received(whole(BODY)[:-1])
    future.cancel()
    assert not client.finish()
    assert transport.is_aborted


async def test_connection_error_of_an_exchange_that_is_given_up_is_no_complaint_of_asyncio():
    """The error comes as the task of the exchange is cancelled: nobody asks the future for it."""
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
    client, transport = connection()
    client.begin("GET", REQUEST, 0)
    transport.protocol.data_received(b"SSH-2.0-OpenSSH_9.2\r\n")
    client.finish()
    gc.collect()
    assert complaints == []


@pytest.mark.parametrize(
    ("end", "error"),
    [("on_read_timeout", aiohttp.SocketTimeoutError), ("on_total_timeout", TimeoutError)],
)
@pytest.mark.parametrize("cut", [5, -1], ids=["amid the headers", "amid the body"])
async def test_connection_timeout_ends_the_exchange(end, error, cut):
    client, transport = connection()
    future = client.begin("GET", REQUEST, 0)
    transport.protocol.data_received(whole(BODY)[:cut])
    getattr(client, end)()
    with pytest.raises(error):
        await future
    assert not client.finish()
    assert transport.is_aborted


# ------------------------------------------------------------------------------------------- large bodies


async def test_connection_hands_over_a_large_body_in_parts_and_stops_reading_what_nobody_reads():
    """A bomb of 64 MB in 64 KB: as long as nobody reads, little of it is inflated."""
    size = 64 * 1024**2
    client, transport = connection()
    future = client.begin("GET", REQUEST, 0)
    transport.protocol.data_received(whole(gzip.compress(bytes(size)), "Content-Encoding: gzip"))
    await future
    assert not client.is_complete
    assert transport.is_paused
    assert client.payload.total_bytes < 2 * 1024**2
    assert len(await everything(client)) == size
    assert client.is_complete
    assert not transport.is_paused
    assert client.finish()
    transport.lose()


async def test_connection_that_ends_while_its_large_body_waits_brings_all_of_it():
    size = 8 * 1024**2
    client, transport = connection()
    future = client.begin("GET", REQUEST, 0)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
    transport.protocol.data_received(head + gzip.compress(bytes(size)))
    await future
    transport.lose()
    assert len(await everything(client)) == size
    assert not client.finish()


async def test_connection_hands_over_many_tiny_chunks():
    """aiohttp's stream stops reading after many chunks, however few bytes they are."""
    count = 40_000
    client, transport = connection()
    future = client.begin("GET", REQUEST, 0)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    transport.protocol.data_received(head + b"1\r\nx\r\n" * count + b"0\r\n\r\n")
    await future
    assert not client.is_complete
    assert await everything(client) == b"x" * count
    assert client.finish()
    transport.lose()


async def test_connection_timeout_ends_a_large_body():
    client, transport = connection()
    future = client.begin("GET", REQUEST, 0)
    transport.protocol.data_received(whole(bytes(1024**2))[:-1])
    await future
    client.on_read_timeout()
    await asyncio.sleep(0)  # the connection is lost, which is another error, and the consequence of the first
    with pytest.raises(aiohttp.SocketTimeoutError):
        await everything(client)
    assert not client.finish()
    assert transport.is_aborted


async def everything(client: Connection) -> bytes:
    """The whole body that comes in parts."""
    chunks = []
    while chunk := await client.payload.readany():
        chunks.append(chunk)
    return b"".join(chunks)


async def kept_connections(count: int) -> list[tuple[Connection, StubTransport]]:
    """Connections that have served one request each, with one queue for what they write."""
    queue, kept = WriteQueue(), []
    for _ in range(count):
        transport = StubTransport()
        timer = DeadlineTimer(total_s=60, read_s=60, precise_for_s=15)
        client = Connection(transport, timer, queue, lambda _: None)
        future = client.begin("GET", REQUEST, 0)
        transport.protocol.data_received(whole(BODY))
        await future
        assert client.finish()
        transport.written = b""
        kept.append((client, transport))
    return kept


async def test_connection_writes_the_requests_of_one_turn_together_at_its_end():
    kept = await kept_connections(3)
    futures = [client.begin("GET", REQUEST, 0) for client, _ in kept]
    assert [transport.written for _, transport in kept] == [b""] * 3
    await asyncio.sleep(0)
    assert [transport.written for _, transport in kept] == [REQUEST] * 3
    for (client, transport), future in zip(kept, futures, strict=True):
        transport.protocol.data_received(whole(BODY))
        assert ((await future).code, client.take_body(), client.finish()) == (200, BODY, True)
        transport.lose()


async def test_connection_waits_for_no_more_than_a_few_others_with_its_request():
    kept = await kept_connections(TOGETHER + 1)
    for client, _ in kept:
        client.begin("GET", REQUEST, 0)
    assert [transport.written for _, transport in kept] == [REQUEST] * TOGETHER + [b""]
    await asyncio.sleep(0)
    assert kept[-1][1].written == REQUEST
    for client, _ in kept:
        client.finish()
    await asyncio.sleep(0)


async def test_connection_takes_nothing_for_a_response_before_the_request_is_written():
    [(client, transport)] = await kept_connections(1)
    future = client.begin("GET", REQUEST, 0)
    transport.protocol.data_received(whole(b'{"tags":["of-another-repository"]}'))
    with pytest.raises(NotWrittenError):
        await future
    assert not client.finish()
    assert transport.is_aborted
    assert transport.written == b""


async def test_connection_writes_no_request_where_bytes_wait_that_came_before_it():
    """They are read after the request is written, and would be its response."""
    [(client, transport)] = await kept_connections(1)
    assert client.is_usable()
    future = client.begin("GET", REQUEST, 0)
    transport.server.send(whole(b'{"tags":["of-another-repository"]}'))
    await asyncio.sleep(0)
    assert (transport.written, transport.is_aborted) == (b"", True)
    with pytest.raises(NotWrittenError):
        await future
    assert not client.finish()


@pytest.mark.parametrize("ends", ["lost", "finished"])
async def test_connection_that_ends_before_its_turn_does_keeps_no_other_from_writing(ends):
    kept = await kept_connections(2)
    futures = [client.begin("GET", REQUEST, 0) for client, _ in kept]
    (ended, lost), (_, transport) = kept
    if ends == "lost":
        lost.lose(ConnectionResetError())
    else:
        futures[0].cancel()
    assert not ended.finish()
    await asyncio.sleep(0)
    assert (lost.written, transport.written) == (b"", REQUEST)
    transport.lose()
    assert isinstance(futures[1].exception(), aiohttp.ServerDisconnectedError)


async def test_connection_that_had_a_response_before_any_request_serves_one_request_and_no_other():
    timer = DeadlineTimer(total_s=60, read_s=60, precise_for_s=15)
    transport = StubTransport()
    client = Connection(transport, timer, WriteQueue(), lambda _: None, whole(b"busy", status="503 Busy"))
    future = client.begin("GET", REQUEST, 0)
    assert ((await future).code, client.take_body(), client.finish()) == (503, b"busy", False)
    assert transport.is_aborted
    await asyncio.sleep(0)


async def test_connection_that_had_a_success_before_any_request_takes_it_for_no_response():
    timer = DeadlineTimer(total_s=60, read_s=60, precise_for_s=15)
    transport = StubTransport()
    client = Connection(transport, timer, WriteQueue(), lambda _: None, whole(b'{"tags":["of-another-repository"]}'))
    with pytest.raises(aiohttp.ClientError, match="before the request"):
        await client.begin("GET", REQUEST, 0)
    assert not client.finish()
    assert transport.is_aborted
    await asyncio.sleep(0)
