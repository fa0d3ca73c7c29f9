"""Names of one namespace from Docker Hub's public API. Docker Hub answers 401 to every request for its catalog."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from crawler.auth.credentials import NO_SCOPE
from crawler.client import AuthenticatedClient
from crawler.discovery import Page
from crawler.discovery.cursor import Cursor
from crawler.discovery.pending import UNREPORTED, PendingName
from crawler.errors import Missing, RegistryError
from crawler.model.run_manifest import Evidence
from crawler.transport.messages import Purpose
from crawler.wire.docker_hub import HubPage, parse_hub_page

PAGE_SIZE: Final = 100
"""Repositories on a page; the API allows no more."""

_PRIVATE_NOT_LISTED: Final = (
    "private repositories are not listed: name them with repositories_from, "
    "or crawl only the public repositories, without a login (--auth anonymous)"
)
_CHECK: Final = "check the namespace, and name private repositories with repositories_from"


class DockerHubDiscovery:
    """The public repositories of one namespace, requested without credentials.

    The API answers a mistyped namespace with 404 or with no repositories. Neither proves that the namespace is empty.
    """

    method = "docker-hub"
    requires_all_listings = False

    def __init__(self, client: AuthenticatedClient, *, api: str, namespace: str, is_anonymous: bool) -> None:
        """`api` is the base URL. `is_anonymous` is whether the registry, too, is crawled without a login.

        With a login, the namespace may have private repositories, which this source cannot list.
        """
        self._client = client
        self._namespace = namespace
        self._first_url = f"{api}/v2/namespaces/{namespace}/repositories?page_size={PAGE_SIZE}"
        self._is_anonymous = is_anonymous
        self._names: set[str] = set()
        self._count = 0
        self._failure: RegistryError | None = None
        self.pages_read = 0

    async def pages(self) -> AsyncIterator[Page]:
        try:
            async for page in self._hub_pages():
                self.pages_read += 1
                self._count = page.count
                fresh = [name for name in page.names if name not in self._names]
                self._names.update(fresh)
                yield dict.fromkeys(f"{self._namespace}/{name}" for name in fresh)
        except RegistryError as exc:
            if self.pages_read == 0 and not isinstance(exc, Missing):
                raise
            self._failure = exc

    async def _hub_pages(self) -> AsyncIterator[HubPage]:
        cursor = Cursor(self._first_url)
        while not cursor.is_over:
            url = cursor.token
            parse = partial(parse_hub_page, requested=url)
            _, page = await self._client.get(url, NO_SCOPE, parse, Purpose.API)
            yield page
            cursor.follow(page.next_url or "", url)

    def pending(self, name: str) -> PendingName:  # noqa: ARG002
        return UNREPORTED

    @property
    def evidence(self) -> Evidence:
        namespace, listed = self._namespace, len(self._names)
        if listed == self._count == 0:
            error = "" if self._failure is None else f" ({self._failure})"
            text = f"Docker Hub lists no public repository of {namespace}{error}, which proves nothing: {_CHECK}"
            return Evidence(complete=False, text=text)
        text = f"Docker Hub listed {listed:,} of {self._count:,} public repositories of {namespace}"
        if self._failure is not None:
            return Evidence(complete=False, text=f"{text}, then failed: {self._failure}")
        if listed < self._count:
            return Evidence(complete=False, text=f"{text}, and no next page")
        if not self._is_anonymous:
            return Evidence(complete=False, text=f"{text}; {_PRIVATE_NOT_LISTED}")
        return Evidence(complete=True, text=f"{text}, which are all that are public")
