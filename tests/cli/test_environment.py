"""What is read beside the command line: variables, files that are named, and marks that editors leave in them."""

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.scripted import document, on, refusal, serve
from support.snapshots import read_snapshot
from support.toml_text import toml_value

from crawler.auth.google import json_key_credential
from crawler.config import Config, Flag, OutputConfig
from crawler.config.keys import dotted_keys, nest
from crawler.errors import ConfigError, CredentialsError
from crawler.run.credentials import resolve_credentials
from crawler.transport.outage import OutageDetector

PREFIX = "REGISTRY_CRAWLER_"
BOM = "\ufeff"
SECRET = "hunter2-and-more"


@pytest.fixture(autouse=True)
def _clean(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.upper().startswith(PREFIX):
            monkeypatch.delenv(name)


def mistakes(*arguments: Any, **options: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        Config.load(*arguments, **options)
    return refused.value.mistakes


def mistake(*arguments: Any, **options: Any) -> str:
    (only,) = mistakes(*arguments, **options)
    return only


# Variables


def test_environment_variables_that_are_empty_count_as_not_set(monkeypatch):
    for name in ("LIMITS__RATE", "USERNAME", "PASSWORD", "OUTPUT__PATH", "REGISTRY__AUTH__KEY_FILE", "LIMIT", "NONE"):
        monkeypatch.setenv(PREFIX + name, "")
    assert Config.load(targets=["localhost:5000"]) == Config(registry=[{"target": "localhost:5000"}])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("LIMITS__CONCURENCY", "unknown variable; did you mean REGISTRY_CRAWLER_LIMITS__CONCURRENCY?"),
        ("LIMITS_RATE", "unknown variable; did you mean REGISTRY_CRAWLER_LIMITS__RATE?"),
        ("CONCURRENCY", "unknown variable; did you mean REGISTRY_CRAWLER_LIMITS__CONCURRENCY?"),
        ("REGISTRY__AUTH__PASWORD", "unknown variable; did you mean REGISTRY_CRAWLER_REGISTRY__AUTH__PASSWORD?"),
        ("PASWORD", "unknown variable; did you mean REGISTRY_CRAWLER_PASSWORD?"),
        ("REGISTRY__PASSWORD", "unknown variable; did you mean REGISTRY_CRAWLER_REGISTRY__AUTH__PASSWORD?"),
        ("REGISTRY__APIS__HUB", "unknown variable; did you mean REGISTRY_CRAWLER_REGISTRY__APIS__DOCKER_HUB?"),
        ("ZZZZZZ__QQQQQQ__XXXXXXXXXXXXXXX__YYYYYYY", "unknown variable"),
        ("LIMITS__RATE__SECONDS", "unknown variable; did you mean REGISTRY_CRAWLER_LIMITS__RATE?"),
        ("limits__concurency", "unknown variable; did you mean REGISTRY_CRAWLER_LIMITS__CONCURRENCY?"),
        (
            "LIMITS",
            "a table of keys, and no key: each has a variable of its own, such as REGISTRY_CRAWLER_LIMITS__CONCURRENCY",
        ),
        (
            "REGISTRY__AUTH",
            f"a table of keys, and no key: each has a variable of its own, such as {PREFIX}REGISTRY__AUTH__METHOD",
        ),
    ],
)
def test_environment_variables_that_are_unknown_are_mistakes(monkeypatch, name, words):
    monkeypatch.setenv(PREFIX + name, SECRET)
    assert mistake(targets=["localhost:5000"]) == f"{PREFIX}{name}: {words}"
    with pytest.raises(ConfigError, match=name):
        OutputConfig.load(None)


@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_environment_variables_are_heard_in_either_case_and_named_as_they_are_spelt(monkeypatch, case):
    monkeypatch.setenv(case(f"{PREFIX}LIMITS__CONCURRENCY"), "7")
    assert Config.load(targets=["localhost:5000"]).limits.concurrency == 7
    monkeypatch.setenv(case(f"{PREFIX}LIMITS__CONCURRENCY"), "many")
    assert mistake(targets=["localhost:5000"]).startswith(case(f"{PREFIX}LIMITS__CONCURRENCY") + ": ")


def test_environment_variables_of_a_kubernetes_service_say_what_to_do(monkeypatch):
    names = [
        "SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_80_TCP", "PORT_80_TCP_PROTO",
        "PORT_80_TCP_PORT", "PORT_80_TCP_ADDR", "UI_SERVICE_HOST",
    ]  # fmt: skip
    for name in names:
        monkeypatch.setenv(PREFIX + name, "tcp://10.0.0.1:80")
    said = mistake(targets=["localhost:5000"])
    assert all(PREFIX + name in said for name in names)
    assert said.endswith(
        "unknown variable: Kubernetes sets it for a Service of that name; set enableServiceLinks: false for the pod"
    )


def test_environment_variables_that_are_unknown_stand_among_the_other_mistakes(monkeypatch):
    monkeypatch.setenv(f"{PREFIX}LIMITS__RATES", "1/s")
    monkeypatch.setenv(f"{PREFIX}LIMITS__ATTEMPTS", "0")
    said = mistakes(targets=["https://gcr.io"])
    assert [line.partition(":")[0] for line in said] == [
        f"{PREFIX}LIMITS__RATES",
        "TARGET 'https",
        f"{PREFIX}LIMITS__ATTEMPTS",
    ]


def test_environment_variables_lose_a_bom_and_the_last_newline(monkeypatch):
    """As a secret has one that was made with echo."""
    monkeypatch.setenv(f"{PREFIX}USERNAME", "reader\n")
    monkeypatch.setenv(f"{PREFIX}PASSWORD", f"{BOM}{SECRET}\r\n")
    monkeypatch.setenv(f"{PREFIX}LIMITS__CONCURRENCY", "7\n")
    monkeypatch.setenv(f"{PREFIX}OUTPUT__COMPRESSION", "\n")
    config = Config.load(targets=["localhost:5000"])
    (registry,) = config.registry
    assert (registry.auth.username, registry.auth.password.get_secret_value()) == ("reader", SECRET)
    assert (config.limits.concurrency, config.output.compression) == (7, "none")


async def test_environment_mistakes_reach_whoever_runs_the_command(command):
    wrong = await command("crawl", "localhost:1", environment={f"{PREFIX}LIMITS__RAET": "1/s"})
    discard = await command("runs", "discard", "x", environment={f"{PREFIX}OUTPUT_PATH": "x"})
    assert (wrong.code, wrong.complaint) == (
        2,
        f"{PREFIX}LIMITS__RAET: unknown variable; did you mean {PREFIX}LIMITS__RATE?",
    )
    assert (discard.code, discard.complaint) == (
        2,
        f"{PREFIX}OUTPUT_PATH: unknown variable; did you mean {PREFIX}OUTPUT__PATH?",
    )


# Home folders


PATHS = {
    "output.path": "~/a",
    "registry.auth.key_file": "~/a",
    "registry.auth.password_file": "~/a",
    "registry.repositories_from": "~/a",
    "registry.ca_file": "~/a",
    "registry.client_certificate": "~/a",
    "registry.client_key": "~/a",
}


@pytest.mark.parametrize("key", PATHS)
def test_home_folder_is_expanded_wherever_a_path_is_given(tmp_path, monkeypatch, key):
    home = tmp_path / "home"
    home.mkdir()
    (home / "a").touch()
    monkeypatch.setenv("HOME", str(home))
    beside = {
        "registry.auth.password_file": 'username = "reader"\n',
        "registry.client_key": 'client_certificate = "~/a"\n',
    }.get(key, "")
    table, _, name = key.rpartition(".")
    more = [Flag("--u", "registry.auth.username", "reader")] if "password" in key else []
    more += [Flag("--c", "registry.client_certificate", Path("~/a"))] if "client_key" in key else []
    file = tmp_path / "config.toml"
    header = "" if table == "registry" else f"[{table}]\n"
    file.write_text(f'[registry]\ntarget = "localhost:5000"\n{header}{beside}{name} = "~/a"\n')

    def read(config: Config) -> Path:
        value: Any = config.registry[0] if table.startswith("registry") else config.output
        return getattr(value.auth if table.endswith("auth") else value, name)

    assert read(Config.load(file)) == home / "a"
    for path in ("~/a", Path("~/a")):
        flags = [*more, Flag("--flag", key, path)]
        assert read(Config.load(targets=["localhost:5000"], flags=flags)) == home / "a"


def test_home_folder_is_expanded_for_the_configuration_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text("limits.concurrency = 7")
    for file in ("~/config.toml", Path("~/config.toml")):
        assert Config.load(file, targets=["localhost:5000"]).limits.concurrency == 7


# Files that are named


NAMED = {
    "--key-file": "registry.auth.key_file",
    "--password-file": "registry.auth.password_file",
    "--ca-file": "registry.ca_file",
    "--repositories-from": "registry.repositories_from",
}


@pytest.mark.parametrize(("flag", "key"), NAMED.items())
async def test_files_that_cannot_be_read_are_bad_usage(command, flag, key):
    (command.folder / "folder").mkdir()
    crawl = ("crawl", "localhost:1", *(("--username", "reader") if flag == "--password-file" else ()))
    missing, folder = await asyncio.gather(command(*crawl, flag, "none"), command(*crawl, flag, "folder"))
    assert [(ended.code, ended.out) for ended in (missing, folder)] == [(2, "")] * 2
    assert missing.complaint == f"{flag}: {key}: none: cannot be read: No such file or directory"
    assert folder.complaint == f"{flag}: {key}: folder: cannot be read: Is a directory"


def test_files_that_cannot_be_read_are_named_with_the_line_or_the_variable(tmp_path, monkeypatch):
    (tmp_path / "loop").symlink_to("loop")
    file = tmp_path / "config.toml"
    file.write_text(
        'registry.target = "localhost:5000"\nregistry.client_certificate = "none.pem"\nregistry.client_key = "loop"\n'
    )
    monkeypatch.setenv(f"{PREFIX}REGISTRY__CA_FILE", str(tmp_path))
    assert set(mistakes(file)) == {
        f"{file}:2: registry.client_certificate: none.pem: cannot be read: No such file or directory",
        f"{file}:3: registry.client_key: loop: cannot be read: Too many levels of symbolic links",
        f"{PREFIX}REGISTRY__CA_FILE: registry.ca_file: {tmp_path}: cannot be read: Is a directory",
    }


def test_files_of_several_registries_are_one_mistake(tmp_path):
    flag = Flag("--ca-file", "registry.ca_file", Path("none.pem"))
    assert mistake(targets=["one.example.com", "two.example.com"], flags=[flag]).startswith("--ca-file: ")


def test_files_are_not_looked_at_where_a_configuration_is_made_in_code():
    assert Config(registry=[{"target": "gcr.io", "ca_file": "none.pem"}]).registry[0].ca_file == Path("none.pem")


async def test_files_may_be_pipes(command):
    """As a shell's `--password-file <(some command)` has it: opened twice, it would be empty."""
    os.mkfifo(command.folder / "pipe")
    async with command.started(
        "crawl", "localhost:1", "--username", "reader", "--password-file", "pipe",
        environment={f"{PREFIX}LIMITS__ATTEMPTS": "1"},
    ) as process:  # fmt: skip
        await asyncio.to_thread((command.folder / "pipe").write_text, SECRET)
        _, err = await process.communicate()
    assert process.returncode == 1
    assert err.decode().startswith("registry-crawler: localhost:1: ")
    assert "password" not in err.decode()


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_paths_that_are_none_are_mistakes(path):
    for key in PATHS:
        said = mistakes(targets=["localhost:5000"], flags=[Flag("--flag", key, path)])
        assert any(line.startswith(f"--flag: {key}: ") for line in said)


# Marks that editors and shells leave


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_bom_before_a_configuration_is_dropped(tmp_path, end):
    file = tmp_path / "config.toml"
    file.write_bytes(f"{BOM}[limits]{end or chr(10)}concurrency = 7{end}".encode())
    assert Config.load(file, targets=["localhost:5000"]).limits.concurrency == 7
    file.write_bytes(f"{BOM}[limits]\nconcurrency = 0{end}".encode())
    assert mistake(file, targets=["localhost:5000"]).startswith(f"{file}:2: limits.concurrency: ")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_configuration_in_utf_16_is_told_what_it_is(tmp_path, encoding):
    file = tmp_path / "config.toml"
    file.write_bytes("limits.concurrency = 7\n".encode(encoding))
    assert mistake(file) == f"{file}: is UTF-16: save it as UTF-8, as TOML must be"


@pytest.mark.parametrize("text", ["[" * 100_000, "a = " + "[" * 100_000])
def test_configuration_that_is_nested_too_deep_is_one_mistake(tmp_path, text):
    file = tmp_path / "config.toml"
    file.write_text(text)
    assert mistake(file).startswith(f"{file}: ")


def test_configuration_with_a_number_that_python_cannot_read_is_one_mistake(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text("limits.concurrency = " + "9" * 5000)
    assert mistake(file) == f"{file}: holds a number of too many digits"


async def password_of(auth: dict[str, Any]) -> str:
    flags = [Flag("--flag", f"registry.auth.{key}", value) for key, value in auth.items()]
    config = Config.load(targets=["localhost:5000"], flags=flags)
    user = await (await resolve_credentials(config.registry[0], OutageDetector(300))).credentials.get()
    return user.password


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", BOM])
async def test_password_loses_a_bom_and_the_last_newline(tmp_path, bom, end):
    (tmp_path / "password.txt").write_bytes(f"{bom}{SECRET}{end}".encode())
    assert await password_of({"username": "reader", "password_file": "password.txt"}) == SECRET
    assert await password_of({"username": "reader", "password": f"{bom}{SECRET}{end}"}) == SECRET


@pytest.mark.parametrize("text", ["", "\n", BOM])
async def test_password_that_is_empty_is_refused(tmp_path, text):
    (tmp_path / "password.txt").write_text(text)
    with pytest.raises(CredentialsError, match=r"^password\.txt: the password file is empty$"):
        await password_of({"username": "reader", "password_file": "password.txt"})
    flags = [
        Flag("--username", "registry.auth.username", "a"),
        Flag("--password-stdin", "registry.auth.password", text),
    ]
    said = mistake(targets=["localhost:5000"], flags=flags)
    assert said == "--password-stdin: registry.auth.password: is empty; a password is meant"


async def test_password_from_standard_input_loses_a_bom(command):
    wanted = "Basic cmVhZGVyOmh1bnRlcjItYW5kLW1vcmU="
    challenge = ("WWW-Authenticate", 'Basic realm="x"')
    async with serve([on("/v2/", refusal(401, "UNAUTHORIZED", "who?", challenge))]) as server:
        await command(
            "crawl", server.host, "--username", "reader", "--password-stdin", stdin=f"{BOM}{SECRET}\r\n",
            environment={f"{PREFIX}LIMITS__ATTEMPTS": "1"},
        )  # fmt: skip
    assert wanted in server.authorizations


def test_key_file_may_begin_with_a_bom(tmp_path):
    (tmp_path / "key.json").write_text(f'{BOM}{{"type": "service_account"}}\r\n', encoding="utf-8")
    assert json_key_credential(tmp_path / "key.json").password == '{"type":"service_account"}'


async def test_docker_login_may_begin_with_a_bom(tmp_path, monkeypatch):
    login = '{"auths": {"localhost:5000": {"auth": "YTpi"}}}'
    (tmp_path / "config.json").write_text(BOM + login, encoding="utf-8")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)
    assert await password_of({"method": "docker-config"}) == "b"


async def test_list_of_names_may_begin_with_a_bom(command):
    listing = document({"name": "team/app", "tags": ["1"]})
    async with serve([on("/v2/", document({})), on("/v2/team/app/tags/list", listing)]) as server:
        (command.folder / "names.txt").write_text(f"{BOM}team/app\r\n", encoding="utf-8")
        crawl = ("crawl", server.host, "--repositories-from")
        ends = [
            await command(*crawl, "names.txt", "--output", "file"),
            await command(*crawl, "-", "--output", "stdin", stdin=f"{BOM}team/app\r\n"),
        ]
    assert [ended.code for ended in ends] == [0, 0]
    for output in ("file", "stdin"):
        assert read_snapshot(command.folder / output).outcomes == {"team/app": "ok"}


# In whose words

FOREIGN = re.compile(
    r"[Ii]nput should|Value error|Extra inputs|ensure this|valid (integer|number|string|boolean|dictionary|tuple)|"
    r"unable to (parse|interpret)|Field required|Assertion|pydantic|NoneType|Traceback|<class|\bdict\b|\btuple\b|"
    r"\bstr\b|\bint\b|\bfloat\b|\bbool\b|instance of|function-|datetime|\(\)|union|literal|None\b|True\b|False\b|"
    r"errors\.|\[type="
)
KEYS = [
    "output", "output.path", "output.compression", "output.lock", "verdict", "verdict.expect", "verdict.max_shrink",
    "verdict.partial_ok", "resume", "resume.within", "limits", "limits.concurrency", "limits.rate", "limits.attempts",
    "limits.connect_timeout", "limits.read_timeout", "limits.total_timeout", "limits.give_up_after", "registry",
    "registry.target", "registry.kind", "registry.auth", "registry.auth.method", "registry.auth.key_file",
    "registry.auth.username", "registry.auth.password", "registry.auth.password_file", "registry.auth.scope",
    "registry.auth.impersonate", "registry.discovery", "registry.images_from", "registry.location",
    "registry.repositories_from", "registry.include", "registry.exclude", "registry.plain_http", "registry.ca_file",
    "registry.client_certificate", "registry.client_key", "registry.realms", "registry.page_size", "registry.tokens",
    "registry.api_path", "registry.apis", "registry.apis.artifact_registry", "registry.apis.resource_manager",
    "registry.apis.iam_credentials", "registry.apis.docker_hub",
]  # fmt: skip


TABLES = {"output", "verdict", "resume", "limits", "registry", "registry.auth", "registry.apis"}


def test_mistakes_are_tried_for_every_key_that_there_is():
    assert set(dotted_keys(Config)) == set(KEYS) - TABLES


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("limits.concurrency", "many", "must be a whole number from 1 to 4096 (got 'many')"),
        ("limits.concurrency", 0, "must be a whole number from 1 to 4096 (got 0)"),
        ("limits.concurrency", 1.5, "must be a whole number from 1 to 4096 (got 1.5)"),
        ("limits.concurrency", True, "must be a whole number from 1 to 4096 (got true)"),
        ("limits.concurrency", 10**400, "must be a whole number from 1 to 4096 (got 1"),
        ("limits.concurrency", {"a": 1}, "must be a whole number from 1 to 4096 (got a table)"),
        ("limits.concurrency", [], "must be a whole number from 1 to 4096 (got a list)"),
        ("limits.read_timeout", 0, "must be a number of seconds, more than 0 and at most 1000000 (got 0)"),
        ("limits.read_timeout", float("nan"), "must be a number of seconds, more than 0 and at most 1000000 (got nan)"),
        ("limits.read_timeout", float("inf"), "must be a number of seconds, more than 0 and at most 1000000 (got inf)"),
        ("limits.rate", 80, "a rate is written 80/s, 50000/10m, auto or none (got 80)"),
        ("limits.rate", "9" * 5000 + "/s", "a rate is written 80/s, 50000/10m, auto or none (got '999"),
        ("limits", 3, "must be a table of keys (got 3)"),
        ("limits", [3], "must be a table of keys (got a list)"),
        ("output.lock", "perhaps", "must be true or false (got 'perhaps')"),
        ("output.compression", "zst", "must be one of none, gzip or zstd; did you mean zstd? (got 'zst')"),
        ("output.path", "", "is empty; a path is meant"),
        ("output.path", 3, "must be a path (got 3)"),
        ("verdict.expect", 10**30, "must be a whole number from 0 to 1000000000 (got 1"),
        ("registry.target", 3, "must be a text: HOST[:PORT][/PREFIX] (got 3)"),
        ("registry.target", {"registry": "http://gcr.io"}, "must be a text: HOST[:PORT][/PREFIX] (got a table)"),
        ("registry.kind", "GCR", "did you mean gcr? (got 'GCR')"),
        ("registry.kind", "habor", "did you mean harbor? (got 'habor')"),
        ("registry.kind", 3, "must be a text (got 3)"),
        ("registry.discovery", "catalogue", "docker-hub; did you mean catalog? (got 'catalogue')"),
        ("registry.images_from", "apis", "must be one of listing or api; did you mean api? (got 'apis')"),
        ("registry.include", [3], "must be a list of texts (got 3)"),
        ("registry.include", {"a": "b"}, "must be a list of texts (got a table)"),
        ("registry.location", "US", "must be a location, such as us-central1 (got 'US')"),
        ("registry.api_path", "v2", "must be a path that begins with '/' and ends with '/v2/' (got 'v2')"),
        ("registry.plain_http", 7, "must be true or false (got 7)"),
        ("registry.page_size", 0, "must be a whole number from 1 to 100000 (got 0)"),
        ("registry.auth", SECRET, "must be a table of keys"),
        ("registry.auth.method", "tokn", "docker-config or anonymous; did you mean token?"),
        ("registry.auth.password", 12345678, "must be a text"),
        ("registry.auth.username", "", "must be a text, and not an empty one"),
        ("registry.auth.impersonate", "", "must be a text, and not an empty one"),
        ("registry.auth.paswords", SECRET, "unknown key; did you mean password?"),
        ("registry.rate", "1/s", "unknown key; did you mean limits.rate?"),
        ("registry.compression", "gzip", "unknown key; did you mean output.compression?"),
        ("outptu", {"path": "x"}, "unknown key; did you mean output?"),
    ],
)
def test_mistakes_are_in_plain_words(tmp_path, key, value, words):
    said = mistakes_of(tmp_path, key, value)
    assert any(f": {key}: {words}" in line or line.endswith(words) for line in said), said
    assert not any(FOREIGN.search(line) for line in said)
    assert SECRET not in "\n".join(said)


def mistakes_of(folder: Path, key: str, value: Any) -> tuple[str, ...]:
    """Those of a configuration that holds one value; in the file, and as a flag."""
    file = folder / "config.toml"
    first, *more = key.split(".")
    document = {"registry": {}, **nest([first, *more], value)}
    if key != "registry.target" and isinstance(document["registry"], dict):
        document["registry"].setdefault("target", "localhost:5000")
    file.write_text("".join(f"{name} = {toml_value(inner)}\n" for name, inner in document.items()), encoding="utf-8")
    found: list[str] = []
    for arguments in ({"file": file}, {"flags": [Flag("--flag", key, value)], "targets": ["localhost:5000"]}):
        try:
            Config.load(**arguments)
        except ConfigError as refused:
            found += refused.mistakes
    return tuple(found)


LETTERS = st.text("xyz0/:-.@ \u00e9\n\x7f", max_size=12)
SCALARS = st.one_of(
    LETTERS,
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.booleans(),
    st.dates(),
    st.datetimes(),
    st.times(),
    st.sampled_from(["localhost:5000", "80/s", "auto", "basic", "list", "20%", "2d", "-", "https://x.example"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(LETTERS | st.sampled_from([key.rpartition(".")[2] for key in KEYS]), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("key", KEYS)
@given(value=VALUES)
@settings(max_examples=25)
def test_mistakes_of_any_value_are_lines_in_our_own_words(tmp_path_factory, key, value):
    said = mistakes_of(tmp_path_factory.getbasetemp(), key, value)
    assert not [line for line in said if FOREIGN.search(line) or not line.isprintable()]


@given(value=VALUES, name=st.sampled_from(["username", "password"]))
@settings(max_examples=50)
def test_mistakes_beside_a_password_in_the_environment_are_lines_in_our_own_words(tmp_path_factory, value, name):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PREFIX + name.upper(), SECRET)
        for key in ("registry.auth", "registry.auth.method", "registry.auth.username", "registry.target", "registry"):
            said = mistakes_of(tmp_path_factory.getbasetemp(), key, value)
            assert not [line for line in said if FOREIGN.search(line) or SECRET in line]
