"""Error responses, as exceptions: each service has a body format of its own."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any


class Unauthenticated(Exception):
    """The credentials are missing, invalid or not enough. The message is the one that the client gets."""


class OAuthError(Exception):
    """An error of the OAuth2 token endpoint (RFC 6749 §5.2): `error` is the code, the message is the description."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error


class RegistryError(Exception):
    """An error response of the registry: an HTTP status, and one entry of the body's `errors` list."""

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


class ApiError(RegistryError):
    """An error response of Google's APIs (AIP-193). `code` is a canonical name such as PERMISSION_DENIED."""

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
    """The entry of an API error's `details` that is meant for programs (AIP-193, ErrorInfo)."""
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": domain,
        "metadata": metadata,
    }
