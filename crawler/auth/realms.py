"""Which token servers may be asked, and which of them may see the credentials.

A challenge's realm is a URL that the registry, or whatever answers in its place, chooses: it must not be able to send
long-lived credentials elsewhere. google/go-containerregistry pkg/v1/remote/transport/bearer.go guards its realms for
the same reason.
"""

from collections.abc import Collection
from urllib.parse import urljoin, urlsplit

from crawler.auth.bearer import TokenServer
from crawler.errors import CredentialsError, MalformedResponse
from crawler.model.names import Target, is_loopback
from crawler.profiles import host_matches
from crawler.untrusted_text import printable
from crawler.wire.challenge import Challenge
from crawler.wire.link import encoded


class RealmPolicy:
    """The rules for the realms of one registry.

    `base` is the URL of the registry's API. `trusted` has globs of the hosts, besides the registry's own, that may see
    the credentials.
    """

    def __init__(self, base: str, target: Target, trusted: Collection[str]) -> None:
        self._base = base
        self._target = target
        self._trusted = trusted

    def token_server(self, challenge: Challenge) -> TokenServer:
        """The token server of a Bearer challenge. Raises CredentialsError for a realm that is not a safe URL."""
        return TokenServer(absolute_realm(challenge, self._base, self._target.registry), challenge.service)

    def check_trust(self, server: TokenServer) -> None:
        """Raises CredentialsError where the token server may not see the registry's credentials."""
        url = urlsplit(server.realm)
        host = url.hostname or ""
        own_hosts = {self._target.host, urlsplit(self._base).hostname}
        if host in own_hosts or url.netloc in self._trusted or host_matches(host, tuple(self._trusted)):
            return
        if self._target.is_loopback and is_loopback(host):
            return
        raise CredentialsError(
            f"the token server {printable(url.netloc)} of {self._target.registry} is not trusted with the credentials; "
            "if it may see them, add its host to registry.realms"
        )


def absolute_realm(challenge: Challenge, base: str, registry: str) -> str:
    """The realm as an absolute URL; a relative realm is resolved against `base`.

    http is allowed only where `base` itself is http. Raises CredentialsError for a realm that is not a safe URL.
    """
    try:
        realm = urljoin(base, encoded(challenge.realm))
        url = urlsplit(realm)
        # `encoded` leaves letters, digits and dots alone: a "%" in the host means that it held other characters, such
        # as those that look like ASCII ones. A user in the URL ("@") would be sent to the token server.
        is_sound = bool(url.hostname) and not set("%@") & set(url.netloc) and (url.port or 1) > 0
    except (ValueError, MalformedResponse):
        raise _unsafe_realm(challenge, registry) from None
    if not is_sound or url.scheme not in {"https", urlsplit(base).scheme} or not realm.isascii():
        raise _unsafe_realm(challenge, registry)
    return url._replace(fragment="").geturl()


def _unsafe_realm(challenge: Challenge, registry: str) -> CredentialsError:
    return CredentialsError(
        f"{registry} names the token server {printable(challenge.realm)!r}, "
        "which is not an https URL without a user name"
    )
