"""Questions in a folder of one's own: the head of a file, its SQL, and what is said about mistakes."""

import json

import pytest
from support.audit_records import image, repository

from crawler.errors import ConfigError, QueryError
from crawler.questions.audit.answer import open_answer
from crawler.questions.audit.catalog import load_questions
from crawler.questions.audit.header import parse_question
from crawler.tables.selection import select_snapshot

DEEP = {"depth": "configs", "referrers": "listed"}
HEAD = """\
-- question: Which images expose a port?
-- needs: depth configs
-- parameter: port = 8080/tcp   this port
-- parameter: least = 1   at least this many ports
-- column: answer   yes, or unknown
-- column: repository   the repository
-- column: why   why the answer is unknown
"""
SQL = """
-- the rest is SQL
SELECT 'yes' AS answer, repository, NULL AS why
FROM images
WHERE list_contains(exposed_ports, $port) AND len(exposed_ports) >= $least;
"""
RECORDS = [
    repository(f"team/{name}", image(1, "1.0", config={"exposed_ports": ports}))
    for name, ports in {"web": ["8080/tcp"], "both": ["8080/tcp", "443/tcp"], "none": None}.items()
]


@pytest.fixture
def own(tmp_path):
    """Writes a question to a folder; returns the folder."""

    def write(text, name="exposes.sql"):
        folder = tmp_path / "questions"
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return folder

    return write


@pytest.mark.parametrize("text", [HEAD + SQL, "\ufeff" + (HEAD + SQL).replace("\n", "\r\n")])
async def test_own_question_is_listed_and_answered(command, publish, own, text):
    snapshot, folder = publish(records=RECORDS, **DEEP), own(text)
    listed = json.loads((await command("audit", "--questions", folder, "--format", "json")).out)
    assert {
        "question": "exposes",
        "asks": "Which images expose a port?",
        "parameters": "port=8080/tcp least=1",
        "can_be_answered": "yes",
    } in listed
    ended = await command("audit", "exposes", snapshot, "--questions", folder, "--set", "least=2", "--fail-on", "yes")
    assert (ended.code, ended.out.splitlines()[2:]) == (4, ["yes     team/both"])
    ended = await command("audit", "exposes", snapshot, "--questions", folder, "--set", "port=443/tcp'; --")
    assert (ended.code, ended.out.splitlines()[2:]) == (0, [])


async def test_own_question_with_lines_is_escaped(command, publish, own):
    head = HEAD.replace(
        "-- parameter: port = 8080/tcp   this port\n-- parameter: least = 1   at least this many ports\n", ""
    )
    sql = "\nSELECT 'yes' AS answer, 'a' || chr(10) || 'b' AS repository, NULL AS why FROM runs"
    ended = await command("audit", "exposes", publish(**DEEP), "--questions", own(f"{head}-- lines: repository\n{sql}"))
    assert ended.out == "a\\nb\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "-- asks: what?",
            "own.sql:1: '-- asks: what?' is not '-- KEY: VALUE' with a key of question, needs, parameter",
        ),
        ("-- a comment", "own.sql:1: '-- a comment' is not '-- KEY: VALUE'"),
        ("-- needs: depth layers", "own.sql:1: a snapshot cannot have 'depth layers'; needs are images, times, sizes,"),
        ("-- parameter: days", "own.sql:1: must be '-- parameter: NAME = DEFAULT   MEANING'"),
        ("-- parameter: days = 3", "own.sql:1: must be '-- parameter: NAME = DEFAULT   MEANING'"),
        ("-- parameter: run_id = 3   the run", "own.sql:1: run_id is set by the program: choose another name"),
        ("-- parameter: port = 3   another", "own.sql:4: is there twice: parameter port"),
        ("-- column: port", "own.sql:1: must be '-- column: NAME   MEANING'"),
        ("-- column: why   again", "own.sql:8: is there twice: column why"),
        ("-- question: Another?", "own.sql:2: is there twice: question"),
        ("-- compares: port", "own.sql: -- compares: port is not a parameter with a number: there are least"),
        ("-- lines: tag", "own.sql: -- lines: tag is not a column: there are answer, repository, why"),
        ("-- needs: \x1b[31m", "a snapshot cannot have '\\\\x1b[31m'"),
    ],
)
def test_question_head_with_a_mistake_names_file_and_line(line, message):
    with pytest.raises(ConfigError) as raised:
        parse_question("own", "own.sql", f"{line}\n{HEAD}{SQL}")
    assert message in str(raised.value)


def test_question_head_that_lacks_lines_names_each():
    with pytest.raises(ConfigError) as raised:
        parse_question("own", "own.sql", f"-- column: repository   the repository\n{SQL}")
    assert raised.value.mistakes == (
        "own.sql: has no line '-- question: …'",
        "own.sql: has no line '-- column: answer   …'",
        "own.sql: has no line '-- column: why   …'",
    )


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (HEAD + SQL, "stale.sql", "stale is a shipped question: rename the file"),
        (HEAD + SQL, "My Question.sql", "the name of a question has small letters, digits and hyphens"),
        (b"-- question: \xff", "latin.sql", "cannot be read: it is not UTF-8"),
        (HEAD + SQL, "exposes.txt", "holds no *.sql file"),
    ],
)
async def test_own_questions_that_cannot_be_loaded(command, own, text, name, message):
    ended = await command("audit", "--questions", own(text, name))
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.complaint


async def test_own_questions_in_a_folder_that_is_not_there(command):
    ended = await command("audit", "--questions", "nowhere")
    assert (ended.code, ended.complaint) == (2, "--questions nowhere: cannot be read: No such file or directory")


@pytest.mark.parametrize(
    ("sql", "error", "message"),
    [
        (
            "SELECT 'yes' AS answer, 1 AS repository",
            ConfigError,
            "columns answer, repository, why, and its query has answer,",
        ),
        (
            "SELECT 'yes' AS answer, NULL AS why, 1 AS repository",
            ConfigError,
            "and its query has answer, why, repository",
        ),
        ("", ConfigError, "and its query has "),
        (
            "SELECT 'no' AS answer, 1 AS repository, NULL AS why",
            QueryError,
            "its answer is 'no', and must be yes or unknown",
        ),
        ("SELECT NULL AS answer, 1 AS repository, NULL AS why", QueryError, "its answer is None"),
        ("SELEC 1", QueryError, 'syntax error at or near "SELEC"'),
        ("SELECT * FROM read_text('/etc/hostname')", QueryError, "file system operations are disabled"),
        ("COPY (SELECT 1) TO 'out.csv'", QueryError, "disabled"),
    ],
)
def test_own_question_whose_sql_has_a_mistake_names_its_file(publish, own, sql, error, message):
    head = "".join(line for line in HEAD.splitlines(keepends=True) if "parameter" not in line)
    question = load_questions(own(f"{head}\n{sql}"))["exposes"]
    snapshot = publish(records=RECORDS, **DEEP)
    selected = select_snapshot(snapshot.parents[2], str(snapshot))
    with pytest.raises(error) as raised, open_answer(question, selected, {}) as answer:
        list(answer.rows)
    assert str(raised.value).count("exposes.sql: ") == 1
    assert message in str(raised.value)
