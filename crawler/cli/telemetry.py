"""A run as a trace for OpenTelemetry: a span for the run, and one for each stage. The one door to OpenTelemetry.

The run is over when its trace is made, so nothing of it is in the way of the crawl.
"""

import os
from datetime import datetime
from typing import Final

from crawler.cli import logs
from crawler.cli.run_report import RunResult
from crawler.model.run_manifest import TOOL, RunManifest
from crawler.run.crawl import Crawl

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""The specification's variables, the first of which wins (OpenTelemetry Protocol Exporter, "Endpoint URLs")."""

_TIMEOUT_S: Final = 10


def collector() -> str | None:
    """The variable that names a collector; None where none does, or telemetry is switched off."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    return next((name for name in _ENDPOINTS if os.environ.get(name)), None)


def export_trace(run: Crawl, result: RunResult) -> None:
    """Send the trace of a run that has ended. What cannot be sent is a notice: the run counts."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        from opentelemetry.trace import Status, StatusCode, set_span_in_context
    except ImportError:
        logs.notice(f"{_ENDPOINTS[-1]} is set, and OpenTelemetry is missing: pip install 'registry-crawler[otel]'")
        return
    if not run.stages:
        return
    resource = Resource.create({"service.name": TOOL.name, "service.version": TOOL.version})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    spans = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    tracer = provider.get_tracer(TOOL.name, TOOL.version)
    stages = run.stages
    span = tracer.start_span("crawl run", start_time=_ns(min(stage.began_at for stage in stages)))
    span.set_attributes({"registry_crawler.target": str(run.target), "registry_crawler.run_id": run.parameters.run_id})
    if isinstance(result, RunManifest):
        span.set_attributes({"registry_crawler.verdict": result.verdict, "registry_crawler.ok": result.counts.ok})
    else:
        span.set_status(Status(StatusCode.ERROR, type(result).__name__))
    for stage in stages:
        child = tracer.start_span(stage.name, set_span_in_context(span), start_time=_ns(stage.began_at))
        child.end(_ns(stage.ended_at))
    span.end(_ns(max(stage.ended_at for stage in stages)))
    exporter = OTLPSpanExporter(timeout=_TIMEOUT_S)
    exporter.export(spans.get_finished_spans())  # all in one request; it logs why a collector does not take them
    exporter.shutdown()  # type: ignore[no-untyped-call]


def _ns(time: datetime) -> int:
    return int(time.timestamp() * 1_000_000) * 1000
