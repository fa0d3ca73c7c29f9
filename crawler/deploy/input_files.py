"""Which files does a configuration name, and what are they called where they are deployed?"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Final

from crawler.config import STDIO, Config
from crawler.errors import ConfigError
from crawler.untrusted_text import printable, quoted_path

FILE_KEYS: Final = (
    "auth.key_file",
    "auth.password_file",
    "apis.token_file",
    "repositories_from",
    "ca_file",
    "client_certificate",
    "client_key",
)
"""The keys of a `[[registry]]` table that name a file which a run reads."""

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_RESERVED_NAMES: Final = frozenset({"config.toml", "config.json", ".dockerconfigjson"})


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that the configuration names and a run reads.

    Attributes:
        keys: the keys that name it, `registry.auth.key_file`.
        path: where the file is on this machine; absolute.
        name: its name where it is deployed: unique, and only letters, digits, `.`, `_` and `-`.
    """

    keys: tuple[str, ...]
    path: Path
    name: str


def find_input_files(config: Config, folder: Path) -> tuple[InputFile, ...]:
    """The files that the configuration names, each once. `folder` is where relative paths begin.

    Raises ConfigError for names from standard input, and for a folder of certificates: neither can be deployed.
    """
    keys_by_path: dict[Path, list[str]] = {}
    for key, path in _named_paths(config):
        keys_by_path.setdefault(folder / path, []).append(key)
    mistakes = [mistake for path, keys in keys_by_path.items() if (mistake := _mistake(path, keys[0], folder))]
    if mistakes:
        raise ConfigError(mistakes)
    names = _unique_names(list(keys_by_path))
    return tuple(InputFile(tuple(dict.fromkeys(keys)), path, names[path]) for path, keys in keys_by_path.items())


def check_sizes(files: Sequence[InputFile], most_bytes: int, holder: str) -> None:
    """Raises ConfigError for files that are larger than what `holder` holds."""
    mistakes = [
        f"{file.keys[0]}: {quoted_path(file.path)} has {size:,} bytes; {holder} holds {most_bytes:,}"
        for file in files
        if (size := _size(file.path)) > most_bytes
    ]
    if mistakes:
        raise ConfigError(mistakes)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as exc:
        raise ConfigError([f"{quoted_path(path)}: cannot be read: {exc.strerror}"]) from None


def _named_paths(config: Config) -> Iterator[tuple[str, Path]]:
    for registry in config.registry:
        for key in FILE_KEYS:
            path = attrgetter(key)(registry)
            if path is not None:
                yield f"registry.{key}", path


def _mistake(path: Path, key: str, folder: Path) -> str:
    if path == folder / STDIO:
        return f"{key}: names from standard input cannot be deployed: write them into a file"
    if path.is_dir():
        return f"{key}: {quoted_path(path)} is a folder: put its certificates into one PEM file to deploy them"
    return ""


def _unique_names(paths: Sequence[Path]) -> Mapping[Path, str]:
    names: dict[Path, str] = {}
    for path in paths:
        wanted = _UNSAFE.sub("-", path.name).strip(".-")[-100:] or "file"
        taken = {*names.values(), *_RESERVED_NAMES}
        free = (f"{number}-{wanted}" for number in range(2, len(paths) + 3))
        names[path] = wanted if wanted not in taken else next(name for name in free if name not in taken)
    return names


def quoted_names(files: Sequence[InputFile]) -> str:
    """The files as a sentence has them."""
    return ", ".join(f"{printable(file.keys[0])} ({quoted_path(file.path)})" for file in files)
