"""The values of single keys: rates, shares, durations, paths, the scheme."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from support.config_errors import config_error, config_errors

from crawler.config import Config, Flag
from crawler.model.limits import Rate


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
def test_scheme_is_http_for_this_machine_or_with_plain_http(write, target, table, scheme):
    config = Config.load(write(f'[[registry]]\ntarget = "{target}"\n{table}'))
    assert config.registry[0].scheme == scheme


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
def test_rate_is_parsed(write, text, rate):
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
def test_rate_that_is_invalid(write, text):
    file = write(f"[limits]\nrate = {text}\n")
    assert all(error.startswith(f"{file}:2: limits.rate") for error in config_errors(file, targets=["gcr.io"]))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('verdict.max_shrink = "20"', "must be a share: 20%, or none (got '20')"),
        ('verdict.max_shrink = "101%"', "must be a share: 20%, or none (got '101%')"),
        ('verdict.max_shrink = "-1%"', "must be a share: 20%, or none (got '-1%')"),
        ("verdict.max_shrink = 20.0", "must be a share: 20%, or none (got 20.0)"),
        ("verdict.expect = -1", "must be a whole number from 0 to 1000000000 (got -1)"),
        ('resume.within = "20"', "must be a duration: 90m, 20h or 2d (got '20')"),
        ('resume.within = "1.5h"', "must be a duration: 90m, 20h or 2d (got '1.5h')"),
        ("resume.within = 20", "must be a duration: 90m, 20h or 2d (got 20)"),
        ("verdict.expects = 1", "unknown key; did you mean expect?"),
    ],
)
def test_share_or_duration_that_is_invalid(write, line, message):
    assert message in config_error(write(line), targets=["gcr.io"])


@pytest.mark.parametrize("within", ["45s", "90m", "20h", "2d"])
@pytest.mark.parametrize("shrink", ["20%", "2.5%", "0%", "100%", "none"])
def test_share_and_duration_are_dumped_as_written(write, within, shrink):
    config = Config.load(write(f'resume.within = "{within}"\nverdict.max_shrink = "{shrink}"'), targets=["gcr.io"])
    effective = config.effective(config.registry[0])
    assert (effective["resume"]["within"], effective["verdict"]["max_shrink"]) == (within, shrink)


def test_home_folder_is_expanded(write, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = Config.load(write('output.path = "~/snapshots"'), targets=["gcr.io"], flags=[KEY_FILE])
    assert (config.output.path, config.registry[0].auth.key_file) == (
        tmp_path / "snapshots",
        tmp_path / "key.json",
    )


KEY_FILE = Flag("--key-file", "registry.auth.key_file", "~/key.json")


def test_rate_that_is_invalid_is_one_error(write):
    assert "80/s" in config_error(write('[limits]\nrate = "fast"\n'), targets=["gcr.io"])


@pytest.mark.parametrize(
    ("lines", "file"),
    [
        ("", Path("snapshots/.cache/digests.sqlite")),
        ('output.path = "/srv/inventory"', Path("/srv/inventory/.cache/digests.sqlite")),
        ('output.path = "-"', None),
        ('cache.path = "none"', None),
        ('cache.path = "ours.sqlite"', Path("ours.sqlite")),
        ('output.path = "-"\ncache.path = "ours.sqlite"', Path("ours.sqlite")),
        ('cache.path = "~/ours.sqlite"', Path("/home/us/ours.sqlite")),
        ('cache.path = "s3://ours/a.sqlite"', Path("snapshots/.cache/lake-994f6f43fdc4b4ea.sqlite")),
        ('cache.path = "S3://ours/a.sqlite"', Path("snapshots/.cache/lake-994f6f43fdc4b4ea.sqlite")),
        ('cache.path = "s3://ours/b.sqlite"', Path("snapshots/.cache/lake-35df551e34efed46.sqlite")),
    ],
)
def test_cache_file_is_in_the_output_folder_or_where_it_is_configured(write, monkeypatch, lines, file):
    monkeypatch.setenv("HOME", "/home/us")
    assert Config.load(write(lines), targets=["gcr.io"]).cache_file == file


@pytest.mark.parametrize(("text", "budget"), [("500", 500), ("0", 0), ('"none"', None)])
def test_budget_is_a_number_or_none(write, text, budget):
    assert Config.load(write(f"limits.budget = {text}"), targets=["gcr.io"]).limits.budget == budget


def test_budget_of_the_file_is_taken_away_by_a_flag(write):
    file, flag = write("limits.budget = 500"), Flag("--budget", "limits.budget", "none")
    assert Config.load(file, targets=["gcr.io"], flags=[flag]).limits.budget is None


@pytest.mark.parametrize("depth", ["digests", "manifests", "configs"])
def test_tag_filters_are_for_every_depth_that_reads_images(write, depth):
    file = write(f'[images]\ndepth = "{depth}"\ninclude_tags = ["v*"]\nexclude_tags = ["*-rc*"]\n')
    images = Config.load(file, targets=["gcr.io"]).images
    assert (images.include_tags, images.exclude_tags) == (("v*",), ("*-rc*",))


def test_config_is_frozen():
    config = Config.load(targets=["gcr.io"])
    for part, name in [
        (config, "output"),
        (config.limits, "rate"),
        (config.registry[0], "auth"),
        (config.output, "path"),
    ]:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, name, None)
