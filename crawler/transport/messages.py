"""A request, its response, and the counts of both."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Literal, Protocol

from crawler.model.value import Value
from crawler.untrusted_text import printable

MAX_TOKEN_BYTES: Final = 1024**2
MAX_ERROR_BYTES: Final = 64 * 1024
MAX_LISTING_BYTES: Final = 256 * 1024**2

JSON: Final = "application/json"
"""The media type of every response but manifests. The HTTP session sends it as `Accept` by default."""


class Purpose(StrEnum):
    """What an exchange is for; _run.json counts exchanges by purpose."""

    PING = "ping"
    CATALOG = "catalog"
    LISTING = "listing"
    MANIFEST = "manifest"
    BLOB = "blob"
    REFERRERS = "referrers"
    TOKEN = "token"  # noqa: S105  (not a password)
    API = "api"


Party = tuple[Purpose, str]
"""A service for one purpose, with the service's origin. One host may be healthy as a party and down as another."""


class Request(Value, frozen=True, kw_only=True):
    """One request. Neither `repr` nor `summary` has its credentials, headers or body, which may hold secrets.

    Attributes:
        url: the absolute URL, percent-encoded.
        method: GET; HEAD for the status and headers alone; POST for a `form` or a `content`.
        authorization: the value of the Authorization header. It is not sent to another origin after a redirect.
        accept: the value of the Accept header: media types, separated by commas. It is kept over redirects.
        headers: more headers, as (name, value). Like `authorization`, they are not sent to another origin.
        form: the fields that a POST sends, as (name, value).
        content: the body that a POST sends in place of a form.
        content_type: the media type of `content`.
        secrets: parts of `content` that no text may show, such as a password.
        max_body_bytes: the largest body that is read, in decompressed bytes.
        purpose: what `_run.json` counts the exchange as.
        parse: turns the body of a 200 into `Response.value`. It raises MalformedResponse for a body that it cannot
            read; the request is then retried, as after a body that broke off.
        absence_codes: the error codes by which the registry says that something does not exist. A 404 without one of
            them comes from somewhere else (an ingress, a proxy) and is retried. None accepts every 404. A HEAD
            response has no body and so no code: its 404 is always returned.
        spent_codes: the error codes of a 429 that is returned at once: a limit of such requests alone is spent, for
            longer than a run can wait.
        shown_url: the URL as errors and logs show it, where the URL itself is a secret; "" where it is none.
        meant_status: the status that a response of an API means, where the API says it in another way than by HTTP.
    """

    url: str
    method: Literal["GET", "HEAD", "POST"] = "GET"
    authorization: str | None = None
    accept: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    form: tuple[tuple[str, str], ...] = ()
    content: bytes = b""
    content_type: str = JSON
    secrets: tuple[str, ...] = ()
    max_body_bytes: int = MAX_LISTING_BYTES
    purpose: Purpose = Purpose.LISTING
    parse: Callable[[bytes], Any] | None = None
    absence_codes: Collection[str] | None = None
    spent_codes: Collection[str] = ()
    shown_url: str = ""
    meant_status: Callable[["Response"], int] | None = None

    def __repr__(self) -> str:
        return f"Request({self.summary})"  # never the authorization

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Msgspec's own would show rich every field."""
        return [("summary", self.summary)]

    @property
    def summary(self) -> str:
        """Method and URL, as errors and logs show them."""
        return f"{self.method} {printable(self.shown_url or self.url)}"

    @property
    def origin(self) -> str:
        """`https://HOST[:PORT]`, as the URL spells it."""
        return self.url[: self.url.find("/", 8)]

    @property
    def party(self) -> Party:
        return self.purpose, self.origin


class Headers(Protocol):
    """A response's headers; names are case-insensitive."""

    def __contains__(self, name: object, /) -> bool: ...
    def get(self, name: str, /) -> str | None: ...
    def getall(self, name: str, default: Sequence[str], /) -> Sequence[str]: ...


class Response(Value, frozen=True):
    """A whole response: its body is read to the end, decompressed, and within `Request.max_body_bytes`.

    Attributes:
        status: the HTTP status.
        headers: the headers, with the request's credentials redacted.
        body: the body; b"" where `value` was parsed from it, and of a HEAD.
        value: what `Request.parse` made of the body.
        connection: for `HttpSession.distrust`; no other code uses it.
        throttled: whether the server refused the request because of the request rate. Waiting helps.
        redirected_to: the URL after the last redirect; "" without redirects.
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
    """The exchanges of a run so far: every redirect and every retry counts as an exchange of its own.

    Attributes:
        total: exchanges that ended, with or without a response.
        retries: requests that were sent again.
        throttled: responses that refused a request because of the request rate.
        bytes: bytes of all bodies, decompressed.
        by_kind: exchanges by purpose.
    """

    total: int = 0
    retries: int = 0
    throttled: int = 0
    bytes: int = 0
    by_kind: Counter[Purpose] = field(default_factory=Counter)

    def add_exchange(self, purpose: Purpose, body_bytes: int) -> None:
        """Count an exchange that ended; `body_bytes` is 0 without a response."""
        self.total += 1
        self.bytes += body_bytes
        self.by_kind[purpose] += 1

    def add_retry(self) -> None:
        self.retries += 1

    def add_throttled(self) -> None:
        self.throttled += 1

    @property
    def token(self) -> int:
        return self.by_kind[Purpose.TOKEN]
