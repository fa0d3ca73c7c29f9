"""What was said where: file, environment and flags as one document, and each mistake in it traced to its place."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from crawler.config import mistakes
from crawler.config.environment import ENVIRONMENT_PREFIX, Environment
from crawler.config.keys import merged, nested, value_at
from crawler.config.mistakes import Key
from crawler.errors import ConfigError
from crawler.model.auth_method import AuthMethod
from crawler.model.names import Target
from crawler.untrusted_text import printable

_TARGET: Final = ["registry", "target"]
_PASSWORD_METHODS: Final = frozenset({AuthMethod.AUTO, AuthMethod.TOKEN, AuthMethod.BASIC})
_UTF_16_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")

_HEADER = re.compile(r"\s*\[\[?\s*([\w.\-]+)\s*\]")
_ASSIGNMENT = re.compile(r"\s*([\w.\-]+)\s*=")


@dataclass(frozen=True, slots=True)
class Flag:
    """An option of the command line: its name as typed, the key that it sets, and the value."""

    name: str
    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class ConfigLayers:
    """The three sources, and the line of each key in the file."""

    file: Path | None
    lines: Mapping[Key, int]
    written: Mapping[str, Any]
    environment: Environment
    targets: Sequence[str]
    flags: Sequence[Flag]

    @classmethod
    def gather(
        cls, file: str | Path | None, environment: Environment, targets: Sequence[str], flags: Sequence[Flag]
    ) -> Self:
        """Read the file. Raises ConfigError where it is no TOML, or not there."""
        path = None if file is None else Path(os.path.expanduser(file))  # noqa: PTH111  (Path's own may raise)
        text = "" if path is None else _read(path)
        try:
            written = tomllib.loads(text)
        except tomllib.TOMLDecodeError as exc:
            raise ConfigError([f"{path}: {exc}"]) from None
        except RecursionError:
            raise ConfigError([f"{path}: is nested too deep"]) from None
        except ValueError:
            raise ConfigError([f"{path}: holds a number of too many digits"]) from None
        return cls(path, dict(_key_lines(text)), written, environment, targets, flags)

    def document(self) -> dict[str, Any]:
        """The sources as one document: flags over the environment, the environment over the file."""
        above: Any = self.environment.tree
        for flag in self.flags:
            above = merged(above, nested(flag.key.split("."), flag.value))
        over_each = above.get("registry", {})
        tables = [self._tables[number] if number is not None else {} for number in self._selected_tables]
        named = [{"target": target} for target in self.targets] or [{}] * len(tables)
        registries = [
            merged(self._with_short_names(_registry_merged(table, over_each)), name)
            for table, name in zip(tables, named, strict=True)
        ]
        return {**merged(self.written, above), "registry": registries}

    def shared_credentials(self) -> list[str]:
        """The mistake, if it is made, of a user or password in the environment that may be meant for any registry.

        Every one of them would be shown the password of one.
        """
        if not self.environment.short or self._names_users:
            return []
        registries = self.document()["registry"]
        hosts = list(dict.fromkeys(_host(table) for table in registries if _takes_password(table)))
        if len(hosts) < 2:
            return []
        variables = ", ".join(f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in self.environment.short)
        mistake = (
            f"{variables}: {printable(', '.join(hosts))} would all be shown this password: "
            "name the username in the [[registry]] table of the registry that it is for"
        )
        return [mistake]

    def _with_short_names(self, table: Any) -> Any:
        """A user and password of the environment are for the tables that name a user, else for those without a key."""
        auth = table.get("auth", {}) if isinstance(table, dict) else None
        if not isinstance(auth, dict) or "key_file" in auth or (self._names_users and "username" not in auth):
            return table
        over = dict(self.environment.short)
        return _registry_merged(table, {"auth": over}) if over else table

    @property
    def _names_users(self) -> bool:
        """Whether any source tells a username for any registry."""
        auths = [table.get("auth") for table in self._tables if isinstance(table, dict)]
        flagged = any(flag.key == "registry.auth.username" for flag in self.flags)
        return flagged or any(isinstance(auth, dict) and "username" in auth for auth in auths)

    @property
    def _tables(self) -> list[Any]:
        tables = self.written.get("registry", [])
        return tables if isinstance(tables, list) else [tables]

    @property
    def _selected_tables(self) -> list[int | None]:
        """For each registry of the run, the number of its table in the file, or None."""
        if not self.targets:
            is_set = value_at(self.environment.tree, _TARGET) is not None
            return list(range(len(self._tables))) or ([None] if is_set else [])
        numbers = {_similar_names(t.get("target")): i for i, t in enumerate(self._tables) if isinstance(t, dict)}
        return [numbers.get(_similar_names(target), numbers.get("")) for target in self.targets]

    def explain_all(self, found: Sequence[ErrorDetails], root: type[BaseModel]) -> list[str]:
        """Every mistake in one line each; that no valid registry is left is news only where none was named."""
        follows = any(mistake["loc"][:1] == ("registry",) and len(mistake["loc"]) > 1 for mistake in found)
        told = [mistake for mistake in found if not (follows and mistake["loc"] == ("registry",))]
        return list(dict.fromkeys(self._explain(mistake, root) for mistake in told))

    def _explain(self, mistake: ErrorDetails, root: type[BaseModel]) -> str:
        name = mistakes.dotted(mistake["loc"], root)
        words = mistakes.words(mistake, root)
        key = f"{printable(name, 120)}: " if name else ""
        if (target := self._named_target(mistake["loc"], name)) is not None:
            shown = mistakes.quoted(target) if target else "''"
            return f"TARGET {shown}".rstrip() + f": {key}{words}"
        return f"{self._place(mistake['loc'], name, words)}{key}{words}{mistakes.given(mistake)}"

    def _named_target(self, key: Key, name: str) -> str | None:
        """The target of the command line that a mistake is in."""
        is_named = name == ".".join(_TARGET) and self.targets and isinstance(key[1], int)
        return self.targets[key[1]] if is_named and isinstance(key[1], int) else None

    def _place(self, key: Key, name: str, words: str) -> str:
        """Who said it, the uppermost source first. A rule over several keys concerns those that its words name."""
        concerned = [name, *(f"{name}.{word}" for word in re.findall(r"\w+", words))]
        for flag in self.flags:
            if flag.key in concerned:
                return f"{flag.name}: "
        for variable in map(self.environment.names.get, concerned):
            if variable is not None:
                return f"{variable}: "
        return self._line(key)

    def _line(self, key: Key) -> str:
        if self.file is None:
            return ""
        if len(key) > 1 and isinstance(key[1], int):
            table = self._selected_tables[key[1]]
            key = ("registry", -1 if table is None else table, *key[2:])
        known = (self.lines[key[:end]] for end in range(len(key), 0, -1) if key[:end] in self.lines)
        line = next(known, None)
        return f"{self.file}: " if line is None else f"{self.file}:{line}: "


def _host(table: Any) -> str:
    return _similar_names(table.get("target")).partition("/")[0]


def _takes_password(table: Any) -> bool:
    auth = table.get("auth", {}) if isinstance(table, dict) else None
    method = auth.get("method", AuthMethod.AUTO) if isinstance(auth, dict) and "key_file" not in auth else None
    return isinstance(method, str) and method in _PASSWORD_METHODS


def _similar_names(target: Any) -> str:
    """A target as it is compared: however it is spelt; "" where there is none."""
    try:
        return str(Target.parse(target)) if isinstance(target, str) else ""
    except ValueError:
        return str(target)


def _read(path: Path) -> str:
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


def _key_lines(text: str) -> Iterator[tuple[Key, int]]:
    """The line of each key, which tomllib does not tell: near enough for a message, and for nothing else."""
    table: Key = ()
    count = -1
    for number, line in enumerate(text.split("\n"), start=1):
        if header := _HEADER.match(line):
            first, *rest = header[1].split(".")
            count += first == "registry" and not rest
            table = (first, max(count, 0), *rest) if first == "registry" else (first, *rest)
            yield table, number
        elif assignment := _ASSIGNMENT.match(line):
            key: Key = (*table, *assignment[1].split("."))
            is_of_registry = not table and key[0] == "registry" and len(key) > 1  # a table that no header begins
            yield ("registry", 0, *key[1:]) if is_of_registry else key, number


def _registry_merged(below: Any, above: Any) -> Any:
    """One registry's table under another: a password takes the place of a password file below it, and the reverse."""
    both = merged(below, above)
    for one, other in (("password", "password_file"), ("password_file", "password")):
        if _holds(above, one) and not _holds(above, other) and _holds(below, other) and _holds(both, one):
            both = {**both, "auth": {key: value for key, value in both["auth"].items() if key != other}}
    return both


def _holds(table: Any, key: str) -> bool:
    return value_at(table, ["auth", key]) is not None
