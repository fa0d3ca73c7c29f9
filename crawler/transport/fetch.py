"""One request and its answer: limited, redirected by the crawler's own rules, retried where that may help."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeGuard
from urllib.parse import SplitResult, urljoin, urlsplit

import anyio

from crawler.errors import MalformedResponse, RegistryError, TimedOut, Unreachable, UnsafeAddress, UnusableResponse
from crawler.limiter import Limiter
from crawler.transport.bodies import MAX_BODIES_BYTES, BodyBudget
from crawler.transport.http import HttpSession, open_http_session
from crawler.transport.messages import Purpose, Request, Response
from crawler.transport.outage import Canary
from crawler.transport.retry import RETRYABLE_STATUSES, Timeouts, TransientFailure, attempts
from crawler.transport.run_limits import RunLimits
from crawler.transport.tls import Certificates
from crawler.transport.tls_messages import USE_HTTPS
from crawler.untrusted_text import printable
from crawler.wire.error_body import parse_error_body
from crawler.wire.link import encoded
from crawler.wire.retry_after import parse_retry_after, parse_spent_quota
from crawler.wire.web_page import LOGIN_ADVICE, parse_web_page, redirect_message, without_query

_BUSY_STATUSES: Final = frozenset({429, 502, 503, 504})
"""Statuses of a registry, or of a gateway before it, that is overloaded or has failed. A 500 is no such sign."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS: Final = 5
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_BROKEN_SERVER: Final = frozenset({"TLS", "NOT_HTTP", "PROXY"})
"""Codes that mean a mistake of the configuration at first contact, and an outage once the party has answered."""


class Transport:
    """Exchanges with one registry, and with the services that it refers to. Made by `open_transport`.

    Attributes:
        limits: what all transports of the run share.
        limiter: the permits for this transport's service.
    """

    def __init__(self, session: HttpSession, limiter: Limiter, limits: RunLimits, scheme: str) -> None:
        self.limits = limits
        self.limiter = limiter
        self._session = session
        self._scheme = scheme
        self._schemes = {"https", scheme}
        limits.add_limiter(limiter)

    def with_limiter(self, limiter: Limiter) -> "Transport":
        """The same connections, counts and limits with another limiter: for another service than the registry."""
        return Transport(self._session, limiter, self.limits, self._scheme)

    def apart(self, limiter: Limiter) -> "Transport":
        """As `with_limiter`, for a service that the run can do without: its outages hold no other requests."""
        self.limits.add_limiter(limiter)
        return Transport(self._session, limiter, self.limits.apart(), self._scheme)

    async def fetch(self, request: Request) -> Response:
        """Send a request, follow redirects, and retry where that may help.

        Returns a response of any status; one that is no answer (408, 429, 5xx, a 404 that is not the registry's) only
        after the last attempt, except for a 429 with one of `request.spent_codes`. Raises Unreachable without a whole
        response; UnusableResponse for one that is no HTTP, over the limit, or not what `request.parse` can read;
        UnsafeAddress for a redirect that is not followed; GaveUp where an outage, or throttling without any success,
        lasts too long.
        """
        # The first attempt is written out, and not tenacity's: it is the hot path, and nearly all succeed.
        limits = self.limits
        if limits.outage.is_on:
            await limits.outage.wait()
        try:
            response = await self._exchange(request)
            if response.status != 200:
                response = await self._follow(request, response)
            response = self._parsed(request, response)
        except TransientFailure as failure:
            return await self._retry(request, await self._reported(request, failure))
        limits.on_answered(request)
        return response

    async def _retry(self, request: Request, first: TransientFailure) -> Response:
        """All attempts after the first."""
        try:
            async for attempt in attempts(self.limits.policy, self.limits.budget, sleep=anyio.sleep):
                with attempt:
                    if attempt.retry_state.attempt_number == 1:
                        raise first
                    self.limits.requests.add_retry()
                    return await self._attempt(request)
        except TransientFailure as last:
            if isinstance(last.result, Response):
                return last.result
            raise last.result from None
        finally:
            del first  # its traceback has this frame: a cycle, which would stay until the collector comes
        raise AssertionError("attempts end with a response or a failure")

    async def _attempt(self, request: Request) -> Response:
        """One attempt, held back during an outage. Raises TransientFailure where another attempt may help."""
        if self.limits.outage.is_on:
            await self.limits.outage.wait()
        try:
            response = await self._answer(request)
        except TransientFailure as failure:
            raise await self._reported(request, failure) from None
        self.limits.on_answered(request)
        return response

    async def _reported(self, request: Request, failure: TransientFailure) -> TransientFailure:
        """The failure of an attempt, reported to the detectors: it is part of an outage where that is over then."""
        if _is_429(failure.result):
            self.limits.on_throttled(request, failure.result)
            return TransientFailure(failure.result)
        in_outage = self.limits.on_failed(request) and await self._probe(request, failure)
        return TransientFailure(failure.result, in_outage=in_outage)

    async def _answer(self, request: Request) -> Response:
        """A response that is an answer, whatever it says, at the end of the redirects.

        Raises TransientFailure for a response that is none, and for none at all.
        """
        response = await self._exchange(request)
        if response.status != 200:
            response = await self._follow(request, response)
        return self._parsed(request, response)

    def _parsed(self, request: Request, response: Response) -> Response:
        """A 200 with its value in place of its body. Raises TransientFailure for a body that cannot be read."""
        if response.status != 200 or request.parse is None:
            return response
        try:
            return Response(response.status, response.headers, b"", request.parse(response.body))
        except MalformedResponse as exc:
            # It may be the response to another request: after one response too many on a kept connection (a proxy's
            # 408, smuggled bytes) every later one is off by one. So the retry gets a connection of its own.
            self._session.distrust(response)
            message = printable(self._session.redacted(request, _unreadable_message(exc, response)), 600)
            status = response.status
            unreadable = UnusableResponse(request.summary, code=exc.code, message=message, http_status=status)
            raise TransientFailure(unreadable) from None

    async def _probe(self, request: Request, failure: TransientFailure) -> bool:
        """Repeat a request that was answered before, and hold all others until it is. Returns whether it was not.

        The best canary is the last answered request of the same party; else one to the same server, else the request
        itself.
        """
        answered = {known.party: known for known in self.limits.last_answered.values()}
        same_server = [known for (_, origin), known in answered.items() if origin == request.origin]
        repeated = answered.get(request.party) or (same_server[-1] if same_server else request)
        canary = Canary(
            answers=partial(self._is_answered, repeated),
            is_own=repeated.purpose is request.purpose,
            has_answered=request.party in answered,
        )
        was_outage = await self.limits.outage.probe(request.party, str(failure), canary)
        if was_outage:
            self.limits.budget.refill()
            self.limiter.on_outage_over()
        return was_outage

    async def _is_answered(self, request: Request) -> bool:
        """Whether a request gets an answer. A 429 is one; a 5xx is none, even where the limiter calls it throttling."""
        try:
            await self._answer(request)
        except TransientFailure as failure:
            return _is_429(failure.result)
        except RegistryError:
            pass  # another answer than before, and still an answer
        return True

    async def _follow(self, request: Request, response: Response) -> Response:
        """The response at the end of the redirects. Raises TransientFailure for a status that may pass.

        Redirects are followed here and not by aiohttp: each hop takes a permit and is counted, https never becomes
        http, and Authorization is dropped where scheme, host or port changes. Clients that kept it leaked credentials
        (GHSA-vh4v-2xq2-g5cg, GHSA-jxpm-75mh-9fp7).
        """
        hops = 0
        while response.status in _REDIRECTS and (location := response.headers.get("Location")) is not None:
            hops += 1
            if hops > _MAX_REDIRECTS:
                message = f"more than {_MAX_REDIRECTS} redirects, the last to {without_query(request.url)}"
                raise UnsafeAddress(request.summary, code="REDIRECT", message=message, http_status=response.status)
            request = self._redirected(request, location, response.status)
            response = (await self._exchange(request)).replace(redirected_to=request.url)
        if response.status in RETRYABLE_STATUSES and not _is_spent(request, response):
            raise TransientFailure(response)
        if _is_from_other_party(request, response):
            raise TransientFailure(response)
        return response

    def _redirected(self, request: Request, location: str, status: int) -> Request:
        """The request that a redirect asks for, with the same method and Accept.

        Credentials stay with their origin, and https never becomes http. Raises UnsafeAddress for a redirect that is
        not followed.
        """
        try:
            url = urljoin(request.url, encoded(location))
            here, there = urlsplit(request.url), urlsplit(url)
            stays = _origin(here) == _origin(there)
        except (ValueError, MalformedResponse):
            message = "a redirect to an invalid URL"
            raise UnsafeAddress(request.summary, code="REDIRECT", message=message, http_status=status) from None
        if problem := _redirect_problem(request, here, there, self._schemes):
            redacted = without_query(self._session.redacted(request, url))
            message = f"a redirect that is not followed, to {redacted}: {problem}"
            raise UnsafeAddress(request.summary, code="REDIRECT", message=message, http_status=status)
        return request.replace(url=url) if stays else request.replace(url=url, authorization=None, headers=())

    async def _exchange(self, request: Request) -> Response:
        """One exchange under a permit, which is held through the last byte of the body and no longer.

        Raises TransientFailure where no response came.
        """
        limiter, size = self.limiter, 0
        started_at = limiter.try_acquire()
        if started_at is None:
            started_at = await limiter.acquire()
        try:
            response = await self._session.send(request)
            size = len(response.body)
            if request.purpose is Purpose.API:
                response = self._with_meaning(request, response)
            if response.status in _BUSY_STATUSES and not _is_spent(request, response):
                response = self._busy(response, started_at)
            else:
                limiter.on_success()
        except TimedOut as error:
            limiter.on_timeout(started_at)
            raise TransientFailure(error) from None
        except Unreachable as error:
            raise TransientFailure(error) from None
        except UnusableResponse as error:
            if error.code in _BROKEN_SERVER and request.purpose in self.limits.last_answered:
                raise TransientFailure(error) from None
            raise
        finally:
            self.limits.requests.add_exchange(request.purpose, size)
            limiter.release()
        return response

    def _busy(self, response: Response, started_at: float) -> Response:
        """The response of a server that is overloaded or has failed, reported to the limiter."""
        if not _is_throttled(response, started_at, self.limiter):
            return response
        self.limits.requests.add_throttled()
        return response.replace(throttled=True)

    def _with_meaning(self, request: Request, response: Response) -> Response:
        """The response of an API with the status that it means. Where its quota is spent, the next exchanges wait.

        They do not wait for longer than the run may: then the next one is refused, which says so.
        GitHub refuses with 403 where the quota is spent
        (https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit).
        """
        status = response.status if request.meant_status is None else request.meant_status(response)
        spent_for_s = parse_spent_quota(response.headers.get, datetime.now(UTC))
        if spent_for_s is not None and status == 403:
            status = 429
        elif spent_for_s is not None and status != 429 and spent_for_s <= self.limits.policy.give_up_s:
            self.limiter.pause(spent_for_s)
        return response if status == response.status else response.replace(status=status)


@asynccontextmanager
async def open_transport(
    *,
    user_agent: str,
    limiter: Limiter,
    timeouts: Timeouts,
    limits: RunLimits,
    concurrency: int,
    scheme: str,
    certificates: Certificates,
) -> AsyncIterator[Transport]:
    """A transport whose connections close when the block ends.

    `concurrency` is how many exchanges may run at once, with all servers together. https is always spoken, plain http
    only where `scheme` is "http". Raises CredentialsError for certificates that cannot be used.
    """
    session = open_http_session(
        user_agent=user_agent,
        timeouts=timeouts,
        concurrency=concurrency,
        certificates=certificates,
        bodies=BodyBudget(MAX_BODIES_BYTES),
    )
    async with session as opened:
        yield Transport(opened, limiter, limits, scheme)


def is_same_origin(url: str, other: str) -> bool:
    """Whether two URLs have the same scheme, host and port (RFC 6454 §4), so that both may see the same credentials."""
    return _origin(urlsplit(url)) == _origin(urlsplit(other))


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or _DEFAULT_PORTS.get(url.scheme)


def _is_429(result: Response | RegistryError) -> TypeGuard[Response]:
    return isinstance(result, Response) and result.status == 429


def _is_spent(request: Request, response: Response) -> bool:
    """Whether a 429 says that a limit of such requests alone is spent, which no waiting within a run helps."""
    if response.status != 429 or not request.spent_codes:
        return False
    return parse_error_body(response.body, response.status).code in request.spent_codes


def _is_throttled(response: Response, started_at: float, limiter: Limiter) -> bool:
    """Report a refusal to the limiter; returns whether the reason was the request rate."""
    retry_after_s = parse_retry_after(response.headers.get, response.body, datetime.now(UTC))
    if response.status != 429 and retry_after_s is None:
        return limiter.on_unavailable(started_at)
    limiter.on_throttled(started_at, retry_after_s)
    return True


def _is_from_other_party(request: Request, response: Response) -> bool:
    """Whether a 404 is not the registry's own.

    An ingress without a healthy backend answers 404 as well (`default backend - 404`, `404 page not found`, nginx's
    HTML), so that a restarting registry would make repositories look deleted. The distribution specification
    (§ Error Codes) gives a registry's own 404 a code; the body of a HEAD cannot have one.
    """
    if response.status != 404 or request.absence_codes is None or request.method == "HEAD":
        return False
    return parse_error_body(response.body, response.status).code not in request.absence_codes


def _redirect_problem(request: Request, here: SplitResult, there: SplitResult, schemes: Collection[str]) -> str:
    """Why a redirect is not followed, for the operator; "" for one that is followed."""
    if here.scheme == "https" and there.scheme == "http":
        return "it leads from https to plain http (a registry behind a proxy that ends TLS must know its own https URL)"
    if there.scheme not in schemes:
        return "it leads neither to http nor to https"
    if not there.hostname or set("%@") & set(there.netloc):
        return "its URL has no host, or has a user name"
    # Without its credentials the request would be refused there, and the error would not say why.
    wants_https = here.scheme == "http" and there.scheme == "https" and here.hostname == there.hostname
    if wants_https and (request.authorization is not None or request.method == "POST"):
        return f"the server wants https, and credentials are not sent to another origin: {USE_HTTPS}"
    return (
        "a POST is not sent to another origin" if request.method == "POST" and _origin(here) != _origin(there) else ""
    )


def _unreadable_message(exc: MalformedResponse, response: Response) -> str:
    """What came in place of an answer, and where redirects led."""
    message = f"{exc}{redirect_message(response.redirected_to)}"
    if parse_web_page(response.body) is not None:
        return f"{message}: {LOGIN_ADVICE}"
    content_type = response.headers.get("Content-Type") or ""
    is_worth_naming = message.startswith("not JSON") and content_type and "json" not in content_type
    return f"{message} (Content-Type: {printable(content_type, 60)})" if is_worth_naming else message
