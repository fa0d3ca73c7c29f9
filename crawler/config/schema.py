"""`Config`: every key with its type, default and bounds, and the rules between keys.

config.example.toml says what each key means.
"""

import hashlib
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator

from crawler.config.environment import Environment
from crawler.config.keys import dotted_keys
from crawler.config.layers import ConfigLayers, Flag
from crawler.config.registry_tables import RegistryConfig
from crawler.config.scale import GroupTable, ScaleConfig
from crawler.config.table import ConfigTable, optional_table
from crawler.config.values import (
    CHECK_FILES,
    NO_CACHE,
    STDIO,
    Budget,
    CachePath,
    Duration,
    FilePath,
    GatewayUrl,
    Integer,
    LakeUrl,
    RateOption,
    Seconds,
    ServiceUrl,
    Share,
    StringList,
)
from crawler.errors import ConfigError
from crawler.model.depth import Depth, ReferrersLevel
from crawler.model.shard import Shard

_T = TypeVar("_T", bound=ConfigTable)

_DUMPED: Final = ("registry", "images", "cache", "limits", "output", "verdict", "resume", "metrics", "lake", "scale")
"""The tables that `_run.json` has, in its order. The URL of a webhook is a secret."""


class LimitsConfig(ConfigTable):
    """`[limits]`: how many exchanges at once and per second, how many attempts, and time-outs in seconds.

    `budget` is the number of exchanges that a registry's images may cost (`ImagesConfig`); None is no limit.
    `shared_address`: all shards of a group reach the registry from one address. It decides nothing without shards.
    """

    concurrency: Integer = Field(default=64, ge=1, le=4096)
    rate: RateOption = "auto"
    attempts: Integer = Field(default=5, ge=1, le=20)
    connect_timeout: Seconds = 10
    read_timeout: Seconds = 60
    total_timeout: Seconds = 900
    give_up_after: Seconds = 300
    budget: Budget = None
    shared_address: bool = False


class ImagesConfig(ConfigTable):
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


class CacheConfig(ConfigTable):
    """`[cache]`: the digest cache: a file, or an object in a lake. None: `.cache/digests.sqlite` in the output."""

    path: CachePath | None = None

    @property
    def url(self) -> str | None:
        """The object in a lake that holds the cache; None where a file holds it."""
        return self.path if isinstance(self.path, str) else None


class OutputConfig(ConfigTable):
    """`[output]`: where and how snapshots are written."""

    path: FilePath = Path("snapshots")
    compression: Literal["none", "gzip", "zstd"] = "none"
    lock: bool = True

    @classmethod
    def load(cls, file: str | Path | None, flags: Sequence[Flag] = ()) -> "OutputConfig":
        """Load this table alone, for commands that connect to no registry. Raises ConfigError with every mistake."""
        return _load_tables(_OutputOnly, file, flags).output


class _OutputOnly(ConfigTable):
    output: OutputConfig = optional_table()


class _SomeTables(ConfigTable):
    """Some of the tables, for commands that need no others."""

    @classmethod
    def load(cls, file: str | Path | None, flags: Sequence[Flag] = ()) -> Self:
        """Load these tables alone. Raises ConfigError with every mistake."""
        return _load_tables(cls, file, flags)


class StorageConfig(_SomeTables):
    """`[output]` and `[cache]`: what is on the disk, for commands that connect to no registry."""

    output: OutputConfig = optional_table()
    cache: CacheConfig = optional_table()

    @property
    def cache_file(self) -> Path | None:
        """See `Config.cache_file`."""
        return _cache_file(self.output, self.cache)


def _cache_file(output: OutputConfig, cache: CacheConfig, shard: Shard | None = None) -> Path | None:
    if cache.path == NO_CACHE:
        return None
    if isinstance(cache.path, Path):
        return cache.path
    if output.path == STDIO:
        return None
    name = "digests" if cache.url is None else f"lake-{hashlib.sha256(cache.url.encode()).hexdigest()[:16]}"
    # a folder that several machines share may have no locks that SQLite can rely on: each shard has a file of its own
    of_shard = "" if shard is None else f"-{shard.index}-of-{shard.count}"
    return output.path / ".cache" / f"{name}{of_shard}.sqlite"


class LakeConfig(ConfigTable):
    """`[lake]`: where snapshots are published once they are taken. None: nowhere."""

    url: LakeUrl | None = None
    format: Literal["parquet", "jsonl", "delta"] = "parquet"


class PublishConfig(_SomeTables):
    """`[output]` and `[lake]`: what publishing needs, for commands that connect to no registry."""

    output: OutputConfig = optional_table()
    lake: LakeConfig = optional_table()


class MetricsConfig(ConfigTable):
    """`[metrics]`: where Prometheus finds what it should know of the snapshots, after each run."""

    textfile: FilePath | None = None
    pushgateway: GatewayUrl | None = None


class NotifyConfig(ConfigTable):
    """`[notify]`: who is notified when a run has ended. The URL of a webhook is a secret."""

    url: ServiceUrl | None = Field(default=None, exclude=True)


class VerdictConfig(ConfigTable):
    """`[verdict]`: when a snapshot counts as complete. `max_shrink` is a share from 0 to 1; None is no limit."""

    expect: Integer = Field(default=1, ge=0, le=1_000_000_000)
    max_shrink: Share = None
    partial_ok: bool = False


class ResumeConfig(ConfigTable):
    """`[resume]`: the greatest age of an unfinished run that --resume continues."""

    within: Duration = timedelta(hours=20)


class MergeConfig(StorageConfig):
    """What merging needs: it connects to no registry. The configuration may be that of the shards."""

    verdict: VerdictConfig = optional_table()
    metrics: MetricsConfig = optional_table()
    notify: NotifyConfig = optional_table()
    lake: LakeConfig = optional_table()
    resume: ResumeConfig = optional_table()
    scale: GroupTable = optional_table()

    def cache_file_of(self, shard: Shard) -> Path | None:
        """The digest cache's file of a shard, which may be that of all; None where nothing is kept."""
        return _cache_file(self.output, self.cache, shard)


class Config(ConfigTable):
    """The whole configuration. A crawl takes one snapshot of each entry of `registry`.

    Make it with `Config.load`, or in code: `Config(registry=[{"target": "localhost:5000"}])`.
    """

    registry: tuple[RegistryConfig, ...] = Field(min_length=1)
    images: ImagesConfig = optional_table()
    limits: LimitsConfig = optional_table()
    cache: CacheConfig = optional_table()
    output: OutputConfig = optional_table()
    verdict: VerdictConfig = optional_table()
    resume: ResumeConfig = optional_table()
    metrics: MetricsConfig = optional_table()
    notify: NotifyConfig = optional_table()
    lake: LakeConfig = optional_table()
    scale: ScaleConfig = optional_table()

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
        if self.scale.shard is not None and self.output.path == STDIO:
            raise ValueError("scale.shard needs a folder to merge from: set output.path to one (--output)")
        if self.scale.engine is not None and self.output.path == STDIO:
            raise ValueError("scale.engine needs a folder to merge from: set output.path to one (--output)")
        if self.scale.engine is not None and any(each.repositories_from == STDIO for each in self.registry):
            raise ValueError("scale.engine: workers have no standard input: give registry.repositories_from a file")
        if self.cache.url is not None and self.output.path == STDIO:
            raise ValueError("cache.path in a lake needs a copy on the disk: set output.path to a folder (--output)")
        return self

    @property
    def cache_file(self) -> Path | None:
        """The digest cache's file, or the copy on this disk of one in a lake; None where nothing outlasts the run."""
        return _cache_file(self.output, self.cache, self.scale.shard)

    @property
    def united_cache_file(self) -> Path | None:
        """The file that the caches of all shards are united in, after the merge of each night."""
        return _cache_file(self.output, self.cache)

    @property
    def of_part(self) -> Self:
        """This configuration without what concerns a whole snapshot, where it is that of a shard.

        `merge` judges, publishes and reports the snapshot that it makes of all shards. A shard keeps the lake: that is
        where it is merged from.
        """
        if self.scale.shard is None:
            return self
        judged = VerdictConfig(expect=0, partial_ok=self.verdict.partial_ok)
        of_whole = {"metrics": MetricsConfig(), "notify": NotifyConfig()}
        return self.model_copy(update={**of_whole, "verdict": judged})

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
        of_run = self.model_copy(update={"registry": (registry,)})
        dumped = of_run.model_dump(mode="json", include=set(_DUMPED))
        (table,) = dumped["registry"]
        return {name: table if name == "registry" else dumped[name] for name in _DUMPED}


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
