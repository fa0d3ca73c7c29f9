"""What the command says of itself: help, usage, completion, and nothing but text where the terminal takes no more."""

import asyncio
import json
import re

import pytest
from support.run_cli import MODULE, SCRIPT
from support.scripted import plain_registry, serve
from support.terminal import run_on_terminal

from crawler.config import Config

WIDE = {"COLUMNS": "300"}


@pytest.mark.parametrize("words", [[], ["crawl"], ["demo"], ["emulator"], ["runs"], ["runs", "discard"]], ids=" ".join)
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


async def test_help_tells_the_defaults_that_the_configuration_has(command):
    ended = await command("crawl", "-h", environment=WIDE)
    unwrapped = re.sub(r"(-?)\n {10,}", lambda end: end[1] or " ", ended.out)
    told = dict(re.findall(r"^ +(--[\w-]+).*\[default: ([^\]]+)\]$", unwrapped, re.MULTILINE))
    config = Config(registry=[{"target": "localhost:1"}])
    registry = config.registry[0]
    assert told["--output"] == str(config.output.path)
    assert told["--auth"] == registry.auth.method
    assert told["--scope"] == registry.auth.scope
    assert told["--discovery"] == registry.discovery
    assert told["--images-from"] == registry.images_from
    assert told["--concurrency"] == str(config.limits.concurrency)
    assert told["--rate"] == config.limits.rate
    assert told["--expect"] == str(config.verdict.expect)
    assert config.verdict.max_shrink is None


async def test_help_comes_without_a_command_as_bad_usage(command):
    ended = await command()
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Usage: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["crwal"], "No such command 'crwal'. Did you mean 'crawl'? (try 'registry-crawler --help')"),
        (
            ["crawl", "--concurency", "3"],
            "No such option: --concurency (Possible options: --concurrency) (try 'registry-crawler crawl --help')",
        ),
        (["crawl", "--key-file"], "Option '--key-file' requires an argument (try 'registry-crawler crawl --help')"),
        (["runs", "discard"], "Missing argument 'RUN_ID' (try 'registry-crawler runs discard --help')"),
        (
            ["crawl", "--show", "-3"],
            "Invalid value for '--show': must be greater than or equal to 0 (try 'registry-crawler crawl --help')",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_usage_errors_are_one_line_that_says_how_to_get_help(command, arguments, said):
    ended = await command(*arguments, program=SCRIPT)
    assert (ended.code, ended.out, ended.complaint) == (2, "", said)


async def test_usage_errors_show_no_control_characters(command):
    ended = await command("crawl", "--\x1b[31mred")
    assert ended.code == 2
    assert "\x1b" not in ended.err


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
async def test_completion_of_each_shell_knows_the_methods(command, shell, variables):
    script = await command(program=SCRIPT, environment={"_REGISTRY_CRAWLER_COMPLETE": f"source_{shell}"})
    assert (script.code, script.err) == (0, "")
    assert f"_REGISTRY_CRAWLER_COMPLETE=complete_{shell}" in script.out
    completed = await command(
        program=SCRIPT, environment={"_REGISTRY_CRAWLER_COMPLETE": f"complete_{shell}", **variables}
    )
    assert (completed.code, completed.err) == (0, "")
    assert {"access-token", "json-key", "docker-config", "anonymous"} <= set(re.findall(r"[\w-]+", completed.out))


async def test_completion_can_be_installed(command):
    ended = await command("--help", program=MODULE)
    assert {"--install-completion", "--show-completion"} <= set(ended.out.split())


@pytest.mark.parametrize("plain", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
async def test_a_terminal_that_takes_no_escape_codes_gets_none(command, google, plain):
    registry = await google(repositories=40, latency_s=0.05, denied=0.2)
    line = ["env", *(f"{name}={value}" for name, value in plain.items()), *MODULE]
    crawl = ("crawl", registry.emulator.registry, "--key-file", registry.key_file, "--output", registry.output, "-v")
    _, seen = await run_on_terminal(command, 200, *crawl, program=tuple(line))
    assert "PARTIAL: " in seen
    assert "\x1b" not in seen


async def test_a_terminal_gets_json_without_a_bar(command):
    async with serve(plain_registry()) as server:
        _, seen = await run_on_terminal(command, 200, "crawl", server.host, "--log-format", "json")
    assert [json.loads(line)["severity"] for line in seen.splitlines()] == ["INFO"]
