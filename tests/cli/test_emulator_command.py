"""`registry-crawler emulator`: the commands that it prints, and its errors."""

import asyncio

import pytest
from support.shell import run_in_shell, suggested_commands


async def test_emulator_prints_a_command_that_crawls_it(command):
    async with command.started("emulator", "--port", 0, "--key-file", "key.json", "--repositories", 30) as process:
        first = (await process.stdout.readline()).decode()
        second = (await process.stdout.readline()).decode()
        registry = first.split()[0]
        assert "30 repositories" in first
        assert second == f"try: registry-crawler crawl {registry} --key-file key.json\n"
        tried = await command(*second.split()[2:], "--output", "o")
        assert tried.code == 0
        process.terminate()
        out, err = await process.communicate()
        assert (process.returncode, out, err) == (0, b"", b"")


async def test_emulator_that_cannot_start_prints_one_line(command, google):
    registry = await google(repositories=1)
    taken = registry.emulator.registry.split(":")[1]
    mistakes = {
        "shares must be between 0 and 1": (2, ["--port", 0, "--denied", 2]),
        f"port {taken}: ": (1, ["--port", taken]),
        "'--port': must be less than or equal to 65535": (2, ["--port", 99999]),
        "no/such/folder/key.json": (1, ["--port", 0, "--key-file", "no/such/folder/key.json"]),
    }
    ends = await asyncio.gather(*(command("emulator", *options) for _, options in mistakes.values()))
    for (words, (code, _)), ended in zip(mistakes.items(), ends, strict=True):
        assert ended.code == code
        assert words in ended.err.splitlines()[-1]


@pytest.mark.parametrize("role", ["container-registry", "gcr"])
async def test_emulator_prints_commands_that_can_be_pasted_into_a_shell(command, role):
    folder = command.folder / "it's a folder"
    folder.mkdir()
    files = ("--key-file", folder / "key.json", "--config-file", folder / "emulator.toml")
    async with command.started("emulator", "--port", 0, "--role", role, "--repositories", 5, *files) as process:
        await process.stdout.readline()
        line = (await process.stdout.readline()).decode()
        code, output = await run_in_shell(f"{suggested_commands(line)[0]} --output o", command.folder)
        process.terminate()
        await process.communicate()
    assert (code, "COMPLETE: " in output) == (0, True)
