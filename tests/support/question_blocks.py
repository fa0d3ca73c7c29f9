"""How the blocks of QUESTIONS.md and LAKE.md are tested: against snapshots on the disk, as they are written."""

import json
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import duckdb

from support import pods
from support.document_stage import Stage, lines_of
from support.readme import Block
from support.stored_snapshots import Record, SnapshotWriter, golden_records

TARGET = "gcr.io/my-project"
BUCKET = "s3://my-bucket/registry"


def two_nights(folder: Path) -> list[Path]:
    """A snapshot of 20 November 2026, one of the 26th in which tags moved and a repository is gone, and a mirror's."""
    write = SnapshotWriter(folder / "snapshots")
    records = golden_records()
    return [
        write("2026-11-20", target=TARGET),
        write("2026-11-26", target=TARGET, records=[_with_a_moved_tag(record) for record in records[1:]]),
        write("2026-11-26", target="mirror.example.com/copies", records=records),
    ]


async def asks_snapshots(stage: Stage, block: Block) -> None:
    """Every line has an answer; --fail-on may have found something."""
    two_nights(stage.folder)
    (stage.folder / "www").mkdir()
    text = block.text.replace("trivy image", "echo").replace("/srv/www", "www")
    text = re.sub(r"^registry-crawler crawl \S+ &&", "", text, flags=re.MULTILINE)
    text = re.sub(r"^pip install .*$", "", text, flags=re.MULTILINE)
    for line in filter(None, text.splitlines()):
        named = line if "gcr.io" in line or "mirror" in line else f"export REGISTRY_CRAWLER_OUTPUT__PATH=one; {line}"
        _only_one_target(stage.folder)
        ended = await stage.shell(named)
        assert ended.code in {0, 4}, (line, ended.err)
        written = [path.read_text(encoding="utf-8") for path in stage.folder.rglob("*.html")]
        written += [path.read_text(encoding="utf-8") for path in stage.folder.glob("*.md")]
        assert ended.out or any(written), line


def _with_a_moved_tag(record: Record) -> Record:
    """The record, in which the tags of the first image have another image."""
    first, *others = record["images"] or [None]
    return record if first is None else {**record, "images": [{**first, "digest": f"sha256:{'f' * 64}"}, *others]}


def _only_one_target(folder: Path) -> None:
    """A folder with the snapshots of one target alone, for commands that name none."""
    (folder / "one").mkdir(exist_ok=True)
    link = folder / "one" / "source=gcr.io%2Fmy-project"
    if not link.exists():
        link.symlink_to(folder / "snapshots" / link.name)


async def is_a_question_of_ones_own(stage: Stage, block: Block) -> None:
    two_nights(stage.folder)
    (stage.folder / "my-questions").mkdir()
    (stage.folder / "my-questions" / "exposed-ports.sql").write_text(block.text, encoding="utf-8")
    command = "registry-crawler audit exposed-ports gcr.io/my-project --questions my-questions --format csv"
    ended = await stage.shell(command)
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[0] == "answer,repository,digest,why"


async def asks_a_question_of_ones_own(stage: Stage, block: Block) -> None:
    """The file is the block above it."""
    assert lines_of(block) == ["registry-crawler audit exposed-ports --questions my-questions --set port=443/tcp"]


async def reads_an_open_snapshot(stage: Stage, block: Block) -> None:
    folder = two_nights(stage.folder)[1]
    text = re.sub(r'open_snapshot\(\s*"[^"]+"\s*\)', f"open_snapshot({str(folder)!r})", block.text)
    (stage.folder / "example.py").write_text(f"{text}\nprint(images.num_rows, latest.num_rows)\n", encoding="utf-8")
    ended = await stage.command("example.py", program=(sys.executable,))
    assert (ended.code, ended.err) == (0, ""), ended.err
    assert ended.out.splitlines()[0].startswith("complete ")


async def publishes_to_a_lake(stage: Stage, block: Block) -> None:
    """The first line crawls, and the second one publishes what a night before took."""
    crawl, publish = lines_of(block)
    two_nights(stage.folder)
    google = await stage.google(repositories=3)
    lake = _lake(stage)
    crawl = crawl.replace(TARGET, google.emulator.registry).replace("key.json", str(google.key_file))
    for line in (crawl, publish):
        ended = await stage.shell(line.replace(BUCKET, lake))
        assert ended.code == 0, ended.err
    assert len(list((stage.folder / "lake" / "_runs").iterdir())) == 2


async def judges_a_cleanup(stage: Stage, block: Block) -> None:
    """The cluster is a file with its pods."""
    two_nights(stage.folder)
    _only_one_target(stage.folder)
    listed = pods.listed(pods.pod("a", "gcr.io/my-project/app:1"))
    for name in ("pods.json", "blue.json", "green.json"):
        (stage.folder / name).write_text(listed)
    old = [{"name": "old", "action": {"type": "Delete"}, "condition": {"olderThan": "30d"}}]
    (stage.folder / "policy.json").write_text(json.dumps(old))
    text = re.sub(r"kubectl .*-o json", "cat pods.json", block.text.replace("&&\n", "&& "))
    for line in filter(None, text.splitlines()):
        ended = await stage.shell(f"export REGISTRY_CRAWLER_OUTPUT__PATH=one; {line}")
        assert ended.code in {0, 4}, (line, ended.err)
        assert ended.out or "> " in line


async def is_a_policy(stage: Stage, block: Block) -> None:
    two_nights(stage.folder)
    (stage.folder / "policy.toml").write_text(block.text)
    ended = await stage.shell(f"registry-crawler audit cleanup {TARGET} --policy policy.toml")
    assert ended.code == 0, ended.err
    assert "nothing was deleted" in ended.err


async def prunes_a_lake(stage: Stage, block: Block) -> None:
    await _published(stage, "parquet")
    for line in lines_of(block):
        ended = await stage.shell(f"{line.replace(BUCKET, _lake(stage))} --keep-daily 1")
        assert ended.code == 0, ended.err
        assert "1 snapshot kept" in ended.err


async def shows_objects_of_a_lake(stage: Stage, block: Block) -> None:
    await _published(stage, "parquet")
    found = {str(path.relative_to(stage.folder / "lake")) for path in (stage.folder / "lake").rglob("*.*")}
    for line in lines_of(block):
        shape = re.escape(line.removeprefix(f"{BUCKET}/")).replace("20261126T020000Z\\-1f6c", r"\w+-\w+")
        assert [name for name in found if re.fullmatch(shape, name)], line


async def reads_the_lake_with_duckdb(stage: Stage, block: Block) -> None:
    """The views of the block, and the one that `schema` prints, show the newest snapshot of each target."""
    await _published(stage, "parquet")
    view = await stage.shell("registry-crawler schema latest_images --for duckdb")
    with duckdb.connect() as connection:
        connection.execute(block.text.replace(BUCKET, str(stage.folder / "lake")))
        connection.execute(view.out)
        days = connection.execute("SELECT DISTINCT target, date FROM latest_images ORDER BY ALL").fetchall()
    assert [(target, str(day)) for target, day in days] == [
        (TARGET, "2026-11-26"),
        ("mirror.example.com/copies", "2026-11-26"),
    ]


async def prints_a_view(stage: Stage, block: Block) -> None:
    ended = await stage.shell(block.text)
    assert ended.out.startswith("CREATE OR REPLACE VIEW latest_images AS")


async def reads_the_lake_in_python(stage: Stage, block: Block) -> None:
    await _published(stage, "delta" if "deltalake" in block.text else "parquet")
    lines = filter(None, block.text.replace(BUCKET, "lake").splitlines())
    script = "\n".join(line if line.startswith("import") else f"print(len({line}))" for line in lines)
    # what is tested is the reading: the threads of pyarrow, beside deltalake's, now and then abort a process at its end
    script = f"import os, sys\n{script}\nsys.stdout.flush()\nos._exit(0)\n"
    (stage.folder / "example.py").write_text(script, encoding="utf-8")
    ended = await stage.command("example.py", program=(sys.executable,))
    assert (ended.code, ended.err) == (0, ""), ended.err
    assert {int(line) for line in ended.out.split()} == {_images(stage)}


async def makes_a_table_for_athena(stage: Stage, block: Block) -> None:
    ended = await stage.shell(block.text)
    assert ended.code == 0, ended.err
    statement = (stage.folder / "images.sql").read_text(encoding="utf-8")
    assert statement.startswith("CREATE EXTERNAL TABLE registry.images (\n`run_id` string,\n")
    assert "PARTITIONED BY (`date` string, `run` string) STORED AS PARQUET" in statement


async def is_anothers(stage: Stage, block: Block) -> None:
    """For engines and clouds that are not here: what it reads is what the lake has."""
    assert re.search(r"registry/images|aws configure|MSCK", block.text)


def _lake(stage: Stage) -> str:
    (stage.folder / "lake").mkdir(exist_ok=True)
    return f"file://{stage.folder}/lake"


async def _published(stage: Stage, form: str) -> None:
    for folder in two_nights(stage.folder):
        ended = await stage.shell(
            f"REGISTRY_CRAWLER_LAKE__FORMAT={form} registry-crawler publish {folder} --lake {_lake(stage)}"
        )
        assert ended.code == 0, ended.err


def _images(stage: Stage) -> int:
    records = golden_records()
    gone = len(records[0]["images"] or ())
    return 3 * sum(len(record["images"] or ()) for record in records) - gone


Treatment = Callable[[Stage, Block], Awaitable[None]]

QUESTION_TREATMENTS: dict[tuple[str, str], Treatment] = {
    ("indented", "registry-crawler audit"): asks_snapshots,
    ("indented", "registry-crawler audit exposed-ports"): asks_a_question_of_ones_own,
    ("sql", "-- question: "): is_a_question_of_ones_own,
    ("indented", "registry-crawler diff"): asks_snapshots,
    ("indented", "registry-crawler crawl gcr.io/my-project &&"): asks_snapshots,
    ("indented", "pip install 'registry-crawler[report]'"): asks_snapshots,
    ("indented", "registry-crawler report"): asks_snapshots,
    ("python", "import pyarrow\n\nimport crawler"): reads_an_open_snapshot,
    (
        "indented",
        "registry-crawler crawl gcr.io/my-project --key-file key.json --depth configs --lake",
    ): publishes_to_a_lake,
    ("indented", "registry-crawler runs prune --lake"): prunes_a_lake,
    ("indented", "registry-crawler audit cleanup"): judges_a_cleanup,
    ("indented", "kubectl "): judges_a_cleanup,
    ("toml", "keep_tags"): is_a_policy,
    ("indented", f"{BUCKET}/images/"): shows_objects_of_a_lake,
    ("sql", "CREATE VIEW images AS"): reads_the_lake_with_duckdb,
    ("indented", "registry-crawler schema"): prints_a_view,
    ("python", "import polars, pyarrow.dataset"): reads_the_lake_in_python,
    ("python", "import deltalake"): reads_the_lake_in_python,
    ("indented", "{ echo"): makes_a_table_for_athena,
    ("indented", "eval "): is_anothers,
    ("indented", "bq load"): is_anothers,
    ("sql", "CREATE EXTERNAL TABLE"): is_anothers,
    ("sql", "CREATE TABLE images USING parquet"): is_anothers,
    ("sql", "ATTACH 'ducklake:"): is_anothers,
}
"""By a block's language and its beginning; the longest beginning is a block's own."""
