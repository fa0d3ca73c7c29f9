"""A clock for what waits: time passes only by sleeping, and every sleep is noted."""

import anyio.lowlevel


class Time:
    """Seconds since the test began."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await anyio.lowlevel.checkpoint()
