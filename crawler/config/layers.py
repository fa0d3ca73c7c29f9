"""File, environment and flags: which of them wins, which registry a value is for, and where a wrong value came from."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from crawler.config.environment import ENVIRONMENT_PREFIX, Environment
from crawler.config.error_messages import dotted_key, error_message, got_suffix, quote_value
from crawler.config.keys import merge, nest, value_at
from crawler.config.toml_file import Key, TomlFile
from crawler.model.auth_method import AuthMethod
from crawler.model.names import Target
from crawler.model.value import Value
from crawler.untrusted_text import printable

_TARGET: Final = ["registry", "target"]
_PASSWORD_METHODS: Final = frozenset({AuthMethod.AUTO, AuthMethod.TOKEN, AuthMethod.BASIC})


class Flag(Value, frozen=True):
    """A flag of the command line.

    Attributes:
        name: The flag, as `--help` shows it.
        key: The dotted key that it sets.
        value: The value, not checked yet.
    """

    name: str
    key: str
    value: Any


class ConfigLayers(Value, frozen=True):
    """The layers of a configuration, the lowest first: file, environment, flags and targets of the command line."""

    file: TomlFile | None
    environment: Environment
    targets: Sequence[str]
    flags: Sequence[Flag]

    @classmethod
    def gather(
        cls, file: str | Path | None, environment: Environment, targets: Sequence[str], flags: Sequence[Flag]
    ) -> Self:
        """Read the file, if one is named. Raises ConfigError where it cannot be read, or is not TOML."""
        if file is None:
            return cls(None, environment, targets, flags)
        path = Path(os.path.expanduser(file))  # noqa: PTH111  (Path.expanduser raises where no home folder is known)
        return cls(TomlFile.read(path), environment, targets, flags)

    def document(self) -> dict[str, Any]:
        """Merge the layers into one document, in which each registry of the run has a table of its own."""
        upper: Any = self.environment.tree
        for flag in self.flags:
            upper = merge(upper, nest(flag.key.split("."), flag.value))
        for_every_registry = upper.get("registry", {})
        tables = [self._file_tables[index] if index is not None else {} for index in self._selected_tables]
        targets = [{"target": target} for target in self.targets] or [{}] * len(tables)
        registries = [
            merge(self._with_environment_credentials(_merge_registry(table, for_every_registry)), target)
            for table, target in zip(tables, targets, strict=True)
        ]
        return {**merge(self._file_document, upper), "registry": registries}

    def shared_credential_errors(self) -> list[str]:
        """Return one error where the environment's username or password would go to registries on several hosts.

        Without this check each of those hosts would receive the password of one of them.
        """
        if not self.environment.credentials or self._names_a_username:
            return []
        registries = self.document()["registry"]
        hosts = list(dict.fromkeys(_host(table) for table in registries if _takes_password(table)))
        if len(hosts) < 2:
            return []
        variables = ", ".join(f"{ENVIRONMENT_PREFIX}{key.upper()}" for key in self.environment.credentials)
        error = (
            f"{variables}: would be sent to each of {printable(', '.join(hosts))}: "
            "set username in the [[registry]] table of the registry that it is for"
        )
        return [error]

    def error_lines(self, errors: Sequence[ErrorDetails], root: type[BaseModel]) -> list[str]:
        """Return one line for each error of pydantic, with its place.

        Registries that are all invalid make pydantic add that `registry` is too short: that line is left out.
        """
        is_in_registry = any(error["loc"][:1] == ("registry",) and len(error["loc"]) > 1 for error in errors)
        kept = [error for error in errors if not (is_in_registry and error["loc"] == ("registry",))]
        return list(dict.fromkeys(self._error_line(error, root) for error in kept))

    def _error_line(self, error: ErrorDetails, root: type[BaseModel]) -> str:
        name = dotted_key(error["loc"], root)
        message = error_message(error, root)
        key = f"{printable(name, 120)}: " if name else ""
        if (target := self._command_line_target(error["loc"], name)) is not None:
            quoted = quote_value(target) if target else "''"
            return f"TARGET {quoted}".rstrip() + f": {key}{message}"
        return f"{self._source_prefix(error['loc'], name, message)}{key}{message}{got_suffix(error)}"

    def _command_line_target(self, key: Key, name: str) -> str | None:
        """Return the TARGET argument that an error is about, if it is about one."""
        is_target = name == ".".join(_TARGET) and self.targets and isinstance(key[1], int)
        return self.targets[key[1]] if is_target and isinstance(key[1], int) else None

    def _source_prefix(self, key: Key, name: str, message: str) -> str:
        """Return `FLAG: `, `VARIABLE: ` or `FILE:LINE: `: the source of a wrong value, the uppermost layer first.

        An error of a rule over several keys has the location of their table: it concerns the keys that its message
        names.
        """
        concerned = [name, *(f"{name}.{word}" for word in re.findall(r"\w+", message))]
        for flag in self.flags:
            if flag.key in concerned:
                return f"{flag.name}: "
        for variable in map(self.environment.variables.get, concerned):
            if variable is not None:
                return f"{variable}: "
        return "" if self.file is None else f"{self.file.location(self._key_in_file(key))}: "

    def _key_in_file(self, key: Key) -> Key:
        """Return a key of the merged document as a key of the file, where a registry's table may be another one."""
        if len(key) > 1 and isinstance(key[1], int):
            index = self._selected_tables[key[1]]
            return ("registry", -1 if index is None else index, *key[2:])
        return key

    def _with_environment_credentials(self, table: Any) -> Any:
        """Put the environment's username and password into a registry's table, if they are for this registry.

        They are for the tables that name a username; where no table does, for those without a key file.
        """
        auth = table.get("auth", {}) if isinstance(table, dict) else None
        if not isinstance(auth, dict) or "key_file" in auth or (self._names_a_username and "username" not in auth):
            return table
        credentials = dict(self.environment.credentials)
        return _merge_registry(table, {"auth": credentials}) if credentials else table

    @property
    def _names_a_username(self) -> bool:
        """Whether the file or a flag names a username for any registry."""
        auths = [table.get("auth") for table in self._file_tables if isinstance(table, dict)]
        is_flag = any(flag.key == "registry.auth.username" for flag in self.flags)
        return is_flag or any(isinstance(auth, dict) and "username" in auth for auth in auths)

    @property
    def _file_document(self) -> Any:
        return {} if self.file is None else self.file.document

    @property
    def _file_tables(self) -> list[Any]:
        """The `[[registry]]` tables of the file; a single `[registry]` is one of them."""
        tables = self._file_document.get("registry", [])
        return tables if isinstance(tables, list) else [tables]

    @property
    def _selected_tables(self) -> list[int | None]:
        """For each registry of the run, the index of its table in the file; None where it has none."""
        if not self.targets:
            is_set = value_at(self.environment.tree, _TARGET) is not None
            return list(range(len(self._file_tables))) or ([None] if is_set else [])
        indexes = {
            _normalized_target(table.get("target")): index
            for index, table in enumerate(self._file_tables)
            if isinstance(table, dict)
        }
        return [indexes.get(_normalized_target(target), indexes.get("")) for target in self.targets]


def _host(table: Any) -> str:
    return _normalized_target(table.get("target")).partition("/")[0]


def _takes_password(table: Any) -> bool:
    auth = table.get("auth", {}) if isinstance(table, dict) else None
    method = auth.get("method", AuthMethod.AUTO) if isinstance(auth, dict) and "key_file" not in auth else None
    return isinstance(method, str) and method in _PASSWORD_METHODS


def _normalized_target(target: Any) -> str:
    """Return a target in its canonical spelling, so that GCR.io/a/ finds the table of gcr.io/a; "" for no target."""
    try:
        return str(Target.parse(target)) if isinstance(target, str) else ""
    except ValueError:
        return str(target)


def _merge_registry(lower: Any, upper: Any) -> Any:
    """Merge two tables of one registry; an upper `password` replaces a lower `password_file`, and the reverse."""
    merged = merge(lower, upper)
    for key, other in (("password", "password_file"), ("password_file", "password")):
        is_replaced = _has_auth_key(upper, key) and not _has_auth_key(upper, other) and _has_auth_key(lower, other)
        if is_replaced and _has_auth_key(merged, key):
            merged = {**merged, "auth": {name: value for name, value in merged["auth"].items() if name != other}}
    return merged


def _has_auth_key(table: Any, key: str) -> bool:
    return value_at(table, ["auth", key]) is not None
