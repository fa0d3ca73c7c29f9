"""Times as records and run manifests have them: RFC 3339 in UTC with milliseconds, `2026-11-23T02:00:00.000Z`."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

MAX_TIME_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999, after which neither datetime nor most tables have dates."""

_EPOCH: Final = date(1970, 1, 1)
_MINUTES: Final = tuple(f"T{hour:02}:{minute:02}:" for hour in range(24) for minute in range(60))
_SECONDS: Final = tuple(f"{second:02}." for second in range(60))
_MILLIS: Final = tuple(f"{millisecond:03}Z" for millisecond in range(1000))

_DATES_KEPT: Final = 4096


class _Dates(dict[int, str]):
    """The dates of days after 1970-01-01, each made once: the images of a registry share a few thousand dates."""

    def __missing__(self, day: int) -> str:
        if len(self) >= _DATES_KEPT:
            self.clear()
        text = self[day] = (_EPOCH + timedelta(days=day)).isoformat()
        return text


_DATES: Final = _Dates()


def timestamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def timestamp_of(ms: int) -> str:
    """The timestamp of a time in milliseconds since 1970, from 0 to MAX_TIME_MS."""
    # from tables: a record has one time and an image of a Google listing two, and datetime takes four times as long
    minutes = ms // 60_000
    return f"{_DATES[minutes // 1440]}{_MINUTES[minutes % 1440]}{_SECONDS[ms // 1000 % 60]}{_MILLIS[ms % 1000]}"
