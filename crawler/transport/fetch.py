"""One question, answered: paced, redirected by our rules, tried again where that may help."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeGuard
from urllib.parse import SplitResult, urljoin, urlsplit

import anyio

from crawler.errors import MalformedResponse, RegistryError, TimedOut, Unreachable, UnsafeAddress, UnusableResponse
from crawler.limiter import Limiter
from crawler.transport.http import HttpSession, open_http_session
from crawler.transport.messages import Party, Purpose, Request, RequestStats, Response
from crawler.transport.outage import FIRST_CONTACT_S, Canary, OutageDetector
from crawler.transport.retry import RETRYABLE_STATUSES, RetryBudget, RetryPolicy, TransientFailure, attempts
from crawler.transport.throttling import ThrottlingWatch
from crawler.transport.tls import Certificates
from crawler.transport.tls_messages import USE_HTTPS
from crawler.untrusted_text import printable
from crawler.wire.error_body import parse_error_body
from crawler.wire.link import encoded
from crawler.wire.retry_after import parse_retry_after
from crawler.wire.web_page import LOGIN_ADVICE, parse_web_page, redirect_message, without_query

_BUSY_STATUSES: Final = frozenset({429, 502, 503, 504})
"""Statuses of a registry, or of a gateway before it, that has too much to do, or has failed. A 500 is no such sign."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS: Final = 5
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_BROKEN_SERVER: Final = frozenset({"TLS", "NOT_HTTP", "PROXY"})
"""What is a mistake of the configuration at first contact, and an outage for a party that has answered before."""


@dataclass(slots=True)
class RunLimits:
    """What all exchanges of a run share, whomever they are with: counts, retries, and what ends the run.

    Attributes:
        last_answered: for each purpose what was answered last: in an outage that is asked, and nothing else.
        in_trouble: whether any party failed or throttled last, so that an answer is news: most are none, and cost no
            more than this look.
    """

    requests: RequestStats
    budget: RetryBudget
    outage: OutageDetector
    throttling: ThrottlingWatch
    last_answered: dict[Purpose, Request] = field(default_factory=dict)
    in_trouble: bool = False

    @classmethod
    def of(cls, policy: RetryPolicy) -> "RunLimits":
        exchanges = RequestStats()
        # who wants one try only does not want to wait for a server that may not exist
        first_contact_s = FIRST_CONTACT_S if policy.attempts > 1 else 0
        outage = OutageDetector(policy.give_up_s, first_contact_s=first_contact_s)
        return cls(exchanges, RetryBudget(exchanges), outage, ThrottlingWatch(policy.give_up_s))

    def answered(self, party: Party) -> None:
        """A party gave an answer, whatever it says."""
        self.outage.answered(party)
        self.throttling.on_answered(party)
        self.in_trouble = self.outage.has_failures or self.throttling.is_on


class Transport:
    """Exchanges with one registry, and with whom it sends us to. Made by `open_transport`."""

    def __init__(self, door: HttpSession, pace: Limiter, policy: RetryPolicy, scheme: str, limits: RunLimits) -> None:
        self.requests = limits.requests
        self.outage = limits.outage
        self.limiter = pace
        self._limits = limits
        self._session = door
        self._policy = policy
        self._scheme = scheme
        self._schemes = {"https", scheme}

    def with_limiter(self, pace: Limiter) -> "Transport":
        """The same connections, counts and limits at another pace: for another service than the registry."""
        return Transport(self._session, pace, self._policy, self._scheme, self._limits)

    async def fetch(self, request: Request) -> Response:
        """Ask, following redirects and trying again where that may help.

        A reply of any status is returned, one that is no answer (408, 429, 5xx, a 404 that is not the registry's)
        after the last try. Raises Unreachable without a whole reply, UnusableReply for one that is no HTTP, over the
        cap or not what `request.parse` can read, UnsafeAddress for a redirect not followed; GaveUp where an outage, or
        throttling without any success, lasts too long.
        """
        try:
            return await self._try(request)
        except TransientFailure as first:
            return await self._retry(request, first)

    async def _retry(self, request: Request, first: TransientFailure) -> Response:
        """All tries after the first, which stands outside tenacity because it is the hot path."""
        try:
            async for attempt in attempts(self._policy, self._limits.budget, sleep=anyio.sleep):
                with attempt:
                    if attempt.retry_state.attempt_number == 1:
                        raise first
                    self.requests.retries += 1
                    return await self._try(request)
        except TransientFailure as last:
            if isinstance(last.result, Response):
                return last.result
            raise last.result from None
        raise AssertionError("tries end with a reply or a failure")

    async def _try(self, request: Request) -> Response:
        """One try, held while an outage is on. Raises PassingFailure where another may help."""
        limits = self._limits
        if limits.outage.is_on:
            await limits.outage.wait()
        try:
            reply = await self._exchange_followed(request)
        except TransientFailure as failure:
            await self._failed(request, failure)
            raise
        limits.last_answered[request.purpose] = request
        if limits.in_trouble:
            limits.answered(request.party)
        return reply

    async def _failed(self, request: Request, failure: TransientFailure) -> None:
        """Take note of a try that came to nothing, and wait where it was part of an outage."""
        limits, party = self._limits, request.party
        limits.in_trouble = True
        if _is_429(failure.result):
            limits.outage.answered(party)
            limits.throttling.on_throttled(party, request.summary, failure.result)
        elif limits.outage.failed(party, has_answered=request.purpose in limits.last_answered):
            failure.in_outage = await self._examine(request, failure)

    async def _exchange_followed(self, request: Request) -> Response:
        """A reply that is an answer, whatever it says. Raises PassingFailure for what is none."""
        try:
            reply = await self._exchange(request)
            if reply.status != 200:
                reply = await self._follow(request, reply)
        except Unreachable as error:
            raise TransientFailure(error) from None
        except UnusableResponse as error:
            if error.code in _BROKEN_SERVER and request.purpose in self._limits.last_answered:
                raise TransientFailure(error) from None
            raise
        return reply if request.parse is None or reply.status != 200 else self._parsed(request, reply)

    def _parsed(self, request: Request, reply: Response) -> Response:
        """The reply with its value in place of its body. Raises PassingFailure for a body that cannot be read."""
        assert request.parse is not None
        try:
            return Response(reply.status, reply.headers, b"", request.parse(reply.body))
        except MalformedResponse as exc:
            self._session.distrust(reply)  # it may be the answer to another question
            message = printable(self._session.redacted(request, _unreadable_message(exc, reply)), 600)
            unreadable = UnusableResponse(request.summary, code="MALFORMED", message=message, http_status=reply.status)
            raise TransientFailure(unreadable) from None

    async def _examine(self, request: Request, failure: TransientFailure) -> bool:
        """Ask what was answered last, and hold every request while it is not. Returns whether the party was away."""
        known = {asked.party: asked for asked in self._limits.last_answered.values()}
        others = [asked for (_, origin), asked in known.items() if origin == request.origin]
        asked = known.get(request.party) or (others[-1] if others else request)
        canary = Canary(
            answers=partial(self._is_answering, asked),
            is_own=asked.purpose is request.purpose,
            has_answered=request.party in known,
        )
        away = await self.outage.probe(request.party, str(failure), canary)
        if away:
            self._limits.budget.refill()
            self.limiter.on_outage_over()
        return away

    async def _is_answering(self, request: Request) -> bool:
        """Whether a request gets an answer. 429 is one; a 5xx is none, even where the pace takes it for throttling."""
        try:
            await self._exchange_followed(request)
        except TransientFailure as failure:
            return _is_429(failure.result)
        except RegistryError:
            pass  # not what it was, and an answer all the same
        return True

    async def _follow(self, request: Request, reply: Response) -> Response:
        """The reply at the end of the redirects. Raises PassingFailure for a status that may pass."""
        hops = 0
        while reply.status in _REDIRECTS and (location := reply.headers.get("Location")) is not None:
            hops += 1
            if hops > _MAX_REDIRECTS:
                message = f"more than {_MAX_REDIRECTS} redirects, the last to {without_query(request.url)}"
                raise UnsafeAddress(request.summary, code="REDIRECT", message=message, http_status=reply.status)
            request = self._redirected(request, location, reply.status)
            reply = (await self._exchange(request))._replace(redirected_to=request.url)
        if reply.status in RETRYABLE_STATUSES or _is_from_other_party(request, reply):
            raise TransientFailure(reply)
        return reply

    def _redirected(self, request: Request, location: str, status: int) -> Request:
        """The request that a redirect asks for: credentials stay with their origin, and https never becomes http."""
        try:
            url = urljoin(request.url, encoded(location))
            here, there = urlsplit(request.url), urlsplit(url)
            stays = _origin(here) == _origin(there)
        except (ValueError, MalformedResponse):
            message = "a redirect to no address"
            raise UnsafeAddress(request.summary, code="REDIRECT", message=message, http_status=status) from None
        if problem := _redirect_problem(request, here, there, self._schemes):
            shown = without_query(self._session.redacted(request, url))
            message = f"a redirect that is not followed, to {shown}: {problem}"
            raise UnsafeAddress(request.summary, code="REDIRECT", message=message, http_status=status)
        return replace(request, url=url) if stays else replace(request, url=url, authorization=None, headers=())

    async def _exchange(self, request: Request) -> Response:
        pace, exchanges = self.limiter, self.requests
        began = await pace.acquire()
        try:
            exchanges.total += 1
            exchanges.by_kind[request.purpose] += 1
            reply = await self._session.send(request)
            exchanges.bytes += len(reply.body)
            if reply.status in _BUSY_STATUSES:
                reply = reply._replace(throttled=_is_throttled(reply, began, pace))
                exchanges.throttled += reply.throttled
            else:
                pace.on_success()
        except TimedOut:
            pace.on_timeout(began)
            raise
        finally:
            pace.release()
        return reply


@asynccontextmanager
async def open_transport(
    *,
    user_agent: str,
    pace: Limiter,
    policy: RetryPolicy,
    concurrency: int,
    scheme: str,
    certificates: Certificates,
    limits: RunLimits | None = None,
) -> AsyncIterator[Transport]:
    """A transport whose connections close when the block ends. Plain http is spoken only where `scheme` says so.

    `limits` are the run's, where they are shared with what was begun before.

    Raises CredentialsError for certificates that cannot be used.
    """
    door = open_http_session(user_agent=user_agent, policy=policy, concurrency=concurrency, certificates=certificates)
    async with door as opened:
        yield Transport(opened, pace, policy, scheme, limits or RunLimits.of(policy))


def _is_429(came: Response | RegistryError) -> TypeGuard[Response]:
    return isinstance(came, Response) and came.status == 429


def _is_from_other_party(request: Request, reply: Response) -> bool:
    """Whether a 404 is not the registry's own: an ingress without a backend answers so, and proves no absence."""
    if reply.status != 404 or request.absence_codes is None:
        return False
    return parse_error_body(reply.body, reply.status).code not in request.absence_codes


def is_same_origin(url: str, other: str) -> bool:
    """Whether two URLs are of one scheme, host and port (RFC 6454 §4), so that both may see the same credentials."""
    return _origin(urlsplit(url)) == _origin(urlsplit(other))


def _unreadable_message(exc: MalformedResponse, reply: Response) -> str:
    """What came in place of an answer, and where redirects led."""
    message = f"{exc}{redirect_message(reply.redirected_to)}"
    if parse_web_page(reply.body) is not None:
        return f"{message}: {LOGIN_ADVICE}"
    content_type = reply.headers.get("Content-Type") or ""
    is_told = message.startswith("not JSON") and content_type and "json" not in content_type
    return f"{message} (Content-Type: {printable(content_type, 60)})" if is_told else message


def _redirect_problem(request: Request, here: SplitResult, there: SplitResult, schemes: Collection[str]) -> str:
    """Why a redirect is not followed, in words for the operator; "" where nothing speaks against it."""
    if here.scheme == "https" and there.scheme == "http":
        return "it leads from https to plain http (a registry behind a proxy that ends TLS must know its own https URL)"
    if there.scheme not in schemes:
        return "it leads neither to http nor to https"
    if not there.hostname or set("%@") & set(there.netloc):
        return "it names no host, or a user"
    # without its credentials the request would be refused there, for a reason that nobody could guess
    wants_https = here.scheme == "http" and there.scheme == "https" and here.hostname == there.hostname
    if wants_https and (request.authorization is not None or request.form):
        return f"the server wants https, and credentials do not follow there: {USE_HTTPS}"
    return "what was posted goes to no other server" if request.form and _origin(here) != _origin(there) else ""


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or _DEFAULT_PORTS.get(url.scheme)


def _is_throttled(reply: Response, began: float, pace: Limiter) -> bool:
    """Tell the pace of a refusal, and learn whether it was because of the pace."""
    asked = parse_retry_after(reply.headers.get("Retry-After"), reply.body, datetime.now(UTC))
    if reply.status != 429 and asked is None:
        return pace.on_unavailable(began)
    pace.on_throttled(began, asked)
    return True
