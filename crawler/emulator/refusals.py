"""How the emulator says no."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


class Unauthenticated(Exception):
    """The credentials do not open what was asked for. The sentence is the registry's own."""


class OAuthRefusal(Exception):
    """RFC 6749 §5.2: `error` is one of its codes, the exception's text the description."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error


class Refusal(Exception):
    """An error answer of the registry: an HTTP status, and one entry of the body's `errors`."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers

    @property
    def body(self) -> dict[str, Any]:
        return {"errors": [{"code": self.code, "message": self.message}]}


class ApiRefusal(Refusal):
    """An error answer of Google's APIs: `code` is the name of a canonical code, such as PERMISSION_DENIED."""

    @property
    def body(self) -> dict[str, Any]:
        return {"error": {"code": self.status, "message": self.message, "status": self.code}}
