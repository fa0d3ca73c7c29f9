"""Google's refusals to issue a token, in plain words: what was requested, what came back, what to do."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from crawler.auth.quota_project import USER_PROJECT_DENIED, QuotaProject
from crawler.errors import CredentialsError
from crawler.untrusted_text import printable
from crawler.wire.error_body import parse_error_body

NOT_IMPERSONATED: Final = "Unable to acquire impersonated credentials"
"""google-auth's message for a refusal by IAM (google/auth/impersonated_credentials.py).

IAM's response body is then the last argument of the exception.
"""

_NO_DEFAULT: Final = "default credentials were not found"
"""Part of google-auth's message where no credentials are set up, unlike credentials that cannot be used."""

_MISSING_ROLE: Final = frozenset({"PERMISSION_DENIED", "IAM_PERMISSION_DENIED"})
_WRONG_CLOCK: Final = ("Token must be a short-lived token", "iat and exp")
"""Parts of Google's message for a JWT that begins in the future, or has ended."""

_CLOCK_TOLERANCE: Final = timedelta(minutes=1)

_CAUSES: Final = (
    ("account not found", "the service account {account} is gone: make a key of an account that exists"),
    ("Invalid JWT Signature", "the key of {account} was deleted, or its account is gone: make a new key"),
    ("deleted_client", "the OAuth client of these credentials was deleted: make new credentials"),
    ("disabled_client", "the OAuth client of these credentials is disabled: enable it, or use another"),
    ("invalid_rapt", "the login must be confirmed again: run `gcloud auth application-default login`"),
    ("expired or revoked", "the login has expired or was revoked: run `gcloud auth application-default login`"),
)
"""Parts of Google's messages, and what they mean."""


class TokenUnavailableError(CredentialsError):
    """No token, for a reason that may pass: an endpoint that is down, or a metadata server that is not up yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenExchange:
    """The facts of a token exchange that its errors name.

    Attributes:
        scope: the OAuth scope that was requested.
        account: the service account that the token is for, "" where it is unknown.
        quota_project: the project that the exchange was counted against, where one was set.
        clock_offset: returns how far this machine's clock is ahead of Google's, None where no response said so.
    """

    scope: str
    account: str = ""
    quota_project: QuotaProject | None = None
    clock_offset: Callable[[], timedelta | None] = lambda: None

    def error_from(self, message: str, body: str) -> CredentialsError:
        """The error to raise for google-auth's `message`; `body` is the response that it came from, "" without one."""
        if message == NOT_IMPERSONATED:
            return CredentialsError(self._impersonation_message(body))
        if any(words in message for words in _WRONG_CLOCK):
            return CredentialsError(f"{_clock_message(self.clock_offset(), datetime.now(UTC))}: {message}")
        account = printable(self.account) or "the service account"
        if "invalid_scope" in message:
            return CredentialsError(f"Google does not know the OAuth scope {self.scope}: {message}")
        for words, cause in _CAUSES:
            if words in message:
                return CredentialsError(f"Google refuses the credentials: {cause.format(account=account)}: {message}")
        return CredentialsError(f"Google refuses the credentials for scope {self.scope}: {message}")

    def _impersonation_message(self, body: str) -> str:
        """Why IAM issued no token, from its response body; google-auth does not pass on its HTTP status."""
        detail = parse_error_body(body.encode("utf-8", "replace"), 0)
        message = detail.message if detail.code == "HTTP_0" else f"{detail.code}: {detail.message}"
        if detail.code == USER_PROJECT_DENIED and self.quota_project is not None:
            message = self.quota_project.denied_message(message)
        hint = ": grant the calling account roles/iam.serviceAccountTokenCreator on that account"
        account = printable(self.account) or "the service account"
        return f"IAM refuses to impersonate {account}: {message}{hint if detail.code in _MISSING_ROLE else ''}"


def default_credentials_error(message: str) -> CredentialsError:
    """The error to raise where google-auth finds no usable Application Default Credentials, with its `message`."""
    if _NO_DEFAULT in message and _expects_metadata_server():
        return TokenUnavailableError(
            "no key file is given, there are no Application Default Credentials, and the metadata server does not "
            "answer: give --key-file, or check the pod's workload identity"
        )
    if _NO_DEFAULT in message:
        return CredentialsError(
            "no key file is given, and there are no Application Default Credentials: give --key-file, "
            "or run `gcloud auth application-default login`"
        )
    return CredentialsError(f"the Application Default Credentials cannot be used: {message}")


def _expects_metadata_server() -> bool:
    """Whether this machine should have a metadata server, so that it is worth waiting for.

    GKE's metadata server takes some seconds before it answers a new pod
    (cloud.google.com/kubernetes-engine/docs/how-to/workload-identity, "Limitations"); google-auth gives up sooner, and
    then reports that there are no credentials at all. NO_GCE_CHECK is google-auth's own variable.
    """
    is_off = os.environ.get("NO_GCE_CHECK", "").lower() == "true"
    return not is_off and any(name in os.environ for name in ("GCE_METADATA_HOST", "KUBERNETES_SERVICE_HOST"))


def message_of(exc: Exception) -> str:
    """The first argument of google-auth's exception. The others may be whole responses, or other libraries' errors."""
    if not exc.args:
        return "no reason given"
    message = str(exc.args[0])
    return parse_error_body(message.encode("utf-8", "replace"), 0).message if is_page(message) else printable(message)


def is_page(text: str) -> bool:
    """Whether a text is markup, such as a proxy's error page."""
    return text.lstrip("\ufeff \r\n\t").startswith("<")


def _clock_message(offset: timedelta | None, now: datetime) -> str:
    """What is wrong with this machine's clock, and what to do."""
    time = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    if offset is None or abs(offset) < _CLOCK_TOLERANCE:
        return f"the clock of this machine seems wrong: it shows {time}; set it by NTP"
    direction = "ahead of" if offset > timedelta() else "behind"
    return (
        f"the clock of this machine is wrong: it shows {time}, which is {_span(abs(offset))} {direction} Google's; "
        "set it by NTP"
    )


def _span(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{count} {unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if count]
    return " ".join(parts)
