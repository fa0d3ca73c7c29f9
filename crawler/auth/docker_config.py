"""The credentials that docker, podman or skopeo keep for a registry: in their files, or behind a helper program.

Follows docker's config.json (docker/cli `cli/config`) and containers-auth.json(5).
"""

import os
import re
from base64 import b64decode
from codecs import BOM_UTF8
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio.to_thread
import orjson

from crawler.auth.basic import BEARER_TOKEN_USER, IDENTITY_TOKEN_USER, Fixed, User
from crawler.auth.credential_helper import Helper, ask, whole_user
from crawler.auth.flight import Flights
from crawler.errors import CredentialsError, printable
from crawler.model import Target

_HUB: Final = "index.docker.io"
_HUB_ALIASES: Final = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_HUB_SERVER: Final = "https://index.docker.io/v1/"

_API_ROOTS: Final = frozenset({"v1", "v2"})
_HELPER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_JSON_KINDS: Final = {dict: "an object", str: "a string"}

T = TypeVar("T", dict[str, Any], str)


@dataclass(frozen=True, slots=True)
class _Entries:
    """What one file has for a target. A helper goes before the user that is written down."""

    helper: Helper | None = None
    user: User | None = None
    is_login: bool = False
    """Whether the registry itself is named: a store for every registry is no sign of a login to this one."""


class DockerCredentials:
    """Credentials as docker or podman find them, in the first file that has any for the target.

    The files, in this order: `file`, REGISTRY_AUTH_FILE, DOCKER_CONFIG, podman's of this session, podman's of this
    user, docker's of this user. `environ` says where they are, and is the environment and the PATH of the helpers;
    where it names no folder for a session, podman's is below `run`.
    A file that is missing is passed over, except `file` itself. In each file a helper is asked first, at most for
    `timeout_s` seconds; where it knows nothing, what is written down counts.

    An identity token comes as the password of IDENTITY_TOKEN_USER, a registry token as that of BEARER_TOKEN_USER.
    """

    def __init__(
        self,
        target: Target,
        *,
        environ: Mapping[str, str],
        file: Path | None = None,
        timeout_s: float = 30.0,
        run: Path = Path("/run"),
    ) -> None:
        self._target = Target(_canonical(target.registry), target.prefix)
        self._environ = environ
        self._file = file
        self._paths = _paths(environ, file, run)
        self._timeout_s = timeout_s
        self._found: Fixed | None = None
        self._flights: Flights[Target, User | None] = Flights()

    async def has_entry(self) -> bool:
        """Whether somebody has logged in to the registry, as far as the files tell: no helper is asked.

        A `credsStore` alone does not count: it serves every registry, and docker notes each login besides.
        Raises CredentialsError.
        """
        for path in self._paths:
            if (await self._entries(path)).is_login:
                return True
        return False

    async def user(self) -> User | None:
        """Who docker would be; looked up once, until refused. Raises CredentialsError."""
        if self._found is not None:
            return self._found.known
        return await self._flights.join(self._target, self._find)

    async def another(self, refused: User) -> User | None:
        """Look again: helpers hand out tokens that expire. Raises CredentialsError."""
        if self._found == Fixed(refused):
            self._found = None
        fresh = await self.user()
        return None if fresh == refused else fresh

    async def _find(self) -> User | None:
        self._found = Fixed(await self._first())
        return self._found.known

    async def _first(self) -> User | None:
        for path in self._paths:
            entries = await self._entries(path)
            user = entries.user
            if entries.helper is not None:
                user = await ask(entries.helper, self._environ, self._timeout_s) or user
            if user is not None:
                return user
        return None

    async def _entries(self, path: Path) -> _Entries:
        try:
            return await anyio.to_thread.run_sync(_read, path, self._target, abandon_on_cancel=True)
        except (FileNotFoundError, NotADirectoryError):
            if path == self._file:
                raise CredentialsError(f"{_shown(path)}: there is no such file") from None
            return _Entries()


def _paths(environ: Mapping[str, str], file: Path | None, run: Path) -> tuple[Path, ...]:
    docker = _under(environ, "DOCKER_CONFIG", "config.json")
    paths = (
        file,
        _under(environ, "REGISTRY_AUTH_FILE"),
        docker,
        _under(environ, "XDG_RUNTIME_DIR", "containers/auth.json") or Path(run, f"containers/{os.getuid()}/auth.json"),
        _under(environ, "XDG_CONFIG_HOME", "containers/auth.json")
        or _under(environ, "HOME", ".config/containers/auth.json"),
        docker or _under(environ, "HOME", ".docker/config.json"),
    )
    return tuple(dict.fromkeys(path for path in paths if path is not None))


def _under(environ: Mapping[str, str], variable: str, rest: str = "") -> Path | None:
    folder = environ.get(variable)
    return Path(folder, rest) if folder else None


def _shown(path: Path) -> str:
    return printable(str(path))


def _canonical(registry: str) -> str:
    registry = registry.lower()
    return _HUB if registry in _HUB_ALIASES else registry


def _server(target: Target) -> str:
    """What docker calls the registry, in its files and to its helpers."""
    return _HUB_SERVER if target.registry == _HUB else target.registry


def _keyed(key: str) -> Target:
    """What a key is for, in any form that was ever written: a host, an address of its API, or podman's host/namespace.

    As docker does it, an address stands for its whole host.
    """
    _, scheme, place = key.rpartition("://")
    host, _, namespace = place.partition("/")
    namespace = namespace.rstrip("/")
    return Target(_canonical(host), "" if scheme or namespace in _API_ROOTS else namespace)


def _keys_for(target: Target, keys: Iterable[str]) -> list[str]:
    """The keys that cover all of the target: the most specific first, and of equals the one that docker writes."""
    places = [(key, _keyed(key)) for key in keys]
    covering = [
        (len(place.prefix), key == _server(target), key)
        for key, place in places
        if place.registry == target.registry and place.covers(target.prefix)
    ]
    return [key for *_, key in sorted(covering, key=lambda found: found[:2], reverse=True)]


def _read(path: Path, target: Target) -> _Entries:
    """In a worker thread. Raises CredentialsError, and OSError where there is no such file."""
    config, where = _load(path), _shown(path)
    auths = _member(where, config, "auths", dict)
    keys = _keys_for(target, auths)
    users = (_written_down(f"{where}: auths", auths, key) for key in keys)
    user = next((user for user in users if user is not None), None)

    helpers = _member(where, config, "credHelpers", dict)
    own = _keys_for(Target(target.registry), helpers)
    if own:  # even where its name is empty: that keeps a registry out of the store
        helper = _helper(path, _member(f"{where}: credHelpers", helpers, own[0], str), own[0])
    else:
        helper = _helper(path, _member(where, config, "credsStore", str), _server(target))
    return _Entries(helper, user, is_login=user is not None or (helper is not None and bool(own or keys)))


def _helper(path: Path, name: str, server: str) -> Helper | None:
    if not name:
        return None
    if _HELPER_NAME.fullmatch(name) is None:  # a path would let a file run any program
        raise CredentialsError(f"{_shown(path)}: {printable(name)!r} is not the name of a credential helper")
    return Helper(name, server, path)


def _load(path: Path) -> dict[str, Any]:
    try:
        content = path.read_bytes().removeprefix(BOM_UTF8)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as fault:
        raise CredentialsError(f"{_shown(path)}: the file cannot be read: {fault.strerror}") from None
    if not content.strip():
        return {}  # docker takes it so, and /dev/null is a way to say: nobody
    try:
        config = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise CredentialsError(f"{_shown(path)}: the file is not JSON") from None
    if not isinstance(config, dict):
        raise CredentialsError(f"{_shown(path)}: the file is not a JSON object")
    return config


def _member(where: str, table: dict[str, Any], key: str, kind: type[T]) -> T:
    """A member that may be missing or null, which is empty. Raises CredentialsError for any other kind."""
    value = table.get(key)
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise CredentialsError(f"{where}: {printable(key)} is not {_JSON_KINDS[kind]}")
    return value


def _written_down(where: str, auths: dict[str, Any], key: str) -> User | None:
    """An entry's user. Where a helper holds the secret docker leaves the entry empty, which is None."""
    entry = _member(where, auths, key, dict)
    if token := _member(where, entry, "registrytoken", str):
        return User(BEARER_TOKEN_USER, token)
    if token := _member(where, entry, "identitytoken", str):
        return User(IDENTITY_TOKEN_USER, token)
    if auth := _member(where, entry, "auth", str):
        return _unpacked(where, auth)
    return whole_user(_member(where, entry, "username", str), _member(where, entry, "password", str))


def _unpacked(where: str, auth: str) -> User | None:
    try:
        text = b64decode("".join(auth.split()), validate=True).decode()
    except ValueError:
        text = ""
    name, colon, password = text.partition(":")
    if not name or not colon:
        raise CredentialsError(f"{where}: auth is not the base64 of a user, a colon and a password")
    return whole_user(name, password.strip("\0"))
