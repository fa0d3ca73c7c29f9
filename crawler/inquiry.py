"""One question, asked as who we are: a reply with status 200, or an error that says what came back instead."""

from collections.abc import Callable, Collection
from typing import TypeVar

from crawler.auth.basic import Authorization
from crawler.errors import Denied, MalformedReply, Missing, RegistryError, UnexpectedStatus, UnusableReply
from crawler.transport.fetch import Transport
from crawler.transport.messages import Reply, Request
from crawler.wire.challenge import read_challenges
from crawler.wire.fault import read_fault

T = TypeVar("T")

_KINDS: dict[int, type[RegistryError]] = {401: Denied, 403: Denied, 404: Missing}


class Inquiry:
    """Asks one service. `expired` are the statuses that may mean that our credentials have."""

    def __init__(
        self, authorization: Authorization, transport: Transport, *, expired: Collection[int] = frozenset({401})
    ) -> None:
        self.authorization = authorization
        self._transport = transport
        self._expired = expired

    async def ask(self, address: str, scope: str) -> Reply:
        """A reply with status 200. Raises RegistryError, CredentialsError, and GaveUp."""
        header = await self.authorization.header(scope)
        reply = await self._transport.fetch(Request(url=address, authorization=header))
        if reply.status == 200:
            return reply
        if reply.status in self._expired:
            challenges = read_challenges(reply.headers.getall("WWW-Authenticate", ()))
            renewed = await self.authorization.renewed(scope, header, challenges)
            if renewed is not None:
                reply = await self._transport.fetch(Request(url=address, authorization=renewed))
        if reply.status != 200:
            raise _refusal(address, reply)
        return reply


def read(reader: Callable[[bytes], T], address: str, reply: Reply) -> T:
    """What a reply's body says. Raises UnusableReply for one that `reader` cannot read."""
    try:
        return reader(reply.body)
    except MalformedReply as fault:
        raise UnusableReply(
            Request(url=address).asked, code="MALFORMED", message=str(fault), http_status=reply.status
        ) from None


def _refusal(address: str, reply: Reply) -> RegistryError:
    said = read_fault(reply.body, reply.status)
    kind = _KINDS.get(reply.status, UnexpectedStatus)
    return kind(Request(url=address).asked, code=said.code, message=said.message, http_status=reply.status)
