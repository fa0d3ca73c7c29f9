"""The shards that a lake holds, around the runs of a `crawl` command: a shard is uploaded once it is published."""

import glob
import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.cli.signals import Signals
from crawler.config import Config
from crawler.errors import LakeError
from crawler.model.names import Target
from crawler.model.run_manifest import RunManifest, source_folder
from crawler.model.shard import Shard, is_group_id
from crawler.model.words import size_text
from crawler.untrusted_text import printable

if TYPE_CHECKING:
    from crawler.lake.held_shards import HeldGroup, HeldShards, Uploaded

_KEPT = "the shard is kept on this disk: run the same command again to upload it"


def open_configured_shards(config: Config) -> "HeldShards | None":
    """The shards in the configuration's lake; None where this process is no shard, or has no lake.

    Raises ConfigError.
    """
    if config.lake.url is None or config.scale.shard is None:
        return None
    from crawler.lake.held_shards import HeldShards

    return HeldShards.open(config.lake.url, os.environ)


def held_group(shards: "HeldShards | None", config: Config, target: Target) -> "HeldGroup | None":
    """The shards of one target; None where there are no `shards`."""
    if shards is None or config.scale.group is None:
        return None
    return shards.group(config.scale.group, source_folder(str(target)))


async def upload_result(
    result: RunManifest | Exception, config: Config, group: "HeldGroup", signals: Signals
) -> "Uploaded | Exception | None":
    """Upload a shard to its group in the lake; None where the run has none. A signal ends the wait, and the command."""
    shard = config.scale.shard
    if not isinstance(result, RunManifest) or shard is None:
        return None
    # what an abandoned thread has uploaded is not taken for a shard
    uploaded = await signals.until_signal(partial(_upload, config.output.path / result.folder, result, shard, group))
    if uploaded is None:
        return LakeError(f"{printable(group.held.url)}: uploading was interrupted; {_KEPT}")
    return uploaded


def _upload(folder: Path, run_manifest: RunManifest, shard: Shard, group: "HeldGroup") -> "Uploaded | Exception":
    try:
        uploaded = group.upload(folder, run_manifest, shard)
        with suppress(LakeError):  # the next upload tries again
            _remove_merged_groups(folder.parent, group)
    except LakeError as exc:
        return LakeError(f"{exc}; {_KEPT}")
    except Exception as exc:  # noqa: BLE001  (it is reported, and the next registry is crawled)
        return exc
    return uploaded


def _remove_merged_groups(folder: Path, group: "HeldGroup") -> None:
    """Remove the shards of earlier groups from this disk, where the lake has the complete snapshot of them.

    Else a disk that is not the merge's keeps its shard of every night. `folder` is that of this night's group.
    """
    from crawler.scale.merge import remove_group

    for other in sorted(folder.parents[1].glob(f"*/{glob.escape(folder.name)}")):
        name = other.parent.name
        if name != group.group and is_group_id(name) and group.held.group(name, group.source).merged_before():
            remove_group(other)


def upload_text(uploaded: "Uploaded") -> str:
    """What was uploaded, or what was there already."""
    if not uploaded.is_own:
        run = printable(uploaded.run_id)
        return f"has shard {uploaded.shard} already, as run {run}, which counts; this run adds nothing"
    if not uploaded.is_new:
        return f"shard {uploaded.shard} was uploaded already"
    return f"uploaded shard {uploaded.shard}: {uploaded.files} files, {size_text(uploaded.bytes)}"
