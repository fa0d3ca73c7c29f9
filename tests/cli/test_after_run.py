"""What follows a run: metrics, a notification, a trace. None of it changes the exit code."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from support.fronts import requires
from support.prometheus import promtool, samples
from support.run_cli import google_crawl
from support.web_apps import serving_app

needs_promtool = requires("promtool", "prometheus")
SECRET_PATH = "/services/T0001/hunter2-hunter2"


@dataclass(frozen=True, slots=True)
class Receiver:
    """A server that takes everything, or answers with a status, and keeps what it was sent."""

    status: int = 200
    received: list[tuple[str, str, str, bytes]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        kind = request.headers.get("Content-Type", "")
        body = await request.read()
        self.received.append((request.method, request.path, kind, body))
        return web.Response(status=self.status, content_type="application/x-protobuf" if "protobuf" in kind else None)


@asynccontextmanager
async def receiving(receiver: Receiver) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", receiver.handle)
    async with serving_app(application) as host:
        yield f"http://{host}"


@needs_promtool
async def test_crawl_metrics_are_written_after_each_run(command, google):
    registry = await google(repositories=7)
    file = command.folder / "registry.prom"
    ended = await command(*google_crawl(registry), "--metrics", file)
    assert ended.code == 0
    text = file.read_text(encoding="utf-8")
    assert await promtool("check", "metrics", stdin=text) == (0, "")
    found = samples(text)
    target = registry.emulator.registry
    assert found[f'registry_crawler_repositories{{outcome="ok",target="{target}"}}'] == 7
    assert found[f'registry_crawler_snapshot_verdict{{target="{target}",verdict="complete"}}'] == 1


async def test_crawl_metrics_of_a_night_without_a_registry_keep_the_last_complete_one(command, google):
    registry = await google(repositories=5)
    file = command.folder / "registry.prom"
    first = ("crawl", registry.emulator.registry, "--key-file", registry.key_file, "--metrics", file)
    assert (await command(*first)).code == 0
    before = samples(file.read_text(encoding="utf-8"))
    registry.key_file.write_text("{}")
    failed = await command(*first)
    assert failed.code in {1, 2}
    after = samples(file.read_text(encoding="utf-8"))
    name = f'registry_crawler_last_complete_timestamp_seconds{{target="{registry.emulator.registry}"}}'
    assert after[name] == before[name]


async def test_crawl_metrics_that_cannot_be_written_are_a_line_and_no_failure(command, google):
    registry = await google(repositories=3)
    ended = await command(*google_crawl(registry), "--metrics", command.folder / "nowhere" / "registry.prom")
    assert ended.code == 0
    assert "the metrics cannot be written to " in ended.err


async def test_crawl_metrics_are_pushed(command, google):
    registry, gateway = await google(repositories=4), Receiver()
    async with receiving(gateway) as url:
        ended = await command(*google_crawl(registry), "--pushgateway", url)
    assert ended.code == 0
    ((method, path, _, body),) = gateway.received
    assert (method, path) == ("PUT", "/metrics/job/registry-crawler")
    assert b'outcome="ok"' in body


async def test_crawl_metrics_that_a_gateway_refuses_are_a_line_and_no_failure(command, google):
    registry = await google(repositories=3)
    async with receiving(Receiver(status=500)) as url:
        ended = await command(*google_crawl(registry), "--pushgateway", url)
    assert ended.code == 0
    assert "the metrics cannot be pushed to 127.0.0.1: HTTPError" in ended.err


async def test_crawl_notifies_with_verdict_reasons_and_changes(command, google):
    registry, webhook = await google(repositories=6, denied=0.4), Receiver()
    async with receiving(webhook) as url:
        for _ in range(2):
            ended = await command(*google_crawl(registry), "--notify", f"{url}{SECRET_PATH}", "-vv")
            assert "hunter2" not in ended.out + ended.err
    events = [json.loads(body) for *_, body in webhook.received]
    data = events[-1]["data"]
    assert {event["type"] for event in events} == {"registry-crawler.run.ended"}
    assert (data["exit_code"], data["verdict"]) == (3, "partial")
    assert data["reasons"]
    assert data["counts"]["repositories"] == 6
    assert data["changes"] is None, "there is no complete snapshot to compare with"
    (run_manifest,) = (path.read_text() for path in sorted(command.folder.rglob("_run.json"))[-1:])
    assert "hunter2" not in run_manifest


async def test_crawl_notifies_of_changes_since_the_last_complete_night(command, google):
    registry, webhook = await google(repositories=6), Receiver()
    async with receiving(webhook) as url:
        for _ in range(2):
            assert (await command(*google_crawl(registry), "--notify", f"{url}/hook")).code == 0
    data = json.loads(webhook.received[-1][3])["data"]
    assert data["changes"]["tag-moved"] == 0
    assert set(data["changes"].values()) == {0}


async def test_crawl_notifies_of_a_run_that_published_nothing(command, dead_port):
    webhook = Receiver()
    environment = {"REGISTRY_CRAWLER_LIMITS__ATTEMPTS": "1"}
    async with receiving(webhook) as url:
        ended = await command("crawl", dead_port, "--notify", f"{url}/hook", environment=environment)
    assert ended.code == 1
    data: dict[str, Any] = json.loads(webhook.received[0][3])["data"]
    assert (data["exit_code"], data["verdict"]) == (1, None)
    assert "no connection to" in data["reasons"][0]


async def test_crawl_that_cannot_notify_says_so_and_keeps_its_code(command, google):
    registry = await google(repositories=3)
    async with receiving(Receiver(status=404)) as url:
        ended = await command(*google_crawl(registry), "--notify", f"{url}{SECRET_PATH}")
    assert ended.code == 0
    assert "the notification was not delivered: 127.0.0.1 answered 404" in ended.err
    assert "hunter2" not in ended.err


async def test_crawl_sends_a_span_for_the_run_and_for_each_stage(command, google):
    registry, collector = await google(repositories=3), Receiver()
    async with receiving(collector) as url:
        ended = await command(*google_crawl(registry), environment={"OTEL_EXPORTER_OTLP_ENDPOINT": url})
    assert (ended.code, ended.out) == (0, "")
    spans = [span for each in collector.received for span in spans_of(each)]
    (root,) = (span for span in spans if not span.parent_span_id)
    stages = {span.name for span in spans if span.parent_span_id == root.span_id}
    assert root.name == "crawl run"
    assert stages == {"credentials", "crawl", "discovery", "writing", "publishing"}
    attributes = {each.key: each.value.string_value for each in root.attributes}
    assert attributes["registry_crawler.target"] == registry.emulator.registry
    assert attributes["registry_crawler.verdict"] == "complete"


def spans_of(received: tuple[str, str, str, bytes]) -> list[Any]:
    _, path, _, body = received
    assert path == "/v1/traces"
    request = ExportTraceServiceRequest()
    request.ParseFromString(gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body)
    return [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]


@pytest.mark.parametrize("environment", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}])
async def test_crawl_sends_no_trace_where_none_is_wanted(command, google, environment):
    registry, collector = await google(repositories=3), Receiver()
    async with receiving(collector) as url:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, **environment}
        assert (await command(*google_crawl(registry), environment=endpoint)).code == 0
        await asyncio.sleep(0)
    assert collector.received == []
