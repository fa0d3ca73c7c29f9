"""The result of listing a repository becomes its record."""

import time
from dataclasses import dataclass
from typing import Final

from crawler.discovery.pending import ListResult
from crawler.errors import CrawlerError, MalformedResponse, RegistryError
from crawler.model.record import SCHEMA, ErrorDetail, Listing, Outcome, Record
from crawler.model.timestamps import timestamp_of
from crawler.untrusted_text import printable

_EMPTY_LISTING: Final = Listing(tags=())


@dataclass(frozen=True, slots=True)
class RecordBuilder:
    """Makes the records of one run.

    Attributes:
        run_id: the run.
        target: the target as configured.
        registry: the host of the registry, with its port if any.
    """

    run_id: str
    target: str
    registry: str

    def build(self, name: str, result: ListResult) -> Record:
        if isinstance(result, Listing):
            listing, outcome, error = result, Outcome.OK, None
        else:
            listing, outcome, error = _EMPTY_LISTING, result.outcome, _error_detail(result)
        return Record(
            schema=SCHEMA,
            run_id=self.run_id,
            target=self.target,
            registry=self.registry,
            repository=str(name),  # a plain one: msgspec encodes no subclasses of str
            outcome=outcome,
            tags=listing.tags,
            images=listing.images,
            children=listing.children,
            problems=listing.problems,
            suspect=listing.suspect,
            error=error,
            observed_at=timestamp_of(time.time_ns() // 1_000_000),
        )


def _error_detail(error: CrawlerError) -> ErrorDetail:
    if isinstance(error, RegistryError):
        return ErrorDetail(code=error.code, http_status=error.http_status, message=error.message)
    code = "NAME_INVALID" if isinstance(error, MalformedResponse) else "CREDENTIALS"
    return ErrorDetail(code=code, http_status=None, message=printable(str(error)))
