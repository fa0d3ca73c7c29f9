"""Names from Artifact Registry's API: projects, their repositories of format DOCKER, and what is in these.

What is in a repository is told by walking its folders at the registry (`WalkedArtifacts`), or by the API alone
(`ToldArtifacts`).
"""

import re
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Final, Self

from crawler.auth.quota_project import USER_PROJECT_DENIED
from crawler.discovery import ListResult, Page
from crawler.discovery.cursor import Cursor
from crawler.discovery.google_apis import GoogleApis, gather
from crawler.discovery.tree import FolderTree
from crawler.errors import RegistryError
from crawler.model.image import Image
from crawler.model.names import Target
from crawler.model.record import Listing
from crawler.model.run_manifest import Evidence
from crawler.profiles import RegistryProfile, google_project
from crawler.wire.google_apis import ArtifactRepository, Project

MAX_CONCURRENT_LISTS: Final = 32
"""Lists that are read at the same time."""

_METHOD: Final = "artifact-registry"
_PKG_DEV: Final = re.compile(r"(.+)-docker\.pkg\.dev")
_GCR_LOCATIONS: Final = {"eu.gcr.io": "europe", "asia.gcr.io": "asia"}
_SERVICE_DISABLED: Final = "SERVICE_DISABLED"
_UNREADABLE_QUOTED: Final = 3


@dataclass(frozen=True, slots=True)
class HostScope:
    """Which repositories of Artifact Registry stand behind a registry's host.

    `project` and `repository` are None for any; `location` is None where the host does not tell it.
    `skips_repository` is whether its name is no part of its images' names, as behind gcr.io.
    """

    project: str | None
    location: str | None
    repository: str | None
    root: str
    skips_repository: bool

    @classmethod
    def of_target(cls, target: Target, profile: RegistryProfile, location: str | None) -> Self:
        """The place of a target on one of Google's hosts; `location` goes before what the host tells."""
        named, below = google_project(target.prefix)
        project = named or None
        if profile.kind == "gcr":
            host = target.host if target.host.endswith("gcr.io") else "gcr.io"
            return cls(project, location or _GCR_LOCATIONS.get(host, "us"), host, target.prefix, skips_repository=True)
        told = _PKG_DEV.fullmatch(target.host)
        repository = below.partition("/")[0] or None
        return cls(project, location or (told and told[1]), repository, target.prefix, skips_repository=False)

    def covers(self, project: str) -> bool:
        """Whether a project is meant where none is named: all are, or those of the domain that is the root."""
        return not self.root or project.startswith(f"{self.root}:")

    def matches(self, repository: ArtifactRepository) -> bool:
        return repository.format == "DOCKER" and self.repository in {None, repository.id}

    def name_prefix(self, project: str, repository: ArtifactRepository) -> str:
        """What the names of the repository's images begin with."""
        path = project.replace(":", "/")  # example.com:project is a project of a domain
        return path if self.skips_repository else f"{path}/{repository.id}"


@dataclass(frozen=True, slots=True)
class Found:
    """A repository of Artifact Registry behind the host, and the folder that its images' names begin with."""

    repository: ArtifactRepository
    folder: str


@dataclass(slots=True)
class RepositorySearch:
    """The search for repositories, and what it could not look into."""

    apis: GoogleApis
    scope: HostScope
    found: int = 0
    projects: int = 0
    inactive: int = 0
    service_disabled: int = 0
    unreadable: list[str] = field(default_factory=list)
    _by_consumer: Counter[str] = field(default_factory=Counter)

    async def repositories(self) -> AsyncIterator[list[Found]]:
        """A few at a time. Raises RegistryError where the projects, or the one that is meant, cannot be listed."""
        projects = await self._projects()
        self.projects = len(projects)
        for start in range(0, len(projects), MAX_CONCURRENT_LISTS):
            batch = projects[start : start + MAX_CONCURRENT_LISTS]
            answers = await gather([partial(self._of_project, project.id) for project in batch])
            for project, answer in zip(batch, answers, strict=True):
                if isinstance(answer, RegistryError):
                    self._skip(project, answer)
            yield list(chain.from_iterable(a for a in answers if not isinstance(a, RegistryError)))

    async def _projects(self) -> list[Project]:
        if self.scope.project is not None:
            return [Project(self.scope.project, number="", is_active=True)]
        listed = await self.apis.projects()
        meant = [project for project in listed if self.scope.covers(project.id)]
        active = [project for project in meant if project.is_active]
        self.inactive = len(meant) - len(active)
        return active

    async def _of_project(self, project: str) -> list[Found]:
        if self.scope.location is not None:
            locations = [self.scope.location]
        else:
            locations = await self.apis.locations(project)
        listed = [await self.apis.repositories(project, location) for location in locations]
        wanted = [repository for repository in chain.from_iterable(listed) if self.scope.matches(repository)]
        self.found += len(wanted)
        return [Found(repository, self.scope.name_prefix(project, repository)) for repository in wanted]

    def _skip(self, project: Project, error: RegistryError) -> None:
        if self.scope.project is not None or error.code == USER_PROJECT_DENIED:
            raise error  # who is denied the quota project is denied it for every project
        if error.code != _SERVICE_DISABLED:
            self.unreadable.append(f"project {project.id}: {error.http_status or ''} {error.code}".replace("  ", " "))
        elif error.consumer in {"", f"projects/{project.id}", f"projects/{project.number}"}:
            self.service_disabled += 1  # most projects never had it on, and hold no images then
        else:  # the caller's quota project has it off, which says nothing about the project that was asked about
            self._by_consumer[error.consumer] += 1

    @property
    def listed(self) -> str:
        """What was found, in words."""
        where = f" at {self.scope.location}" if self.scope.location else ""
        repositories = "1 repository" if self.found == 1 else f"{self.found:,} repositories"
        text = (
            f"Artifact Registry's API listed {repositories} of format DOCKER in {_projects(self.projects)}{where}"
            + (f" ({self.service_disabled:,} of them without that API)" if self.service_disabled else "")
        )
        return text + (f"; not searched: {_projects(self.inactive)} not ACTIVE" if self.inactive else "")

    @property
    def unproved(self) -> str:
        """Why there may be more repositories than were found, and what to do, in words; "" where these are all."""
        reasons = [self._why_none()] if self.found == 0 else []
        reasons += [
            f"that API is off in {consumer}, the quota project of the credentials, which says nothing about "
            f"{_projects(count)}: switch it on there, or use a service account of a project that has it"
            for consumer, count in sorted(self._by_consumer.items())
        ]
        if self.unreadable:
            more = (
                f" and {len(self.unreadable) - _UNREADABLE_QUOTED:,} more"
                if len(self.unreadable) > _UNREADABLE_QUOTED
                else ""
            )
            reasons.append(f"could not look into {', '.join(self.unreadable[:_UNREADABLE_QUOTED])}{more}")
        return "; ".join(reason for reason in reasons if reason)

    def _why_none(self) -> str:
        """Why nothing that was found is no proof that there is nothing; "" where other reasons say it."""
        if self.projects == 0:
            return (
                "the account sees no ACTIVE project: grant it roles/browser on the organisation or folder, "
                "or name the project: HOST/PROJECT"
            )
        if self.service_disabled == self.projects:
            return (
                "that API is off in every project: switch on artifactregistry.googleapis.com in the project that holds "
                "the images, or name that project: HOST/PROJECT"
            )
        if self.unreadable or self._by_consumer:
            return ""
        named = f" named {self.scope.repository}" if self.scope.repository else ""
        return (
            f"there is no such repository{named}, which proves nothing: check that the host is one of Artifact "
            "Registry's, its location (registry.location), and the account's role roles/artifactregistry.reader"
        )


def _projects(count: int) -> str:
    return f"{count:,} {'project' if count == 1 else 'projects'}"


class ArtifactRegistryWalk:
    """The API tells where to begin, and the registry's folders the rest."""

    method = _METHOD
    requires_all_listings = True

    def __init__(self, search: RepositorySearch, profile: RegistryProfile) -> None:
        self._search = search
        self._tree = FolderTree(profile)

    async def pages(self) -> AsyncIterator[Page]:
        async for batch in self._search.repositories():
            filled = {found.folder for found in batch if not found.repository.is_empty}
            roots = [self._root(found.folder) for found in batch]
            self._tree.start_at(roots, empty=[folder for found in batch if (folder := found.folder) not in filled])
        async for page in self._tree.pages():
            yield page

    def _root(self, folder: str) -> str:
        """Where to begin: at the target's prefix, where that is deeper."""
        root = self._search.scope.root
        return root if root.startswith(f"{folder}/") else folder

    def on_listed(self, name: str, answer: ListResult) -> bool:
        return self._tree.on_listed(name, answer)

    @property
    def pages_read(self) -> int:
        return self._search.apis.pages_read + self._tree.pages_read

    @property
    def evidence(self) -> Evidence:
        return _evidence(self._search, self._tree.evidence)


class ArtifactRegistryListing:
    """The API tells it all, an exchange for a thousand images: repositories emptied of them it does not know."""

    method = _METHOD
    requires_all_listings = False

    def __init__(self, search: RepositorySearch) -> None:
        self._search = search

    async def pages(self) -> AsyncIterator[Page]:
        waiting: deque[_RepositoryImages] = deque()
        async for batch in self._search.repositories():
            waiting.extend(_RepositoryImages(found) for found in batch)
        reading: list[_RepositoryImages] = []
        while waiting or reading:
            while waiting and len(reading) < MAX_CONCURRENT_LISTS:
                reading.append(waiting.popleft())
            answers = await gather([partial(one.read_next_page, self._search.apis) for one in reading])
            for one, answer in zip(reading, answers, strict=True):
                if isinstance(answer, RegistryError):
                    self._search.unreadable.append(f"{one.found.repository.resource}: {answer}")
                    one.truncate(answer)
            for one in reading:
                if one.cursor.is_over:
                    yield one.page()
            reading = [one for one in reading if not one.cursor.is_over]

    def on_listed(self, name: str, answer: ListResult) -> bool:  # noqa: ARG002  (nothing is asked for)
        return True

    @property
    def pages_read(self) -> int:
        return self._search.apis.pages_read

    @property
    def evidence(self) -> Evidence:
        return _evidence(self._search, Evidence(complete=True, text="every image comes from that API"))


def _evidence(search: RepositorySearch, inside: Evidence) -> Evidence:
    unproved = search.unproved
    parts = [search.listed, inside.text if search.found else "", unproved]
    return Evidence(inside.complete and not unproved, "; ".join(part for part in parts if part))


class _RepositoryImages:
    """One repository's images, as far as they are read."""

    def __init__(self, found: Found) -> None:
        self.found = found
        self.cursor = Cursor()
        self._suspect: str | None = None
        self._images: defaultdict[str, list[Image]] = defaultdict(list)

    async def read_next_page(self, apis: GoogleApis) -> None:
        for path, image in await apis.images(self.found.repository, self.cursor):
            self._images[path].append(image)

    def truncate(self, error: RegistryError) -> None:
        """End at a page that cannot be had: it may hold images of every name that the pages before it listed."""
        self.cursor.is_over = True
        self._suspect = f"the API's list of the images of {self.found.folder} breaks off: {error}"

    def page(self) -> Page:
        """The repository's images by name, each as the registry's own listing would tell it."""
        children = _children(self._images)
        return {
            f"{self.found.folder}/{path}": _listing(images, children.get(path, ()), self._suspect)
            for path, images in sorted(self._images.items())
        }


def _children(paths: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The next components below each folder, sorted."""
    below: defaultdict[str, set[str]] = defaultdict(set)
    for path in paths:
        components = path.split("/")
        for depth in range(1, len(components)):
            below["/".join(components[:depth])].add(components[depth])
    return {path: tuple(sorted(names)) for path, names in below.items()}


def _listing(images: Sequence[Image], children: tuple[str, ...], suspect: str | None) -> Listing:
    by_digest = {image.digest: image for image in images}
    tags = sorted(tag for image in by_digest.values() for tag in image.tags)
    return Listing(
        tags=tuple(dict.fromkeys(tags)),
        images=tuple(by_digest[digest] for digest in sorted(by_digest)),
        children=children,
        suspect=suspect,
    )
