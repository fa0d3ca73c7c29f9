"""This machine's clock against the server's Date."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from multidict import CIMultiDict
from support.doctor_runs import config, examine
from support.scripted import document, on, plain_registry, serve

from crawler.config import RegistryConfig
from crawler.doctor.clock import clock

NOW = datetime(2026, 11, 27, 2, tzinfo=UTC)
ADVICE = "set the clock of this machine by NTP: `timedatectl set-ntp true`"


def dated(ahead: timedelta, **headers: str) -> CIMultiDict:
    """The headers of a server that this machine's clock is ahead of."""
    return CIMultiDict({"Date": format_datetime(NOW - ahead, usegmt=True), **headers})


def registry(tmp_path, **table) -> RegistryConfig:
    return config("localhost:5000", tmp_path, **table).registry[0]


async def test_doctor_clock_an_hour_off_warns_and_a_clock_that_is_set_passes(tmp_path):
    off = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    async with serve([on("/v2/", document({}, ("Date", off))), *plain_registry()]) as server:
        found = await examine(config(server.host, tmp_path))
    assert (found.code, found.amiss) == (3, {"clock": "warning"})
    assert "s ahead of the registry's" in found.found("clock")
    assert found.advice("clock") == ADVICE
    right = format_datetime(datetime.now(UTC), usegmt=True)
    async with serve([on("/v2/", document({}, ("Date", right))), *plain_registry()]) as server:
        mended = await examine(config(server.host, tmp_path))
    assert (mended.code, mended.state("clock")) == (0, "ok")


async def test_doctor_clock_is_unknown_without_a_date(tmp_path):
    async with serve(plain_registry()) as server:
        found = await examine(config(server.host, tmp_path))
    assert (found.code, found.state("clock")) == (0, "skipped")


@pytest.mark.parametrize(
    ("ahead", "state"),
    [
        (timedelta(seconds=50), "ok"),
        (timedelta(seconds=-50), "ok"),
        (timedelta(seconds=70), "warning"),
        (timedelta(hours=-9), "warning"),
    ],
)
def test_doctor_clock_tolerates_a_minute(ahead, state, tmp_path):
    assert clock(registry(tmp_path), dated(ahead), NOW).state == state


@pytest.mark.parametrize(
    ("ahead", "state"),
    [
        (timedelta(minutes=4), "warning"),
        (timedelta(minutes=6), "failure"),
        (timedelta(minutes=-30), "warning"),  # the JWT is good for an hour
        (timedelta(minutes=-70), "failure"),
    ],
)
def test_doctor_clock_fails_where_google_refuses_a_jwt_that_a_key_signs(ahead, state, tmp_path, google_key_file):
    signing = registry(tmp_path, auth={"key_file": google_key_file})
    assert clock(signing, dated(ahead), NOW).state == state
    assert clock(signing, dated(timedelta()), NOW).state == "ok"
    sent_as_it_is = registry(tmp_path, auth={"key_file": google_key_file, "method": "json-key"})
    assert clock(sent_as_it_is, dated(ahead), NOW).state == "warning"


@pytest.fixture
def google_key_file(tmp_path):
    file = tmp_path / "key.json"
    file.write_text("{}")
    return file


def test_doctor_clock_fails_where_names_come_from_aws_alone(tmp_path):
    public = config("public.ecr.aws/ours", tmp_path).registry[0]
    assert clock(public, dated(timedelta(minutes=-6)), NOW).state == "failure"
    named = tmp_path / "names"
    named.write_text("ours/app\n")
    listed = config("public.ecr.aws/ours", tmp_path, repositories_from=named).registry[0]
    assert clock(listed, dated(timedelta(minutes=-6)), NOW).state == "warning"


def test_doctor_clock_counts_the_age_of_a_cached_response(tmp_path):
    assert clock(registry(tmp_path), dated(timedelta(minutes=10), Age="600"), NOW).state == "ok"


@pytest.mark.parametrize("headers", [{"Date": "yesterday"}, {"Date": ""}, {"Age": "old"}, {"Date": "Fri, 99"}])
def test_doctor_clock_does_not_stumble_over_a_date_that_is_none(headers, tmp_path):
    assert clock(registry(tmp_path), CIMultiDict(headers), NOW).state == "skipped"
