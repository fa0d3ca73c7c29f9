"""Targets, and the `[[registry]]` table that each of them takes."""

import json

import pytest
from support.config_errors import PREFIX, config_error

from crawler.config import Config, Flag
from crawler.model.names import Target

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


def test_targets_without_arguments_are_all_tables(write):
    config = Config.load(write(SEVERAL.rpartition("[[registry]]")[0]))
    assert [(str(registry.target), registry.include) for registry in config.registry] == [
        ("gcr.io/one", ("a",)),
        ("gcr.io/two", ("b",)),
    ]


def test_targets_take_their_table_or_the_one_without_a_target(write):
    config = Config.load(write(SEVERAL), targets=["localhost:5000", "gcr.io/two"])
    assert [(str(registry.target), registry.include) for registry in config.registry] == [
        ("localhost:5000", ("c",)),
        ("gcr.io/two", ("b",)),
    ]


def test_target_without_a_table_takes_the_defaults(write):
    config = Config.load(write(SEVERAL.rpartition("[[registry]]")[0]), targets=["gcr.io/three"])
    assert config.registry[0].include == ()


@pytest.mark.parametrize("target", ["gcr.io/two/", "GCR.io/two"])
def test_target_finds_its_table_in_another_spelling(write, target):
    config = Config.load(write(SEVERAL), targets=[target])
    assert (str(config.registry[0].target), config.registry[0].include) == ("gcr.io/two", ("b",))


def test_target_of_a_single_registry_table(write):
    file = write('[registry]\ntarget = "gcr.io/one"\ninclude = ["a"]\n')
    assert [str(registry.target) for registry in Config.load(file).registry] == ["gcr.io/one"]


def test_table_without_a_target_is_for_every_target(write):
    file = write('[registry]\ninclude = ["a"]\n[registry.auth]\nscope = "b"\n')
    config = Config.load(file, targets=["gcr.io/one", "gcr.io/two"])
    assert [(r.target.prefix, r.include, r.auth.scope) for r in config.registry] == [
        ("one", ("a",), "b"),
        ("two", ("a",), "b"),
    ]


def test_targets_all_take_flags_and_environment(write, monkeypatch):
    monkeypatch.setenv(f"{PREFIX}REGISTRY__PAGE_SIZE", "50")
    flag = Flag("--exclude", "registry.exclude", ["x"])
    config = Config.load(write(SEVERAL), targets=["gcr.io/one", "localhost:5000"], flags=[flag])
    assert [(r.page_size, r.exclude, r.include) for r in config.registry] == [
        (50, ("x",), ("a",)),
        (50, ("x",), ("c",)),
    ]


def test_target_that_is_missing_is_an_error_with_advice(write):
    for file in [None, write(""), write("[limits]\nconcurrency = 3\n")]:
        error = config_error(file)
        assert "TARGET" in error
        assert "[[registry]]" in error


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
def test_target_is_parsed(text, registry, prefix):
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
def test_target_that_is_invalid(write, text):
    error = config_error(targets=[text])
    assert error.startswith("TARGET")
    assert error.isprintable()
    assert "registry.target" in error
    file = write(f"[registry]\ntarget = {json.dumps(text)}\n")
    assert config_error(file).startswith(f"{file}:2: registry.target: ")


def test_target_that_is_missing_is_one_line():
    assert config_error() == "registry: nothing to do: name a TARGET (gcr.io/my-project) or write a [[registry]] table"
