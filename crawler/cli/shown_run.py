"""What the command asks of a run: of a crawl, and of a group of shards on a cluster."""

from typing import Protocol

from crawler.config import RegistryConfig
from crawler.model.names import Target
from crawler.model.record import Record
from crawler.model.run_manifest import Counts
from crawler.model.run_parameters import RunParameters
from crawler.run.progress import Progress


class ShownRun(Protocol):
    """See `crawler.run.crawl.Crawl`, whose attributes these are."""

    parameters: RunParameters

    @property
    def registry(self) -> RegistryConfig: ...

    @property
    def target(self) -> Target: ...

    @property
    def progress(self) -> Progress: ...

    @property
    def counts(self) -> Counts: ...

    @property
    def recorded(self) -> int: ...

    @property
    def sample_failures(self) -> tuple[Record, ...]: ...

    @property
    def cheaper_auth_exists(self) -> bool: ...

    @property
    def writes_snapshot(self) -> bool: ...

    def stop(self) -> None: ...
