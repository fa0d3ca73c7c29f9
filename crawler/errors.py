"""What can go wrong, as one tree.

    CrawlerError
    ├── ConfigError          the command line, the environment or the file; every mistake at once
    ├── CredentialsError     who we are: a key that cannot be read, or that nobody accepts
    ├── MalformedReply       bytes or headers that are not what the protocol says (raised by `wire/`, which
    │                        does not know who sent them; `registry.py` turns it into an UnusableReply)
    ├── RegistryError        one question to a registry came to nothing; says what was asked and what came back
    │   ├── Unreachable      no whole answer: name, connection, TLS, time-out, a body that broke off
    │   ├── UnsafeAddress    a link, realm or redirect that we do not follow
    │   ├── UnusableReply    an answer that cannot be read, or is larger than we read
    │   ├── Denied           401 or 403, after a fresh token
    │   ├── Missing          404
    │   └── UnexpectedStatus any other status, after the retries
    ├── GaveUp               nobody has answered for so long that the run was ended; it can be resumed
    ├── Interrupted          somebody asked the run to stop; it can be resumed
    └── SnapshotError        the disk: an output folder that cannot be written, a run that cannot be resumed
        └── OutputClosed     whoever read our standard output has gone

A repository's error becomes its record (`Record.error`); a run's error reaches the caller.
"""

from collections.abc import Sequence
from typing import Final

from crawler.untrusted_text import printable

_LONGEST: Final = 2000
"""Characters of each part of an error, whoever forgot to cut it."""


class CrawlerError(Exception):
    """The root: catch this to catch everything that the crawler raises on purpose."""


class ConfigError(CrawlerError):
    """Mistakes in what the user wrote, each one line that names the file and line, variable or flag, and the key."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))


class CredentialsError(CrawlerError):
    """Credentials that cannot be loaded, or that their issuer or the registry refused."""


class MalformedResponse(CrawlerError):
    """A reply that breaks the protocol; its text says how, without saying who."""


class RegistryError(CrawlerError):
    """One question to a registry that came to nothing.

    `asked` is the question ("GET https://…"), `code` the registry's own error code or ours where it gave none,
    `message` its words, escaped and capped, `http_status` None where no answer came. `consumer` is the project that
    Google holds the question against (`projects/NUMBER`), "" where it names none.
    """

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
    """No whole answer came."""


class UnsafeAddress(RegistryError):
    """The answer pointed to an address that we do not follow."""


class UnusableResponse(RegistryError):
    """The answer came, and cannot be used."""


class Denied(RegistryError):
    """The registry knows us too little, even with a fresh token."""


class Missing(RegistryError):
    """The registry does not have what was asked for."""


class UnexpectedStatus(RegistryError):
    """A status that means neither success, nor missing, nor denied."""


class GaveUp(CrawlerError):
    """The registry has not answered anything for longer than is bearable."""


class Interrupted(CrawlerError):
    """The run was asked to stop, and stopped with all that was done on the disk."""


class SnapshotError(CrawlerError):
    """The run's folder could not be made, written, published or resumed."""


class OutputClosed(SnapshotError):
    """The reader of standard output has gone (`| head`): nothing is wrong, and there is nobody to write for."""
