"""The README's blocks, run as they stand wherever they can run here; one that nobody knows how to treat is a failure.

What is not here is replaced: Google by its emulator, `localhost:5000` by a registry of Debian's. The blocks of *Every
night* are tried by test_scheduling.
"""

import gzip
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.distribution import Htpasswd, make_certificates, open_registry, push
from support.distribution.process import may_skip
from support.readme import README, Block, blocks
from support.run_cli import ONE_TRY, SCRIPT, CommandResult, CommandRunner
from support.run_folders import left_by_a_kill
from support.snapshots import read_snapshot

from crawler.model.image import Image
from crawler.model.record import Problem, Record

ROOT = README.parent
PROGRAM = re.compile(r"\bregistry-crawler(?= (crawl|emulator|runs))")
STORED = {"team/app": ["1.0", "latest"], "team/base": ["2"]}


needs_programs = pytest.mark.skipif(
    may_skip(os.environ) and not all(map(shutil.which, ("jq", "docker-registry"))),
    reason="jq or docker-registry is not installed (Debian: apt install jq docker-registry)",
)


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a block is run: in the command's folder, with an emulator on demand."""

    command: CommandRunner
    google: Callable[..., Awaitable[Any]]
    dead_port: str

    @property
    def folder(self) -> Path:
        return self.command.folder

    async def shell(self, script: str) -> CommandResult:
        """Run lines of a shell, of which the first that fails ends them."""
        program = shlex.quote(*SCRIPT)
        return await self.command("-ec", PROGRAM.sub(program, script), program=("/bin/sh",), environment=ONE_TRY)

    async def google_snapshot(self, **settings: Any) -> Any:
        """A snapshot of an emulator's in the folder; returns the emulator."""
        google = await self.google(**{"repositories": 30, **settings})
        await self.shell(f"registry-crawler crawl {google.emulator.registry} --key-file {google.key_file} || true")
        return google


@pytest.fixture
def stage(command, google, dead_port) -> Stage:
    return Stage(command, google, dead_port)


def lines_of(block: Block) -> list[str]:
    """Without comments, and with those that go on in the next line as one."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [line.partition(" #")[0].strip() for line in lines]


# What is done with a block


async def crawls_google(stage: Stage, block: Block) -> None:
    google = await stage.google(repositories=20)
    shutil.copy(google.key_file, stage.folder / "key.json")
    ended = await stage.shell(block.text.replace("gcr.io/my-project", google.emulator.registry))
    assert ended.code == 0, ended.err
    assert read_snapshot(stage.folder / "snapshots").has_success


async def crawls_by_configuration(stage: Stage, block: Block) -> None:
    google = await stage.google(repositories=20)
    configure(stage.folder, google)
    ended = await stage.shell(block.text)
    assert ended.code == 0, ended.err
    assert read_snapshot(stage.folder / "snapshots").has_success


def configure(folder: Path, google: Any) -> None:
    table = f'[[registry]]\ntarget = "{google.emulator.registry}"\nauth.key_file = "{google.key_file}"\n'
    (folder / "config.toml").write_text(table)


async def crawls_other_registries(stage: Stage, block: Block) -> None:
    local, basic, tls, *others = lines_of(block)
    folder = stage.folder
    certificates = make_certificates(folder / "tls")
    (folder / "password.txt").write_text(f"{Htpasswd().password}\n")
    shutil.copy(certificates.ca_file, folder / "our-ca.pem")
    async with (
        open_registry(folder / "a") as first,
        open_registry(folder / "b", auth=Htpasswd()) as second,
        open_registry(folder / "c", certificates=certificates) as third,
    ):
        for line, registry in ((local, first), (basic, second), (tls, third)):
            await push(registry, STORED)
            ended = await stage.shell(re.sub(r"(?<=crawl )[^ /]+", registry.host, line))
            assert ended.code == 0, ended.err
            assert set(read_snapshot(folder / "snapshots").outcomes.values()) == {"ok"}
    for line in others:  # to hosts that are not here: understood, and nobody answers
        ended = await stage.shell(re.sub(r"(?<=crawl )[^ /]+", stage.dead_port, line))
        assert ended.code == 1, ended.err
        assert f"no connection to {stage.dead_port}" in ended.err


async def streams_records(stage: Stage, block: Block) -> None:
    async with open_registry(stage.folder / "registry") as registry:
        await push(registry, STORED)
        ended = await stage.shell(block.text.replace("localhost:5000", registry.host))
    assert ended.code == 0, ended.err
    records = gzip.decompress((stage.folder / "repositories.jsonl.gz").read_bytes()).splitlines()
    assert {json.loads(line)["repository"] for line in records} == set(STORED)


async def crawls_the_emulator(stage: Stage, block: Block) -> None:
    emulator, crawl = lines_of(block)
    arguments = shlex.split(re.sub(r"--repositories \d+|$", " --repositories 20 ", emulator, count=1))[1:]
    async with stage.command.started(*arguments, "--port", 0, program=SCRIPT) as process:
        address = (await process.stdout.readline()).decode().split()[0]
        await process.stdout.readline()
        ended = await stage.shell(crawl.replace("127.0.0.1:5000", address))
        process.terminate()
        await process.communicate()
    assert ended.code == 0, ended.err
    assert read_snapshot(stage.folder / "snapshots").records


async def discards_a_run(stage: Stage, block: Block) -> None:
    run_id = block.text.split()[-1]
    folder = left_by_a_kill(stage.folder / "snapshots", run_id=run_id)
    ended = await stage.shell(block.text)
    assert ended.code == 0, ended.err
    assert not folder.exists()


async def selects_with_jq(stage: Stage, block: Block) -> None:
    google = await stage.google_snapshot(denied=0.1)
    ended = await stage.shell(block.text)
    assert ended.code == 0, ended.err
    rows = {tuple(line.split("\t")) for line in ended.out.splitlines()}
    outcomes = read_snapshot(stage.folder / "snapshots").outcomes
    denied = {name for name, outcome in outcomes.items() if outcome == "denied"}
    assert {("denied", name, "DENIED") for name in denied} <= rows
    assert not {name for _, name, _ in rows} - set(google.emulator.inventory.names)


async def selects_with_duckdb(stage: Stage, block: Block) -> None:
    await stage.google_snapshot()
    with duckdb.connect() as connection:
        text = block.text.replace("'snapshots/", f"'{stage.folder}/snapshots/")
        inner = text.rstrip().removesuffix(";")
        rows = connection.execute(f"SELECT repository, tags, epoch_ms(uploaded_at) FROM ({inner})").fetchall()
    records = read_snapshot(stage.folder / "snapshots").by_name
    assert [tags for _, tags, _ in rows] == sorted((len(r["tags"]) for r in records.values()), reverse=True)[:3]
    for name, _, uploaded_ms in rows:
        uploaded_at = datetime.fromisoformat(records[name]["images"][0]["uploaded_at"])
        assert uploaded_ms == round(uploaded_at.timestamp() * 1000)


async def is_the_schema_of_a_record(stage: Stage, block: Block) -> None:
    schema = {column["name"]: column for column in json.loads(block.text)}
    assert list(schema) == [field.name for field in fields(Record)]
    kinds = {name: (column["type"], column.get("mode")) for name, column in schema.items()}
    assert kinds.pop("schema") == ("INTEGER", None)
    assert kinds.pop("tags") == ("STRING", "REPEATED")
    assert kinds.pop("observed_at") == ("TIMESTAMP", None)
    nested = {name for name, kind in kinds.items() if kind == ("JSON", None)}
    assert nested == {"images", "children", "problems", "error"}
    assert {kind for name, kind in kinds.items() if name not in nested} == {("STRING", None)}


async def shows_records(stage: Stage, block: Block) -> None:
    await stage.google_snapshot(denied=0.1, vanished=0.1)
    real = {record["outcome"]: record for record in read_snapshot(stage.folder / "snapshots").records}
    shown = [json.loads(line) for line in block.text.splitlines()]
    assert {record["outcome"] for record in shown} == set(real)
    for record in shown:
        assert list(record) == list(real[record["outcome"]])
        assert kinds_of(record) == kinds_of(real[record["outcome"]])
    (image,) = (image for record in shown for image in record["images"] or ())
    assert list(image) == list(next(image for image in real["ok"]["images"]))
    assert set(Image._fields) <= set(image)
    assert {field.name for field in fields(Problem)} >= {"problem", "tag", "digest"}


def kinds_of(record: dict[str, Any]) -> dict[str, type]:
    """The types of those values that no repository may lack."""
    return {key: type(value) for key, value in record.items() if key not in {"images", "children", "suspect"}}


async def shows_a_summary(stage: Stage, block: Block) -> None:
    google = await stage.google(repositories=30, denied=0.1)
    ended = await stage.shell(f"registry-crawler crawl {google.emulator.registry} --key-file {google.key_file} || true")
    assert labels(block.text) <= labels(ended.out + ended.err)


def labels(summary: str) -> set[str]:
    return set(re.findall(r"^  (\w+(?: \w+)?) +", "\n".join(line[:15] for line in summary.splitlines()), re.MULTILINE))


MISTAKEN = """\
[limits]
concurency = 16
rate = "80 per s"

[[registry]]
target = "https://gcr.io/my-project"

[registry.auth]
key_file = "key.json"
"""


async def shows_mistakes(stage: Stage, block: Block) -> None:
    (stage.folder / "config.toml").write_text(MISTAKEN)
    ended = await stage.command(
        "crawl", "--config", "config.toml", environment={"REGISTRY_CRAWLER_LIMITS__ATTEMTPS": "3"}
    )
    assert ended.code == 2
    assert ended.err.splitlines() == block.text.splitlines()


async def runs_as_a_program(stage: Stage, block: Block) -> None:
    google = await stage.google(repositories=5)
    configure(stage.folder, google)
    (stage.folder / "example.py").write_text(block.text)
    ended = await stage.command("example.py", program=(sys.executable,))
    assert (ended.code, ended.err) == (0, "")
    first, *records = ended.out.splitlines()
    snapshot = read_snapshot(stage.folder / "snapshots").folder.relative_to(stage.folder)
    assert first == f"complete {snapshot}"
    assert {line.split()[0] for line in records} == set(google.emulator.inventory.names)


async def shows_a_snapshot(stage: Stage, block: Block) -> None:
    await stage.google_snapshot()
    folder, *files = (line.split()[0] for line in block.text.splitlines())
    real = read_snapshot(stage.folder / "snapshots").folder.relative_to(stage.folder)
    shape = re.compile(r"snapshots/source=[^/]+/date=\d{4}-\d\d-\d\d/run=\d{8}T\d{6}Z-[0-9a-f]{4}/?")
    assert shape.fullmatch(folder)
    assert shape.fullmatch(str(real))
    assert {path.name for path in (stage.folder / real).iterdir()} == set(files)


async def is_in_the_makefile(stage: Stage, block: Block) -> None:
    """`make` knows how it would go about it; done here it would take minutes."""
    for line in lines_of(block):
        ended = await stage.command(*shlex.split(line)[1:], "--dry-run", "--directory", ROOT, program=("make",))
        assert ended.code == 0, ended.err


async def is_a_shells(stage: Stage, block: Block) -> None:
    """For clouds, which are not here: a shell can read it, and no option is cut off by a line that does not go on."""
    ended = await stage.command("-nec", block.text, program=("/bin/sh",))
    assert ended.code == 0, ended.err
    assert all(re.match(r"(gcloud|bq|pip) ", line) for line in lines_of(block))


async def is_said_by_the_crawler(stage: Stage, block: Block) -> None:
    """Lines of a crawl that takes a minute to bring about: the words are those that stand in the code."""
    code = " ".join(re.sub(r"\s+", " ", path.read_text()) for path in sorted(ROOT.glob("crawler/**/*.py")))
    for words in ("every request waits, for at most", "answers again, after", "resuming run"):
        assert words not in block.text or words in code
    assert re.search("every request waits|resuming run", block.text)


async def is_tried_by_test_scheduling(stage: Stage, block: Block) -> None:
    assert block.section == "Every night"


async def is_what_the_soak_prints(stage: Stage, block: Block) -> None:
    text = (ROOT / "tests" / "soak.py").read_text()
    labels = [re.split(r"  +", line)[0] for line in block.text.splitlines() if line]
    assert [label for label in labels if label not in text] == []


TREATED = {
    ("indented", "make demo"): is_in_the_makefile,
    ("indented", "make bench"): is_in_the_makefile,
    ("indented", "registry-crawler crawl gcr.io/my-project"): crawls_google,
    ("indented", "pip install ."): is_a_shells,
    ("indented", "gcloud iam"): is_a_shells,
    ("indented", "gcloud storage"): is_a_shells,
    ("indented", "registry-crawler crawl localhost:5000  "): crawls_other_registries,
    ("indented", "registry-crawler crawl localhost:5000 --output -"): streams_records,
    ("indented", "registry-crawler crawl --config"): crawls_by_configuration,
    ("indented", "registry-crawler runs discard"): discards_a_run,
    ("indented", "registry-crawler emulator"): crawls_the_emulator,
    ("indented", "jq "): selects_with_jq,
    ("indented", "snapshots/source="): shows_a_snapshot,
    ("sql", "SELECT"): selects_with_duckdb,
    ("json", '{"schema":'): shows_records,
    ("json", '[{"name": "schema"'): is_the_schema_of_a_record,
    ("python", "import asyncio"): runs_as_a_program,
    ("", "PARTIAL: "): shows_a_summary,
    ("", "COMPLETE: "): shows_a_summary,
    ("", "registry-crawler: REGISTRY_CRAWLER_"): shows_mistakes,
    ("", "registry-crawler: gcr.io: resuming"): is_said_by_the_crawler,
    ("", "[warning  ]"): is_said_by_the_crawler,
    ("", "exchanges with the registry"): is_what_the_soak_prints,
    ("sh", "#!/bin/sh"): is_tried_by_test_scheduling,
    ("crontab", "MAILTO="): is_tried_by_test_scheduling,
    ("dockerfile", "FROM"): is_tried_by_test_scheduling,
    ("yaml", "apiVersion: v1"): is_tried_by_test_scheduling,
}
"""A block's language and beginning, and what is done with it."""


def treatments(block: Block) -> list[tuple[str, str]]:
    return [key for key in TREATED if key[0] == block.language and block.text.startswith(key[1])]


@pytest.mark.timeout(120)
@needs_programs
@pytest.mark.parametrize("block", [pytest.param(each, id=each.first_line[:40]) for each in blocks()])
async def test_readme_block_is_as_it_says(stage, block):
    (key,) = treatments(block)
    await TREATED[key](stage, block)


def test_readme_has_every_block_that_is_treated():
    assert {key for block in blocks() for key in treatments(block)} == set(TREATED)


def test_readme_blocks_are_found():
    text = "# A\n\n    one\n\n    two\n\ntext\n```toml\nx = 1\n\n    y\n```\n## B\n    three"
    assert blocks(text) == [
        Block("indented", "A", "one\n\ntwo"),
        Block("toml", "A", "x = 1\n\n    y"),
        Block("indented", "B", "three"),
    ]


@needs_programs
async def test_example_file_runs_as_its_first_line_says(stage):
    example = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    async with open_registry(stage.folder / "registry") as registry:
        await push(registry, STORED)
        (stage.folder / "config.example.toml").write_text(example.replace('"localhost:5000"', f'"{registry.host}"'))
        ended = await stage.shell(example.partition("\n")[0].removeprefix("# "))
    assert ended.code == 0, ended.err
    assert set(read_snapshot(stage.folder / "snapshots").outcomes) == set(STORED)
