"""Which repositories of Artifact Registry a host serves: `HOST/PREFIX` becomes project, location and repository."""

import re
from dataclasses import dataclass
from typing import Final, Self

from crawler.model.names import Target
from crawler.profiles import RegistryProfile, google_project
from crawler.wire.google_apis import ArtifactRepository

_PKG_DEV: Final = re.compile(r"(.+)-docker\.pkg\.dev")

GCR_LOCATIONS: Final = {"gcr.io": "us", "us.gcr.io": "us", "eu.gcr.io": "europe", "asia.gcr.io": "asia"}
"""Google shut Container Registry down on 2025-03-18. Artifact Registry serves its hosts, each from one multi-region."""


@dataclass(frozen=True, slots=True)
class HostScope:
    """The repositories of Artifact Registry that a registry's host serves.

    `LOCATION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE` names everything. Behind `gcr.io/PROJECT/IMAGE`, each project has
    one repository, whose name is the host: the names of its images leave it out.

    Attributes:
        project: the project's id; None for every project that the account can see.
        location: the location's id; None for every location, where the host does not name one.
        repository: the repository's id; None for every repository.
        root: the target's prefix.
        omits_repository: whether the names of images leave out the repository, as behind gcr.io.
    """

    project: str | None
    location: str | None
    repository: str | None
    root: str
    omits_repository: bool

    @classmethod
    def of_target(cls, target: Target, profile: RegistryProfile, location: str | None) -> Self:
        """The scope of a target on one of Google's hosts. `location` overrides the location that the host names."""
        project_id, below_project = google_project(target.prefix)
        project = project_id or None
        if profile.kind == "gcr":
            # Another host of this kind (a proxy, an emulator) is assumed to serve what gcr.io serves.
            host = target.host if target.host.endswith("gcr.io") else "gcr.io"
            return cls(project, location or GCR_LOCATIONS.get(host, "us"), host, target.prefix, omits_repository=True)
        pkg_dev = _PKG_DEV.fullmatch(target.host)
        repository = below_project.partition("/")[0] or None
        return cls(project, location or (pkg_dev and pkg_dev[1]), repository, target.prefix, omits_repository=False)

    def covers(self, project: str) -> bool:
        """Whether the scope includes a project, where `project` is None.

        It includes every project, or, where the root is a domain (`example.com`), every project of that domain.
        """
        return not self.root or project.startswith(f"{self.root}:")

    def matches(self, repository: ArtifactRepository) -> bool:
        """Whether the scope includes a repository of a project that it includes."""
        return repository.format == "DOCKER" and self.repository in {None, repository.id}

    def name_prefix(self, project: str, repository: ArtifactRepository) -> str:
        """What the names of the repository's images begin with, without the slash."""
        path = project.replace(":", "/")  # the registry writes the project example.com:project as example.com/project
        return path if self.omits_repository else f"{path}/{repository.id}"
