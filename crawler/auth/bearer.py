"""Registry tokens: one flight per realm, service and scope, kept until shortly before they expire.

Follows the distribution-spec's token protocol (docs/content/spec/auth/token.md of distribution/distribution).
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import urlencode

import anyio

from crawler.auth.credentials import IDENTITY_TOKEN_USER, Credential, CredentialProvider
from crawler.auth.lockout import LockoutGuard
from crawler.auth.scope_batches import ScopeBatcher
from crawler.auth.single_flight import SingleFlight
from crawler.errors import Denied, RegistryError, UnexpectedStatus
from crawler.profiles import DISTRIBUTION, RegistryProfile
from crawler.transport.fetch import Transport
from crawler.transport.messages import MAX_TOKEN_BYTES, Purpose, Request, Response
from crawler.wire.challenge import Challenge, usable_challenge
from crawler.wire.error_body import parse_error_body
from crawler.wire.token import TokenResponse, parse_token

MAX_TOKENS: Final = 8192
"""More than are ever in use at once; beyond it the oldest go, so that a million repositories need no more memory."""

CLOCK_SKEW_S: Final = 1.25
"""Age from which every server of a registry takes a token: clocks that NTP keeps differ by less than a second."""

_MAX_USELESS_WAITS: Final = 3

CLIENT_ID: Final = "registry-crawler"

_NO_POST: Final = frozenset({400, 401, 404, 405})
"""Statuses by which token servers say that they know no POST; GET is tried then."""


def renewal_margin(lifetime_s: float) -> float:
    """How many seconds before its end a token is no longer used: it must last through one more exchange."""
    return min(5.0, lifetime_s / 10)


@dataclass(frozen=True, slots=True)
class TokenServer:
    """Where a registry sends for tokens: an absolute address, and the service to name there if any."""

    realm: str
    service: str | None


@dataclass(frozen=True, slots=True)
class _Token:
    header: str
    asked_at: float
    good_until: float
    is_shared: bool


class BearerAuth:
    """Every request carries a token of its own scope, got from the token server with the user's credentials.

    `ways` are the registry's. With more `scopes_per_token` than one, what was said to `expect` is asked for together,
    as long as the registry goes along.
    """

    def __init__(
        self,
        server: TokenServer,
        credentials: CredentialProvider,
        transport: Transport,
        *,
        profile: RegistryProfile = DISTRIBUTION,
        scopes_per_token: int = 1,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._server = server
        self._address = _address(server)
        self._credentials = credentials
        self._transport = transport
        self._absence_codes = profile.absence_codes
        self._takes_post = False
        """Whether the token server is known to take a POST."""
        self._clock = clock
        self._sleep = sleep
        self._useless_waits = 0
        self._tokens: OrderedDict[str, _Token] = OrderedDict()
        self._batches = ScopeBatcher(scopes_per_token)
        self._flights: SingleFlight[tuple[str, ...], _Token | None] = SingleFlight()
        self._strikes = LockoutGuard()
        self._is_accepted = anyio.Event()
        self._first_request = anyio.Lock()
        self._concurrency = (
            nullcontext()
            if profile.max_concurrent_token_requests is None
            else anyio.CapacityLimiter(profile.max_concurrent_token_requests)
        )

    def prefetch(self, scopes: Iterable[str]) -> None:
        self._batches.expect(scopes)

    def on_accepted(self, scope: str, header: str) -> None:
        """Every token is asked for in the same way."""

    def is_vouched_for(self, scope: str) -> bool:  # noqa: ARG002  (each token is a token server's word)
        return True

    async def refresh(self, scope: str, refused: Sequence[str | None], challenges: Sequence[Challenge]) -> str | None:
        token = self._tokens.get(scope)
        if token is None or token.header not in refused:
            return await self.header(scope)
        if len(refused) == 1 or token.is_shared:
            del self._tokens[scope]
            if token.is_shared:
                self._batches.on_scope_refused()
            header = await self.header(scope)
            if header not in refused:
                return header
            token = self._tokens.get(scope, token)  # a token server may give the same one again for a while
        return await self._when_valid(token, refused, challenges)

    async def _when_valid(
        self, token: _Token, refused: Sequence[str | None], challenges: Sequence[Challenge]
    ) -> str | None:
        """The same header once more, after its first second: the registry's clock may be behind the token server's.

        None where time is not what the registry refused it for, or where waiting was tried and has never helped.
        """
        if refused.count(token.header) > 1:
            self._useless_waits += 1
            return None
        wait_s = token.asked_at + CLOCK_SKEW_S - self._clock()
        challenge = usable_challenge(challenges)
        if challenge is not None and (challenge.scheme == "basic" or challenge.error == "insufficient_scope"):
            return None
        if wait_s <= 0 or self._useless_waits >= _MAX_USELESS_WAITS:
            return None
        await self._sleep(wait_s)
        return token.header

    async def header(self, scope: str) -> str:
        token = self._tokens.get(scope)
        group = self._batches.group_of(scope)
        if token is None and len(group) > 1:
            token = await self._flights.do(group, partial(self._fetch_for_many, group))
        if token is None or self._clock() >= token.good_until:
            token = await self._flights.do((scope,), partial(self._fetch, (scope,)))
            assert token is not None  # else it would have been refused
        return token.header

    async def _fetch_for_many(self, scopes: tuple[str, ...]) -> _Token | None:
        """One token for all of them; None where the server refuses that, and each gets its own."""
        try:
            return await self._fetch(scopes)
        except RegistryError:
            self._batches.on_request_refused()
            return None
        finally:
            self._batches.on_requested(scopes)

    async def _fetch(self, scopes: tuple[str, ...]) -> _Token:
        user = await self._credentials.get()
        if user is None or self._is_accepted.is_set():
            return await self._new_token(scopes, user)
        # until we are known one by one, because many wrong passwords at once get an address banned
        async with self._first_request:
            if not self._is_accepted.is_set():
                return await self._new_token(scopes, user)
        return await self._new_token(scopes, user)

    async def _new_token(self, scopes: tuple[str, ...], user: Credential | None) -> _Token:
        asked = self._clock()
        reply = await self._request_token(scopes, user)
        if reply.status == 401 and user is not None:
            other = await self._credentials.refresh(user)
            if other is not None:
                reply = await self._request_token(scopes, other)
        if reply.status != 401:
            self._is_accepted.set()
        if reply.status != 200:
            error = _error_from(self._server.realm, reply)
            if user is not None and reply.status == 401:  # it is not the scope that is refused, but who asks
                self._strikes.on_failure(error)
            raise error
        grant: TokenResponse = reply.value
        self._strikes.on_success()
        good_until = asked + grant.lifetime_s - renewal_margin(grant.lifetime_s)
        token = _Token(f"Bearer {grant.token}", asked, good_until, is_shared=len(scopes) > 1)
        self._tokens.update(dict.fromkeys(scopes, token))
        while len(self._tokens) > MAX_TOKENS:
            self._tokens.popitem(last=False)
        return token

    async def _request_token(self, scopes: tuple[str, ...], user: Credential | None) -> Response:
        if user is None:
            return await self._transport.fetch(self._request(scopes, None))
        async with self._concurrency:
            if user.name == IDENTITY_TOKEN_USER:
                reply = await self._transport.fetch(self._post_request(scopes, user))
                self._takes_post = self._takes_post or reply.status == 200
                if reply.status not in _NO_POST:
                    return reply
            return await self._transport.fetch(self._request(scopes, user))

    def _request(self, scopes: tuple[str, ...], user: Credential | None) -> Request:
        # nothing in a scope needs encoding: a name has none of what would
        scope = "&".join([f"scope={scope}" for scope in scopes if scope])
        header = None if user is None else user.header
        return Request(
            url=self._address + scope if scope else self._address[:-1],
            authorization=header,
            max_body_bytes=MAX_TOKEN_BYTES,
            purpose=Purpose.TOKEN,
            parse=parse_token,
            absence_codes=self._absence_codes,
        )

    def _post_request(self, scopes: tuple[str, ...], user: Credential) -> Request:
        """An identity token is exchanged by POST (distribution's docs/content/spec/auth/oauth.md)."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": user.password,
            "service": self._server.service or "",
            "client_id": CLIENT_ID,
            "scope": " ".join(scopes),
        }
        said = tuple((key, value) for key, value in form.items() if value)  # an empty scope is refused by some
        return Request(
            url=self._server.realm,
            method="POST",
            form=said,
            max_body_bytes=MAX_TOKEN_BYTES,
            purpose=Purpose.TOKEN,
            parse=parse_token,
            absence_codes=self._absence_codes if self._takes_post else None,
        )


def _address(server: TokenServer) -> str:
    """Where scopes are added to ask for a token: it ends in `?` or `&`."""
    begun = f"{server.realm}{'&' if '?' in server.realm else '?'}"
    return begun if server.service is None else f"{begun}{urlencode({'service': server.service}, safe='/:*')}&"


def _error_from(realm: str, reply: Response) -> RegistryError:
    said = parse_error_body(reply.body, reply.status, reply.redirected_to)
    kind = Denied if reply.status in {401, 403} else UnexpectedStatus
    message = f"the token server: {said.message}"
    return kind(Request(url=realm).summary, code=said.code, message=message, http_status=reply.status)
