"""Ray: how a cluster is started or reached, and how shards become its tasks. The one door to Ray."""

import io
import logging
import os
import secrets
import socket
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Final

from crawler.config.scale import LOCAL_CLUSTER
from crawler.errors import ConfigError, EngineError
from crawler.model.limits import Quota
from crawler.model.shard import Shard
from crawler.run.progress import Progress
from crawler.scale.ray.coordinator import Coordinator, GroupStatus, Note
from crawler.scale.ray.processes import descendants, kill_those_left
from crawler.scale.ray.shard_task import EndedShard, ShardTask, crawl_shard
from crawler.scale.ray.timetable import Lease, Timetable
from crawler.untrusted_text import printable, quoted_path

RunAsync = Callable[..., Any]
"""Runs an async function with arguments, as the only job of a process."""

_RETRIES: Final = 3
"""How often a shard whose worker died is continued by another worker."""

_OBJECT_STORE_BYTES: Final = 80 * 2**20
"""The least that Ray takes. Tasks and their results are small, so nothing gets there."""


_LONGEST_FOLDER: Final = 107 - len("/session_2026-11-27_01-02-03_456789_4194304/sockets/plasma_store")
"""In bytes, of the folder in which Ray makes that of a session with its sockets: see unix(7)."""

_VARIABLES: Final = {"RAY_USAGE_STATS_ENABLED": "0"}
"""Ray reads its variables when it is imported."""

_CONNECT_WITHIN_S: Final = 10.0
"""Ray itself tries for minutes, and cannot be interrupted then."""


class RayCluster:
    """The workers that crawl shards, and the coordinator that they share. Make it with `open_cluster`."""

    def __init__(self, run_async: RunAsync, shards: int) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._run_async = run_async
        remote: Callable[..., Any] = ray.remote  # whose type knows half of its options
        self._task = remote(num_cpus=1, max_retries=_RETRIES)(_crawl_shard)
        # a restarted coordinator needs the clock of the one before: it stays on its machine
        node = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        forever = {"max_restarts": -1, "max_task_retries": -1}
        actor = remote(num_cpus=0, scheduling_strategy=node, max_concurrency=100 + 10 * shards, **forever)
        self._coordinator = actor(_CoordinatorActor).remote(time.time())

    async def crawl(self, task: ShardTask) -> EndedShard:
        """Crawl a shard on a worker; on another one where that dies. What Ray cannot do is an error of the shard."""
        from ray.exceptions import RayError, RayTaskError

        try:
            ended: EndedShard = await self._task.remote(task, self._coordinator, self._run_async)
        except RayTaskError as exc:
            return EndedShard(shard=task.shard, error=f"internal error; please report this: {_cause(exc)}")
        except RayError as exc:
            return EndedShard(shard=task.shard, error=f"Ray gave it up: {type(exc).__name__}: {_first_line(exc)}")
        return ended

    async def status(self, target: str) -> GroupStatus:
        """How far the shards are. Raises EngineError where the cluster is lost."""
        from ray.exceptions import RayError

        try:
            status: GroupStatus = await self._coordinator.status.remote(target)
        except RayError as exc:
            reason = f"{type(exc).__name__}: {_first_line(exc)}"
            raise EngineError(f"the Ray cluster was lost: {reason}: see whether it runs, and start again") from None
        return status

    async def stop(self) -> None:
        """Let all shards stop that are under way. To be called again until they have: the coordinator may be lost."""
        from ray.exceptions import RayError

        with suppress(RayError):  # see `status`
            await self._coordinator.stop.remote()


class _DataOnly(io.TextIOBase):
    """Standard output without text. Ray prints there which worker has died, and the command writes data, as bytes."""

    def __init__(self, buffer: BinaryIO) -> None:
        self.buffer = buffer

    def write(self, text: str, /) -> int:
        return len(text)


class _CoordinatorActor(Coordinator):
    """The coordinator in a process of Ray's, which may be one that follows another."""

    def __init__(self, began_at: float) -> None:
        import ray

        if ray.get_runtime_context().was_current_actor_reconstructed:
            began = time.monotonic() - max(0.0, time.time() - began_at)
            super().__init__(partial(Timetable.after_restart, began_at=began))
        else:
            super().__init__(Timetable)


class _RemoteCoordinator:
    """The coordinator, as a worker calls it."""

    def __init__(self, actor: Any, place: str) -> None:
        self.place = place
        self._actor = actor

    async def lease(self, quota: Quota, place: str, wanted: int) -> Lease:
        lease: Lease = await self._actor.lease.remote(quota, place, wanted)
        return lease

    async def report(self, target: str, shard: Shard, progress: Progress, notes: Sequence[Note]) -> bool:
        shall_stop: bool = await self._actor.report.remote(target, shard, progress, notes)
        return shall_stop


def _crawl_shard(task: ShardTask, coordinator: Any, run_async: RunAsync) -> EndedShard:
    import ray

    node: str = ray.get_runtime_context().get_node_id()
    ended: EndedShard = run_async(crawl_shard, task, _RemoteCoordinator(coordinator, node))
    return ended


@contextmanager
def open_cluster(address: str, shards: int, run_async: RunAsync) -> Iterator[RayCluster]:
    """A cluster while the block runs: one on this machine with `shards` workers, or the one at an address.

    `run_async` runs the workers, too. Raises ConfigError where Ray is not installed, and EngineError where it cannot be
    started or reached.
    """
    os.environ.update(_VARIABLES if address != LOCAL_CLUSTER else {**_VARIABLES, **_own_token()})
    make_record = logging.getLogRecordFactory()
    try:
        import ray
    except ImportError:
        raise ConfigError(["scale.engine ray needs Ray: pip install 'registry-crawler[ray]'"]) from None
    logging.setLogRecordFactory(make_record)  # Ray's gives every line of a JSON log a field of its own
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    data_only = redirect_stdout(_DataOnly(sys.stdout.buffer))
    # Ray starts in a thread, where it installs no signal handlers. The thread lives as long as the cluster: the kernel
    # ends with it the processes that it has started
    place = _session_folder() if address == LOCAL_CLUSTER else nullcontext()
    with place as folder, data_only, _thread(address) as thread:
        try:
            if folder is not None:
                _start_on_this_machine(thread, shards, folder)
            else:
                _check_reachable(address)
                _init(thread, address)
            yield RayCluster(run_async, shards)
        finally:
            started = descendants()
            ray.shutdown()
            kill_those_left(started)


@contextmanager
def _thread(address: str) -> Iterator[Executor]:
    """A thread, whose work is waited for at the end, unless that is an answer of a cluster elsewhere."""
    thread = ThreadPoolExecutor(1)
    try:
        yield thread
    finally:
        thread.shutdown(wait=address == LOCAL_CLUSTER)


@contextmanager
def _session_folder() -> Iterator[str]:
    """Where a cluster on this machine has its sockets, whose paths must be short, and logs. Raises EngineError."""
    try:
        folder = TemporaryDirectory(prefix="rc-ray-", ignore_cleanup_errors=True)
    except OSError as exc:
        raise EngineError(f"no temporary folder for Ray: {exc.strerror}: set TMPDIR") from None
    with folder as path:
        if len(os.fsencode(path)) > _LONGEST_FOLDER:
            raise EngineError(
                f"{quoted_path(Path(path))} is too long for the sockets of Ray: set TMPDIR to a shorter path"
            )
        yield path


def _own_token() -> dict[str, str]:
    """A token that only processes of this cluster have. Else Ray writes one to the home folder, if there is any."""
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def _start_on_this_machine(thread: Executor, workers: int, folder: str) -> None:
    """Start a cluster of this machine alone. Its ports are open, and demand its token."""
    _init(
        thread,
        LOCAL_CLUSTER,
        num_cpus=workers,
        include_dashboard=False,
        object_store_memory=_OBJECT_STORE_BYTES,
        _temp_dir=folder,
    )


def _check_reachable(address: str) -> None:
    """Raises EngineError where nothing listens at the address of a cluster. `auto` is found by Ray."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_WITHIN_S).close()
    except (OSError, OverflowError, UnicodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise EngineError(
            f"Ray at {printable(address)} cannot be used: {printable(reason)}: check the address"
        ) from None


def _init(thread: Executor, address: str, **options: Any) -> None:
    import ray
    from ray.exceptions import RayError

    start = partial(ray.init, address, log_to_driver=False, configure_logging=False, **options)
    try:
        with warnings.catch_warnings(action="ignore"):
            started = thread.submit(start)
            try:
                started.result()
            finally:
                if address == LOCAL_CLUSTER:
                    wait([started])  # an interrupted start goes on to its end: half a cluster cannot be shut down
    except (RayError, OSError, RuntimeError, ValueError, ImportError) as exc:
        if address == "auto" and isinstance(exc, ConnectionError):
            raise EngineError(
                "no Ray cluster runs on this machine: set RAY_ADDRESS (scale.address) to HOST:PORT of one, or to local"
            ) from None
        where = "on this machine" if address == LOCAL_CLUSTER else f"at {printable(address)}"
        raise EngineError(f"Ray {where} cannot be used: {type(exc).__name__}: {_first_line(exc)}") from None


def _cause(exc: Any) -> str:
    """The type of an exception in a worker. Its message may quote values."""
    return type(exc.cause).__name__


def _first_line(exc: BaseException) -> str:
    return printable((str(exc).splitlines() or [""])[0])
