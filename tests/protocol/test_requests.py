"""What a request sends, and what its response holds: methods, the Accept header, long headers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.http_sessions import TIMEOUTS, http_session
from support.scripted import Ending, Reply, ScriptedServer, document, dropped, on, raw, redirect, refusal, serve

import crawler
from crawler.limiter import AdaptiveLimiter
from crawler.transport.fetch import Transport, open_transport
from crawler.transport.http import HttpSession
from crawler.transport.messages import Purpose, Request
from crawler.transport.retry import RetryPolicy
from crawler.transport.run_limits import RunLimits
from crawler.transport.tls import Certificates

MANIFEST = "/v2/team/app/manifests/1.0"
MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"
)
DIGEST = "sha256:" + "ab" * 32
HEAD_OF_MANIFEST = raw(
    f"HTTP/1.1 200 OK\r\nContent-Length: 5612\r\nDocker-Content-Digest: {DIGEST}\r\n\r\n".encode(), Ending.OPEN
)
"""The response to a HEAD: the length of a body that does not come, on a connection that stays open."""


@asynccontextmanager
async def transport(attempts: int = 3) -> AsyncIterator[Transport]:
    context = open_transport(
        user_agent="test",
        limiter=AdaptiveLimiter(concurrency=8, rate=None),
        timeouts=TIMEOUTS,
        limits=RunLimits(RetryPolicy(attempts=attempts, give_up_s=30)),
        concurrency=8,
        scheme="http",
        certificates=Certificates(),
    )
    async with context as opened:
        yield opened


def accepts(server: ScriptedServer) -> list[str | None]:
    """The Accept header of every request, in order."""
    return [request.headers.get("accept") for request in server.requests]


# ---------------------------------------------------------------------------------------------------------- Accept


async def test_request_accepts_json_by_default():
    async with serve([on("/v2/", document({}))]) as server, transport() as opened:
        await opened.fetch(Request(url=f"{server.origin}/v2/"))
    assert accepts(server) == ["application/json"]


async def test_request_sends_the_accepted_media_types_at_once_and_after_a_retry():
    script = [on(MANIFEST, Reply(status=500), times=1), on(MANIFEST, document({}))]
    async with serve(script) as server, transport() as opened:
        response = await opened.fetch(Request(url=server.origin + MANIFEST, accept=MANIFEST_TYPES))
    assert response.status == 200
    assert accepts(server) == [MANIFEST_TYPES, MANIFEST_TYPES]


async def test_request_sends_the_accepted_media_types_after_a_redirect_within_the_origin():
    script = [on(MANIFEST, redirect("/elsewhere")), on("/elsewhere", document({}))]
    async with serve(script) as server, transport() as opened:
        response = await opened.fetch(Request(url=server.origin + MANIFEST, accept=MANIFEST_TYPES))
    assert response.redirected_to == f"{server.origin}/elsewhere"
    assert accepts(server) == [MANIFEST_TYPES, MANIFEST_TYPES]


async def test_request_sends_the_accepted_media_types_and_no_credentials_to_another_origin():
    async with serve([on("/elsewhere", document({}))]) as other:
        script = [on(MANIFEST, redirect(f"{other.origin}/elsewhere"))]
        async with serve(script) as server, transport() as opened:
            request = Request(url=server.origin + MANIFEST, accept=MANIFEST_TYPES, authorization="Bearer s3cret")
            await opened.fetch(request)
    assert accepts(server) == accepts(other) == [MANIFEST_TYPES]
    assert (server.authorizations, other.authorizations) == ({"Bearer s3cret"}, set())


# ------------------------------------------------------------------------------------------------------------ HEAD


async def test_head_request_gets_status_and_headers_and_no_body():
    async with serve([on(MANIFEST, HEAD_OF_MANIFEST, method="HEAD")]) as server, transport() as opened:
        request = Request(url=server.origin + MANIFEST, method="HEAD", accept=MANIFEST_TYPES)
        responses = [await opened.fetch(request), await opened.fetch(request)]
        connections = server.connections
    for response in responses:
        assert (response.status, response.body) == (200, b"")
        assert response.headers.get("docker-content-digest") == DIGEST
    assert connections == 1, "the connection waits for no body, and is kept"
    assert accepts(server) == [MANIFEST_TYPES, MANIFEST_TYPES]


@pytest.mark.parametrize("failure", [raw(b"HTTP/1.1 500 Oops\r\n\r\n"), dropped()], ids=["500", "dropped"])
async def test_head_request_is_retried_as_head(failure):
    script = [on(MANIFEST, failure, method="HEAD", times=1), on(MANIFEST, HEAD_OF_MANIFEST, method="HEAD")]
    async with serve(script) as server, transport() as opened:
        response = await opened.fetch(Request(url=server.origin + MANIFEST, method="HEAD"))
        assert opened.limits.requests.retries == 1
    assert response.headers.get("docker-content-digest") == DIGEST
    assert [request.method for request in server.requests] == ["HEAD", "HEAD"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_head_request_is_redirected_as_head(status):
    script = [
        on(MANIFEST, redirect("/elsewhere", status=status), method="HEAD"),
        on("/elsewhere", HEAD_OF_MANIFEST, method="HEAD"),
    ]
    async with serve(script) as server, transport() as opened:
        response = await opened.fetch(Request(url=server.origin + MANIFEST, method="HEAD"))
    assert (response.status, response.body) == (200, b"")
    assert [request.method for request in server.requests] == ["HEAD", "HEAD"]


async def test_head_request_gets_a_404_at_once_though_it_has_no_code():
    missing = raw(b"HTTP/1.1 404 Not Found\r\nContent-Length: 120\r\n\r\n", Ending.OPEN)
    async with serve([on(MANIFEST, missing, method="HEAD")]) as server, transport() as opened:
        absence_codes = frozenset({"MANIFEST_UNKNOWN"})
        response = await opened.fetch(Request(url=server.origin + MANIFEST, method="HEAD", absence_codes=absence_codes))
    assert (response.status, response.body) == (404, b"")
    assert len(server.requests) == 1


def test_head_request_is_named_by_its_method():
    assert Request(url="https://registry.example.com/v2/", method="HEAD").summary.startswith("HEAD https://")


# ---------------------------------------------------------------------------------------------- the run's one count


async def test_run_limits_count_requests_and_waits_of_all_transports():
    """The APIs have a limiter of their own; their exchanges and their waits are the run's as well."""
    limits = RunLimits(RetryPolicy(attempts=1, give_up_s=30))
    assert (limits.requests.total, limits.wait_s) == (0, 0), "progress reads it before there is a transport"
    slow_down = refusal(429, "TOOMANYREQUESTS", "slow down", ("Retry-After", "1"))
    script = [on("/v2/", document({})), on("/api", slow_down, times=1), on("/api", document({}))]
    context = open_transport(
        user_agent="test",
        limiter=AdaptiveLimiter(concurrency=8, rate=None),
        timeouts=TIMEOUTS,
        limits=limits,
        concurrency=8,
        scheme="http",
        certificates=Certificates(),
    )
    async with serve(script) as server, context as registry:
        apis = registry.with_limiter(AdaptiveLimiter(concurrency=2, rate=None))
        await registry.fetch(Request(url=f"{server.origin}/v2/", purpose=Purpose.PING))
        await apis.fetch(Request(url=f"{server.origin}/api", purpose=Purpose.API))
    assert apis.limits is registry.limits is limits
    assert (limits.requests.total, limits.requests.throttled, limits.requests.retries) == (3, 1, 1)
    assert limits.requests.by_kind == {Purpose.PING: 1, Purpose.API: 2}
    assert registry.limiter.wait_s == 0
    assert limits.wait_s == apis.limiter.wait_s > 0


# ---------------------------------------------------------------------------------------------------- long headers


@pytest.mark.parametrize("name", ["Content-Security-Policy", "Link"])
async def test_response_header_of_nearly_64_kilobytes_is_read(name):
    async with http_session() as session:
        value = "x" * 65_000
        response = await response_with(session, f"{name}: {value}")
        assert response.headers.get(name) == value


async def test_response_header_that_is_longer_is_refused_with_the_limit():
    async with http_session() as session:
        with pytest.raises(crawler.UnusableResponse) as caught:
            await response_with(session, f"Set-Cookie: {'x' * 66_000}")
        assert str(caught.value).endswith("NOT_HTTP: a header is longer than the 65,536 bytes that are read")


async def response_with(session: HttpSession, header: str):
    """The response of a server that sends this header."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{header}\r\n\r\n{{}}".encode())
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        return await session.send(Request(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
