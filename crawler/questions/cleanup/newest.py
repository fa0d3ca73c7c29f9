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
    count: int, times: Sequence[datetime | None], doubts: Sequence[Unknown | None], no_time: Unknown = NO_TIME
) -> list[Certainty]:
    """Whether each image is among the `count` newest. `doubts` are why it is not known whether an image counts.

    One that may count, one without a time, and one of the same time may each come before another one: what depends on
    that is unknown.
    """
    surely = sorted(time for time, doubt in zip(times, doubts, strict=True) if time and doubt is None)
    known = sorted(time for time in times if time)
    why = next(filter(None, doubts), _AMBIGUOUS)

    def is_newest(time: datetime | None) -> Certainty:
        if not count:
            return False
        if time is None:
            return True if len(times) <= count else no_time
        if len(surely) - bisect_right(surely, time) >= count:
            return False
        may_be_newer = len(times) - 1 - bisect_left(known, time)
        return True if may_be_newer < count else why

    return [is_newest(time) for time in times]
