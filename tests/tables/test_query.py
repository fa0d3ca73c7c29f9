"""`registry-crawler query` and `schema`, as an auditor runs them."""

import csv
import io
import json

import pytest
from support.stored_snapshots import golden_records

NAMES = "SELECT repository, tags, observed_at FROM repositories ORDER BY repository LIMIT 2"


@pytest.fixture
def snapshot(publish):
    return publish()


async def test_query_prints_a_table_by_default(command, snapshot):
    ended = await command("query", NAMES, snapshot)
    header, line, *found = ended.out.splitlines()
    assert (ended.code, header.split(), len(found)) == (0, ["repository", "tags", "observed_at"], 2)
    assert set(line) == {"-", " "}
    assert found[0].split()[0].startswith("my-project/")


async def test_query_prints_json_csv_and_markdown(command, snapshot):
    as_json = json.loads((await command("query", NAMES, snapshot, "--format", "json")).out)
    as_csv = list(csv.DictReader(io.StringIO((await command("query", NAMES, snapshot, "--format", "csv")).out)))
    assert [{key: str(value) for key, value in row.items()} for row in as_json] == as_csv
    assert as_json[0]["observed_at"].endswith("Z")
    markdown = (await command("query", NAMES, snapshot, "--format", "markdown")).out.splitlines()
    assert markdown[:2] == ["| repository | tags | observed_at |", "|---|---|---|"]
    assert len(markdown) == 4


async def test_query_without_rows_is_an_empty_list(command, snapshot):
    ended = await command("query", "SELECT * FROM tags WHERE false", snapshot, "--format", "json")
    assert (ended.code, json.loads(ended.out)) == (0, [])


async def test_query_from_standard_input_and_from_a_file(command, snapshot, tmp_path):
    file = tmp_path / "names.sql"
    file.write_text(f"{NAMES};\n", encoding="utf-8")
    printed = [
        (await command("query", "-", snapshot, stdin=NAMES)).out,
        (await command("query", file, snapshot)).out,
        (await command("query", NAMES, snapshot)).out,
    ]
    assert len(set(printed)) == 1


async def test_query_takes_the_only_targets_newest_snapshot(command, publish, tmp_path):
    publish("2026-11-19")
    publish("2026-11-20")
    output = ("--output", tmp_path / "snapshots", "--format", "csv")
    assert (await command("query", "SELECT started_at FROM runs", *output)).out.split()[1:] == [
        "2026-11-20T02:00:00.000Z"
    ]
    since = await command("query", "SELECT count(*) FROM runs", "--since", "2026-11-19", *output)
    assert since.out.split()[1:] == ["2"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["SELEC 1"], 2, 'syntax error at or near "SELEC"'),
        (["SELECT * FROM read_text('/etc/hostname')"], 2, "file system operations are disabled"),
        (["missing.sql"], 2, "missing.sql: cannot be read: No such file or directory"),
        (["SELECT 1", "nowhere"], 1, "no folder, run or target is named nowhere"),
        (["SELECT 1", "--format", "yaml"], 2, "yaml"),
        ([], 2, "SQL"),
    ],
)
async def test_query_that_cannot_be_answered(command, publish, arguments, code, message):
    output = publish().parents[2]
    ended = await command("query", *arguments, "--output", output)
    assert (ended.code, ended.out) == (code, "")
    assert message in ended.err


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("COPY (SELECT 1) TO '{part}' (FORMAT csv, USE_TMP_FILE false)", "this is COPY, which is not run"),
        ("WITH a AS (COPY (SELECT 1) TO '{part}' (FORMAT csv, USE_TMP_FILE false)) FROM a", "COPY writes files"),
        ("EXPLAIN ANALYZE cOpY (SELECT 1) TO '{part}' (FORMAT csv, USE_TMP_FILE false)", "COPY writes files"),
        ("COPY (PIVOT tags ON tag) TO '{part}' (FORMAT csv, USE_TMP_FILE false)", "COPY writes files"),
        ("ATTACH '{part}' AS part", "this is ATTACH, which is not run"),
        ("SELECT 1; SELECT 2", "one query is asked at a time, and here are 2"),
        ("/* nothing */", "one query is asked at a time, and here are 0"),
    ],
)
async def test_query_that_is_none_is_not_run(command, snapshot, sql, message):
    part = snapshot / "part-00000.jsonl"
    before = part.read_bytes()
    ended = await command("query", sql.format(part=part), snapshot)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.complaint
    assert part.read_bytes() == before


@pytest.mark.parametrize(
    "sql", ["DESCRIBE tags", "EXPLAIN FROM tags;", "PIVOT tags ON tag", "SELECT 'COPY' AS \"copy\""]
)
async def test_query_may_be_whatever_reads(command, snapshot, sql):
    assert (await command("query", sql, snapshot)).code == 0


async def test_names_and_messages_are_escaped_for_people(command, publish):
    folder = publish(records=[{**golden_records()[0], "suspect": "red \x1b[31m text"}])
    sql = "SELECT suspect FROM repositories"
    for form, shown in (("table", "red \\x1b[31m text"), ("markdown", "red \\\\x1b\\[31m text")):
        ended = await command("query", sql, folder, "--format", form)
        assert "\x1b" not in ended.out
        assert shown in ended.out
    assert json.loads((await command("query", sql, folder, "--format", "json")).out) == [
        {"suspect": "red \x1b[31m text"}
    ]


async def test_errors_that_quote_a_record_are_escaped(command, publish):
    folder = publish(records=[{**golden_records()[0], "observed_at": "\x1b[31mred\u202e"}])
    ended = await command("query", "SELECT observed_at\nFROM repositories", folder)
    assert ended.code == 2
    assert "\\x1b[31mred\\u202e" in ended.err
    assert "\x1b" not in ended.err


async def test_columns_of_one_name_are_numbered(command, snapshot):
    sql = "SELECT 1 AS a, 2 AS a, 3 AS a_1, 4 AS a"
    ended = await command("query", sql, snapshot, "--format", "json")
    assert json.loads(ended.out) == [{"a": 1, "a_1": 2, "a_1_1": 3, "a_2": 4}]


async def test_schema_prints_columns_for_an_engine(command):
    ended = await command("schema", "tags", "--for", "bigquery")
    assert [field["name"] for field in json.loads(ended.out)][3:] == ["repository", "tag", "digest"]
    assert (await command("schema", "tags")).out.startswith("CREATE TABLE tags (")


async def test_schema_of_an_unknown_table_names_the_tables(command):
    ended = await command("schema", "tag")
    assert ended.code == 2
    assert "there is no table 'tag'; there are runs, repositories, tags, images," in ended.err


async def test_schema_of_a_latest_view_is_a_statement(command):
    ended = await command("schema", "latest_images")
    assert ended.out.startswith("CREATE OR REPLACE VIEW latest_images AS\nSELECT *\nFROM images\n")
    assert ended.out.endswith(");\n")
    ended = await command("schema", "my-project.inventory.latest_images", "--for", "bigquery")
    assert ended.out.startswith("CREATE OR REPLACE VIEW `my-project`.`inventory`.latest_images AS\n")
    assert "FROM `my-project`.`inventory`.runs\n" in ended.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["latest_images", "--for", "bigquery"], "BigQuery needs the dataset in a view: schema DATASET.latest_images"),
        (["latest_images", "--for", "json-schema"], "latest_images is a view, and has the JSON Schema of images"),
        (["latest_tag"], "there is no table 'latest_tag'; there are runs, "),
        (["a`b.latest_tags"], "there is no table 'a`b.latest_tags'"),
        (["inventory.tags"], "there is no table 'inventory.tags'"),
    ],
)
async def test_schema_that_cannot_be_written(command, arguments, message):
    ended = await command("schema", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
