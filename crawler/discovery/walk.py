"""Names from Google's folders: each listing tells its children, from the prefix down."""

from collections.abc import AsyncIterator

from crawler.discovery import Answer, Page
from crawler.discovery.folders import Folders
from crawler.errors import CrawlerError
from crawler.model import Evidence, Listing
from crawler.ways import Ways


class WalkDiscovery:
    """One folder and all below it; without the first there is nothing to tell, and its failure is the run's."""

    method = "walk"
    looks_inside = True

    def __init__(self, root: str, ways: Ways) -> None:
        self._root = root
        self._folders = Folders(ways)
        self._folders.add([root])
        self._failure: CrawlerError | None = None

    async def pages(self) -> AsyncIterator[Page]:
        async for page in self._folders.pages():
            yield page
        if self._failure is not None:
            raise self._failure

    def heard(self, name: str, answer: Answer) -> bool:
        is_repository = self._folders.heard(name, answer)
        if name == self._root and not isinstance(answer, Listing):
            self._failure = answer
            return False
        return is_repository

    @property
    def pages_read(self) -> int:
        return self._folders.pages_read

    @property
    def evidence(self) -> Evidence:
        told = self._folders.evidence
        if self._folders.repositories == 0:  # Google's hosts answer so for what they do not tell, too
            return Evidence(complete=False, text=f"a walk from {self._root} down found nothing, which proves nothing")
        return Evidence(told.complete, f"a walk from {self._root} down: {told.text}")
