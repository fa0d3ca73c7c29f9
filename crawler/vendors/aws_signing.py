"""AWS's credentials, and the signature of a request by Signature Version 4. The only door to botocore.

(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html) Credentials come by the chain that every AWS tool
uses: environment, profile, single sign-on, web identity, container, instance
(https://docs.aws.amazon.com/boto3/latest/guide/credentials.html). botocore renews them. To get them it sends requests
of its own, to STS, IAM Identity Center or the metadata service of the machine. `--ca-file` and the limits of the run do
not apply to these requests. Requests to ECR itself go by the crawler's transport.

botocore is imported by the first request that needs a signature: it takes long, and most runs need none.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import anyio.to_thread

from crawler.errors import CredentialsError
from crawler.single_flight import SingleFlight
from crawler.untrusted_text import printable

_NOT_INSTALLED: Final = (
    "requests to AWS's APIs are signed by botocore, which is not installed: pip install 'registry-crawler[aws]'"
)
_NO_CREDENTIALS: Final = (
    "no AWS credentials were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
    "or run `aws sso login`"
)
_NO_REGION: Final = "the AWS region is not known: set AWS_REGION"
_RENEW: Final = "check AWS_PROFILE and the AWS configuration, or run `aws sso login`"

_VALID_S: Final = 240.0
"""How long a signature is used. AWS accepts it for five minutes."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a signed request carries.

    Attributes:
        authorization: the value of the Authorization header.
        headers: the other headers that it covers, as (name, value): the time and the session token are among them.
        secrets: values that no text may show.
    """

    authorization: str
    headers: tuple[tuple[str, str], ...]
    secrets: tuple[str, ...]
    _signed_at: float
    _clock: Callable[[], float]

    @property
    def is_stale(self) -> bool:
        """Whether AWS may refuse the signature because it is old."""
        return self._clock() - self._signed_at > _VALID_S

    def __repr__(self) -> str:
        return "Signature()"  # never the session token


class AwsSigner:
    """Signs requests to one service of AWS in one region, with the account's credentials."""

    def __init__(self, service: str, region: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`region` may be "": then it is that of the environment or of the profile."""
        self._service = service
        self._region = region
        self._clock = clock
        self._credentials: Any = None
        self._failure = ""
        self._flights: SingleFlight[str, None] = SingleFlight()

    async def sign(self, url: str, headers: tuple[tuple[str, str], ...], content: bytes) -> Signature:
        """The signature of a POST; it covers these headers and the host.

        Raises CredentialsError where there are no credentials, they cannot be renewed, or botocore is not installed.
        """
        if self._credentials is None:
            await self._flights.do("", self._load)
        return await anyio.to_thread.run_sync(self._sign, url, headers, content, abandon_on_cancel=True)

    async def _load(self) -> None:
        if self._failure:  # what was not there is not looked for again: the metadata service is slow to be absent
            raise CredentialsError(self._failure)
        try:
            self._credentials, self._region = await anyio.to_thread.run_sync(
                _load, self._region, abandon_on_cancel=True
            )
        except CredentialsError as exc:
            self._failure = str(exc)
            raise

    def _sign(self, url: str, headers: tuple[tuple[str, str], ...], content: bytes) -> Signature:
        """Runs in a worker thread: to renew credentials, botocore waits for a response."""
        from botocore.auth import SigV4Auth  # type: ignore[import-untyped]
        from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]

        try:
            credentials = self._credentials.get_frozen_credentials()
        except _failures() as exc:
            raise CredentialsError(_cannot_be_loaded(exc)) from None
        request = AWSRequest("POST", url, headers=dict(headers), data=content)
        signed_at = self._clock()
        SigV4Auth(credentials, self._service, self._region).add_auth(request)
        signed = dict(request.headers.items())
        authorization = signed.pop("Authorization")
        secrets = (credentials.token,) if credentials.token else ()
        return Signature(authorization, tuple(signed.items()), secrets, signed_at, self._clock)


def _load(region: str) -> tuple[Any, str]:
    """The credentials of botocore, and the region. Runs in a worker thread. Raises CredentialsError."""
    try:
        import botocore.session  # type: ignore[import-untyped]
    except ImportError:
        raise CredentialsError(_NOT_INSTALLED) from None
    try:
        session = botocore.session.Session()
        credentials = session.get_credentials()
        # botocore itself reads AWS_DEFAULT_REGION alone; the other tools of AWS read AWS_REGION first
        region = region or os.environ.get("AWS_REGION") or session.get_config_variable("region") or ""
    except _failures() as exc:
        raise CredentialsError(_cannot_be_loaded(exc)) from None
    if credentials is None:
        raise CredentialsError(_NO_CREDENTIALS)
    if not region:
        raise CredentialsError(_NO_REGION)
    return credentials, region


def _failures() -> tuple[type[Exception], ...]:
    """What botocore raises for credentials: its own errors, and those of what it reads and of the programs it starts.

    RuntimeError: credentials that are expired although they were renewed just now (boto/botocore
    botocore/credentials.py, RefreshableCredentials).
    """
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

    return BotoCoreError, ClientError, RuntimeError, OSError, ValueError, KeyError, TypeError, AttributeError


def _cannot_be_loaded(exc: Exception) -> str:
    """Without the text of an error that is not botocore's own: it may quote what a credential process wrote."""
    is_botocore = type(exc).__module__.startswith("botocore.")
    return (
        f"AWS credentials cannot be loaded: {printable(str(exc), 300) if is_botocore else type(exc).__name__}; {_RENEW}"
    )
