"""One question, asked as who we are: a reply with status 200, or an error that says what came back instead."""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TypeVar

import anyio

from crawler.auth.credentials import Authenticator
from crawler.auth.lockout import MAX_REFUSALS
from crawler.auth.other_hosts import OtherHosts
from crawler.errors import Denied, GaveUp, Missing, RegistryError, UnexpectedStatus
from crawler.transport.fetch import Transport, is_same_origin
from crawler.transport.messages import Headers, Purpose, Request, Response
from crawler.wire.challenge import parse_challenges
from crawler.wire.error_body import parse_consumer, parse_error_body

T = TypeVar("T")

_ERROR_TYPES: dict[int, type[RegistryError]] = {401: Denied, 403: Denied, 404: Missing}


class AuthenticatedClient:
    """Asks one service.

    `expired` are the statuses that may mean that our credentials have. `absence_codes` are the error codes that make a
    404 the service's own word; a 404 without one is no proof of absence, and an UnexpectedStatus. None believes all.
    `headers` go along with every request. `accepted` is a question that the credentials were good for, and its scope:
    it is asked again where they seem to be good for nothing any more.
    """

    def __init__(
        self,
        authorization: Authenticator,
        transport: Transport,
        *,
        expired: Collection[int] = frozenset({401}),
        absence_codes: Collection[str] | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        accepted: tuple[Request, str] | None = None,
    ) -> None:
        self.authorization = authorization
        self._transport = transport
        self._reauth_statuses = expired
        self._absence_codes = absence_codes
        self._headers = headers
        self._accepted = accepted
        self._refused = 0
        self._proof = anyio.Lock()
        self._other_hosts = OtherHosts(transport)

    async def get(
        self, address: str, scope: str, parse: Callable[[bytes], T], purpose: Purpose = Purpose.LISTING
    ) -> tuple[Headers, T]:
        """The headers of a reply with status 200, and what `parse` reads in its body.

        A body for which `parse` raises MalformedReply is asked for again. Raises RegistryError (UnusableReply for a
        body that stays unreadable), CredentialsError, and GaveUp.
        """
        request = Request(
            url=address,
            authorization=await self.authorization.header(scope),
            parse=parse,
            purpose=purpose,
            absence_codes=self._absence_codes,
            headers=self._headers,
        )
        reply = await self._transport.fetch(request)
        if reply.status != 200:
            reply = await self._retry_refused(request, scope, reply)
        self._accepted, self._refused = (request, scope), 0
        return reply.headers, reply.value

    async def _retry_refused(self, request: Request, scope: str, reply: Response) -> Response:
        """The reply with status 200 that other credentials bring. Raises RegistryError where there is none."""
        if reply.redirected_to and not is_same_origin(reply.redirected_to, request.url):
            reply = await self._get_from_other_host(request, scope, reply)
        elif reply.status in self._reauth_statuses:
            reply = await self._get_refreshed(request, scope, reply)
        if reply.status == 200:
            return reply
        error = self._error_from(request.url, reply)
        if reply.status in self._reauth_statuses and request.authorization is not None:
            await self._count_refusal(scope, error)
        raise error

    async def _get_refreshed(self, request: Request, scope: str, reply: Response) -> Response:
        """The reply to the same question with other credentials; the last refusal where there are none left."""
        refused = [request.authorization]
        while reply.status in self._reauth_statuses:
            challenges = parse_challenges(reply.headers.getall("WWW-Authenticate", ()))
            header = await self.authorization.refresh(scope, refused, challenges)
            if header is None:
                break
            refused.append(header)
            reply = await self._transport.fetch(replace(request, authorization=header))
            if reply.status == 200:
                self.authorization.on_accepted(scope, header)
        return reply

    async def _get_from_other_host(self, request: Request, scope: str, reply: Response) -> Response:
        """The reply of the other host that a redirect led to, asked with an anonymous token of its own."""
        if reply.status != 401:
            return reply
        challenges = parse_challenges(reply.headers.getall("WWW-Authenticate", ()))
        header = await self._other_hosts.header(reply.redirected_to, scope, challenges)
        if header is None:
            return reply
        return await self._transport.fetch(replace(request, url=reply.redirected_to, authorization=header, headers=()))

    async def _count_refusal(self, scope: str, error: RegistryError) -> None:
        """Raises GaveUp where the credentials were refused too often in a row, and for what they were good for, too.

        A block of repositories that may not be read is refused in a row as well, and ends nothing.
        """
        if self.authorization.is_vouched_for(scope):
            return
        self._refused += 1
        if self._refused < MAX_REFUSALS:
            return
        async with self._proof:
            if self._refused >= MAX_REFUSALS:
                await self._prove_credentials(error)

    async def _prove_credentials(self, error: RegistryError) -> None:
        if self._accepted is not None:
            request, scope = self._accepted
            header = await self.authorization.header(scope)
            reply = await self._transport.fetch(replace(request, authorization=header))
            if reply.status not in self._reauth_statuses:
                self._refused = 0
                return
        raise GaveUp(
            f"the credentials were refused {MAX_REFUSALS} times in a row, and are tried no more; last: {error}"
        )

    def _error_from(self, address: str, reply: Response) -> RegistryError:
        said = parse_error_body(reply.body, reply.status, reply.redirected_to)
        kind = _ERROR_TYPES.get(reply.status, UnexpectedStatus)
        message = said.message
        if kind is Missing and self._absence_codes is not None and said.code not in self._absence_codes:
            kind = UnexpectedStatus
            message = f"{message} (not the registry's own 404, so no proof that it is gone)"
        asked, consumer = Request(url=address).summary, parse_consumer(reply.body)
        return kind(asked, code=said.code, message=message, http_status=reply.status, consumer=consumer)
