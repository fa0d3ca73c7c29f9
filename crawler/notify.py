"""Notifies another service that a run has ended: one POST of a CloudEvent (CloudEvents 1.0, HTTP binding §3.2)."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final
from urllib.parse import quote, urlsplit

import orjson

from crawler.errors import CrawlerError, RegistryError
from crawler.limiter import AdaptiveLimiter
from crawler.model.run_manifest import TOOL, RunManifest
from crawler.transport.fetch import open_transport
from crawler.transport.messages import Purpose, Request
from crawler.transport.retry import RetryPolicy, Timeouts
from crawler.transport.run_limits import RunLimits
from crawler.transport.tls import Certificates

CONTENT_TYPE: Final = "application/cloudevents+json"
EVENT_TYPE: Final = "registry-crawler.run.ended"

_TIMEOUTS: Final = Timeouts(connect_s=5, read_s=10, total_s=10)
_POLICY: Final = RetryPolicy(attempts=3, give_up_s=15)
_MAX_ANSWER_BYTES: Final = 64 * 1024
_SHORTEST_SECRET: Final = 8
"""Characters. A path such as `/hook` is none, and is part of other texts too."""


def run_event(target: str, run_id: str, time: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The event that a run has ended at `time` (RFC 3339). A run that is resumed may end more than once."""
    return {
        "specversion": "1.0",
        "id": f"{run_id}/{time}",
        "source": f"{TOOL.name}/{quote(target, safe='')}",
        "type": EVENT_TYPE,
        "time": time,
        "datacontenttype": "application/json",
        "data": {"target": target, "run_id": run_id, **data},
    }


def snapshot_data(run_manifest: RunManifest) -> dict[str, Any]:
    """What an event has of a snapshot."""
    return {
        "verdict": run_manifest.verdict,
        "reasons": run_manifest.reasons,
        "counts": asdict(run_manifest.counts),
        "previous_run_id": run_manifest.previous_run_id,
    }


async def post_event(url: str, event: Mapping[str, Any]) -> str:
    """POST an event; try three times. Returns "", or why the service did not take it. Cancel it to end it earlier.

    The URL of a webhook is a secret: what is returned names its host alone.
    """
    content = orjson.dumps(event)
    parts = urlsplit(url)
    request = Request(
        url=url,
        method="POST",
        content=content,
        content_type=CONTENT_TYPE,
        secrets=tuple(part for part in (url, parts.path, parts.query) if len(part) >= _SHORTEST_SECRET),
        max_body_bytes=_MAX_ANSWER_BYTES,
        purpose=Purpose.API,
        shown_url=f"{parts.scheme}://{parts.hostname}/…",
    )
    try:
        async with open_transport(
            user_agent=f"{TOOL.name}/{TOOL.version}",
            limiter=AdaptiveLimiter(concurrency=1, rate=None),
            timeouts=_TIMEOUTS,
            limits=RunLimits(_POLICY),
            concurrency=1,
            scheme=parts.scheme,
            certificates=Certificates(),
        ) as transport:
            response = await transport.fetch(request)
    except RegistryError as exc:
        return f"{parts.hostname}: {exc.code}"
    except CrawlerError as exc:
        return f"{parts.hostname}: {type(exc).__name__}"
    return "" if 200 <= response.status < 300 else f"{parts.hostname} answered {response.status}"
