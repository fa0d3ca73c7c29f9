"""Where records go while a run lasts."""

from collections.abc import Sequence
from typing import Protocol

from crawler.model.record import Record


class Sink(Protocol):
    """Takes batches of records, in any order. When `write` returns, the kernel or the reader has the batch."""

    async def write(self, records: Sequence[Record]) -> None:
        """Write a batch. Raises SnapshotError."""
