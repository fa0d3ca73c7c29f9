"""`crawl --engine ray`: each registry is crawled by the workers of a Ray cluster, and merged by this process."""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

from crawler.cli import logs
from crawler.cli.crawl_registries import run_each
from crawler.cli.event_loop import run_async
from crawler.cli.exit_codes import COULD_NOT_RUN
from crawler.cli.process import raise_on_signals
from crawler.cli.run_report import DisplayOptions
from crawler.config import Config, RegistryConfig
from crawler.errors import EngineError
from crawler.model.run_manifest import RunManifest
from crawler.scale.ray.cluster import RayCluster, open_cluster
from crawler.scale.ray.group_run import GroupRun, new_group, shard_count, unfinished_group

_GroupOf: TypeAlias = Callable[[RegistryConfig], str]
_StartRun: TypeAlias = Callable[[GroupRun], Awaitable[RunManifest]]


def crawl_on_ray(config: Config, options: DisplayOptions) -> int:
    """Crawl each registry of the configuration with `scale.workers` workers. Returns the exit code of the command.

    Raises ConfigError where Ray is not installed, or a lake cannot be opened.
    """
    group = config.scale.group or new_group()
    return _crawl(config, options, lambda _: group, GroupRun.run)


def resume_on_ray(config: Config, options: DisplayOptions) -> int:
    """The same; where an earlier command began a group of a registry and did not merge it, go on with that."""
    group = new_group()

    def group_of(registry: RegistryConfig) -> str:
        return config.scale.group or unfinished_group(config, registry) or group

    return _crawl(config, options, group_of, GroupRun.resume)


def _crawl(config: Config, options: DisplayOptions, group_of: _GroupOf, start_run: _StartRun) -> int:
    raise_on_signals()  # a cluster that was started is to be ended
    try:
        with open_cluster(str(config.scale.address), shard_count(config), run_async) as cluster:
            raise_on_signals()  # Ray has put a handler before ours that prints a stack
            return int(run_async(run_each, config, options, partial(_run_of, config, cluster, group_of), start_run))
    except EngineError as exc:
        logs.notice(str(exc), logging.ERROR)
        return COULD_NOT_RUN


def _run_of(config: Config, cluster: RayCluster, group_of: _GroupOf, registry: RegistryConfig, _: None) -> GroupRun:
    group = group_of(registry)
    notice = partial(logs.notice, target=str(registry.target))
    notice(f"{registry.target}: {shard_count(config):,} shards on Ray, group {group}", logging.INFO)
    return GroupRun(config, registry, group, cluster, notice)
