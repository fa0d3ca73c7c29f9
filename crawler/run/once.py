"""A value that is made when it is first needed, and kept."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """See the module. What `make` raises is raised, and not kept."""

    def __init__(self, make: Callable[[], Awaitable[T]]) -> None:
        self._make = make
        self._made: list[T] = []

    async def get(self) -> T:
        if not self._made:
            self._made.append(await self._make())
        return self._made[0]
