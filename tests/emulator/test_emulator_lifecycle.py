import asyncio
import json
import os
import signal
import stat
import subprocess
import sys

import aiohttp
import pytest

from crawler.emulator import Settings, serve_until_stopped, serving

SMALL = Settings(repositories=1)
PROGRAM = """
import asyncio, sys
from pathlib import Path
from crawler.emulator import Settings, serve_until_stopped

def announce(emulator):
    # -X dev logs a callback that takes 0.1 s, which happens on a busy machine.
    asyncio.get_running_loop().slow_callback_duration = 10
    print(emulator.registry, flush=True)

asyncio.run(serve_until_stopped(
    Settings(repositories=1), host="127.0.0.1", port=0, key_file=Path(sys.argv[1]), announce=announce))
"""


async def test_lifecycle_port_is_free_again_afterwards(session):
    async with serving(SMALL) as emulator:
        host, port = emulator.registry.split(":")
        async with session.get(f"http://{emulator.registry}/v2/") as response:
            assert response.status == 401
    async with serving(SMALL, host=host, port=int(port)) as emulator:
        assert emulator.registry == f"{host}:{port}"


async def test_lifecycle_taken_port_is_an_oserror():
    async with serving(SMALL) as emulator:
        with pytest.raises(OSError, match="in use"):
            async with serving(SMALL, port=int(emulator.registry.split(":")[1])):
                pass


async def test_lifecycle_leaves_no_task():
    before = asyncio.all_tasks()
    async with serving(SMALL) as emulator, aiohttp.ClientSession() as session:
        await (await session.get(f"http://{emulator.registry}/v2/")).read()
    assert asyncio.all_tasks() == before


async def test_key_file_is_readable_by_its_owner_only(tmp_path):
    path = tmp_path / "key.json"
    path.write_text("a longer text than any key" * 1000)
    path.chmod(0o644)
    async with serving(SMALL) as emulator:
        emulator.write_key(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        key = json.loads(path.read_bytes())
        assert key == emulator.key
        assert key["type"] == "service_account"
        assert key["token_uri"] == f"http://{emulator.registry}/oauth2/token"


async def test_key_is_new_for_each_emulator():
    async with serving(SMALL) as one, serving(SMALL) as other:
        assert one.key["private_key"] != other.key["private_key"]


async def test_lifecycle_cancellation_stops_it(tmp_path):
    announced: asyncio.Future = asyncio.get_running_loop().create_future()
    serve = asyncio.create_task(
        serve_until_stopped(
            SMALL,
            host="127.0.0.1",
            port=0,
            key_file=tmp_path / "key.json",
            announce=announced.set_result,
        )
    )
    emulator = await announced
    assert (tmp_path / "key.json").exists()
    serve.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serve
    async with serving(SMALL, port=int(emulator.registry.split(":")[1])):
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_lifecycle_signal_stops_it_silently(tmp_path, number):
    with subprocess.Popen(
        [sys.executable, "-X", "dev", "-c", PROGRAM, str(tmp_path / "key.json")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    ) as process:
        assert process.stdout.readline().startswith(b"127.0.0.1:")
        process.send_signal(number)
        assert process.communicate(timeout=10) == (b"", b"")
        assert process.returncode == 0
