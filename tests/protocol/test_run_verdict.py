"""The verdict as an operator sees it: reasons, exit codes, `_run.json`, and `runs discard`."""

import asyncio
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.run_folders import RUN_ID, journaled, left_by_a_kill, run_ids
from support.scripted import basic_registry, plain_registry, serve
from support.snapshots import folders, read_snapshot

import crawler
from crawler.model.timestamps import timestamp

NAMES = {f"team/app{number}": ("1",) for number in range(5)}


async def command(*arguments: object) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "crawler", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await process.communicate()
    assert process.returncode is not None
    return process.returncode, stdout.decode(), stderr.decode()


async def crawl(server, output: Path, *options: object, prefix: str = "") -> tuple[int, str, str]:
    return await command("crawl", f"{server.host}{prefix}", "--output", output, "--no-progress", *options)


def reasons(output: Path) -> list[str]:
    snapshot = read_snapshot(output)
    assert snapshot.has_success is (snapshot.manifest["verdict"] == "complete")
    return snapshot.manifest["reasons"]


async def test_verdict_is_partial_below_expect_and_partial_ok_exits_0(tmp_path):
    async with serve(plain_registry(NAMES)) as server:
        assert (await crawl(server, tmp_path / "0", "--expect", 5))[0] == 0
        assert (await crawl(server, tmp_path / "3", "--expect", 6))[0] == 3
        code, _, err = await crawl(server, tmp_path / "ok", "--expect", 6, "--partial-ok")
    assert reasons(tmp_path / "0") == []
    reason = "5 repositories found, and at least 6 expected (--expect)"
    assert reasons(tmp_path / "3") == reasons(tmp_path / "ok") == [reason]
    assert (code, err.startswith("PARTIAL: "), f"  because      {reason}" in err) == (0, True, True)


async def test_verdict_of_an_empty_registry_is_partial_unless_expect_is_0(tmp_path):
    async with serve(plain_registry({})) as server:
        assert (await crawl(server, tmp_path / "3"))[0] == 3
        assert (await crawl(server, tmp_path / "0", "--expect", 0))[0] == 0
    assert "0 repositories found, and at least 1 expected (--expect)" in reasons(tmp_path / "3")


async def test_verdict_is_partial_where_the_prefix_matches_nothing(tmp_path):
    async with serve(plain_registry(NAMES)) as server:
        code, _, _ = await crawl(server, tmp_path, prefix="/taem")
    assert code == 3
    assert reasons(tmp_path) == ["no repository is under the prefix taem: did you mean team?"]


async def test_verdict_is_partial_where_the_filters_match_nothing(tmp_path):
    async with serve(plain_registry(NAMES)) as server:
        code, _, _ = await crawl(server, tmp_path, "--include", "taem/*")
    assert code == 3
    assert reasons(tmp_path) == ["no repository matches --include 'taem/*'"]


async def test_verdict_with_max_shrink_compares_with_the_last_complete_snapshot(tmp_path):
    half = dict(list(NAMES.items())[:3])
    async with serve(plain_registry(NAMES)) as server:
        assert (await crawl(server, tmp_path))[0] == 0
        whole = read_snapshot(tmp_path).manifest
        excluded = [option for name in NAMES if name not in half for option in ("--exclude", name)]
        assert (await crawl(server, tmp_path, "--max-shrink", "40%", *excluded))[0] == 0
        code, _, _ = await crawl(server, tmp_path / "again", "--max-shrink", "30%", *excluded)
        assert code == 0  # there is no earlier snapshot to compare with
        (tmp_path / "again").rename(tmp_path.with_name("elsewhere"))
        for folder in folders(tmp_path):
            if folder.name != f"run={whole['run_id']}":  # both may have begun in the same second
                (folder / "_run.json").write_text("{}")
        code, _, _ = await crawl(server, tmp_path, "--max-shrink", "30%", *excluded)
    assert code == 3
    assert reasons(tmp_path) == [
        "3 repositories listed, and 5 in the last complete snapshot: more than 30% fewer (--max-shrink)"
    ]
    assert whole["previous_run_id"] is None
    assert read_snapshot(tmp_path).manifest["previous_run_id"] == whole["run_id"]


async def test_run_manifest_has_identity_kind_and_pace(tmp_path):
    async with serve(basic_registry(NAMES)) as server:
        config = crawler.Config(
            registry=[
                {"target": server.host, "kind": "nexus", "auth": {"username": "reader", "password": "hunter2-and-more"}}
            ],
            output={"path": tmp_path},
            limits={"concurrency": 7, "rate": "400/s"},
        )
        await crawler.crawl(config)
    text = (read_snapshot(tmp_path).folder / "_run.json").read_text()
    manifest = json.loads(text)
    assert (manifest["kind"], manifest["identity"], manifest["resumed_at"]) == ("nexus", "basic: reader", [])
    assert "hunter2" not in text
    pace = manifest["pace"]
    assert pace["configured"] == f"7 at once, 400/s: the configured rate for {server.host}"
    assert 0 < pace["median_per_s"] <= 400
    assert pace["lowest_concurrency"] == 7
    assert manifest["counts"]["images"] is None
    assert manifest["counts"]["problems"] == 0


@pytest.mark.parametrize(
    ("auth", "identity"),
    [
        ({"method": "anonymous"}, "anonymous"),
        ({"method": "access-token"}, "access-token: registry-crawler@my-project.iam.gserviceaccount.com"),
        ({"method": "json-key"}, "json-key: registry-crawler@my-project.iam.gserviceaccount.com"),
    ],
)
async def test_run_manifest_names_the_account_and_never_its_key(google, auth, identity):
    registry = await google(repositories=3)
    (registry.folder / "names.txt").write_text(registry.emulator.inventory.names[0])
    credentials = {} if auth["method"] == "anonymous" else {"key_file": registry.key_file}
    config = crawler.Config(
        registry=[
            {
                "target": registry.emulator.registry,
                "auth": {**auth, **credentials},
                "repositories_from": registry.folder / "names.txt",
            }
        ],
        output={"path": registry.output},
    )
    await crawler.crawl(config)
    text = (folders(registry.output)[-1] / "_run.json").read_text()
    assert json.loads(text)["identity"] == identity
    assert "PRIVATE KEY" not in text


async def test_summary_names_the_limit_that_set_the_pace(tmp_path):
    async with serve(plain_registry(NAMES)) as server:
        _, _, err = await crawl(server, tmp_path, "--rate", "none", "--concurrency", 9)
    assert re.search(
        r"^  pace +9 at once, no rate limit; kept [\d.,]+/s, set by the concurrency$",
        err,
        re.MULTILINE,
    )
    assert "5 tags, no images listed" in err


# Other runs in the output folder


async def test_resume_names_a_run_that_is_too_old_and_begins_a_new_one(tmp_path):
    async with serve(plain_registry(NAMES)) as server:
        left_by_a_kill(tmp_path, target=server.host, identity="anonymous")
        code, _, err = await crawl(server, tmp_path, "--resume")
    assert code == 0
    assert re.search(rf"run {RUN_ID} was begun \d+ days ago and is not resumed: resume.within is 20 h", err)
    assert "there is no unfinished run to resume; this begins one" in err
    assert read_snapshot(tmp_path).manifest["run_id"] != RUN_ID
    assert run_ids(tmp_path) == [RUN_ID]


async def test_resume_with_other_credentials_begins_a_new_run(tmp_path):
    now = datetime.now(UTC)
    async with serve(plain_registry(NAMES)) as server:
        left_by_a_kill(tmp_path, target=server.host, started_at=timestamp(now), identity="basic: reader")
        code, _, err = await crawl(server, tmp_path, "--resume")
    assert code == 0
    assert 'it was begun with other options: identity was "basic: reader" and is "anonymous"' in err


async def test_clean_up_after_a_snapshot_leaves_at_most_one_older_run(tmp_path):
    now = datetime.now(UTC)
    async with serve(plain_registry(NAMES)) as server:
        for minutes in (3, 1, 2):
            begun = timestamp(now - timedelta(minutes=minutes))
            left_by_a_kill(tmp_path, run_id=f"{minutes} min ago", target=server.host, started_at=begun)
        assert (await crawl(server, tmp_path))[0] == 0
    assert run_ids(tmp_path) == ["1 min ago"]


async def test_resume_names_a_run_of_another_version_and_begins_another(tmp_path):
    (left_by_a_kill(tmp_path) / "begun.json").write_text('{"version": 2}')
    async with serve(plain_registry(NAMES)) as server:
        for options in ((), ("--resume",)):
            code, _, err = await crawl(server, tmp_path, *options)
            assert code == 0
            assert f"run {RUN_ID} in {tmp_path}/.unfinished cannot be resumed and is left" in err
    assert run_ids(tmp_path) == [RUN_ID]


async def test_no_lock_begins_and_discards_runs_without_locks(tmp_path):
    async with serve(plain_registry(NAMES)) as server:
        assert (await crawl(server, tmp_path, "--no-lock"))[0] == 0
    assert read_snapshot(tmp_path).manifest["config"]["output"]["lock"] is False
    journal = journaled(tmp_path)
    (tmp_path / "config.toml").write_text(f"output.path = {json.dumps(str(tmp_path))}\noutput.lock = false")
    assert (await command("runs", "discard", RUN_ID, "--config", tmp_path / "config.toml"))[0] == 0
    assert run_ids(tmp_path) == []
    journal.close()


# runs discard


async def test_runs_discard_drops_one_run_and_reports_it(tmp_path):
    left_by_a_kill(tmp_path)
    left_by_a_kill(tmp_path, run_id="2")
    assert await command("runs", "discard", RUN_ID, "--output", tmp_path) == (
        0,
        "",
        f"registry-crawler: run {RUN_ID} is discarded\n",
    )
    assert run_ids(tmp_path) == ["2"]


async def test_runs_discard_of_an_unknown_run_lists_the_runs(tmp_path):
    (tmp_path / "config.toml").write_text(f"output.path = {json.dumps(str(tmp_path))}")
    left_by_a_kill(tmp_path)
    code, out, err = await command("runs", "discard", "../x", "--config", tmp_path / "config.toml")
    assert (code, out) == (2, "")
    assert err == f"registry-crawler: there is no unfinished run '../x' in {tmp_path}; there are: {RUN_ID}\n"
    assert run_ids(tmp_path) == [RUN_ID]


async def test_runs_discard_refuses_a_run_that_a_process_works_on(tmp_path):
    journal = journaled(tmp_path)
    code, out, err = await command("runs", "discard", RUN_ID, "--output", tmp_path)
    assert (code, out) == (1, "")
    assert err == f"registry-crawler: run {RUN_ID} is not discarded: another process works on it\n"
    journal.close()


@pytest.mark.parametrize(
    "arguments",
    [["--output", "-"], ["--config", "no such file"], ["--output", ""]],
)
async def test_runs_discard_with_an_unusable_output_is_bad_usage(arguments):
    code, out, err = await command("runs", "discard", RUN_ID, *arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
