"""Pages of Google's APIs: projects, locations, repositories and images (Artifact Registry v1, Resource Manager v3).

Follows AIP-158 for pages, and protobuf's JSON: what is empty is left out, and 64-bit numbers are strings.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from urllib.parse import unquote

from crawler.errors import MalformedResponse
from crawler.model.image import Image
from crawler.model.timestamps import timestamp
from crawler.wire.json_fields import parse_count, parse_object, parse_strings, parse_text

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ApiPage(Generic[T]):
    """One page; `following` asks for the next, and is empty on the last."""

    items: tuple[T, ...]
    next_token: str


@dataclass(frozen=True, slots=True)
class Project:
    """A project of Google Cloud: `is_active` unless its deletion is requested; `number` is "" where it is not given."""

    id: str
    number: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class ArtifactRepository:
    """One repository of Artifact Registry, of any format: `resource` is `projects/P/locations/L/repositories/R`.

    `is_empty` is whether the API says that it holds nothing.
    """

    resource: str
    format: str
    is_empty: bool

    @property
    def id(self) -> str:
        return self.resource.rpartition("/")[2]


def parse_projects(body: bytes) -> ApiPage[Project]:
    return _page(body, "projects", _project)


def parse_locations(body: bytes) -> ApiPage[str]:
    return _page(body, "locations", lambda told: _text(told, "locationId"))


def parse_repositories(body: bytes) -> ApiPage[ArtifactRepository]:
    return _page(body, "repositories", _repository)


def parse_docker_images(body: bytes) -> ApiPage[tuple[str, Image]]:
    """Images, each with its path below its repository: `team/app` of `…/dockerImages/team%2Fapp@sha256:…`."""
    return _page(body, "dockerImages", _docker_image)


def _page(body: bytes, field: str, read: Callable[[dict[str, Any]], T]) -> ApiPage[T]:
    document = parse_object(body)
    told = document.get(field, [])
    following = document.get("nextPageToken", "")
    if not isinstance(told, list) or not all(isinstance(item, dict) for item in told):
        raise MalformedResponse(f"{field!r} is not a list of objects")
    if not isinstance(following, str):
        raise MalformedResponse("'nextPageToken' is not a string")
    return ApiPage(tuple(read(item) for item in told), following)


def _text(told: dict[str, Any], field: str) -> str:
    value = parse_text(told.get(field))
    if value is None:
        raise MalformedResponse(f"{field!r} is missing")
    return value


def _project(told: dict[str, Any]) -> Project:
    number = str(told.get("name", "")).removeprefix("projects/")
    return Project(_text(told, "projectId"), number, told.get("state") == "ACTIVE")


def _repository(told: dict[str, Any]) -> ArtifactRepository:
    # 0 is left out; a virtual repository holds nothing of its own, whatever can be pulled from it
    is_empty = str(told.get("sizeBytes", "0")) == "0" and told.get("mode") != "VIRTUAL_REPOSITORY"
    return ArtifactRepository(_text(told, "name"), str(told.get("format", "")), is_empty)


def _docker_image(told: dict[str, Any]) -> tuple[str, Image]:
    path, at, digest = unquote(_text(told, "name").partition("/dockerImages/")[2]).rpartition("@")
    if not at:
        raise MalformedResponse("an image whose name has no digest")
    return path, Image(
        digest=digest,
        tags=tuple(sorted(parse_strings(told.get("tags"), "tags")[0])),
        media_type=parse_text(told.get("mediaType")),
        size_bytes=parse_count(told.get("imageSizeBytes")),
        created_at=_timestamp(told.get("buildTime")),
        uploaded_at=_timestamp(told.get("uploadTime")),
    )


def _timestamp(value: Any) -> str | None:
    """RFC 3339 with up to nanoseconds, cut to milliseconds; None for what is unknown or nonsense."""
    if not isinstance(value, str) or not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
        utc = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return timestamp(utc) if utc.timestamp() else None
