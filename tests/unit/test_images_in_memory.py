"""The images that a run holds at once: repositories wait for room in the order in which they come."""

import anyio
import pytest
from anyio.lowlevel import checkpoint

from crawler.inspect.images_in_memory import ImagesInMemory


class Repositories:
    """Repositories that hold their images until they are let go. `reading` has those that hold any, in order."""

    def __init__(self, limit: int) -> None:
        self.reading: list[str] = []
        self._in_hand = ImagesInMemory(limit)
        self._let_go: dict[str, anyio.Event] = {}

    async def read(self, name: str, images: int) -> None:
        self._let_go[name] = anyio.Event()
        async with self._in_hand.hold(images):
            self.reading.append(name)
            await self._let_go[name].wait()
            self.reading.remove(name)

    async def finish(self, name: str) -> None:
        self._let_go[name].set()
        await settled()


async def settled() -> None:
    for _ in range(5):
        await checkpoint()


async def test_images_in_memory_wait_for_room_and_pass_nobody():
    repositories = Repositories(limit=10)
    async with anyio.create_task_group() as group:
        for name, images in {"six": 6, "seven": 7, "one": 1, "three": 3}.items():
            group.start_soon(repositories.read, name, images)
        await settled()
        assert repositories.reading == ["six"], "the one that needs little waits behind the one that needs much"
        await repositories.finish("six")
        assert repositories.reading == ["seven", "one"]
        await repositories.finish("one")
        assert repositories.reading == ["seven", "three"]
        await repositories.finish("seven")
        await repositories.finish("three")


@pytest.mark.parametrize("images", [11, 1_000_000])
async def test_images_in_memory_of_more_than_the_limit_are_read_alone(images):
    repositories = Repositories(limit=10)
    async with anyio.create_task_group() as group:
        for name, count in {"small": 1, "giant": images, "empty": 0}.items():
            group.start_soon(repositories.read, name, count)
        await settled()
        assert repositories.reading == ["small"]
        await repositories.finish("small")
        assert repositories.reading == ["giant", "empty"]
        await repositories.finish("giant")
        await repositories.finish("empty")


async def test_images_in_memory_are_not_held_by_a_repository_that_was_cancelled():
    repositories = Repositories(limit=10)
    async with anyio.create_task_group() as group:
        group.start_soon(repositories.read, "nine", 9)
        await settled()
        async with anyio.create_task_group() as cancelled:
            cancelled.start_soon(repositories.read, "waiting", 5)
            await settled()
            group.start_soon(repositories.read, "one", 1)
            await settled()
            cancelled.cancel_scope.cancel()
        await settled()
        assert repositories.reading == ["nine", "one"]
        await repositories.finish("nine")
        group.start_soon(repositories.read, "other", 9)
        await settled()
        assert repositories.reading == ["one", "other"]
        await repositories.finish("one")
        await repositories.finish("other")


async def test_images_in_memory_of_a_repository_that_is_cancelled_as_its_turn_comes_are_given_back():
    repositories = Repositories(limit=10)
    async with anyio.create_task_group() as group:
        group.start_soon(repositories.read, "ten", 10)
        await settled()
        async with anyio.create_task_group() as cancelled:
            cancelled.start_soon(repositories.read, "waiting", 10)
            await settled()
            group.cancel_scope.cancel()
            cancelled.cancel_scope.cancel()
    async with anyio.create_task_group() as group:
        group.start_soon(repositories.read, "next", 10)
        await settled()
        assert repositories.reading[-1] == "next"
        await repositories.finish("next")
