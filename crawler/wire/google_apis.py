"""Pages of Google's APIs: projects, locations, repositories and images (Artifact Registry v1, Resource Manager v3).

Pages follow AIP-158: `nextPageToken` requests the next page, and is absent on the last. Bodies are protobuf's JSON: an
empty field is left out, and a 64-bit number is a string (https://protobuf.dev/programming-guides/json/).
Every parser here raises MalformedResponse.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar
from urllib.parse import unquote

from crawler.errors import MalformedResponse
from crawler.model.image import Image, ImageKind, Platform, Referrer, ReferrerSource
from crawler.wire.digest import is_digest
from crawler.wire.json_fields import parse_count, parse_object, parse_strings, parse_text
from crawler.wire.manifest import INDEX_TYPES
from crawler.wire.platform import parse_platform
from crawler.wire.referrers import referrer_kind
from crawler.wire.times import parse_time

T = TypeVar("T")

_EPOCH: Final = "1970-01-01T00:00:00.000Z"


@dataclass(frozen=True, slots=True)
class ApiPage(Generic[T]):
    """One page of a list. `next_token` requests the next page, and is "" on the last."""

    items: tuple[T, ...]
    next_token: str


@dataclass(frozen=True, slots=True)
class Project:
    """A project of Google Cloud.

    Attributes:
        id: such as `my-project`, or `example.com:my-project` in a domain.
        number: the project's number, or "" where the API leaves it out.
        is_active: False once its deletion was requested.
    """

    id: str
    number: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class ArtifactRepository:
    """One repository of Artifact Registry, of any format.

    Attributes:
        resource: `projects/P/locations/L/repositories/R`.
        format: `DOCKER`, `MAVEN` and so on.
        is_empty: whether the API says that it holds nothing.
    """

    resource: str
    format: str
    is_empty: bool

    @property
    def id(self) -> str:
        return self.resource.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Attachment:
    """What is attached to an image.

    Attributes:
        path: of the image, below the repository.
        subject_digest: the image.
        referrer: the attachment's own manifest, as a referrer of the image.
    """

    path: str
    subject_digest: str
    referrer: Referrer


def parse_projects(body: bytes) -> ApiPage[Project]:
    """Parse a page of `projects:search`."""
    return _parse_page(body, "projects", _parse_project)


def parse_locations(body: bytes) -> ApiPage[str]:
    """Parse a page of `projects.locations.list`: the ids of locations, such as `europe-west1`."""
    return _parse_page(body, "locations", lambda location: _required_text(location, "locationId"))


def parse_repositories(body: bytes) -> ApiPage[ArtifactRepository]:
    """Parse a page of `projects.locations.repositories.list`."""
    return _parse_page(body, "repositories", _parse_repository)


def parse_docker_images(body: bytes) -> ApiPage[tuple[str, Image]]:
    """Parse a page of `dockerImages.list`: images, each with its path below the repository.

    The path of `…/dockerImages/team%2Fapp@sha256:…` is `team/app`.
    """
    return _parse_page(body, "dockerImages", _parse_docker_image)


def parse_attachments(body: bytes) -> ApiPage[Attachment | None]:
    """Parse a page of `attachments.list`. None stands for an entry that is not attached to an image."""
    return _parse_page(body, "attachments", _parse_attachment)


def _parse_page(body: bytes, field: str, parse_item: Callable[[dict[str, Any]], T]) -> ApiPage[T]:
    document = parse_object(body)
    items = document.get(field, [])
    next_token = document.get("nextPageToken", "")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise MalformedResponse(f"{field!r} is not a list of objects")
    if not isinstance(next_token, str):
        raise MalformedResponse("'nextPageToken' is not a string")
    return ApiPage(tuple(parse_item(item) for item in items), next_token)


def _required_text(item: dict[str, Any], field: str) -> str:
    value = parse_text(item.get(field))
    if value is None:
        raise MalformedResponse(f"{field!r} is missing")
    return value


def _parse_project(item: dict[str, Any]) -> Project:
    number = (parse_text(item.get("name")) or "").removeprefix("projects/")
    return Project(_required_text(item, "projectId"), number, item.get("state") == "ACTIVE")


def _parse_repository(item: dict[str, Any]) -> ArtifactRepository:
    # A size of 0 is left out. A virtual repository has no size of its own, whatever can be pulled through it.
    is_empty = item.get("sizeBytes", "0") in ("0", 0) and item.get("mode") != "VIRTUAL_REPOSITORY"
    return ArtifactRepository(_required_text(item, "name"), parse_text(item.get("format")) or "", is_empty)


def _parse_docker_image(item: dict[str, Any]) -> tuple[str, Image]:
    path, at, digest = unquote(_required_text(item, "name").partition("/dockerImages/")[2]).rpartition("@")
    if not at:
        raise MalformedResponse("an image whose name has no digest")
    media_type = parse_text(item.get("mediaType"))
    return path, Image(
        digest=digest,
        tags=tuple(sorted(parse_strings(item.get("tags"), "tags")[0])),
        kind=ImageKind.INDEX if media_type in INDEX_TYPES else None,
        media_type=media_type,
        artifact_type=parse_text(item.get("artifactType")),
        size_bytes=parse_count(item.get("imageSizeBytes")),
        created_at=_timestamp(item.get("buildTime")),
        uploaded_at=_timestamp(item.get("uploadTime")),
        updated_at=_timestamp(item.get("updateTime")),
        platforms=_parse_platforms(item.get("imageManifests")),
    )


def _parse_platforms(manifests: Any) -> tuple[Platform, ...] | None:
    """The children of an index, without those that the API does not describe by an object; None for no index."""
    if not isinstance(manifests, list) or not manifests:
        return None
    return tuple(
        parse_platform(
            parse_text(manifest.get("digest")),
            manifest.get("os"),
            manifest.get("architecture"),
            variant=manifest.get("variant"),
            os_version=manifest.get("osVersion"),
            media_type=manifest.get("mediaType"),
        )
        for manifest in manifests
        if isinstance(manifest, dict)
    )


def _parse_attachment(item: dict[str, Any]) -> Attachment | None:
    subject = _parse_version(item.get("target"))
    own = _parse_version(item.get("ociVersionName"))
    if subject is None or own is None:
        return None
    artifact_type = parse_text(item.get("type"))
    referrer = Referrer(
        digest=own.digest,
        via=ReferrerSource.BULK,
        kind=referrer_kind(artifact_type, None),
        artifact_type=artifact_type,
        created_at=_timestamp(item.get("createTime")),
    )
    return Attachment(subject.path, subject.digest, referrer)


class _Version(NamedTuple):
    path: str
    digest: str


def _parse_version(resource: Any) -> _Version | None:
    """The image that a resource `…/packages/team%2Fapp/versions/sha256:…` is; None for any other resource."""
    if not isinstance(resource, str):
        return None
    path, versions, digest = resource.partition("/packages/")[2].partition("/versions/")
    return _Version(unquote(path), digest) if versions and path and is_digest(digest) else None


def _timestamp(value: Any) -> str | None:
    """A time, or None: for nonsense, and for the epoch, which Google writes for a time that it does not know."""
    time = parse_time(value)
    return None if time == _EPOCH else time
