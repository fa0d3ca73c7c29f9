"""What follows a run: metrics, a notification, a trace. None of it changes the exit code."""

import asyncio
import gzip
import json
import os
import shutil
import signal
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from support.diff_snapshots import record
from support.fronts import requires
from support.prometheus import promtool, samples
from support.run_cli import google_crawl, scripted_crawl
from support.scripted import plain_registry, serve
from support.snapshots import folders
from support.web_apps import serving_app

import crawler
from crawler.cli import logs
from crawler.cli.after_run import AfterRuns, EndedRun
from crawler.cli.signals import Signals
from crawler.errors import Unreachable
from crawler.run.crawl import Crawl
from crawler.run.plan import SharedRateLimits

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


async def test_crawl_metrics_are_pushed_in_a_group_for_each_target(command, publish):
    """So that two crawls that share a gateway do not replace each other's metrics."""
    gateway = Receiver()
    publish(target="another.example.com")
    async with serve(plain_registry()) as server, receiving(gateway) as url:
        ended = await command("crawl", f"{server.host}/team", "--no-progress", "--pushgateway", url)
    assert ended.code == 0
    ((method, path, _, body),) = gateway.received
    group = urlsafe_b64encode(f"{server.host}/team".encode()).decode()
    assert (method, path) == ("PUT", f"/metrics/job/registry-crawler/target@base64/{group}")
    assert {sample.rpartition('target="')[2].partition('"')[0] for sample in samples(body.decode())} == {
        f"{server.host}/team"
    }


async def test_crawl_metrics_that_a_gateway_refuses_are_a_line_and_no_failure(command, google):
    registry = await google(repositories=3)
    async with receiving(Receiver(status=500)) as url:
        ended = await command(*google_crawl(registry), "--pushgateway", url)
    assert ended.code == 0
    assert "the metrics cannot be pushed to 127.0.0.1: it answered 500" in ended.err


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
    run_manifests = [path.read_text() for path in command.folder.rglob("_run.json")]
    assert len(run_manifests) == 2
    assert not any("hunter2" in text for text in run_manifests)


async def test_crawl_notifies_of_changes_since_the_last_complete_night(command, google):
    registry, webhook = await google(repositories=6), Receiver()
    async with receiving(webhook) as url:
        for _ in range(2):
            assert (await command(*google_crawl(registry), "--notify", f"{url}/hook")).code == 0
    data = json.loads(webhook.received[-1][3])["data"]
    assert data["changes"]["tag-moved"] == 0
    assert set(data["changes"].values()) == {0}


@pytest.mark.parametrize("option", ["--metrics", "--notify"])
async def test_crawl_compares_with_the_last_complete_night_and_opens_none_before_it(option, command, google):
    registry, webhook = await google(repositories=2), Receiver()
    run_crawl = google_crawl(registry)
    assert (await command(*run_crawl)).code == 0
    (source,) = registry.output.glob("source=*")
    night_before = source / "date=2026-11-01/run=20261101T020000Z-0001"
    night_before.mkdir(parents=True)
    os.mkfifo(night_before / "_run.json")  # a reader would wait for good
    async with receiving(webhook) as url:
        value = command.folder / "registry.prom" if option == "--metrics" else url
        ended = await command(*run_crawl, option, value)
    assert ended.code == 0


async def test_crawl_metrics_have_the_changes_that_the_notification_has(command, publish):
    webhook, file = Receiver(), command.folder / "registry.prom"
    async with serve(plain_registry({"alpha": ("1",), "zulu": ("1",)})) as server, receiving(webhook) as url:
        notifying = ("crawl", server.host, "--no-progress", "--notify", f"{url}/hook", "--metrics", file)
        assert (await command(*notifying)).code == 0
        assert "changes_by_kind{" not in file.read_text(encoding="utf-8"), "there is nothing to compare with"
        publish(target=server.host, records=[record("alpha", tags=["1"]), record("gone", tags=["1"])])
        for snapshot in folders(command.folder / "snapshots")[1:]:
            shutil.rmtree(snapshot)
        assert (await command(*notifying)).code == 0
    changes = json.loads(webhook.received[-1][3])["data"]["changes"]
    found = samples(file.read_text(encoding="utf-8"))
    name = 'registry_crawler_changes_by_kind{{kind="{}",target="{}"}}'
    assert changes["repository-added"] == 1
    assert {kind: found[name.format(kind, server.host)] for kind in changes} == changes


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


@asynccontextmanager
async def hanging(requests: int) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A server that never answers: its URL, and an event that is set once so many requests have come."""
    asked, writers = asyncio.Event(), []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writers.append(writer)
        if len(writers) == requests:
            asked.set()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield "http://{}:{}".format(*server.sockets[0].getsockname()), asked
    finally:
        for writer in writers:
            writer.transport.abort()
        server.close()
        await server.wait_closed()


async def test_crawl_services_that_hang_end_at_a_signal_and_the_code_is_kept(command, google):
    registry = await google(repositories=3)
    async with hanging(3) as (url, asked):
        arguments = google_crawl(registry, "--pushgateway", url, "--notify", f"{url}{SECRET_PATH}")
        async with command.started(*arguments, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": url}) as crawl:
            await asked.wait()
            os.kill(crawl.pid, signal.SIGTERM)
            _, err = await crawl.communicate()
    lines = err.decode().splitlines()
    assert crawl.returncode == 0
    assert [line.partition(f"{registry.emulator.registry}: ")[2] for line in lines if "has not taken" in line] == [
        "127.0.0.1 has not taken the metrics: interrupted",
        "127.0.0.1 has not taken the notification: interrupted",
        "OTEL_EXPORTER_OTLP_ENDPOINT has not taken the trace: interrupted",
    ]
    assert "hunter2" not in err.decode()


async def test_crawl_that_is_interrupted_notifies_and_does_not_wait_for_an_answer(command):
    webhook = Receiver()
    async with serve(plain_registry()) as server, receiving(webhook) as url, hanging(1) as (silent, _):
        for service in (url, silent):
            server.requests.clear()
            arguments = scripted_crawl(server, "out", "--rate", "1/s", "--notify", f"{service}/hook")
            async with command.started(*arguments) as crawl:
                while not server.requests:  # noqa: ASYNC110  (the command sends no event)
                    await asyncio.sleep(0.01)
                os.kill(crawl.pid, signal.SIGTERM)
                _, err = await crawl.communicate()
            assert crawl.returncode == 143
            is_hanging = "127.0.0.1 has not taken the notification: interrupted" in err.decode()
            assert is_hanging == (service == silent)
    ((*_, body),) = webhook.received
    assert (json.loads(body)["data"]["exit_code"], json.loads(body)["data"]["verdict"]) == (143, None)


async def test_crawl_services_that_hang_are_waited_for_together_and_not_for_long(tmp_path, capsys):
    logs.configure(logs.LogFormat.TEXT, 0)
    async with hanging(2) as (url, _), Signals.installed() as signals:
        config = crawler.Config(
            registry=[{"target": "localhost:5000"}],
            output={"path": tmp_path / "snapshots"},
            metrics={"pushgateway": url},
            notify={"url": f"{url}{SECRET_PATH}"},
        )
        run = Crawl(config, config.registry[0], SharedRateLimits(), print)
        ended = EndedRun(run, Unreachable("GET /v2/", code="UNREACHABLE", message="no connection"), 1)
        await AfterRuns(config, signals, limit_s=0.5).follow_up(ended)
    assert capsys.readouterr().err.splitlines() == [
        f"registry-crawler: localhost:5000: 127.0.0.1 has not taken the {what}: no answer within 0.5 s"
        for what in ("metrics", "notification")
    ]


async def test_crawl_metrics_for_a_gateway_that_is_not_there_are_a_line_that_says_so(command, google, dead_port):
    registry = await google(repositories=3)
    ended = await command(*google_crawl(registry), "--pushgateway", f"http://{dead_port}")
    assert ended.code == 0
    assert "the metrics cannot be pushed to 127.0.0.1: Connection refused" in ended.err


@pytest.mark.parametrize("url", ["http://example.com/?token=hunter2", "http://u:hunter2@example.com"])
async def test_crawl_refuses_a_gateway_whose_url_holds_a_secret(command, url):
    """The URL is in every `_run.json`."""
    ended = await command("crawl", "localhost:5000", "--pushgateway", url)
    assert ended.code == 2
    assert "hunter2" not in ended.err
    assert ended.complaint.startswith("--pushgateway: metrics.pushgateway: must be a URL")


async def test_crawl_metrics_for_a_gateway_that_speaks_no_http_are_a_line_and_no_failure(command, google):
    async def answer(reader, writer):
        await reader.read(65536)
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        writer.close()
        await writer.wait_closed()

    registry = await google(repositories=3)
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        ended = await command(*google_crawl(registry), "--pushgateway", f"http://127.0.0.1:{port}")
    assert ended.code == 0
    assert "the metrics cannot be pushed to 127.0.0.1: what answers speaks no HTTP" in ended.err


async def test_crawl_sends_a_span_for_the_run_and_for_each_stage(command, google):
    registry, collector = await google(repositories=3), Receiver()
    async with receiving(collector) as url:
        ended = await command(*google_crawl(registry), environment={"OTEL_EXPORTER_OTLP_ENDPOINT": url})
    assert (ended.code, ended.out) == (0, "")
    assert len(collector.received) == 1, "a collector that hangs is waited for once"
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
