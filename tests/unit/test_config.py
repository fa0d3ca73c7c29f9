"""The configuration: what wins over what, which table a target takes, and how every mistake is told at once."""

import json
import os
import re
import tomllib
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from support.toml_text import toml_value

from crawler.config import AuthConfig, Config, Flag, RegistryConfig
from crawler.config.schema import ApisConfig, LimitsConfig, OutputConfig, ResumeConfig, VerdictConfig
from crawler.errors import ConfigError
from crawler.model.limits import Rate
from crawler.model.names import Target

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
PREFIX = "REGISTRY_CRAWLER_"
SECRET = "hunter2-and-more"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in os.environ:
        if name.upper().startswith(PREFIX):
            monkeypatch.delenv(name)


FILES = "names.txt password.txt key.json ca.pem a.json b.json c a.pem b.pem c.pem b"


@pytest.fixture(autouse=True)
def _files(tmp_path, monkeypatch):
    """Those that the configurations here name; one that is not there is a mistake."""
    monkeypatch.chdir(tmp_path)
    for name in FILES.split():
        (tmp_path / name).touch()


@pytest.fixture
def write(tmp_path):
    """Write the configuration's text; returns its path."""

    def written(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def mistakes(*arguments: Any, **options: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refusal:
        Config.load(*arguments, **options)
    assert str(refusal.value).splitlines() == list(refusal.value.mistakes)
    return refusal.value.mistakes


def mistake(*arguments: Any, **options: Any) -> str:
    (only,) = mistakes(*arguments, **options)
    return only


def said_of(*arguments: Any, **options: Any) -> tuple[str, ...]:
    """The mistakes, each of them a line for a person; none for a configuration, which can tell what it is."""
    try:
        config = Config.load(*arguments, **options)
    except ConfigError as refusal:
        return refusal.mistakes or ("no reason given\n",)
    for registry in config.registry:
        json.dumps(config.effective(registry))
    return ()


def looked_up(config: Config, key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part)
        value = value[0] if part == "registry" else value
    return value


# What is said where


def uncommented(text: str) -> str:
    """The example with each key and table of its comments, too."""
    return re.sub(r"^# (?=\[|\w+ = )", "", text, flags=re.MULTILINE)


def test_example_is_a_whole_configuration():
    (registry,) = Config.load(EXAMPLE).registry
    assert str(registry.target) == "localhost:5000"


def test_example_needs_nothing_but_its_files_where_it_is_uncommented(write, tmp_path):
    file = write(uncommented(EXAMPLE.read_text(encoding="utf-8")))
    named = ["key.json", "names.txt", "our-ca.pem", "us.pem", "us.key", "password.txt"]
    for name in named:
        (tmp_path / name).unlink(missing_ok=True)
    said = sorted(mistakes(file))
    assert [line.partition(": cannot be read: No such file or directory")[0].split()[-1] for line in said] == named
    for name in named:
        (tmp_path / name).touch()
    _, google, own = Config.load(file).registry
    assert (str(google.target), google.auth.key_file, google.exclude) == (
        "gcr.io/my-project",
        Path("key.json"),
        ("*/scratch/*",),
    )
    assert (str(own.target), own.auth.password_file) == ("registry.example.com:5000/team", Path("password.txt"))


def test_example_names_every_key():
    text = EXAMPLE.read_text(encoding="utf-8")
    written = set(re.findall(r"^(?:# )?(\w+) = ", text, re.MULTILINE))
    tables = (RegistryConfig, AuthConfig, ApisConfig, LimitsConfig, OutputConfig, VerdictConfig, ResumeConfig)
    known = {key for table in tables for key in table.model_fields}
    assert known - written == {"auth", "apis", "password"}  # tables, and what is better not written down


def test_example_shows_the_defaults(write):
    """What is not commented out might as well not be there."""
    assert Config.load(EXAMPLE) == Config.load(targets=["localhost:5000"])


def test_example_leaves_out_no_default():
    shown = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    told = Config.load(EXAMPLE).effective(Config.load(EXAMPLE).registry[0])
    (registry,) = shown["registry"]
    for table in ("limits", "output", "verdict", "resume"):
        assert shown[table] == told[table]
    defaults = {key: value for key, value in told["registry"].items() if value is not None}
    defaults["auth"] = {key: value for key, value in defaults["auth"].items() if value is not None}
    assert registry == defaults


def test_defaults_are_the_contracts():
    config = Config.load(targets=["gcr.io/my-project"])
    keys = {
        "output.path": Path("snapshots"),
        "output.compression": "none",
        "registry.target": Target("gcr.io", "my-project"),
        "registry.auth.method": "auto",
        "registry.auth.key_file": None,
        "registry.auth.username": None,
        "registry.auth.password": None,
        "registry.auth.password_file": None,
        "registry.auth.scope": "cloud-platform.read-only",
        "registry.discovery": "auto",
        "registry.repositories_from": None,
        "registry.include": (),
        "registry.exclude": (),
        "registry.ca_file": None,
        "limits.concurrency": 64,
        "limits.rate": "auto",
        "output.lock": True,
        "verdict.expect": 1,
        "verdict.max_shrink": None,
        "verdict.partial_ok": False,
        "resume.within": timedelta(hours=20),
    }
    assert {key: looked_up(config, key) for key in keys} == keys


@pytest.mark.parametrize(
    ("target", "table", "scheme"),
    [
        ("gcr.io", "", "https"),
        ("registry.example.com:5000", "", "https"),
        ("registry.example.com:5000", "plain_http = true", "http"),
        ("localhost:5000", "", "http"),
        ("127.0.0.1:5000", "", "http"),
        ("[::1]:5000", "", "http"),
        ("localhost:5000", "plain_http = false", "https"),
        ("localhost:5000", 'ca_file = "ca.pem"', "https"),
    ],
)
def test_plain_http_is_for_this_machine_and_for_those_who_ask(write, target, table, scheme):
    config = Config.load(write(f'[[registry]]\ntarget = "{target}"\n{table}'))
    assert config.registry[0].scheme == scheme


@pytest.mark.parametrize(
    ("key", "said", "meant"),
    [
        ("registry.include", ('["a/*"]', "b/*,c/*", ["d/*"]), [("a/*",), ("b/*", "c/*"), ("d/*",)]),
        ("registry.exclude", ('["a/*", "b"]', "c", ["d", "e"]), [("a/*", "b"), ("c",), ("d", "e")]),
        ("registry.plain_http", ("true", "false", True), [True, False, True]),
        ("registry.discovery", ('"auto"', "catalog", "auto"), ["auto", "catalog", "auto"]),
        ("registry.ca_file", ('"a.pem"', "b.pem", Path("c.pem")), [Path("a.pem"), Path("b.pem"), Path("c.pem")]),
        ("registry.auth.key_file", ('"a.json"', "b.json", Path("c")), [Path("a.json"), Path("b.json"), Path("c")]),
        ("registry.auth.method", ('"token"', "anonymous", "access-token"), ["token", "anonymous", "access-token"]),
        ("registry.auth.scope", ('"a"', "b", "c"), ["a", "b", "c"]),
        ("limits.concurrency", ("8", "16", 32), [8, 16, 32]),
        ("limits.rate", ('"80/s"', "none", "5/m"), [Rate(80, 1), None, Rate(5, 60)]),
        ("limits.read_timeout", ("1.5", "2.5", 3.5), [1.5, 2.5, 3.5]),
        ("output.path", ('"a"', "b", "c"), [Path("a"), Path("b"), Path("c")]),
        ("output.compression", ('"gzip"', "zstd", "none"), ["gzip", "zstd", "none"]),
        ("output.lock", ("true", "false", True), [True, False, True]),
        ("verdict.expect", ("0", "20", 300), [0, 20, 300]),
        ("verdict.max_shrink", ('"20%"', "none", "2.5%"), [0.2, None, 0.025]),
        ("verdict.partial_ok", ("true", "false", True), [True, False, True]),
        ("resume.within", ('"90m"', "20h", "2d"), [timedelta(hours=1.5), timedelta(hours=20), timedelta(days=2)]),
    ],
)
def test_a_flag_wins_over_the_environment_and_that_over_the_file(write, monkeypatch, key, said, meant):
    in_file, in_environment, in_flag = said
    table, _, name = key.rpartition(".")
    header = "" if table == "registry" else f"[{table}]\n"
    file = write(f'[registry]\ntarget = "gcr.io"\n{header}{name} = {in_file}\n')
    assert looked_up(Config.load(file), key) == meant[0]
    monkeypatch.setenv(PREFIX + key.replace(".", "__").upper(), in_environment)
    assert looked_up(Config.load(file), key) == meant[1]
    assert looked_up(Config.load(file, flags=[Flag("--flag", key, in_flag)]), key) == meant[2]


def test_layers_leave_their_neighbours_alone(write, monkeypatch):
    file = write('[registry]\ntarget = "gcr.io"\n[registry.auth]\nscope = "a"\n[limits]\nattempts = 2\n')
    monkeypatch.setenv(f"{PREFIX}LIMITS__CONCURRENCY", "16")
    config = Config.load(file, flags=[Flag("--key-file", "registry.auth.key_file", Path("key.json"))])
    assert (config.limits.attempts, config.limits.concurrency) == (2, 16)
    assert (config.registry[0].auth.scope, config.registry[0].auth.key_file) == ("a", Path("key.json"))


def test_username_and_password_have_short_variables(write, monkeypatch):
    monkeypatch.setenv(f"{PREFIX}USERNAME", "reader")
    monkeypatch.setenv(f"{PREFIX}PASSWORD", SECRET)
    auth = Config.load(targets=["localhost:5000"]).registry[0].auth
    assert (auth.username, auth.password.get_secret_value()) == ("reader", SECRET)
    file = write(f'[registry]\ntarget = "gcr.io"\n[registry.auth]\nusername = "other"\npassword = "x{SECRET}"\n')
    auth = Config.load(file).registry[0].auth
    assert (auth.username, auth.password.get_secret_value()) == ("reader", SECRET)


def test_the_long_variables_work_too(monkeypatch):
    monkeypatch.setenv(f"{PREFIX}REGISTRY__TARGET", "localhost:5000")
    monkeypatch.setenv(f"{PREFIX}REGISTRY__AUTH__USERNAME", "reader")
    monkeypatch.setenv(f"{PREFIX}REGISTRY__AUTH__PASSWORD", SECRET)
    registry = Config.load().registry[0]
    assert (str(registry.target), registry.auth.username) == ("localhost:5000", "reader")


def test_a_password_may_look_like_json_or_a_number(monkeypatch):
    monkeypatch.setenv(f"{PREFIX}USERNAME", "12345")
    for password in ["12345", '{"type": "service_account"}', "[1, 2]", "null", "a,b c", " x "]:
        monkeypatch.setenv(f"{PREFIX}PASSWORD", password)
        assert Config.load(targets=["gcr.io"]).registry[0].auth.password.get_secret_value() == password


def test_the_password_in_the_environment_is_for_those_who_have_a_username(write, monkeypatch):
    """As the example's comment has it: one registry has a key file, the other a username."""
    file = write(
        '[[registry]]\ntarget = "gcr.io/my-project"\n[registry.auth]\nkey_file = "key.json"\n'
        '[[registry]]\ntarget = "registry.example.com"\n[registry.auth]\nusername = "reader"\n'
    )
    monkeypatch.setenv(f"{PREFIX}PASSWORD", SECRET)
    google, own = Config.load(file).registry
    assert google.auth.password is None
    assert own.auth.password.get_secret_value() == SECRET


def test_variables_of_others_are_none_of_ours(monkeypatch):
    monkeypatch.setenv("REGISTRY_HTTP_ADDR", "x")
    monkeypatch.setenv("LIMITS__CONCURRENCY", "x")
    assert Config.load(targets=["gcr.io"]).limits.concurrency == 64


# Tables and targets

SEVERAL = """
[[registry]]
target = "gcr.io/one"
include = ["a"]

[[registry]]
target = "gcr.io/two"
include = ["b"]

[[registry]]
include = ["c"]
"""


def test_each_table_is_a_registry_of_the_run(write):
    config = Config.load(write(SEVERAL.rpartition("[[registry]]")[0]))
    assert [(str(registry.target), registry.include) for registry in config.registry] == [
        ("gcr.io/one", ("a",)),
        ("gcr.io/two", ("b",)),
    ]


def test_targets_pick_their_tables_and_else_the_one_without_a_target(write):
    config = Config.load(write(SEVERAL), targets=["localhost:5000", "gcr.io/two"])
    assert [(str(registry.target), registry.include) for registry in config.registry] == [
        ("localhost:5000", ("c",)),
        ("gcr.io/two", ("b",)),
    ]


def test_a_target_without_a_table_takes_the_defaults(write):
    config = Config.load(write(SEVERAL.rpartition("[[registry]]")[0]), targets=["gcr.io/three"])
    assert config.registry[0].include == ()


@pytest.mark.parametrize("target", ["gcr.io/two/", "GCR.io/two"])
def test_a_target_picks_its_table_however_it_is_spelt(write, target):
    config = Config.load(write(SEVERAL), targets=[target])
    assert (str(config.registry[0].target), config.registry[0].include) == ("gcr.io/two", ("b",))


def test_registry_may_be_a_single_table(write):
    file = write('[registry]\ntarget = "gcr.io/one"\ninclude = ["a"]\n')
    assert [str(registry.target) for registry in Config.load(file).registry] == ["gcr.io/one"]


def test_a_table_without_a_target_is_the_base_of_every_target(write):
    file = write('[registry]\ninclude = ["a"]\n[registry.auth]\nscope = "b"\n')
    config = Config.load(file, targets=["gcr.io/one", "gcr.io/two"])
    assert [(r.target.prefix, r.include, r.auth.scope) for r in config.registry] == [
        ("one", ("a",), "b"),
        ("two", ("a",), "b"),
    ]


def test_flags_and_environment_hold_for_every_registry(write, monkeypatch):
    monkeypatch.setenv(f"{PREFIX}REGISTRY__PAGE_SIZE", "50")
    flag = Flag("--exclude", "registry.exclude", ["x"])
    config = Config.load(write(SEVERAL), targets=["gcr.io/one", "localhost:5000"], flags=[flag])
    assert [(r.page_size, r.exclude, r.include) for r in config.registry] == [
        (50, ("x",), ("a",)),
        (50, ("x",), ("c",)),
    ]


def test_no_target_at_all_says_what_to_do(write):
    for file in [None, write(""), write("[limits]\nconcurrency = 3\n")]:
        said = mistake(file)
        assert "TARGET" in said
        assert "[[registry]]" in said


@pytest.mark.parametrize(
    ("text", "registry", "prefix"),
    [
        ("gcr.io", "gcr.io", ""),
        ("gcr.io/my-project", "gcr.io", "my-project"),
        ("gcr.io/my-project/", "gcr.io", "my-project"),
        ("us-docker.pkg.dev/my-project/my-repo", "us-docker.pkg.dev", "my-project/my-repo"),
        ("localhost:5000", "localhost:5000", ""),
        ("Registry.Example.COM:5000/a", "registry.example.com:5000", "a"),
        ("[::1]:5000/a", "[::1]:5000", "a"),
        ("127.0.0.1:65535", "127.0.0.1:65535", ""),
        ("gcr.io/example.com/my_project--x", "gcr.io", "example.com/my_project--x"),
    ],
)
def test_targets(text, registry, prefix):
    assert Config.load(targets=[text]).registry[0].target == Target(registry, prefix)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        ":5000",
        "https://gcr.io/my-project",
        "localhost:0",
        "localhost:99999",
        "localhost:",
        "localhost:http",
        "localhost:٥",
        "gcr.io/My-Project",
        "gcr.io/a//b",
        "gcr.io//a",
        "gcr.io/../a",
        "gcr.io/a b",
        "gcr.io/a?n=1",
        "gcr.io/a#b",
        "gcr.io/a:tag",
        "gcr.io/a@sha256:" + 64 * "0",
        "user@gcr.io",
        "-gcr.io",
        "gcr..io",
        "gcr.io\n",
        "gcr.io/a\u202eb",
        "gcr.io/" + "a" * 256,
    ],
)
def test_targets_that_are_none(write, text):
    said = mistake(targets=[text])
    assert said.startswith("TARGET")
    assert said.isprintable()
    assert "registry.target" in said
    file = write(f"[registry]\ntarget = {json.dumps(text)}\n")
    assert mistake(file).startswith(f"{file}:2: registry.target: ")


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("80/s", Rate(80, 1)),
        ("80/1s", Rate(80, 1)),
        ("50000/10m", Rate(50000, 600)),
        ("1/h", Rate(1, 3600)),
        ("100/2d", Rate(100, 2 * 86_400)),
        ("none", None),
        ("auto", "auto"),
    ],
)
def test_rates(write, text, rate):
    assert Config.load(write(f'[limits]\nrate = "{text}"\n'), targets=["gcr.io"]).limits.rate == rate


@pytest.mark.parametrize(
    "text",
    [
        '"80"',
        '"80/"',
        '"/s"',
        '"0/s"',
        '"80/0s"',
        '"-1/s"',
        '"1.5/s"',
        '"80 / s"',
        '"80/y"',
        '"fast"',
        '""',
        "80",
        "true",
        "[]",
    ],
)
def test_rates_that_are_none(write, text):
    file = write(f"[limits]\nrate = {text}\n")
    assert all(said.startswith(f"{file}:2: limits.rate") for said in mistakes(file, targets=["gcr.io"]))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('verdict.max_shrink = "20"', "a share is written 20%, or none (got '20')"),
        ('verdict.max_shrink = "101%"', "a share is written 20%, or none (got '101%')"),
        ('verdict.max_shrink = "-1%"', "a share is written 20%, or none (got '-1%')"),
        ("verdict.max_shrink = 20.0", "a share is written 20%, or none (got 20.0)"),
        ("verdict.expect = -1", "must be a whole number from 0 to 1000000000 (got -1)"),
        ('resume.within = "20"', "a duration is written 90m, 20h or 2d (got '20')"),
        ('resume.within = "1.5h"', "a duration is written 90m, 20h or 2d (got '1.5h')"),
        ("resume.within = 20", "a duration is written 90m, 20h or 2d (got 20)"),
        ("verdict.expects = 1", "unknown key; did you mean expect?"),
    ],
)
def test_shares_and_durations_that_are_none(write, line, words):
    assert words in mistake(write(line), targets=["gcr.io"])


@pytest.mark.parametrize("within", ["45s", "90m", "20h", "2d"])
@pytest.mark.parametrize("shrink", ["20%", "2.5%", "0%", "100%", "none"])
def test_shares_and_durations_are_told_as_they_are_written(write, within, shrink):
    config = Config.load(write(f'resume.within = "{within}"\nverdict.max_shrink = "{shrink}"'), targets=["gcr.io"])
    effective = config.effective(config.registry[0])
    assert (effective["resume"]["within"], effective["verdict"]["max_shrink"]) == (within, shrink)


def test_a_home_folder_is_expanded_in_paths(write, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = Config.load(write('output.path = "~/snapshots"'), targets=["gcr.io"], flags=[KEY_FILE])
    assert (config.output.path, config.registry[0].auth.key_file) == (
        tmp_path / "snapshots",
        tmp_path / "key.json",
    )


KEY_FILE = Flag("--key-file", "registry.auth.key_file", "~/key.json")


def test_the_output_alone_is_read_as_with_the_rest(write, monkeypatch):
    """`runs discard` asks no registry, and needs none in the configuration."""
    file = write('[output]\npath = "a"\nlock = false\n[[registry]]\ntarget = "ftp://x"\n')
    assert OutputConfig.load(file) == OutputConfig(path=Path("a"), lock=False)
    monkeypatch.setenv(f"{PREFIX}OUTPUT__PATH", "b")
    assert OutputConfig.load(file).path == Path("b")
    assert OutputConfig.load(file, [Flag("--output", "output.path", "c")]).path == Path("c")
    with pytest.raises(ConfigError, match=r"config.toml:1: output.lok: unknown key; did you mean lock"):
        OutputConfig.load(write("output.lok = 1"))


def test_a_rate_that_is_none_is_one_mistake(write):
    assert "80/s" in mistake(write('[limits]\nrate = "fast"\n'), targets=["gcr.io"])


# Mistakes

WRONG = """\
colour = "blue"

[limits]
concurrency = 0
rate = "fast"
atempts = 3

[[registry]]
target = "https://gcr.io"

[[registry]]
target = "gcr.io/two"
page_size = "many"

[registry.auth]
method = "magic"
"""


def test_every_mistake_is_named_at_once_with_file_line_and_key(write):
    file = write(WRONG)
    found = {tuple(said.removeprefix(f"{file}:").split(": ")[:2]) for said in mistakes(file)}
    assert found == {
        ("1", "colour"),
        ("4", "limits.concurrency"),
        ("5", "limits.rate"),
        ("6", "limits.atempts"),
        ("9", "registry.target"),
        ("13", "registry.page_size"),
        ("16", "registry.auth.method"),
    }


def test_a_missing_target_points_to_its_table(write):
    file = write('[[registry]]\ntarget = "gcr.io"\n\n[[registry]]\ninclude = []\n')
    assert mistake(file) == f"{file}:4: registry.target: missing"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("limits.concurrency = 0\n", "1: limits.concurrency"),
        ("[limits]\n# concurrency = 1\n  concurrency=0 # none\n", "3: limits.concurrency"),
        ("limits = { concurrency = 0 }\n", "1: limits.concurrency"),
        ('[registry]\ntarget = "gcr.io"\nauth.scope = 3\n', "3: registry.auth.scope"),
        ('registry = [\n  { target = "gcr.io", page_size = 0 },\n]\n', "1: registry.page_size"),
        ("[ limits ]\nconcurrency = 0\n", "2: limits.concurrency"),
    ],
)
def test_places_in_other_ways_of_writing(write, text, place):
    file = write(text)
    assert mistake(file, targets=["gcr.io"]).startswith(f"{file}:{place}: ")


@pytest.mark.parametrize(
    ("table", "key", "close"),
    [
        ("limits", "concurency", "concurrency"),
        ("output", "compresion", "compression"),
        ("registry", "includes", "include"),
        ("registry.auth", "pasword", "password"),
        ("registry.auth", "keyfile", "key_file"),
    ],
)
def test_unknown_keys_come_with_a_suggestion(write, table, key, close):
    header = "" if table == "registry" else f"[{table}]"
    file = write(f'[registry]\ntarget = "gcr.io"\n{header}\n{key} = 3\n')
    assert mistake(file) == f"{file}:4: {table}.{key}: unknown key; did you mean {close}?"


def test_an_unknown_key_that_resembles_nothing_is_just_unknown(write):
    file = write("[limits]\nzzzzzz = 3\n")
    assert mistake(file, targets=["gcr.io"]) == f"{file}:2: limits.zzzzzz: unknown key"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LIMITS__CONCURRENCY", "many"),
        ("LIMITS__RATE", "fast"),
        ("REGISTRY__PLAIN_HTTP", "perhaps"),
        ("REGISTRY__DISCOVERY", "magic"),
        ("REGISTRY__AUTH__METHOD", "magic"),
        ("OUTPUT__COMPRESSION", "rar"),
    ],
)
def test_mistakes_in_the_environment_name_the_variable(write, monkeypatch, name, value):
    monkeypatch.setenv(PREFIX + name, value)
    said = mistake(write('[registry]\ntarget = "gcr.io"\n[limits]\nconcurrency = 3\n'))
    assert said.startswith(f"{PREFIX}{name}: {name.replace('__', '.').lower()}: ")


def test_mistakes_with_the_short_variables_name_them(monkeypatch):
    monkeypatch.setenv(f"{PREFIX}USERNAME", "reader")
    assert f"{PREFIX}USERNAME" in mistake(targets=["gcr.io"])


def test_a_variable_for_a_table_and_one_within_it(monkeypatch):
    monkeypatch.setenv(f"{PREFIX}LIMITS", "nonsense")
    monkeypatch.setenv(f"{PREFIX}LIMITS__CONCURRENCY", "3")
    assert all(said.startswith(f"{PREFIX}LIMITS") for said in mistakes(targets=["gcr.io"]))


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("--concurrency", "limits.concurrency", 0),
        ("--rate", "limits.rate", "fast"),
        ("--discovery", "registry.discovery", "magic"),
        ("--scope", "registry.auth.scope", 3),
    ],
)
def test_mistakes_in_a_flag_name_the_flag(write, monkeypatch, name, key, value):
    file = write("[limits]\nconcurrency = 3\n[registry]\ninclude = []\n")
    monkeypatch.setenv(PREFIX + key.replace(".", "__").upper(), "1/s")
    said = mistake(file, targets=["gcr.io"], flags=[Flag(name, key, value)])
    assert said.startswith(f"{name}: {key}: ")


def test_mistakes_of_all_three_layers_come_together(write, monkeypatch):
    file = write('[registry]\ntarget = "gcr.io"\npage_size = 0\n')
    monkeypatch.setenv(f"{PREFIX}LIMITS__ATTEMPTS", "0")
    places = [said.split(": ")[0] for said in mistakes(file, flags=[Flag("--rate", "limits.rate", "fast")])]
    assert sorted(places) == sorted(["--rate", f"{file}:3", f"{PREFIX}LIMITS__ATTEMPTS"])


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('[registry.auth]\nmethod = "basic"', "needs username"),
        ('[registry.auth]\nmethod = "json-key"', "needs key_file"),
        ('[registry.auth]\nusername = "reader"', "go together"),
        (f'[registry.auth]\npassword = "{SECRET}"', "go together"),
        (f'[registry.auth]\nusername = "a"\npassword = "{SECRET}"\npassword_file = "b"', "not both"),
        ('discovery = "list"', "needs repositories_from"),
        ('discovery = "catalog"\nrepositories_from = "names.txt"', "goes with discovery list"),
        ('plain_http = true\nca_file = "ca.pem"', "choose one"),
    ],
)
def test_keys_that_do_not_fit_together(write, table, words):
    file = write(f'[registry]\ntarget = "gcr.io"\n{table}\n')
    said = mistake(file)
    assert words in said
    assert re.match(re.escape(f"{file}:") + r"[13]: registry", said)
    assert SECRET not in said


def test_a_file_that_is_not_there(tmp_path):
    assert mistake(tmp_path / "none.toml") == f"{tmp_path}/none.toml: cannot be read: No such file or directory"
    assert mistake(tmp_path).startswith(f"{tmp_path}: cannot be read: ")


def test_a_file_that_is_not_toml(write, tmp_path):
    file = write("[limits]\nconcurrency = \n")
    assert re.fullmatch(re.escape(f"{file}: ") + r".*\(at line 2, column \d+\)", mistake(file))
    file.write_bytes(b'colour = "\xff"')
    assert mistake(file) == f"{file}: is not UTF-8, as TOML must be"


# Secrets


@pytest.mark.parametrize(
    "text",
    [
        f'[registry.auth]\npasword = "{SECRET}"',
        f'[registry]\npassword = "{SECRET}"',
        f'[registry.aut]\npassword = "{SECRET}"',
        f'[limits]\npassword = "{SECRET}"',
        f'password = "{SECRET}"',
        f'[registry.auth]\npassword = ["{SECRET}"]',
        f'[registry.auth.password]\nvalue = "{SECRET}"',
        f'[registry]\nauth = "{SECRET}"',
        f'[registry]\nauth = ["{SECRET}"]',
        f'[registry.auth]\nmethod = "{SECRET}"',
        f'[registry.auth]\npassword = "{SECRET}"',
        f'[registry.auth]\npassword = "{SECRET}"\npassword = "{SECRET}"',
        f"[registry.auth]\npassword = {SECRET}",
        f'[registry.auth]\npassword = "{SECRET}',
        f'[registry]\ntarget = "reader:{SECRET}@registry.example.com"',
        f'[registry]\ntarget = "https://reader:{SECRET}@registry.example.com/v2/"',
    ],
)
def test_a_secret_in_the_wrong_place_is_never_echoed(write, text):
    file = write(f"{text}\n")
    told = mistakes(file, targets=() if "target" in text else ["gcr.io"])
    assert SECRET not in "\n".join(told)
    assert all(said.startswith(f"{file}:") for said in told)


@pytest.mark.parametrize("number", ["1234567", "1234567.5", "true", "1979-05-27"])
def test_a_password_of_another_type_is_never_echoed(write, number):
    file = write(f'[registry]\ntarget = "gcr.io"\n[registry.auth]\nusername = "reader"\npassword = {number}\n')
    said = mistake(file)
    assert said.startswith(f"{file}:5: registry.auth.password: ")
    assert number not in said


@pytest.mark.parametrize("name", ["REGISTRY__AUTH__PASWORD", "REGISTRY__PASSWORD", "REGISTRY__AUTH", "PASSWORD"])
def test_a_secret_in_the_wrong_variable_is_never_echoed(monkeypatch, name):
    monkeypatch.setenv(PREFIX + name, SECRET)
    assert SECRET not in "\n".join(said_of(targets=["gcr.io"]))


@pytest.mark.parametrize("auth", [{"password": SECRET}, {"username": "reader", "pasword": SECRET}])
def test_a_secret_in_a_configuration_made_in_code_is_never_echoed(auth):
    with pytest.raises(ValidationError) as refusal:
        Config(registry=[{"target": "gcr.io", "auth": auth}])
    assert SECRET not in str(refusal.value)


def test_what_a_run_was_told_holds_no_password(write):
    file = write(
        f'[registry]\ntarget = "localhost:5000/a"\nexclude = ["b"]\n[limits]\nrate = "50000/10m"\n'
        f'[registry.auth]\nusername = "reader"\npassword = "{SECRET}"\n'
    )
    config = Config.load(file)
    told = config.effective(config.registry[0])
    assert SECRET not in json.dumps(told) + repr(config) + str(config)
    assert "password" not in told["registry"]["auth"]
    assert (told["registry"]["target"], told["registry"]["exclude"]) == ("localhost:5000/a", ["b"])
    assert told["registry"]["auth"]["username"] == "reader"
    assert told["limits"]["rate"] == "50000/600s"
    assert told["output"]["path"] == "snapshots"


@pytest.mark.parametrize("rate", ["80/s", "50000/10m", "none", "auto"])
def test_what_a_run_was_told_can_be_told_again(write, rate):
    config = Config.load(write(f'[limits]\nrate = "{rate}"\n'), targets=["gcr.io/a"])
    told = config.effective(config.registry[0])
    assert Config.model_validate({**told, "registry": [told["registry"]]}) == config


def test_a_configuration_is_frozen():
    config = Config.load(targets=["gcr.io"])
    for part, name in [
        (config, "output"),
        (config.limits, "rate"),
        (config.registry[0], "auth"),
        (config.output, "path"),
    ]:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, name, None)


# Garbage

TABLES = ["registry", "limits", "output", "verdict", "resume"]
MODELS = (RegistryConfig, AuthConfig, LimitsConfig, OutputConfig, VerdictConfig, ResumeConfig)
KEYS = TABLES + [name for model in MODELS for name in model.model_fields]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = st.one_of(
    TEXTS,
    st.sampled_from(["gcr.io/a", "localhost:5000", "80/s", "auto", "none", "token", "basic", "list", "true", "3"]),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.booleans(),
    st.dates(min_value=date(1000, 1, 1)),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | TEXTS, inner, max_size=4),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.sampled_from(TABLES) | TEXTS, VALUES, max_size=4)
TARGETS = st.lists(TEXTS | st.sampled_from(["gcr.io/a", "localhost:5000"]), max_size=2)


@given(document=DOCUMENTS, targets=TARGETS)
@example(document={"registry": {"target": []}}, targets=["gcr.io/a"])
@example(document={"registry": [1, {"target": {}}]}, targets=["gcr.io/a"])
@settings(max_examples=150)
def test_any_document_is_a_configuration_or_a_mistake(tmp_path_factory, document, targets):
    file = tmp_path_factory.getbasetemp() / "garbage.toml"
    text = "".join(f"{toml_value(key)} = {toml_value(value)}\n" for key, value in document.items())
    assert tomllib.loads(text).keys() == document.keys()
    file.write_text(text, encoding="utf-8", newline="")
    assert all(said.isprintable() for said in said_of(file, targets=targets))


@given(text=st.text(st.characters(exclude_categories=["Cs"])) | st.text("[].=\"'#{}\n a1", max_size=40))
@settings(max_examples=100)
def test_any_text_is_a_configuration_or_a_mistake(tmp_path_factory, text):
    file = tmp_path_factory.getbasetemp() / "text.toml"
    file.write_text(text, encoding="utf-8", newline="")
    assert all(said.isprintable() for said in said_of(file, targets=["gcr.io"]))


@given(
    variables=st.dictionaries(
        st.lists(st.sampled_from(KEYS), min_size=1, max_size=4).map("__".join),
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
        | st.sampled_from(["{}", "[1]", '{"a": 1}']),
        max_size=4,
    )
)
@settings(max_examples=100)
def test_any_environment_is_a_configuration_or_a_mistake(variables):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(PREFIX + name.upper(), value)
        assert all(said.isprintable() for said in said_of(targets=["gcr.io"]))


def test_nothing_named_says_what_to_name():
    assert mistake() == "registry: nothing to do: name a TARGET (gcr.io/my-project) or write a [[registry]] table"
