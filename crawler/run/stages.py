"""The stages of a run, with their times: for telemetry."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a run that has ended, well or not. Stages may overlap: listing begins while discovery goes on."""

    name: str
    began_at: datetime
    ended_at: datetime


class Stages:
    """The stages of one run, in the order of their ends. A clock that is set meanwhile changes no duration."""

    def __init__(self) -> None:
        self._origin: Final = datetime.now(UTC), time.monotonic()
        self._ended: list[Stage] = []

    @property
    def ended(self) -> tuple[Stage, ...]:
        return tuple(self._ended)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Time what is done in the block as one stage."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.add(name, began, time.monotonic())

    def add(self, name: str, began: float, ended: float) -> None:
        """Add a stage by its times on the monotonic clock."""
        self._ended.append(Stage(name, self._at(began), self._at(ended)))

    def _at(self, moment: float) -> datetime:
        at, origin = self._origin
        return at + timedelta(seconds=moment - origin)
