"""Registry tokens: one request per realm, service and scope, and the token kept until shortly before it expires.

Follows the token protocol of distribution/distribution (docs/content/spec/auth/token.md, oauth.md).
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
from crawler.errors import Denied, RegistryError, UnexpectedStatus
from crawler.model.value import Value
from crawler.profiles import DISTRIBUTION, RegistryProfile
from crawler.single_flight import SingleFlight
from crawler.transport.fetch import Transport
from crawler.transport.messages import MAX_TOKEN_BYTES, Purpose, Request, Response
from crawler.wire.challenge import Challenge, usable_challenge
from crawler.wire.error_body import parse_error_body
from crawler.wire.token import TokenResponse, parse_token

MAX_TOKENS: Final = 8192
"""Tokens kept at once: more than are in use at any time. The oldest go first, so memory does not grow with the run."""

CLOCK_SKEW_S: Final = 1.25
"""The age in seconds from which every server of a registry accepts a token.

A token may begin (`nbf`) a moment ahead of the clock of the server that checks it: docker/hub-feedback#647,
cesanta/docker_auth#41. distribution tolerates 60 s since distribution/distribution#1686, which also reports that clocks
kept by NTP differ by less than a second; other servers tolerate nothing.
"""

_MAX_USELESS_WAITS: Final = 3
"""Waits for CLOCK_SKEW_S that did not help, after which a refusal is believed at once."""

_MAX_EXPIRED: Final = 8
"""Tokens of one request that may expire, one after the other, before a refusal is believed."""

CLIENT_ID: Final = "registry-crawler"

_NO_POST: Final = frozenset({400, 401, 404, 405})
"""The statuses of token servers that do not take a POST; a GET follows.

containerd/containerd remotes/docker/authorizer.go names them: GCR 404, Artifactory 401, ACR 400.
"""


def renewal_margin(lifetime_s: float) -> float:
    """How many seconds before its end a token is no longer used: it must outlive one exchange.

    A tenth of a short life, because five seconds would leave nothing of a token that lives for three.
    """
    return min(5.0, lifetime_s / 10)


@dataclass(frozen=True, slots=True)
class TokenServer:
    """Where registry tokens come from.

    Attributes:
        realm: the token endpoint's absolute URL.
        service: the service to name in token requests; None where the challenge names none.
    """

    realm: str
    service: str | None


class _Token(Value, frozen=True):
    """A registry token; times are of the monotonic clock.

    Attributes:
        is_shared: whether the token was requested for more than one scope.
    """

    header: str
    requested_at: float
    valid_until: float
    is_shared: bool

    def __repr__(self) -> str:
        return f"_Token(valid_until={self.valid_until})"  # never the header


class BearerAuth:
    """Sends with each request a token for the request's scope, from one token server.

    Where `scopes_per_token` is more than 1, scopes that were announced by `prefetch` are requested together, as long as
    the token server and the registry accept that.
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
        self._url_prefix = _url_prefix(server)
        self._credentials = credentials
        self._transport = transport
        self._absence_codes = profile.absence_codes
        self._takes_post = False
        """Whether a POST has brought a token. Until then a 404 to a POST means "not supported", and is not retried."""
        self._clock = clock
        self._sleep = sleep
        self._useless_waits = 0
        self._tokens: OrderedDict[str, _Token] = OrderedDict()  # by scope
        self._batches = ScopeBatcher(scopes_per_token)
        self._flights: SingleFlight[tuple[str, ...], _Token | None] = SingleFlight()
        self._lockout = LockoutGuard()
        self._has_accepted = False
        """Whether the token server has accepted the credentials."""
        self._first_request = anyio.Lock()
        self._concurrency = (
            None
            if profile.max_concurrent_token_requests is None
            else anyio.CapacityLimiter(profile.max_concurrent_token_requests)
        )

    def prefetch(self, scopes: Iterable[str]) -> None:
        self._batches.add(scopes)

    def on_accepted(self, scope: str, header: str) -> None:
        """Nothing to learn: every token is requested in the same way."""

    def uses_token(self, scope: str) -> bool:  # noqa: ARG002  (every scope does)
        return True

    async def refresh(self, scope: str, refused: Sequence[str | None], challenges: Sequence[Challenge]) -> str | None:
        token = self._tokens.get(scope)
        if token is None or token.header not in refused:
            return await self.header(scope)
        if len(refused) == 1 or token.is_shared or self._expired_on_the_way(token, refused):
            del self._tokens[scope]
            if token.is_shared:
                self._batches.on_scope_refused()
            header = await self.header(scope)
            if header not in refused:
                return header
            token = self._tokens.get(scope, token)  # token servers may cache, and answer with the same token again
        return await self._wait_until_valid(token, refused, challenges)

    def _expired_on_the_way(self, token: _Token, refused: Sequence[str | None]) -> bool:
        """Whether the refusal proves nothing: a request waits for its permit and its retries, and a token runs out."""
        return self._clock() >= token.valid_until and len(refused) < _MAX_EXPIRED

    async def _wait_until_valid(
        self, token: _Token, refused: Sequence[str | None], challenges: Sequence[Challenge]
    ) -> str | None:
        """The header of `token` again, once the token is CLOCK_SKEW_S old.

        None where the token is older, where the refusal has another cause, and where waiting has not helped so far.
        """
        if refused.count(token.header) > 1:
            self._useless_waits += 1
            return None
        wait_s = token.requested_at + CLOCK_SKEW_S - self._clock()
        challenge = usable_challenge(challenges)
        if challenge is not None and (challenge.scheme == "basic" or challenge.error == "insufficient_scope"):
            return None  # the registry wants a password, or a token for more: time changes neither
        if wait_s <= 0 or self._useless_waits >= _MAX_USELESS_WAITS:
            return None
        await self._sleep(wait_s)
        return token.header

    def header_at_hand(self, scope: str) -> str | None:
        token = self._tokens.get(scope)
        return None if token is None or self._clock() >= token.valid_until else token.header

    async def header(self, scope: str) -> str:
        token = self._tokens.get(scope)
        if token is None and len(batch := self._batches.batch_of(scope)) > 1:
            token = await self._flights.do(batch, partial(self._fetch_batch, batch))
        if token is None or self._clock() >= token.valid_until:
            token = await self._flights.do((scope,), partial(self._fetch, (scope,)))
            assert token is not None  # `_fetch` raises where there is no token
        return token.header

    async def _fetch_batch(self, scopes: tuple[str, ...]) -> _Token | None:
        """One token for all scopes; None where the token server refuses it, and each scope needs its own."""
        try:
            return await self._fetch(scopes)
        except RegistryError:
            self._batches.on_request_refused()
            return None
        finally:
            self._batches.on_requested(scopes)

    async def _fetch(self, scopes: tuple[str, ...]) -> _Token:
        credential = self._credentials.at_hand or await self._credentials.get()
        if self._may_be_sent_often(credential):
            return await self._new_token(scopes, credential)
        # One request at a time until the password has been accepted: hundreds of concurrent requests with a wrong one
        # would be hundreds of failed logins before the first answer, and registries ban for far fewer (see `lockout`).
        async with self._first_request:
            if not self._may_be_sent_often(credential):
                return await self._new_token(scopes, credential)
        return await self._new_token(scopes, credential)

    def _may_be_sent_often(self, credential: Credential | None) -> bool:
        return credential is None or self._has_accepted

    async def _new_token(self, scopes: tuple[str, ...], credential: Credential | None) -> _Token:
        # its life is counted from the request, not from the response: that errs on the safe side
        requested_at = self._clock()
        response = await self._request_token(scopes, credential)
        if response.status == 401 and credential is not None:
            other = await self._credentials.refresh(credential)
            if other is not None:
                response = await self._request_token(scopes, other)
        if response.status != 401:
            self._has_accepted = True
        if response.status != 200:
            error = _error_from(self._server.realm, response)
            if credential is not None and response.status == 401:  # a 403 refuses the scope, a 401 the credentials
                self._lockout.on_failure(error)
            raise error
        self._lockout.on_success()
        granted: TokenResponse = response.value
        valid_until = requested_at + granted.lifetime_s - renewal_margin(granted.lifetime_s)
        token = _Token(f"Bearer {granted.token}", requested_at, valid_until, is_shared=len(scopes) > 1)
        self._tokens.update(dict.fromkeys(scopes, token))
        while len(self._tokens) > MAX_TOKENS:
            self._tokens.popitem(last=False)
        return token

    def _request_token(self, scopes: tuple[str, ...], credential: Credential | None) -> Awaitable[Response]:
        if credential is None or (self._concurrency is None and credential.name != IDENTITY_TOKEN_USER):
            return self._transport.fetch(self._get_request(scopes, credential))
        return self._exchange_credential(scopes, credential)

    async def _exchange_credential(self, scopes: tuple[str, ...], credential: Credential) -> Response:
        async with self._concurrency or nullcontext():
            if credential.name == IDENTITY_TOKEN_USER:
                response = await self._transport.fetch(self._post_request(scopes, credential))
                self._takes_post = self._takes_post or response.status == 200
                if response.status not in _NO_POST:
                    return response
            return await self._transport.fetch(self._get_request(scopes, credential))

    def _get_request(self, scopes: tuple[str, ...], credential: Credential | None) -> Request:
        # Not encoded: the grammar of names has no character that a query must encode. NO_SCOPE is left out, because
        # Google's token server refuses an empty scope.
        query = "&".join([f"scope={scope}" for scope in scopes if scope])
        return Request(
            url=self._url_prefix + query if query else self._url_prefix[:-1],
            authorization=None if credential is None else credential.header,
            max_body_bytes=MAX_TOKEN_BYTES,
            purpose=Purpose.TOKEN,
            parse=parse_token,
            absence_codes=self._absence_codes,
        )

    def _post_request(self, scopes: tuple[str, ...], credential: Credential) -> Request:
        """The exchange of an identity token (distribution/distribution docs/content/spec/auth/oauth.md)."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": credential.password,
            "service": self._server.service or "",
            "client_id": CLIENT_ID,
            "scope": " ".join(scopes),
        }
        return Request(
            url=self._server.realm,
            method="POST",
            form=tuple((key, value) for key, value in form.items() if value),  # an empty scope is refused, as by GET
            max_body_bytes=MAX_TOKEN_BYTES,
            purpose=Purpose.TOKEN,
            parse=parse_token,
            absence_codes=self._absence_codes if self._takes_post else None,
        )


def _url_prefix(server: TokenServer) -> str:
    """The URL of a token request, without its scopes: it ends in `?` or `&`."""
    prefix = f"{server.realm}{'&' if '?' in server.realm else '?'}"
    return prefix if server.service is None else f"{prefix}{urlencode({'service': server.service}, safe='/:*')}&"


def _error_from(realm: str, response: Response) -> RegistryError:
    detail = parse_error_body(response.body, response.status, response.redirected_to)
    error_type = Denied if response.status in {401, 403} else UnexpectedStatus
    message = f"the token server: {detail.message}"
    return error_type(Request(url=realm).summary, code=detail.code, message=message, http_status=response.status)
