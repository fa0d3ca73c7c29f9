"""Requests to Google's APIs: projects (Resource Manager), locations, repositories and images (Artifact Registry)."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar
from urllib.parse import quote, urlencode

import anyio

from crawler.auth.credentials import NO_SCOPE
from crawler.auth.quota_project import QUOTA_PROJECT_VARIABLE, USER_PROJECT_DENIED, QuotaProject
from crawler.client import AuthenticatedClient
from crawler.errors import RegistryError
from crawler.model.image import Image
from crawler.registry.cursor import Cursor
from crawler.transport.messages import Purpose
from crawler.wire.google_apis import (
    ApiPage,
    ArtifactRepository,
    Attachment,
    Project,
    parse_attachments,
    parse_docker_images,
    parse_locations,
    parse_projects,
    parse_repositories,
)

T = TypeVar("T")

PAGE_SIZE: Final = 1000
"""Entries on a page; the APIs allow no more."""

_QUOTA_PROJECT_REQUIRED: Final = "requires a quota project"
"""Part of Google's message to user credentials without a quota project. Their requests count against no project."""


class GoogleApis:
    """Artifact Registry's API (v1) and Resource Manager's API (v3). Every method raises RegistryError."""

    def __init__(
        self,
        client: AuthenticatedClient,
        *,
        artifact_registry: str,
        resource_manager: str,
        quota_project: QuotaProject | None,
    ) -> None:
        """`artifact_registry` and `resource_manager` are base URLs.

        `quota_project` is the project that the client's headers name; None if they name none.
        """
        self._client = client
        self._quota_project = quota_project
        self._artifact_registry = f"{artifact_registry}/v1"
        self._projects_url = f"{resource_manager}/v3/projects:search"
        self.pages_read = 0

    async def projects(self) -> list[Project]:
        """Every project on which the account has resourcemanager.projects.get, in no particular order.

        An account without that permission anywhere (part of roles/browser) gets an empty page, and no error.
        """
        return await self._all_pages(self._projects_url, parse_projects)

    async def locations(self, project: str) -> list[str]:
        """The locations that Artifact Registry offers to a project.

        The API lists repositories of one location at a time: it refuses `locations/-`, Google's usual wildcard.
        """
        return await self._all_pages(
            f"{self._artifact_registry}/projects/{_segment(project)}/locations", parse_locations
        )

    async def repositories(self, project: str, location: str) -> list[ArtifactRepository]:
        """A project's repositories of every format at one location."""
        parent = f"projects/{_segment(project)}/locations/{_segment(location)}"
        return await self._all_pages(f"{self._artifact_registry}/{parent}/repositories", parse_repositories)

    async def images(self, repository: ArtifactRepository, cursor: Cursor) -> tuple[tuple[str, Image], ...]:
        """The next page of a repository's images, each with its path below the repository."""
        resource = quote(repository.resource, safe="/:")
        return await self._page(f"{self._artifact_registry}/{resource}/dockerImages", cursor, parse_docker_images)

    async def attachments(self, repository: ArtifactRepository, cursor: Cursor) -> tuple[Attachment, ...]:
        """The next page of what is attached to a repository's images: signatures, SBOMs and the like.

        (https://cloud.google.com/artifact-registry/docs/reference/rest/v1/projects.locations.repositories.attachments)
        """
        resource = quote(repository.resource, safe="/:")
        page = await self._page(f"{self._artifact_registry}/{resource}/attachments", cursor, parse_attachments)
        return tuple(attachment for attachment in page if attachment is not None)

    async def _all_pages(self, url: str, parse: Callable[[bytes], ApiPage[T]]) -> list[T]:
        items: list[T] = []
        cursor = Cursor()
        while not cursor.is_over:
            items += await self._page(url, cursor, parse)
        return items

    async def _page(self, url: str, cursor: Cursor, parse: Callable[[bytes], ApiPage[T]]) -> tuple[T, ...]:
        query = {"pageSize": str(PAGE_SIZE)} | ({"pageToken": cursor.token} if cursor.token else {})
        page_url = f"{url}?{urlencode(query)}"
        try:
            _, page = await self._client.get(page_url, NO_SCOPE, parse, Purpose.API)
        except RegistryError as exc:
            raise self._with_advice(exc) from None
        self.pages_read += 1
        cursor.follow(page.next_token, page_url)
        return page.items

    def _with_advice(self, error: RegistryError) -> RegistryError:
        """The error, with advice about the quota project if the quota project is the cause."""
        if error.code == USER_PROJECT_DENIED and self._quota_project is not None:
            message = self._quota_project.denied_message(error.message)
        elif self._quota_project is None and _QUOTA_PROJECT_REQUIRED in error.message:
            message = (
                f"set {QUOTA_PROJECT_VARIABLE} to a project in which the API is enabled and which the account may use: "
                f"{error.message}"
            )
        else:
            return error
        return type(error)(
            error.request, code=error.code, message=message, http_status=error.http_status, consumer=error.consumer
        )


async def gather(calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T | RegistryError]:
    """Run the calls concurrently. Returns their results in the order of the calls; a RegistryError is a result too."""
    results: dict[int, T | RegistryError] = {}

    async def run(index: int) -> None:
        try:
            results[index] = await calls[index]()
        except RegistryError as exc:
            results[index] = exc

    async with anyio.create_task_group() as group:
        for index in range(len(calls)):
            group.start_soon(run, index)
    return [results[index] for index in range(len(calls))]


def _segment(text: str) -> str:
    """A path segment. The colon of a domain-scoped project (`example.com:project`) stays as it is."""
    return quote(text, safe=":")
