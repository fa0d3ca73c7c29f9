"""A TOML file, the environment and the command line become one frozen `Config`, or every mistake is named at once."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from crawler.errors import ConfigError, printable
from crawler.model import Rate, Target

Key = tuple[str | int, ...]

ENVIRONMENT_PREFIX: Final = "REGISTRY_CRAWLER_"
STANDARD_STREAM: Final = Path("-")
"""Standard output as `output.path`, standard input as `registry.repositories_from`."""

_TARGET: Final = ["registry", "target"]
_UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_RATE = re.compile(r"([1-9]\d*)/([1-9]\d*)?([smhd])")
_HEADER = re.compile(r"\s*\[\[?\s*([\w.\-]+)\s*\]")
_ASSIGNMENT = re.compile(r"\s*([\w.\-]+)\s*=")


def _read_rate(value: Any) -> Any:
    if not isinstance(value, str) or value == "auto":
        return value
    if value == "none":
        return None
    match = _RATE.fullmatch(value)
    if match is None:
        raise ValueError("a rate is written 80/s, 50000/10m, auto or none")
    count, number, unit = match.groups()
    return Rate(int(count), int(number or 1) * _UNIT_SECONDS[unit])


def _read_target(value: Any) -> Any:
    return Target.parse(value) if isinstance(value, str) else value


def _split_words(value: Any) -> Any:
    """A list, as one environment variable holds it: `a/*,b/*`."""
    return re.split(r"[\s,]+", value.strip()) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_split_words)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AuthConfig(_Table):
    """`[registry.auth]`: who we are at this registry."""

    method: Literal["auto", "token", "access-token", "json-key", "basic", "docker-config", "anonymous"] = "auto"
    key_file: Path | None = None
    username: str | None = None
    password: SecretStr | None = Field(default=None, exclude=True)
    password_file: Path | None = None
    scope: str = "cloud-platform.read-only"

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError("give password or password_file, not both")
        has_password = self.password is not None or self.password_file is not None
        if has_password != (self.username is not None):
            raise ValueError("username and password (or password_file) go together")
        if self.method == "basic" and not has_password:
            raise ValueError("method basic needs username, and password or password_file")
        if self.method == "json-key" and self.key_file is None:
            raise ValueError("method json-key needs key_file")
        return self


class RegistryConfig(_Table):
    """One `[[registry]]` table: what to take a snapshot of, and how to get at it."""

    target: Annotated[Target, BeforeValidator(_read_target), PlainSerializer(str)]
    auth: AuthConfig = AuthConfig()
    discovery: Literal["auto", "catalog", "list"] = "auto"
    repositories_from: Path | None = None
    include: Words = ()
    exclude: Words = ()
    plain_http: bool | None = None
    ca_file: Path | None = None
    realms: Words = ()
    page_size: int = Field(default=1000, ge=1, le=100_000)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        names = self.repositories_from
        if names is not None and names != STANDARD_STREAM and not names.is_file():
            raise ValueError(f"repositories_from names no file: {names}")
        if self.discovery == "list" and names is None:
            raise ValueError("discovery list needs repositories_from")
        if self.discovery == "catalog" and names is not None:
            raise ValueError("repositories_from goes with discovery list, not catalog")
        if self.plain_http and self.ca_file is not None:
            raise ValueError("plain_http needs no ca_file: choose one")
        return self

    @property
    def scheme(self) -> str:
        """`http` where asked for, and by default for this machine itself unless a CA is named for it."""
        plain = self.target.is_loopback and self.ca_file is None if self.plain_http is None else self.plain_http
        return "http" if plain else "https"


class LimitsConfig(_Table):
    """`[limits]`: how hard a registry may be pressed, and how long we wait for it. Seconds, where times are meant."""

    concurrency: int = Field(default=64, ge=1, le=4096)
    rate: Annotated[
        Rate | Literal["auto"] | None,
        BeforeValidator(_read_rate),
        PlainSerializer(lambda rate: f"{rate.count}/{rate.seconds:g}s" if isinstance(rate, Rate) else rate or "none"),
    ] = "auto"
    attempts: int = Field(default=5, ge=1, le=20)
    connect_timeout: float = Field(default=10, gt=0)
    read_timeout: float = Field(default=60, gt=0)
    total_timeout: float = Field(default=900, gt=0)
    give_up_after: float = Field(default=300, gt=0)


class OutputConfig(_Table):
    """`[output]`: where snapshots go."""

    path: Path = Path("snapshots")
    compression: Literal["none", "gzip", "zstd"] = "none"


@dataclass(frozen=True, slots=True)
class Flag:
    """An option of the command line: its name as typed, the key that it sets, and the value."""

    name: str
    key: str
    value: Any


class Config(_Table):
    """All that a run is told: one snapshot is taken of each entry of `registry`.

    Make it with `Config.load`, or in code: `Config(registry=[{"target": "localhost:5000"}])`.
    """

    registry: tuple[RegistryConfig, ...] = Field(min_length=1)
    limits: LimitsConfig = LimitsConfig()
    output: OutputConfig = OutputConfig()

    @model_validator(mode="after")
    def _name_each_once(self) -> Self:
        targets = [str(registry.target) for registry in self.registry]
        twice = sorted({target for target in targets if targets.count(target) > 1})
        if twice:
            raise ValueError(f"registry: named more than once: {', '.join(twice)}")
        if len([r for r in self.registry if r.repositories_from == STANDARD_STREAM]) > 1:
            raise ValueError("registry.repositories_from: standard input can hold the names of one registry only")
        return self

    @classmethod
    def load(cls, file: str | Path | None = None, *, targets: Sequence[str] = (), flags: Sequence[Flag] = ()) -> Self:
        """Read the file, the environment over it, and the flags over both.

        Without `targets` every `[[registry]]` table is meant. With them each target takes the table of that target,
        else the one table that names no target, else the defaults. Flags and environment hold for every registry.
        Raises ConfigError with every mistake.
        """
        said = _Said.gather(file, targets, flags)
        try:
            return cls.model_validate(said.document())
        except ValidationError as invalid:
            raise ConfigError(said.explain_all(invalid.errors())) from None

    def effective(self, registry: RegistryConfig) -> dict[str, Any]:
        """What one registry's run was told, for its run.json: plain values, passwords left out."""
        return {
            "registry": registry.model_dump(mode="json"),
            "limits": self.limits.model_dump(mode="json"),
            "output": self.output.model_dump(mode="json"),
        }


class _Environment(BaseSettings):
    """The shape by which pydantic-settings takes the variables apart; `Config` checks what they hold."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__", enable_decoding=False, extra="ignore"
    )
    registry: RegistryConfig | None = None
    limits: LimitsConfig | None = None
    output: OutputConfig | None = None
    username: str | None = None
    password: str | None = None


@dataclass(frozen=True, slots=True)
class _Said:
    """What was said where, so that a mistake can be traced to its file and line, variable or flag."""

    file: Path | None
    lines: Mapping[Key, int]
    written: Mapping[str, Any]
    environment: Mapping[str, Any]
    targets: Sequence[str]
    flags: Sequence[Flag]

    @classmethod
    def gather(cls, file: str | Path | None, targets: Sequence[str], flags: Sequence[Flag]) -> Self:
        path = None if file is None else Path(file)
        text = "" if path is None else _read(path)
        try:
            written = tomllib.loads(text)
        except tomllib.TOMLDecodeError as fault:
            raise ConfigError([f"{path}: {fault}"]) from None
        environment = EnvSettingsSource(_Environment)()
        for name in ("username", "password"):  # these two have short names of their own
            if name in environment:
                short = {"registry": {"auth": {name: environment.pop(name)}}}
                environment = _merged(short, environment)
        return cls(path, dict(_key_lines(text)), written, environment, targets, flags)

    def document(self) -> dict[str, Any]:
        """The three layers as one document, as `Config` reads it."""
        above = dict(self.environment)
        for flag in self.flags:
            above = _merged(above, _nested(flag.key.split("."), flag.value))
        over_each = above.pop("registry", {})
        below = {key: value for key, value in self.written.items() if key != "registry"}
        tables = [self._tables[i] if i is not None else {} for i in self._chosen]
        named = [{"target": target} for target in self.targets] or [{}] * len(tables)
        registries = [_merged(_merged(t, over_each), n) for t, n in zip(tables, named, strict=True)]
        return {**_merged(below, above), "registry": registries}

    @property
    def _tables(self) -> list[Any]:
        tables = self.written.get("registry", [])
        return tables if isinstance(tables, list) else [tables]

    @property
    def _chosen(self) -> list[int | None]:
        """For each registry of the run, the number of its table in the file, or None."""
        if not self.targets:
            return list(range(len(self._tables))) or ([None] if _holds(self.environment, _TARGET) else [])
        by_target = {t.get("target"): i for i, t in enumerate(self._tables) if isinstance(t, dict)}
        return [by_target.get(target, by_target.get(None)) for target in self.targets]

    def explain_all(self, mistakes: Sequence[ErrorDetails]) -> list[str]:
        """Every mistake in one line each; that no valid registry is left is news only where none was named."""
        follows = any(mistake["loc"][:1] == ("registry",) and len(mistake["loc"]) > 1 for mistake in mistakes)
        return [self.explain(m) for m in mistakes if not (follows and m["loc"] == ("registry",))]

    def explain(self, mistake: ErrorDetails) -> str:
        """One mistake in one line. What was given is shown only where it can hold no secret."""
        key = mistake["loc"]
        name = ".".join(str(part) for part in key if isinstance(part, str))
        words = mistake["msg"].removeprefix("Value error, ")
        if mistake["type"] == "extra_forbidden":
            close = get_close_matches(str(key[-1]), _known_keys(), n=1)
            words = "unknown key" + (f"; did you mean {close[0]}?" if close else "")
        elif mistake["type"] == "too_short" and key == ("registry",):
            words = "nothing to do: name a TARGET (gcr.io/my-project) or write a [[registry]] table"
        elif mistake["type"] == "missing":
            words = "missing"
        elif "auth" not in key and isinstance(given := mistake["input"], str | int | float):
            words += f" (got {printable(repr(given), 80)})"
        return f"{self._place(key)}{f'{printable(name, 120)}: ' if name else ''}{words}"

    def _place(self, key: Key) -> str:
        plain = [part for part in key if isinstance(part, str)]
        name = ".".join(plain)
        flag = next((flag.name for flag in self.flags if f"{flag.key}.".startswith(f"{name}.")), None)
        if flag is not None:
            return f"{flag}: "
        if _holds(self.environment, plain):
            return f"{ENVIRONMENT_PREFIX}{'__'.join(plain).upper()}: "
        if plain == _TARGET and self.targets and isinstance(key[1], int):
            return f"TARGET {printable(repr(self.targets[key[1]]), 80)}: "
        return self._line(key)

    def _line(self, key: Key) -> str:
        if self.file is None:
            return ""
        if len(key) > 1 and isinstance(key[1], int):
            table = self._chosen[key[1]]
            key = ("registry", -1 if table is None else table, *key[2:])
        known = (self.lines[key[:end]] for end in range(len(key), 0, -1) if key[:end] in self.lines)
        line = next(known, None)
        return f"{self.file}: " if line is None else f"{self.file}:{line}: "


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


def _known_keys() -> list[str]:
    models: tuple[type[BaseModel], ...] = (Config, RegistryConfig, AuthConfig, LimitsConfig, OutputConfig)
    return [name for model in models for name in model.model_fields]


def _merged(below: Any, above: Any) -> Any:
    if not (isinstance(below, Mapping) and isinstance(above, Mapping)):
        return above
    return {**below, **{key: _merged(below[key], value) if key in below else value for key, value in above.items()}}


def _nested(path: Sequence[str], value: Any) -> dict[str, Any]:
    first, *rest = path
    return {first: _nested(rest, value) if rest else value}


def _holds(tree: Any, path: Sequence[str]) -> bool:
    for part in path:
        if not isinstance(tree, Mapping) or part not in tree:
            return False
        tree = tree[part]
    return True
