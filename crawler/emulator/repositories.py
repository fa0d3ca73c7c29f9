"""The repositories of Artifact Registry: what stands between a project and its images."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Literal

from crawler.emulator.names import draw_repository_ids
from crawler.emulator.settings import GCR_LOCATIONS, ArtifactRegistry, pkg_dev

Format = Literal["DOCKER", "MAVEN", "PYTHON"]

_OTHERS: tuple[tuple[str, Format], ...] = (("maven-releases", "MAVEN"), ("wheels", "PYTHON"))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MS = 1_577_836_800_000  # 2020-01-01
_YEAR_MS = 31_536_000_000
_LARGEST = 10**12  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifacts:
    """One repository of Artifact Registry, of any format, at one location of one project."""

    project: str
    location: str
    id: str
    format: Format

    @property
    def resource(self) -> str:
        return f"projects/{self.project}/locations/{self.location}/repositories/{self.id}"

    @property
    def host(self) -> str:
        """The registry that serves its images."""
        return self.id if self.id in GCR_LOCATIONS else pkg_dev(self.location)

    @property
    def folder(self) -> str:
        """What its images' names on that host begin with."""
        return self.project if self.id in GCR_LOCATIONS else f"{self.project}/{self.id}"

    @property
    def uri(self) -> str:
        """What its images' addresses begin with in the API's words, which are pkg.dev's even for a gcr.io host."""
        return f"{pkg_dev(self.location)}/{self.project}/{self.id}"

    def described(self, *, seed: int) -> dict[str, str]:
        """As the API tells of it. Its size is no sum of its images': layers that they share count once."""
        draw = Random(f"{seed}/{self.resource}")
        created_ms = _FIRST_MS + int(draw.random() * _YEAR_MS)
        return {
            "name": self.resource,
            "format": self.format,
            "mode": "STANDARD_REPOSITORY",
            "description": f"{self.format.capitalize()} artifacts of {self.id}",
            "createTime": rfc3339(created_ms),
            "updateTime": rfc3339(created_ms + int(draw.random() * _YEAR_MS)),
            "sizeBytes": str(draw.randrange(_LARGEST)),
        }


def repositories_at(role: ArtifactRegistry, *, seed: int, project: str, location: str) -> list[Artifacts]:
    """All of a project's repositories at one location, sorted by name."""
    images = draw_repository_ids(seed=f"{seed}/{project}/{location}", count=role.repositories_per_location)
    if role.serves != "pkg.dev":
        images += [host for host, at in GCR_LOCATIONS.items() if at == location]
    kinds: list[tuple[str, Format]] = [*((name, "DOCKER") for name in images), *_OTHERS]
    return [Artifacts(project=project, location=location, id=name, format=kind) for name, kind in sorted(kinds)]


def docker_repositories(role: ArtifactRegistry, *, seed: int) -> Sequence[Artifacts]:
    """Whatever may hold images, in all projects and at all locations, whichever hosts serve it."""
    return [
        repository
        for project in role.projects
        for location in role.all_locations
        for repository in repositories_at(role, seed=seed, project=project, location=location)
        if repository.format == "DOCKER"
    ]


def rfc3339(milliseconds: int) -> str:
    """A moment as protobuf's JSON writes it: with a fraction only where there is one."""
    timespec = "milliseconds" if milliseconds % 1000 else "seconds"
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")
