"""Any bytes from a server: the result is a value, or an error of the crawler in one printable line."""

import asyncio
from base64 import b64encode
from functools import partial

import anyio
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.plain_words import is_plain

from crawler.auth.credentials import Credential, PreemptiveAuth, StaticCredentials
from crawler.client import AuthenticatedClient
from crawler.errors import CrawlerError, RegistryError
from crawler.limiter import AdaptiveLimiter
from crawler.transport.bodies import MAX_BODIES_BYTES, BodyBudget
from crawler.transport.fetch import open_transport
from crawler.transport.http import open_http_session
from crawler.transport.messages import Request, Response
from crawler.transport.retry import RetryPolicy, Timeouts
from crawler.transport.run_limits import RunLimits
from crawler.transport.tls import Certificates
from crawler.wire.tags import parse_listing

TIMEOUTS = Timeouts(connect_s=5, read_s=5, total_s=10)
PASSWORD = "correct-horse-battery"
USER = Credential("robot", PASSWORD)

NAMES = ("Location", "WWW-Authenticate", "Link", "Retry-After", "Content-Type", "Content-Encoding", "Set-Cookie", "X")
STATUSES = (200, 204, 206, 301, 302, 307, 400, 401, 403, 404, 405, 410, 418, 999)

odd = st.binary(max_size=60) | st.sampled_from(
    [
        b"http://[::1", b"http://\xff/", b"//%00/", b"http://127.0.0.1:99999/", b"http://a\xcc\x82/", b"\xed\xb2\x80",
        b"http://\xe2\x84\x80.com/", b"gzip", b"deflate", b"br", b"zstd", b'Bearer realm="http://[', b"Basic \xff=\xff",
        b"ftp://x", b"http://xn--/", b"http://" + b"a" * 300, b"\xe2\x80\xae<b>\x1b[31m", b"text/html; charset=utf-7",
        b"Mon, 32 Foo 99999 99:99:99", b"99999999999999999999", b"</v2/\xff?n=1>; rel=next",
        b'<http://[>; rel="next"',
        b"application/json; charset=no-such", PASSWORD.encode(), b64encode(f"robot:{PASSWORD}".encode()),
    ]
)  # fmt: skip
lines = odd.map(lambda value: value.replace(b"\r", b"").replace(b"\n", b""))
bodies = st.binary(max_size=80) | st.sampled_from(
    [
        b"", b"{}", b"[", b'{"tags": ["\\ud800"]}', b'{"name": "\\udfff", "tags": null}',
        b'{"errors": [{"code": "\\ud800"}]}',
        b'{"errors": [{"code": "A\\u202e\\u0000", "message": "\\n\\u001b[2J"}]}', b'{"errors": "x"}',
        b'{"error": {"code": {}}}',
        b'{"manifest": {"\\u202e": 1}}', b"<html>\x00\xff<b", b'{"error": "\xff\xfe"}', b"{" * 2000,
    ]
)  # fmt: skip


@st.composite
def responses(draw) -> bytes:
    """A response that is HTTP, with odd headers and bodies."""
    status, phrase, body = draw(st.sampled_from(STATUSES)), draw(lines), draw(bodies)
    headers = draw(st.lists(st.tuples(st.sampled_from(NAMES), lines), max_size=4))
    head = b"HTTP/1.1 %d %b\r\n" % (status, phrase)
    head += b"".join(b"%b: %b\r\n" % (name.encode(), value) for name, value in headers)
    framing = draw(st.sampled_from([b"Content-Length: %d\r\n\r\n" % len(body), b"\r\n"]))
    return head + framing + body


anything = responses() | st.binary(max_size=200)


async def answering(sent: bytes, request) -> object:
    """The result of `request` against a server that sends these bytes to each request, and closes."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(sent)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    try:
        return await request(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v2/a/tags/list")
    finally:
        server.close()
        await server.wait_closed()


async def send_by_session(url: str) -> object:
    options = {"user_agent": "t", "timeouts": TIMEOUTS, "concurrency": 2, "certificates": Certificates()}
    async with open_http_session(**options, bodies=BodyBudget(MAX_BODIES_BYTES)) as session:
        return await session.send(Request(url=url, authorization=USER.header))


async def get_listing(url: str) -> object:
    options = {"user_agent": "t", "timeouts": TIMEOUTS, "concurrency": 2, "certificates": Certificates()}
    limiter, limits = AdaptiveLimiter(concurrency=2, rate=None), RunLimits(RetryPolicy(attempts=1, give_up_s=5))
    async with open_transport(**options, limiter=limiter, limits=limits, scheme="http") as transport:
        return await AuthenticatedClient(PreemptiveAuth(StaticCredentials(USER)), transport).get(
            url, "", partial(parse_listing, "team/app")
        )


def result_of(sent: bytes, request) -> object:
    """The value or the crawler's error. Any other exception fails the test."""
    try:
        return anyio.run(answering, sent, request)
    except CrawlerError as exc:
        return exc


@given(anything)
@settings(max_examples=80)
@example(b"HTTP/1.1 302 Found\r\nLocation: http://[\r\n\r\n")
@example(b"HTTP/1.1 200 \xff\x1b[2J\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxyz")
def test_any_response_is_a_response_or_a_registry_error(sent):
    result = result_of(sent, send_by_session)
    if isinstance(result, Response):
        assert result.status < 400 or PASSWORD.encode() not in result.body
    else:
        assert isinstance(result, RegistryError)
        assert is_plain(str(result))
        assert PASSWORD not in str(result)


@given(anything)
@settings(max_examples=80)
@example(b'HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n{"manifest": {"\\u202e\\n": 1}}')
@example(b"HTTP/1.1 401 \xff\r\nWWW-Authenticate: \xff\xfe\r\nContent-Length: 2\r\n\r\n\xff\x00")
@example(b"HTTP/1.1 404 X\r\nContent-Length: 30\r\n\r\n" + b'{"errors": [{"code": "\\ud800"}]}'[:30])
def test_any_response_is_a_value_or_a_one_line_error(sent):
    result = result_of(sent, get_listing)
    if isinstance(result, CrawlerError):
        assert is_plain(str(result))
        assert PASSWORD not in str(result)


@pytest.mark.parametrize(
    "url", ["http://[", "http://\udc80/", "http://a\u0302:99999/", "x", "", "http://", "http://\x00/"]
)
async def test_any_url_is_a_registry_error(url):
    with pytest.raises(RegistryError) as caught:
        await send_by_session(url)
    assert is_plain(str(caught.value))


@given(st.text(), st.text(), st.text())
@example("GET \ud800", "\u202e", "\x1b[2J" * 2000)
def test_any_text_in_an_error_is_one_printable_line(request_line, code, message):
    error = RegistryError(request_line, code=code, message=message, http_status=200)
    assert str(error).isprintable()
    assert len(str(error)) < 10_000
