"""One question, asked as who we are: a reply with status 200, or an error that says what came back instead."""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TypeVar

from crawler.auth.basic import Authorization
from crawler.errors import Denied, Missing, RegistryError, UnexpectedStatus
from crawler.transport.fetch import Transport
from crawler.transport.messages import Headers, Purpose, Reply, Request
from crawler.wire.challenge import read_challenges
from crawler.wire.fault import read_consumer, read_fault

T = TypeVar("T")

_KINDS: dict[int, type[RegistryError]] = {401: Denied, 403: Denied, 404: Missing}


class Inquiry:
    """Asks one service.

    `expired` are the statuses that may mean that our credentials have. `absence_codes` are the error codes that make a
    404 the service's own word; a 404 without one is no proof of absence, and an UnexpectedStatus. None believes all.
    `headers` go along with every request.
    """

    def __init__(
        self,
        authorization: Authorization,
        transport: Transport,
        *,
        expired: Collection[int] = frozenset({401}),
        absence_codes: Collection[str] | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.authorization = authorization
        self._transport = transport
        self._expired = expired
        self._absence_codes = absence_codes
        self._headers = headers

    async def ask(
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
        if reply.status in self._expired:
            reply = await self._ask_renewed(request, scope, reply)
        if reply.status != 200:
            raise self._refusal(address, reply)
        return reply.headers, reply.value

    async def _ask_renewed(self, request: Request, scope: str, refusal: Reply) -> Reply:
        """The reply to the same question with other credentials; the refusal where there are none."""
        challenges = read_challenges(refusal.headers.getall("WWW-Authenticate", ()))
        renewed = await self.authorization.renewed(scope, request.authorization, challenges)
        return refusal if renewed is None else await self._transport.fetch(replace(request, authorization=renewed))

    def _refusal(self, address: str, reply: Reply) -> RegistryError:
        said = read_fault(reply.body, reply.status)
        kind = _KINDS.get(reply.status, UnexpectedStatus)
        message = said.message
        if kind is Missing and self._absence_codes is not None and said.code not in self._absence_codes:
            kind = UnexpectedStatus
            message = f"{message} (not the registry's own 404, so no proof that it is gone)"
        asked, consumer = Request(url=address).asked, read_consumer(reply.body)
        return kind(asked, code=said.code, message=message, http_status=reply.status, consumer=consumer)
