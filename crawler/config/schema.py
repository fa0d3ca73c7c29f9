"""What a run may be told: `Config`, frozen, with every key's meaning, default and bounds."""

import os
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from crawler.config.sources import ENVIRONMENT_PREFIX, Flag, Said
from crawler.errors import ConfigError, printable
from crawler.model import AuthMethod, Rate, Target, is_loopback
from crawler.ways import KINDS, DiscoveryMethod, Ways, matches, ways_of

STANDARD_STREAM: Final = Path("-")
"""Standard output as `output.path`, standard input as `registry.repositories_from`."""

_UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_REALM = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s/@:\\#%]+)(:[0-9]{1,5})?")
_RATE = re.compile(r"([1-9]\d*)/([1-9]\d*)?([smhd])")
_SHARE = re.compile(r"(\d{1,2}(?:\.\d{1,6})?|100)%", re.ASCII)
_DURATION = re.compile(r"(\d{1,6})([smhd])", re.ASCII)


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


def _read_share(value: Any) -> Any:
    if value is None or value == "none":
        return None
    if isinstance(value, float) and 0 <= value <= 1:
        return value
    if isinstance(value, str) and (match := _SHARE.fullmatch(value)) is not None:
        return float(match[1]) / 100
    raise ValueError("a share is written 20%, or none")


def _read_duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a duration is written 90m, 20h or 2d")
    return timedelta(seconds=int(match[1]) * _UNIT_SECONDS[match[2]])


def _written_duration(duration: timedelta) -> str:
    seconds = round(duration.total_seconds())
    unit = next(unit for unit in ("d", "h", "m", "s") if seconds % _UNIT_SECONDS[unit] == 0)
    return f"{seconds // _UNIT_SECONDS[unit]}{unit}"


def _read_path(value: Any) -> Any:
    # as a Path, because pydantic takes no text that is not UTF-8, and a path may be any bytes
    return Path(_usable_path(value)) if isinstance(value, str) else value


def _usable_path(path: str) -> str:
    """The path with the home folder in place of `~`. A container's user may have none, and no entry in passwd."""
    expanded = os.path.expanduser(path)  # noqa: PTH111  (Path's own expands no empty path)
    if path.partition("/")[0] == "~" and (expanded == path or os.environ.get("HOME") == ""):
        raise ValueError("no home folder is known to expand ~ to (HOME is not set): write the whole path")
    try:
        os.fsencode(expanded)
    except UnicodeEncodeError as exc:
        raise ValueError(
            f"file names are {exc.encoding} in this locale, which has no such letters: set LC_ALL=C.UTF-8"
        ) from None
    return expanded


def _read_target(value: Any) -> Any:
    return Target.parse(value) if isinstance(value, str) else value


def _read_kind(value: Any) -> Any:
    if isinstance(value, str) and value not in KINDS:
        raise ValueError(f"no kind of registry that is known here; these are: {', '.join(KINDS)}")
    return value


def _read_origin(value: Any) -> Any:
    """An API's address, to which access tokens go: https, or this machine itself."""
    if not isinstance(value, str):
        return value
    try:
        address = urlsplit(value)
        host = "" if "@" in address.netloc or address.port == 0 else address.hostname or ""
    except ValueError:
        raise ValueError("not an address") from None
    if not host or address.scheme not in {"https", "http" if is_loopback(host) else "https"}:
        raise ValueError("an API's address is https://HOST[:PORT] (http for this machine itself only)")
    return value.rstrip("/")


def _check_realms(realms: tuple[str, ...]) -> tuple[str, ...]:
    if not all(map(_REALM.fullmatch, realms)):
        raise ValueError("a realm is a host (auth.example.com, *.example.com, auth.example.com:8443) and nothing else")
    return realms


def _check_scope(scope: str) -> str:
    if re.search(r"[@\s]", scope):
        raise ValueError("an OAuth scope is a short name (cloud-platform.read-only) or an address without a user")
    return scope


def _check_username(username: str | None) -> str | None:
    if username is not None and ":" in username:
        raise ValueError("a username holds no colon (RFC 7617): what stands behind it may be the password")
    return username


def _read_key_file(value: Any) -> Any:
    if isinstance(value, str) and ("{" in value or "\n" in value):
        raise ValueError("key_file is the path of a key file, not its content")
    return value


def _split_words(value: Any) -> Any:
    """A list, as one environment variable holds it: `a/*,b/*`."""
    return re.split(r"[\s,]+", value.strip()) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_split_words)]
Origin = Annotated[str, BeforeValidator(_read_origin)]
FilePath = Annotated[
    Path, BeforeValidator(_read_path), PlainSerializer(lambda path: printable(str(path), 4096), when_used="json")
]
"""A path in which `~` is expanded; in JSON with escapes for what is not UTF-8."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


_WITH_ACCESS_TOKENS: Final = {AuthMethod.AUTO, AuthMethod.TOKEN, AuthMethod.ACCESS_TOKEN}


class AuthConfig(_Table):
    """`[registry.auth]`: who we are at this registry."""

    method: AuthMethod = AuthMethod.AUTO
    key_file: Annotated[FilePath | None, BeforeValidator(_read_key_file)] = None
    username: Annotated[str | None, AfterValidator(_check_username)] = None
    password: SecretStr | None = Field(default=None, exclude=True)
    password_file: FilePath | None = None
    scope: Annotated[str, AfterValidator(_check_scope)] = "cloud-platform.read-only"
    impersonate: str | None = None

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError("give password or password_file, not both")
        has_password = self.password is not None or self.password_file is not None
        if has_password != (self.username is not None):
            raise ValueError("username and password (or password_file) go together")
        if self.key_file is not None and self.username is not None:
            raise ValueError("key_file and username are two ways to say who we are: give one")
        if self.method is AuthMethod.BASIC and not has_password:
            raise ValueError("method basic needs username, and password or password_file")
        if self.method is AuthMethod.JSON_KEY and self.key_file is None:
            raise ValueError("method json-key needs key_file")
        if self.impersonate is not None and (self.method not in _WITH_ACCESS_TOKENS or has_password):
            raise ValueError("impersonate goes with Google's access tokens: method token, access-token or auto")
        return self


class ApisConfig(_Table):
    """`[registry.apis]`: where the APIs answer that are asked besides the registry itself; their vendors' by default.

    For private endpoints (`https://artifactregistry-ours.p.googleapis.com`), and for registries to try things on.
    """

    artifact_registry: Origin = "https://artifactregistry.googleapis.com"
    resource_manager: Origin = "https://cloudresourcemanager.googleapis.com"
    iam_credentials: Origin = "https://iamcredentials.googleapis.com"
    docker_hub: Origin = "https://hub.docker.com"


class RegistryConfig(_Table):
    """One `[[registry]]` table: what to take a snapshot of, and how to get at it."""

    target: Annotated[Target, BeforeValidator(_read_target), PlainSerializer(str)]
    kind: Annotated[str | None, BeforeValidator(_read_kind)] = None
    auth: AuthConfig = AuthConfig()
    discovery: DiscoveryMethod = DiscoveryMethod.AUTO
    images_from: Literal["listing", "api"] = "listing"
    location: str | None = Field(default=None, pattern=r"^[a-z0-9-]+$")
    repositories_from: FilePath | None = None
    include: Words = ()
    exclude: Words = ()
    plain_http: bool | None = None
    ca_file: FilePath | None = None
    client_certificate: FilePath | None = None
    client_key: FilePath | None = None
    realms: Annotated[Words, AfterValidator(_check_realms)] = ()
    page_size: int | None = Field(default=None, ge=1, le=100_000)
    tokens: Literal["single", "batched"] = "single"
    api_path: str = Field(default="/v2/", pattern=r"^/([A-Za-z0-9._~-]+/)*v2/$")
    apis: ApisConfig = ApisConfig()

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        names = self.repositories_from
        if names is not None and names != STANDARD_STREAM and (not names.exists() or names.is_dir()):
            raise ValueError(f"repositories_from names no file: {names}")
        if names is not None and self.discovery not in {DiscoveryMethod.AUTO, DiscoveryMethod.LIST}:
            raise ValueError(f"repositories_from goes with discovery list, not {self.discovery}")
        if names is None:
            self._check_discovery()
        if self.plain_http and (self.ca_file is not None or self.client_certificate is not None):
            raise ValueError("plain_http needs no ca_file and no client_certificate: choose one")
        if self.client_key is not None and self.client_certificate is None:
            raise ValueError("client_key goes with client_certificate")
        if self.tokens == "batched" and self.ways.scopes_per_token == 1:
            raise ValueError(f"tokens batched is not for {self.ways.kind}: its tokens are for one repository each")
        return self

    def _check_discovery(self) -> None:
        """Whether the method named can say where names come from; `auto` takes what the registry has."""
        if self.discovery is DiscoveryMethod.LIST:
            raise ValueError("discovery list needs repositories_from")
        if self.discovery is DiscoveryMethod.WALK and not self.target.prefix:
            raise ValueError("discovery walk needs a target with a prefix to walk from: HOST/PROJECT")
        if self.discovery is DiscoveryMethod.DOCKER_HUB and not self.target.prefix:
            raise ValueError("discovery docker-hub needs a target with a namespace: docker.io/NAMESPACE")
        if self.images_from == "api" and self.discovery is not DiscoveryMethod.ARTIFACT_REGISTRY:
            raise ValueError("images_from api goes with discovery artifact-registry")
        if self.discovery is DiscoveryMethod.AUTO and not self.ways.discovery:
            why = f"{self.ways.kind} tells nobody its repositories"
            raise ValueError(f"{why}: name them with repositories_from (--repositories-from)")
        if self.discovery is DiscoveryMethod.AUTO and self.ways.needs_prefix and not self.target.prefix:
            raise ValueError(self.ways.needs_prefix)

    @property
    def ways(self) -> Ways:
        """How this registry goes about it."""
        return ways_of(self.target, self.kind)

    @property
    def base(self) -> str:
        """The address of the registry's API, `https://HOST/v2/`."""
        stands_in = self.ways.endpoint if matches(self.target.host, self.ways.hosts) else ""
        return f"{self.scheme}://{stands_in or self.target.registry}{self.api_path}"

    @property
    def scheme(self) -> str:
        """`http` where asked for, and by default for this machine itself unless certificates are named for it."""
        by_itself = self.target.is_loopback and self.ca_file is None and self.client_certificate is None
        plain = by_itself if self.plain_http is None else self.plain_http
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

    path: FilePath = Path("snapshots")
    compression: Literal["none", "gzip", "zstd"] = "none"
    lock: bool = True

    @classmethod
    def load(cls, file: str | Path | None, flags: Sequence[Flag] = ()) -> "OutputConfig":
        """This table alone, for commands that ask no registry. Raises ConfigError."""
        said = Said.gather(file, EnvSettingsSource(_Environment)(), (), flags)
        try:
            return _OutputOnly.model_validate({"output": said.document().get("output", {})}).output
        except ValidationError as invalid:
            raise ConfigError(said.explain_all(invalid.errors(), _known_keys())) from None


class _OutputOnly(_Table):
    output: OutputConfig


class VerdictConfig(_Table):
    """`[verdict]`: what a snapshot must hold to be complete; `max_shrink` is a share, None where there is no limit."""

    expect: int = Field(default=1, ge=0)
    max_shrink: Annotated[
        float | None,
        BeforeValidator(_read_share),
        PlainSerializer(lambda share: "none" if share is None else f"{share * 100:.6g}%"),
    ] = None
    partial_ok: bool = False


class ResumeConfig(_Table):
    """`[resume]`: how old an unfinished run may be to be gone on with."""

    within: Annotated[timedelta, BeforeValidator(_read_duration), PlainSerializer(_written_duration)] = timedelta(
        hours=20
    )


class Config(_Table):
    """All that a run is told: one snapshot is taken of each entry of `registry`.

    Make it with `Config.load`, or in code: `Config(registry=[{"target": "localhost:5000"}])`.
    """

    registry: tuple[RegistryConfig, ...] = Field(min_length=1)
    limits: LimitsConfig = LimitsConfig()
    output: OutputConfig = OutputConfig()
    verdict: VerdictConfig = VerdictConfig()
    resume: ResumeConfig = ResumeConfig()

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
        else the one table that names no target, else the defaults. Flags and environment hold for every registry,
        except the environment's user and password: they are for the registry whose table names a username, or for the
        only one.
        Raises ConfigError with every mistake.
        """
        said = Said.gather(file, EnvSettingsSource(_Environment)(), targets, flags)
        mistakes = said.shared_credentials()
        try:
            config = cls.model_validate(said.document())
        except ValidationError as invalid:
            raise ConfigError(mistakes + said.explain_all(invalid.errors(), _known_keys())) from None
        if mistakes:
            raise ConfigError(mistakes)
        return config

    def effective(self, registry: RegistryConfig) -> dict[str, Any]:
        """What one registry's run was told, for its _run.json: plain values, passwords left out."""
        return {
            "registry": registry.model_dump(mode="json"),
            "limits": self.limits.model_dump(mode="json"),
            "output": self.output.model_dump(mode="json"),
            "verdict": self.verdict.model_dump(mode="json"),
            "resume": self.resume.model_dump(mode="json"),
        }


class _Environment(BaseSettings):
    """The shape by which pydantic-settings takes the variables apart; `Config` checks what they hold."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__", enable_decoding=False, extra="ignore"
    )
    registry: RegistryConfig | None = None
    limits: LimitsConfig | None = None
    output: OutputConfig | None = None
    verdict: VerdictConfig | None = None
    resume: ResumeConfig | None = None
    username: str | None = None
    password: str | None = None


def _known_keys() -> list[str]:
    tables = (RegistryConfig, AuthConfig, ApisConfig, LimitsConfig, OutputConfig, VerdictConfig, ResumeConfig)
    models: tuple[type[BaseModel], ...] = (Config, *tables)
    return [name for model in models for name in model.model_fields]
