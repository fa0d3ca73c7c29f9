"""A snapshot of a whole container registry, with an honest verdict on its completeness.

    manifest = await crawler.crawl(crawler.Config.load("config.toml"))

    async with crawler.open_records(config) as records:
        async for record in records: ...

`Config` says what to look at and how; `crawl` publishes a snapshot and returns its `RunManifest`; `open_records` gives
the `Record`s themselves. Everything that goes wrong on purpose is a `CrawlerError`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from crawler.errors import (
    ConfigError,
    CrawlerError,
    CredentialsError,
    Denied,
    GaveUp,
    Interrupted,
    MalformedReply,
    Missing,
    OutputClosed,
    RegistryError,
    SnapshotError,
    UnexpectedStatus,
    Unreachable,
    UnsafeAddress,
    UnusableReply,
)
from crawler.model import VERSION, Fault, Image, Outcome, Record, RunManifest, Verdict

if TYPE_CHECKING:
    from crawler.config import Config
    from crawler.run.crawl import Crawl, Progress, crawl, open_records

__version__ = VERSION

__all__ = [
    "Config",
    "ConfigError",
    "Crawl",
    "CrawlerError",
    "CredentialsError",
    "Denied",
    "Fault",
    "GaveUp",
    "Image",
    "Interrupted",
    "MalformedReply",
    "Missing",
    "Outcome",
    "OutputClosed",
    "Progress",
    "Record",
    "RegistryError",
    "RunManifest",
    "SnapshotError",
    "UnexpectedStatus",
    "Unreachable",
    "UnsafeAddress",
    "UnusableReply",
    "Verdict",
    "__version__",
    "crawl",
    "open_records",
]

_IMPORTED_WHEN_WANTED = {
    "Config": "crawler.config",
    "Crawl": "crawler.run.crawl",
    "Progress": "crawler.run.crawl",
    "crawl": "crawler.run.crawl",
    "open_records": "crawler.run.crawl",
}
"""What stands on everything else; the command's `--help` and the emulator do without."""


def __getattr__(name: str) -> Any:
    if name not in _IMPORTED_WHEN_WANTED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_IMPORTED_WHEN_WANTED[name]), name)
