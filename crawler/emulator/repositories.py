"""Artifact Registry's repositories: a project has some at each location, and each holds many images."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Literal

from crawler.emulator.names import draw_repository_ids
from crawler.emulator.settings import GCR_LOCATIONS, ArtifactRegistry, pkg_dev

Format = Literal["DOCKER", "MAVEN", "PYTHON"]

_OTHER_FORMATS: tuple[tuple[str, Format], ...] = (("maven-releases", "MAVEN"), ("wheels", "PYTHON"))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MS = 1_577_836_800_000  # 2020-01-01
_YEAR_MS = 31_536_000_000
_MAX_SIZE_BYTES = 10**12  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRepository:
    """One Artifact Registry repository, of any format, at one location of one project."""

    project: str
    location: str
    id: str
    format: Format

    @property
    def resource(self) -> str:
        return f"projects/{self.project}/locations/{self.location}/repositories/{self.id}"

    @property
    def host(self) -> str:
        """The registry host that serves this repository's images."""
        return self.id if self.id in GCR_LOCATIONS else pkg_dev(self.location)

    @property
    def folder(self) -> str:
        """The prefix of its images' names on that host."""
        return self.project if self.id in GCR_LOCATIONS else f"{self.project}/{self.id}"

    @property
    def uri(self) -> str:
        """The prefix of its images' `uri` in the API: always a pkg.dev host, even if gcr.io serves the images."""
        return f"{pkg_dev(self.location)}/{self.project}/{self.id}"

    def to_json(self, *, seed: int) -> dict[str, str]:
        """The repository as the API describes it.

        sizeBytes is not the sum of the images' sizes: images share layers, and each layer counts once.
        """
        draw = Random(f"{seed}/{self.resource}")
        created_ms = _FIRST_MS + int(draw.random() * _YEAR_MS)
        return {
            "name": self.resource,
            "format": self.format,
            "mode": "STANDARD_REPOSITORY",
            "description": f"{self.format.capitalize()} artifacts of {self.id}",
            "createTime": rfc3339(created_ms),
            "updateTime": rfc3339(created_ms + int(draw.random() * _YEAR_MS)),
            "sizeBytes": str(draw.randrange(_MAX_SIZE_BYTES)),
        }


def repositories_at(role: ArtifactRegistry, *, seed: int, project: str, location: str) -> list[ArtifactRepository]:
    """All of a project's repositories at one location, sorted by name."""
    images = draw_repository_ids(seed=f"{seed}/{project}/{location}", count=role.repositories_per_location)
    if role.serves != "pkg.dev":
        images += [host for host, at in GCR_LOCATIONS.items() if at == location]
    kinds: list[tuple[str, Format]] = [*((name, "DOCKER") for name in images), *_OTHER_FORMATS]
    return [
        ArtifactRepository(project=project, location=location, id=name, format=kind) for name, kind in sorted(kinds)
    ]


def docker_repositories(role: ArtifactRegistry, *, seed: int) -> Sequence[ArtifactRepository]:
    """Every repository of the Docker format, in all projects and at all locations, whichever host serves it."""
    return [
        repository
        for project in role.projects
        for location in role.all_locations
        for repository in repositories_at(role, seed=seed, project=project, location=location)
        if repository.format == "DOCKER"
    ]


def rfc3339(milliseconds: int) -> str:
    """A timestamp in protobuf's JSON format: a fraction of a second appears only if it is not zero."""
    timespec = "milliseconds" if milliseconds % 1000 else "seconds"
    timestamp = _EPOCH + timedelta(milliseconds=milliseconds)
    return timestamp.isoformat(timespec=timespec).replace("+00:00", "Z")
