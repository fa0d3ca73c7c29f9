"""Progress on standard error: a bar on a terminal, lines elsewhere, and neither where it is not wanted."""

import asyncio
import json
import re

import pytest
from support.run_cli import (
    MODULE,
    google_crawl,
    google_crawl_with_progress,
)
from support.scripted import plain_registry, serve
from support.terminal import run_on_terminal


async def test_progress_bar_on_a_terminal_unless_it_is_switched_off(command, google):
    registry = await google(repositories=80, latency_s=0.05, denied=0.2)
    crawl = google_crawl_with_progress(registry, "--concurrency", 8)
    (ended, seen), (_, switched_off) = await asyncio.gather(
        run_on_terminal(command, 200, *crawl),
        run_on_terminal(command, 200, *crawl, "--no-progress", "--output", "other"),
    )
    assert ended.code == 3
    assert ended.out == ""
    assert re.search(r"[1-9]\d* of 80 repositories", seen)
    assert re.search(r"[1-9]\d* exchanges/s", seen)
    assert re.search(r"[1-9]\d* failed or denied", seen)
    assert re.search(r"about \d+:\d\d:\d\d left", seen)
    assert "\x1b[2KPARTIAL: " in seen, "the bar must be erased before the summary"
    assert switched_off.startswith("PARTIAL: ")
    assert "\x1b" not in switched_off


async def test_progress_bar_fits_in_eighty_columns(command, google):
    registry = await google(repositories=80, latency_s=0.05)
    ended, seen = await run_on_terminal(command, 80, *google_crawl_with_progress(registry, "--concurrency", 8))
    assert ended.code == 0
    assert re.search(r"[1-9]\d* of 80 repositories", seen)
    assert re.search(r"about \d+:\d\d:\d\d left", seen)


async def test_progress_lines_where_there_is_no_terminal(command, google):
    registry = await google(repositories=3, latency_s=6)
    async with (
        command.started(*google_crawl_with_progress(registry)) as process,
        command.started(*google_crawl(registry, "--output", "silent")) as silent,
    ):
        line = (await process.stderr.readline()).decode()
        assert re.fullmatch(
            rf"\d\d:\d\d:\d\d {re.escape(registry.emulator.registry)}: "
            r"0 of 0 so far repositories, \d+ exchanges/s, 0 failed or denied\n",
            line,
        )
        for each in (process, silent):
            each.kill()
        assert await silent.stderr.read() == b""


@pytest.mark.parametrize("plain", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
async def test_progress_without_escape_codes_on_a_terminal_without_them(command, google, plain):
    registry = await google(repositories=40, latency_s=0.05, denied=0.2)
    line = ["env", *(f"{name}={value}" for name, value in plain.items()), *MODULE]
    crawl = ("crawl", registry.emulator.registry, "--key-file", registry.key_file, "--output", registry.output, "-v")
    _, seen = await run_on_terminal(command, 200, *crawl, program=tuple(line))
    assert "PARTIAL: " in seen
    assert "\x1b" not in seen


async def test_progress_bar_is_not_shown_with_json(command):
    async with serve(plain_registry()) as server:
        _, seen = await run_on_terminal(command, 200, "crawl", server.host, "--log-format", "json")
    assert [json.loads(line)["severity"] for line in seen.splitlines()] == ["INFO"]
