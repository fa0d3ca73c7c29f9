"""What the registry's `/v2/` asks for, and the authenticator that answers it.

`/v2/` is asked once, at the start, because it is where a registry must send its challenge: gcr.io answers 403, or 401
without a challenge, on other paths (regclient/regclient#149).
"""

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
)
from crawler.auth.realms import RealmPolicy
from crawler.errors import CredentialsError, UnexpectedStatus
from crawler.model.names import Target
from crawler.profiles import CatalogAuth, RegistryProfile
from crawler.transport.fetch import Transport
from crawler.transport.messages import MAX_ERROR_BYTES, Purpose, Request, Response
from crawler.wire.challenge import Challenge, parse_challenges, usable_challenge
from crawler.wire.error_body import parse_error_body

_HIDDEN: Final = frozenset({403, 404})
"""Statuses of a `/v2/` that a gateway hides while it lets the paths of repositories through: no reason to stop."""


class Flow(Enum):
    """How credentials reach the registry."""

    PREEMPTIVE = auto()
    """In every request, without waiting for a challenge: `access-token` and `json-key`."""
    CHALLENGE = auto()
    """As the registry's challenge asks: Basic, or Bearer with a token from the challenge's realm."""


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
    """Ask `base` (the URL of the registry's `/v2/`) for its challenge, and return what answers it.

    `realms` has globs of the hosts, besides the registry's own, that may see the credentials. Raises CredentialsError
    where the credentials are refused, cannot be loaded, or may not go to the challenge's realm; RegistryError where
    `base` is not a registry or does not answer.
    """
    if flow is Flow.PREEMPTIVE:
        preemptive = PreemptiveAuth(credentials)
        await _ping(base, preemptive, transport)
        return preemptive
    policy = RealmPolicy(base, target, realms)
    response = await transport.fetch(Request(url=base, max_body_bytes=MAX_ERROR_BYTES, purpose=Purpose.PING))
    challenge = _challenge(base, response)
    credential = await credentials.get()
    server = None
    if challenge is not None and challenge.scheme == "bearer" and not _is_registry_token(credential):
        server = policy.token_server(challenge)
        if credential is not None:
            policy.check_trust(server)
    elif challenge is not None and credential is not None:
        await _ping(base, PreemptiveAuth(credentials), transport)
    return AdaptiveAuth(
        credentials,
        server=server,
        catalog=_catalog_auth(profile, credential),
        realms=policy,
        make_bearer=partial(
            BearerAuth,
            credentials=credentials,
            transport=transport,
            profile=profile,
            scopes_per_token=scopes_per_token,
        ),
    )


def _catalog_auth(profile: RegistryProfile, credential: Credential | None) -> CatalogAuth:
    """How the catalog is opened.

    Where a token for the catalog's own scope does not open it (Quay answers such a token request with 400), an
    anonymous crawl asks for the catalog without any token: an anonymous one opens nothing.
    """
    if credential is None and profile.catalog_auth is not CatalogAuth.SCOPED_TOKEN:
        return CatalogAuth.BASIC
    return profile.catalog_auth


def _challenge(base: str, response: Response) -> Challenge | None:
    """The challenge of `/v2/`; None where it is open or hidden. Raises CredentialsError and RegistryError."""
    if response.status == 200 or response.status in _HIDDEN:
        return None
    if response.status != 401:
        raise _not_a_registry(base, response)
    challenge = usable_challenge(parse_challenges(response.headers.getall("WWW-Authenticate", ())))
    if challenge is None:
        raise CredentialsError(
            f"{base} answers 401 and offers no supported authentication (Basic, or Bearer with a realm): "
            "is this a registry?"
        )
    return challenge


def _is_registry_token(credential: Credential | None) -> bool:
    return credential is not None and credential.name == BEARER_TOKEN_USER


async def _ping(base: str, authenticator: Authenticator, transport: Transport) -> None:
    """Show the credentials to `/v2/`. Raises CredentialsError where they are refused, and RegistryError."""
    header = await authenticator.header(NO_SCOPE)
    request = Request(url=base, authorization=header, max_body_bytes=MAX_ERROR_BYTES, purpose=Purpose.PING)
    response = await transport.fetch(request)
    if response.status == 401 and (header := await authenticator.refresh(NO_SCOPE, [header], ())) is not None:
        response = await transport.fetch(request.replace(authorization=header))
    if response.status == 401:
        detail = parse_error_body(response.body, response.status, response.redirected_to)
        raise CredentialsError(f"{base} refuses the credentials: {response.status} {detail.code}: {detail.message}")
    if response.status != 200 and response.status not in _HIDDEN:
        raise _not_a_registry(base, response)


def _not_a_registry(base: str, response: Response) -> UnexpectedStatus:
    detail = parse_error_body(response.body, response.status, response.redirected_to)
    # a message that advises `plain_http` has named the cause already
    message = detail.message if "plain_http" in detail.message else f"{detail.message} (is this a registry?)"
    request = Request(url=base).summary
    return UnexpectedStatus(request, code=detail.code, message=message, http_status=response.status)
