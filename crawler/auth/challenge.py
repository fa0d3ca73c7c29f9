"""Which way in: the challenge is learned from `/v2/`, and answered by the flow that was chosen."""

from collections.abc import Collection
from enum import Enum, auto
from functools import partial
from typing import Final

from crawler.auth.adaptive import AdaptiveAuth
from crawler.auth.bearer import BearerAuth
from crawler.auth.credentials import (
    BEARER_TOKEN_USER,
    NO_SCOPE,
    Authenticator,
    Credential,
    CredentialProvider,
    PreemptiveAuth,
    StaticCredentials,
)
from crawler.auth.realms import Realms
from crawler.errors import CredentialsError, UnexpectedStatus
from crawler.model.names import Target
from crawler.profiles import CatalogAuth, RegistryProfile
from crawler.transport.fetch import Transport
from crawler.transport.messages import MAX_ERROR_BYTES, Purpose, Request, Response
from crawler.wire.challenge import Challenge, parse_challenges, usable_challenge
from crawler.wire.error_body import parse_error_body

ANONYMOUS: Final = StaticCredentials(None)
"""Credentials for an anonymous crawl: challenges are answered without a user."""

_HIDDEN: Final = frozenset({403, 404})


class Flow(Enum):
    """How credentials reach the registry."""

    PREEMPTIVE = auto()
    """As Basic on every request: `access-token` and `json-key`."""
    CHALLENGE = auto()
    """As its challenge asks: Basic, or Bearer with a token from its realm."""


async def authenticate(
    base: str,
    target: Target,
    *,
    flow: Flow,
    credentials: CredentialProvider,
    realms: Collection[str],
    transport: Transport,
    profile: RegistryProfile,
    scopes_per_token: int,
) -> Authenticator:
    """Ask `base` (the registry's `/v2/`) what it wants to see, and be ready to show it.

    `realms` has globs of the hosts besides the registry's own that may see the credentials. Raises CredentialsError
    where they are refused, cannot be had, or may not go where the challenge sends them; RegistryError where no registry
    answers. That `/v2/` itself is hidden (403, 404) is no end: gateways let only some paths through.
    """
    if flow is Flow.PREEMPTIVE:
        straight = PreemptiveAuth(credentials)
        await _ping(base, straight, transport)
        return straight
    rules = Realms(base, target, realms)
    reply = await transport.fetch(Request(url=base, max_body_bytes=MAX_ERROR_BYTES, purpose=Purpose.PING))
    challenge = _challenge(base, reply)
    user = await credentials.get()
    server = None
    if challenge is not None and challenge.scheme == "bearer" and not _is_registry_token(user):
        server = rules.server(challenge)
        if user is not None:
            rules.check_trust(server)
    elif challenge is not None and user is not None:
        await _ping(base, PreemptiveAuth(credentials), transport)
    return AdaptiveAuth(
        credentials,
        server=server,
        # where no token for the catalog's own scope opens it, it is shown credentials, or nothing (Quay's)
        catalog=profile.catalog_auth
        if user is not None or profile.catalog_auth is CatalogAuth.SCOPED_TOKEN
        else CatalogAuth.BASIC,
        realms=rules,
        bearer_of=partial(
            BearerAuth,
            credentials=credentials,
            transport=transport,
            profile=profile,
            scopes_per_token=scopes_per_token,
        ),
    )


def _challenge(base: str, reply: Response) -> Challenge | None:
    """What `/v2/` asks for; None where it is open, or hidden. Raises CredentialsError and RegistryError."""
    if reply.status == 200 or reply.status in _HIDDEN:
        return None
    if reply.status != 401:
        raise _not_a_registry(base, reply)
    challenge = usable_challenge(parse_challenges(reply.headers.getall("WWW-Authenticate", ())))
    if challenge is None:
        raise CredentialsError(
            f"{base} answers 401 and offers no supported authentication (Basic, or Bearer with a realm): "
            "is this a registry?"
        )
    return challenge


def _is_registry_token(user: Credential | None) -> bool:
    return user is not None and user.name == BEARER_TOKEN_USER


async def _ping(base: str, authorization: Authenticator, transport: Transport) -> None:
    header = await authorization.header(NO_SCOPE)
    reply = await transport.fetch(
        Request(url=base, authorization=header, max_body_bytes=MAX_ERROR_BYTES, purpose=Purpose.PING)
    )
    if reply.status == 401 and (header := await authorization.refresh(NO_SCOPE, [header], ())) is not None:
        reply = await transport.fetch(
            Request(url=base, authorization=header, max_body_bytes=MAX_ERROR_BYTES, purpose=Purpose.PING)
        )
    if reply.status == 401:
        said = parse_error_body(reply.body, reply.status, reply.redirected_to)
        raise CredentialsError(f"{base} refuses the credentials: {reply.status} {said.code}: {said.message}")
    if reply.status != 200 and reply.status not in _HIDDEN:
        raise _not_a_registry(base, reply)


def _not_a_registry(base: str, reply: Response) -> UnexpectedStatus:
    said = parse_error_body(reply.body, reply.status, reply.redirected_to)
    asked = Request(url=base).summary
    message = said.message if "plain_http" in said.message else f"{said.message} (is this a registry?)"
    return UnexpectedStatus(asked, code=said.code, message=message, http_status=reply.status)
