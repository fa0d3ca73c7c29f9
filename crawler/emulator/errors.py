"""How the emulator says no."""

from collections.abc import Mapping, Sequence
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
    """An error answer of Google's APIs (AIP-193): `code` is the name of a canonical code, PERMISSION_DENIED say."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        details: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(status, code, message, headers=headers)
        self.details = details

    @property
    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.status, "message": self.message, "status": self.code}
        if self.details:
            error["details"] = self.details
        return {"error": error}


def error_info(reason: str, *, domain: str, **metadata: str) -> dict[str, Any]:
    """The one of an API's `details` that is meant for machines."""
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": domain,
        "metadata": metadata,
    }
