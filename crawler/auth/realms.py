"""Which token servers a registry may send us to, and which of them may see the credentials."""

from collections.abc import Collection
from urllib.parse import urljoin, urlsplit

from crawler.auth.bearer import TokenServer
from crawler.errors import CredentialsError, MalformedResponse
from crawler.model.names import Target, is_loopback
from crawler.profiles import host_matches
from crawler.untrusted_text import printable
from crawler.wire.challenge import Challenge
from crawler.wire.link import encoded


class Realms:
    """The rules for the realms of one registry, whose API is at `base`.

    `trusted` has globs of the hosts besides the registry's own that may see the credentials.
    """

    def __init__(self, base: str, target: Target, trusted: Collection[str]) -> None:
        self._base = base
        self._target = target
        self._trusted = trusted

    def server(self, challenge: Challenge) -> TokenServer:
        """The token server of a Bearer challenge. Raises CredentialsError for a realm that is no safe URL."""
        return TokenServer(absolute_realm(challenge, self._base, self._target.registry), challenge.service)

    def check_trust(self, server: TokenServer) -> None:
        """Raises CredentialsError where a token server may not see the registry's credentials."""
        url = urlsplit(server.realm)
        host = url.hostname or ""
        own = {self._target.host, urlsplit(self._base).hostname}
        if host in own or url.netloc in self._trusted or host_matches(host, tuple(self._trusted)):
            return
        if self._target.is_loopback and is_loopback(host):
            return
        raise CredentialsError(
            f"the token server {printable(url.netloc)} of {self._target.registry} is not trusted with the credentials: "
            "where it may see them, add its host to registry.realms"
        )


def absolute_realm(challenge: Challenge, base: str, registry: str) -> str:
    """The realm as an absolute URL; a relative one is below `base`. Plain http only from a registry asked so itself.

    Raises CredentialsError for a realm that is no safe URL.
    """
    try:
        realm = urljoin(base, encoded(challenge.realm))
        url = urlsplit(realm)
        # an encoded host was not of letters, digits and dots: no real one, or made to look like another
        sound = bool(url.hostname) and not set("%@") & set(url.netloc) and (url.port or 1) > 0
    except (ValueError, MalformedResponse):
        raise _bad_realm(challenge, registry) from None
    if not sound or url.scheme not in {"https", urlsplit(base).scheme} or not realm.isascii():
        raise _bad_realm(challenge, registry)
    return url._replace(fragment="").geturl()


def _bad_realm(challenge: Challenge, registry: str) -> CredentialsError:
    return CredentialsError(
        f"{registry} names the token server {printable(challenge.realm)!r}, "
        "and tokens are asked for at an https URL without a user only"
    )
