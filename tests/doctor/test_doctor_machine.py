"""The machine: open files and memory against the concurrency, and the output folder."""

import errno
from pathlib import Path

import pytest
from support.doctor_runs import config, diagnose, examine
from support.run_cli import MODULE
from support.scripted import plain_registry, serve

from crawler.doctor.advice import advice
from crawler.doctor.machine import memory
from crawler.doctor.output_folder import output_folder
from crawler.errors import SnapshotError
from crawler.model.words import size_text
from crawler.snapshot.locks import FileLocks, NoLocks

MIB = 1024**2


async def test_doctor_machine_open_files_that_are_too_few_for_the_concurrency(command):
    limited = ("sh", "-c", 'ulimit -n 80; exec "$0" "$@"', *MODULE)
    async with serve(plain_registry()) as server:
        found = await diagnose(command, server.host, program=limited)
        mended = await diagnose(command, server.host, "--concurrency", "48", program=limited)
    assert (found.code, found.amiss) == (3, {"open files": "warning"})
    assert found.found("open files") == (
        "this process may open 80 files, which is enough for 48 exchanges in flight of 64"
    )
    assert found.advice("open files") == "run `ulimit -n 96`, or set --concurrency 48 (limits.concurrency)"
    assert (mended.code, mended.amiss) == (0, {})


async def test_doctor_machine_open_files_that_are_too_few_for_any_crawl(command):
    limited = ("sh", "-c", 'ulimit -n 30; exec "$0" "$@"', *MODULE)
    async with serve(plain_registry()) as server:
        found = await diagnose(command, server.host, program=limited)
        crawled = await command("crawl", server.host, "--no-progress", program=limited)
        mended = await diagnose(command, server.host, program=("sh", "-c", 'ulimit -n 96; exec "$0" "$@"', *MODULE))
    assert (found.code, crawled.code) == (1, 2)
    assert (mended.code, mended.amiss) == (0, {})
    assert found.state("open files") == "failure"
    assert found.found("open files") in crawled.err
    assert "LimitNOFILE=" in found.advice("open files")


def cgroups(folder: Path, own: str, **limits: str) -> tuple[Path, Path]:
    """The files of cgroups(7): limits by their path below the mount, `__` for a slash."""
    for name, limit in limits.items():
        file = folder / "mount" / name.replace("__", "/").replace("_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{limit}\n")
    (folder / "own").write_text(own)
    return folder / "mount", folder / "own"


@pytest.mark.parametrize(
    ("own", "limits", "state"),
    [
        ("0::/pod/app\n", {"pod__app__memory_max": str(128 * MIB)}, "warning"),
        ("0::/pod/app\n", {"pod__app__memory_max": str(512 * MIB)}, "ok"),
        ("0::/pod/app\n", {"pod__app__memory_max": "max", "pod__memory_max": str(100 * MIB)}, "warning"),
        ("0::/pod/app\n", {"pod__app__memory_max": "max"}, "skipped"),
        ("0::/\n", {"memory_max": str(200 * MIB)}, "warning"),
        ("0::/\n", {}, "skipped"),
    ],
)
def test_doctor_machine_memory_of_a_container(own, limits, state, tmp_path):
    finding = memory(config("localhost:1", tmp_path), *cgroups(tmp_path, own, **limits))
    assert finding.state == state


def test_doctor_machine_memory_of_cgroups_version_1(tmp_path):
    mount, own = cgroups(tmp_path, "4:cpu,cpuacct:/other\n9:memory:/pod\n")
    limit = mount / "memory" / "pod" / "memory.limit_in_bytes"
    limit.parent.mkdir(parents=True)
    for bytes_, state in (("9223372036854771712", "skipped"), (str(64 * MIB), "warning")):
        limit.write_text(bytes_)
        assert memory(config("localhost:1", tmp_path), mount, own).state == state


def test_doctor_machine_memory_advice_makes_it_pass(tmp_path):
    places = cgroups(tmp_path, "0::/\n", memory_max=str(200 * MIB))
    finding = memory(config("localhost:1", tmp_path), *places)
    assert finding.found == "200 MiB are allowed, and a crawl needs about 224 MiB"
    assert finding.advice.startswith("allow 224 MiB ")
    assert finding.advice.endswith("or set --concurrency 40 (limits.concurrency)")
    assert memory(config("localhost:1", tmp_path, limits={"concurrency": 40}), *places).state == "ok"
    allowed = cgroups(tmp_path, "0::/\n", memory_max=str(224 * MIB))
    assert memory(config("localhost:1", tmp_path), *allowed).state == "ok"


# -------------------------------------------------------------------------------------------------- the output folder


async def test_doctor_output_folder_with_a_file_in_the_way(command):
    (command.folder / "file").write_text("in the way")
    async with serve(plain_registry()) as server:
        found = await diagnose(command, server.host, "--output", "file/snapshots")
        crawled = await command("crawl", server.host, "--output", "file/snapshots", "--no-progress")
        mended = await diagnose(command, server.host, "--output", "snapshots")
    assert (found.code, crawled.code) == (1, 1)
    assert found.amiss == {"output folder": "failure"}
    assert "Not a directory" in found.found("output folder")
    assert found.advice("output folder") == "name a folder that this user may write with --output (output.path)"
    assert (mended.code, mended.amiss) == (0, {})


async def test_doctor_output_folder_is_tried_where_the_registry_is_not_reached(dead_port, tmp_path):
    (tmp_path / "snapshots").write_text("in the way")
    found = await examine(config(dead_port, tmp_path))
    assert found.amiss == {"connection": "failure", "output folder": "failure"}


async def test_doctor_output_folder_keeps_its_snapshots_and_unfinished_runs(command):
    async with serve(plain_registry()) as server:
        await command("crawl", server.host, "--no-progress")
        before = sorted(path.relative_to(command.folder) for path in command.folder.rglob("*"))
        found = await diagnose(command, server.host)
    assert (found.code, found.amiss) == (0, {})
    assert sorted(path.relative_to(command.folder) for path in command.folder.rglob("*")) == before


async def test_doctor_output_folder_is_not_tried_for_standard_output(command):
    async with serve(plain_registry()) as server:
        found = await diagnose(command, server.host, "--output", "-")
    assert (found.code, found.found("output folder")) == (0, "records go to standard output")


class NoneSupported:
    """A file system without locks."""

    def take(self, folder):
        raise SnapshotError(f"{folder}: the file system has no locks (No locks available): use --no-lock")

    def is_held(self, folder):
        return False


def plenty(_):
    return 10**12


def test_doctor_output_folder_without_locks(tmp_path):
    settings = config("localhost:5000", tmp_path)
    with pytest.raises(SnapshotError) as refused:
        output_folder(settings, settings.registry[0], NoneSupported(), plenty)
    assert advice(settings.registry[0], "", refused.value).startswith("use --no-lock (output.lock = false)")
    mended = output_folder(settings, settings.registry[0], NoLocks(), plenty)
    assert (mended.state, "without a lock" in mended.found) == ("ok", True)
    assert not settings.output.path.exists()


@pytest.mark.parametrize(("name", "factor"), [("part-00000.jsonl", 2), ("part-00000.jsonl.zst", 20)])
def test_doctor_output_folder_needs_room_for_the_journal_and_its_copy(name, factor, tmp_path):
    settings = config("localhost:5000", tmp_path)
    part = settings.output.path / "source=localhost%3A5000" / "date=2026-11-26" / "run=20261126T020000Z-1f6c" / name
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 3 * MIB)
    full = output_folder(settings, settings.registry[0], FileLocks(), lambda _: factor * 3 * MIB - 1)
    freed = output_folder(settings, settings.registry[0], FileLocks(), lambda _: factor * 3 * MIB)
    assert (full.state, freed.state) == ("warning", "ok")
    assert f"a crawl needs about {size_text(factor * 3 * MIB)}" in full.found
    assert "`registry-crawler runs prune`" in full.advice


def test_doctor_output_folder_needs_less_room_for_a_compressed_copy(tmp_path):
    plain = config("localhost:5000", tmp_path)
    settings = plain.model_copy(update={"output": plain.output.model_copy(update={"compression": "zstd"})})
    part = settings.output.path / "source=localhost%3A5000/date=2026-11-26/run=20261126T020000Z-1f6c/part-00000.jsonl"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 10 * MIB)
    for free, state in ((11 * MIB - 1, "warning"), (11 * MIB, "ok")):
        assert output_folder(settings, settings.registry[0], FileLocks(), lambda _, free=free: free).state == state


def test_doctor_output_folder_that_cannot_be_measured(tmp_path):
    settings = config("localhost:5000", tmp_path)

    def failing(folder):
        raise OSError(errno.EIO, "Input/output error", str(folder))

    with pytest.raises(SnapshotError, match="Input/output error"):
        output_folder(settings, settings.registry[0], FileLocks(), failing)
    assert list(tmp_path.iterdir()) == []
