"""The messages of errors: plain sentences, without the words of pydantic and Python."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.config_errors import PREFIX, SECRET
from support.toml_text import toml_value

from crawler.config import Config, Flag
from crawler.config.keys import dotted_keys, nest
from crawler.errors import ConfigError

pytestmark = pytest.mark.slow

PYTHON_WORDS = re.compile(
    r"[Ii]nput should|Value error|Extra inputs|ensure this|valid (integer|number|string|boolean|dictionary|tuple)|"
    r"unable to (parse|interpret)|Field required|Assertion|pydantic|NoneType|Traceback|<class|\bdict\b|\btuple\b|"
    r"\bstr\b|\bint\b|\bfloat\b|\bbool\b|instance of|function-|datetime|\(\)|union|literal|None\b|True\b|False\b|"
    r"errors\.|\[type="
)


KEYS = [
    "images", "images.depth", "images.referrers", "images.include_tags", "images.exclude_tags", "cache", "cache.path",
    "lake", "lake.url", "lake.format", "metrics.textfile", "metrics.pushgateway", "notify.url",
    "output", "output.path", "output.compression", "output.lock", "verdict", "verdict.expect", "verdict.max_shrink",
    "verdict.partial_ok", "resume", "resume.within", "limits", "limits.concurrency", "limits.rate", "limits.attempts",
    "limits.connect_timeout", "limits.read_timeout", "limits.total_timeout", "limits.give_up_after", "limits.budget",
    "limits.shared_address", "scale", "scale.shard", "scale.group", "scale.names_from", "scale.engine",
    "scale.workers", "scale.address",
    "registry",
    "registry.target", "registry.kind", "registry.auth", "registry.auth.method", "registry.auth.key_file",
    "registry.auth.username", "registry.auth.password", "registry.auth.password_file", "registry.auth.scope",
    "registry.auth.impersonate", "registry.discovery", "registry.images_from", "registry.location",
    "registry.repositories_from", "registry.include", "registry.exclude", "registry.plain_http", "registry.ca_file",
    "registry.client_certificate", "registry.client_key", "registry.realms", "registry.page_size", "registry.tokens",
    "registry.api_path", "registry.apis", "registry.apis.artifact_registry", "registry.apis.resource_manager",
    "registry.apis.iam_credentials", "registry.apis.docker_hub", "registry.apis.own", "registry.apis.token_file",
]  # fmt: skip


TABLES = {
    "images",
    "cache",
    "lake",
    "scale",
    "output",
    "verdict",
    "resume",
    "limits",
    "registry",
    "registry.auth",
    "registry.apis",
}


def test_messages_are_tested_for_every_key():
    assert set(dotted_keys(Config)) == set(KEYS) - TABLES


@pytest.mark.parametrize(
    ("key", "value", "message"),
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
        ("limits.rate", 80, "must be a rate: 80/s, 50000/10m, auto or none (got 80)"),
        ("limits.rate", "9" * 5000 + "/s", "must be a rate: 80/s, 50000/10m, auto or none (got '999"),
        ("limits", 3, "must be a table of keys (got 3)"),
        ("limits", [3], "must be a table of keys (got a list)"),
        ("output.lock", "perhaps", "must be true or false (got 'perhaps')"),
        ("output.compression", "zst", "must be one of none, gzip or zstd; did you mean zstd? (got 'zst')"),
        ("output.path", "", "must be a path, not empty"),
        ("output.path", 3, "must be a path (got 3)"),
        ("images.depth", "config", "must be one of tags, digests, manifests or configs; did you mean configs?"),
        ("images.depth", 2, "must be one of tags, digests, manifests or configs (got 2)"),
        ("images.referrers", "lsited", "must be one of none, listed or api; did you mean listed? (got 'lsited')"),
        ("images.include_tags", [3], "must be a list of strings (got 3)"),
        ("images.dept", "configs", "unknown key; did you mean depth?"),
        ("registry.depth", "configs", "unknown key; did you mean images.depth?"),
        ("limits.budget", -1, "must be a whole number from 0 to 1000000000, or none (got -1)"),
        ("limits.budget", 1.5, "must be a whole number from 0 to 1000000000, or none (got 1.5)"),
        ("limits.budget", True, "must be a whole number from 0 to 1000000000, or none (got true)"),
        ("limits.budget", "unlimited", "must be a whole number from 0 to 1000000000, or none (got 'unlimited')"),
        ("cache.path", "-", "must be a file, or none: standard input and output cannot hold the cache (got '-')"),
        ("cache.path", "", "must be a path, not empty"),
        ("cache.path", False, "must be a path (got false)"),
        (
            "cache.path",
            "gs://ours",
            "must name an object, not a whole lake: s3://BUCKET/cache.sqlite, file:///FOLDER/FILE",
        ),
        (
            "cache.path",
            "http://ours/a",
            "must be s3://BUCKET/PATH, gs://BUCKET/PATH, az://CONTAINER/PATH or file:///FOLDER",
        ),
        ("lake.url", 5, "must be a string: s3://BUCKET/PATH, …"),
        ("lake.url", "/srv/lake", "must be s3://BUCKET/PATH, gs://BUCKET/PATH, az://CONTAINER/PATH or file:///FOLDER"),
        ("lake.url", "file:///", "must be s3://BUCKET/PATH, gs://BUCKET/PATH, az://CONTAINER/PATH or file:///FOLDER"),
        ("lake.url", "s3://id:key@bucket", "must be a URL without a user, a query or a fragment"),
        ("lake.url", "az://lake/x?sig=abc", "must be a URL without a user, a query or a fragment"),
        ("metrics.textfile", 5, "must be a path (got 5)"),
        (
            "metrics.pushgateway",
            "gateway:9091",
            "must be a URL, https://HOST[:PORT][/PATH] or http://…, without a user",
        ),
        ("notify.url", "https://user:hunter2@hooks.example.com", "must be a URL, https://HOST[:PORT][/PATH] or http"),
        ("lake.format", "csv", "must be one of parquet, jsonl or delta (got 'csv')"),
        ("cache", "none", "must be a table of keys (got 'none')"),
        ("verdict.expect", 10**30, "must be a whole number from 0 to 1000000000 (got 1"),
        ("registry.target", 3, "must be a string: HOST[:PORT][/PREFIX] (got 3)"),
        ("registry.target", {"registry": "http://gcr.io"}, "must be a string: HOST[:PORT][/PREFIX] (got a table)"),
        ("registry.kind", "GCR", "did you mean gcr? (got 'GCR')"),
        ("registry.kind", "habor", "did you mean harbor? (got 'habor')"),
        ("registry.kind", 3, "must be a string (got 3)"),
        ("registry.discovery", "catalogue", "docker-hub; did you mean catalog? (got 'catalogue')"),
        ("registry.images_from", "apis", "must be one of auto, listing or api; did you mean api? (got 'apis')"),
        ("scale.names_from", "groups", "must be one of group or registry; did you mean group? (got 'groups')"),
        ("registry.include", [3], "must be a list of strings (got 3)"),
        ("registry.include", {"a": "b"}, "must be a list of strings (got a table)"),
        ("registry.location", "US", "must be a location, such as us-central1 (got 'US')"),
        ("registry.api_path", "v2", "must be a path that begins with '/' and ends with '/v2/' (got 'v2')"),
        ("registry.plain_http", 7, "must be true or false (got 7)"),
        ("registry.page_size", 0, "must be a whole number from 1 to 100000 (got 0)"),
        ("registry.auth", SECRET, "must be a table of keys"),
        ("registry.auth.method", "tokn", "docker-config or anonymous; did you mean token?"),
        ("registry.auth.password", 12345678, "must be a string"),
        ("registry.auth.username", "", "must be a string, not empty"),
        ("registry.auth.impersonate", "", "must be a string, not empty"),
        ("registry.auth.paswords", SECRET, "unknown key; did you mean password?"),
        ("registry.rate", "1/s", "unknown key; did you mean limits.rate?"),
        ("registry.compression", "gzip", "unknown key; did you mean output.compression?"),
        ("outptu", {"path": "x"}, "unknown key; did you mean output?"),
    ],
)
def test_message_of_a_wrong_value(tmp_path, key, value, message):
    errors = load_errors_of(tmp_path, key, value)
    assert any(f": {key}: {message}" in line or line.endswith(message) for line in errors), errors
    assert not any(PYTHON_WORDS.search(line) for line in errors)
    assert SECRET not in "\n".join(errors)


def load_errors_of(folder: Path, key: str, value: Any) -> tuple[str, ...]:
    """The errors of a configuration that holds one value: in the file, and as a flag."""
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
def test_load_errors_of_any_value_are_lines_in_our_own_words(tmp_path_factory, key, value):
    errors = load_errors_of(tmp_path_factory.getbasetemp(), key, value)
    assert not [line for line in errors if PYTHON_WORDS.search(line) or not line.isprintable()]


@given(value=VALUES, name=st.sampled_from(["username", "password"]))
@settings(max_examples=50)
def test_messages_beside_a_password_in_the_environment_hold_no_words_of_python(tmp_path_factory, value, name):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PREFIX + name.upper(), SECRET)
        for key in ("registry.auth", "registry.auth.method", "registry.auth.username", "registry.target", "registry"):
            errors = load_errors_of(tmp_path_factory.getbasetemp(), key, value)
            assert not [line for line in errors if PYTHON_WORDS.search(line) or SECRET in line]
