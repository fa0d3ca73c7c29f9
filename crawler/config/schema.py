"""What a run may be told: `Config`, frozen, with every key's meaning, default and bounds."""

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from crawler.config.environment import Environment
from crawler.config.keys import keys_of
from crawler.config.sources import ConfigLayers, Flag
from crawler.config.values import (
    CHECKING_FILES,
    STDIO,
    ApiPath,
    Duration,
    FilePath,
    InputFile,
    KeyFile,
    Kind,
    ListFile,
    Location,
    Origin,
    Password,
    RateText,
    Realms,
    Scope,
    Seconds,
    Share,
    TargetText,
    Text,
    Username,
    Whole,
    Words,
)
from crawler.errors import ConfigError
from crawler.model.auth_method import AuthMethod
from crawler.profiles import DiscoveryMethod, RegistryProfile, host_matches, profile_for


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


_T = TypeVar("_T", bound=_Table)


_WITH_ACCESS_TOKENS: Final = {AuthMethod.AUTO, AuthMethod.TOKEN, AuthMethod.ACCESS_TOKEN}


class AuthConfig(_Table):
    """`[registry.auth]`: who we are at this registry."""

    method: AuthMethod = AuthMethod.AUTO
    key_file: KeyFile | None = None
    username: Username | None = None
    password: Password | None = Field(default=None, exclude=True)
    password_file: InputFile | None = None
    scope: Scope = "cloud-platform.read-only"
    impersonate: Text | None = None

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
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

    target: TargetText
    kind: Kind | None = None
    auth: AuthConfig = AuthConfig()
    discovery: DiscoveryMethod = DiscoveryMethod.AUTO
    images_from: Literal["listing", "api"] = "listing"
    location: Location | None = None
    repositories_from: ListFile | None = None
    include: Words = ()
    exclude: Words = ()
    plain_http: bool | None = None
    ca_file: InputFile | None = None
    client_certificate: InputFile | None = None
    client_key: InputFile | None = None
    realms: Realms = ()
    page_size: Whole | None = Field(default=None, ge=1, le=100_000)
    tokens: Literal["single", "batched"] = "single"
    api_path: ApiPath = "/v2/"
    apis: ApisConfig = ApisConfig()

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        names = self.repositories_from
        if names is not None and self.discovery not in {DiscoveryMethod.AUTO, DiscoveryMethod.LIST}:
            raise ValueError(f"repositories_from goes with discovery list, not {self.discovery}")
        if names is None:
            self._check_discovery()
        if self.plain_http and (self.ca_file is not None or self.client_certificate is not None):
            raise ValueError("plain_http needs no ca_file and no client_certificate: choose one")
        if self.client_key is not None and self.client_certificate is None:
            raise ValueError("client_key goes with client_certificate")
        if self.tokens == "batched" and self.profile.scopes_per_token == 1:
            raise ValueError(f"tokens batched is not for {self.profile.kind}: its tokens are for one repository each")
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
        if self.discovery is DiscoveryMethod.AUTO and not self.profile.discovery:
            why = f"{self.profile.kind} tells nobody its repositories"
            raise ValueError(f"{why}: name them with repositories_from (--repositories-from)")
        if self.discovery is DiscoveryMethod.AUTO and self.profile.prefix_hint and not self.target.prefix:
            raise ValueError(self.profile.prefix_hint)

    @property
    def profile(self) -> RegistryProfile:
        """How this registry goes about it."""
        return profile_for(self.target, self.kind)

    @property
    def base(self) -> str:
        """The address of the registry's API, `https://HOST/v2/`."""
        stands_in = self.profile.api_host if host_matches(self.target.host, self.profile.hosts) else ""
        return f"{self.scheme}://{stands_in or self.target.registry}{self.api_path}"

    @property
    def scheme(self) -> str:
        """`http` where asked for, and by default for this machine itself unless certificates are named for it."""
        by_itself = self.target.is_loopback and self.ca_file is None and self.client_certificate is None
        plain = by_itself if self.plain_http is None else self.plain_http
        return "http" if plain else "https"


class LimitsConfig(_Table):
    """`[limits]`: how hard a registry may be pressed, and how long we wait for it. Seconds, where times are meant."""

    concurrency: Whole = Field(default=64, ge=1, le=4096)
    rate: RateText = "auto"
    attempts: Whole = Field(default=5, ge=1, le=20)
    connect_timeout: Seconds = 10
    read_timeout: Seconds = 60
    total_timeout: Seconds = 900
    give_up_after: Seconds = 300


class OutputConfig(_Table):
    """`[output]`: where snapshots go."""

    path: FilePath = Path("snapshots")
    compression: Literal["none", "gzip", "zstd"] = "none"
    lock: bool = True

    @classmethod
    def load(cls, file: str | Path | None, flags: Sequence[Flag] = ()) -> "OutputConfig":
        """This table alone, for commands that ask no registry. Raises ConfigError."""
        said = ConfigLayers.gather(file, _environment(), (), flags)
        output = said.document().get("output", {})
        return _validated(_OutputOnly, {"output": output}, said, said.environment.mistakes).output


class _OutputOnly(_Table):
    output: OutputConfig


class VerdictConfig(_Table):
    """`[verdict]`: what a snapshot must hold to be complete; `max_shrink` is a share, None where there is no limit."""

    expect: Whole = Field(default=1, ge=0, le=1_000_000_000)
    max_shrink: Share = None
    partial_ok: bool = False


class ResumeConfig(_Table):
    """`[resume]`: how old an unfinished run may be to be gone on with."""

    within: Duration = timedelta(hours=20)


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
        if len([r for r in self.registry if r.repositories_from == STDIO]) > 1:
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
        said = ConfigLayers.gather(file, _environment(), targets, flags)
        return _validated(cls, said.document(), said, [*said.environment.mistakes, *said.shared_credentials()])

    def effective(self, registry: RegistryConfig) -> dict[str, Any]:
        """What one registry's run was told, for its _run.json: plain values, passwords left out."""
        return {
            "registry": registry.model_dump(mode="json"),
            "limits": self.limits.model_dump(mode="json"),
            "output": self.output.model_dump(mode="json"),
            "verdict": self.verdict.model_dump(mode="json"),
            "resume": self.resume.model_dump(mode="json"),
        }


def _environment() -> Environment:
    return Environment.read(os.environ, list(keys_of(Config)))


def _validated(table: type[_T], document: Any, said: ConfigLayers, mistakes: Sequence[str]) -> _T:
    """The table of a document that has no mistakes beside those given. Raises ConfigError with all of them."""
    try:
        validated = table.model_validate(document, context=CHECKING_FILES)
    except ValidationError as invalid:
        raise ConfigError([*mistakes, *said.explain_all(invalid.errors(), Config)]) from None
    if mistakes:
        raise ConfigError(mistakes)
    return validated
