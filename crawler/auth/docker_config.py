"""The login for a registry that docker, podman or a Kubernetes pull secret has: in a file, or in a credential helper.

`login_files` says where the files are, `login_entries` what one file has for the registry.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio.to_thread

from crawler.auth.credential_helper import get_credential
from crawler.auth.credentials import Credential
from crawler.auth.login_entries import LoginEntries, canonical, entries_for
from crawler.auth.login_files import login_places
from crawler.errors import CredentialsError
from crawler.model.names import Target
from crawler.single_flight import SingleFlight


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What the login files, and the helpers that they name, have for a registry.

    Attributes:
        credential: the login; None where there is none.
        place: the file, variable or helper that has it; "" where there is none.
        is_named: whether a file names this registry and where its secret is. No credential is then an error.
        warnings: the places that could not be read, and why.
        failures: the errors of helpers for all registries (`credsStore`), from files that do not name this registry.
        near_misses: logins in the files that are nearly for this registry.
    """

    credential: Credential | None
    place: str
    is_named: bool
    warnings: tuple[str, ...]
    failures: tuple[str, ...]
    near_misses: tuple[str, ...]


class DockerCredentials:
    """The login of the first place that has one for `target` (see `login_places`).

    `environ` names the places, and is the environment of the helpers. In each file the helper goes before what is
    written in the file, as with docker.

    An identity token is the password of IDENTITY_TOKEN_USER, a registry token that of BEARER_TOKEN_USER.
    """

    def __init__(self, target: Target, *, environ: Mapping[str, str]) -> None:
        self._target = canonical(target)
        self._environ = environ
        self._places = login_places(environ)
        self._cached: Login | None = None
        self._flights: SingleFlight[Target, Login] = SingleFlight()

    async def look_up(self) -> Login:
        """Search the places; the result is kept until its credential is refused. Raises CredentialsError.

        Where the helper for all registries fails, and its file does not name this registry, the search goes on: a
        `credsStore` is often left over from a desktop that is gone.
        """
        if self._cached is not None:
            return self._cached
        return await self._flights.do(self._target, self._search_and_keep)

    @property
    def at_hand(self) -> Credential | None:
        return None if self._cached is None else self._cached.credential

    async def get(self) -> Credential | None:
        """The login, None where there is none. Raises CredentialsError, also where a failed helper may have one."""
        login = await self.look_up()
        if login.credential is None and login.failures:
            raise CredentialsError(login.failures[0])
        return login.credential

    async def refresh(self, refused: Credential) -> Credential | None:
        """The login of a new search: many helpers return tokens that expire. Raises CredentialsError."""
        if self._cached is not None and self._cached.credential == refused:
            self._cached = None
        credential = await self.get()
        return None if credential == refused else credential

    async def _search_and_keep(self) -> Login:
        login = await self._search()
        if login.credential is not None or not login.failures:
            self._cached = login
        return login

    async def _search(self) -> Login:
        search = _Search()
        for place in self._places:
            found = await anyio.to_thread.run_sync(place.read, abandon_on_cancel=True)
            search.warnings += found.warnings
            for file in found.files:
                entries = entries_for(self._target, file)
                search.is_named |= entries.is_named
                search.near_misses += entries.near_misses
                credential = await self._ask_helper(entries, search.failures)
                if credential is not None and entries.helper is not None:
                    return search.result(credential, f"{entries.helper.program}, which {file.name} names")
                if entries.credential is not None:
                    return search.result(entries.credential, file.name)
        return search.result(None, "")

    async def _ask_helper(self, entries: LoginEntries, failures: list[str]) -> Credential | None:
        if entries.helper is None:
            return None
        try:
            return await get_credential(entries.helper, self._environ)
        except CredentialsError as exc:
            if entries.is_named:
                raise
            failures.append(str(exc))
            return None


@dataclass(slots=True)
class _Search:
    """What a search has found so far."""

    is_named: bool = False
    warnings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    near_misses: list[str] = field(default_factory=list)

    def result(self, credential: Credential | None, place: str) -> Login:
        return Login(
            credential=credential,
            place=place,
            is_named=self.is_named,
            warnings=tuple(self.warnings),
            failures=tuple(dict.fromkeys(self.failures)),
            near_misses=tuple(self.near_misses),
        )
