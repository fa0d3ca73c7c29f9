"""`registry-crawler demo` and the commands that it and the emulator print."""

import asyncio
import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from support.inventories import comparable, expected
from support.run_cli import assert_plain
from support.snapshots import read_snapshot

from crawler.emulator import Inventory, Settings


def tries_in(text: str) -> list[str]:
    return re.findall(r"^(?:registry-crawler: )?try: (.+)$", text, re.MULTILINE)


async def in_a_shell(line: str, folder: Path) -> tuple[int, str]:
    """A command as it is copied into a shell, where `registry-crawler` is this one."""
    path = f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
    process = await asyncio.create_subprocess_shell(
        f"{path}; {line}", cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()


async def test_demo_keeps_its_snapshot_in_a_folder_of_its_own(command):
    ended = await command("demo", "--repositories", 50)
    assert ended.code == 0
    assert_plain(ended.err)
    assert "\nCOMPLETE: " in ended.err
    assert not (command.folder / "snapshots").exists()
    snapshot = read_snapshot(command.folder / "registry-crawler-demo")
    assert command.folder / ended.snapshot == snapshot.folder
    assert comparable(snapshot.by_name) == expected(Inventory(Settings(repositories=50)))

    shown = [json.loads(line) for line in ended.out.splitlines()]
    assert len(shown) == 2
    assert all(record == snapshot.by_name[record["repository"]] for record in shown)

    # neither the registry nor its key is left behind, and no command that needs them is printed
    host, port = re.search(r"is at (127\.0\.0\.1):(\d+)", ended.err).groups()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, int(port))
    look, serve = tries_in(ended.err)
    code, out = await in_a_shell(look, command.folder)
    assert (code, json.loads(out)) == (0, snapshot.by_name[json.loads(out)["repository"]])
    assert serve.startswith("registry-crawler emulator")
    assert "key.json" not in ended.err


async def test_demo_prints_records_that_a_program_can_read(command):
    ended = await command("demo", "--repositories", 10, "--output", "-", "--log-format", "json")
    assert ended.code == 0
    assert len([json.loads(line) for line in ended.out.splitlines()]) == 10
    events = [json.loads(line) for line in ended.err.splitlines()]
    assert [event.get("event") for event in events] == ["log", "run_ended"]
    assert not (command.folder / "registry-crawler-demo").exists()


@pytest.mark.parametrize("role", ["container-registry", "gcr"])
async def test_the_emulators_commands_may_be_copied_into_a_shell(command, role):
    folder = command.folder / "it's a folder"
    folder.mkdir()
    files = ("--key-file", folder / "key.json", "--config-file", folder / "emulator.toml")
    async with command.started("emulator", "--port", 0, "--role", role, "--repositories", 5, *files) as process:
        await process.stdout.readline()
        line = (await process.stdout.readline()).decode()
        code, said = await in_a_shell(f"{tries_in(line)[0]} --output o", command.folder)
        process.terminate()
        await process.communicate()
    assert (code, "COMPLETE: " in said) == (0, True)


async def test_demo_takes_its_registry_along_however_it_ends(command):
    async with command.started("demo", "--repositories", 50, "--rate", "1/s", "--no-progress") as process:
        host, port = re.search(r"is at (\S+):(\d+)", (await process.stderr.readline()).decode()).groups()
        process.kill()
        await process.stderr.read()  # until the registry has closed its end, too
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(host, int(port))
