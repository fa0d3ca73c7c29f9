"""How is a configuration's text changed so that its files are found where they are deployed? Comments stay."""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from crawler.deploy.input_files import FILE_KEYS, InputFile
from crawler.deploy.quoting import toml_string
from crawler.errors import ConfigError
from crawler.untrusted_text import quoted_path

Place = Callable[[InputFile], str]
"""The path of a file where it is deployed."""

_LEAVES: Final = tuple(key.rpartition(".")[2] for key in FILE_KEYS)
_ASSIGNMENT: Final = re.compile(
    rf"""(?P<key>\b(?:{"|".join(_LEAVES)})["']?[ \t]*=[ \t]*)(?P<value>"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
)


def with_places(text: str, places: Mapping[Path, str], folder: Path, file: Path) -> str:
    """The text with each file's path replaced, by its absolute path on this machine. `folder`: see InputFile.

    Raises ConfigError where a path is written in a way that is not found, such as a string of several lines.
    """

    def replaced(match: re.Match[str]) -> str:
        try:
            path = _local_path(tomllib.loads(f"value = {match['value']}")["value"], folder)
        except tomllib.TOMLDecodeError:
            return match[0]  # in a comment
        return match["key"] + toml_string(places[path]) if path in places else match[0]

    placed = _ASSIGNMENT.sub(replaced, text)
    if tomllib.loads(placed) != _placed_document(tomllib.loads(text), places, folder):
        names = ", ".join(_LEAVES)
        raise ConfigError([f'{quoted_path(file)}: write each of {names} on a line of its own, as KEY = "FILE"'])
    return placed


def placed_variable(name: str, value: str, places: Mapping[Path, str], folder: Path) -> str:
    """The value of a variable, where the path of a file is replaced."""
    leaf = name.lower().rpartition("__")[2]
    return places.get(_local_path(value, folder), value) if leaf in _LEAVES else value


def _local_path(value: str, folder: Path) -> Path:
    return folder / os.path.expanduser(value)  # noqa: PTH111  (as config/values.py expands it)


def _placed_document(document: dict[str, Any], places: Mapping[Path, str], folder: Path) -> dict[str, Any]:
    registries = document.get("registry", [])
    tables = registries if isinstance(registries, list) else [registries]
    placed = [_placed_table(table, places, folder) for table in tables]
    if "registry" not in document:
        return document
    return {**document, "registry": placed if isinstance(registries, list) else placed[0]}


def _placed_table(table: dict[str, Any], places: Mapping[Path, str], folder: Path) -> dict[str, Any]:
    return {
        key: _placed_table(value, places, folder)
        if isinstance(value, dict)
        else places.get(_local_path(value, folder), value)
        if key in _LEAVES
        else value
        for key, value in table.items()
    }
