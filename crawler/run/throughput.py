"""How fast a run was: exchanges counted second by second."""

from array import array
from typing import Final

from crawler.model.limits import Quota

SAMPLE_S: Final = 1.0
_MIN_SAMPLES: Final = 5
"""With fewer samples the mean is used: the first and the last second, which are partly idle, would skew the median."""


class Throughput:
    """Samples of a counter that only grows, taken about every SAMPLE_S seconds."""

    def __init__(self, now: float) -> None:
        """`now` is a reading of the monotonic clock, in seconds, as all times here."""
        self._started = self._last_sample = now
        self._total = 0
        self._rates = array("d")

    def sample(self, now: float, total: int) -> None:
        """Note that the counter reads `total` now."""
        if now > self._last_sample:
            self._rates.append((total - self._total) / (now - self._last_sample))
            self._last_sample, self._total = now, total

    @property
    def median_per_s(self) -> float:
        """The median of the samples; for a run of few samples the mean."""
        if len(self._rates) < _MIN_SAMPLES:
            return self._total / max(self._last_sample - self._started, 1e-3)
        from statistics import median  # imports decimals and fractions, for runs of few seconds in vain

        return median(self._rates)


def describe_pace(concurrency: int, quota: Quota | None) -> str:
    """The concurrency and the rate that a run is allowed, and what sets the rate."""
    limit = "no rate limit" if quota is None else f"{quota.per_second:,.4g}/s: {quota.label}"
    return f"{concurrency} at once, {limit}"
