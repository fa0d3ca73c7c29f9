"""Which way in: the challenge is learned once from `/v2/`, and answered by the flow that was chosen."""

from collections.abc import Collection
from enum import Enum, auto
from typing import Final
from urllib.parse import urljoin, urlsplit

from crawler.auth.basic import ANYWHERE, BEARER_TOKEN_USER, Authorization, Credentials, Fixed, StraightAuthorization
from crawler.auth.tokens import BearerAuthorization, TokenServer
from crawler.errors import CredentialsError, MalformedReply, UnexpectedStatus, printable
from crawler.model import Target, is_loopback
from crawler.transport.fetch import Transport
from crawler.transport.messages import ERROR_CAP, Purpose, Reply, Request
from crawler.ways import Ways, matches
from crawler.wire.challenge import Challenge, read_challenges, usable_challenge
from crawler.wire.fault import read_fault
from crawler.wire.link import encoded

NOBODY: Final = Fixed(None)
"""Credentials for an anonymous crawl: challenges are answered without a user."""


class Flow(Enum):
    """How credentials reach the registry."""

    STRAIGHT = auto()
    """As Basic on every request: `access-token` and `json-key`."""
    ANSWER = auto()
    """As its challenge asks: Basic, or Bearer with a token from its realm."""


async def authorize(
    base: str,
    target: Target,
    *,
    flow: Flow,
    credentials: Credentials,
    realms: Collection[str],
    transport: Transport,
    ways: Ways,
    scopes_per_token: int,
) -> Authorization:
    """Ask `base` (the registry's `/v2/`) what it wants to see, and be ready to show it.

    `realms` has globs of the hosts besides the registry's own that may see the credentials. Raises CredentialsError
    where they are refused, cannot be had, or may not go where the challenge sends them; RegistryError where no registry
    answers.
    """
    straight = StraightAuthorization(credentials)
    if flow is Flow.STRAIGHT:
        await _knock(base, straight, transport)
        return straight
    reply = await transport.fetch(Request(url=base, cap=ERROR_CAP, purpose=Purpose.PING))
    if reply.status == 200:
        return straight
    if reply.status != 401:
        raise _no_registry(base, reply)
    challenge = usable_challenge(read_challenges(reply.headers.getall("WWW-Authenticate", ())))
    if challenge is None:
        raise CredentialsError(
            f"{base} answers 401 and names no way in that we know (Basic, or Bearer with a realm): is this a registry?"
        )
    user = await credentials.user()
    if challenge.scheme == "basic" or (user is not None and user.name == BEARER_TOKEN_USER):
        if user is not None:
            await _knock(base, straight, transport)
        return straight
    server = TokenServer(_realm(challenge, base, target), challenge.service)
    if user is not None and not _may_see_credentials(server.realm, base, target, realms):
        host = printable(urlsplit(server.realm).netloc)
        raise CredentialsError(
            f"{target.registry} sends for tokens to {host}, which is not its own host: "
            f"credentials go there only where registry.realms names it"
        )
    return BearerAuthorization(server, credentials, transport, ways=ways, scopes_per_token=scopes_per_token)


async def _knock(base: str, authorization: Authorization, transport: Transport) -> None:
    header = await authorization.header(ANYWHERE)
    reply = await transport.fetch(Request(url=base, authorization=header, cap=ERROR_CAP, purpose=Purpose.PING))
    if reply.status == 401 and (header := await authorization.renewed(ANYWHERE, header, ())) is not None:
        reply = await transport.fetch(Request(url=base, authorization=header, cap=ERROR_CAP, purpose=Purpose.PING))
    if reply.status in {401, 403}:
        said = read_fault(reply.body, reply.status)
        raise CredentialsError(f"{base} refuses the credentials: {reply.status} {said.code}: {said.message}")
    if reply.status != 200:
        raise _no_registry(base, reply)


def _no_registry(base: str, reply: Reply) -> UnexpectedStatus:
    said = read_fault(reply.body, reply.status)
    asked = Request(url=base).asked
    message = f"{said.message} (is this a registry?)"
    return UnexpectedStatus(asked, code=said.code, message=message, http_status=reply.status)


def _realm(challenge: Challenge, base: str, target: Target) -> str:
    """The realm as an absolute address. Plain http is taken from a registry that was itself configured so."""
    try:
        realm = urljoin(base, encoded(challenge.realm))
        address = urlsplit(realm)
        # an encoded host was none of letters, digits and dots: nobody's, or made to look like somebody else's
        sound = bool(address.hostname) and not set("%@") & set(address.netloc) and (address.port or 1) > 0
    except (ValueError, MalformedReply):
        raise _bad_realm(challenge, target) from None
    if not sound or address.scheme not in {"https", urlsplit(base).scheme} or not realm.isascii():
        raise _bad_realm(challenge, target)
    return address._replace(fragment="").geturl()


def _bad_realm(challenge: Challenge, target: Target) -> CredentialsError:
    return CredentialsError(
        f"{target.registry} sends for tokens to {printable(challenge.realm)!r}, where we do not go: "
        f"a realm is an https address without a user"
    )


def _may_see_credentials(realm: str, base: str, target: Target, realms: Collection[str]) -> bool:
    address = urlsplit(realm)
    host = address.hostname or ""
    own = {target.host, urlsplit(base).hostname}
    if host in own or address.netloc in realms or matches(host, tuple(realms)):
        return True
    return target.is_loopback and is_loopback(host)
