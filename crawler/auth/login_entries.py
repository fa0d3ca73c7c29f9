"""What one login file has for one registry: a stored credential, a credential helper, or near misses.

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
"""Docker's own key for Docker Hub (IndexServer in moby/moby registry/config.go)."""

_API_ROOTS: Final = frozenset({"v1", "v2"})
_HELPER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_JSON_KINDS: Final = {dict: "an object", str: "a string"}

_SECTIONS: Final = frozenset({"auths", "credHelpers", "credsStore"})
_ENTRY_FIELDS: Final = frozenset({"auth", "username", "password", "identitytoken", "registrytoken"})

T = TypeVar("T", dict[str, Any], str)


@dataclass(frozen=True, slots=True)
class LoginEntries:
    """What one file has for a target. The helper goes before the stored credential.

    Attributes:
        helper: the credential helper to ask: the registry's own (`credHelpers`), or that of all (`credsStore`).
        credential: the credential that the file itself stores.
        is_named: whether the file names the registry, and has or names a secret for it.
        near_misses: messages about logins of the file that are nearly for the target; empty where `is_named`.
    """

    helper: Helper | None
    credential: Credential | None
    is_named: bool
    near_misses: tuple[str, ...]


def canonical(target: Target) -> Target:
    """The target with the one name of its registry: Docker Hub has three."""
    return Target(_canonical(target.registry), target.prefix)


def entries_for(target: Target, file: LoginFile) -> LoginEntries:
    """What the file has for a canonical target. Raises CredentialsError, which never quotes a secret."""
    where, auths = _auths(file)
    keys = _keys_for(target, auths)
    stored = (_stored_credential(where, auths, key) for key in keys)
    credential = next((found for found in stored if found is not None), None)

    helpers = _member(file.name, file.content, "credHelpers", dict)
    own = _keys_for(Target(target.registry), helpers)
    if own:  # also with an empty name, by which an operator keeps a registry out of the `credsStore`
        helper = _helper(file, _member(f"{file.name}: credHelpers", helpers, own[0], str), own[0])
    else:
        helper = _helper(file, _member(file.name, file.content, "credsStore", str), _server(target))

    is_named = credential is not None or (helper is not None and bool(own or keys))
    if is_named:
        return LoginEntries(helper, credential, is_named, ())
    return LoginEntries(
        helper, credential, is_named, tuple(_near_miss_messages(target, file.name, keys, (*auths, *helpers)))
    )


def _auths(file: LoginFile) -> tuple[str, dict[str, Any]]:
    """Where the entries are, for messages, and the entries by registry. A legacy `.dockercfg` has nothing else."""
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
    """Docker's name of the registry, in its files and for its helpers."""
    return _HUB_SERVER if target.registry == _HUB else target.registry


def _parse_key(key: str) -> Target:
    """What a key is for: a host, a URL, or podman's host/namespace.

    A URL is for its whole host, whatever its path (docker/cli cli/config/credentials/file_store.go).
    """
    _, scheme, rest = key.rpartition("://")
    host, _, namespace = rest.partition("/")
    namespace = namespace.rstrip("/")
    return Target(_canonical(host), "" if scheme or namespace in _API_ROOTS else namespace)


def _keys_for(target: Target, keys: Iterable[str]) -> list[str]:
    """The keys that cover the whole target, the most specific first; among equals docker's own spelling first."""
    places = [(key, _parse_key(key)) for key in keys]
    covering = [
        (len(place.prefix), key == _server(target), key)
        for key, place in places
        if place.registry == target.registry and place.covers(target.prefix)
    ]
    return [key for *_, key in sorted(covering, key=lambda found: found[:2], reverse=True)]


def _near_miss_messages(target: Target, file: str, empty: Sequence[str], keys: Iterable[str]) -> Iterator[str]:
    if empty:  # such as a config.json that was copied from a desktop, without the desktop's keychain
        yield f"{file} has an entry for {target.registry} without a password, and no credential helper for it"
    near = dict.fromkeys(str(place) for place in map(_parse_key, keys) if _is_similar(target, place))
    if near:
        yield f"there is a login for {printable(', '.join(near))} in {file}, and none for {target}"


def _is_similar(target: Target, place: Target) -> bool:
    """Whether a login is for the same host with another port or spelling, for a part of the target, or for a pattern.

    Kubernetes' pull secrets may have patterns (kubernetes.io/docs/concepts/containers/images, "Interpretation of
    config.json"); docker and podman do not support them.
    """
    if place.registry == target.registry:
        return target.covers(place.prefix) and not place.covers(target.prefix)
    return _normalized_host(target) == _normalized_host(place) or (
        "*" in place.registry and fnmatchcase(target.registry, place.registry)
    )


def _normalized_host(target: Target) -> str:
    host = target.host.rstrip(".")
    return "localhost" if is_loopback(host) else host


def _helper(file: LoginFile, name: str, server: str) -> Helper | None:
    if not name:
        return None
    if _HELPER_NAME.fullmatch(name) is None:  # a path would let a file run any program
        raise CredentialsError(f"{file.name}: {printable(name)!r} is not the name of a credential helper")
    return Helper(name, server, file.name)


def _member(where: str, table: dict[str, Any], key: str, kind: type[T]) -> T:
    """A member of a JSON object; empty where it is missing or null. Raises CredentialsError for any other type."""
    value = table.get(key)
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise CredentialsError(f"{where}: {printable(key)} is not {_JSON_KINDS[kind]}")
    return value


def _stored_credential(where: str, auths: dict[str, Any], key: str) -> Credential | None:
    """The credential of an entry. None where the entry is empty: docker writes it so where a helper has the secret."""
    entry = _member(where, auths, key, dict)
    if token := _member(where, entry, "registrytoken", str):
        return Credential(BEARER_TOKEN_USER, token)
    if token := _member(where, entry, "identitytoken", str):
        return Credential(IDENTITY_TOKEN_USER, token)
    if auth := _member(where, entry, "auth", str):
        return _parse_auth(where, auth)
    return checked_credential(_member(where, entry, "username", str), _member(where, entry, "password", str))


def _parse_auth(where: str, auth: str) -> Credential | None:
    try:
        text = b64decode("".join(auth.split()), validate=True).decode()
    except ValueError:
        text = ""
    name, colon, password = text.partition(":")
    if not name or not colon:
        raise CredentialsError(f"{where}: auth is not the base64 of NAME:PASSWORD")
    # docker, too, drops NULs around the password (docker/cli cli/config/configfile/file.go, decodeAuth)
    return checked_credential(name, password.strip("\0"))
