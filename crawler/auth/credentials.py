"""Users and passwords, and the registries that take them as they are (RFC 7617)."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final, Protocol

from crawler.wire.challenge import Challenge

NO_SCOPE: Final = ""
"""The scope of a question that needs none: `/v2/` itself."""

CATALOG_SCOPE: Final = "registry:catalog:*"

IDENTITY_TOKEN_USER: Final = "<token>"  # noqa: S105  (docker's name for a kind of password, not a password)
"""The user whose password is an identity token, to be exchanged for access tokens: an OAuth2 refresh token."""

BEARER_TOKEN_USER: Final = "<bearer>"  # noqa: S105
"""The user whose password is a registry token, to be sent as Bearer as it stands. The name is ours; docker has none."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A user's name and password, which no `repr` shows. `header` is the value of an `Authorization` header."""

    name: str
    password: str = field(repr=False)
    header: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # once and for all, because a service account's key is long
        object.__setattr__(self, "header", _written(self.name, self.password))


def _written(name: str, password: str) -> str:
    if name == BEARER_TOKEN_USER:
        return f"Bearer {password}"
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode("ascii")


class CredentialProvider(Protocol):
    """Where a user comes from: written down, or made anew from time to time."""

    async def get(self) -> Credential | None:
        """Who to be now; None is nobody. Raises CredentialsError."""

    async def refresh(self, refused: Credential) -> Credential | None:
        """Who to be after `refused` was refused, or None where there is nobody else. Raises CredentialsError."""


@dataclass(frozen=True, slots=True)
class StaticCredentials:
    """A user that was written down, or nobody."""

    credential: Credential | None

    async def get(self) -> Credential | None:
        return self.credential

    async def refresh(self, refused: Credential) -> Credential | None:  # noqa: ARG002  (what is written down stays)
        return None


class Authenticator(Protocol):
    """What a request says of who we are."""

    async def header(self, scope: str) -> str | None:
        """The value of the `Authorization` header for a question within `scope`, or None to send none.

        Raises CredentialsError, and RegistryError where a token server refuses or fails.
        """

    async def refresh(self, scope: str, refused: Sequence[str | None], challenges: Sequence[Challenge]) -> str | None:
        """The header to try next for a question that was refused, or None where nothing is left to try.

        `refused` are the headers that this question was asked with so far, the last one last, and `challenges` those of
        its last refusal. A token that may not be valid yet is tried again as it is, after a moment.
        """

    def on_accepted(self, scope: str, header: str) -> None:
        """Learn from a header that `renewed` gave, and with which the question was answered."""

    def is_vouched_for(self, scope: str) -> bool:
        """Whether a token server has accepted the credentials for this scope, so that a refusal is not about them."""

    def prefetch(self, scopes: Iterable[str]) -> None:
        """Hear which scopes will be asked for, soon and in this order."""


_unchanged: Final = attrgetter("header")


class PreemptiveAuth:
    """Every request carries the user's password; no challenge is waited for.

    `written` makes the header's value of a user: Basic, unless said otherwise.
    """

    def __init__(self, credentials: CredentialProvider, written: Callable[[Credential], str] = _unchanged) -> None:
        self._credentials = credentials
        self._written = written

    async def header(self, scope: str) -> str | None:  # noqa: ARG002  (a password is good for every scope)
        user = await self._credentials.get()
        return None if user is None else self._written(user)

    async def refresh(self, scope: str, refused: Sequence[str | None], challenges: Sequence[Challenge]) -> str | None:  # noqa: ARG002
        if len(refused) > 1:
            return None  # helpers may give another password each time they are asked
        user = await self._credentials.get()
        if user is not None and self._written(user) in refused:
            user = await self._credentials.refresh(user)
        header = None if user is None else self._written(user)
        return None if header in refused else header

    def on_accepted(self, scope: str, header: str) -> None:
        """There is only one way to ask."""

    def is_vouched_for(self, scope: str) -> bool:  # noqa: ARG002  (only the registry itself has seen it)
        return False

    def prefetch(self, scopes: Iterable[str]) -> None:
        """A password is always at hand."""
