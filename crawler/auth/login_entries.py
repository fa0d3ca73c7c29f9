"""What a login file says about one registry: a user that is written down, a helper that keeps it, or what nearly fits.

Follows docker/cli `cli/config` and containers-auth.json(5).
"""

import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, TypeVar

from crawler.auth.credential_helper import Helper, checked_credential
from crawler.auth.credentials import BEARER_TOKEN_USER, IDENTITY_TOKEN_USER, Credential
from crawler.auth.login_files import LoginFile
from crawler.errors import CredentialsError
from crawler.model.names import Target, is_loopback
from crawler.untrusted_text import printable

_HUB: Final = "index.docker.io"
_HUB_ALIASES: Final = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_HUB_SERVER: Final = "https://index.docker.io/v1/"

_API_ROOTS: Final = frozenset({"v1", "v2"})
_HELPER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_JSON_KINDS: Final = {dict: "an object", str: "a string"}

_SECTIONS: Final = frozenset({"auths", "credHelpers", "credsStore"})
_ENTRY_FIELDS: Final = frozenset({"auth", "username", "password", "identitytoken", "registrytoken"})

T = TypeVar("T", dict[str, Any], str)


@dataclass(frozen=True, slots=True)
class LoginEntries:
    """What one file has for a target. A helper goes before the user that is written down.

    Attributes:
        helper: the program to ask, which may be a store for every registry.
        user: the user that is written down.
        is_named: whether the file names the registry, and has or names a secret for it.
        near_misses: in words, what the file has that nearly is a login to the target; only where it names none.
    """

    helper: Helper | None
    credential: Credential | None
    is_named: bool
    near_misses: tuple[str, ...]


def canonical(target: Target) -> Target:
    """The target by the one name of its registry."""
    return Target(_canonical(target.registry), target.prefix)


def entries_for(target: Target, file: LoginFile) -> LoginEntries:
    """What the file has for a target, which is canonical. Raises CredentialsError, never with a secret."""
    where, auths = _auths(file)
    keys = _keys_for(target, auths)
    users = (_stored_credential(where, auths, key) for key in keys)
    user = next((user for user in users if user is not None), None)

    helpers = _member(file.name, file.content, "credHelpers", dict)
    own = _keys_for(Target(target.registry), helpers)
    if own:  # even where its name is empty: that keeps a registry out of the store
        helper = _helper(file, _member(f"{file.name}: credHelpers", helpers, own[0], str), own[0])
    else:
        helper = _helper(file, _member(file.name, file.content, "credsStore", str), _server(target))

    is_named = user is not None or (helper is not None and bool(own or keys))
    if is_named:
        return LoginEntries(helper, user, is_named, ())
    return LoginEntries(helper, user, is_named, tuple(_near_miss_messages(target, file.name, keys, (*auths, *helpers))))


def _auths(file: LoginFile) -> tuple[str, dict[str, Any]]:
    """The entries by registry, and where they are. In a legacy `.dockercfg` they are all that there is."""
    is_legacy = _SECTIONS.isdisjoint(file.content) and any(
        isinstance(value, dict) and not _ENTRY_FIELDS.isdisjoint(value) for value in file.content.values()
    )
    if is_legacy:
        return file.name, file.content
    return f"{file.name}: auths", _member(file.name, file.content, "auths", dict)


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


def _near_miss_messages(target: Target, where: str, empty: Sequence[str], keys: Iterable[str]) -> Iterator[str]:
    if empty:  # what is left of docker's file without docker's store, for one
        yield f"{where} has an entry for {target.registry} without a password, and no credential helper for it"
    near = dict.fromkeys(str(place) for place in map(_keyed, keys) if _is_similar(target, place))
    if near:
        yield f"there is a login for {printable(', '.join(near))} in {where}, and none for {target}"


def _is_similar(target: Target, place: Target) -> bool:
    """Whether a login is for the same host by another port or spelling, or for a part of the target.

    A pattern is near, too: Kubernetes' pull secrets may have them, docker and podman know none.
    """
    if place.registry == target.registry:
        return target.covers(place.prefix) and not place.covers(target.prefix)
    return _similar_spellings(target) == _similar_spellings(place) or (
        "*" in place.registry and fnmatchcase(target.registry, place.registry)
    )


def _similar_spellings(target: Target) -> str:
    host = target.host.rstrip(".")
    return "localhost" if is_loopback(host) else host


def _helper(file: LoginFile, name: str, server: str) -> Helper | None:
    if not name:
        return None
    if _HELPER_NAME.fullmatch(name) is None:  # a path would let a file run any program
        raise CredentialsError(f"{file.name}: {printable(name)!r} is not the name of a credential helper")
    return Helper(name, server, file.name)


def _member(where: str, table: dict[str, Any], key: str, kind: type[T]) -> T:
    """A member that may be missing or null, which is empty. Raises CredentialsError for any other kind."""
    value = table.get(key)
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise CredentialsError(f"{where}: {printable(key)} is not {_JSON_KINDS[kind]}")
    return value


def _stored_credential(where: str, auths: dict[str, Any], key: str) -> Credential | None:
    """An entry's user. Where a helper holds the secret docker leaves the entry empty, which is None."""
    entry = _member(where, auths, key, dict)
    if token := _member(where, entry, "registrytoken", str):
        return Credential(BEARER_TOKEN_USER, token)
    if token := _member(where, entry, "identitytoken", str):
        return Credential(IDENTITY_TOKEN_USER, token)
    if auth := _member(where, entry, "auth", str):
        return _unpacked(where, auth)
    return checked_credential(_member(where, entry, "username", str), _member(where, entry, "password", str))


def _unpacked(where: str, auth: str) -> Credential | None:
    try:
        text = b64decode("".join(auth.split()), validate=True).decode()
    except ValueError:
        text = ""
    name, colon, password = text.partition(":")
    if not name or not colon:
        raise CredentialsError(f"{where}: auth is not the base64 of a user, a colon and a password")
    return checked_credential(name, password.strip("\0"))
