"""The login that docker, podman or a pull secret of Kubernetes has for a registry: in a file, or behind a helper."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio.to_thread

from crawler.auth.credential_helper import get_credential
from crawler.auth.credentials import Credential
from crawler.auth.login_entries import LoginEntries, canonical, entries_for
from crawler.auth.login_files import login_places
from crawler.auth.single_flight import SingleFlight
from crawler.errors import CredentialsError
from crawler.model.names import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What the login files, and the helpers that they name, have for a registry.

    Attributes:
        user: who to be, or None where there is no login.
        is_named: whether a file names this registry and a way to its secret: that there is no user is a fault then.
        warnings: which places were passed over, and why.
        failures: why stores for every registry gave no answer, where their files do not name this one.
        near_misses: what the files have that nearly is a login to this registry.
    """

    credential: Credential | None
    is_named: bool
    warnings: tuple[str, ...]
    failures: tuple[str, ...]
    near_misses: tuple[str, ...]


class DockerCredentials:
    """Credentials as docker or podman find them, in the first place that has any for the target (`login_places`).

    `environ` says where the places are, and is the environment and the PATH of the helpers. In each file a helper is
    asked first, at most for `timeout_s` seconds; where it has no login, what is written down counts.

    An identity token comes as the password of IDENTITY_TOKEN_USER, a registry token as that of BEARER_TOKEN_USER.
    """

    def __init__(
        self, target: Target, *, environ: Mapping[str, str], timeout_s: float = 30.0, run: Path = Path("/run")
    ) -> None:
        self._target = canonical(target)
        self._environ = environ
        self._places = login_places(environ, run)
        self._timeout_s = timeout_s
        self._known: Login | None = None
        self._flights: SingleFlight[Target, Login] = SingleFlight()

    async def look_up(self) -> Login:
        """Search the places, once until the user is refused. Raises CredentialsError.

        A store that fails, for a registry that its file does not name, is noted and passed over: it may be left over.
        """
        if self._known is not None:
            return self._known
        return await self._flights.do(self._target, self._search_and_keep)

    async def get(self) -> Credential | None:
        """Who docker would be. Raises CredentialsError, for a store that fails as well, where there is no login."""
        login = await self.look_up()
        if login.credential is None and login.failures:
            raise CredentialsError(login.failures[0])
        return login.credential

    async def refresh(self, refused: Credential) -> Credential | None:
        """Look again: helpers hand out tokens that expire. Raises CredentialsError."""
        if self._known is not None and self._known.credential == refused:
            self._known = None
        fresh = await self.get()
        return None if fresh == refused else fresh

    async def _search_and_keep(self) -> Login:
        login = await self._search()
        if login.credential is not None or not login.failures:
            self._known = login
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
                user = await self._ask(entries, search.failures) or entries.credential
                if user is not None:
                    return search.ended(user)
        return search.ended(None)

    async def _ask(self, entries: LoginEntries, failures: list[str]) -> Credential | None:
        if entries.helper is None:
            return None
        try:
            return await get_credential(entries.helper, self._environ, self._timeout_s)
        except CredentialsError as exc:
            if entries.is_named:
                raise
            failures.append(str(exc))
            return None


@dataclass(slots=True)
class _Search:
    """What a search has come upon so far."""

    is_named: bool = False
    warnings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    near_misses: list[str] = field(default_factory=list)

    def ended(self, user: Credential | None) -> Login:
        return Login(
            credential=user,
            is_named=self.is_named,
            warnings=tuple(self.warnings),
            failures=tuple(dict.fromkeys(self.failures)),
            near_misses=tuple(self.near_misses),
        )
