"""What is asked, and what is answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from crawler.errors import printable

TOKEN_CAP: Final = 1024**2
ERROR_CAP: Final = 64 * 1024
LISTING_CAP: Final = 256 * 1024**2


class Purpose(StrEnum):
    """What an exchange is for, as run.json counts it."""

    REGISTRY = "registry"
    TOKEN = "token"  # noqa: S105  (not a password)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A GET, or with a `form` a POST of it, which may hold secrets as `authorization` does, the header's value.

    `cap` is the largest body that we read, in decompressed bytes.
    """

    url: str
    authorization: str | None = None
    cap: int = LISTING_CAP
    purpose: Purpose = Purpose.REGISTRY
    form: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"Request({self.asked})"  # never the authorization

    @property
    def asked(self) -> str:
        """The question, as errors and logs name it."""
        return f"{self.method} {printable(self.url)}"

    @property
    def method(self) -> str:
        return "POST" if self.form else "GET"


class Headers(Protocol):
    """A reply's headers, by name in any case."""

    def __contains__(self, name: object, /) -> bool: ...
    def get(self, name: str, /) -> str | None: ...
    def getall(self, name: str, default: Sequence[str], /) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, whole: its body read to the end, decompressed, and within the cap."""

    status: int
    headers: Headers
    body: bytes


@dataclass(slots=True)
class Exchanges:
    """What was exchanged so far, retries counted in; `bytes` are bodies as decompressed."""

    total: int = 0
    token: int = 0
    retries: int = 0
    throttled: int = 0
    bytes: int = 0
