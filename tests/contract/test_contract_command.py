"""Commands, options, keys and exit codes are those of the contract."""

import re
import signal
from typing import Any

import pytest
from support.contract import table
from support.killed_runs import until_recorded
from support.run_cli import CommandRunner, google_crawl
from support.scripted import listing_path, on, plain_registry, refusal, serve

from crawler.config import Config

WIDE = {"COLUMNS": "200"}
REPOSITORIES = {"team/app": ("1.0",), "team/base": ("2",)}


async def words_of_help(command: CommandRunner, *arguments: str) -> set[str]:
    ended = await command(*arguments, "--help", environment=WIDE)
    assert ended.code == 0
    return set(re.findall(r"(?:(?<=\s)|^)[-\w]+", ended.out, re.MULTILINE))


@pytest.mark.slow
async def test_contract_commands_are_there_and_no_others_yet(command):
    words = await words_of_help(command)
    for row in table("Commands"):
        assert (row["command"] in words) == (row["state"] == "today"), f"{row}: build it, or move its row"
    assert {"discard", "prune"} <= await words_of_help(command, "runs")


async def test_contract_flags_of_runs_prune(command):
    ended = await command("runs", "prune", "--help", environment=WIDE)
    defaults = {
        flag: default for flag, default in re.findall(r"(--[a-z][\w-]*)(?:.*\[default: (\d+))?", ended.out) if flag
    }
    for row in table("Options of runs prune"):
        assert defaults[row["flag"]] == row["default"]


@pytest.mark.slow
async def test_contract_flags_are_there_and_no_others_yet(command):
    ended = await command("crawl", "--help", environment=WIDE)
    flags = set(re.findall(r"--[a-z][\w-]*", ended.out))
    named = {row["flag"]: row["state"] for row in table("Options of crawl") if row["flag"]}
    for flag, state in named.items():
        assert (flag in flags) == (state == "today"), f"{flag} is {state}: build it, or move its row"


def key_of(config: Any, key: str) -> Any:
    """The value of a key, in the first registry table where it is one of a registry's. Raises AttributeError."""
    first, _, rest = key.partition(".")
    value = config.registry[0] if first == "registry" else getattr(config, first)
    for part in rest.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize("row", table("Options of crawl"), ids=lambda row: row["key"] or row["flag"])
def test_contract_keys_are_there_with_their_defaults(row):
    config = Config(registry=[{"target": "localhost:5000"}])
    if not row["key"]:
        return
    if row["state"] == "not yet":
        with pytest.raises(AttributeError):
            key_of(config, row["key"])
    else:
        value = key_of(config, row["key"])
        assert not row["default"] or str(value) == row["default"]


async def exit_code_of(command: CommandRunner, google: Any, meaning: str) -> int:
    """The exit code of a run that ends so."""
    if meaning == "complete":
        return (await command(*google_crawl(await google(repositories=5)))).code
    if meaning == "bad usage or configuration":
        return (await command("crawl", "localhost:1", "--concurrency", "many")).code
    if meaning == "could not run, nothing published":
        return (await command("crawl", "127.0.0.1:1", environment={"REGISTRY_CRAWLER_LIMITS__ATTEMPTS": "1"})).code
    assert meaning == "published, but partial"
    script = [on(listing_path("team/app"), refusal(403, "DENIED", "no")), *plain_registry(REPOSITORIES)]
    async with serve(script) as server:
        return (await command("crawl", server.host)).code


@pytest.mark.parametrize(
    "row", [row for row in table("Exit codes") if row["code"] != "130"], ids=lambda row: row["code"]
)
async def test_contract_exit_codes_of_runs(command, google, row):
    assert await exit_code_of(command, google, row["meaning"]) == int(row["code"])


@pytest.mark.slow
async def test_contract_exit_code_of_an_interrupted_run(command, google):
    registry = await google(repositories=3000, latency_s=0.05)
    async with command.started(*google_crawl(registry)) as process:
        await until_recorded(registry, 1)
        process.send_signal(signal.SIGINT)
        await process.communicate()
    assert str(process.returncode) in [row["code"] for row in table("Exit codes") if "interrupted" in row["meaning"]]
