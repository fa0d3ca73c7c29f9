"""`--help`, `--version` and shell completion."""

import asyncio
import re

import pytest
from support.run_cli import (
    MODULE,
    SCRIPT,
)

import crawler
from crawler.config import Config

WIDE = {"COLUMNS": "300"}


@pytest.mark.parametrize(
    "words", [[], ["crawl"], ["demo"], ["emulator"], ["runs"], ["runs", "discard"], ["runs", "prune"]], ids=" ".join
)
async def test_help_has_a_short_and_a_long_flag(command, words):
    short, long = await asyncio.gather(command(*words, "-h"), command(*words, "--help"))
    assert (short.code, short.err) == (0, "")
    assert short == long
    assert short.out.startswith(f"Usage: {' '.join(['python -m crawler', *words])} [OPTIONS]")


async def test_help_of_crawl_has_the_usage_an_example_and_plain_types(command):
    ended = await command("crawl", "-h", program=SCRIPT, environment=WIDE)
    assert ended.out.startswith("Usage: registry-crawler crawl [OPTIONS] [TARGET]...\n")
    assert re.search(r"^ +registry-crawler crawl gcr\.io/my-project --key-file key\.json$", ended.out, re.MULTILINE)
    assert "list[str]" not in ended.out
    assert "<" not in ended.out


async def test_help_shows_the_defaults_of_the_configuration(command):
    ended = await command("crawl", "-h", environment=WIDE)
    unwrapped = re.sub(r"(-?)\n {10,}", lambda end: end[1] or " ", ended.out)
    defaults = dict(re.findall(r"^ +(--[\w-]+).*\[default: ([^\]]+)\]$", unwrapped, re.MULTILINE))
    config = Config(registry=[{"target": "localhost:1"}])
    registry = config.registry[0]
    assert defaults["--output"] == str(config.output.path)
    assert defaults["--auth"] == registry.auth.method
    assert defaults["--scope"] == registry.auth.scope
    assert defaults["--discovery"] == registry.discovery
    assert defaults["--images-from"] == registry.images_from
    assert defaults["--depth"] == config.images.depth
    assert defaults["--referrers"] == config.images.referrers
    assert defaults["--cache"].replace(" in the output", "") == str(config.cache_file.relative_to(config.output.path))
    assert defaults["--concurrency"] == str(config.limits.concurrency)
    assert defaults["--rate"] == config.limits.rate
    assert defaults["--expect"] == str(config.verdict.expect)
    assert config.verdict.max_shrink is None
    assert config.limits.budget is None
    assert defaults["--budget"] == "none"


async def test_help_without_a_command_is_bad_usage(command):
    ended = await command()
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Usage: ")


@pytest.mark.parametrize(
    ("shell", "variables"),
    [
        ("bash", {"COMP_WORDS": "registry-crawler crawl --auth ", "COMP_CWORD": "3"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "registry-crawler crawl --auth "}),
        (
            "fish",
            {
                "_TYPER_COMPLETE_ARGS": "registry-crawler crawl --auth ",
                "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            },
        ),
    ],
)
async def test_completion_of_each_shell_offers_the_auth_methods(command, shell, variables):
    script = await command(program=SCRIPT, environment={"_REGISTRY_CRAWLER_COMPLETE": f"source_{shell}"})
    assert (script.code, script.err) == (0, "")
    assert f"_REGISTRY_CRAWLER_COMPLETE=complete_{shell}" in script.out
    completed = await command(
        program=SCRIPT, environment={"_REGISTRY_CRAWLER_COMPLETE": f"complete_{shell}", **variables}
    )
    assert (completed.code, completed.err) == (0, "")
    assert {"access-token", "json-key", "docker-config", "anonymous"} <= set(re.findall(r"[\w-]+", completed.out))


@pytest.mark.parametrize(
    ("option", "values"),
    [("--depth", {"tags", "digests", "manifests", "configs"}), ("--referrers", {"none", "listed", "api"})],
)
async def test_completion_offers_the_levels(command, option, values):
    words = {"COMP_WORDS": f"registry-crawler crawl {option} ", "COMP_CWORD": "3"}
    completed = await command(program=SCRIPT, environment={"_REGISTRY_CRAWLER_COMPLETE": "complete_bash", **words})
    assert (completed.code, completed.err) == (0, "")
    assert set(completed.out.split()) == values


async def test_completion_can_be_installed(command):
    ended = await command("--help", program=MODULE)
    assert {"--install-completion", "--show-completion"} <= set(ended.out.split())


async def test_version_of_the_script_and_the_module(command):
    for ended in await asyncio.gather(command("--version", program=MODULE), command("--version", program=SCRIPT)):
        assert (ended.code, ended.out, ended.err) == (0, f"registry-crawler {crawler.__version__}\n", "")


async def test_help_lists_every_option_of_the_contract(command):
    wide = {"COLUMNS": "200"}
    general, of_crawl = await asyncio.gather(
        command("--help", environment=wide), command("crawl", "--help", environment=wide)
    )
    assert (general.code, of_crawl.code) == (0, 0)
    assert {"crawl", "demo", "emulator", "runs"} <= set(general.out.split())
    options = (
        "config output auth key-file username password-stdin password-file scope discovery repositories-from include "
        "exclude concurrency rate plain-http ca-file progress no-progress log-format "
        "expect max-shrink partial-ok resume no-lock depth referrers include-tag exclude-tag cache budget"
    )
    assert {f"--{option}" for option in options.split()} <= set(re.findall(r"--[\w-]+", of_crawl.out))
