"""What the benchmark makes of another program's output: its time counts only if it listed what there is."""

import os
import urllib.request

import pytest
from support.distribution import make_certificates

from perf import inventory
from perf.bench import Bench
from perf.delaying import delaying
from perf.rows.peers import CONTESTS, GaveUp, attempt, judge
from perf.table import Row, Unmeasured, written

CONTEST = next(contest for contest in CONTESTS if contest.peer == "gcrane")
LINE = inventory.listing("plain").decode()


@pytest.fixture
def bench(tmp_path):
    return Bench(folder=tmp_path, rounds=1, certificates=make_certificates(tmp_path / "certificates"))


@pytest.fixture
def gcrane(tmp_path, monkeypatch):
    """Installs a gcrane that is the given shell script."""

    def install(script):
        program = tmp_path / "bin" / "gcrane"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    return install


def lines(count):
    return f"for _ in $(seq {count}); do echo '{LINE}'; done"


def test_peer_that_lists_everything_has_a_time(bench, gcrane):
    gcrane(lines(CONTEST.sample))
    seconds = attempt(bench, CONTEST, "127.0.0.1:9")
    assert isinstance(seconds, float)
    row = judge(CONTEST, [60.0])
    assert isinstance(row, Row)
    assert row.document()["median"] == 60


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (lines(CONTEST.sample - 1), "it listed 1,813 of 1,850 tags"),
        (lines(CONTEST.sample + 1), "it listed 1,887 of 1,850 tags"),
        ("true", "it listed 0 of 1,850 tags"),
        (f"{lines(CONTEST.sample)}; echo 'Error: 400' >&2; exit 1", "exit code 1: Error: 400"),
    ],
)
def test_peer_that_gives_up_is_named_and_has_no_time(bench, gcrane, script, why):
    gcrane(script)
    result = attempt(bench, CONTEST, "127.0.0.1:9")
    assert result == GaveUp(f"gave up: {why}")
    row = judge(CONTEST, [60.0, result])
    assert isinstance(row, Unmeasured)
    assert f"{CONTEST.what}  gave up: {why}" in written([row])
    assert "median" not in row.document()


@pytest.mark.parametrize("query", ["", "?n=1000"])
def test_peer_that_names_a_page_size_gets_the_listing_too(query):
    """crane and gcrane do."""
    with delaying(repositories=1, listing="plain", delay_s=0) as registry:
        url = f"http://{registry.host}/v2/{inventory.name(0)}/tags/list{query}"
        with urllib.request.urlopen(url) as response:
            assert response.read() == inventory.listing("plain")
