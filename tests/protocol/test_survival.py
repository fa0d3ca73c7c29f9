"""Kills, signals, full disks and internal errors: nothing is lost, and no half of a snapshot is published."""

import asyncio
import json
import resource
import signal
import sys

import pytest
from perf.soak import Storm, crawl_through
from support.inventories import comparable, expected
from support.killed_runs import SLOW, interrupted, journals, start, until_recorded
from support.snapshots import folders, read_snapshot

import crawler
import crawler.registry.registry

COMMAND = [sys.executable, "-m", "crawler", "crawl"]


async def finish(google, *options: str, **how) -> tuple[int, str, str]:
    process = await start(google, *options, **how)
    stdout, stderr = await process.communicate()
    assert process.returncode is not None
    return process.returncode, stdout.decode(), stderr.decode()


async def test_resume_after_a_kill_keeps_the_run_id_and_lists_nothing_twice(google):
    registry = await google(**SLOW)
    assert (await interrupted(registry, signal.SIGKILL))[0] == -signal.SIGKILL
    run_id = journals(registry)[0].parent.name
    recorded = journals(registry)[0].read_bytes().count(b"\n")
    before = registry.emulator.counts["listing"]
    code, _, stderr = await finish(registry, "--resume")
    snapshot = read_snapshot(registry.output)
    assert (code, snapshot.manifest["run_id"], snapshot.manifest["verdict"]) == (0, run_id, "complete")
    begun, resumed_at = snapshot.manifest["started_at"], snapshot.manifest["resumed_at"]
    assert begun < resumed_at[0] < snapshot.manifest["finished_at"]
    assert len(resumed_at) == 1
    assert f"resuming run {run_id}, begun " in stderr
    assert f" at {begun}, with {recorded} records" in stderr
    assert f"  resumed      at {resumed_at[0]}; begun at {begun}" in stderr
    assert comparable(snapshot.by_name) == expected(registry.emulator.inventory)
    assert registry.emulator.counts["listing"] - before == 300 - recorded
    assert not journals(registry)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_signal_stops_the_run_and_one_line_says_how_to_resume(google, number, code):
    registry = await google(**SLOW)
    ended, stderr = await interrupted(registry, number)
    assert ended == code
    assert "rerun with --resume to continue" in stderr.splitlines()[-1]
    assert "Traceback" not in stderr
    assert not folders(registry.output)
    assert (await finish(registry, "--resume"))[0] == 0
    assert comparable(read_snapshot(registry.output).by_name) == expected(registry.emulator.inventory)


async def test_signal_lets_requests_in_flight_finish(google):
    registry = await google(**SLOW)
    await interrupted(registry, signal.SIGTERM)
    assert registry.emulator.counts["listing"] == journals(registry)[0].read_bytes().count(b"\n")


async def test_signal_repeated_ends_the_process_at_once(google):
    registry = await google(repositories=300, latency_s=0.3)
    process = await start(registry)
    await until_recorded(registry, 1)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert b"once more ends at once" in await process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, rest = await process.communicate()
    assert (process.returncode, rest) == (130, b"")


async def test_signal_ends_a_run_whose_registry_does_not_respond(tmp_path):
    connected = asyncio.Event()

    async def never_respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(never_respond, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        command = [*COMMAND, f"127.0.0.1:{port}", "--no-progress", "--output", str(tmp_path)]
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        await connected.wait()
        process.send_signal(signal.SIGTERM)
        _, stderr = await process.communicate()
    assert process.returncode == 143
    assert "Traceback" not in stderr.decode()


async def test_unfinished_run_is_named_and_kept_without_resume(google):
    registry = await google(**SLOW)
    await interrupted(registry, signal.SIGKILL)
    unfinished = journals(registry)[0]
    content = unfinished.read_bytes()
    code, _, stderr = await finish(registry)
    assert code == 0
    assert unfinished.parent.name in stderr
    assert "--resume" in stderr
    assert unfinished.read_bytes() == content
    assert read_snapshot(registry.output).manifest["run_id"] != unfinished.parent.name


async def test_resume_with_nothing_to_resume_begins_a_run_and_reports_it(google):
    registry = await google(repositories=10)
    code, _, stderr = await finish(registry, "--resume")
    assert (code, len(folders(registry.output))) == (0, 1)
    assert "there is no unfinished run to resume" in stderr


async def test_resume_of_a_walk_lists_the_folders_below_recorded_repositories(google):
    registry = await google(**SLOW)
    walk = ["--discovery", "walk", "--auth", "access-token"]
    process = await start(registry, *walk, target=f"{registry.emulator.registry}/my-project")
    await until_recorded(registry, 100)
    process.kill()
    await process.communicate()
    assert any(json.loads(line)["children"] for line in journals(registry)[0].read_bytes().splitlines()[:100])
    before = registry.emulator.counts["listing"]
    code, _, _ = await finish(registry, "--resume", *walk, target=f"{registry.emulator.registry}/my-project")
    assert code == 0
    assert comparable(read_snapshot(registry.output).by_name) == expected(registry.emulator.inventory)
    assert registry.emulator.counts["listing"] - before < 300


async def test_resume_lists_suspect_repositories_again(google):
    registry = await google(**SLOW)
    await interrupted(registry, signal.SIGKILL)
    journal = journals(registry)[0]
    recorded = journal.read_bytes().count(b"\n")
    journal.write_bytes(journal.read_bytes().replace(b'"suspect":null', b'"suspect":"cut short"', 2))
    before = registry.emulator.counts["listing"]
    code, _, stderr = await finish(registry, "--resume")
    assert "2 that were failed, denied, suspect or not read whole are listed again" in stderr
    assert (code, read_snapshot(registry.output).manifest["counts"]["suspect"]) == (0, 0)
    assert comparable(read_snapshot(registry.output).by_name) == expected(registry.emulator.inventory)
    assert registry.emulator.counts["listing"] - before == 300 - recorded + 2


async def test_resume_with_repositories_still_denied_is_partial(google):
    registry = await google(**SLOW, denied=0.3)
    await interrupted(registry, signal.SIGKILL)
    assert b'"outcome":"denied"' in journals(registry)[0].read_bytes()
    code, _, _ = await finish(registry, "--resume")
    snapshot = read_snapshot(registry.output)
    assert code == 3
    assert comparable(snapshot.by_name) == expected(registry.emulator.inventory)
    assert len(snapshot.records) == 300


async def test_resume_of_standard_output_is_bad_usage(google):
    registry = await google(repositories=1)
    code, stdout, stderr = await finish(registry, "--resume", "--output", "-")
    assert (code, stdout, len(stderr.splitlines())) == (2, "", 1)


async def test_log_format_json_writes_errors_as_json(google):
    registry = await google(repositories=1)
    registry.key_file.write_text("no key")
    code, _, stderr = await finish(registry, "--log-format", "json")
    assert code == 1
    assert "the key file is not JSON" in json.loads(stderr)["message"]


async def test_resume_refuses_a_run_that_another_process_works_on(google):
    registry = await google(**SLOW)
    first = await start(registry, "--concurrency", "1")
    await until_recorded(registry, 1)
    code, _, stderr = await finish(registry, "--resume")
    assert first.returncode is None
    first.kill()
    await first.communicate()
    assert code == 1
    assert "another process works on it" in stderr


async def test_resume_with_other_filters_begins_a_new_run_and_says_why(google):
    registry = await google(**SLOW)
    await interrupted(registry, signal.SIGKILL)
    unfinished = journals(registry)[0].parent.name
    code, _, stderr = await finish(registry, "--resume", "--exclude", "*/base/*")
    assert code == 0
    assert 'exclude was [] and is ["*/base/*"]' in stderr
    assert f"runs discard {unfinished}" in stderr
    assert read_snapshot(registry.output).manifest["run_id"] != unfinished
    assert journals(registry)[0].parent.name == unfinished


async def test_resume_keeps_records_of_repositories_that_are_no_longer_listed(google):
    registry = await google(**SLOW)
    await interrupted(registry, signal.SIGKILL)
    journal = journals(registry)[0]
    line = journal.read_bytes().splitlines(keepends=True)[0]
    name = b'"repository":"my-project/'
    journal.write_bytes(
        journal.read_bytes()[: journal.read_bytes().rfind(b"\n") + 1] + line.replace(name, name + b"gone-")
    )
    code, _, _ = await finish(registry, "--resume")
    snapshot = read_snapshot(registry.output)
    assert (code, len(snapshot.by_name)) == (0, 301)
    assert (
        "1 repository recorded before the interruption and no longer listed"
        in snapshot.manifest["discovery"]["evidence"]
    )


def small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))


async def test_resume_after_a_full_disk_completes_the_run(google):
    registry = await google(repositories=300)
    code, _, stderr = await finish(registry, preexec_fn=small_files)
    assert code == 1
    assert len(stderr.splitlines()) == 1
    assert "cannot be written: File too large" in stderr
    assert not folders(registry.output)
    assert (await finish(registry, "--resume"))[0] == 0
    assert comparable(read_snapshot(registry.output).by_name) == expected(registry.emulator.inventory)


async def test_resume_names_a_journal_that_cannot_be_read(google):
    registry = await google(**SLOW)
    await interrupted(registry, signal.SIGKILL)
    journal = journals(registry)[0]
    journal.unlink()
    journal.mkdir()
    code, _, stderr = await finish(registry, "--resume")
    assert (code, len(stderr.splitlines())) == (1, 1)
    assert str(journal) in stderr
    assert journal.exists()  # the run keeps its files


async def test_resume_after_an_internal_error_completes_the_run(google, monkeypatch):
    registry = await google(repositories=200)
    real, read = crawler.registry.registry.parse_listing, 0

    def failing(repository: str, body: bytes):
        nonlocal read
        read += 1
        return real(repository, body) if read < 100 else 1 // 0

    monkeypatch.setattr(crawler.registry.registry, "parse_listing", failing)
    with pytest.raises(ZeroDivisionError):
        await crawler.crawl(registry.config())
    monkeypatch.undo()
    assert journals(registry)[0].read_bytes().endswith(b"\n")
    manifest = await crawler.Crawl(registry.config(), registry.config().registry[0]).resume()
    assert manifest is not None
    assert manifest.verdict == "complete"
    assert comparable(read_snapshot(registry.output).by_name) == expected(registry.emulator.inventory)


@pytest.mark.timeout(120)
def test_soak_with_kills_and_faults_loses_nothing_and_lists_nothing_twice(tmp_path):
    survival = crawl_through(Storm(repositories=400, kills=3, between_kills_s=(1.0, 1.6), quota=200), tmp_path)
    assert survival.is_whole, survival
    assert survival.counts["faults"] > 0
