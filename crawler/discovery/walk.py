"""Names from Google's folders, from the target's prefix down, without the catalog and without Google's APIs."""

from collections.abc import AsyncIterator
from typing import Final

from crawler.discovery.ownership import Ownership
from crawler.discovery.pending import ListResult, PendingName, ReportedName
from crawler.discovery.tree import FolderTree
from crawler.errors import CrawlerError, Missing
from crawler.model.record import Listing, NamePage
from crawler.model.run_manifest import Evidence
from crawler.profiles import RegistryProfile

_CHECK: Final = "check the prefix and the account's roles (roles/artifactregistry.reader)"


class WalkDiscovery:
    """One folder and everything below it. If the folder itself cannot be listed, `pages` raises the error.

    A folder that answers 404 is not an error: the walk finds nothing, and its evidence is incomplete.
    """

    method = "walk"
    requires_all_listings = True

    def __init__(self, root: str, profile: RegistryProfile, ownership: Ownership | None = None) -> None:
        self._root = root
        self._tree = FolderTree(self.method, profile, ownership)
        self._tree.start_at([root])
        self._root_error: CrawlerError | None = None

    async def pages(self) -> AsyncIterator[NamePage]:
        async for page in self._tree.pages():
            yield page
        if self._root_error is not None and not isinstance(self._root_error, Missing):
            raise self._root_error

    def pending(self, name: str) -> PendingName:
        return ReportedName(name, self._on_listed)

    def _on_listed(self, name: str, result: ListResult) -> bool:
        is_repository = self._tree.on_listed(name, result)
        if name == self._root and not isinstance(result, Listing):
            self._root_error = result
            return False
        return is_repository

    @property
    def pages_read(self) -> int:
        """Pages of nodes; 0 if the root answers 404."""
        return 0 if isinstance(self._root_error, Missing) else self._tree.pages_read

    @property
    def evidence(self) -> Evidence:
        walked = self._tree.evidence
        if self._tree.repositories or self._tree.left_to_others:
            return Evidence(walked.complete, f"a walk from {self._root} down: {walked.text}")
        return Evidence(
            complete=False, text=f"a walk from {self._root} down finds nothing, {self._why_nothing(walked)}"
        )

    def _why_nothing(self, walked: Evidence) -> str:
        if isinstance(self._root_error, Missing):
            return f"which proves nothing ({self._root_error}): {_CHECK}"
        if walked.complete:  # Google's hosts also return an empty listing for what the account may not see
            return f"which proves nothing: {_CHECK}"
        return f"and is incomplete: {walked.text}"
