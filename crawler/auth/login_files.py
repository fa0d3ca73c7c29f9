"""Where docker, podman and Kubernetes keep logins: every place, in the order of the search.

Follows docker/cli `cli/config` and containers-auth.json(5).
"""

import codecs
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import orjson

from crawler.errors import CredentialsError
from crawler.untrusted_text import printable

_FOLDER_FILES: Final = ("config.json", ".dockerconfigjson", ".dockercfg")
"""Docker's own file name, and the keys of Kubernetes' two types of pull secret: the file names of a mounted Secret.

kubernetes.io/docs/concepts/configuration/secret, "Docker config Secrets".
"""

_RUNTIME_FOLDER: Final = Path("/run")

_ANONYMOUS_HINT: Final = "--auth anonymous crawls without a login"
_REMEDY: Final = f"correct the variable or unset it; {_ANONYMOUS_HINT}"


@dataclass(frozen=True, slots=True)
class LoginFile:
    """The JSON object that one place holds. `name` is for messages: the file's path, or a variable's name."""

    name: str
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PlaceContent:
    """The files of one place, if any, and warnings for the operator."""

    files: tuple[LoginFile, ...] = ()
    warnings: tuple[str, ...] = ()


class LoginPlace(Protocol):
    """A place where logins may be kept."""

    def read(self) -> PlaceContent:
        """Read the place. Blocks on the disk. Raises CredentialsError, which never quotes the content."""


def login_places(environ: Mapping[str, str]) -> tuple[LoginPlace, ...]:
    """The places, the most specific first. An empty variable counts as not set.

    1. DOCKER_AUTH_CONFIG, 2. REGISTRY_AUTH_FILE, 3. DOCKER_CONFIG: named by the operator, so they must be readable;
    4. podman's file of this session, 5. podman's file of this user, 6. docker's files of this user.
    """
    content, file, folder = (
        environ.get(variable) for variable in ("DOCKER_AUTH_CONFIG", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG")
    )
    docker = () if folder else (".docker/config.json", ".docker/.dockerconfigjson")
    defaults = (
        _under(environ, "XDG_RUNTIME_DIR", "containers/auth.json") or _session_file(),
        _under(environ, "XDG_CONFIG_HOME", "containers/auth.json")
        or _under(environ, "HOME", ".config/containers/auth.json"),
        *(_under(environ, "HOME", rest) for rest in (*docker, ".dockercfg")),
    )
    named: list[LoginPlace] = []
    if content:
        named.append(_AuthConfig(content))
    if file:
        named.append(_AuthFile(Path(file)))
    if folder:
        named.append(_DockerFolder(Path(folder)))
    return (*named, *(_DefaultFile(path) for path in defaults if path is not None))


def _under(environ: Mapping[str, str], variable: str, rest: str) -> Path | None:
    folder = environ.get(variable)
    return Path(folder, rest) if folder else None


def _session_file() -> Path | None:
    """Podman's file of this session, where XDG_RUNTIME_DIR is not set (containers-auth.json(5)).

    None where the folder is closed to this user, as root's podman leaves it: this user has no login in it then.
    """
    folder = _RUNTIME_FOLDER / "containers"
    return folder / str(os.getuid()) / "auth.json" if os.access(folder, os.X_OK, effective_ids=True) else None


@dataclass(frozen=True, slots=True)
class _AuthConfig:
    """DOCKER_AUTH_CONFIG, which holds the JSON itself: GitLab CI's variable, and docker's since 28.2."""

    content: str

    def read(self) -> PlaceContent:
        if self.content.lstrip("\ufeff \t\r\n")[:1] not in {"{", ""}:
            raise CredentialsError(
                "DOCKER_AUTH_CONFIG is not a JSON object: set it to the content of a config.json, not to a path "
                f"or to base64; {_ANONYMOUS_HINT}"
            )
        return PlaceContent((_parse("DOCKER_AUTH_CONFIG", os.fsencode(self.content)),))


@dataclass(frozen=True, slots=True)
class _AuthFile:
    """The file that REGISTRY_AUTH_FILE names. It must exist."""

    path: Path

    def read(self) -> PlaceContent:
        try:
            return PlaceContent((_read(self.path),))
        except (FileNotFoundError, NotADirectoryError):
            problem = "and there is no such file"
        except OSError as exc:
            problem = f"and the file cannot be read ({exc.strerror})"
        raise CredentialsError(f"REGISTRY_AUTH_FILE names {_quoted(self.path)}, {problem}: {_REMEDY}")


@dataclass(frozen=True, slots=True)
class _DockerFolder:
    """The folder that DOCKER_CONFIG names. It must exist: a missing one is likely a Secret that was not mounted."""

    path: Path

    def read(self) -> PlaceContent:
        try:
            if not stat.S_ISDIR(self.path.stat().st_mode):
                raise CredentialsError(
                    f"DOCKER_CONFIG names {_quoted(self.path)}, which is not a folder: name the folder of config.json "
                    f"or name the file in REGISTRY_AUTH_FILE; {_ANONYMOUS_HINT}"
                )
            files = tuple(file for name in _FOLDER_FILES if (file := _read_if_there(self.path / name)) is not None)
        except (FileNotFoundError, NotADirectoryError):
            raise CredentialsError(
                f"DOCKER_CONFIG names {_quoted(self.path)}, and there is no such folder: {_REMEDY}"
            ) from None
        except OSError as exc:
            unreadable = _quoted(Path(exc.filename or self.path))
            raise CredentialsError(
                f"DOCKER_CONFIG names {_quoted(self.path)}, and {unreadable} cannot be read ({exc.strerror}): {_REMEDY}"
            ) from None
        if files:
            return PlaceContent(files)
        # not an error: docker's folder is like this before the first login
        *others, last = _FOLDER_FILES
        names = f"{', '.join(others)} or {last}"
        return PlaceContent(warnings=(f"DOCKER_CONFIG names {_quoted(self.path)}, which has no {names}",))


@dataclass(frozen=True, slots=True)
class _DefaultFile:
    """A file that no variable names. It may be missing, or not readable by this user."""

    path: Path

    def read(self) -> PlaceContent:
        try:
            file = _read_if_there(self.path)
        except PermissionError as exc:
            return PlaceContent(warnings=(f"{_quoted(self.path)} cannot be read and is skipped ({exc.strerror})",))
        except OSError as exc:
            raise CredentialsError(f"{_quoted(self.path)}: the file cannot be read: {exc.strerror}") from None
        return PlaceContent() if file is None else PlaceContent((file,))


def _read_if_there(path: Path) -> LoginFile | None:
    try:
        return _read(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _read(path: Path) -> LoginFile:
    return _parse(_quoted(path), path.read_bytes())


def _quoted(path: Path) -> str:
    return printable(str(path))


def _parse(name: str, data: bytes) -> LoginFile:
    data = data.removeprefix(codecs.BOM_UTF8)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in data[:2]:
        raise CredentialsError(f"{name}: the text is UTF-16, as Windows PowerShell writes it: save it as UTF-8")
    if not data.strip():
        return LoginFile(name, {})  # as docker does; REGISTRY_AUTH_FILE=/dev/null is a common way to disable logins
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise CredentialsError(f"{name}: the content is not JSON") from None
    if not isinstance(content, dict):
        raise CredentialsError(f"{name}: the content is not a JSON object")
    return LoginFile(name, content)
