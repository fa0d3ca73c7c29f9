"""Where records go."""

from collections.abc import Sequence
from typing import Protocol

from crawler.model.record import Record


class Sink(Protocol):
    """Takes batches of records, in any order; a batch is on its way to the disk or the reader when `write` returns."""

    async def write(self, records: Sequence[Record]) -> None:
        """Raises SnapshotError where they cannot be written."""
