"""What was said where: file, environment and flags as one document, and each mistake in it traced to its place."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Self

from pydantic_core import ErrorDetails

from crawler.errors import ConfigError, printable
from crawler.model import AuthMethod, Target

Key = tuple[str | int, ...]

ENVIRONMENT_PREFIX: Final = "REGISTRY_CRAWLER_"

_TARGET: Final = ["registry", "target"]
_SHORT_NAMES: Final = ("username", "password")
"""Keys of `registry.auth` that have a variable of their own beside `REGISTRY__AUTH__…`."""
_PASSWORD_METHODS: Final = frozenset({AuthMethod.AUTO, AuthMethod.TOKEN, AuthMethod.BASIC})
_MAY_HOLD_SECRETS: Final = frozenset({"auth", "realms"})
"""Keys whose values no mistake shows."""

_HEADER = re.compile(r"\s*\[\[?\s*([\w.\-]+)\s*\]")
_ASSIGNMENT = re.compile(r"\s*([\w.\-]+)\s*=")


@dataclass(frozen=True, slots=True)
class Flag:
    """An option of the command line: its name as typed, the key that it sets, and the value."""

    name: str
    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class Said:
    """The three sources: `short` holds the two variables with short names, the rest of them is in `environment`."""

    file: Path | None
    lines: Mapping[Key, int]
    written: Mapping[str, Any]
    environment: Mapping[str, Any]
    short: Mapping[str, str]
    targets: Sequence[str]
    flags: Sequence[Flag]

    @classmethod
    def gather(
        cls, file: str | Path | None, environment: Mapping[str, Any], targets: Sequence[str], flags: Sequence[Flag]
    ) -> Self:
        """Read the file. Raises ConfigError where it is no TOML, or not there."""
        path = None if file is None else Path(file)
        text = "" if path is None else _read(path)
        try:
            written = tomllib.loads(text)
        except tomllib.TOMLDecodeError as fault:
            raise ConfigError([f"{path}: {fault}"]) from None
        return cls(
            file=path,
            lines=dict(_key_lines(text)),
            written=written,
            environment={key: value for key, value in environment.items() if key not in _SHORT_NAMES},
            short={key: value for key, value in environment.items() if key in _SHORT_NAMES},
            targets=targets,
            flags=flags,
        )

    def document(self) -> dict[str, Any]:
        """The sources as one document: flags over the environment, the environment over the file."""
        above = dict(self.environment)
        for flag in self.flags:
            above = _merged(above, _nested(flag.key.split("."), flag.value))
        over_each = above.pop("registry", {})
        below = {key: value for key, value in self.written.items() if key != "registry"}
        tables = [self._tables[number] if number is not None else {} for number in self._chosen]
        named = [{"target": target} for target in self.targets] or [{}] * len(tables)
        registries = [
            _merged(self._with_short_names(_registry_merged(table, over_each)), name)
            for table, name in zip(tables, named, strict=True)
        ]
        return {**_merged(below, above), "registry": registries}

    def shared_credentials(self) -> list[str]:
        """The mistake, if it is made, of a user or password in the environment that may be meant for any registry.

        Every one of them would be shown the password of one.
        """
        if not self.short or self._names_users:
            return []
        registries = self.document()["registry"]
        hosts = list(dict.fromkeys(_host(table) for table in registries if _takes_password(table)))
        if len(hosts) < 2:
            return []
        variables = ", ".join(f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in self.short)
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
        over = {"username": self.short["username"]} if "username" in self.short else {}
        if "password" in self.short:
            over["password"] = self.short["password"]
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
    def _chosen(self) -> list[int | None]:
        """For each registry of the run, the number of its table in the file, or None."""
        if not self.targets:
            return list(range(len(self._tables))) or ([None] if _holds(self.environment, _TARGET) else [])
        numbers = {_spelt_alike(t.get("target")): i for i, t in enumerate(self._tables) if isinstance(t, dict)}
        return [numbers.get(_spelt_alike(target), numbers.get("")) for target in self.targets]

    def explain_all(self, mistakes: Sequence[ErrorDetails], known_keys: Sequence[str]) -> list[str]:
        """Every mistake in one line each; that no valid registry is left is news only where none was named."""
        follows = any(mistake["loc"][:1] == ("registry",) and len(mistake["loc"]) > 1 for mistake in mistakes)
        told = [mistake for mistake in mistakes if not (follows and mistake["loc"] == ("registry",))]
        return [self._explain(mistake, known_keys) for mistake in told]

    def _explain(self, mistake: ErrorDetails, known_keys: Sequence[str]) -> str:
        key = mistake["loc"]
        name = ".".join(part for part in key if isinstance(part, str))
        words = _words(mistake, known_keys)
        return f"{self._place(key, words)}{f'{printable(name, 120)}: ' if name else ''}{words}"

    def _place(self, key: Key, words: str) -> str:
        """Who said it, the uppermost source first. A rule over several keys concerns those that its words name."""
        name = ".".join(part for part in key if isinstance(part, str))
        concerned = [name, *(f"{name}.{word}" for word in re.findall(r"\w+", words))]
        for flag in self.flags:
            if flag.key in concerned:
                return f"{flag.name}: "
        for variable in map(self._variable, concerned):
            if variable is not None:
                return f"{variable}: "
        if name == ".".join(_TARGET) and self.targets and isinstance(key[1], int):
            return f"TARGET{_shown(self.targets[key[1]])}: "
        return self._line(key)

    def _variable(self, name: str) -> str | None:
        """The variable that set a key, or None where none did."""
        path = name.split(".")
        if path[:2] == ["registry", "auth"] and path[-1] in self.short:
            return ENVIRONMENT_PREFIX + path[-1].upper()
        value = _value(self.environment, path)
        if value is None or isinstance(value, Mapping):
            return None
        return ENVIRONMENT_PREFIX + "__".join(path).upper()

    def _line(self, key: Key) -> str:
        if self.file is None:
            return ""
        if len(key) > 1 and isinstance(key[1], int):
            table = self._chosen[key[1]]
            key = ("registry", -1 if table is None else table, *key[2:])
        known = (self.lines[key[:end]] for end in range(len(key), 0, -1) if key[:end] in self.lines)
        line = next(known, None)
        return f"{self.file}: " if line is None else f"{self.file}:{line}: "


def _host(table: Any) -> str:
    return _spelt_alike(table.get("target")).partition("/")[0]


def _takes_password(table: Any) -> bool:
    auth = table.get("auth", {}) if isinstance(table, dict) else None
    return isinstance(auth, dict) and "key_file" not in auth and auth.get("method", "auto") in _PASSWORD_METHODS


def _words(mistake: ErrorDetails, known_keys: Sequence[str]) -> str:
    """What is wrong. What was given is shown only where it can hold no secret."""
    key = mistake["loc"]
    if mistake["type"] == "extra_forbidden":
        close = get_close_matches(str(key[-1]), known_keys, n=1)
        return "unknown key" + (f"; did you mean {close[0]}?" if close else "")
    if mistake["type"] == "too_short" and key == ("registry",):
        return "nothing to do: name a TARGET (gcr.io/my-project) or write a [[registry]] table"
    if mistake["type"] == "missing":
        return "missing"
    given = mistake["input"]
    is_shown = _MAY_HOLD_SECRETS.isdisjoint(key) and isinstance(given, str | int | float)
    said = f" (got{_shown(given)})" if is_shown else ""
    return mistake["msg"].removeprefix("Value error, ") + (said if said != " (got)" else "")


def _shown(given: Any) -> str:
    """A value as a mistake quotes it, unless it may hold a user's password."""
    return "" if "@" in str(given) else f" {printable(repr(given), 80)}"


def _spelt_alike(target: Any) -> str:
    """A target as it is compared: however it is spelt; "" where there is none."""
    try:
        return str(Target.parse(target)) if isinstance(target, str) else ""
    except ValueError:
        return str(target)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as fault:
        raise ConfigError([f"{path}: cannot be read: {fault.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: is not UTF-8, as TOML must be"]) from None


def _key_lines(text: str) -> Iterator[tuple[Key, int]]:
    """The line of each key, which tomllib does not tell: near enough for a message, and for nothing else."""
    table: Key = ()
    count = -1
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            first, *rest = header[1].split(".")
            count += first == "registry" and not rest
            table = (first, max(count, 0), *rest) if first == "registry" else (first, *rest)
            yield table, number
        elif assignment := _ASSIGNMENT.match(line):
            yield (*table, *assignment[1].split(".")), number


def _registry_merged(below: Any, above: Any) -> Any:
    """One registry's table under another: a password takes the place of a password file below it, and the reverse."""
    merged = _merged(below, above)
    for one, other in (("password", "password_file"), ("password_file", "password")):
        if _holds(above, ["auth", one]) and not _holds(above, ["auth", other]) and _holds(below, ["auth", other]):
            merged = {**merged, "auth": {key: value for key, value in merged["auth"].items() if key != other}}
    return merged


def _merged(below: Any, above: Any) -> Any:
    if not (isinstance(below, Mapping) and isinstance(above, Mapping)):
        return above
    return {**below, **{key: _merged(below[key], value) if key in below else value for key, value in above.items()}}


def _nested(path: Sequence[str], value: Any) -> dict[str, Any]:
    first, *rest = path
    return {first: _nested(rest, value) if rest else value}


def _holds(tree: Any, path: Sequence[str]) -> bool:
    return _value(tree, path) is not None


def _value(tree: Any, path: Sequence[str]) -> Any:
    for part in path:
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(part)
    return tree
