"""Names of a namespace from Docker Hub's public API; Docker Hub has no catalog."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from crawler.auth.credentials import NO_SCOPE
from crawler.client import AuthenticatedClient
from crawler.discovery import Page
from crawler.discovery.cursor import Cursor
from crawler.discovery.pending import REPOSITORY, PendingName
from crawler.errors import Missing, RegistryError
from crawler.model.run_manifest import Evidence
from crawler.transport.messages import Purpose
from crawler.wire.docker_hub import HubPage, parse_hub_page

PAGE: Final = 100

_NO_PRIVATE: Final = (
    "it never lists private ones: name them with repositories_from, "
    "or crawl the public ones alone, without a login (--auth anonymous)"
)
_CHECK: Final = "check the namespace, and name private repositories with repositories_from"


class DockerHubDiscovery:
    """The public repositories of one namespace: what anybody may know of them, whoever we are at the registry.

    A namespace that is mistyped has no repositories, or is answered with 404: either is an evidence that lacks proof.
    """

    method = "docker-hub"
    requires_all_listings = False

    def __init__(self, client: AuthenticatedClient, *, api: str, namespace: str, is_anybody: bool) -> None:
        """`inquiry` asks without credentials; `is_anybody` is whether the registry knows us no better either."""
        self._client = client
        self._namespace = namespace
        self._first = f"{api}/v2/namespaces/{namespace}/repositories?page_size={PAGE}"
        self._is_anonymous = is_anybody
        self._names: set[str] = set()
        self._count = 0
        self._broken: RegistryError | None = None
        self.pages_read = 0

    async def pages(self) -> AsyncIterator[Page]:
        try:
            async for page in self._pages_of_names():
                self.pages_read += 1
                self._count = page.count
                fresh = [name for name in page.names if name not in self._names]
                self._names.update(fresh)
                yield dict.fromkeys(f"{self._namespace}/{name}" for name in fresh)
        except RegistryError as fault:
            if self.pages_read == 0 and not isinstance(fault, Missing):
                raise
            self._broken = fault

    async def _pages_of_names(self) -> AsyncIterator[HubPage]:
        cursor = Cursor(self._first)
        while not cursor.is_over:
            address = cursor.token
            parse = partial(parse_hub_page, requested=address)
            _, page = await self._client.get(address, NO_SCOPE, parse, Purpose.API)
            yield page
            cursor.follow(page.next_url or "", address)

    def pending(self, name: str) -> PendingName:  # noqa: ARG002
        return REPOSITORY

    @property
    def evidence(self) -> Evidence:
        namespace, listed = self._namespace, len(self._names)
        if listed == self._count == 0:
            answer = "" if self._broken is None else f" ({self._broken})"
            text = f"Docker Hub lists no public repository of {namespace}{answer}, which proves nothing: {_CHECK}"
            return Evidence(complete=False, text=text)
        text = f"Docker Hub listed {listed:,} of {self._count:,} public repositories of {namespace}"
        if self._broken is not None:
            return Evidence(complete=False, text=f"{text}, then failed: {self._broken}")
        if listed < self._count:
            return Evidence(complete=False, text=f"{text}, and no next page")
        if not self._is_anonymous:
            return Evidence(complete=False, text=f"{text}; {_NO_PRIVATE}")
        return Evidence(complete=True, text=f"{text}, which are all that are public")
