"""`[scale]`: one of several processes that take a snapshot together."""

import os
import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, PlainSerializer, model_validator

from crawler.config.schedulers import group_from_environment, shard_from_environment
from crawler.config.table import ConfigTable
from crawler.config.values import Expected
from crawler.model.shard import Shard, is_group_id

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
    Shard | None,
    Expected("a shard: 3/8, env or env/8"),
    BeforeValidator(_parse_shard),
    BeforeValidator(_check_type),
    PlainSerializer(lambda shard: None if shard is None else str(shard)),
]
GroupId = Annotated[str | None, Expected("a string"), BeforeValidator(_parse_group)]


class ScaleConfig(ConfigTable):
    """`[scale]`: which part of a snapshot this process takes. None: the whole snapshot.

    Where the scheduler names the shard, it may name the group, too. `names_from`: whether one shard reads the names for
    all of the group, or each reads them itself.
    """

    shard: ShardOption = None
    group: GroupId = None
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

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if self.shard is not None and self.group is None:
            raise ValueError(_WHY_A_GROUP)
        if self.group is not None and self.shard is None:
            raise ValueError("group needs shard: which part of the snapshot this process takes (--shard 3/8)")
        return self


class GroupTable(ConfigTable):
    """`[scale]`, as `merge` reads it: the configuration may be that of the shards."""

    shard: Any = None
    group: GroupId = None
    names_from: Any = None
