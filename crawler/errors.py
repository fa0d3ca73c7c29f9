"""What can go wrong, as one tree.

    CrawlerError
    ├── ConfigError          the command line, the environment or the file; every mistake at once
    ├── CredentialsError     credentials that cannot be read, or that are refused
    ├── MalformedResponse    bytes or headers that break the protocol (raised by `wire/`, which does not know the
    │                        sender; `transport/fetch.py` turns it into an UnusableResponse)
    │   └── DigestMismatch   a body with another digest than it must have
    ├── RegistryError        one request to a registry failed; says what was asked and what came back
    │   ├── Unreachable      no whole response: name, connection, TLS, a body that broke off
    │   │   └── TimedOut     no whole response in time
    │   ├── UnsafeAddress    a link, realm or redirect that the crawler does not follow
    │   ├── UnusableResponse a response that cannot be read, or is larger than the limit
    │   ├── Denied           401 or 403, even after refreshing the token
    │   ├── Missing          404
    │   └── UnexpectedStatus any other status, after the retries
    ├── GaveUp               no response for so long that the run ended; it can be resumed
    ├── Interrupted          the run was asked to stop; it can be resumed
    ├── EngineError          the cluster whose workers crawl shards: it cannot be used, or no shard succeeded
    ├── LakeError            a lake that cannot be read or written; the snapshot is as it was
    ├── QueryError           SQL that the tables of a snapshot cannot answer
    └── SnapshotError        the disk: an output folder that cannot be written, a run that cannot be resumed
        └── OutputClosed     the reader of standard output closed the pipe

A repository's error becomes its record (`Record.error`); a run's error reaches the caller.
"""

from collections.abc import Sequence
from typing import ClassVar, Final

from crawler.model.record import Outcome
from crawler.old_names import OldName
from crawler.untrusted_text import printable

DIGEST_MISMATCH: Final = "DIGEST_MISMATCH"

_LONGEST: Final = 2000
"""The maximum number of characters of each part of an error."""


class CrawlerError(Exception):
    """The root: catch this to catch everything that the crawler raises on purpose.

    `outcome` is the outcome of the repository whose listing ended with this error.
    """

    outcome: ClassVar[Outcome] = Outcome.FAILED


class ConfigError(CrawlerError):
    """Mistakes in what the user wrote, each one line that names the file and line, variable or flag, and the key."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))


class CredentialsError(CrawlerError):
    """Credentials that cannot be loaded, or that their issuer or the registry refused."""


class MalformedResponse(CrawlerError):
    """A response that breaks the protocol. Its text says how, and does not say who sent the response.

    `code` is the code of the UnusableResponse that it becomes.
    """

    code: ClassVar[str] = "MALFORMED"
    outcome = Outcome.INVALID  # of a name that no registry may have; an unreadable listing is an UnusableResponse


class DigestMismatch(MalformedResponse):
    """A body that does not have the digest that it was requested by, or that came with it."""

    code = DIGEST_MISMATCH


class RegistryError(CrawlerError):
    """One request to a registry failed.

    Attributes:
        request: the request ("GET https://…").
        code: the registry's own error code, or the crawler's where the registry gave none.
        message: the message of the registry, escaped and capped.
        http_status: None where no response came.
        consumer: the project that Google counts the request against (`projects/NUMBER`), "" where Google names none.
    """

    asked = OldName("request")

    def __init__(
        self, request: str, *, code: str, message: str, http_status: int | None = None, consumer: str = ""
    ) -> None:
        self.request = printable(request, _LONGEST)
        self.code = printable(code, _LONGEST)
        self.message = printable(message, _LONGEST)
        self.http_status = http_status
        self.consumer = consumer
        status = "" if http_status is None else f"{http_status} "
        super().__init__(f"{self.request}: {status}{self.code}: {self.message}")


class Unreachable(RegistryError):
    """No whole response came."""


class TimedOut(Unreachable):
    """No whole response came in time."""


class UnsafeAddress(RegistryError):
    """The response points to a URL or an IP address that the crawler does not follow."""


class UnusableResponse(RegistryError):
    """A response came, and cannot be read."""


class Denied(RegistryError):
    """401 or 403, even after refreshing the token."""

    outcome = Outcome.DENIED


class Missing(RegistryError):
    """The registry does not have what was asked for."""

    outcome = Outcome.MISSING


class UnexpectedStatus(RegistryError):
    """A status that means neither success, nor missing, nor denied."""


class GaveUp(CrawlerError):
    """The registry did not respond for so long that the run ended. The run can be resumed."""


class Interrupted(CrawlerError):
    """The run was asked to stop. All that was recorded is on the disk, and the run can be resumed."""


class EngineError(CrawlerError):
    """The cluster whose workers crawl shards cannot be started or reached, or none of them succeeded."""


class LakeError(CrawlerError):
    """A lake that cannot be read or written. The snapshot is as it was, and can be published again."""


class QueryError(CrawlerError):
    """SQL that the tables of a snapshot cannot answer: it has a mistake, or needs more memory than it may have."""


class SnapshotError(CrawlerError):
    """The run's folder could not be made, written, published or resumed."""


class OutputClosed(SnapshotError):
    """The reader of standard output closed the pipe (`| head`). This is no failure."""
