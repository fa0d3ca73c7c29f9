"""The body of an error response.

By the specification it is `{"errors": [{"code": "DENIED", "message": "…", "detail": …}]}` (distribution-spec, "Error
Codes"). But a gateway, a proxy, a token server or a cloud API may have sent it, so that it can be anything.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from crawler.errors import MalformedResponse
from crawler.model.record import ErrorDetail
from crawler.untrusted_text import printable
from crawler.wire.error_message import error_message, is_code
from crawler.wire.json_fields import parse_object
from crawler.wire.web_page import LOGIN_ADVICE, parse_web_page, redirect_message, visible_text

_XML_CODE: Final = re.compile(r"<Code>([^<]{1,100})</Code>")
_XML_MESSAGE: Final = re.compile(r"<Message>([^<]{1,1000})</Message>")

# VPC Service Controls (Google Cloud): the identifier is in the text of the message, or in the error's details.
_VPC_IDENTIFIER: Final = "vpcServiceControlsUniqueIdentifier"
_VPC_IN_TEXT: Final = re.compile(rb"vpcServiceControlsUniqueIdentifier\W{1,8}([A-Za-z0-9_-]{1,200})")
_VPC_REASON: Final = "SECURITY_POLICY_VIOLATED"
_SERVICE_DISABLED: Final = "SERVICE_DISABLED"

_WRONG_PORT: Final = (
    (
        # Go's net/http, nginx, Apache httpd, Tomcat
        re.compile(
            "HTTP request to an HTTPS server|HTTP request was sent to HTTPS port"
            "|plain HTTP to an SSL-enabled server|combination of host and port requires TLS"
        ),
        "the server speaks https: use --no-plain-http (registry.plain_http = false)",
    ),
    (
        re.compile("No required SSL certificate was sent"),  # nginx
        "the server requires a client certificate: set registry.client_certificate and registry.client_key",
    ),
)
"""What a server's 400 says where the client used the wrong protocol at a port, and what the operator can do."""


def parse_error_body(body: bytes, http_status: int, redirected_to: str = "") -> ErrorDetail:
    """Parse the body of an error response: the sender's own code and message, escaped and capped.

    A body without a code has `HTTP_503` or the like, and a body without a message its visible text. `redirected_to` is
    the URL that redirects led to; the message then mentions it. Accepts any body, and raises nothing.
    """
    try:
        document = parse_object(body)
    except MalformedResponse:
        code, message = "", _message_without_json(body, redirected_to)
    else:
        code, message = _code(document), _with_google_details(document, error_message(document), body)
        message = (message or "no reason given") + redirect_message(redirected_to)
    if http_status == 400:
        advice = next((advice for pattern, advice in _WRONG_PORT if pattern.search(message)), "")
        message = f"{message.rstrip('.')}: {advice}" if advice else message
    return ErrorDetail(code=printable(code, 60) or f"HTTP_{http_status}", http_status=http_status, message=message)


def _code(document: dict[str, Any]) -> str:
    """The error's code, or "". It decides whether a 404 proves absence, so that nothing is guessed from a message."""
    errors = document.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else document
    if not isinstance(first, dict):
        return ""
    # OAuth2 (RFC 6749 §5.2), from token servers: {"error": "invalid_scope", "error_description": "…"}
    code: Any = first.get("code") or first.get("error")
    if isinstance(code, str) and not first.get("code") and not is_code(code):
        return ""
    # Google's APIs: {"error": {"code": 403, "message": "…", "status": "PERMISSION_DENIED", "details": […]}}
    # (https://cloud.google.com/apis/design/errors). The reason in `details` is more precise than the status.
    if isinstance(code, dict):
        code = next((reason for detail in _details(code) if (reason := detail.get("reason"))), code.get("status"))
    return code if isinstance(code, str) else ""


def parse_consumer(body: bytes) -> str:
    """The project that Google counted a refused request against: `projects/NUMBER`, escaped and capped; or "".

    It is `metadata.consumer` of a google.rpc.ErrorInfo in the error's details. It may be the quota project of the
    credentials instead of the project in the request: 764086051850 is the project of gcloud's own OAuth client.
    """
    try:
        document = parse_object(body)
    except MalformedResponse:
        return ""
    return printable(_metadata(document, "consumer"), 80)


def _with_google_details(document: dict[str, Any], message: str, body: bytes) -> str:
    """The message, and after it what an administrator needs of Google's details, even where the message was cut."""
    identifier = _vpc_identifier(document, body)
    if identifier and identifier not in message:
        message = f"{message} {_VPC_IDENTIFIER}: {identifier}".lstrip()
    service = _metadata(document, "service")
    if _code(document) == _SERVICE_DISABLED and service and service not in message:
        consumer = _metadata(document, "consumer")
        disabled = f"{printable(service, 100)} is disabled{f' in {printable(consumer, 80)}' if consumer else ''}"
        message = f"{message} ({disabled})" if message else disabled
    return message


def _vpc_identifier(document: dict[str, Any], body: bytes) -> str:
    """The identifier by which an administrator of VPC Service Controls finds out why a request was refused; or "".

    It is in the text of the message (registries), or in google.rpc.ErrorInfo or PreconditionFailure (APIs).
    """
    if found := _VPC_IN_TEXT.search(body):
        return found[1].decode("ascii")
    for detail in _details(document.get("error")):
        if detail.get("reason") == _VPC_REASON:
            return printable(_metadata(document, "uid"), 200)
        for violation in _objects(detail.get("violations")):
            described = violation.get("description")
            if violation.get("type") == "VPC_SERVICE_CONTROLS" and isinstance(described, str):
                return printable(described, 200)
    return ""


def _metadata(document: dict[str, Any], field: str) -> str:
    """A field of `metadata` in the details of a Google error; or ""."""
    all_metadata = (detail.get("metadata") for detail in _details(document.get("error")))
    values = (metadata.get(field) for metadata in all_metadata if isinstance(metadata, dict))
    return next((value for value in values if isinstance(value, str) and value), "")


def _details(error: Any) -> Iterator[dict[str, Any]]:
    return _objects(error.get("details") if isinstance(error, dict) else None)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def _message_without_json(body: bytes, redirected_to: str) -> str:
    """The text of an HTML page, of an object store's XML, or of a proxy's plain text, in one line."""
    redirect = redirect_message(redirected_to)
    page = parse_web_page(body)
    if page is not None:
        text = f": {printable(page.text, 200)}" if page.text else ""
        return f"{page}{redirect}: {LOGIN_ADVICE}" if redirect else f"{page}{text}"
    text = body[:4096].decode("utf-8", "replace")
    # Amazon S3, Google Cloud Storage, Azure Blob Storage: <Error><Code>NoSuchKey</Code><Message>…</Message></Error>
    parts = [found[1] for pattern in (_XML_CODE, _XML_MESSAGE) if (found := pattern.search(text))]
    return (printable(visible_text(": ".join(parts) or text)) or "no reason given") + redirect
