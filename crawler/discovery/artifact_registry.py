"""Names from Artifact Registry: its API lists the repositories, each of which holds images under many names.

Either a walk of the registry's folders lists the names in a repository (`ArtifactRegistryWalk`), or the API lists its
images (`ArtifactRegistryListing`).
"""

import logging
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from typing import Final

from crawler.discovery.ownership import Ownership
from crawler.discovery.pending import UNREPORTED, PendingName, ReportedName
from crawler.discovery.tree import FolderTree
from crawler.errors import RegistryError
from crawler.model.image import Image, Referrer
from crawler.model.record import Listing, NamePage
from crawler.model.run_manifest import Evidence
from crawler.profiles import MAX_CONCURRENT_LISTS, RegistryProfile
from crawler.registry.cursor import Cursor
from crawler.vendors.google.apis import GoogleApis, gather
from crawler.vendors.google.repository_search import FoundRepository, RepositorySearch

log = logging.getLogger(__name__)

_METHOD: Final = "artifact-registry"

_Attachments = dict[tuple[str, str], list[Referrer]]
"""Referrers by the path of an image below its repository, and by its digest."""


class ArtifactRegistryWalk:
    """The API lists the repositories; a walk of the registry's folders lists the names in them.

    The names include those whose last image was deleted, which the API does not list.
    """

    method = _METHOD
    requires_all_listings = True

    def __init__(self, search: RepositorySearch, profile: RegistryProfile, ownership: Ownership | None) -> None:
        self._search = search
        self._tree = FolderTree(self.method, profile, ownership)

    async def pages(self) -> AsyncIterator[NamePage]:
        async for batch in self._search.repositories():
            # Repositories of the same name at several locations share a folder. It is empty if all of them are.
            filled = {found.folder for found in batch if not found.repository.is_empty}
            roots = [self._root(found.folder) for found in batch]
            self._tree.start_at(roots, empty=[folder for found in batch if (folder := found.folder) not in filled])
        async for page in self._tree.pages():
            yield page

    def _root(self, folder: str) -> str:
        """Where to begin: at the folder of the repository, or at the target's prefix if that is below the folder."""
        root = self._search.scope.root
        return root if root.startswith(f"{folder}/") else folder

    def pending(self, name: str) -> PendingName:
        return ReportedName(name, self._tree.on_listed)

    @property
    def pages_read(self) -> int:
        return self._search.apis.pages_read + self._tree.pages_read

    @property
    def evidence(self) -> Evidence:
        return self._search.evidence(self._tree.evidence)


class ArtifactRegistryListing:
    """The API lists the repositories and the images in them, a thousand images in one exchange.

    The API lists images, not names: it does not list a name whose last image was deleted.
    """

    method = _METHOD
    requires_all_listings = False

    def __init__(self, search: RepositorySearch, ownership: Ownership | None, *, with_attachments: bool) -> None:
        """`with_attachments`: the API is also asked what is attached to the images, their referrers."""
        self._search = search
        self._ownership = ownership
        self._with_attachments = with_attachments

    async def pages(self) -> AsyncIterator[NamePage]:
        waiting: deque[_RepositoryImages] = deque()
        async for batch in self._search.repositories():
            waiting.extend(_RepositoryImages(found) for found in self._opened(batch))
        reading: list[_RepositoryImages] = []
        while waiting or reading:
            while waiting and len(reading) < MAX_CONCURRENT_LISTS:
                reading.append(waiting.popleft())
            results = await gather([partial(images.read_next_page, self._search.apis) for images in reading])
            for images, result in zip(reading, results, strict=True):
                if isinstance(result, RegistryError):
                    self._search.add_unreadable(images.found, result)
                    images.truncate(result)
            finished = [images for images in reading if images.is_over]
            attachments = await gather([partial(self._attachments, images.found) for images in finished])
            for images, attached in zip(finished, attachments, strict=True):
                if isinstance(attached, RegistryError):
                    log.info("attachments in %s are not listed: %s", images.found.folder, attached)
                yield images.page(None if isinstance(attached, RegistryError) else attached)
            reading = [images for images in reading if not images.is_over]

    def _opened(self, batch: Sequence[FoundRepository]) -> Sequence[FoundRepository]:
        """The repositories whose images this shard lists."""
        if self._ownership is None:
            return batch
        folders = dict.fromkeys(found.folder for found in batch)
        opened = {*self._ownership.select_opened(self.method, folders)}
        return [found for found in batch if found.folder in opened]

    async def _attachments(self, found: FoundRepository) -> _Attachments | None:
        """What is attached to the images of a repository; None where none were asked for. Raises RegistryError.

        An account that may list images is not always allowed to list attachments. Then the protocol is asked for the
        referrers of each image.
        """
        if not self._with_attachments:
            return None
        attachments: _Attachments = defaultdict(list)
        cursor = Cursor()
        while not cursor.is_over:
            for attachment in await self._search.apis.attachments(found.repository, cursor):
                attachments[attachment.path, attachment.subject_digest].append(attachment.referrer)
        return attachments

    def pending(self, name: str) -> PendingName:  # noqa: ARG002
        return UNREPORTED

    @property
    def pages_read(self) -> int:
        return self._search.apis.pages_read

    @property
    def evidence(self) -> Evidence:
        return self._search.evidence(Evidence(complete=True, text="the API listed every image"))


class _RepositoryImages:
    """The images of one repository, as far as they are read."""

    def __init__(self, found: FoundRepository) -> None:
        self.found = found
        self._cursor = Cursor()
        self._suspect: str | None = None
        self._images: defaultdict[str, list[Image]] = defaultdict(list)

    @property
    def is_over(self) -> bool:
        return self._cursor.is_over

    async def read_next_page(self, apis: GoogleApis) -> None:
        for path, image in await apis.images(self.found.repository, self._cursor):
            self._images[path].append(image)

    def truncate(self, error: RegistryError) -> None:
        """End the list at a page that cannot be read.

        The lost pages may hold images of every name on the earlier pages, so the listings of all names are suspect.
        """
        self._cursor.stop()
        self._suspect = f"the API's list of the images in {self.found.folder} was not read to its end: {error}"

    def page(self, attachments: _Attachments | None) -> NamePage:
        """The images by name, each name with the listing that the registry itself would return."""
        children = _children(self._images)
        return {
            f"{self.found.folder}/{path}": _listing(
                [_with_referrers(path, image, attachments) for image in images], children.get(path, ()), self._suspect
            )
            for path, images in sorted(self._images.items())
        }


def _with_referrers(path: str, image: Image, attachments: _Attachments | None) -> Image:
    return image if attachments is None else image.replace(referrers=tuple(attachments.get((path, image.digest), ())))


def _children(paths: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """For each folder, the names of the nodes directly below it, sorted."""
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
