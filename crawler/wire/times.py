"""Times that registries and builders write, as records have them."""

from datetime import UTC, datetime
from typing import Any, Final

from crawler.model.timestamps import timestamp

CREATED: Final = "org.opencontainers.image.created"
"""The annotation with the time when an image was built (image-spec, annotations.md, "Pre-Defined Annotation Keys")."""


def parse_time(value: Any) -> str | None:
    """A time in RFC 3339, such as Go writes it with up to nanoseconds, in UTC and cut to milliseconds.

    A time without a zone is in UTC. None for Go's zero time, `0001-01-01T00:00:00Z`, and for what is not a time.
    """
    if not isinstance(value, str) or not value:
        return None
    try:
        time = datetime.fromisoformat(value)
        utc = time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return timestamp(utc) if utc.year > 1 else None
