"""One POST of a CloudEvent tells a service that a run has ended."""

import json
import logging
from typing import Any

import pytest
from aiohttp import web
from support.web_apps import serving_app

from crawler.notify import post_event, run_event

SECRET_PATH = "/services/T0001/hunter2-hunter2"
EVENT = run_event("gcr.io/my-project", "20261127T020000Z-0001", "2026-11-27T02:10:00.000Z", {"verdict": "complete"})


class Webhook:
    """A service that answers with these statuses in turn, and the last one for ever."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.received: list[tuple[str, bytes]] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.received.append((request.headers["Content-Type"], await request.read()))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return web.Response(
            status=status, headers={"Location": "https://127.0.0.1:1/elsewhere"} if status == 302 else {}
        )


def app(webhook: Webhook) -> web.Application:
    application = web.Application()
    application.router.add_post(SECRET_PATH, webhook.handle)
    return application


async def test_notify_posts_one_cloud_event():
    webhook = Webhook(202)
    async with serving_app(app(webhook)) as host:
        assert await post_event(f"http://{host}{SECRET_PATH}", EVENT) == ""
    ((content_type, body),) = webhook.received
    assert content_type == "application/cloudevents+json"
    event: dict[str, Any] = json.loads(body)
    assert event == {
        "specversion": "1.0",
        "id": "20261127T020000Z-0001/2026-11-27T02:10:00.000Z",
        "source": "registry-crawler/gcr.io%2Fmy-project",
        "type": "registry-crawler.run.ended",
        "time": "2026-11-27T02:10:00.000Z",
        "datacontenttype": "application/json",
        "data": {"target": "gcr.io/my-project", "run_id": "20261127T020000Z-0001", "verdict": "complete"},
    }


async def test_notify_tries_again_when_the_service_is_busy():
    webhook = Webhook(503, 202)
    async with serving_app(app(webhook)) as host:
        assert await post_event(f"http://{host}{SECRET_PATH}", EVENT) == ""
    assert len(webhook.received) == 2


@pytest.mark.parametrize(("status", "reason"), [(404, "answered 404"), (302, "REDIRECT")])
async def test_notify_says_why_an_event_was_not_taken_and_keeps_the_url_secret(status, reason, caplog):
    caplog.set_level(logging.DEBUG, "crawler")
    async with serving_app(app(Webhook(status))) as host:
        said = await post_event(f"http://{host}{SECRET_PATH}?token=hunter2-hunter2", EVENT)
    assert said.startswith("127.0.0.1")
    assert reason in said
    assert "hunter2" not in said + caplog.text
    assert "POST http://127.0.0.1/…" in caplog.text


async def test_notify_names_a_service_that_is_not_there(dead_port):
    assert await post_event(f"http://{dead_port}{SECRET_PATH}", EVENT) == "127.0.0.1: UNREACHABLE"
