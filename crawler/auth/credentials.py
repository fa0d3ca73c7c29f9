"""The vocabulary of authentication: credentials, their sources, and what puts them on a request.

`PreemptiveAuth`, the simplest authenticator, sends the credential itself on every request (Basic, RFC 7617).
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final, Protocol

from crawler.model.value import Value
from crawler.wire.challenge import Challenge

NO_SCOPE: Final = ""
"""The scope of a request that needs none: `/v2/` itself."""

CATALOG_SCOPE: Final = "registry:catalog:*"
"""The catalog's scope (distribution/distribution docs/content/spec/auth/scope.md)."""

IDENTITY_TOKEN_USER: Final = "<token>"  # noqa: S105  (docker's name for a kind of password, not a password)
"""The user name of an identity token: an OAuth2 refresh token, to be exchanged for registry tokens.

docker-credential-helpers answer with this name (docker/cli `cli/config/credentials/native_store.go`).
"""

BEARER_TOKEN_USER: Final = "<bearer>"  # noqa: S105
"""The user name of a registry token, which is sent as Bearer unchanged. docker has no such name."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A user name and a password. No `repr` shows the password.

    Attributes:
        header: the value of the `Authorization` header that sends this credential.
    """

    name: str
    password: str = field(repr=False)
    header: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # encoded once, not once a request: the password `_json_key` is a whole key file of 2 KB
        object.__setattr__(self, "header", _header(self.name, self.password))


def _header(name: str, password: str) -> str:
    if name == BEARER_TOKEN_USER:
        return f"Bearer {password}"
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode("ascii")


class CredentialProvider(Protocol):
    """A source of credentials: fixed, or renewed from time to time."""

    @property
    def at_hand(self) -> Credential | None:
        """The credential that `get` returns without waiting; None where it has to be awaited, or returns None."""

    async def get(self) -> Credential | None:
        """The current credential, None for an anonymous crawl. Raises CredentialsError."""

    async def refresh(self, refused: Credential) -> Credential | None:
        """A credential to try in place of `refused`, None where there is no other. Raises CredentialsError."""


class StaticCredentials(Value, frozen=True):
    """One fixed credential, or None for an anonymous crawl."""

    credential: Credential | None

    @property
    def at_hand(self) -> Credential | None:
        return self.credential

    async def get(self) -> Credential | None:
        return self.credential

    async def refresh(self, refused: Credential) -> Credential | None:  # noqa: ARG002  (there is no other)
        return None


ANONYMOUS: Final = StaticCredentials(None)
"""No credentials: challenges are answered with anonymous tokens."""


class Authenticator(Protocol):
    """Makes the `Authorization` header of each request to one service."""

    def header_at_hand(self, scope: str) -> str | None:
        """The value that `header` returns without waiting; None where it has to be awaited, or returns None.

        Nearly every request finds its header so, and needs no coroutine for it.
        """

    async def header(self, scope: str) -> str | None:
        """The value of the `Authorization` header for a request within `scope`; None to send none.

        Raises CredentialsError, RegistryError where a token server refuses or fails, and GaveUp.
        """

    async def refresh(self, scope: str, refused: Sequence[str | None], challenges: Sequence[Challenge]) -> str | None:
        """The header to try next for a refused request; None where nothing is left to try.

        `refused` has the headers that this request was sent with so far, the latest last. `challenges` are those of the
        latest refusal. May return a header of `refused` again, after a pause: a new token may not be valid yet.
        Raises what `header` raises.
        """

    def on_accepted(self, scope: str, header: str) -> None:
        """Note that a request was answered when sent with `header`, which `refresh` returned."""

    def uses_token(self, scope: str) -> bool:
        """Whether requests within `scope` carry a registry token.

        If so, a token server has accepted the credentials, and a registry's refusal is not about them.
        """

    def prefetch(self, scopes: Iterable[str]) -> None:
        """Announce the scopes of coming requests, in their order."""


_basic_header: Final = attrgetter("header")


class PreemptiveAuth:
    """Sends the credential on every request, without waiting for a challenge.

    `make_header` turns a credential into the header's value: Basic by default.
    """

    def __init__(
        self, credentials: CredentialProvider, make_header: Callable[[Credential], str] = _basic_header
    ) -> None:
        self._credentials = credentials
        self._make_header = make_header

    def header_at_hand(self, scope: str) -> str | None:  # noqa: ARG002  (a password is good for every scope)
        credential = self._credentials.at_hand
        return None if credential is None else self._make_header(credential)

    async def header(self, scope: str) -> str | None:  # noqa: ARG002  (a password is good for every scope)
        credential = await self._credentials.get()
        return None if credential is None else self._make_header(credential)

    async def refresh(self, scope: str, refused: Sequence[str | None], challenges: Sequence[Challenge]) -> str | None:  # noqa: ARG002
        if len(refused) > 1:
            return None  # a helper may return a new password each time, and the request would never end
        credential = await self._credentials.get()
        if credential is not None and self._make_header(credential) in refused:
            credential = await self._credentials.refresh(credential)
        header = None if credential is None else self._make_header(credential)
        return None if header in refused else header

    def on_accepted(self, scope: str, header: str) -> None:
        """Nothing to learn: there is only one scheme."""

    def uses_token(self, scope: str) -> bool:  # noqa: ARG002  (only the registry itself checks the password)
        return False

    def prefetch(self, scopes: Iterable[str]) -> None:
        """Nothing to fetch: the password is at hand."""
