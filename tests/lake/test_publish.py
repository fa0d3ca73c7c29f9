"""`registry-crawler publish` to a folder: what is in the lake afterwards, and who can read it."""

import asyncio
import gzip
import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow.dataset
import pytest
from pyarrow import parquet
from support.lake_views import latest, rows
from support.stored_snapshots import golden_records

from crawler.tables.database import table_columns
from crawler.tables.definitions import tables


def files_of(lake: Path) -> dict[str, bytes]:
    return {str(path.relative_to(lake)): path.read_bytes() for path in lake.rglob("*") if path.is_file()}


def url_of(lake: Path) -> str:
    return f"file://{str(lake).replace(' ', '%20')}"


async def query(command, folder, sql):
    ended = await command("query", sql, folder, "--format", "json")
    return json.loads(ended.out)


async def test_lake_has_the_layout_of_the_contract(command, publish, folder_lake):
    folder = publish("2026-11-26")
    run = folder.name.removeprefix("run=")
    ended = await command("publish", folder, "--lake", url_of(folder_lake))
    assert (ended.code, ended.out) == (0, "")
    assert ended.complaint.startswith(f"run {run} in {url_of(folder_lake)}: published 8 tables, ")
    expected = {f"{table}/date=2026-11-26/run={run}/part-00000.parquet" for table in tables()}
    assert set(files_of(folder_lake)) == expected | {f"_runs/{run}.json"}


async def test_lake_has_every_row_of_the_snapshot(command, publish, folder_lake):
    folder = publish()
    await command("publish", folder, "--lake", url_of(folder_lake))
    for table, columns in {
        "repositories": "repository, outcome, tags, observed_at::VARCHAR AS observed_at",
        "tags": "repository, tag, digest",
        "images": "repository, digest, created_at::VARCHAR AS created_at, labels::VARCHAR AS labels",
        "layers": "repository, digest, position, layer_digest",
        "runs": "run_id, verdict, started_at::VARCHAR AS started_at",
    }.items():
        there = await query(command, folder, f"SELECT {columns} FROM {table} ORDER BY ALL")
        assert latest(folder_lake, columns, table) == [tuple(row.values()) for row in there] != []


async def test_pyarrow_and_polars_read_the_lake_without_a_hint(command, publish, folder_lake):
    await command("publish", publish("2026-11-26"), "--lake", url_of(folder_lake))
    empty = publish("2026-11-27", records=[], target="other.example.com")
    await command("publish", empty, "--lake", url_of(folder_lake))
    for table in tables():
        columns = [column.name for column in table_columns(table)]
        by_arrow = pyarrow.dataset.dataset(folder_lake / table, partitioning="hive").to_table()
        by_polars = pl.scan_parquet(folder_lake / table, hive_partitioning=True).collect()
        assert by_arrow.column_names == by_polars.columns == [*columns, "date", "run"]
        assert by_arrow.num_rows == by_polars.height > 0
        assert {str(date) for date in by_polars["date"]} <= {"2026-11-26", "2026-11-27"}
        assert set(by_polars["run"]) == set(by_polars["run_id"])
        # types do not depend on what a night brought
        one, other = (parquet.read_schema(path) for path in sorted((folder_lake / table).rglob("*.parquet")))
        assert one == other
        assert all(field.nullable for field in one)


async def test_parquet_is_zstd_in_row_groups_of_twenty_thousand(command, publish, folder_lake):
    record = {**golden_records()[0], "images": None, "tags": [f"{number}" for number in range(45_000)]}
    await command("publish", publish(records=[record]), "--lake", url_of(folder_lake))
    (path,) = (folder_lake / "tags").rglob("*.parquet")
    metadata = parquet.read_metadata(path)
    groups = [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]
    assert sum(groups) == 45_000
    assert len(groups) == 3
    assert metadata.row_group(0).column(0).compression == "ZSTD"


async def test_publishing_twice_is_once(command, publish, folder_lake):
    folder = publish()
    await command("publish", folder, "--lake", url_of(folder_lake))
    before = files_of(folder_lake)
    again = await command("publish", folder, "--lake", url_of(folder_lake))
    assert again.code == 0
    assert "was published already, at 2" in again.complaint
    assert files_of(folder_lake) == before


async def test_marker_says_what_was_published(command, publish, folder_lake):
    folder = publish()
    await command("publish", folder, "--lake", url_of(folder_lake))
    (path,) = (folder_lake / "_runs").iterdir()
    marker, run = json.loads(path.read_bytes()), json.loads((folder / "_run.json").read_bytes())
    published = marker.pop("lake")
    assert marker == run
    assert (published["format"], published["tool"]["name"]) == ("parquet", "registry-crawler")
    assert [each["table"] for each in published["objects"]][-1] == "runs"
    for each in published["objects"]:
        assert (folder_lake / each["name"]).stat().st_size == each["bytes"]
        assert rows(f"SELECT count(*) FROM read_parquet('{folder_lake / each['name']}')") == [(each["rows"],)]


async def test_json_lines_have_the_same_rows(command, publish, folder_lake):
    folder = publish()
    as_lines = {"REGISTRY_CRAWLER_LAKE__FORMAT": "jsonl"}
    ended = await command("publish", folder, "--lake", url_of(folder_lake), environment=as_lines)
    assert ended.code == 0
    for table in tables():
        (path,) = (folder_lake / table).rglob("*.jsonl.gz")
        found = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
        expected = await query(command, folder, f"SELECT * FROM {table}")
        by_text = {json.dumps(row, sort_keys=True) for row in found}
        assert by_text == {json.dumps(row, sort_keys=True) for row in expected}


async def test_lake_of_the_configuration_is_used(command, publish, folder_lake, tmp_path):
    folder, config = publish(), tmp_path / "config.toml"
    config.write_text(f'[lake]\nurl = "{url_of(folder_lake)}"\nformat = "jsonl"\n', encoding="utf-8")
    ended = await command("publish", folder, "--config", config)
    assert ended.code == 0
    assert len(list(folder_lake.rglob("part-00000.jsonl.gz"))) == len(tables())


async def test_line_that_is_no_record_is_not_published(command, publish, folder_lake):
    folder = publish()
    file = folder / "part-00000.jsonl"
    file.write_bytes(b"{broken\n")
    manifest = json.loads((folder / "_run.json").read_text())
    manifest["files"][0] |= {"bytes": 8, "sha256": hashlib.sha256(b"{broken\n").hexdigest()}
    (folder / "_run.json").write_text(json.dumps(manifest), encoding="utf-8")
    ended = await command("publish", folder, "--lake", url_of(folder_lake))
    assert ended.code == 1
    assert " cannot be written: " in ended.complaint
    assert "Malformed JSON" in ended.complaint
    assert not (folder_lake / "_runs").exists()


async def test_second_format_of_a_run_is_refused_kindly(command, publish, folder_lake):
    folder = publish()
    await command("publish", folder, "--lake", url_of(folder_lake))
    before = files_of(folder_lake)
    ended = await command(
        "publish", folder, "--lake", url_of(folder_lake), environment={"REGISTRY_CRAWLER_LAKE__FORMAT": "jsonl"}
    )
    assert ended.code == 0
    assert ended.complaint.endswith(", as parquet, not as jsonl: a run is published in one format")
    assert files_of(folder_lake) == before


async def test_newest_complete_run_is_the_latest(command, publish, folder_lake):
    for day, verdict, names in (("24", "complete", 2), ("25", "complete", 1), ("26", "partial", 3)):
        folder = publish(f"2026-11-{day}", verdict=verdict, records=golden_records()[:names])
        ended = await command("publish", folder, "--lake", url_of(folder_lake))
        assert ended.code == 0
    assert len(latest(folder_lake, "repository", "repositories")) == 1


async def test_partial_snapshot_must_be_named(command, publish, tmp_path, folder_lake):
    folder = publish(verdict="partial")
    output = ("--output", tmp_path / "snapshots", "--lake", url_of(folder_lake))
    unnamed = await command("publish", *output)
    assert unnamed.code == 1
    assert "the newest partial one is" in unnamed.err
    named = await command("publish", folder.name.removeprefix("run="), *output)
    assert named.code == 0


@pytest.mark.parametrize("change", ["append", "alter"])
async def test_damaged_snapshot_is_not_published(command, publish, folder_lake, change):
    folder = publish()
    file = folder / "part-00000.jsonl"
    content = file.read_bytes()
    file.write_bytes(content + content if change == "append" else content.replace(b'"ok"', b'"OK"', 1))
    ended = await command("publish", folder, "--lake", url_of(folder_lake))
    assert ended.code == 1
    assert "part-00000.jsonl has " in ended.complaint
    assert "nothing is published" in ended.complaint
    assert not folder_lake.exists()


@pytest.mark.parametrize("suffix", [".jsonl.zst"])
async def test_compressed_snapshot_makes_the_same_files(command, publish, tmp_path, suffix):
    digests = set()
    for number, each in enumerate((".jsonl", suffix)):
        folder = publish(suffix=each)
        await command("publish", folder, "--lake", f"file://{tmp_path}/{number}")
        (path,) = (tmp_path / f"{number}" / "layers").rglob("*.parquet")
        columns = "repository, digest, position, layer_digest, size_bytes"
        found = rows(f"SELECT {columns} FROM read_parquet('{path}')")
        digests.add(hashlib.sha256(repr(found).encode()).hexdigest())
    assert len(digests) == 1


async def test_run_of_another_target_with_the_same_id_is_an_error(command, publish, folder_lake):
    folder = publish()
    await command("publish", folder, "--lake", url_of(folder_lake))
    before = files_of(folder_lake)
    manifest = json.loads((folder / "_run.json").read_text())
    (folder / "_run.json").write_text(json.dumps({**manifest, "target": "other.example.com"}))
    ended = await command("publish", folder, "--lake", url_of(folder_lake))
    assert ended.code == 1
    assert "is there already, as a run of registry.example.com" in ended.complaint
    assert files_of(folder_lake) == before


async def test_file_of_another_version_is_replaced_before_the_run_is_visible(command, publish, folder_lake):
    folder = publish()
    await command("publish", folder, "--lake", url_of(folder_lake))
    run = folder.name.removeprefix("run=")
    (folder_lake / "_runs" / f"{run}.json").unlink()
    (runs,) = (folder_lake / "runs").rglob("*.parquet")
    (tags,) = (folder_lake / "tags").rglob("*.parquet")
    whole = tags.read_bytes()
    tags.write_bytes(b"PAR1")
    await command("publish", folder, "--lake", url_of(folder_lake))
    assert tags.read_bytes() == b"PAR1"
    (folder_lake / "_runs" / f"{run}.json").unlink()
    runs.unlink()
    await command("publish", folder, "--lake", url_of(folder_lake))
    assert tags.read_bytes() == whole


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a lake: --lake URL, or lake.url in the configuration"),
        (["--lake", "/srv/lake"], "--lake: lake.url: must be s3://BUCKET/PATH, gs://BUCKET/PATH, az://CONTAINER/PATH"),
        (["--lake", "s3://AKIA:pass-word@bucket"], "must be a URL without a user"),
        (["--lake", "az://box/x?sig=pass-word"], "must be a URL without a user"),
        (["--lake", "file:/srv/lake"], "must be s3://BUCKET/PATH"),
        (["--lake", "s3://bucket:9000/x"], "must be s3://BUCKET/PATH"),
        (["--lake", "s3://bucket/a b"], "must have no spaces and no control characters"),
        (["--lake", "s3://bucket/x\n"], "must have no spaces and no control characters"),
        (["--lake", "file:///srv/lake/../x"], "must have a plain path"),
        (["--lake", "s3://bucket/%2e%2e/x"], "must have a plain path"),
        (["--lake", "s3://bucket//x"], "must have a plain path"),
        (["--lake", "az://box/x"], "lake az://box/x: Generic MicrosoftAzure error: Account must be specified"),
    ],
)
async def test_wrong_lake_is_bad_usage(command, publish, arguments, message):
    ended = await command("publish", publish(), *arguments)
    assert ended.code == 2
    assert message in ended.complaint
    assert "pass-word" not in ended.err


async def test_scheme_may_be_in_capitals(command, publish, folder_lake):
    as_delta = {"REGISTRY_CRAWLER_LAKE__FORMAT": "delta"}
    url = url_of(folder_lake)
    ended = await command("publish", publish(), "--lake", url.replace("file", "FILE"), environment=as_delta)
    assert (ended.code, f" in {url}: published 8 tables" in ended.complaint) == (0, True)


async def test_file_whose_writing_was_killed_is_in_no_table(command, publish, folder_lake):
    killed = """
import pathlib, resource, signal, sys
from crawler.lake.folder import FolderStore
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
FolderStore(pathlib.Path(sys.argv[1])).create(sys.argv[2], bytes(5000))
"""
    folder = publish()
    name = f"tags/date=2026-11-20/{folder.name}/part-00000.parquet"
    ended = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", killed, folder_lake, name], check=False)
    assert ended.returncode == -signal.SIGXFSZ
    assert [path for path in (folder_lake / "tags").rglob("*") if path.is_file()] == []
    assert len(files_of(folder_lake)) == 1
    await command("publish", folder, "--lake", url_of(folder_lake))
    tags = pl.scan_parquet(folder_lake / "tags", hive_partitioning=True).collect()
    assert tags.height == sum(len(record["tags"]) for record in golden_records())


async def test_marker_of_a_later_version_is_read(command, publish, folder_lake):
    folder = publish()
    await command("publish", folder, "--lake", url_of(folder_lake))
    (path,) = (folder_lake / "_runs").iterdir()
    marker = json.loads(path.read_bytes())
    marker["lake"]["objects"][0]["later"] = 1
    path.write_text(json.dumps(marker))
    ended = await command("publish", folder, "--lake", url_of(folder_lake))
    assert (ended.code, "was published already" in ended.complaint) == (0, True)


@pytest.mark.parametrize(
    "described",
    [{"run_id": "../x"}, {"run_id": ".hidden"}, {"run_id": "a=b c"}, {"started_at": "2026-13-01T02:00:00.000Z"}],
)
async def test_run_without_a_name_in_a_lake_is_not_published(command, publish, folder_lake, described):
    folder = publish()
    manifest = json.loads((folder / "_run.json").read_bytes())
    (folder / "_run.json").write_text(json.dumps({**manifest, **described}))
    ended = await command("publish", folder, "--lake", url_of(folder_lake))
    assert ended.code == 1
    assert "has no name in a lake" in ended.complaint
    assert not folder_lake.exists()


async def test_folder_that_cannot_be_written_is_said(command, publish, tmp_path):
    (tmp_path / "file").touch()
    folder = publish()
    ended = await command("publish", folder, "--lake", f"file://{tmp_path}/file/lake")
    assert ended.code == 1
    run = folder.name.removeprefix("run=")
    assert "Not a directory" in ended.complaint
    assert f"run `registry-crawler publish {run} --lake file://{tmp_path}/file/lake`" in ended.complaint


async def test_publishing_leaves_no_temporary_file(command, publish, folder_lake, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    await command("publish", publish(), "--lake", url_of(folder_lake), environment={"TMPDIR": str(scratch)})
    assert list(scratch.iterdir()) == []


async def test_publishing_is_an_event_of_the_log(command, publish, folder_lake):
    folder = publish()
    ended = await command("publish", folder, "--lake", url_of(folder_lake), "--log-format", "json")
    event = json.loads(ended.err)
    assert (event["event"], event["format"], event["is_new"]) == ("published", "parquet", True)
    assert (event["lake"], event["run_id"]) == (url_of(folder_lake), folder.name.removeprefix("run="))
    assert event["rows"] > 0
