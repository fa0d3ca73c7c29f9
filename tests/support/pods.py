"""What `kubectl get pods -A -o json` prints, of pods of which a test names what matters."""

import json
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

LONG_AGO = "2026-11-01T00:00:00Z"
"""Before the snapshots that tests publish."""
SINCE_THEN = "2026-11-21T00:00:00Z"
"""After them."""
SECRET = "hunter2-do-not-print"
"""A value of every container's environment."""


def pod(name: str, reference: str, image_id: str = "", *, phase: str = "Running", **fields: Any) -> Json:
    """A pod of one container. `created` and `started` are times, `group` is the list that the container is in."""
    created = fields.get("created", LONG_AGO)
    group = fields.get("group", "containers")
    containers = {"containers": [container("main", "other.example.com/sidecar:1")]} if group != "containers" else {}
    state = {"running": {"startedAt": fields.get("started", created)}} if image_id else {"waiting": {}}
    status = {"name": "app", "image": reference, "imageID": image_id, "state": state}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "creationTimestamp": created, "uid": "1"},
        "spec": {**containers, group: [container("app", reference)], **fields.get("spec", {})},
        "status": {"phase": phase, f"{group.removesuffix('s')}Statuses": [status]},
    }


def container(name: str, reference: str) -> Json:
    return {"name": name, "image": reference, "env": [{"name": "PASSWORD", "value": SECRET}]}


def workload(kind: str, name: str, reference: str) -> Json:
    """What starts pods."""
    template: Json = {"spec": {"containers": [container("app", reference)]}}
    spec: Json = {"template": template}
    if kind == "CronJob":
        spec = {"schedule": "@daily", "jobTemplate": {"spec": spec}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default", "creationTimestamp": LONG_AGO},
        "spec": spec,
        "status": {},
    }


def listed(*objects: Json) -> str:
    """As kubectl writes several objects."""
    return json.dumps({"apiVersion": "v1", "items": objects, "kind": "List", "metadata": {}}, indent=4) + "\n"


def many(count: int, references: Iterable[str]) -> str:
    """Many pods, which take the references in turn."""
    known = list(references)
    return listed(*(pod(f"pod-{number}", known[number % len(known)]) for number in range(count)))
