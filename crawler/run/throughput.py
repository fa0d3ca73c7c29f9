"""How fast a run was: exchanges counted second by second."""

from array import array
from statistics import median
from typing import Final

from crawler.model.limits import Quota

SAMPLE_S: Final = 1.0
_FEW: Final = 5
"""From so many samples on a median says more than the mean: before, the first and the last second weigh too much."""


class Throughput:
    """Samples of a counter that only grows, taken about every SAMPLE_S seconds."""

    def __init__(self, moment: float) -> None:
        self._begun = self._moment = moment
        self._total = 0
        self._rates = array("d")

    def sample(self, moment: float, total: int) -> None:
        if moment > self._moment:
            self._rates.append((total - self._total) / (moment - self._moment))
            self._moment, self._total = moment, total

    @property
    def median_per_s(self) -> float:
        """The median of the samples; of a run that is over before there are a few, the mean up to the last."""
        if len(self._rates) < _FEW:
            return self._total / max(self._moment - self._begun, 1e-3)
        return median(self._rates)


def describe_pace(concurrency: int, quota: Quota | None) -> str:
    """The pace that a run is allowed, and who set its rate."""
    limit = "no rate limit" if quota is None else f"{quota.per_second:,.4g}/s: {quota.label}"
    return f"{concurrency} at once, {limit}"
