"""Errors of a configuration: all at once, each with its file and line, variable or flag, and its key."""

import re

import pytest
from support.config_errors import PREFIX, SECRET, config_error, config_errors

from crawler.config import Flag

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


def test_errors_all_come_at_once_with_file_line_and_key(write):
    file = write(WRONG)
    found = {tuple(error.removeprefix(f"{file}:").split(": ")[:2]) for error in config_errors(file)}
    assert found == {
        ("1", "colour"),
        ("4", "limits.concurrency"),
        ("5", "limits.rate"),
        ("6", "limits.atempts"),
        ("9", "registry.target"),
        ("13", "registry.page_size"),
        ("16", "registry.auth.method"),
    }


def test_error_of_a_missing_target_has_the_line_of_its_table(write):
    file = write('[[registry]]\ntarget = "gcr.io"\n\n[[registry]]\ninclude = []\n')
    assert config_error(file) == f"{file}:4: registry.target: missing"


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
def test_error_line_in_every_way_to_write_toml(write, text, place):
    file = write(text)
    assert config_error(file, targets=["gcr.io"]).startswith(f"{file}:{place}: ")


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
def test_error_of_an_unknown_key_suggests_a_known_one(write, table, key, close):
    header = "" if table == "registry" else f"[{table}]"
    file = write(f'[registry]\ntarget = "gcr.io"\n{header}\n{key} = 3\n')
    assert config_error(file) == f"{file}:4: {table}.{key}: unknown key; did you mean {close}?"


def test_error_of_an_unknown_key_without_a_suggestion(write):
    file = write("[limits]\nzzzzzz = 3\n")
    assert config_error(file, targets=["gcr.io"]) == f"{file}:2: limits.zzzzzz: unknown key"


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
def test_error_in_the_environment_names_the_variable(write, monkeypatch, name, value):
    monkeypatch.setenv(PREFIX + name, value)
    error = config_error(write('[registry]\ntarget = "gcr.io"\n[limits]\nconcurrency = 3\n'))
    assert error.startswith(f"{PREFIX}{name}: {name.replace('__', '.').lower()}: ")


def test_error_of_a_short_variable_names_it(monkeypatch):
    monkeypatch.setenv(f"{PREFIX}USERNAME", "reader")
    assert f"{PREFIX}USERNAME" in config_error(targets=["gcr.io"])


def test_error_of_a_variable_that_names_a_table(monkeypatch):
    monkeypatch.setenv(f"{PREFIX}LIMITS", "nonsense")
    monkeypatch.setenv(f"{PREFIX}LIMITS__CONCURRENCY", "3")
    assert all(error.startswith(f"{PREFIX}LIMITS") for error in config_errors(targets=["gcr.io"]))


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("--concurrency", "limits.concurrency", 0),
        ("--rate", "limits.rate", "fast"),
        ("--discovery", "registry.discovery", "magic"),
        ("--scope", "registry.auth.scope", 3),
    ],
)
def test_error_in_a_flag_names_the_flag(write, monkeypatch, name, key, value):
    file = write("[limits]\nconcurrency = 3\n[registry]\ninclude = []\n")
    monkeypatch.setenv(PREFIX + key.replace(".", "__").upper(), "1/s")
    error = config_error(file, targets=["gcr.io"], flags=[Flag(name, key, value)])
    assert error.startswith(f"{name}: {key}: ")


def test_errors_of_all_three_layers_come_together(write, monkeypatch):
    file = write('[registry]\ntarget = "gcr.io"\npage_size = 0\n')
    monkeypatch.setenv(f"{PREFIX}LIMITS__ATTEMPTS", "0")
    places = [error.split(": ")[0] for error in config_errors(file, flags=[Flag("--rate", "limits.rate", "fast")])]
    assert sorted(places) == sorted(["--rate", f"{file}:3", f"{PREFIX}LIMITS__ATTEMPTS"])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('[registry.auth]\nmethod = "basic"', "needs username"),
        ('[registry.auth]\nmethod = "json-key"', "needs key_file"),
        ('[registry.auth]\nusername = "reader"', "needs password or password_file"),
        (f'[registry.auth]\npassword = "{SECRET}"', "needs password or password_file"),
        (f'[registry.auth]\nusername = "a"\npassword = "{SECRET}"\npassword_file = "b"', "not both"),
        ('discovery = "list"', "needs repositories_from"),
        ('kind = "mcr"\ndiscovery = "api"', "needs a product whose own API lists names, and mcr has none"),
        ('kind = "mcr"\nimages_from = "api"', "needs a product whose own API lists images, and mcr has none"),
        ('kind = "gitea"\nimages_from = "api"', "needs a product whose own API lists images, and gitea has none"),
        ('images_from = "api"', "images_from api needs discovery artifact-registry"),
        (
            'kind = "nexus"\ndiscovery = "catalog"\nimages_from = "api"',
            "images_from api needs discovery api: Nexus's API lists names and images together",
        ),
        (
            'kind = "artifactory"\nrepositories_from = "names.txt"\nimages_from = "api"',
            "images_from api needs discovery api: Artifactory's AQL lists names and images together",
        ),
        ('kind = "ecr"\nimages_from = "api"', "ECR's API is not known for this host: set registry.apis.own to its URL"),
        ('kind = "quay"\ndiscovery = "docker-hub"', "discovery docker-hub needs kind docker-hub, not quay"),
        ('discovery = "catalog"\nrepositories_from = "names.txt"', "needs discovery list"),
        ('plain_http = true\nca_file = "ca.pem"', "not both"),
    ],
)
def test_error_of_keys_that_contradict_each_other(write, table, message):
    file = write(f'[registry]\ntarget = "gcr.io"\n{table}\n')
    error = config_error(file)
    assert message in error
    assert re.match(re.escape(f"{file}:") + r"[13]: registry", error)
    assert SECRET not in error


@pytest.mark.parametrize("key", ["include_tags", "exclude_tags"])
def test_error_of_tag_filters_without_a_depth_names_where_they_are(write, monkeypatch, key):
    message = (
        f"images: {key} choose the images that are read, and depth tags reads none: "
        "set depth to digests, manifests or configs (--depth)"
    )
    file = write(f'[images]\n{key} = ["v*"]\n')
    assert config_error(file, targets=["gcr.io"]) == f"{file}:1: {message}"
    monkeypatch.setenv(f"{PREFIX}IMAGES__{key.upper()}", "v*")
    assert config_error(targets=["gcr.io"]) == f"{PREFIX}IMAGES__{key.upper()}: {message}"
    flag = Flag("--a-tag", f"images.{key}", ["v*"])
    assert config_error(targets=["gcr.io"], flags=[flag]) == f"--a-tag: {message}"


def test_error_of_a_missing_file(tmp_path):
    assert config_error(tmp_path / "none.toml") == f"{tmp_path}/none.toml: cannot be read: No such file or directory"
    assert config_error(tmp_path).startswith(f"{tmp_path}: cannot be read: ")


def test_error_of_a_file_that_is_not_toml(write, tmp_path):
    file = write("[limits]\nconcurrency = \n")
    assert re.fullmatch(re.escape(f"{file}: ") + r".*\(at line 2, column \d+\)", config_error(file))
    file.write_bytes(b'colour = "\xff"')
    assert config_error(file) == f"{file}: is not UTF-8, as TOML must be"
