"""Tokens for hosts that a registry redirects to: anonymous ones, each for its host alone."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from crawler.auth.bearer import BearerAuth, TokenServer
from crawler.auth.credentials import ANONYMOUS
from crawler.auth.realms import absolute_realm
from crawler.errors import CredentialsError
from crawler.transport.fetch import Transport
from crawler.untrusted_text import printable
from crawler.wire.challenge import Challenge, reading_scope, usable_challenge


class RedirectAuth:
    """Anonymous tokens, by token server. The registry's own credentials never go to any of these servers."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._bearers: dict[TokenServer, BearerAuth] = {}

    async def header(self, url: str, scope: str, challenges: Sequence[Challenge]) -> str | None:
        """The `Authorization` header for `url`, which answered 401 with `challenges`; None where it wants no token.

        The token is for the scope that the challenge names, since the repository may have another name on that host;
        for `scope` where the challenge names none. Raises RegistryError where the token server refuses or fails.
        """
        challenge = usable_challenge(challenges)
        if challenge is None or challenge.scheme != "bearer":
            return None
        try:
            realm = absolute_realm(challenge, url, printable(urlsplit(url).netloc))
        except CredentialsError:
            return None
        server = TokenServer(realm, challenge.service)
        if server not in self._bearers:
            self._bearers[server] = BearerAuth(server, ANONYMOUS, self._transport)
        return await self._bearers[server].header(reading_scope(challenge) or scope)
