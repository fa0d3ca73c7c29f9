"""Which mistakes a policy's file has: its keys are taken one by one, and what is left is not understood.

A policy that is half understood says the wrong thing of every image, so nothing is passed over.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, Final, TypeVar

import orjson

from crawler.errors import ConfigError
from crawler.untrusted_text import printable

_LONGEST_VALUE: Final = 60
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST_TIME: Final = timedelta(days=365_000)
"""A longer time would lead to before the year 1."""


@dataclass(slots=True)
class Mistakes:
    """The mistakes of a file, collected so that all are told at once."""

    file: str
    lines: list[str] = field(default_factory=list)

    def add(self, place: str, message: str) -> None:
        self.lines.append(f"{self.file}: {place}: {message}" if place else f"{self.file}: {message}")

    def check(self) -> None:
        """Raise ConfigError if there are any."""
        if self.lines:
            raise ConfigError(self.lines)


_T = TypeVar("_T")


class Table:
    """An object of the file. A getter takes a key, and notes what is wrong with its value.

    A value that is wrong or missing is the given default, so that a reader goes on to the next mistake.
    """

    def __init__(self, value: object, place: str, mistakes: Mistakes) -> None:
        self.place = place
        self._mistakes = mistakes
        self._left: dict[str, Any] = {}
        self._known: list[str] = []
        if isinstance(value, dict):
            self._left = dict(value)
        else:
            mistakes.add(place, f"must be an object{_got(value)}")
            self._mistakes = Mistakes(mistakes.file)  # what it lacks is no further mistake

    def __contains__(self, key: str) -> bool:
        return key in self._left

    @property
    def is_empty(self) -> bool:
        return not self._left

    def holds_text(self, key: str) -> bool:
        return isinstance(self._left.get(key), str)

    def mistake(self, key: str, message: str) -> None:
        self._mistakes.add(f"{self.place}.{key}" if self.place and key else self.place or key, message)

    def anything(self, key: str) -> object:
        """A value that says nothing of what is deleted, and is not looked at."""
        self._known.append(key)
        return self._left.pop(key, None)

    def text(self, key: str, default: str | None = None) -> str:
        value = self._take(key, required=default is None)
        if isinstance(value, str):
            return value
        return self._wrong(key, value, "a text", default or "")

    def whole_number(self, key: str, least: int, most: int, default: int | None = None) -> int:
        value = self._take(key, required=default is None)
        if type(value) is int and least <= value <= most:
            return value
        return self._wrong(key, value, f"a whole number from {least} to {most}", least if default is None else default)

    def truth(self, key: str, default: bool | None = None) -> bool:  # noqa: FBT001  (the value of a key, not a flag)
        value = self._take(key, required=default is None)
        if isinstance(value, bool):
            return value
        return self._wrong(key, value, "true or false", bool(default))

    def choice(self, key: str, values: Sequence[str], default: str | None = None) -> str:
        value = self._take(key, required=default is None)
        if isinstance(value, str) and value in values:
            return value
        return self._wrong(key, value, f"one of {', '.join(values)}", default or values[0])

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts that are not empty; () where the key is not there. A list that is there has one at least."""
        value = self._take(key, required=False)
        if isinstance(value, list) and value and all(isinstance(each, str) and each for each in value):
            return tuple(value)
        return self._wrong(key, value, "a list of texts, none of them empty", ())

    def duration(self, key: str) -> timedelta | None:
        """A time such as 30d or 3600s; None where the key is not there."""
        if key not in self:
            self._known.append(key)
            return None
        match = _DURATION.fullmatch(self.text(key))
        if match is None:
            self.mistake(key, "must be a whole number with s, m, h or d, such as 30d")
            return None
        return min(timedelta(**{_UNITS[match[2]]: int(match[1])}), _LONGEST_TIME)

    def table(self, key: str) -> "Table":
        value = self._take(key, required=True)
        mistakes = self._mistakes if value is not None else Mistakes(self._mistakes.file)
        return Table({} if value is None else value, f"{self.place}.{key}".lstrip("."), mistakes)

    def tables(self, key: str) -> "list[Table]":
        """The objects of a list that has one at least."""
        value = self._take(key, required=True)
        if not isinstance(value, list) or not value:
            return self._wrong(key, value, "a list of one object or more", [])
        place = f"{self.place}.{key}".lstrip(".")
        return [Table(each, f"{place}[{number}]", self._mistakes) for number, each in enumerate(value)]

    def close(self) -> None:
        """Note every key that was not taken."""
        for key in self._left:
            close = get_close_matches(key, self._known, n=1)
            advice = f"did you mean {close[0]}?" if close else f"known are {', '.join(self._known)}"
            self.mistake(printable(key, _LONGEST_VALUE), f"unknown key; {advice}")

    def _take(self, key: str, *, required: bool) -> Any:
        self._known.append(key)
        if key in self._left:
            value = self._left.pop(key)
            if value is None:
                self.mistake(key, "must not be null")
            return value
        if required:
            self.mistake(key, "missing")
        return None

    def _wrong(self, key: str, value: object, expected: str, default: _T) -> _T:
        if value is not None:
            self.mistake(key, f"must be {expected}{_got(value)}")
        return default


def _got(value: object) -> str:
    match value:
        case dict():
            return " (got an object)"
        case list():
            return " (got a list)"
        case _:
            return f" (got {printable(repr(value), _LONGEST_VALUE)})"


def parse_json(text: str, file: str) -> Any:
    """The value in a JSON text. Raises ConfigError, also for a key that is there twice."""
    try:
        orjson.loads(text)  # which refuses NaN, and nesting and numbers without end
    except orjson.JSONDecodeError as exc:
        advice = "a policy in TOML has a name that ends in .toml"
        raise ConfigError([f"{file}:{exc.lineno}: is not JSON: {printable(exc.msg)}; {advice}"]) from None
    mistakes = Mistakes(file)

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        for key in {key for key, _ in items if sum(key == other for other, _ in items) > 1}:
            mistakes.add(printable(key, _LONGEST_VALUE), "is there twice in one object")
        return dict(items)

    value = json.loads(text, object_pairs_hook=pairs)
    mistakes.check()
    return value
