"""The documents, replayed: every command in them runs here, and every output in them is compared with a real one.

A block of code that no entry of `TREATMENTS` matches is a failure. Google is replaced by the emulator, and
`localhost:5000` by Debian's docker-registry. `UPDATE_README=1 pytest -n 0 tests/cli/test_readme.py` writes the real
outputs into the documents. test_scheduling runs the crontab and the CronJob; test_documents checks tables and links.
"""

import asyncio
import gzip
import json
import os
import re
import shlex
import shutil
import signal
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.distribution import Htpasswd, make_certificates, open_registry, push
from support.distribution.process import may_skip
from support.document_stage import Stage, lines_of
from support.operation_blocks import OPERATION_TREATMENTS, configure
from support.question_blocks import QUESTION_TREATMENTS
from support.readme import DOCUMENTS, OPERATIONS, README, ROOT, Block, blocks
from support.run_cli import SCRIPT
from support.run_folders import left_by_a_kill, published
from support.scripted import Reply, document, listing_path, on, plain_registry, serve
from support.snapshots import read_snapshot

from crawler.emulator import ArtifactRegistry
from crawler.model.record import Record

STORED = {"team/app": ["1.0", "latest"], "team/base": ["2"]}
SHOWN_REGISTRY = {
    "artifact_registry": ArtifactRegistry(serves="gcr.io", projects=("my-project", "other-project")),
    "today": date(2026, 11, 26),
    "repositories": 120,
    "denied": 0.02,
    "vanished": 0.02,
}
"""The emulator's settings for the crawl that the README shows: gcr.io as it is today."""


needs_programs = pytest.mark.skipif(
    may_skip(os.environ) and not all(map(shutil.which, ("jq", "docker-registry"))),
    reason="jq or docker-registry is not installed (Debian: apt install jq docker-registry)",
)


@pytest.fixture
def stage(command, google, dead_port) -> Stage:
    return Stage(command, google, dead_port)


# Outputs: compared with a real one, apart from what differs between two runs

VOLATILE = [
    (r"\b127\.0\.0\.1(:|%3A)\d+", "HOST"),
    (r"\d{8}T\d{6}Z-[0-9a-f]{4}", "RUN_ID"),
    (r'(date=|observed_at":"|\bat |^)\d{4}-\d\d-\d\d(T[\d:.]+Z)?', r"\1TIME"),
    (r"\d+(\.\d+)? s\b", "N s"),
    (r"[\d,.]+/s(?=$|, set by)", "N/s"),
    (r"(?<=set by ).*", "WHAT"),
    (r"begun .* at TIME, with \d+ records", "begun A WHILE ago at TIME, with N records"),
    (r"; \d+ that were", "; N that were"),
]
"""Patterns of what differs between two runs, and what takes their place in both."""


def without_volatile(text: str) -> str:
    for pattern, placeholder in VOLATILE:
        text = re.sub(pattern, placeholder, text, flags=re.MULTILINE)
    return text


def assert_replayed(block: Block, real: str) -> None:
    """Compare a block with the real output; with UPDATE_README=1 write the real output into the document."""
    if without_volatile(block.text) == without_volatile(real):
        return
    if os.environ.get("UPDATE_README") == "1":
        text = block.document.read_text(encoding="utf-8")
        assert text.count(f"\n{block.text}\n") == 1
        block.document.write_text(text.replace(f"\n{block.text}\n", f"\n{real}\n"), encoding="utf-8")
        return
    assert without_volatile(block.text) == without_volatile(real), "UPDATE_README=1 writes the real output"


async def shows_a_crawl(stage: Stage, block: Block) -> None:
    google = await stage.google(**SHOWN_REGISTRY)
    shutil.copy(google.key_file, stage.folder / "key.json")
    command = block.first_line.removeprefix("$ ")
    host = google.emulator.registry
    crawl = command.replace("gcr.io", host)
    assert crawl != command
    # the emulator has neither Google's host name nor, on a busy machine, its speed
    ended = await stage.shell(f"{crawl} --kind gcr --no-progress || true")
    assert ended.out == ""
    real = ended.err.rstrip("\n").replace(host, "gcr.io").replace(host.replace(":", "%3A"), "gcr.io")
    assert_replayed(block, f"{block.first_line}\n{real}")


async def shows_records(stage: Stage, block: Block) -> None:
    """Each record shown is the record of its repository in a real crawl, field by field."""
    google = await stage.google(**SHOWN_REGISTRY)
    host = google.emulator.registry
    await stage.shell(f"registry-crawler crawl {host}/my-project --kind gcr --key-file {google.key_file} || true")
    records = read_snapshot(stage.folder / "snapshots").by_name
    names = [json.loads(line)["repository"] for line in block.text.splitlines()]
    real = [json.dumps(records[name], separators=(",", ":")) for name in names]
    assert_replayed(block, "\n".join(real).replace(host, "gcr.io"))
    assert len(names) > 1
    assert list(records[names[0]]) == list(Record.__annotations__)


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
    assert_replayed(block, ended.err.rstrip("\n"))


async def shows_a_resumed_run(stage: Stage, block: Block) -> None:
    google = await stage.google(repositories=60, latency_s=0.2, denied=0.5)
    crawl = ("crawl", google.emulator.registry, "--key-file", google.key_file, "--concurrency", 4, "--no-progress")
    async with stage.command.started(*crawl) as process:
        journal = stage.folder / "snapshots" / ".unfinished"
        while not any(b'"denied"' in file.read_bytes() for file in journal.glob("*/*.jsonl")):  # noqa: ASYNC110  (the file is another process's)
            await asyncio.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        await process.communicate()
    ended = await stage.command(*crawl, "--resume")
    (line,) = (line for line in ended.err.splitlines() if "resum" in line and line.startswith("registry-crawler: "))
    assert_replayed(block, line.replace(google.emulator.registry, "gcr.io"))


async def shows_an_outage(stage: Stage, block: Block) -> None:
    """The registry's upstream goes away after the fifth listing, and comes back once the crawl has noticed."""
    repositories = {f"app-{number}": ["1.0"] for number in range(40)}
    unavailable = Reply(status=503, headers=(("Content-Type", "text/plain"),), body=b"no healthy upstream")
    last = on(listing_path("app-4"), document({"name": "app-4", "tags": ["1.0"]}), times=1, then="away")
    script = [last, on(None, unavailable, state="away"), *plain_registry(repositories)]
    async with serve(script) as server:
        crawl = ("crawl", server.host, "--concurrency", 4, "--no-progress")
        async with stage.command.started(*crawl) as process:
            first = await process.stderr.readline()
            server.enter("back")
            _, rest = await process.communicate()
    assert process.returncode == 0, rest
    lines = [line for line in (first + rest).decode().splitlines() if "[warning" in line]
    assert_replayed(block, "\n".join(lines).replace(f"http://{server.host}", "https://registry.example.com"))


# Commands: run as they are


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
    for line in others:  # these hosts are not here: the options are understood, and nothing listens
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
        host = (await process.stdout.readline()).decode().split()[0]
        await process.stdout.readline()
        ended = await stage.shell(crawl.replace("127.0.0.1:5000", host))
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


async def prunes_snapshots(stage: Stage, block: Block) -> None:
    for hour in (1, 2):
        published(stage.folder / "snapshots", f"20261126T0{hour}0000Z-0001", f"2026-11-26T0{hour}:00:00.000Z")
    ended = await stage.shell(block.text)
    assert re.findall(r"1 (?:would be )?dropped", ended.err) == ["1 would be dropped", "1 dropped"], ended.err


async def asks_for_old_images(stage: Stage, block: Block) -> None:
    await stage.google_snapshot()
    ended = await stage.shell(block.text.replace(" gcr.io/my-project", ""))
    assert ended.code == 0, ended.err
    snapshot = read_snapshot(stage.folder / "snapshots")
    uploads = [
        (each["repository"], image["uploaded_at"]) for each in snapshot.records for image in each["images"] or []
    ]
    year_ago = datetime.now(UTC) - timedelta(days=365)
    old = [name for name, time in uploads if time is not None and datetime.fromisoformat(time) < year_ago]
    rows = ended.out.splitlines()[2:]
    assert old
    assert len(rows) == (min(len(old), 10) if "LIMIT 10" in block.text else len(old))
    assert {row.split()[0] for row in rows} <= set(old)


async def finds_the_most_tags(stage: Stage, block: Block) -> None:
    await stage.google_snapshot()
    rows = query(stage, block)
    records = read_snapshot(stage.folder / "snapshots").by_name
    assert [tags for _, tags, _ in rows] == sorted((len(r["tags"]) for r in records.values()), reverse=True)[:3]
    for name, _, uploaded_ms in rows:
        uploaded_at = records[name]["images"][0]["uploaded_at"]
        expected_ms = uploaded_at and round(datetime.fromisoformat(uploaded_at).timestamp() * 1000)
        assert uploaded_ms == expected_ms


def query(stage: Stage, block: Block) -> list[tuple[Any, ...]]:
    """Rows as DuckDB returns them; times as milliseconds, because DuckDB needs pytz to return times with a zone."""
    text = re.sub(r"'snapshots/source=[^/]+", f"'{stage.folder}/snapshots/source=*", block.text)
    if "uploaded_at" in text:
        inner = text.rstrip().removesuffix(";")
        text = f"SELECT * REPLACE (epoch_ms(uploaded_at) AS uploaded_at) FROM ({inner})"
    with duckdb.connect() as connection:
        return connection.execute(text).fetchall()


async def finds_large_untagged_images(stage: Stage, block: Block) -> None:
    await stage.google_snapshot(repositories=60)
    untagged = [
        (record["repository"], image["digest"], image["size_bytes"])
        for record in read_snapshot(stage.folder / "snapshots").records
        for image in record["images"] or ()
        if not image["tags"]
    ]
    found = [row[:3] for row in query(stage, block)]
    assert found
    assert set(found) <= set(untagged)
    assert [size for *_, size in found] == sorted((size or 0 for *_, size in untagged), reverse=True)[:10]


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


async def runs_as_a_test(stage: Stage, block: Block) -> None:
    (stage.folder / "test_example.py").write_text(block.text)
    options = ("-q", "-p", "no:cacheprovider", "-c", ROOT / "pyproject.toml", "--rootdir", ROOT)
    ended = await stage.command("-m", "pytest", *options, stage.folder / "test_example.py", program=(sys.executable,))
    assert (ended.code, "1 passed" in ended.out) == (0, True), ended.out


# What cannot run here: its form is checked


async def shows_a_snapshot(stage: Stage, block: Block) -> None:
    await stage.google_snapshot()
    folder, *files = (line.split()[0] for line in block.text.splitlines())
    real = read_snapshot(stage.folder / "snapshots").folder.relative_to(stage.folder)
    shape = re.compile(r"snapshots/source=[^/]+/date=\d{4}-\d\d-\d\d/run=\d{8}T\d{6}Z-[0-9a-f]{4}/?")
    assert shape.fullmatch(folder)
    assert shape.fullmatch(str(real))
    assert {path.name for path in (stage.folder / real).iterdir()} == set(files)


async def is_for_developers(stage: Stage, block: Block) -> None:
    """Commands that take minutes: every make target, test path and program exists."""
    for line in lines_of(block):
        program, *arguments = (word for word in shlex.split(line) if word != "UPDATE_README=1")
        if program == "make":
            ended = await stage.command(*arguments, "--dry-run", "--directory", ROOT, program=("make",))
            assert ended.code == 0, ended.err
        elif program.startswith(".venv/bin/"):
            paths = [argument for argument in arguments if argument.startswith("tests/")]
            assert [path for path in paths if not (ROOT / path).exists()] == []
            assert shutil.which(Path(program).name, path=Path(sys.executable).parent) is not None
        else:
            assert (ROOT / program).exists()


async def is_a_shells(stage: Stage, block: Block) -> None:
    """For clouds, which are not here: a shell can read it, and each continued line is one command."""
    ended = await stage.command("-nec", block.text, program=("/bin/sh",))
    assert ended.code == 0, ended.err
    assert all(re.match(r"(gcloud|bq) ", line) for line in lines_of(block))


async def is_run_by_test_scheduling(stage: Stage, block: Block) -> None:
    assert (block.document, block.section) in {(README, "Every night"), (OPERATIONS, "Kubernetes")}


async def is_what_the_soak_prints(stage: Stage, block: Block) -> None:
    text = (ROOT / "tests" / "perf" / "soak.py").read_text()
    labels = [re.split(r"  +", line)[0] for line in block.text.splitlines() if line]
    assert [label for label in labels if label not in text] == []


async def is_a_drawing_of_files(stage: Stage, block: Block) -> None:
    named = re.findall(r"\w+/\w+\.py", block.text)
    assert named
    assert [name for name in named if not (ROOT / "crawler" / name).exists()] == []


async def is_a_drawing_of_rooms(stage: Stage, block: Block) -> None:
    rooms = {path.stem for path in (ROOT / "crawler").iterdir()}
    assert {"cli", "run", "discovery", "client", "auth", "transport", "limiter", "verdict"} <= rooms & set(
        re.findall(r"\w+", block.text)
    )


TREATMENTS = {
    **QUESTION_TREATMENTS,
    **OPERATION_TREATMENTS,
    ("console", "$ registry-crawler crawl gcr.io/my-project"): shows_a_crawl,
    ("json", '{"schema":'): shows_records,
    ("", "registry-crawler: REGISTRY_CRAWLER_"): shows_mistakes,
    ("", "registry-crawler: gcr.io: resuming"): shows_a_resumed_run,
    ("", "2026-11-26T"): shows_an_outage,
    ("indented", "registry-crawler crawl gcr.io/my-project"): crawls_google,
    ("indented", "registry-crawler crawl localhost:5000  "): crawls_other_registries,
    ("indented", "registry-crawler crawl localhost:5000 --output -"): streams_records,
    ("indented", "registry-crawler crawl --config"): crawls_by_configuration,
    ("indented", "registry-crawler runs discard"): discards_a_run,
    ("indented", "registry-crawler runs prune"): prunes_snapshots,
    ("indented", "registry-crawler emulator"): crawls_the_emulator,
    ("indented", "registry-crawler query"): asks_for_old_images,
    ("sql", "SELECT repository, len(tags)"): finds_the_most_tags,
    ("sql", "SELECT repository, image.digest"): finds_large_untagged_images,
    ("python", "import asyncio"): runs_as_a_program,
    ("python", "import crawler\nfrom support"): runs_as_a_test,
    ("indented", "snapshots/source="): shows_a_snapshot,
    ("indented", "gcloud "): is_a_shells,
    ("indented", "make "): is_for_developers,
    ("indented", ".venv/bin/"): is_for_developers,
    ("indented", ".ci/run"): is_for_developers,
    ("indented", "UPDATE_README=1 "): is_for_developers,
    ("", "exchanges with the registry"): is_what_the_soak_prints,
    ("indented", "cli ──"): is_a_drawing_of_rooms,
    ("indented", "run/shards.py: join ──"): is_a_drawing_of_files,
    ("indented", "transport/request_bytes.py ──"): is_a_drawing_of_files,
    ("sh", "#!/bin/sh"): is_run_by_test_scheduling,
    ("crontab", "MAILTO="): is_run_by_test_scheduling,
    ("dockerfile", "FROM"): is_run_by_test_scheduling,
    ("yaml", "apiVersion: v1"): is_run_by_test_scheduling,
}
"""How a block is tested, by its language and its beginning."""

BLOCKS = [block for each in DOCUMENTS for block in blocks(each)]


def treatment_of(block: Block) -> tuple[str, str]:
    """The block's language, and the longest of the beginnings that it has."""
    keys = [key for key in TREATMENTS if key[0] == block.language and block.text.startswith(key[1])]
    return max(keys, key=lambda key: len(key[1]))


@pytest.mark.timeout(120)
@needs_programs
@pytest.mark.parametrize(
    "block", [pytest.param(each, id=f"{each.document.stem}: {each.first_line[:40]}") for each in BLOCKS]
)
async def test_readme_block_is_true(stage, block):
    await TREATMENTS[treatment_of(block)](stage, block)


def test_readme_has_a_block_for_every_treatment():
    assert {treatment_of(block) for block in BLOCKS} == set(TREATMENTS)


@needs_programs
async def test_example_file_runs_as_its_first_line_says(stage):
    example = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    async with open_registry(stage.folder / "registry") as registry:
        await push(registry, STORED)
        (stage.folder / "config.example.toml").write_text(example.replace('"localhost:5000"', f'"{registry.host}"'))
        ended = await stage.shell(example.partition("\n")[0].removeprefix("# "))
    assert ended.code == 0, ended.err
    assert set(read_snapshot(stage.folder / "snapshots").outcomes) == set(STORED)
