"""Answers to the registry's challenges: what `/v2/` asked for at the start, and what refusals ask for later.

The catalog and the repositories may be asked in two ways (Harbor's are), so each learns by itself. What a refusal asks
for is tried first, and kept for the questions that follow only where the registry accepted it: a denied repository
changes nothing for the others.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from crawler.auth.bearer import BearerAuth, TokenServer
from crawler.auth.credentials import (
    BEARER_TOKEN_USER,
    CATALOG_SCOPE,
    NO_SCOPE,
    Authenticator,
    CredentialProvider,
    PreemptiveAuth,
)
from crawler.auth.realms import Realms
from crawler.errors import CredentialsError
from crawler.profiles import CatalogAuth
from crawler.wire.challenge import Challenge, reading_actions, usable_challenge

log = logging.getLogger(__name__)

_LONGEST_TRIAL: Final = 5
"""Refusals of one question after which nothing more is tried: each of the ways below has had its turn by then."""

_REFUSED_PASSWORDS: Final = 3
"""Passwords refused in place of a refused token, after which a Basic challenge counts as the registry's manner only."""

_KEPT_TRIALS: Final = 1024


@dataclass(frozen=True, slots=True)
class _Scheme:
    """How a kind of question is asked. `scope` replaces the question's own; "" is none at all, None the own one.

    `actions` replace those of the scope: Azure's want `metadata_read` where all others want `pull`.
    """

    authorization: Authenticator
    scope: str | None = None
    actions: str | None = None
    server: TokenServer | None = None
    is_plain: bool = field(init=False)
    """Whether every question is asked with its own scope."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_plain", self.scope is None and self.actions is None)

    def asked(self, scope: str) -> str:
        """The scope to ask for in place of `scope`."""
        if self.scope is not None:
            return self.scope
        return scope if self.actions is None else f"{scope.rpartition(':')[0]}:{self.actions}"


class AdaptiveAuth:
    """Every request carries what the registry asked for.

    `server` is where `/v2/` sends for tokens, None where it wants Basic or nothing. `bearer_of` makes the authorization
    of a token server.
    """

    def __init__(
        self,
        credentials: CredentialProvider,
        *,
        server: TokenServer | None,
        catalog: CatalogAuth,
        realms: Realms,
        bearer_of: Callable[[TokenServer], BearerAuth],
    ) -> None:
        self._credentials = credentials
        self._realms = realms
        self._bearer_of = bearer_of
        self._bearers: dict[TokenServer, BearerAuth] = {}
        self._password = _Scheme(PreemptiveAuth(credentials))
        self._repositories = self._password if server is None else self._by_token(server)
        self._catalog = self._repositories
        if server is not None and catalog is CatalogAuth.BASIC:
            self._catalog = self._password
        elif server is not None and catalog is CatalogAuth.UNSCOPED_TOKEN:
            self._catalog = _Scheme(self._bearer(server), NO_SCOPE)
        self._trials: OrderedDict[str, _Scheme] = OrderedDict()
        """What was tried after a refusal, by the header that it gave."""
        self._refused_passwords = 0
        self._distrusted: set[TokenServer] = set()

    def header(self, scope: str) -> Coroutine[Any, Any, str | None]:
        way = self._catalog if scope == CATALOG_SCOPE else self._repositories  # the hot path: no call more
        return way.authorization.header(scope if way.is_plain else way.asked(scope))

    def is_vouched_for(self, scope: str) -> bool:
        way = self._scheme_for(scope)
        return way.authorization.is_vouched_for(way.asked(scope))

    def prefetch(self, scopes: Iterable[str]) -> None:
        if self._repositories.actions is None:
            self._repositories.authorization.prefetch(scopes)

    async def refresh(self, scope: str, refused: Sequence[str | None], challenges: Sequence[Challenge]) -> str | None:
        last = refused[-1]
        tried = self._trials.pop(last, None) if last is not None else None
        if tried is self._password:
            self._refused_passwords += scope != CATALOG_SCOPE
        if len(refused) >= _LONGEST_TRIAL:
            return None
        way = tried or self._scheme_for(scope)
        challenge = usable_challenge(challenges)
        wants_password = challenge is not None and challenge.scheme == "basic"
        if wants_password and scope == CATALOG_SCOPE and (header := await self._try(self._password, scope, refused)):
            return header
        other = None if challenge is None or wants_password else await self._scheme_from(challenge, scope, way)
        if other is not None and (header := await self._try(other, scope, refused)):
            return header
        header = await way.authorization.refresh(way.asked(scope), refused, challenges)
        if header is not None:
            if way is tried:
                self._remember(header, way)
            return header
        if wants_password and self._refused_passwords < _REFUSED_PASSWORDS:
            return await self._try(self._password, scope, refused)
        return None

    def on_accepted(self, scope: str, header: str) -> None:
        way = self._trials.pop(header, None)
        if way is None:
            return
        if scope == CATALOG_SCOPE:
            self._catalog = way
        else:
            self._repositories = way
            self._refused_passwords = 0

    def _scheme_for(self, scope: str) -> _Scheme:
        return self._catalog if scope == CATALOG_SCOPE else self._repositories

    async def _try(self, way: _Scheme, scope: str, refused: Sequence[str | None]) -> str | None:
        """The header of another way; None where it is the one that was refused, or none at all."""
        header = await way.authorization.header(way.asked(scope))
        if header is None or header in refused:
            return None
        self._remember(header, way)
        return header

    def _remember(self, header: str, way: _Scheme) -> None:
        self._trials[header] = way
        while len(self._trials) > _KEPT_TRIALS:
            self._trials.popitem(last=False)

    async def _scheme_from(self, challenge: Challenge, scope: str, way: _Scheme) -> _Scheme | None:
        """The way that a Bearer challenge asks for; None where that is the one taken, or leads where we do not go.

        What a refusal says of its realm, service and actions counts where it names this very question: registries
        without such a scope repeat the challenge of `/v2/`, and ECR Public's says `aws`.
        """
        actions = reading_actions(challenge, scope)
        if way.server is not None and actions is None:
            return None
        server = await self._server(challenge, way.server)
        if server is None:
            return None
        in_force = way.actions or scope.rpartition(":")[2]
        wanted = None if actions is None or scope == CATALOG_SCOPE or actions == in_force else actions
        if server == way.server and wanted is None:
            return None
        return self._by_token(server, way.actions if wanted is None else wanted)

    async def _server(self, challenge: Challenge, current: TokenServer | None) -> TokenServer | None:
        """The challenge's token server, where it may be asked as whom we are."""
        user = await self._credentials.get()
        if user is not None and user.name == BEARER_TOKEN_USER:
            return None  # a registry token is sent as it stands
        try:
            server = self._realms.server(challenge)
            if current is not None and server.realm == current.realm and server.service is None:
                return current
            if user is not None:
                self._realms.check_trust(server)
        except CredentialsError as exc:
            self._warn_once(TokenServer(challenge.realm, None), exc)
            return None
        return server

    def _warn_once(self, server: TokenServer, exc: CredentialsError) -> None:
        if server not in self._distrusted and len(self._distrusted) < _KEPT_TRIALS:
            self._distrusted.add(server)
            log.warning("%s", exc)

    def _by_token(self, server: TokenServer, actions: str | None = None) -> _Scheme:
        return _Scheme(self._bearer(server), actions=actions, server=server)

    def _bearer(self, server: TokenServer) -> BearerAuth:
        if server not in self._bearers:
            self._bearers[server] = self._bearer_of(server)
        return self._bearers[server]
