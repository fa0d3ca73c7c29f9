"""One question, answered: paced, redirected by our rules, tried again where that may help."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

import anyio

from crawler.errors import MalformedReply, Unreachable, UnsafeAddress, UnusableReply, printable
from crawler.pace import Pace
from crawler.transport.certificates import Certificates
from crawler.transport.door import Door, open_door
from crawler.transport.messages import Exchanges, Reply, Request
from crawler.transport.patience import PASSING, Budget, PassingFailure, Patience, Silence, tries
from crawler.wire.fault import read_fault
from crawler.wire.link import encoded
from crawler.wire.retry_after import read_retry_after

_THROTTLING: Final = frozenset({429, 503})
_UNSAID_COOL_DOWN_S: Final = 1.0
"""How long a registry is left alone that answers 429 without saying for how long."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MAX_HOPS: Final = 5
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Transport:
    """Exchanges with one registry, and with whom it sends us to. Made by `open_transport`."""

    def __init__(
        self, door: Door, pace: Pace, patience: Patience, scheme: str, exchanges: Exchanges | None = None
    ) -> None:
        self.exchanges = exchanges or Exchanges()
        self.pace = pace
        self._door = door
        self._patience = patience
        self._scheme = scheme
        self._attempts = patience.attempts
        self._budget = Budget(self.exchanges)
        self._silence = Silence(patience.give_up_s, pace.clock)
        self._schemes = {"https", scheme}

    def paced(self, pace: Pace) -> "Transport":
        """The same connections and counts at another pace: for another service than the registry."""
        return Transport(self._door, pace, self._patience, self._scheme, self.exchanges)

    async def fetch(self, request: Request) -> Reply:
        """Ask, following redirects and trying again where that may help.

        A reply of any status is returned, one that is no answer (408, 429, 5xx, a 404 that is not the registry's)
        after the last try. Raises Unreachable without a whole reply, UnusableReply for one that is no HTTP, over the
        cap or not what `request.parse` can read, UnsafeAddress for a redirect not followed; GaveUp where nobody has
        answered anything for long.
        """
        try:
            return await self._try(request)
        except PassingFailure as first:
            return await self._again(request, first)

    async def _again(self, request: Request, first: PassingFailure) -> Reply:
        """All tries after the first, which stands outside tenacity because it is the hot path."""
        try:
            async for attempt in tries(self._attempts, self._budget, anyio.sleep):
                with attempt:
                    if attempt.retry_state.attempt_number == 1:
                        raise first
                    self.exchanges.retries += 1
                    return await self._try(request)
        except PassingFailure as last:
            if isinstance(last.came, Reply):
                return last.came
            raise last.came from None
        raise AssertionError("tries end with a reply or a failure")

    async def _try(self, request: Request) -> Reply:
        try:
            reply = await self._exchange(request)
            if reply.status != 200:
                reply = await self._followed(request, reply)
        except Unreachable as error:
            self._silence.lasts(error)
            raise PassingFailure(error) from None
        except PassingFailure:
            self._silence.since = None
            raise
        self._silence.since = None
        return reply if request.parse is None or reply.status != 200 else self._parsed(request, reply)

    def _parsed(self, request: Request, reply: Reply) -> Reply:
        """The reply with its value in place of its body. Raises PassingFailure for a body that cannot be read."""
        assert request.parse is not None
        try:
            return reply._replace(body=b"", value=request.parse(reply.body))
        except MalformedReply as exc:
            self._door.distrust(reply)  # it may be the answer to another question
            message = printable(self._door.redacted(request, str(exc)))
            unreadable = UnusableReply(request.asked, code="MALFORMED", message=message, http_status=reply.status)
            raise PassingFailure(unreadable) from None

    async def _followed(self, request: Request, reply: Reply) -> Reply:
        """The reply at the end of the redirects. Raises PassingFailure for a status that may pass."""
        hops = 0
        while reply.status in _REDIRECTS and (location := reply.headers.get("Location")) is not None:
            hops += 1
            if hops > _MAX_HOPS:
                message = f"more than {_MAX_HOPS} redirects"
                raise UnsafeAddress(request.asked, code="REDIRECT", message=message, http_status=reply.status)
            request = self._redirected(request, location, reply.status)
            reply = await self._exchange(request)
        if reply.status in PASSING or _is_somebody_elses(request, reply):
            raise PassingFailure(reply)
        return reply

    def _redirected(self, request: Request, location: str, status: int) -> Request:
        """The request that a redirect asks for: credentials stay with their origin, and https never becomes http."""
        try:
            url = urljoin(request.url, encoded(location))
            here, there = urlsplit(request.url), urlsplit(url)
            stays = _origin(here) == _origin(there)
        except (ValueError, MalformedReply):
            message = "a redirect to no address"
            raise UnsafeAddress(request.asked, code="REDIRECT", message=message, http_status=status) from None
        weaker = here.scheme == "https" and there.scheme != "https"
        odd = there.scheme not in self._schemes or not there.hostname or bool(set("%@") & set(there.netloc))
        if weaker or odd or (request.form and not stays):
            message = f"a redirect that we do not follow, to {printable(self._door.redacted(request, url))}"
            raise UnsafeAddress(request.asked, code="REDIRECT", message=message, http_status=status)
        return replace(request, url=url, authorization=request.authorization if stays else None)

    async def _exchange(self, request: Request) -> Reply:
        pace, exchanges = self.pace, self.exchanges
        began = await pace.begin()
        try:
            exchanges.total += 1
            exchanges.by_kind[request.purpose] += 1
            reply = await self._door.send(request)
            exchanges.bytes += len(reply.body)
            if reply.status in _THROTTLING:
                exchanges.throttled += reply.status == 429
                pace.throttled(began, _retry_after(reply))
            elif pace.allowed < pace.most:
                pace.went_well()
        except Unreachable as error:
            if error.code == "TIMEOUT":
                pace.timed_out(began)
            raise
        finally:
            pace.end()
        return reply


@asynccontextmanager
async def open_transport(
    *, user_agent: str, pace: Pace, patience: Patience, concurrency: int, scheme: str, certificates: Certificates
) -> AsyncIterator[Transport]:
    """A transport whose connections close when the block ends. Plain http is spoken only where `scheme` says so.

    Raises CredentialsError for certificates that cannot be used.
    """
    door = open_door(user_agent=user_agent, patience=patience, concurrency=concurrency, certificates=certificates)
    async with door as opened:
        yield Transport(opened, pace, patience, scheme)


def _is_somebody_elses(request: Request, reply: Reply) -> bool:
    """Whether a 404 is not the registry's own: an ingress without a backend answers so, and proves no absence."""
    if reply.status != 404 or request.absence_codes is None:
        return False
    return read_fault(reply.body, reply.status).code not in request.absence_codes


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or _DEFAULT_PORTS.get(url.scheme)


def _retry_after(reply: Reply) -> float | None:
    asked = read_retry_after(reply.headers.get("Retry-After"), reply.body, datetime.now(UTC))
    return _UNSAID_COOL_DOWN_S if asked is None and reply.status == 429 else asked
