"""A snapshot of a whole container registry, with an honest verdict on its completeness.

    manifest = await crawler.crawl(crawler.Config.load("config.toml"))

    async with crawler.open_records(config) as records:
        async for record in records: ...

    with crawler.open_snapshot("snapshots/source=…/date=…/run=…") as snapshot:
        images = pyarrow.table(snapshot.table("images"))

`Config` says what to look at and how; `crawl` publishes a snapshot and returns its `RunManifest`; `open_records` gives
the `Record`s themselves; `open_snapshot` reads a snapshot that is on the disk. Everything that goes wrong on purpose is
a `CrawlerError`.
"""

import warnings
from importlib import import_module

TYPE_CHECKING = False  # typing's own takes long to import, for a command that has not set its signal handlers yet
if TYPE_CHECKING:
    from crawler.config import Config
    from crawler.errors import (
        ConfigError,
        CrawlerError,
        CredentialsError,
        Denied,
        DigestMismatch,
        EngineError,
        GaveUp,
        Interrupted,
        LakeError,
        MalformedResponse,
        Missing,
        OutputClosed,
        QueryError,
        RegistryError,
        SnapshotError,
        TimedOut,
        UnexpectedStatus,
        Unreachable,
        UnsafeAddress,
        UnusableResponse,
    )
    from crawler.library import crawl, open_records
    from crawler.model.image import Image
    from crawler.model.record import ErrorDetail, Outcome, Record
    from crawler.model.run_manifest import RunManifest, Verdict
    from crawler.run.crawl import Crawl
    from crawler.run.progress import Progress
    from crawler.tables.database import ArrowTable
    from crawler.tables.snapshot import Snapshot, open_snapshot

    __version__: str

__all__ = [
    "ArrowTable",
    "Config",
    "ConfigError",
    "Crawl",
    "CrawlerError",
    "CredentialsError",
    "Denied",
    "DigestMismatch",
    "EngineError",
    "ErrorDetail",
    "GaveUp",
    "Image",
    "Interrupted",
    "LakeError",
    "MalformedResponse",
    "Missing",
    "Outcome",
    "OutputClosed",
    "Progress",
    "QueryError",
    "Record",
    "RegistryError",
    "RunManifest",
    "Snapshot",
    "SnapshotError",
    "TimedOut",
    "UnexpectedStatus",
    "Unreachable",
    "UnsafeAddress",
    "UnusableResponse",
    "Verdict",
    "__version__",
    "crawl",
    "open_records",
    "open_snapshot",
]

_ELSEWHERE = {
    "Config": "crawler.config",
    "Crawl": "crawler.run.crawl",
    "Progress": "crawler.run.progress",
    "crawl": "crawler.library",
    "open_records": "crawler.library",
    "open_snapshot": "crawler.tables.snapshot",
    "ArrowTable": "crawler.tables.database",
    "ErrorDetail": "crawler.model.record",
    "Image": "crawler.model.image",
    "Outcome": "crawler.model.record",
    "Record": "crawler.model.record",
    "RunManifest": "crawler.model.run_manifest",
    "Snapshot": "crawler.tables.snapshot",
    "Verdict": "crawler.model.run_manifest",
}
"""Where a name of `__all__` is defined, unless it is an error."""


_RENAMED = {"Fault": "ErrorDetail", "MalformedReply": "MalformedResponse", "UnusableReply": "UnusableResponse"}
"""Names of 0.1, and what they are called since. They go in 0.3."""


def __getattr__(name: str) -> object:
    """Import a name when it is used: the command sets its signal handlers before anything that takes time."""
    if name in _RENAMED:
        warnings.warn(f"crawler.{name} is now crawler.{_RENAMED[name]}", DeprecationWarning, stacklevel=2)
        name = _RENAMED[name]
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "__version__":
        return import_module("crawler.model.run_manifest").VERSION
    found: object = getattr(import_module(_ELSEWHERE.get(name, "crawler.errors")), name)
    return found
