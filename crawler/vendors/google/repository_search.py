"""The search for the repositories of Artifact Registry that a host serves, and what proves that it found them all."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Final

from crawler.auth.quota_project import USER_PROJECT_DENIED
from crawler.errors import RegistryError
from crawler.model.run_manifest import Evidence
from crawler.profiles import MAX_CONCURRENT_LISTS
from crawler.vendors.google.apis import GoogleApis, gather
from crawler.vendors.google.host_scope import HostScope
from crawler.wire.google_apis import ArtifactRepository, Project

_SERVICE_DISABLED: Final = "SERVICE_DISABLED"
_UNREADABLE_QUOTED: Final = 3


@dataclass(frozen=True, slots=True)
class FoundRepository:
    """A repository of Artifact Registry, and the folder of its images: what their names begin with."""

    repository: ArtifactRepository
    folder: str


class RepositorySearch:
    """Finds the repositories in a scope, project by project, and records what it could not read."""

    def __init__(self, apis: GoogleApis, scope: HostScope) -> None:
        self.apis = apis
        self.scope = scope
        self._found = 0
        self._projects = 0
        self._inactive = 0
        self._without_api = 0
        self._unreadable: list[str] = []
        self._skipped_by_quota_project: Counter[str] = Counter()

    async def repositories(self) -> AsyncIterator[list[FoundRepository]]:
        """The repositories, in batches of projects.

        Raises RegistryError if the list of projects, or the only project in the scope, cannot be read.
        """
        projects = await self._active_projects()
        self._projects = len(projects)
        for start in range(0, len(projects), MAX_CONCURRENT_LISTS):
            batch = projects[start : start + MAX_CONCURRENT_LISTS]
            results = await gather([partial(self._repositories_of, project.id) for project in batch])
            for project, result in zip(batch, results, strict=True):
                if isinstance(result, RegistryError):
                    self._skip(project, result)
            yield list(chain.from_iterable(r for r in results if not isinstance(r, RegistryError)))

    async def _active_projects(self) -> list[Project]:
        if self.scope.project is not None:
            return [Project(self.scope.project, number="", is_active=True)]
        covered = [project for project in await self.apis.projects() if self.scope.covers(project.id)]
        active = [project for project in covered if project.is_active]
        self._inactive = len(covered) - len(active)
        return active

    async def _repositories_of(self, project: str) -> list[FoundRepository]:
        if self.scope.location is not None:
            locations = [self.scope.location]
        else:
            locations = await self.apis.locations(project)
        listed = [await self.apis.repositories(project, location) for location in locations]
        matching = [repository for repository in chain.from_iterable(listed) if self.scope.matches(repository)]
        self._found += len(matching)
        return [FoundRepository(repository, self.scope.name_prefix(project, repository)) for repository in matching]

    def _skip(self, project: Project, error: RegistryError) -> None:
        """Leave out a project that cannot be read. Raises the error if it concerns every project.

        A 403 SERVICE_DISABLED names the project in which the API is disabled, its consumer. If that is the project that
        was asked about, the project holds no images: most projects never enabled the API. If it is another project, it
        is the quota project of the credentials, and the error says nothing about the project that was asked about.
        """
        if self.scope.project is not None or error.code == USER_PROJECT_DENIED:
            raise error  # an account that may not use the quota project gets this error for every project
        if error.code != _SERVICE_DISABLED:
            status = "" if error.http_status is None else f"{error.http_status} "
            self._unreadable.append(f"project {project.id}: {status}{error.code}")
        elif error.consumer in {"", f"projects/{project.id}", f"projects/{project.number}"}:
            self._without_api += 1
        else:
            self._skipped_by_quota_project[error.consumer] += 1

    def add_unreadable(self, found: FoundRepository, error: RegistryError) -> None:
        """Record that the images of a repository could not be read."""
        self._unreadable.append(f"{found.repository.resource}: {error}")

    def evidence(self, contents: Evidence) -> Evidence:
        """The evidence of the whole discovery. `contents` is the evidence for what is in the found repositories."""
        doubts = self._doubts()
        parts = [self._summary(), contents.text if self._found else "", *doubts]
        return Evidence(contents.complete and not doubts, "; ".join(part for part in parts if part))

    def _summary(self) -> str:
        where = f" at {self.scope.location}" if self.scope.location else ""
        repositories = "1 repository" if self._found == 1 else f"{self._found:,} repositories"
        text = f"Artifact Registry's API listed {repositories} of format DOCKER in {_projects(self._projects)}{where}"
        if self._without_api:
            text += f" (the API is disabled in {_projects(self._without_api)})"
        return text + (f"; not searched: {_projects(self._inactive)} not ACTIVE" if self._inactive else "")

    def _doubts(self) -> list[str]:
        """Why there may be more repositories than were found, and what to do; empty if there are no others."""
        doubts = [self._why_none_found()] if self._found == 0 else []
        doubts += [
            f"{_projects(count)} could not be searched, because the API is disabled in {consumer}, the quota project "
            "of the credentials: enable artifactregistry.googleapis.com there, or use a service account of a project "
            "in which the API is enabled"
            for consumer, count in sorted(self._skipped_by_quota_project.items())
        ]
        if self._unreadable:
            beyond = len(self._unreadable) - _UNREADABLE_QUOTED
            more = f" and {beyond:,} more" if beyond > 0 else ""
            doubts.append(f"could not read {', '.join(self._unreadable[:_UNREADABLE_QUOTED])}{more}")
        return [doubt for doubt in doubts if doubt]

    def _why_none_found(self) -> str:
        """Why an empty result does not prove that there are no repositories; "" if another doubt says it.

        An account without roles/browser gets an empty list of projects, and a wrong location an empty list of
        repositories. Neither is an error.
        """
        if self._projects == 0:
            return (
                "the account can see no ACTIVE project: grant the account roles/browser on the organisation or folder, "
                "or name the project in the target: HOST/PROJECT"
            )
        if self._without_api == self._projects:
            return (
                "the API is disabled in every project: enable artifactregistry.googleapis.com in the project that "
                "holds the images, or name that project in the target: HOST/PROJECT"
            )
        if self._unreadable or self._skipped_by_quota_project:
            return ""
        id_note = f" named {self.scope.repository}" if self.scope.repository else ""
        return (
            f"there is no such repository{id_note}, which proves nothing: check that Artifact Registry serves the "
            "host, check its location (registry.location), and grant the account roles/artifactregistry.reader"
        )


def _projects(count: int) -> str:
    return f"{count:,} {'project' if count == 1 else 'projects'}"
