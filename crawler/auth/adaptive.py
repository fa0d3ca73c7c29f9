"""Which scheme each kind of request wants: the scheme of `/v2/` at first, and then what refusals ask for.

A registry may want different schemes for its catalog and its repositories: Harbor opens the catalog by Basic only, and
challenges with `Basic realm="harbor"` any request that already had an `Authorization` header (goharbor/harbor
src/server/middleware/v2auth/auth.go); zot answers `/v2/` with 200 and a listing with 401 Bearer. So the catalog and the
repositories learn separately. The scheme that a refusal asks for is tried at once, and kept for later requests only
where the registry accepted it: one denied repository must change nothing for the others.
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
from crawler.auth.realms import RealmPolicy
from crawler.errors import CredentialsError
from crawler.profiles import CatalogAuth
from crawler.wire.challenge import Challenge, reading_actions, usable_challenge

log = logging.getLogger(__name__)

_MAX_ATTEMPTS: Final = 5
"""Refusals of one request after which nothing more is tried: every scheme has had its turn by then."""

_MAX_REFUSED_PASSWORDS: Final = 3
"""Passwords refused after refused tokens, from which on a repository's Basic challenge is ignored.

Harbor challenges every denied request that way: without this limit each denied repository would cost one more request.
"""

_MAX_TRIALS: Final = 1024
"""Headers remembered that were tried and not answered yet, so that memory does not grow with the run."""


@dataclass(frozen=True, slots=True)
class _Scheme:
    """How one kind of request is authenticated.

    Attributes:
        scope: the scope to use in place of the request's own: NO_SCOPE for none at all, None to keep the own one.
        actions: the actions to use in place of those of the scope. Azure's registries want `metadata_read` where others
            want `pull` (Azure/acr-cli).
        server: the token server, None for Basic.
        keeps_scope: whether every request keeps its own scope.
    """

    authenticator: Authenticator
    scope: str | None = None
    actions: str | None = None
    server: TokenServer | None = None
    keeps_scope: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "keeps_scope", self.scope is None and self.actions is None)

    def effective_scope(self, scope: str) -> str:
        """The scope to use in place of `scope`."""
        if self.scope is not None:
            return self.scope
        return scope if self.actions is None else f"{scope.rpartition(':')[0]}:{self.actions}"


class AdaptiveAuth:
    """Authenticates each request by the scheme that the registry asked for.

    `server` is the token server of the challenge of `/v2/`, None where `/v2/` wants Basic or nothing. `make_bearer`
    makes the authenticator of a token server.
    """

    def __init__(
        self,
        credentials: CredentialProvider,
        *,
        server: TokenServer | None,
        catalog: CatalogAuth,
        realms: RealmPolicy,
        make_bearer: Callable[[TokenServer], BearerAuth],
    ) -> None:
        self._credentials = credentials
        self._realms = realms
        self._make_bearer = make_bearer
        self._bearers: dict[TokenServer, BearerAuth] = {}
        self._basic = _Scheme(PreemptiveAuth(credentials))
        self._repositories = self._basic if server is None else self._by_token(server)
        self._catalog = self._repositories
        if server is not None and catalog is CatalogAuth.BASIC:
            self._catalog = self._basic
        elif server is not None and catalog is CatalogAuth.UNSCOPED_TOKEN:
            self._catalog = _Scheme(self._bearer(server), NO_SCOPE)
        self._trials: OrderedDict[str, _Scheme] = OrderedDict()
        """The scheme that was tried after a refusal, by the header that it made."""
        self._refused_passwords = 0
        self._untrusted: set[TokenServer] = set()

    def header_at_hand(self, scope: str) -> str | None:
        # once per request: `_scheme_for` and `effective_scope` are inlined, which saves two calls
        scheme = self._catalog if scope == CATALOG_SCOPE else self._repositories
        return scheme.authenticator.header_at_hand(scope if scheme.keeps_scope else scheme.effective_scope(scope))

    def header(self, scope: str) -> Coroutine[Any, Any, str | None]:
        # likewise, for the first request of each scope
        scheme = self._catalog if scope == CATALOG_SCOPE else self._repositories
        return scheme.authenticator.header(scope if scheme.keeps_scope else scheme.effective_scope(scope))

    def uses_token(self, scope: str) -> bool:
        scheme = self._scheme_for(scope)
        return scheme.authenticator.uses_token(scheme.effective_scope(scope))

    def prefetch(self, scopes: Iterable[str]) -> None:
        if self._repositories.actions is None:
            self._repositories.authenticator.prefetch(scopes)

    async def refresh(self, scope: str, refused: Sequence[str | None], challenges: Sequence[Challenge]) -> str | None:
        """The next header to try for a refused request. In this order:

        1. Basic, where the catalog's challenge asks for it;
        2. what a Bearer challenge asks for, where that differs from the scheme that was refused;
        3. the refused scheme with a new token or password;
        4. Basic, where a repository's challenge asks for it, unless that has never helped.
        """
        last = refused[-1]
        tried = self._trials.pop(last, None) if last is not None else None
        if tried is self._basic:
            self._refused_passwords += scope != CATALOG_SCOPE
        if len(refused) >= _MAX_ATTEMPTS:
            return None
        scheme = tried or self._scheme_for(scope)
        challenge = usable_challenge(challenges)
        wants_basic = challenge is not None and challenge.scheme == "basic"
        if wants_basic and scope == CATALOG_SCOPE and (header := await self._try(self._basic, scope, refused)):
            return header
        other = None if challenge is None or wants_basic else await self._scheme_from(challenge, scope, scheme)
        if other is not None and (header := await self._try(other, scope, refused)):
            return header
        header = await scheme.authenticator.refresh(scheme.effective_scope(scope), refused, challenges)
        if header is not None:
            if scheme is tried:
                self._remember(header, scheme)
            return header
        if wants_basic and self._refused_passwords < _MAX_REFUSED_PASSWORDS:
            return await self._try(self._basic, scope, refused)
        return None

    def on_accepted(self, scope: str, header: str) -> None:
        scheme = self._trials.pop(header, None)
        if scheme is None:
            return
        if scope == CATALOG_SCOPE:
            self._catalog = scheme
        else:
            self._repositories = scheme
            self._refused_passwords = 0

    def _scheme_for(self, scope: str) -> _Scheme:
        return self._catalog if scope == CATALOG_SCOPE else self._repositories

    async def _try(self, scheme: _Scheme, scope: str, refused: Sequence[str | None]) -> str | None:
        """The header that another scheme makes; None where it makes none, or one that was refused already."""
        header = await scheme.authenticator.header(scheme.effective_scope(scope))
        if header is None or header in refused:
            return None
        self._remember(header, scheme)
        return header

    def _remember(self, header: str, scheme: _Scheme) -> None:
        self._trials[header] = scheme
        while len(self._trials) > _MAX_TRIALS:
            self._trials.popitem(last=False)

    async def _scheme_from(self, challenge: Challenge, scope: str, refused: _Scheme) -> _Scheme | None:
        """The scheme that a Bearer challenge asks for; None where it is the refused one, or is not to be used.

        The realm, service and actions of a refusal count only where its scope is about the same resource as `scope`.
        Registries without scopes repeat the challenge of `/v2/` on every path, and ECR Public's has `scope="aws"`.
        """
        actions = reading_actions(challenge, scope)
        if refused.server is not None and actions is None:
            return None
        server = await self._trusted_server(challenge, refused.server)
        if server is None:
            return None
        current = refused.actions or scope.rpartition(":")[2]
        wanted = None if actions is None or scope == CATALOG_SCOPE or actions == current else actions
        if server == refused.server and wanted is None:
            return None
        return self._by_token(server, refused.actions if wanted is None else wanted)

    async def _trusted_server(self, challenge: Challenge, current: TokenServer | None) -> TokenServer | None:
        """The challenge's token server; None where it may not see the credentials, or is not needed."""
        credential = await self._credentials.get()
        if credential is not None and credential.name == BEARER_TOKEN_USER:
            return None  # a registry token is sent unchanged
        try:
            server = self._realms.token_server(challenge)
            if current is not None and server.realm == current.realm and server.service is None:
                return current
            if credential is not None:
                self._realms.check_trust(server)
        except CredentialsError as exc:
            self._warn_once(TokenServer(challenge.realm, None), exc)
            return None
        return server

    def _warn_once(self, server: TokenServer, exc: CredentialsError) -> None:
        if server not in self._untrusted and len(self._untrusted) < _MAX_TRIALS:
            self._untrusted.add(server)
            log.warning("%s", exc)

    def _by_token(self, server: TokenServer, actions: str | None = None) -> _Scheme:
        return _Scheme(self._bearer(server), actions=actions, server=server)

    def _bearer(self, server: TokenServer) -> BearerAuth:
        if server not in self._bearers:
            self._bearers[server] = self._make_bearer(server)
        return self._bearers[server]
