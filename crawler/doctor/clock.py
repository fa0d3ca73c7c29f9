"""Is this machine's clock right? Signed requests are refused where it is not, and certificates seem expired."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from crawler.config import RegistryConfig
from crawler.doctor.step import Finding, failure, ok, skipped, warning
from crawler.model.auth_method import AuthMethod
from crawler.transport.messages import Headers

_TOLERATED: Final = timedelta(seconds=60)

_SIGNED_AHEAD: Final = timedelta(minutes=5)
"""Google refuses a JWT that begins in the future, and AWS a signature that is five minutes off.

(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html)
"""

_JWT_LIFETIME: Final = timedelta(hours=1)
"""How long the JWT of a service account is good: made by a clock that is further behind, it has expired.

(https://developers.google.com/identity/protocols/oauth2/service-account, "exp")
"""

_JWT_METHODS: Final = frozenset({AuthMethod.AUTO, AuthMethod.TOKEN, AuthMethod.ACCESS_TOKEN})

SET_CLOCK: Final = "set the clock of this machine by NTP: `timedatectl set-ntp true`"


def clock(registry: RegistryConfig, headers: Headers, now: datetime) -> Finding:
    """Compare this machine's time, `now`, with the `Date` of a response that has just come."""
    theirs = _date(headers)
    if theirs is None:
        return skipped("the registry sends no Date to compare with")
    ahead = now - theirs
    if abs(ahead) <= _TOLERATED:
        return ok("within a minute of the registry's")
    found = f"{abs(ahead).total_seconds():,.0f} s {'ahead of' if ahead > timedelta() else 'behind'} the registry's"
    if _is_refused(registry, ahead):
        return failure(f"{found}: signed requests are refused", SET_CLOCK)
    return warning(found, SET_CLOCK)


def _date(headers: Headers) -> datetime | None:
    """When the response was made. A cache adds how many seconds ago that was (RFC 9110 §6.6.1, RFC 9111 §5.1)."""
    try:
        date = parsedate_to_datetime(headers.get("Date") or "")
        age = timedelta(seconds=int(headers.get("Age") or 0))
        return (date if date.tzinfo else date.replace(tzinfo=UTC)) + age
    except (ValueError, OverflowError):
        return None


def _is_refused(registry: RegistryConfig, ahead: timedelta) -> bool:
    """Whether the crawl cannot do without requests that are signed with a time, and they would be refused."""
    auth = registry.auth
    if auth.key_file is not None and auth.method in _JWT_METHODS:
        return ahead > _SIGNED_AHEAD or ahead < -_JWT_LIFETIME
    needs_aws = registry.profile.kind == "ecr-public" and registry.repositories_from is None
    return needs_aws and abs(ahead) > _SIGNED_AHEAD
