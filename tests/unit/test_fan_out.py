"""The jobs of one repository: all are run, with the jobs that they add, by no more tasks than are free."""

from functools import partial

import anyio
import pytest
from anyio.lowlevel import checkpoint

from crawler.inspect.fan_out import FanOut, FreeTasks


class Busy:
    """Jobs that count how many of them run at once."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.running = self.most = 0

    async def job(self, number: int) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        for _ in range(3):
            await checkpoint()
        self.running -= 1
        self.done.append(number)


@pytest.mark.parametrize(("free", "most"), [(0, 1), (1, 1), (8, 8)])
async def test_fan_out_runs_all_jobs_with_the_free_tasks(free, most):
    busy, free_tasks = Busy(), FreeTasks(free)
    await FanOut(free_tasks).run(partial(busy.job, number) for number in range(50))
    assert sorted(busy.done) == list(range(50))
    assert busy.most == most
    assert [free_tasks.try_take() for _ in range(free + 1)] == [True] * free + [False], "all tasks are given back"


async def test_fan_out_runs_jobs_that_jobs_add():
    fan_out, done = FanOut(FreeTasks(3)), []

    async def parent(number: int) -> None:
        await checkpoint()
        done.append(number)
        if number < 100:
            fan_out.add(partial(parent, number * 10))
            fan_out.add(partial(parent, number * 10 + 1))

    await fan_out.run([partial(parent, 1), partial(parent, 2)])
    assert sorted(done) == [1, 2, 10, 11, 20, 21, 100, 101, 110, 111, 200, 201, 210, 211]


async def test_fan_out_starts_no_tasks_where_other_repositories_use_all():
    busy, free_tasks = Busy(), FreeTasks(2)
    with free_tasks.used_by_worker(), free_tasks.used_by_worker():
        await FanOut(free_tasks).run(partial(busy.job, number) for number in range(20))
    assert busy.most == 1
    assert free_tasks.try_take()


async def test_fan_out_uses_tasks_that_other_repositories_set_free():
    busy, free_tasks = Busy(), FreeTasks(2)
    assert free_tasks.try_take()

    async def free_one(number: int) -> None:
        if number == 5:
            free_tasks.give_back()
        await busy.job(number)

    await FanOut(free_tasks).run(partial(free_one, number) for number in range(20))
    assert busy.most == 2


async def test_fan_out_ends_with_the_first_failure_and_gives_its_tasks_back():
    free_tasks = FreeTasks(2)

    async def fail() -> None:
        await checkpoint()
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        await FanOut(free_tasks).run([fail, anyio.sleep_forever, anyio.sleep_forever])
    assert caught.group_contains(ZeroDivisionError)
    assert [free_tasks.try_take() for _ in range(3)] == [True, True, False]
