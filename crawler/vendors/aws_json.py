"""AWS's JSON protocol: one operation is one signed POST, and a list is read by the token of its next page.

(https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html) Errors come with status 400 and their kind in `__type`,
with or without a namespace before it: `com.amazonaws.ecr#ThrottlingException`.
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any, Final, Generic, NamedTuple, TypeVar

import orjson

from crawler.errors import Denied, MalformedResponse, Missing, RegistryError, UnexpectedStatus
from crawler.registry.cursor import Cursor
from crawler.transport.fetch import Transport
from crawler.transport.messages import Purpose, Request, Response
from crawler.vendors.aws_signing import AwsSigner, Signature
from crawler.wire.error_body import parse_error_body
from crawler.wire.json_fields import parse_object

T = TypeVar("T")

PAGE_SIZE: Final = 1000
"""Entries on a page; ECR and ECR Public allow no more."""

_CONTENT_TYPE: Final = "application/x-amz-json-1.1"

_THROTTLED: Final = frozenset(
    # boto/botocore botocore/retries/standard.py, ThrottledRetryableChecker
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "SlowDown",
    }
)
_CLOCK: Final = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_SIGNATURE: Final = frozenset({"InvalidSignatureException", "SignatureDoesNotMatch"})
_EXPIRED: Final = frozenset({"ExpiredTokenException", "ExpiredToken"})
_UNKNOWN_KEY: Final = frozenset({"UnrecognizedClientException", "InvalidClientTokenId"})
_DENIED: Final = (
    # https://docs.aws.amazon.com/AmazonECR/latest/APIReference/CommonErrors.html
    _CLOCK
    | _SIGNATURE
    | _EXPIRED
    | _UNKNOWN_KEY
    | {
        "AccessDenied",
        "AccessDeniedException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
    }
)
_MISSING: Final = frozenset({"RepositoryNotFoundException"})

# `Signature expired: 20261127T020000Z is now earlier than …`, `Signature not yet current: …`
_WRONG_TIME: Final = re.compile(r"Signature (?:expired|not yet current)", re.IGNORECASE)


class AwsPage(NamedTuple, Generic[T]):
    """One page of a list. `next_token` requests the next page; "" on the last."""

    entries: tuple[T, ...]
    next_token: str


class AwsClient:
    """Sends the operations of one service. `service` is the name of the service in `X-Amz-Target`."""

    def __init__(self, url: str, service: str, signer: AwsSigner, transport: Transport) -> None:
        self._url = f"{url}/"
        self._service = service
        self._signer = signer
        self._transport = transport

    async def call(self, operation: str, parameters: Mapping[str, Any], parse: Callable[[bytes], T]) -> T:
        """What `parse` makes of the response. `parse` raises MalformedResponse.

        A request that was throttled or held for so long that its signature is refused is signed and sent once more.

        Raises:
            Denied: AWS refuses the account or the signature.
            Missing: the repository does not exist.
            UnexpectedStatus: any other refusal, after the retries.
            UnusableResponse: a body that `parse` could not read, after the retries.
            RegistryError: no response at all; the base of all of the above.
            CredentialsError: no credentials.
            GaveUp: throttling that lasts.
        """
        content = orjson.dumps(dict(parameters))
        response, signature = await self._send(operation, content, parse)
        if _error_code(response) in _CLOCK | _SIGNATURE and signature.is_stale:
            response, _ = await self._send(operation, content, parse)
        if response.status != 200:
            raise self._error_from(operation, response)
        value: T = response.value
        return value

    async def pages(
        self, operation: str, parameters: Mapping[str, Any], parse: Callable[[bytes], AwsPage[T]]
    ) -> AsyncIterator[tuple[T, ...]]:
        """The entries of each page of a list. Raises what `call` raises, and UnusableResponse for endless pages."""
        cursor = Cursor()
        while not cursor.is_over:
            token = {"nextToken": cursor.token} if cursor.token else {}
            page = await self.call(operation, {**parameters, "maxResults": PAGE_SIZE, **token}, parse)
            yield page.entries
            cursor.follow(page.next_token, self._url)

    def error(self, operation: str, error_type: type[RegistryError], code: str, message: str) -> RegistryError:
        """An error of an operation that no request was sent for."""
        return error_type(self._summary(operation), code=code, message=message)

    async def _send(self, operation: str, content: bytes, parse: Callable[[bytes], Any]) -> tuple[Response, Signature]:
        target = ("X-Amz-Target", f"{self._service}.{operation}")
        signature = await self._signer.sign(self._url, (("Content-Type", _CONTENT_TYPE), target), content)
        request = Request(
            url=self._url,
            method="POST",
            authorization=signature.authorization,
            headers=signature.headers,
            content=content,
            content_type=_CONTENT_TYPE,
            secrets=signature.secrets,  # AWS quotes the session token where a signature does not match
            purpose=Purpose.API,
            parse=parse,
            meant_status=_meant_status,
        )
        return await self._transport.fetch(request), signature

    def _summary(self, operation: str) -> str:
        return f"POST {self._url} ({self._service}.{operation})"

    def _error_from(self, operation: str, response: Response) -> RegistryError:
        detail, code = parse_error_body(response.body, response.status, response.redirected_to), _error_code(response)
        message = detail.message.removeprefix(f"{code}: ")
        if advice := _advice(code, message):
            message = f"{message.rstrip('.')}: {advice}"
        return _error_type(code, response.status)(
            self._summary(operation), code=code or detail.code, message=message, http_status=response.status
        )


def parse_page(field: str, parse_entry: Callable[[dict[str, Any]], T], body: bytes) -> AwsPage[T]:
    """A page of a list whose entries are in `field`. Raises MalformedResponse."""
    document = parse_object(body)
    if field not in document:
        raise MalformedResponse(f"a page without {field!r}")
    entries, token = document[field], document.get("nextToken")
    if entries is not None and not isinstance(entries, list):
        raise MalformedResponse(f"{field!r} is not a list")
    if token is not None and not isinstance(token, str):
        raise MalformedResponse("'nextToken' is not a string")
    return AwsPage(tuple(parse_entry(_object(entry, field)) for entry in entries or ()), token or "")


def page_parser(field: str, parse_entry: Callable[[dict[str, Any]], T]) -> Callable[[bytes], AwsPage[T]]:
    return partial(parse_page, field, parse_entry)


def _object(entry: Any, field: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise MalformedResponse(f"an entry of {field!r} is not an object")
    return entry


def _error_code(response: Response) -> str:
    """The kind of an error, without its namespace; "" where AWS names none."""
    if response.status == 200:
        return ""
    try:
        kind = parse_object(response.body).get("__type")
    except MalformedResponse:
        return ""
    return kind.rpartition("#")[2] if isinstance(kind, str) else ""


def _meant_status(response: Response) -> int:
    """429 for throttling, which comes with status 400, and is retried as such."""
    return 429 if response.status == 400 and _error_code(response) in _THROTTLED else response.status


def _error_type(code: str, status: int) -> type[RegistryError]:
    if code in _DENIED or status in {401, 403}:
        return Denied
    return Missing if code in _MISSING or status == 404 else UnexpectedStatus


def _advice(code: str, message: str) -> str:
    """What to do about an error; "" where its message says it."""
    if code in _CLOCK or (code in _SIGNATURE and _WRONG_TIME.search(message)):
        return "check the clock of this machine, which must be right to five minutes"
    if code in _SIGNATURE:
        return "check the secret access key"
    if code in _EXPIRED:
        return "renew the AWS credentials, for example with `aws sso login`"
    return "check the AWS access key and the region" if code in _UNKNOWN_KEY else ""
