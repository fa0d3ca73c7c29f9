"""What Google says where it gives no token, in plain words: what was asked, what came back, what to do."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from crawler.auth.quota_project import DENIED, QuotaProject
from crawler.errors import CredentialsError
from crawler.untrusted_text import printable
from crawler.wire.error_body import parse_error_body

NOT_IMPERSONATED: Final = "Unable to acquire impersonated credentials"
"""google-auth's words for a refusal of IAM's, whose answer is then the exception's last argument."""

_WITHOUT_ROLE: Final = frozenset({"PERMISSION_DENIED", "IAM_PERMISSION_DENIED"})
_CLOCK: Final = ("Token must be a short-lived token", "iat and exp")
"""Google's words for a JWT that begins in the future, or has ended."""
_TOLERATED: Final = timedelta(minutes=1)

_MEANINGS: Final = (
    ("account not found", "the service account {account} is gone: make a key of an account that is there"),
    ("Invalid JWT Signature", "the key of {account} was deleted, or its account is gone: make a new key"),
    ("deleted_client", "the OAuth client of these credentials was deleted: make new credentials"),
    ("disabled_client", "the OAuth client of these credentials is disabled: enable it, or use another"),
    ("invalid_rapt", "the login must be confirmed again: run `gcloud auth application-default login`"),
    ("expired or revoked", "the login has expired or was revoked: run `gcloud auth application-default login`"),
)
"""What Google's words hold, and what it means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """An exchange for a token, as far as errors name it.

    `account` is the service account that the token is for, "" where that is not known. `ahead_by` tells how far this
    machine's clock is ahead of Google's, None where no answer said so.
    """

    scope: str
    account: str = ""
    quota_project: QuotaProject | None = None
    ahead_by: Callable[[], timedelta | None] = lambda: None

    def refusal(self, message: str, answer: str) -> CredentialsError:
        """The error to raise for google-auth's `message` and the body that it came from, "" where it came from none."""
        if message == NOT_IMPERSONATED:
            return CredentialsError(self._not_impersonated(answer))
        if any(words in message for words in _CLOCK):
            return CredentialsError(f"{_clock(self.ahead_by(), datetime.now(UTC))}: {message}")
        account = printable(self.account) or "the service account"
        if "invalid_scope" in message:
            return CredentialsError(f"the OAuth scope {self.scope} is not one that Google knows: {message}")
        for words, meaning in _MEANINGS:
            if words in message:
                return CredentialsError(f"Google refuses the credentials: {meaning.format(account=account)}: {message}")
        return CredentialsError(f"Google refuses the credentials for scope {self.scope}: {message}")

    def _not_impersonated(self, answer: str) -> str:
        """Why IAM made no token, by its own answer, whose status google-auth keeps to itself."""
        fault = parse_error_body(answer.encode("utf-8", "replace"), 0)
        message = fault.message if fault.code == "HTTP_0" else f"{fault.code}: {fault.message}"
        if fault.code == DENIED and self.quota_project is not None:
            message = self.quota_project.denied(message)
        hint = ": grant whoever asks roles/iam.serviceAccountTokenCreator on that account"
        account = printable(self.account) or "the service account"
        return f"IAM does not let us be {account}: {message}{hint if fault.code in _WITHOUT_ROLE else ''}"


def message_of(exc: Exception) -> str:
    """The first of what an exception of google-auth says: the others are whole answers, or other libraries' words."""
    if not exc.args:
        return "no reason given"
    message = str(exc.args[0])
    return parse_error_body(message.encode("utf-8", "replace"), 0).message if is_page(message) else printable(message)


def is_page(text: str) -> bool:
    """Whether a text is a page for people, or otherwise of markup."""
    return text.lstrip("\ufeff \r\n\t").startswith("<")


def _clock(ahead_by: timedelta | None, now: datetime) -> str:
    """What is wrong with this machine's clock, and what to do."""
    shown = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    if ahead_by is None or abs(ahead_by) < _TOLERATED:
        return f"the clock of this machine seems wrong: it shows {shown}; set it by NTP"
    way = "ahead of" if ahead_by > timedelta() else "behind"
    return (
        f"the clock of this machine is wrong: it shows {shown}, which is {_span(abs(ahead_by))} {way} Google's; "
        "set it by NTP"
    )


def _span(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{count} {unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if count]
    return " ".join(parts)
