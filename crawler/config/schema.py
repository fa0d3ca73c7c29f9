"""`Config`: every key with its type, default and bounds, and the rules between keys.

config.example.toml says what each key means.
"""

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from crawler.config.environment import Environment
from crawler.config.keys import dotted_keys
from crawler.config.layers import ConfigLayers, Flag
from crawler.config.values import (
    CHECK_FILES,
    NO_CACHE,
    STDIO,
    ApiPath,
    ApiUrl,
    Budget,
    CachePath,
    Duration,
    FilePath,
    InputFile,
    Integer,
    KeyFile,
    Kind,
    LakeUrl,
    Location,
    NameListFile,
    NonEmptyString,
    Password,
    RateOption,
    RealmHosts,
    Scope,
    Seconds,
    ServiceUrl,
    Share,
    StringList,
    TargetOption,
    Username,
)
from crawler.errors import ConfigError
from crawler.model.auth_method import AuthMethod
from crawler.model.depth import Depth, ReferrersLevel
from crawler.profiles import DiscoveryMethod, RegistryProfile, host_matches, profile_for


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


_T = TypeVar("_T", bound=_Table)


_ACCESS_TOKEN_METHODS: Final = {AuthMethod.AUTO, AuthMethod.TOKEN, AuthMethod.ACCESS_TOKEN}


class AuthConfig(_Table):
    """`[registry.auth]`: the credentials for this registry."""

    method: AuthMethod = AuthMethod.AUTO
    key_file: KeyFile | None = None
    username: Username | None = None
    password: Password | None = Field(default=None, exclude=True)
    password_file: InputFile | None = None
    scope: Scope = "cloud-platform.read-only"
    impersonate: NonEmptyString | None = None

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError("give password or password_file, not both")
        has_password = self.password is not None or self.password_file is not None
        if has_password != (self.username is not None):
            raise ValueError("username needs password or password_file, and the reverse")
        if self.key_file is not None and self.username is not None:
            raise ValueError("give key_file or username, not both")
        if self.method is AuthMethod.BASIC and not has_password:
            raise ValueError("method basic needs username, and password or password_file")
        if self.method is AuthMethod.JSON_KEY and self.key_file is None:
            raise ValueError("method json-key needs key_file")
        if self.impersonate is not None and (self.method not in _ACCESS_TOKEN_METHODS or has_password):
            raise ValueError("impersonate needs method token, access-token or auto (access tokens of Google)")
        return self


class ApisConfig(_Table):
    """`[registry.apis]`: base URLs of the vendors' APIs, which are used besides the registry itself.

    Set them for private endpoints (`https://artifactregistry-ours.p.googleapis.com`) and for emulators. `own` is the
    product's own API, where it is not at the registry's host, and `token_file` has the token that it takes in place of
    the registry's credentials, which are sent there without one.
    """

    artifact_registry: ApiUrl = "https://artifactregistry.googleapis.com"
    resource_manager: ApiUrl = "https://cloudresourcemanager.googleapis.com"
    iam_credentials: ApiUrl = "https://iamcredentials.googleapis.com"
    docker_hub: ApiUrl = "https://hub.docker.com"
    own: ApiUrl | None = None
    token_file: InputFile | None = None


class RegistryConfig(_Table):
    """One `[[registry]]` table: the target of a snapshot, and how to reach it."""

    target: TargetOption
    kind: Kind | None = None
    auth: AuthConfig = AuthConfig()
    discovery: DiscoveryMethod = DiscoveryMethod.AUTO
    images_from: Literal["auto", "listing", "api"] = "auto"
    location: Location | None = None
    repositories_from: NameListFile | None = None
    include: StringList = ()
    exclude: StringList = ()
    plain_http: bool | None = None
    ca_file: InputFile | None = None
    client_certificate: InputFile | None = None
    client_key: InputFile | None = None
    realms: RealmHosts = ()
    page_size: Integer | None = Field(default=None, ge=1, le=100_000)
    tokens: Literal["single", "batched"] = "single"
    api_path: ApiPath = "/v2/"
    apis: ApisConfig = ApisConfig()

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        name_list = self.repositories_from
        if name_list is not None and self.discovery not in {DiscoveryMethod.AUTO, DiscoveryMethod.LIST}:
            raise ValueError(f"repositories_from needs discovery list, not {self.discovery}")
        if name_list is None:
            self._check_discovery()
        if self.images_from == "api":
            self._check_images_from()
        if self.plain_http and (self.ca_file is not None or self.client_certificate is not None):
            raise ValueError("give plain_http, or ca_file and client_certificate, not both")
        if self.client_key is not None and self.client_certificate is None:
            raise ValueError("client_key needs client_certificate")
        if self.tokens == "batched" and self.profile.scopes_per_token == 1:
            raise ValueError(
                f"tokens batched does not work with {self.profile.kind}: each of its tokens is for one repository"
            )
        return self

    def _check_discovery(self) -> None:
        """Check that the discovery method has what it needs; `auto` takes the first that the registry has."""
        if self.discovery is DiscoveryMethod.LIST:
            raise ValueError("discovery list needs repositories_from")
        if self.discovery is DiscoveryMethod.WALK and not self.target.prefix:
            raise ValueError("discovery walk needs a target with a prefix: HOST/PROJECT")
        if self.discovery is DiscoveryMethod.DOCKER_HUB is not self.profile.api_discovery:
            raise ValueError(f"discovery docker-hub needs kind docker-hub, not {self.profile.kind}")
        if self.discovery_method is DiscoveryMethod.DOCKER_HUB and not self.target.prefix:
            raise ValueError("discovery docker-hub needs a target with a namespace: docker.io/NAMESPACE")
        if self.discovery_method is DiscoveryMethod.API:
            self._check_own_api()
        if self.discovery is DiscoveryMethod.AUTO and self.profile.prefix_hint and not self.target.prefix:
            raise ValueError(self.profile.prefix_hint)
        if self.discovery is DiscoveryMethod.AUTO and self.profile.discovery == (DiscoveryMethod.API,):
            self._check_own_api()

    def _check_own_api(self) -> None:
        """Check that names can come from the product's own API."""
        api = self.profile.api
        if api is None or not api.lists_names:
            raise ValueError(
                f"discovery api needs a product whose own API lists names, and {self.profile.kind} has none"
            )
        if api.needs_namespace and not self.target.prefix:
            raise ValueError(f"discovery api needs a target with a namespace: {api.label} lists one at a time")
        if not self.own_api_url:
            raise ValueError(
                f"{api.label} is not known for this host: set registry.apis.own to its URL, "
                "or name the repositories with repositories_from (--repositories-from)"
            )

    def _check_images_from(self) -> None:
        api = self.profile.api
        if self.profile.is_google or self.discovery_method is DiscoveryMethod.ARTIFACT_REGISTRY:
            if self.discovery_method is not DiscoveryMethod.ARTIFACT_REGISTRY:
                raise ValueError("images_from api needs discovery artifact-registry")
        elif api is None or not (api.lists_images or api.lists_images_with_names):
            raise ValueError(
                f"images_from api needs a product whose own API lists images, and {self.profile.kind} has none"
            )
        elif not api.lists_images:
            if self.repositories_from is not None or self.discovery not in {DiscoveryMethod.AUTO, DiscoveryMethod.API}:
                raise ValueError(f"images_from api needs discovery api: {api.label} lists names and images together")
        elif not self.own_api_url and not api.lists_images_at_registry:
            raise ValueError(
                f"images_from api: {api.label} is not known for this host: set registry.apis.own to its URL"
            )

    @property
    def own_api_url(self) -> str:
        """The base URL of the product's own API; "" where it is not known."""
        if self.apis.own is not None:
            return self.apis.own
        if self.profile.kind == "docker-hub":
            return self.apis.docker_hub
        url = self.profile.api_url(self.target.host)
        return f"{self.scheme}://{self.target.registry}" if url == "" else url or ""

    @property
    def own_api_is_at_registry(self) -> bool:
        """Whether the product's own API is at the registry's host."""
        return self.own_api_url == f"{self.scheme}://{self.target.registry}"

    @property
    def own_api_belongs_to_target(self) -> bool:
        """Whether the product's own API is that of the target, by its host or by the configuration.

        A mirror of Docker Hub has a password of its own, which must not go to Docker, and images of its own.
        """
        is_configured = bool({"own", "docker_hub"} & self.apis.model_fields_set)
        return is_configured or self.profile.api_url(self.target.host) is not None

    @property
    def discovery_method(self) -> DiscoveryMethod:
        """The method as configured, where `api` is the method of the product's own API."""
        return self.profile.api_discovery or self.discovery if self.discovery is DiscoveryMethod.API else self.discovery

    @property
    def profile(self) -> RegistryProfile:
        """The profile of the registry product, by `kind`, else by host."""
        return profile_for(self.target, self.kind)

    @property
    def api_url(self) -> str:
        """The base URL of the registry's API, `https://HOST/v2/`.

        Some products are known by one host and answer on another: docker.io is served by registry-1.docker.io.
        """
        api_host = self.profile.api_host if host_matches(self.target.host, self.profile.hosts) else ""
        return f"{self.scheme}://{api_host or self.target.registry}{self.api_path}"

    @property
    def scheme(self) -> str:
        """`http` with plain_http; by default also for this machine itself, unless certificates are configured."""
        default = self.target.is_loopback and self.ca_file is None and self.client_certificate is None
        is_plain = default if self.plain_http is None else self.plain_http
        return "http" if is_plain else "https"


class LimitsConfig(_Table):
    """`[limits]`: how many exchanges at once and per second, how many attempts, and time-outs in seconds.

    `budget` is the number of exchanges that a registry's images may cost (`ImagesConfig`); None is no limit.
    """

    concurrency: Integer = Field(default=64, ge=1, le=4096)
    rate: RateOption = "auto"
    attempts: Integer = Field(default=5, ge=1, le=20)
    connect_timeout: Seconds = 10
    read_timeout: Seconds = 60
    total_timeout: Seconds = 900
    give_up_after: Seconds = 300
    budget: Budget = None


class ImagesConfig(_Table):
    """`[images]`: how deep the images behind the tags are read."""

    depth: Depth = Depth.TAGS
    referrers: ReferrersLevel = ReferrersLevel.NONE
    include_tags: StringList = ()
    exclude_tags: StringList = ()

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if (self.include_tags or self.exclude_tags) and not self.depth.reads_tags:
            name = "include_tags" if self.include_tags else "exclude_tags"
            raise ValueError(
                f"{name} choose the images that are read, and depth tags reads none: "
                "set depth to digests, manifests or configs (--depth)"
            )
        return self


class CacheConfig(_Table):
    """`[cache]`: the file of the digest cache. None: `.cache/digests.sqlite` in the output folder."""

    path: CachePath | None = None


class OutputConfig(_Table):
    """`[output]`: where and how snapshots are written."""

    path: FilePath = Path("snapshots")
    compression: Literal["none", "gzip", "zstd"] = "none"
    lock: bool = True

    @classmethod
    def load(cls, file: str | Path | None, flags: Sequence[Flag] = ()) -> "OutputConfig":
        """Load this table alone, for commands that connect to no registry. Raises ConfigError with every mistake."""
        return _load_tables(_OutputOnly, file, flags).output


class _OutputOnly(_Table):
    output: OutputConfig = OutputConfig()


class StorageConfig(_Table):
    """`[output]` and `[cache]`: what is on the disk, for commands that connect to no registry."""

    output: OutputConfig = OutputConfig()
    cache: CacheConfig = CacheConfig()

    @property
    def cache_file(self) -> Path | None:
        """See `Config.cache_file`."""
        return _cache_file(self.output, self.cache)

    @classmethod
    def load(cls, file: str | Path | None, flags: Sequence[Flag] = ()) -> Self:
        """Load these tables alone. Raises ConfigError with every mistake."""
        return _load_tables(cls, file, flags)


def _cache_file(output: OutputConfig, cache: CacheConfig) -> Path | None:
    if cache.path == NO_CACHE:
        return None
    if cache.path is not None:
        return cache.path
    return None if output.path == STDIO else output.path / ".cache" / "digests.sqlite"


class LakeConfig(_Table):
    """`[lake]`: where snapshots are published once they are taken. None: nowhere."""

    url: LakeUrl | None = None
    format: Literal["parquet", "jsonl", "delta"] = "parquet"


class PublishConfig(_Table):
    """`[output]` and `[lake]`: what publishing needs, for commands that connect to no registry."""

    output: OutputConfig = OutputConfig()
    lake: LakeConfig = LakeConfig()

    @classmethod
    def load(cls, file: str | Path | None, flags: Sequence[Flag] = ()) -> Self:
        """Load these tables alone. Raises ConfigError with every mistake."""
        return _load_tables(cls, file, flags)


class MetricsConfig(_Table):
    """`[metrics]`: where Prometheus finds what it should know of the snapshots, after each run."""

    textfile: FilePath | None = None
    pushgateway: ServiceUrl | None = None


class NotifyConfig(_Table):
    """`[notify]`: who is told that a run has ended. The URL of a webhook is a secret."""

    url: ServiceUrl | None = Field(default=None, exclude=True)


class VerdictConfig(_Table):
    """`[verdict]`: when a snapshot counts as complete. `max_shrink` is a share from 0 to 1; None is no limit."""

    expect: Integer = Field(default=1, ge=0, le=1_000_000_000)
    max_shrink: Share = None
    partial_ok: bool = False


class ResumeConfig(_Table):
    """`[resume]`: the greatest age of an unfinished run that --resume continues."""

    within: Duration = timedelta(hours=20)


class Config(_Table):
    """The whole configuration. A crawl takes one snapshot of each entry of `registry`.

    Make it with `Config.load`, or in code: `Config(registry=[{"target": "localhost:5000"}])`.
    """

    registry: tuple[RegistryConfig, ...] = Field(min_length=1)
    images: ImagesConfig = ImagesConfig()
    limits: LimitsConfig = LimitsConfig()
    cache: CacheConfig = CacheConfig()
    output: OutputConfig = OutputConfig()
    verdict: VerdictConfig = VerdictConfig()
    resume: ResumeConfig = ResumeConfig()
    metrics: MetricsConfig = MetricsConfig()
    notify: NotifyConfig = NotifyConfig()
    lake: LakeConfig = LakeConfig()

    @model_validator(mode="after")
    def _check_registries(self) -> Self:
        targets = [str(registry.target) for registry in self.registry]
        twice = sorted({target for target in targets if targets.count(target) > 1})
        if twice:
            raise ValueError(f"registry: named more than once: {', '.join(twice)}")
        if len([r for r in self.registry if r.repositories_from == STDIO]) > 1:
            raise ValueError("registry.repositories_from: standard input can hold the names of one registry only")
        if self.lake.url is not None and self.output.path == STDIO:
            raise ValueError("lake.url needs snapshots to publish: set output.path to a folder (--output)")
        return self

    @property
    def cache_file(self) -> Path | None:
        """The digest cache's file; None where nothing is kept longer than the run."""
        return _cache_file(self.output, self.cache)

    @classmethod
    def load(cls, file: str | Path | None = None, *, targets: Sequence[str] = (), flags: Sequence[Flag] = ()) -> Self:
        """Load the file, the environment over it, and the flags over both.

        Without `targets`, every `[[registry]]` table is crawled. With them, each target takes the table of that target,
        else the one table without a target, else the defaults. Flags and environment apply to every registry, except
        the environment's username and password: these are for the registry whose table names a username, or for the
        only registry.

        Raises:
            ConfigError: With every mistake, one line each, that names the file and line, the variable or the flag.
        """
        layers = ConfigLayers.gather(file, _environment(), targets, flags)
        errors = [*layers.environment.errors, *layers.shared_credential_errors()]
        return _validate(cls, layers.document(), layers, errors)

    def effective(self, registry: RegistryConfig) -> dict[str, Any]:
        """Return the configuration of one registry's run for its _run.json: plain values, without passwords."""
        return {
            "registry": registry.model_dump(mode="json"),
            "images": self.images.model_dump(mode="json"),
            "cache": self.cache.model_dump(mode="json"),
            "limits": self.limits.model_dump(mode="json"),
            "output": self.output.model_dump(mode="json"),
            "verdict": self.verdict.model_dump(mode="json"),
            "resume": self.resume.model_dump(mode="json"),
            "metrics": self.metrics.model_dump(mode="json"),
            "lake": self.lake.model_dump(mode="json"),
        }


def _environment() -> Environment:
    return Environment.read(os.environ, list(dotted_keys(Config)))


def _load_tables(tables: type[_T], file: str | Path | None, flags: Sequence[Flag]) -> _T:
    """Load some tables alone, and leave the others unread. Raises ConfigError with every mistake in them."""
    layers = ConfigLayers.gather(file, _environment(), (), flags)
    document = {name: table for name, table in layers.document().items() if name in tables.model_fields}
    return _validate(tables, document, layers, layers.environment.errors)


def _validate(table: type[_T], document: Any, layers: ConfigLayers, errors: Sequence[str]) -> _T:
    """Validate a document. Raises ConfigError with `errors` and all that validation adds."""
    try:
        validated = table.model_validate(document, context=CHECK_FILES)
    except ValidationError as exc:
        raise ConfigError([*errors, *layers.error_lines(exc.errors(), Config)]) from None
    if errors:
        raise ConfigError(errors)
    return validated
