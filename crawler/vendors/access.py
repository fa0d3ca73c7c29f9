"""How a product's API is reached: its URL, its pace, and the credentials that it takes."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from crawler.auth.credentials import ANONYMOUS, Credential, CredentialProvider, PreemptiveAuth
from crawler.client import AuthenticatedClient
from crawler.model.names import Target
from crawler.transport.fetch import Transport
from crawler.transport.messages import Response

_Headers = tuple[tuple[str, str], ...]
_MeantStatus = Callable[[Response], int]

_header: Final = attrgetter("header")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAccess:
    """What the API of one target's registry is reached with.

    Whoever configures `registry.apis.own` trusts that URL with the registry's user name and password.

    Attributes:
        url: the API's base URL, without a slash at its end; "" where it is not known.
        registry_url: the URL of the registry's `/v2/`.
        login: the credentials for the registry.
        token: the token for the API alone (`registry.apis.token`); None where none is configured.
        registry: a client that authenticates as the registry asks, with a token for each scope.
        transport: has the pace of the API. Its outages hold no request to the registry.
    """

    url: str
    registry_url: str
    target: Target
    login: CredentialProvider
    token: CredentialProvider | None
    registry: AuthenticatedClient
    transport: Transport

    @property
    def namespace(self) -> str:
        """The first component of the target's prefix; "" where it has none."""
        return self.target.prefix.partition("/")[0]

    @property
    def has_credentials(self) -> bool:
        return self.token is not None or self.login is not ANONYMOUS

    def with_login(self, headers: _Headers = ()) -> AuthenticatedClient:
        """A client that sends the API's token as Bearer, else the registry's user name and password as Basic."""
        return self._client(self.token or self.login, _header, headers)

    def with_bearer(self, headers: _Headers = (), meant_status: _MeantStatus | None = None) -> AuthenticatedClient:
        """A client that sends the API's token as Bearer, else the registry's password, which is a token as well.

        `meant_status` is that of `Request`.
        """
        return self._client(self.token or self.login, _as_bearer, headers, meant_status)

    def with_token(self, headers: _Headers = ()) -> AuthenticatedClient:
        """A client that sends the API's token as Bearer; without one its requests are anonymous."""
        return self._client(self.token or ANONYMOUS, _header, headers)

    def _client(
        self,
        credentials: CredentialProvider,
        make_header: Callable[[Credential], str],
        headers: _Headers,
        meant_status: _MeantStatus | None = None,
    ) -> AuthenticatedClient:
        authenticator = PreemptiveAuth(credentials, make_header)
        return AuthenticatedClient(authenticator, self.transport, headers=headers, meant_status=meant_status)


def _as_bearer(credential: Credential) -> str:
    return f"Bearer {credential.password}"
