"""The history of targets as Prometheus reads it. The one door to prometheus-client."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, generate_latest, push_to_gateway, write_to_textfile
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from crawler.errors import SnapshotError
from crawler.model.run_manifest import Counts, RunManifest, Verdict
from crawler.questions.metrics.history import TargetHistory
from crawler.untrusted_text import quoted_path

_PREFIX: Final = "registry_crawler_"
_JOB: Final = "registry-crawler"
_PUSH_TIMEOUT_S: Final = 10.0


def render_metrics(histories: Sequence[TargetHistory]) -> bytes:
    """The metrics in Prometheus' text format."""
    return generate_latest(_registry(histories))


def write_metrics(path: Path, histories: Sequence[TargetHistory]) -> None:
    """Replace a textfile of node_exporter's in one rename. Raises SnapshotError where it cannot be written."""
    try:
        write_to_textfile(str(path), _registry(histories))
    except OSError as exc:
        raise SnapshotError(f"the metrics cannot be written to {quoted_path(path)}: {exc.strerror}") from None


def push_metrics(url: str, history: TargetHistory) -> None:
    """Replace the metrics that the Pushgateway at `url` has of a target.

    Each target is a group of its own: crawls on several machines may share a gateway. Raises SnapshotError where the
    gateway does not take them.
    """
    group = {"target": history.target}
    try:
        push_to_gateway(url, job=_JOB, registry=_registry([history]), grouping_key=group, timeout=_PUSH_TIMEOUT_S)
    except (OSError, HTTPException) as exc:  # the latter: what came is no HTTP
        host = urlsplit(url).hostname
        raise SnapshotError(f"the metrics cannot be pushed to {host}: {type(exc).__name__}") from None


@dataclass(frozen=True, slots=True)
class _Gauge:
    """A metric of each target's newest snapshot.

    Attributes:
        label: the label beside `target`; "" where there is none.
        values: the values by that label, "" where there is none. What is not known is left out.
    """

    name: str
    meaning: str
    label: str
    values: Callable[[RunManifest], Mapping[str, float | None]]


def _outcomes(run: RunManifest) -> dict[str, float | None]:
    counts = run.counts
    names = ("ok", "missing", "denied", "failed", "invalid")
    return {name: getattr(counts, name) for name in names}


def _seconds(run: RunManifest) -> float:
    return _unix(run.finished_at) - _unix(run.started_at)


_GAUGES: Final = (
    _Gauge(
        "snapshot_verdict",
        "1 for the verdict of the newest snapshot, 0 for the other",
        "verdict",
        lambda run: {verdict: float(run.verdict is verdict) for verdict in Verdict},
    ),
    _Gauge("repositories", "repositories of the newest snapshot", "outcome", _outcomes),
    _Gauge(
        "suspect_repositories",
        "repositories whose listing may be truncated, in the newest snapshot",
        "",
        lambda run: {"": run.counts.suspect},
    ),
    _Gauge("tags", "tags of the newest snapshot", "", lambda run: {"": run.counts.tags}),
    _Gauge("images", "images of the newest snapshot, where any were listed", "", lambda run: {"": run.counts.images}),
    _Gauge(
        "unread_images",
        "images that were not read as deep as asked, in the newest snapshot",
        "",
        lambda run: {"": run.counts.unread},
    ),
    _Gauge("problems", "problems of the newest snapshot", "problem", lambda run: dict(run.problems)),
    _Gauge(
        "snapshot_bytes",
        "bytes of the newest snapshot's files",
        "",
        lambda run: {"": sum(file.bytes for file in run.files)},
    ),
    _Gauge("exchanges", "exchanges of the newest snapshot's run", "kind", lambda run: dict(run.requests.by_kind)),
    _Gauge("retries", "retries of the newest snapshot's run", "", lambda run: {"": run.requests.retries}),
    _Gauge(
        "throttled",
        "responses of the newest snapshot's run that asked to slow down",
        "",
        lambda run: {"": run.requests.throttled},
    ),
    _Gauge(
        "received_bytes",
        "bytes of response bodies of the newest snapshot's run",
        "",
        lambda run: {"": run.requests.bytes},
    ),
    _Gauge(
        "run_seconds",
        "seconds from the beginning to the end of the newest snapshot's run",
        "",
        lambda run: {"": _seconds(run)},
    ),
    _Gauge(
        "pace_per_second",
        "exchanges per second of the newest snapshot's run, the median",
        "",
        lambda run: {"": run.pace.median_per_s},
    ),
)


def _registry(histories: Sequence[TargetHistory]) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Histories(histories))
    return registry


class _Histories(Collector):
    """What prometheus-client asks for metrics."""

    def __init__(self, histories: Sequence[TargetHistory]) -> None:
        self._histories = histories

    def collect(self) -> Iterator[GaugeMetricFamily]:
        attempts = {history.target: history.last_attempt_at for history in self._histories}
        complete = {
            history.target: history.last_complete.finished_at
            for history in self._histories
            if history.last_complete is not None
        }
        yield _times("last_attempt", "when the newest run was begun, whatever became of it", attempts)
        yield _times("last_complete", "when the newest complete snapshot was finished", complete)
        newest = [history.newest for history in self._histories if history.newest is not None]
        for gauge in _GAUGES:
            yield _family(gauge, newest)
        yield _changes(self._histories)
        yield _changes_by_kind(self._histories)


def _times(name: str, meaning: str, times: Mapping[str, str]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"{_PREFIX}{name}_timestamp_seconds", meaning, labels=["target"])
    for target, time in times.items():
        family.add_metric([target], _unix(time))
    return family


def _family(gauge: _Gauge, runs: Iterable[RunManifest]) -> GaugeMetricFamily:
    labels = ["target", gauge.label] if gauge.label else ["target"]
    family = GaugeMetricFamily(_PREFIX + gauge.name, gauge.meaning, labels=labels)
    for run in runs:
        for label, value in gauge.values(run).items():
            if value is not None:
                family.add_metric([run.target, label] if gauge.label else [run.target], value)
    return family


def _changes(histories: Iterable[TargetHistory]) -> GaugeMetricFamily:
    meaning = "how many more the newest snapshot has than the last complete one before it"
    family = GaugeMetricFamily(f"{_PREFIX}change", meaning, labels=["target", "of"])
    for history in histories:
        if history.newest is not None and history.before is not None:
            for of, change in _change(history.before.counts, history.newest.counts).items():
                family.add_metric([history.target, of], change)
    return family


def _changes_by_kind(histories: Iterable[TargetHistory]) -> GaugeMetricFamily:
    meaning = "changes of the newest snapshot since the last complete one before it, where they were counted"
    family = GaugeMetricFamily(f"{_PREFIX}changes_by_kind", meaning, labels=["target", "kind"])
    for history in histories:
        for kind, count in (history.changes or {}).items():
            family.add_metric([history.target, kind], count)
    return family


def _change(before: Counts, now: Counts) -> dict[str, int]:
    changes = {"repositories": now.ok - before.ok, "tags": now.tags - before.tags}
    if now.images is None or before.images is None:
        return changes
    return {**changes, "images": now.images - before.images}


def _unix(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
