"""What Google's APIs are asked: which projects there are, where they have repositories, and what is in these."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar
from urllib.parse import quote, urlencode

import anyio

from crawler.auth.credentials import NO_SCOPE
from crawler.auth.quota_project import QUOTA_PROJECT_VARIABLE, USER_PROJECT_DENIED, QuotaProject
from crawler.client import AuthenticatedClient
from crawler.discovery.cursor import Cursor
from crawler.errors import RegistryError
from crawler.model.image import Image
from crawler.transport.messages import Purpose
from crawler.wire.google_apis import (
    ApiPage,
    ArtifactRepository,
    Project,
    parse_docker_images,
    parse_locations,
    parse_projects,
    parse_repositories,
)

T = TypeVar("T")

LARGEST_PAGE: Final = 1000
"""Entries on a page; the APIs give no more."""

_NEEDED: Final = "requires a quota project"
"""Google's words to an account whose requests count against no project of its own, as a person's do."""


class GoogleApis:
    """Artifact Registry's API and Resource Manager's, at their addresses. Every question raises RegistryError.

    `quota_project` is the one that the inquiry's headers name.
    """

    def __init__(
        self,
        client: AuthenticatedClient,
        *,
        artifact_registry: str,
        resource_manager: str,
        quota_project: QuotaProject | None,
    ) -> None:
        self._client = client
        self._quota_project = quota_project
        self._artifacts = f"{artifact_registry}/v1"
        self._projects = f"{resource_manager}/v3/projects:search"
        self.pages_read = 0

    async def projects(self) -> list[Project]:
        """Every project that the account sees (`projects:search`), in no order."""
        return await self._all(self._projects, parse_projects)

    async def locations(self, project: str) -> list[str]:
        return await self._all(f"{self._artifacts}/projects/{_part(project)}/locations", parse_locations)

    async def repositories(self, project: str, location: str) -> list[ArtifactRepository]:
        """A project's repositories of every format at one location."""
        place = f"projects/{_part(project)}/locations/{_part(location)}"
        return await self._all(f"{self._artifacts}/{place}/repositories", parse_repositories)

    async def images(self, repository: ArtifactRepository, cursor: Cursor) -> tuple[tuple[str, Image], ...]:
        """The next page of a repository's images, with their paths."""
        resource = quote(repository.resource, safe="/:")
        return await self._page(f"{self._artifacts}/{resource}/dockerImages", cursor, parse_docker_images)

    async def _all(self, address: str, reader: Callable[[bytes], ApiPage[T]]) -> list[T]:
        items: list[T] = []
        cursor = Cursor()
        while not cursor.is_over:
            items += await self._page(address, cursor, reader)
        return items

    async def _page(self, address: str, cursor: Cursor, reader: Callable[[bytes], ApiPage[T]]) -> tuple[T, ...]:
        query = {"pageSize": str(LARGEST_PAGE)} | ({"pageToken": cursor.token} if cursor.token else {})
        asked = f"{address}?{urlencode(query)}"
        try:
            _, page = await self._client.get(asked, NO_SCOPE, reader, Purpose.API)
        except RegistryError as error:
            raise self._with_advice(error) from None
        self.pages_read += 1
        cursor.follow(page.next_token, asked)
        return page.items

    def _with_advice(self, error: RegistryError) -> RegistryError:
        """The same error, and what to do about the quota project where that is at fault."""
        if error.code == USER_PROJECT_DENIED and self._quota_project is not None:
            message = self._quota_project.denied_message(error.message)
        elif self._quota_project is None and _NEEDED in error.message:
            advice = f"set {QUOTA_PROJECT_VARIABLE} to a project where that API is on and that the account may use"
            message = f"{advice}: {error.message}"
        else:
            return error
        return type(error)(
            error.request, code=error.code, message=message, http_status=error.http_status, consumer=error.consumer
        )


async def gather(questions: Sequence[Callable[[], Awaitable[T]]]) -> list[T | RegistryError]:
    """The answers to questions asked at once, in their order; a refusal or failure is an answer, too."""
    answers: dict[int, T | RegistryError] = {}

    async def ask(number: int) -> None:
        try:
            answers[number] = await questions[number]()
        except RegistryError as error:
            answers[number] = error

    async with anyio.create_task_group() as group:
        for number in range(len(questions)):
            group.start_soon(ask, number)
    return [answers[number] for number in range(len(questions))]


def _part(text: str) -> str:
    return quote(text, safe=":")
