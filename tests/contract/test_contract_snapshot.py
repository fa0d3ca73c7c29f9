"""A snapshot's folder, its records and its run manifest are those of the contract."""

import json
import re
from typing import Any

import pytest
from support.contract import has_type, section, table
from support.run_cli import google_crawl
from support.scripted import listing_path, on, plain_registry, refusal, serve
from support.snapshots import folders, read_snapshot

from crawler.model.record import ProblemKind
from crawler.model.record_fields import RECORD
from crawler.transport.messages import Purpose

pytestmark = pytest.mark.slow

REPOSITORIES = {"team/app": ("1.0",), "team/base": ("2",)}


def assert_fields(value: dict[str, Any], heading: str) -> None:
    rows = [row for row in table(heading) if row.get("state", "today") == "today"]
    assert list(value) == [row["field"] for row in rows]
    for row in rows:
        assert has_type(value[row["field"]], row["type"]), f"{heading}: {row} is {value[row['field']]!r}"


@pytest.fixture
async def google_snapshot(command, google):
    """A snapshot of images, and of denied repositories."""
    registry = await google(repositories=40, denied=0.2)
    ended = await command(*google_crawl(registry))
    assert ended.code == 3
    return read_snapshot(registry.output)


async def test_contract_record_and_image_have_these_fields_in_this_order(google_snapshot):
    images = [image for record in google_snapshot.records for image in record["images"] or ()]
    errors = [record["error"] for record in google_snapshot.records if record["error"]]
    assert images
    assert errors
    for record in google_snapshot.records:
        assert_fields(record, "Record")
    for image in images:
        assert_fields(image, "Image")
    for error in errors:
        assert_fields(error, "Error")


@pytest.mark.parametrize("described", [RECORD, *RECORD.nested_objects()], ids=lambda described: described.name)
def test_contract_record_and_the_objects_in_it_are_those_of_the_code(described):
    rows = [(row["field"], row["type"]) for row in table(described.name.capitalize())]
    assert rows == [(field.name, field.type_name) for field in described.fields]


def test_contract_values_are_those_of_the_code():
    fields = {
        f"{described.name}.{field.name}": field
        for described in (RECORD, *RECORD.nested_objects())
        for field in described.fields
    }
    rows = {row["field"]: row["values"].split(", ") for row in table("Values")}
    assert rows == {
        name: list(field.values) for name, field in fields.items() if field.values and field.name != "schema"
    }


def test_contract_kinds_of_requests_are_those_of_the_code():
    assert [row["kind"] for row in table("Kinds of requests")] == list(Purpose)


async def test_contract_run_manifest_counts_requests_and_problems_by_kind(google_snapshot):
    requests, problems = google_snapshot.manifest["requests"], google_snapshot.manifest["problems"]
    assert requests["by_kind"].keys() <= {row["kind"] for row in table("Kinds of requests")}
    assert sum(requests["by_kind"].values()) == requests["total"]
    assert problems.keys() <= set(ProblemKind)
    assert sum(problems.values()) == google_snapshot.manifest["counts"]["problems"]


async def test_contract_run_manifest_has_the_depth_and_referrers_that_were_asked_for(command, google):
    registry = await google(repositories=5)
    ended = await command(*google_crawl(registry, "--depth", "digests", "--referrers", "listed"))
    assert ended.code == 0
    snapshot = read_snapshot(registry.output)
    assert (snapshot.manifest["depth"], snapshot.manifest["referrers"]) == ("digests", "listed")


async def test_contract_run_manifest_has_these_fields_in_this_order(google_snapshot):
    assert_fields(google_snapshot.manifest, "Run manifest")


async def test_contract_run_manifest_has_nothing_yet_of_what_is_promised(google_snapshot):
    for row in table("Run manifest"):
        assert (row["field"] in google_snapshot.manifest) == (row["state"] == "today")


async def test_contract_layout_of_a_complete_and_a_partial_snapshot(command):
    first, *names = [line.strip() for line in section("Layout").splitlines() if line.startswith("    ")]
    assert first == "source=HOST%3APORT%2FPREFIX/date=YYYY-MM-DD/run=YYYYMMDDTHHMMSSZ-XXXX/"
    script = plain_registry(REPOSITORIES)
    denied = [on(listing_path("team/app"), refusal(403, "DENIED", "no")), *script]
    for entries, code, files in ((script, 0, names), (denied, 3, names[:-1])):
        async with serve(entries) as server:
            assert (await command("crawl", f"{server.host}/team", "--output", f"o{code}")).code == code
        output = command.folder / f"o{code}"
        (folder,) = folders(output)
        source = f"source={server.host.replace(':', '%3A')}%2Fteam"
        pattern = rf"{re.escape(source)}/date=\d{{4}}-\d\d-\d\d/run=\d{{8}}T\d{{6}}Z-[0-9a-f]{{4}}"
        assert re.fullmatch(pattern, folder.relative_to(output).as_posix())
        assert sorted(path.name for path in folder.iterdir()) == sorted(files)
        assert not [path for path in output.iterdir() if not path.name.startswith(("source=", "."))]


async def test_contract_records_hold_no_partition_columns(google_snapshot):
    for record in google_snapshot.records:
        assert not {"source", "date", "run"} & set(record)
        assert json.loads(json.dumps(record)) == record
