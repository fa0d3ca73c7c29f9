"""A lake of Delta tables: each run is in each table once, whoever published it, and whatever ended before."""

import asyncio

import polars as pl
import pytest
from deltalake import DeltaTable
from support.stored_snapshots import golden_records

from crawler.lake.delta import DeltaLake
from crawler.lake.layout import LakeFormat, RunLayout
from crawler.tables.columns import Column, Scalar
from crawler.tables.database import table_columns
from crawler.tables.definitions import tables

DELTA = {"REGISTRY_CRAWLER_LAKE__FORMAT": "delta"}


@pytest.fixture
def folder_lake(tmp_path):
    """Without a space: polars writes one as %20, and looks for that in the folder."""
    return tmp_path / "lake"


def file_url(folder):
    return f"file://{folder}"


async def test_delta_tables_have_every_run_once(command, publish, folder_lake):
    for day, records in (("2026-11-20", None), ("2026-11-21", [])):
        folder = publish(day, records=records)
        for _ in range(2):
            ended = await command("publish", folder, "--lake", file_url(folder_lake), environment=DELTA)
            assert ended.code == 0
    for name in tables():
        table = DeltaTable(folder_lake / name)
        assert table.schema().to_json() == DeltaTable(folder_lake / name, version=1).schema().to_json()
        assert [field.name for field in table.schema().fields] == [
            *(column.name for column in table_columns(name)), "date", "run"
        ]  # fmt: skip
        assert table.metadata().partition_columns == ["date", "run"]
        assert len(table.file_uris()) == 2
        read = pl.read_delta(str(folder_lake / name))
        assert read.height == table.to_pyarrow_table().num_rows
        assert set(read["run"]) == set(read["run_id"])
    images = pl.read_delta(str(folder_lake / "images"))
    expected = sorted(image["digest"] for record in golden_records() for image in record["images"] or [])
    assert sorted(images["digest"]) == expected
    assert images["uploaded_at"].dtype == pl.Datetime("us", "UTC")


async def test_two_publishers_at_once_add_a_run_once(command, publish, folder_lake):
    folder = publish()
    both = await asyncio.gather(
        *(command("publish", folder, "--lake", file_url(folder_lake), environment=DELTA) for _ in range(2))
    )
    assert [ended.code for ended in both] == [0, 0]
    assert sorted("published already" in ended.complaint for ended in both) == [False, True]
    assert pl.read_delta(str(folder_lake / "repositories")).height == 6
    assert pl.read_delta(str(folder_lake / "runs")).height == 1


async def test_data_without_its_entry_in_the_log_is_added_later(command, publish, moto, tmp_path):
    folder, lake = publish(), moto.s3()
    environment = {**lake.environment, **DELTA}
    moto.fail_from = 7  # three tables take two objects each: data, and an entry in the log with the table's metadata
    failed = await command("publish", folder, "--lake", lake.url, environment=environment)
    assert failed.code == 1
    assert f"run `registry-crawler publish {folder.name.removeprefix('run=')} --lake {lake.url}`" in failed.complaint
    assert not any(name.startswith("runs/") for name in lake.objects())
    moto.fail_from = 0
    again = await command("publish", folder, "--lake", lake.url, environment=environment)
    assert again.code == 0
    whole = lake.download(tmp_path / "whole")
    for name in tables():
        assert len(DeltaTable(whole / name).file_uris()) == 1
    assert pl.read_delta(str(whole / "repositories")).height == 6


def test_table_of_an_earlier_version_gets_new_columns(tmp_path):
    lake = DeltaLake(f"file://{tmp_path}/lake", {})
    columns = table_columns("tags")
    for run, known in (("one", columns[:-1]), ("two", columns)):
        layout = RunLayout(run, "2026-11-20", LakeFormat.DELTA)
        lake.add_file("tags", known, layout, size=10, rows=1)
        lake.add_file("tags", known, layout, size=10, rows=1)
    table = DeltaTable(tmp_path / "lake" / "tags")
    assert {field.name for field in table.schema().fields} == {*(each.name for each in columns), "date", "run"}
    assert len(table.file_uris()) == 2
    assert table.version() == 3, "made, one file, one column, one file: a file that is there is not added again"


def test_file_that_was_replaced_is_in_the_log_with_its_size(tmp_path):
    lake = DeltaLake(f"file://{tmp_path}/lake", {})
    layout = RunLayout("one", "2026-11-20", LakeFormat.DELTA)
    for size in (10, 12):
        lake.add_file("tags", [Column("run_id", Scalar("VARCHAR"))], layout, size=size, rows=1)
    assert DeltaTable(tmp_path / "lake" / "tags").get_add_actions().column("size_bytes").to_pylist() == [12]


@pytest.mark.parametrize("cloud", ["gs", "az"], indirect=True)
async def test_delta_tables_in_the_cloud_can_be_read(command, publish, cloud, tmp_path):
    ended = await command("publish", publish(), "--lake", cloud.url, environment={**cloud.environment, **DELTA})
    assert ended.code == 0, ended.err
    copy = cloud.download(tmp_path / "copy")
    assert pl.read_delta(str(copy / "repositories")).height == 6
