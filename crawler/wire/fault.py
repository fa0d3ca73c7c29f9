"""The body of a refusal: `{"errors": [{"code", "message", "detail"}]}`, or anything at all."""

import re
from typing import Any

from crawler.errors import MalformedReply, printable
from crawler.model import Fault
from crawler.wire.fields import read_object

_MARKUP = re.compile(r"<(style|script)\b.*?</\1[^>]*>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def read_fault(body: bytes, http_status: int) -> Fault:
    """The registry's own code and words, escaped and capped; `HTTP_503` and what the body says where it has none."""
    code, message = _said(body)
    return Fault(
        code=printable(code, 60) or f"HTTP_{http_status}",
        http_status=http_status,
        message=printable(message) or "no reason given",
    )


def _said(body: bytes) -> tuple[str, str]:
    try:
        document = read_object(body)
    except MalformedReply:
        return "", _plain_words(body)
    errors = document.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else document
    if not isinstance(first, dict):
        return "", ""
    # OAuth2's own form (RFC 6749 §5.2), from token servers: {"error": "invalid_scope", "error_description": "…"}
    code: Any = first.get("code") or first.get("error")
    message: Any = first.get("message") or first.get("error_description")
    # Google's REST form: {"error": {"code": 403, "message": "…", "status": "PERMISSION_DENIED", "details": […]}}
    if isinstance(code, dict):
        code, message = _reason(code.get("details")) or code.get("status"), code.get("message")
    return code if isinstance(code, str) else "", message if isinstance(message, str) else ""


def _reason(details: Any) -> Any:
    """What google.rpc.ErrorInfo names as the reason, which says more than the status: SERVICE_DISABLED, for one."""
    return next((reason for detail in _objects(details) if (reason := detail.get("reason"))), None)


def read_consumer(body: bytes) -> str:
    """The project that Google holds a refused request against: `projects/NUMBER`, escaped and capped; "" for none.

    It stands in `metadata.consumer` of google.rpc.ErrorInfo, and may be the quota project of the caller's credentials
    instead of the project that was asked about: 764086051850 is that of gcloud's own client.
    """
    try:
        error = read_object(body).get("error")
    except MalformedReply:
        return ""
    metadata = [
        detail.get("metadata") for detail in _objects(error.get("details") if isinstance(error, dict) else None)
    ]
    consumers = [told.get("consumer") for told in metadata if isinstance(told, dict)]
    return next((printable(consumer, 80) for consumer in consumers if isinstance(consumer, str) and consumer), "")


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _plain_words(body: bytes) -> str:
    """What a page for people, or a proxy's line of text, says, in one line."""
    return " ".join(_MARKUP.sub(" ", body[:4096].decode("utf-8", "replace")).split())
