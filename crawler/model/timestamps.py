"""Times as records and run manifests have them."""

from datetime import UTC, datetime


def timestamp(time: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: `2026-11-23T02:00:00.000Z`."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
