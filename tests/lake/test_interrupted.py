"""A publisher that ends in the middle: nobody sees half a run, and the next publisher completes it."""

import asyncio
import signal
from dataclasses import dataclass

import pytest
from deltalake import DeltaTable
from support.lake_views import latest
from support.stored_snapshots import golden_records

from crawler.tables.definitions import tables

TABLES = len(tables())


@dataclass(frozen=True)
class End:
    """How a publisher ends: by a signal, while it waits for the answer to a PUT, counted from 1."""

    put: int
    signal: signal.Signals
    form: str = "parquet"

    def __str__(self):
        return f"{self.signal.name}-{self.put}-{self.form}"


@pytest.mark.parametrize(
    "end",
    [
        End(3, signal.SIGKILL),
        End(3, signal.SIGTERM),
        End(TABLES, signal.SIGKILL, "jsonl"),
        End(TABLES + 1, signal.SIGKILL),
    ],
    ids=str,
)
async def test_killed_publisher_leaves_nothing_to_see(command, publish, moto, tmp_path, end):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    folder, lake = publish(), moto.s3()
    environment = {**lake.environment, "REGISTRY_CRAWLER_LAKE__FORMAT": end.form, "TMPDIR": str(scratch)}
    arguments = ("publish", folder, "--lake", lake.url)
    with moto.holding(end.put) as held:
        async with command.started(*arguments, environment=environment) as process:
            assert await asyncio.to_thread(held.wait, 60)
            process.send_signal(end.signal)
            await process.communicate()
        assert process.returncode == (143 if end.signal == signal.SIGTERM else -signal.SIGKILL)
    if end.signal == signal.SIGTERM:  # what parsed records are kept in is left by a kill alone
        assert list(scratch.iterdir()) == []
    half = latest(lake.download(tmp_path / "half"), "tag", "tags", end.form)
    assert (half != []) == (end.put > TABLES), "only the marker may be missing of a run that is visible"
    again = await command(*arguments, environment=environment)
    assert again.code == 0
    assert "published 8 tables" in again.complaint
    whole = lake.download(tmp_path / "whole")
    assert latest(whole, "tag", "tags", end.form) == sorted(
        (tag,) for record in golden_records() for tag in record["tags"]
    )
    assert len(list(whole.rglob("part-*"))) == TABLES


@pytest.mark.parametrize("put", [1, TABLES, TABLES + 1])
async def test_lost_answer_to_a_put_is_no_failure(command, publish, moto, tmp_path, put):
    moto.lose, lake = put, moto.s3()
    folder = publish()
    ended = await command("publish", folder, "--lake", lake.url, environment=lake.environment)
    assert (ended.code, "published 8 tables" in ended.complaint) == (0, True)
    assert len(moto.puts) == TABLES + 2, "one PUT is sent again"
    whole = lake.download(tmp_path / "whole")
    assert len(latest(whole, "repository", "repositories")) == len(golden_records())


@pytest.mark.parametrize("put", [2, 3])
async def test_lost_answer_to_an_entry_of_a_delta_log_adds_the_run_once(command, publish, moto, tmp_path, put):
    moto.lose, lake = put, moto.s3()
    environment = {**lake.environment, "REGISTRY_CRAWLER_LAKE__FORMAT": "delta"}
    ended = await command("publish", publish(), "--lake", lake.url, environment=environment)
    assert (ended.code, "published 8 tables" in ended.complaint) == (0, True)
    table = DeltaTable(lake.download(tmp_path / "whole") / "repositories")
    assert table.to_pyarrow_table().num_rows == len(golden_records())
