"""Two merges of a group at once, on two machines: what the second one makes of a lake that changes under it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from support.shard_crawls import GROUP
from support.shard_lakes import held_group, upload_shards

from crawler.cli.merge_lake import fetch_shards, report_merged_elsewhere
from crawler.config import MergeConfig
from crawler.errors import SnapshotError
from crawler.lake.held_shards_marker import MergedBefore
from crawler.model.shard import Shard
from crawler.model.timestamps import timestamp
from crawler.scale.merge import merge_group

pytestmark = pytest.mark.usefixtures("few_authorities")


@pytest.fixture
async def group(google, tmp_path):
    """A group of two shards in a lake."""
    world = await google(repositories=6, listings="plain", giants=0)
    group = held_group(world, f"file://{tmp_path}/lake")
    await upload_shards(world, 2, tmp_path, group)
    return group


class Overtaken:
    """A lake's objects. Another process changes them just before one of its methods is called for the first time."""

    def __init__(self, objects, method, change):
        self._objects = objects
        self._method = method
        self._change = change

    def __getattr__(self, name):
        if name == self._method and self._change is not None:
            change, self._change = self._change, None
            change()
        return getattr(self._objects, name)


def overtaken(group, method, change):
    """The group, as the slower process sees it."""
    objects = "contents" if method == "download" else "store"
    held = replace(group.held, **{objects: Overtaken(getattr(group.held, objects), method, change)})
    return replace(group, held=held)


def half_removed(group):
    """What the quicker merge does in the lake, as far as it has come: see `HeldGroup.remove`."""
    merged = MergedBefore("quicker", timestamp(datetime.now(UTC)))
    group.held.store.create(f"{group.folder}/merged.json", merged.dump())
    group.held.store.delete([f"{group.folder}/{Shard(0, 2).folder_name}/uploaded.json"])


@pytest.mark.parametrize("method", ["sizes", "read_all", "download"])
@pytest.mark.parametrize("change", ["half_removed", "removed"])
async def test_merge_that_is_overtaken_by_another_takes_no_half_of_the_shards(group, tmp_path, method, change):
    """Else it would publish a partial snapshot, of the shards that are left, after the complete one."""
    changes = {"half_removed": lambda: half_removed(group), "removed": lambda: group.remove("quicker")}
    slower, folder = overtaken(group, method, changes[change]), tmp_path / "slower" / ".shards" / GROUP / group.source
    config = MergeConfig()
    merged = fetch_shards(slower, folder, config)
    assert merged is not None
    assert merged.run_id == "quicker"
    assert not folder.exists()
    report_merged_elsewhere(slower, merged, folder, config)  # no error
    assert list(group.held.store.sizes(group.folder)) == [f"{group.folder}/merged.json"]


async def test_shard_that_is_merged_while_it_is_fetched_is_not_to_be_crawled_again(group, tmp_path):
    slower = overtaken(group, "download", lambda: group.remove("quicker"))
    with pytest.raises(SnapshotError, match=f"group {GROUP} is merged already, as run quicker"):
        slower.fetch_shard(Shard(0, 2), tmp_path / "shard")


def test_merge_that_is_overtaken_on_its_own_disk_says_so(tmp_path):
    with pytest.raises(SnapshotError, match="is gone: another process has merged this group, or removed it: run the"):
        merge_group(tmp_path / "gone", MergeConfig())
