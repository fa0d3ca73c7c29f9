"""How much of all bodies under way may be held together, beside the cap of each."""

from typing import Final

import anyio

MAX_BODIES_BYTES: Final = 512 * 1024**2
"""Bytes, decompressed, that the large bodies of a run may hold together. A body of one piece is not counted."""


class BodyBudget:
    """The room that bodies share while they are read.

    Where they hold more than `limit` bytes together, every body but the oldest must wait until others are done.
    The oldest goes on up to its own cap, so that one always ends, and all do in turn.
    """

    def __init__(self, limit: int = MAX_BODIES_BYTES) -> None:
        self._limit = limit
        self._by_owner: dict[object, int] = {}
        self.held = 0
        """Bytes of all bodies that are counted."""
        self._freed = anyio.Event()
        self.waiting = 0
        """How many bodies wait at this moment."""

    def reserve(self, owner: object, size: int) -> None:
        """`owner`'s body has grown by `size` bytes."""
        self._by_owner[owner] = self._by_owner.get(owner, 0) + size
        self.held += size

    def must_wait(self, owner: object) -> bool:
        """Whether `owner`, who holds something, may read on only after `wait`."""
        return self.held > self._limit and next(iter(self._by_owner)) is not owner

    async def wait(self, owner: object) -> None:
        """Return when `owner` may read on."""
        self.waiting += 1
        try:
            while self.must_wait(owner):
                await self._freed.wait()
        finally:
            self.waiting -= 1

    def release(self, owner: object) -> None:
        """`owner`'s body is read, or given up."""
        self.held -= self._by_owner.pop(owner)
        self._freed.set()
        self._freed = anyio.Event()
