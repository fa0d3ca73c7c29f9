"""How many images a run holds in memory while it reads them."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio

MAX_IMAGES_IN_HAND: Final = 8192
"""An image with its config holds 3 to 10 KB until its repository's record is made."""


class ImagesInMemory:
    """The images of all repositories that are being read.

    A repository with thousands of tags takes long. If the workers read all others meanwhile, they would come upon the
    next such repository, and then the next, and would end with as many of them in memory as there are workers. So a
    repository waits until its images have room. One with more images than `limit` is read alone.
    """

    def __init__(self, limit: int = MAX_IMAGES_IN_HAND) -> None:
        self._limit = limit
        self._free = limit
        self._waiting: deque[tuple[int, anyio.Event]] = deque()

    @asynccontextmanager
    async def hold(self, images: int) -> AsyncIterator[None]:
        """Wait for room for so many images, and hold it until the block ends. The first to come is the first to go."""
        count = min(images, self._limit)
        await self._take(count)
        try:
            yield
        finally:
            self._give_back(count)

    async def _take(self, count: int) -> None:
        if not self._waiting and count <= self._free:
            self._free -= count
            return
        turn = count, anyio.Event()
        self._waiting.append(turn)
        try:
            await turn[1].wait()
        except BaseException:
            if turn[1].is_set():
                self._give_back(count)
            else:
                self._waiting.remove(turn)
                self._give_back(0)
            raise

    def _give_back(self, count: int) -> None:
        self._free += count
        while self._waiting and self._waiting[0][0] <= self._free:
            admitted, turn = self._waiting.popleft()
            self._free -= admitted
            turn.set()
