"""A crawl behind the tags of a real registry is killed five times: resumed, it asks for no digest twice."""

import asyncio
import signal
from collections import Counter
from pathlib import Path

import pytest
from support.distribution import open_front, open_registry, push_content, requires_docker_registry
from support.distribution.content import image, image_config
from support.distribution.samples import sample_repositories
from support.real_crawls import Shell, end_process
from support.real_depth import DEEP, crawl_deep, first_night, lasting
from support.snapshots import folders, read_snapshot

pytestmark = [requires_docker_registry, pytest.mark.slow, pytest.mark.timeout(300)]

KILLS = 5
CONCURRENCY = "8"


def base_and_built_on_it():
    """The base comes after the images that are built on it, in the catalog and so in the crawl."""
    lowest, upper = b"a layer of a base", b"a layer on top"
    base = image(image_config(layers=[lowest], Labels={"team": "platform"}), layers=[lowest])
    names = ("app-a", "app-b", "app-c")
    built = {
        name: {"1": image(image_config(layers=[lowest, upper], Cmd=[name]), layers=[lowest, upper])} for name in names
    }
    return {**built, "zz/base": {"1": base}}


async def until_idle(pid: int) -> None:
    """Wait until no thread of a process has used the processor for a while: everything that was answered is kept."""
    used, idle = -1, 0
    while idle < 5:
        await asyncio.sleep(0.02)  # nothing can be awaited: what is waited for is that nothing happens
        before, used = used, processor_time(pid)
        idle = idle + 1 if used == before else 0


def processor_time(pid: int) -> int:
    """The nanoseconds that all threads of a process have run (proc(5), schedstat)."""
    files = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[0]) for file in files)


async def killed(shell: Shell, front, digests: int) -> None:
    """Begin or resume a crawl, and kill it when so many digests are answered, over all runs."""
    front.hold_when(lambda: len(front.requested_digests) >= digests)
    process = await shell.start("crawl", front.host, *DEEP, "--resume", "--concurrency", CONCURRENCY)
    try:
        waiting = {asyncio.create_task(event) for event in (front.until_held(), process.wait())}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert process.returncode is None, "the crawl has ended before it could be killed"
        await until_idle(process.pid)
        process.kill()
        assert await process.wait() == -signal.SIGKILL
    finally:
        await end_process(process)
        front.release()


async def test_resume_after_five_kills_asks_for_no_digest_twice(tmp_path, shell):
    tagged = sample_repositories(16, 5) | base_and_built_on_it()
    undisturbed = Shell(folder=tmp_path)
    once = first_night(tagged)
    digests = once["manifest"] + once["blob"]
    async with open_registry(tmp_path / "registry") as registry, open_front(registry) as front:
        await push_content(registry, tagged)
        assert (await crawl_deep(undisturbed, front.host)).code == 0
        expected = front.requested_digests
        front.exchanges.clear()
        for kill in range(1, KILLS + 1):
            await killed(shell, front, digests * kill // (KILLS + 1))
        assert folders(shell.output) == []
        ended = await crawl_deep(shell, front.host, "--resume", "--concurrency", CONCURRENCY)

    assert ended.code == 0
    assert Counter(front.requested_digests).most_common(1)[0][1] == 1
    assert set(front.requested_digests) == set(expected)
    assert len(expected) == digests
    snapshot, whole = read_snapshot(shell.output), read_snapshot(undisturbed.output)
    assert len(snapshot.manifest["resumed_at"]) == KILLS
    assert lasting(snapshot) == lasting(whole)
    assert snapshot.manifest["counts"] == whole.manifest["counts"]
    assert (snapshot.manifest["verdict"], snapshot.has_success) == ("complete", True)
    bases = [image["config"]["base_from"] for image in snapshot.by_name["app-a"]["images"]]
    assert bases == ["layers"]
