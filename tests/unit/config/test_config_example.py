"""config.example.toml is complete and valid, and shows the defaults."""

import re
import tomllib
from datetime import timedelta
from pathlib import Path

from support.config_errors import config_errors, value_of

from crawler.config import AuthConfig, Config, RegistryConfig
from crawler.config.registry_tables import ApisConfig
from crawler.config.schema import (
    CacheConfig,
    ImagesConfig,
    LimitsConfig,
    OutputConfig,
    ResumeConfig,
    VerdictConfig,
)
from crawler.model.names import Target

EXAMPLE = Path(__file__).parents[3] / "config.example.toml"


def uncommented(text: str) -> str:
    """The example with every key and table that it holds as a comment."""
    return re.sub(r"^# (?=\[|\w+ = )", "", text, flags=re.MULTILINE)


def test_example_is_a_valid_configuration():
    (registry,) = Config.load(EXAMPLE).registry
    assert str(registry.target) == "localhost:5000"


def test_example_without_comment_marks_needs_only_its_files(write, tmp_path):
    file = write(uncommented(EXAMPLE.read_text(encoding="utf-8")))
    named = ["token.txt", "key.json", "names.txt", "our-ca.pem", "us.pem", "us.key", "password.txt"]
    for name in named:
        (tmp_path / name).unlink(missing_ok=True)
    errors = sorted(config_errors(file), key=lambda error: int(error.split(":")[1]))
    assert [line.partition(": cannot be read: No such file or directory")[0].split()[-1] for line in errors] == named
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
    tables = (
        *(RegistryConfig, AuthConfig, ApisConfig, ImagesConfig, CacheConfig),
        *(LimitsConfig, OutputConfig, VerdictConfig, ResumeConfig),
    )
    known = {key for table in tables for key in table.model_fields}
    assert known - written == {
        "auth",
        "apis",
        "password",
    }  # two tables, and the password, which does not belong in a file


def test_example_shows_the_defaults(write):
    """The keys that are not commented out have their default value."""
    assert Config.load(EXAMPLE) == Config.load(targets=["localhost:5000"])


def test_example_leaves_out_no_default():
    shown = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    effective = Config.load(EXAMPLE).effective(Config.load(EXAMPLE).registry[0])
    (registry,) = shown["registry"]
    for table in ("images", "cache", "lake", "limits", "output", "verdict", "resume"):
        assert shown[table] == {key: value for key, value in effective[table].items() if value is not None}
    defaults = {key: value for key, value in effective["registry"].items() if value is not None}
    for table in ("auth", "apis"):
        defaults[table] = {key: value for key, value in defaults[table].items() if value is not None}
    assert registry == defaults


def test_example_defaults_are_those_of_the_contract():
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
        "limits.budget": None,
        "images.depth": "tags",
        "images.referrers": "none",
        "images.include_tags": (),
        "images.exclude_tags": (),
        "cache.path": None,
        "cache_file": Path("snapshots/.cache/digests.sqlite"),
        "output.lock": True,
        "verdict.expect": 1,
        "verdict.max_shrink": None,
        "verdict.partial_ok": False,
        "resume.within": timedelta(hours=20),
    }
    assert {key: value_of(config, key) for key in keys} == keys
