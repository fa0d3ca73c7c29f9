"""`[scale]`: one of several processes that take a snapshot together."""

import os
import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, InstanceOf, PlainSerializer, model_validator

from crawler.config.schedulers import group_from_environment, shard_from_environment
from crawler.config.table import ConfigTable
from crawler.config.values import Expected, Integer
from crawler.model.shard import MAX_SHARDS, Shard, is_group_id

LOCAL_CLUSTER: Final = "local"
"""The address of a cluster that is started on this machine, and ends with the command."""

_FROM_ENVIRONMENT: Final = re.compile(r"env(?:/(\d{1,5}))?", re.ASCII)

_WHY_A_GROUP: Final = (
    "shard needs group: an id that all shards of one snapshot have in common, and those of the next night do not "
    "(--group 2026-11-27)"
)


def _parse_shard(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = _FROM_ENVIRONMENT.fullmatch(value)
    if match is None:
        return Shard.parse(value)
    return shard_from_environment(None if match[1] is None else int(match[1]), os.environ)


def _check_type(value: Any) -> Any:
    if value is not None and not isinstance(value, str | Shard):
        raise ValueError("must be a shard: 3/8, env or env/8")
    return value


def _parse_group(value: Any) -> Any:
    if isinstance(value, str) and not is_group_id(value):
        raise ValueError("must be the name of a folder: letters, digits, `.`, `_` and `-`, up to 128 of them")
    return value


ShardOption = Annotated[
    InstanceOf[Shard] | None,
    Expected("a shard: 3/8, env or env/8"),
    BeforeValidator(_parse_shard),
    BeforeValidator(_check_type),
    PlainSerializer(lambda shard: None if shard is None else str(shard)),
]
_CLUSTER: Final = re.compile(r"(ray://)?(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):\d{1,5}|auto|local", re.ASCII)


def _parse_address(value: Any) -> Any:
    if isinstance(value, str) and not _CLUSTER.fullmatch(value):
        raise ValueError("must be local, auto, HOST:PORT or ray://HOST:PORT")
    return value


Workers = Annotated[Integer | None, Field(ge=1, le=MAX_SHARDS), Expected(f"a whole number from 1 to {MAX_SHARDS}")]
ClusterAddress = Annotated[str, Expected("a string"), BeforeValidator(_parse_address)]
GroupId = Annotated[str | None, Expected("a string"), BeforeValidator(_parse_group)]


class ScaleConfig(ConfigTable):
    """`[scale]`: which part of a snapshot this process takes. None: the whole snapshot.

    Where the scheduler names the shard, it may name the group, too. With `engine`, the process has `workers` of a
    cluster take one part each: of the cluster at `address`, by default that of RAY_ADDRESS, or a local one.
    `names_from`: whether one shard reads the names for all of the group, or each reads them itself.
    """

    shard: ShardOption = None
    group: GroupId = None
    engine: Literal["ray"] | None = None
    workers: Workers = None
    address: ClusterAddress | None = None
    names_from: Literal["group", "registry"] = "group"

    @model_validator(mode="before")
    @classmethod
    def _take_group_of_scheduler(cls, table: Any) -> Any:
        if not isinstance(table, dict) or table.get("group") is not None:
            return table
        shard = table.get("shard")
        if not isinstance(shard, str) or _FROM_ENVIRONMENT.fullmatch(shard) is None:
            return table
        group = group_from_environment(os.environ)
        return table if group is None else {**table, "group": group}

    @model_validator(mode="before")
    @classmethod
    def _take_cluster_of_environment(cls, table: Any) -> Any:
        if not isinstance(table, dict) or table.get("engine") is None or table.get("address") is not None:
            return table
        return {**table, "address": os.environ.get("RAY_ADDRESS") or LOCAL_CLUSTER}

    @model_validator(mode="after")
    def _check_engine(self) -> Self:
        if self.engine is None and (self.workers is not None or self.address is not None):
            raise ValueError(f"{'address' if self.workers is None else 'workers'} needs engine: --engine ray")
        if self.engine is not None and self.workers is None:
            raise ValueError("engine needs workers: into how many shards a snapshot is divided (--workers 4)")
        if self.engine is not None and self.shard is not None:
            raise ValueError("give shard or engine, not both: an engine has workers take all the shards")
        return self

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if self.engine is not None:
            return self
        if self.shard is not None and self.group is None:
            raise ValueError(_WHY_A_GROUP)
        if self.group is not None and self.shard is None:
            raise ValueError("group needs shard: which part of the snapshot this process takes (--shard 3/8)")
        return self


class GroupTable(ConfigTable):
    """`[scale]`, as `merge` reads it: the configuration may be that of the shards."""

    shard: Any = None
    group: GroupId = None
    engine: Any = None
    workers: Any = None
    address: Any = None
    names_from: Any = None
