"""The jobs of one repository, run by as many tasks as are free."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager

import anyio
from anyio.abc import TaskGroup

Job = Callable[[], Awaitable[None]]


class FreeTasks:
    """How many tasks all repositories together may start beside the tasks of the workers that already read one.

    All of them together are as many as exchanges may be in flight. So a repository with ten thousand tags uses all
    permits, and many small ones do without tasks that would only wait for a permit.
    """

    def __init__(self, count: int) -> None:
        self._free = count

    def try_take(self) -> bool:
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    def give_back(self) -> None:
        self._free += 1

    @contextmanager
    def used_by_worker(self) -> Iterator[None]:
        """The caller's own task is one of them, even where none is free, until the block ends."""
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


class FanOut:
    """Runs jobs, and the jobs that they add meanwhile. The first job that fails ends the others."""

    def __init__(self, free_tasks: FreeTasks) -> None:
        self._free_tasks = free_tasks
        self._jobs: deque[Job] = deque()

    def add(self, job: Job) -> None:
        self._jobs.append(job)

    async def run(self, jobs: Iterable[Job]) -> None:
        """Run the jobs to their end. What a job raises is raised in an ExceptionGroup."""
        self._jobs.extend(jobs)
        with self._free_tasks.used_by_worker():
            async with anyio.create_task_group() as group:
                await self._run_jobs(group)

    async def _run_jobs(self, group: TaskGroup) -> None:
        while self._jobs:
            job = self._jobs.popleft()
            # Tasks are started one by one as jobs wait, since other repositories may end and set tasks free.
            if self._jobs and self._free_tasks.try_take():
                group.start_soon(self._help, group)
            await job()

    async def _help(self, group: TaskGroup) -> None:
        try:
            await self._run_jobs(group)
        finally:
            self._free_tasks.give_back()
