"""Kubernetes' objects as the containers that they run, or would run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from crawler.questions.running.json_objects import FoundObject, JsonMistakeError
from crawler.untrusted_text import printable

Json = Mapping[str, Any]

_POD: Final = "Pod"
_JOB: Final = "Job"
_CONTAINERS: Final = {
    "containers": "containerStatuses",
    "initContainers": "initContainerStatuses",
    "ephemeralContainers": "ephemeralContainerStatuses",
}
"""Where a pod's containers are, and where each has its status."""

_POD_SPECS: Final = {
    _POD: ("spec",),
    **dict.fromkeys(
        ("DaemonSet", "Deployment", _JOB, "ReplicaSet", "ReplicationController", "StatefulSet"),
        ("spec", "template", "spec"),
    ),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
"""Where each kind of object has the specification of its pods."""

_FIXED: Final = frozenset({_POD, _JOB, "ReplicaSet"})
"""Kinds whose objects keep the images that they were created with. Others are given new ones."""

_ENDED: Final = frozenset({"Succeeded", "Failed"})
_DONE: Final = frozenset({"Complete", "Failed"})
_STATES: Final = ("running", "terminated")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerUse:
    """An image that a container, or a volume, of a workload uses.

    Attributes:
        workload: NAME of a pod, KIND/NAME of what starts pods.
        reference: as it is written in the specification.
        image_id: what the runtime says that it runs, as it is written; "" where nothing was started.
        is_idle: whether nothing of it runs: a pod or job that ended, or a workload of no replicas. It may run again.
        named_since: when the reference was written, at the latest; None where that is not known.
        started_at: when what runs was started, at the latest.
    """

    namespace: str
    workload: str
    container: str
    reference: str
    image_id: str
    is_idle: bool
    named_since: datetime | None
    started_at: datetime | None


def container_uses(found: FoundObject) -> Iterator[ContainerUse]:
    """What an object runs. Raises JsonMistakeError, whose message names the object and quotes nothing else of it."""
    kind = _kind(found)
    path = _POD_SPECS.get(kind)
    if path is None:
        raise JsonMistakeError(
            f"holds {_named(kind)}: it must hold pods (kubectl get pods -A -o json), or {', '.join(_POD_SPECS)}"
        )
    try:
        yield from _uses(found.value, kind, path)
    except (AttributeError, KeyError, TypeError):
        name = printable(str(_dict(found.value, "metadata").get("name", "")))
        raise JsonMistakeError(f"holds a {kind} {name} without the fields of one".replace("  ", " ")) from None


def _kind(found: FoundObject) -> str:
    """The kind of an object. The API's own lists name it once, for the list."""
    kind = found.value.get("kind")
    if kind is None and found.list_kind is not None:
        kind = found.list_kind.removesuffix("List")
    return str(kind or "")


def _named(kind: str) -> str:
    return f"objects of the kind {printable(kind)}" if kind else "objects without a kind"


def _uses(value: Json, kind: str, path: tuple[str, ...]) -> Iterator[ContainerUse]:
    metadata, status = value["metadata"], _dict(value, "status")
    is_pod = kind == _POD
    created_at = _time(metadata.get("creationTimestamp")) if kind in _FIXED else None
    has_ended = status.get("phase") in _ENDED or (kind == _JOB and _is_done(status))
    spec = value
    for key in path:
        spec = spec[key]
    statuses = _statuses(status) if is_pod else {}
    for name, reference in _references(spec):
        container_status = statuses.get(name, {})
        yield ContainerUse(
            namespace=_text(metadata.get("namespace", "")),
            workload=_text(metadata["name"]) if is_pod else f"{kind}/{_text(metadata['name'])}",
            container=name,
            reference=reference,
            image_id=_text(container_status.get("imageID") or ""),
            is_idle=has_ended or value["spec"].get("replicas") == 0,
            named_since=created_at,
            started_at=_started_at(container_status) or created_at,
        )


def _references(spec: Json) -> Iterator[tuple[str, str]]:
    """The name of each container, and of each volume that is an image, with its reference."""
    if not spec["containers"]:
        raise KeyError("containers")
    for key in _CONTAINERS:
        for container in spec.get(key) or ():
            # a template may leave the image to whoever fills it in
            yield _text(container["name"]), _text(container.get("image") or "")
    for volume in spec.get("volumes") or ():
        if volume.get("image"):
            yield f"volume/{_text(volume['name'])}", _text(volume["image"].get("reference") or "")


def _statuses(status: Json) -> dict[str, Json]:
    """The status of each container by its name, which is unique in a pod."""
    return {_text(each["name"]): each for key in _CONTAINERS.values() for each in status.get(key) or ()}


def _is_done(status: Json) -> bool:
    return any(each["type"] in _DONE and each["status"] == "True" for each in status.get("conditions") or ())


def _started_at(container_status: Json) -> datetime | None:
    state = _dict(container_status, "state")
    times = [_time(_dict(state, name).get("startedAt")) for name in _STATES]
    return next((time for time in times if time is not None), None)


def _dict(value: Json, key: str) -> Json:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str:
    """A text as UTF-8 has it: JSON may name half a character."""
    return str(value).encode(errors="replace").decode()


def _time(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time if time.tzinfo is not None else None
