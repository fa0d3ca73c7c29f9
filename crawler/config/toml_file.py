"""A TOML file: its text, its tables, and the line of each key for error messages."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

from crawler.errors import ConfigError
from crawler.model.value import Value
from crawler.untrusted_text import printable

Key = tuple[str | int, ...]
"""The location of a value, as pydantic gives it: ("registry", 0, "auth", "method")."""

_UTF_16_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")
_HEADER = re.compile(r"\s*\[\[?\s*([\w.\-]+)\s*\]")
_ASSIGNMENT = re.compile(r"\s*([\w.\-]+)\s*=")


class TomlFile(Value, frozen=True):
    """A configuration file that was parsed. Its values are not checked yet.

    Attributes:
        path: Where the file is.
        document: The tables of the file.
        line_numbers: The line of each table and key, from 1.
    """

    path: Path
    document: Mapping[str, Any]
    line_numbers: Mapping[Key, int]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and parse a file. Raises ConfigError where it cannot be read, or is not TOML."""
        import tomllib

        text = _read_text(path)
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as exc:
            raise ConfigError([f"{path}: {exc}"]) from None
        except RecursionError:
            raise ConfigError([f"{path}: is nested too deep"]) from None
        except ValueError:  # Python converts no text of more than 4300 digits to an integer
            raise ConfigError([f"{path}: holds a number of too many digits"]) from None
        return cls(path, document, dict(_key_line_numbers(text)))

    def location(self, key: Key) -> str:
        """Return `FILE:LINE` of a key; the line of its table, or no line at all, where the key is not in the file."""
        prefixes = (key[:end] for end in range(len(key), 0, -1))
        line = next((self.line_numbers[prefix] for prefix in prefixes if prefix in self.line_numbers), None)
        return str(self.path) if line is None else f"{self.path}:{line}"


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise ConfigError([f"{path}: cannot be read: {exc.strerror}"]) from None
    except ValueError:  # a NUL in the path
        raise ConfigError([f"{printable(str(path))}: is not a path"]) from None
    if content.startswith(_UTF_16_BOMS) or b"\0" in content[:2]:
        raise ConfigError([f"{path}: is UTF-16: save it as UTF-8, as TOML must be"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: is not UTF-8, as TOML must be"]) from None


def _key_line_numbers(text: str) -> Iterator[tuple[Key, int]]:
    """Find the line of each key.

    tomllib gives no positions. This reads headers and assignments by their first characters alone, so a multi-line
    string may mislead it: good enough for an error message, and for nothing else.
    """
    table: Key = ()
    registry = -1
    for number, line in enumerate(text.split("\n"), start=1):
        if header := _HEADER.match(line):
            first, *rest = header[1].split(".")
            registry += first == "registry" and not rest
            table = (first, max(registry, 0), *rest) if first == "registry" else (first, *rest)
            yield table, number
        elif assignment := _ASSIGNMENT.match(line):
            key: Key = (*table, *assignment[1].split("."))
            is_in_registry = not table and key[0] == "registry" and len(key) > 1  # `registry.target = …`, no header
            yield ("registry", 0, *key[1:]) if is_in_registry else key, number
