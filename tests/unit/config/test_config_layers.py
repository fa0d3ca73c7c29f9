"""The layers of a configuration: a flag wins over the environment, the environment over the file."""

from datetime import timedelta
from pathlib import Path

import pytest
from support.config_errors import PREFIX, value_of

from crawler.config import Config, Flag
from crawler.config.schema import OutputConfig
from crawler.errors import ConfigError
from crawler.model.limits import Rate


@pytest.mark.parametrize(
    ("key", "written", "expected"),
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
def test_layers_flag_wins_over_environment_and_environment_over_file(write, monkeypatch, key, written, expected):
    in_file, in_environment, in_flag = written
    table, _, name = key.rpartition(".")
    header = "" if table == "registry" else f"[{table}]\n"
    file = write(f'[registry]\ntarget = "gcr.io"\n{header}{name} = {in_file}\n')
    assert value_of(Config.load(file), key) == expected[0]
    monkeypatch.setenv(PREFIX + key.replace(".", "__").upper(), in_environment)
    assert value_of(Config.load(file), key) == expected[1]
    assert value_of(Config.load(file, flags=[Flag("--flag", key, in_flag)]), key) == expected[2]


def test_layers_are_merged_key_by_key(write, monkeypatch):
    file = write('[registry]\ntarget = "gcr.io"\n[registry.auth]\nscope = "a"\n[limits]\nattempts = 2\n')
    monkeypatch.setenv(f"{PREFIX}LIMITS__CONCURRENCY", "16")
    config = Config.load(file, flags=[Flag("--key-file", "registry.auth.key_file", Path("key.json"))])
    assert (config.limits.attempts, config.limits.concurrency) == (2, 16)
    assert (config.registry[0].auth.scope, config.registry[0].auth.key_file) == ("a", Path("key.json"))


# Tables and targets


def test_layers_of_the_output_table_alone(write, monkeypatch):
    """`runs discard` connects to no registry, so errors in the registry's table do not matter."""
    file = write('[output]\npath = "a"\nlock = false\n[[registry]]\ntarget = "ftp://x"\n')
    assert OutputConfig.load(file) == OutputConfig(path=Path("a"), lock=False)
    monkeypatch.setenv(f"{PREFIX}OUTPUT__PATH", "b")
    assert OutputConfig.load(file).path == Path("b")
    assert OutputConfig.load(file, [Flag("--output", "output.path", "c")]).path == Path("c")
    with pytest.raises(ConfigError, match=r"config.toml:1: output.lok: unknown key; did you mean lock"):
        OutputConfig.load(write("output.lok = 1"))


# Mistakes


# Secrets


# Garbage
