"""How many bytes all bodies that are being read may hold together, beside the limit of each."""

from typing import Final

import anyio

MAX_BODIES_BYTES: Final = 512 * 1024**2
"""Bytes, decompressed, that the large bodies of a run may hold together. A body of one chunk is not counted."""


class BodyBudget:
    """The memory that bodies share while they are read.

    Sixty-four listings of 256 MB each are within every body's own limit, and do not fit into a pod. Where bodies hold
    more than `limit` bytes together, every body but the oldest waits until others are done. The oldest continues up to
    its own limit, so that one body always ends, and then the next: no body waits for ever.
    """

    def __init__(self, limit: int) -> None:
        """`limit` is in bytes."""
        self._limit = limit
        self._by_owner: dict[object, int] = {}
        self.held = 0
        """Bytes of all bodies that are counted."""
        self._freed = anyio.Event()
        self.waiting = 0
        """How many bodies wait now."""

    def reserve(self, owner: object, size: int) -> None:
        """The body of `owner` has grown by `size` bytes."""
        self._by_owner[owner] = self._by_owner.get(owner, 0) + size
        self.held += size

    def must_wait(self, owner: object) -> bool:
        """Whether `owner`, which holds bytes, may continue only after `wait`."""
        return self.held > self._limit and next(iter(self._by_owner)) is not owner

    async def wait(self, owner: object) -> None:
        """Return when `owner` may continue."""
        self.waiting += 1
        try:
            while self.must_wait(owner):
                await self._freed.wait()
        finally:
            self.waiting -= 1

    def release(self, owner: object) -> None:
        """The body of `owner` is read, or given up."""
        self.held -= self._by_owner.pop(owner)
        self._freed.set()
        self._freed = anyio.Event()
