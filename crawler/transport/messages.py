"""What is asked, and what is answered."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol

from crawler.untrusted_text import printable

MAX_TOKEN_BYTES: Final = 1024**2
MAX_ERROR_BYTES: Final = 64 * 1024
MAX_LISTING_BYTES: Final = 256 * 1024**2


class Purpose(StrEnum):
    """What an exchange is for, as _run.json counts it."""

    PING = "ping"
    CATALOG = "catalog"
    LISTING = "listing"
    TOKEN = "token"  # noqa: S105  (not a password)
    API = "api"


Party = tuple[Purpose, str]
"""A service for one purpose: its origin is the second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A GET, or with a `form` a POST of it, which may hold secrets as `authorization` does, the header's value.

    Attributes:
        cap: the largest body that we read, in decompressed bytes.
        parse: turns the body of a 200 into `Reply.value`. It raises MalformedReply for a body that it cannot read,
            which counts as a body that broke off: the exchange is tried again.
        absence_codes: the error codes by which the registry says that something is not there. A 404 without one of
            them is somebody else's (an ingress, a proxy): no answer, and tried again. None takes every 404 as it is.
        headers: more headers, as (name, value); like `authorization` they are not sent to another origin.
    """

    url: str
    authorization: str | None = None
    max_body_bytes: int = MAX_LISTING_BYTES
    purpose: Purpose = Purpose.LISTING
    form: tuple[tuple[str, str], ...] = ()
    parse: Callable[[bytes], Any] | None = None
    absence_codes: Collection[str] | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"Request({self.summary})"  # never the authorization

    @property
    def summary(self) -> str:
        """The question, as errors and logs name it."""
        return f"{self.method} {printable(self.url)}"

    @property
    def origin(self) -> str:
        """`https://HOST[:PORT]`, as it stands in the URL."""
        return self.url[: self.url.find("/", 8)]

    @property
    def party(self) -> Party:
        return self.purpose, self.origin

    @property
    def method(self) -> str:
        return "POST" if self.form else "GET"


class Headers(Protocol):
    """A reply's headers, by name in any case."""

    def __contains__(self, name: object, /) -> bool: ...
    def get(self, name: str, /) -> str | None: ...
    def getall(self, name: str, default: Sequence[str], /) -> Sequence[str]: ...


class Response(NamedTuple):
    """An answer, whole: its body read to the end, decompressed, and within the cap.

    `value` is what `Request.parse` made of the body, which is then no longer kept. `connection` is the door's, for
    `Door.distrust`. `throttled` marks a refusal because of our pace, which passes by waiting. `redirected_to` is the
    URL to which redirects led, "" where there was none. A tuple, as there is one for each exchange: a frozen dataclass
    takes four times as long to make.
    """

    status: int
    headers: Headers
    body: bytes
    value: Any = None
    connection: Any = None
    throttled: bool = False
    redirected_to: str = ""


@dataclass(slots=True)
class RequestStats:
    """What was exchanged so far, retries counted in; `bytes` are bodies as decompressed."""

    total: int = 0
    retries: int = 0
    throttled: int = 0
    bytes: int = 0
    by_kind: Counter[Purpose] = field(default_factory=Counter)

    @property
    def token(self) -> int:
        return self.by_kind[Purpose.TOKEN]
