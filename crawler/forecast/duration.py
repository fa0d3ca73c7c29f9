"""How long exchanges take: the quota, latency times concurrency, pages that follow each other, and this program."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from crawler.model.limits import Quota
from crawler.transport.messages import Purpose

UTILIZATION: Final = 0.98
"""The part of a quota that a crawl uses; see rate_limiter.py."""

CPU_S: Final = 150e-6
CPU_OF_AN_IMAGE_S: Final = 450e-6
"""About the time of one core that an exchange takes, and one for a manifest or config; see tests/perf/README.md."""

_FOR_IMAGES: Final = frozenset({Purpose.MANIFEST, Purpose.BLOB})

_LATENCY_UNKNOWN_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What limits the exchanges with one service.

    Attributes:
        concurrency: exchanges in flight.
        latency_s: of one exchange; None where none was timed.
        quota: None for no limit.
        kept_per_s: what the last crawl kept under the same limits; None where there was none.
    """

    concurrency: int
    latency_s: float | None
    quota: Quota | None
    kept_per_s: float | None = None


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """How long something takes, and what limits it, for people."""

    seconds: float
    limited_by: str


def expected_duration(exchanges: Mapping[Purpose, float], pages: float, registry: Pace, api: Pace) -> Duration:
    """How long a crawl takes. `pages` of names come one after the other; an API works beside the registry."""
    of_api = exchanges.get(Purpose.API, 0)
    latency_s = registry.latency_s or api.latency_s or 0.0
    total, cpu_s = sum(exchanges.values()), cpu_seconds(exchanges)
    return max(
        _at_pace(total - of_api, registry),
        _at_pace(of_api, api),
        Duration(cpu_s, f"this program: about {total / cpu_s if cpu_s else 0:,.0f} exchanges a second on one core"),
        Duration(pages * latency_s, f"the pages of names, one after the other, {_milliseconds(latency_s)} each"),
    )


def cpu_seconds(exchanges: Mapping[Purpose, float]) -> float:
    """The time that this program itself works."""
    return sum(count * (CPU_OF_AN_IMAGE_S if kind in _FOR_IMAGES else CPU_S) for kind, count in exchanges.items())


def _at_pace(exchanges: float, pace: Pace) -> Duration:
    latency_s = _LATENCY_UNKNOWN_S if pace.latency_s is None else pace.latency_s
    measured = "assumed" if pace.latency_s is None else "measured"
    limits = [
        Duration(
            exchanges * latency_s / pace.concurrency,
            f"latency: {_milliseconds(latency_s)} an exchange, {measured}, and {pace.concurrency:,} at once",
        ),
    ]
    if pace.quota is not None:
        limits.append(Duration(quota_seconds(exchanges, pace.quota), f"the quota: {pace.quota.label}"))
    if pace.kept_per_s:
        kept = f"the pace that the last crawl kept: {pace.kept_per_s:,.4g}/s"
        limits.append(Duration(exchanges / pace.kept_per_s, kept))
    return max(limits)


def quota_seconds(exchanges: float, quota: Quota) -> float:
    """The least time in which a quota allows so many exchanges.

    They are spread evenly over the shortest window; a longer window that is full has to pass before the next.
    """
    shortest, *longer = quota.windows
    even = exchanges * shortest.seconds / shortest.count / UTILIZATION
    return max([even, *_full_windows(exchanges, ((rate.count * UTILIZATION, rate.seconds) for rate in longer))])


def _full_windows(exchanges: float, windows: Iterable[tuple[float, float]]) -> list[float]:
    return [exchanges // count * seconds for count, seconds in windows]


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.3g} ms"
