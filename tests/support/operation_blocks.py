"""How the blocks of OPERATIONS.md about doctor, plan, deploy and metrics are tested."""

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

from support.document_stage import Stage, lines_of
from support.question_blocks import Treatment
from support.readme import ROOT, Block


def configure(folder: Path, google: Any) -> None:
    registry = f'[[registry]]\ntarget = "{google.emulator.registry}"\nauth.key_file = "{google.key_file}"\n'
    (folder / "config.toml").write_text(registry)


async def writes_a_configuration(stage: Stage, block: Block) -> None:
    (stage.folder / "key.json").write_text("{}")
    ended = await stage.shell(block.text)
    assert ended.code == 0, ended.err
    assert (stage.folder / "config.toml").exists()


async def is_printed(stage: Stage, block: Block) -> None:
    """Each line prints what to apply; tests/deploy applies it."""
    (stage.folder / "config.toml").write_text('registry.target = "gcr.io/my-project"')
    for line in lines_of(block):
        ended = await stage.shell(re.sub(r" (\||>|&&) .*", "", line))
        assert ended.code == 0, ended.err
        assert ended.out


async def is_built_by_test_containerfile(stage: Stage, block: Block) -> None:
    (line,) = lines_of(block)
    assert (ROOT / shlex.split(line)[3]).exists()


async def tries_every_step(stage: Stage, block: Block) -> None:
    google = await stage.google(repositories=5)
    configure(stage.folder, google)
    for line in lines_of(block):
        ended = await stage.shell(line.replace("gcr.io/my-project --key-file key.json", "--config config.toml"))
        assert ended.code in {0, 3}, ended.err
        assert ended.err == ""


async def shows_what_doctor_finds(stage: Stage, block: Block) -> None:
    """Its lines name steps that doctor has."""
    google = await stage.google(repositories=5)
    configure(stage.folder, google)
    ended = await stage.shell("registry-crawler doctor --config config.toml --format json")
    steps = {step["name"] for step in json.loads(ended.out)["steps"]}
    shown = re.findall(r"^  (?:ok|WARN|FAIL|skipped) +(.+?)  ", block.text, re.MULTILINE)
    assert shown
    assert {name for names in shown for name in names.split(", ")} <= steps


async def says_what_a_crawl_would_cost(stage: Stage, block: Block) -> None:
    google = await stage.google(repositories=5)
    configure(stage.folder, google)
    for line in lines_of(block):
        ended = await stage.shell(line.replace("gcr.io/my-project --key-file key.json", "--config config.toml"))
        assert (ended.code, ended.err) == (0, "")
        assert ended.out


async def shows_a_plan(stage: Stage, block: Block) -> None:
    """Its lines begin with words that a plan has."""
    google = await stage.google(repositories=5)
    configure(stage.folder, google)
    ended = await stage.shell("registry-crawler plan --config config.toml --depth configs")
    words = {line.split()[0] for line in ended.out.splitlines()}
    assert {line.split()[0] for line in block.text.splitlines()} <= words


async def crawls_with_metrics(stage: Stage, block: Block) -> None:
    google = await stage.google(repositories=5)
    shutil.copy(google.key_file, stage.folder / "key.json")
    ended = await stage.shell(block.text.replace("gcr.io/my-project", google.emulator.registry))
    assert ended.code == 0, ended.err
    written = (stage.folder / "registry.prom").read_text(encoding="utf-8")
    assert ended.out == written


async def crawls_with_a_cache_in_a_lake(stage: Stage, block: Block) -> None:
    google = await stage.google(repositories=3)
    lake = stage.folder / "lake"
    lake.mkdir()
    line = block.text.replace("gcr.io/my-project", google.emulator.registry).replace("key.json", str(google.key_file))
    ended = await stage.shell(line.replace("s3://my-bucket/caches", f"file://{lake}"))
    assert ended.code == 0, ended.err
    assert (lake / "digests.sqlite").stat().st_size


async def crawls_in_shards(stage: Stage, block: Block) -> None:
    google = await stage.google(repositories=20, listings="plain")
    registry = f"{google.emulator.registry} --key-file {google.key_file}"
    ended = await stage.shell(block.text.replace("localhost:5000", registry))
    assert ended.code == 0, ended.err
    assert "merged: COMPLETE: 20 repositories" in ended.err


async def crawls_on_ray(stage: Stage, block: Block) -> None:
    google = await stage.google(repositories=20, listings="plain")
    registry = f"{google.emulator.registry} --key-file {google.key_file}"
    text = block.text.replace("localhost:5000", registry).replace("--workers 4", "--workers 2")
    ended = await stage.shell(text)
    assert ended.code == 0, ended.err
    assert "COMPLETE" in ended.err
    assert "repositories 20:" in ended.err


async def crawls_shards_into_a_lake(stage: Stage, block: Block) -> None:
    google = await stage.google(repositories=20, listings="plain")
    registry = f"{google.emulator.registry} --key-file {google.key_file}"
    text = block.text.replace("gcr.io/my-project --key-file key.json", registry)
    ended = await stage.shell(text.replace("s3://my-bucket/registry", f"file://{stage.folder}/lake"))
    assert ended.code == 0, ended.err
    assert "merged: COMPLETE: 20 repositories" in ended.err


OPERATION_TREATMENTS: dict[tuple[str, str], Treatment] = {
    ("indented", "registry-crawler init"): writes_a_configuration,
    ("indented", "registry-crawler plan"): says_what_a_crawl_would_cost,
    ("", "PLAN: gcr.io/my-project"): shows_a_plan,
    ("indented", "registry-crawler crawl gcr.io/my-project --key-file key.json --metrics"): crawls_with_metrics,
    (
        "indented",
        "registry-crawler crawl gcr.io/my-project --key-file key.json --depth configs --cache",
    ): crawls_with_a_cache_in_a_lake,
    ("indented", "GROUP=$(date"): crawls_in_shards,
    ("indented", "LAKE=s3"): crawls_shards_into_a_lake,
    ("indented", "registry-crawler crawl localhost:5000 --engine"): crawls_on_ray,
    ("indented", "registry-crawler deploy"): is_printed,
    ("indented", "podman build"): is_built_by_test_containerfile,
    ("indented", "registry-crawler doctor"): tries_every_step,
    ("", "gcr.io/my-project\n  ok"): shows_what_doctor_finds,
}
"""By a block's language and its beginning."""
