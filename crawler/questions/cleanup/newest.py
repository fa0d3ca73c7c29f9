"""Which images are older than a time, or among the N newest, where not every time is known."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from crawler.questions.cleanup.certainty import Certainty, Unknown

NO_TIME: Final = Unknown("the registry does not tell when it was pushed")
_AMBIGUOUS: Final = Unknown("images without a time of a push, or with the same one, may be newer")


def is_older(time: datetime | None, limit: datetime, no_time: Unknown = NO_TIME) -> Certainty:
    return no_time if time is None else time < limit


def is_newer(time: datetime | None, limit: datetime) -> Certainty:
    return NO_TIME if time is None else time > limit


def are_newest(
    count: int, times: Sequence[datetime | None], counted: Sequence[Certainty], no_time: Unknown = NO_TIME
) -> list[Certainty]:
    """Whether each candidate is among the `count` newest of those that are counted.

    A candidate that may be counted, one without a time, and one of the same time may each come before another one:
    what depends on that is unknown. A candidate that is not counted is judged as if it were.
    """
    surely = sorted(time for time, is_counted in zip(times, counted, strict=True) if time and is_counted is True)
    maybe = sorted(time for time, is_counted in zip(times, counted, strict=True) if time and is_counted is not False)
    timeless = sum(time is None and is_counted is not False for time, is_counted in zip(times, counted, strict=True))
    doubts = next((each for each in counted if isinstance(each, Unknown)), _AMBIGUOUS)
    total = len(maybe) + timeless

    def is_newest(time: datetime | None, is_counted: Certainty) -> Certainty:
        itself = is_counted is not False
        if not count:
            return False
        if time is None:
            return True if total - itself < count else no_time
        newer = len(surely) - bisect_right(surely, time)
        perhaps_newer = len(maybe) - bisect_left(maybe, time) - itself + timeless
        if newer >= count:
            return False
        return True if perhaps_newer < count else doubts

    return [is_newest(time, is_counted) for time, is_counted in zip(times, counted, strict=True)]
