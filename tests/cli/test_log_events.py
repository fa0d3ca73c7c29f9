"""`--log-format json`: every line on standard error is one JSON object, and one event ends each run."""

import json
import re
import signal
import sys
from typing import Any

import pytest
from support.killed_runs import SLOW, until_recorded
from support.run_cli import ONE_TRY, google_crawl, google_crawl_with_progress
from support.scripted import basic_registry, plain_registry, serve
from support.snapshots import folders

JSON = ("--log-format", "json")
UNREACHABLE = "127.0.0.1:1"
NAMES = {f"team/app{number}": ("1",) for number in range(5)}


def events_in(err: str) -> list[dict[str, Any]]:
    """Parse every line as an event, and check the fields that every event has."""
    events = [json.loads(line) for line in err.splitlines()]
    for event in events:
        assert event["severity"] in {"DEBUG", "INFO", "WARNING", "ERROR"}
        assert event["level"] == event["severity"].lower()
        assert event["event"] in {"log", "progress", "run_ended"}
        assert isinstance(event["message"], str)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", event["time"])
    return events


def ends_in(err: str) -> list[dict[str, Any]]:
    return [event for event in events_in(err) if event.get("event") == "run_ended"]


async def test_log_events_of_a_complete_run_end_with_one_event_at_info(command):
    async with serve(basic_registry(NAMES)) as server:
        (command.folder / "password").write_text("open sesame")
        login = ("--username", "reader", "--password-file", "password", "--auth", "basic")
        ended = await command("crawl", server.host, *login, *JSON, "--output", "snaps")
    (folder,) = folders(command.folder / "snaps")
    manifest = json.loads((folder / "_run.json").read_text())
    (end,) = events_in(ended.err)
    assert (ended.code, ended.out) == (0, "")
    assert end["severity"] == "INFO"
    assert end["message"] == f"{server.host}: complete: 5 repositories"
    for key in ("target", "run_id", "verdict", "reasons", "counts", "requests", "identity"):
        assert end[key] == manifest[key]
    assert end["identity"] == "basic: reader"
    assert command.folder / end["snapshot"] == folder
    assert end["duration_s"] > 0
    assert end["exit_code"] == 0


@pytest.mark.parametrize(("options", "code"), [((), 3), (("--partial-ok",), 0)])
async def test_log_events_of_a_partial_run_end_with_a_warning_that_has_the_reasons(command, options, code):
    async with serve(plain_registry(NAMES)) as server:
        ended = await command("crawl", server.host, "--expect", 9, *JSON, *options)
    (end,) = ends_in(ended.err)
    assert ended.code == end["exit_code"] == code
    assert (end["severity"], end["verdict"]) == ("WARNING", "partial")
    assert end["reasons"] == ["5 repositories found, and at least 9 expected (--expect)"]


async def test_log_events_end_each_of_several_runs(command):
    async with serve(plain_registry(NAMES)) as server:
        ended = await command("crawl", UNREACHABLE, server.host, *JSON, environment=ONE_TRY)
    failed, complete = ends_in(ended.err)
    assert ended.code == failed["exit_code"] == 1
    assert (failed["severity"], failed["target"], failed["verdict"]) == ("ERROR", UNREACHABLE, None)
    assert (failed["snapshot"], failed["counts"]["repositories"]) == (None, 0)
    assert f"no connection to {UNREACHABLE}" in failed["reasons"][0]
    assert failed["message"] == f"{UNREACHABLE}: {failed['reasons'][0]}"
    assert (complete["target"], complete["verdict"]) == (server.host, "complete")


async def test_log_events_leave_records_alone(command):
    async with serve(plain_registry(NAMES)) as server:
        streamed = await command("crawl", server.host, "--output", "-", *JSON)
        shown = await command("crawl", server.host, "--show", 2, *JSON)
    assert {json.loads(line)["repository"] for line in streamed.out.splitlines()} == set(NAMES)
    assert ends_in(streamed.err)[0]["snapshot"] is None
    assert len(shown.out.splitlines()) == 2
    assert {json.loads(line)["repository"] for line in shown.out.splitlines()} <= set(NAMES)
    assert len(ends_in(shown.err)) == 1


async def test_log_events_of_an_interrupted_run_are_warnings(command, google):
    registry = await google(**SLOW)
    async with command.started(*google_crawl(registry, *JSON)) as process:
        await until_recorded(registry, 20)
        process.send_signal(signal.SIGTERM)
        _, err = await process.communicate()
    *notices, end = events_in(err.decode())
    assert (process.returncode, end["exit_code"]) == (143, 143)
    assert {event["severity"] for event in (*notices, end)} == {"WARNING"}
    assert (end["event"], end["verdict"], end["snapshot"]) == ("run_ended", None, None)

    resumed = await command(*google_crawl(registry, *JSON, "--resume"))
    first, *_, last = events_in(resumed.err)
    assert f"resuming run {end['run_id']}" in first["message"]
    assert first["target"] == registry.emulator.registry
    assert (last["run_id"], last["verdict"]) == (end["run_id"], "complete")
    assert {event["severity"] for event in events_in(resumed.err)} == {"INFO"}


async def test_log_events_of_resume_without_an_unfinished_run_are_info(command):
    async with serve(plain_registry(NAMES)) as server:
        ended = await command("crawl", server.host, "--resume", *JSON)
    first, end = events_in(ended.err)
    assert "there is no unfinished run to resume" in first["message"]
    assert [first["severity"], end["severity"]] == ["INFO", "INFO"]


async def test_log_events_show_the_progress(command, google):
    registry = await google(repositories=3, latency_s=6)
    async with command.started(*google_crawl_with_progress(registry, *JSON)) as process:
        (event,) = events_in((await process.stderr.readline()).decode())
        process.kill()
    assert (event["event"], event["severity"]) == ("progress", "INFO")
    assert event["target"] == registry.emulator.registry
    assert event["message"].startswith(f"{event['target']}: 0 of 0 so far repositories")
    assert (event["repositories_done"], event["repositories_known"], event["discovery_done"]) == (0, 0, False)
    assert event["failed_or_denied"] == 0
    assert event["exchanges_per_s"] >= 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["crawl", "localhost:1", "--concurency", "3", "--log-format", "json"],
        ["crawl", "localhost:1", "--log-format=json", "--auth", "magic"],
        ["crawl", "--log-format", "json", "localhost:1", "--key-file"],
        ["crwal", "--log-format", "json"],
        ["runs", "discard", "--log-format", "json"],
        ["runs", "discard", "none", "--log-format", "json"],
        ["emulator", "--port", "99999", "--log-format", "json"],
        ["emulator", "--denied", "2", "--log-format", "json"],
        ["crawl", "--log-format", "json"],
        ["crawl", "localhost:1", "--config", "none.toml", "--log-format", "json"],
    ],
    ids=" ".join,
)
async def test_log_events_of_a_wrong_command_line(command, arguments):
    ended = await command(*arguments)
    (event,) = events_in(ended.err)
    assert (ended.code, ended.out, event["severity"]) == (2, "", "ERROR")
    assert "Value error" not in event["message"]
    assert "Input should" not in event["message"]


async def test_log_events_name_each_mistake_of_a_configuration(command):
    ended = await command("crawl", "localhost:1", *JSON, "--concurrency", "0", "--rate", "fast")
    assert [event["message"].split(":")[0] for event in events_in(ended.err)] == ["--concurrency", "--rate"]
    assert ended.code == 2


PROGRAM_WITH_BUGS = """
import sys, threading, warnings
import crawler.run.crawl

class Lost:
    def __del__(self):
        raise ValueError("lost")

async def resolve_credentials(*_, **__):
    warnings.warn("beware", UserWarning)
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    Lost()
    raise KeyError("hunter2")

crawler.run.crawl.resolve_credentials = resolve_credentials
sys.argv[0] = "registry-crawler"
from crawler.cli import main
main()
"""


async def test_log_events_hold_what_python_itself_would_print(command):
    ended = await command("crawl", "localhost:1", *JSON, program=(sys.executable, "-c", PROGRAM_WITH_BUGS))
    warning, thread, lost, end = events_in(ended.err)
    assert (warning["severity"], warning["logger"]) == ("WARNING", "py.warnings")
    assert "beware" in warning["message"]
    assert "ZeroDivisionError" in thread["exception"]
    assert "ValueError" in lost["exception"]
    assert (ended.code, end["event"], end["severity"], end["exit_code"]) == (1, "run_ended", "ERROR", 1)
    assert "internal error; please report this: KeyError in crawler/run/crawl.py:" in end["message"]
    assert "Traceback" in end["exception"]


async def test_internal_error_is_one_line_and_does_not_stop_the_next_registry(command):
    program = (sys.executable, "-c", PROGRAM_WITH_BUGS)
    ended = await command("crawl", "localhost:1", "localhost:2", program=program)
    errors = [line for line in ended.err.splitlines() if line.startswith("registry-crawler: ")]
    assert [line.split(": ")[1:3] for line in errors] == [
        ["localhost:1", "internal error; please report this"],
        ["localhost:2", "internal error; please report this"],
    ]
    assert (ended.code, ended.out) == (1, "")
    assert "Traceback" not in ended.err
    assert "hunter2" not in ended.err

    verbose = await command("crawl", "localhost:1", "-v", program=program)
    assert "Traceback" in verbose.err


async def test_internal_error_before_the_first_run_is_one_line(command):
    program = PROGRAM_WITH_BUGS.replace(
        "crawler.run.crawl.resolve_credentials = resolve_credentials", "import crawler.config as c; c.Config.load = 7"
    )
    ended = await command("crawl", "localhost:1", program=(sys.executable, "-c", program))
    (line,) = ended.err.splitlines()
    assert ended.code == 1
    assert line.startswith(
        "registry-crawler: internal error; please report this: TypeError in crawler/cli/crawl_config.py:"
    )


async def test_summary_names_the_identity(command):
    async with serve(plain_registry(NAMES)) as server:
        ended = await command("crawl", server.host)
    assert "\n  identity     anonymous\n" in ended.err
    assert ended.out == ""
