"""Who lists a repository: the product's own API, or the protocol where the API cannot."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import anyio

from crawler.errors import CredentialsError, GaveUp, RegistryError, Unreachable
from crawler.model.names import RepositoryName
from crawler.model.record import Listing
from crawler.model.words import repositories
from crawler.registry.registry import Registry
from crawler.vendors.api import ImagesApi

log = logging.getLogger(__name__)

_MAX_REFUSALS: Final = 3
"""An API that has refused so many repositories, and answered for none, is not asked again: it is closed to us."""


class ApiLister:
    """Lists the repositories of one run by an API. Where the API refuses or fails, the protocol lists them.

    So an API that cannot be reached, or may not be used, never ends a run, and costs no repository.
    """

    def __init__(self, api: ImagesApi, registry: Registry, label: str) -> None:
        """`label` names the API for people."""
        self._api = api
        self._registry = registry
        self._label = label
        self._listed = self._refused = self._empty = 0
        self._example = ""
        self._has_answered = self._is_closed = False
        self._first_request = anyio.Lock()

    def prefetch_hint(self, names: Iterable[RepositoryName]) -> None:
        """Announce the names that will be listed next: they need tokens of the registry once the API is closed."""
        if self._is_closed:
            self._registry.prefetch_hint(names)

    async def list_tags(self, name: RepositoryName) -> Listing:
        """The listing of a repository. Raises what `Registry.list_tags` raises.

        A listing without a tag and an image proves nothing: the protocol is asked, which knows an empty repository from
        one that does not exist.
        """
        told = await self._ask(name)
        if told is not None and (told.tags or told.images):
            return told
        listing = await self._registry.list_tags(name)
        if told is None or not listing.tags or listing.suspect is not None:
            return listing
        return replace(listing, suspect=f"{self._label} lists none of the {len(listing.tags):,} tags of tags/list")

    @property
    def note(self) -> str:
        """What the operator should know of the API; "" where it listed everything."""
        if not self._refused and not self._empty:
            return ""
        note = f"{self._label} listed the images of {repositories(self._listed)}"
        if self._refused:
            note += f" and refused {repositories(self._refused)}, for example {self._example}"
        if self._empty:
            note += f" and found nothing in {repositories(self._empty)}"
        closed = ", and was not asked again" if self._is_closed else ""
        return f"{note}{closed}: the protocol listed the others"

    @property
    def _is_untried(self) -> bool:
        return not self._has_answered and not self._is_closed

    async def _ask(self, name: RepositoryName) -> Listing | None:
        """What the API tells of a repository; None where it is not asked, and where it refuses."""
        if self._is_untried:
            async with self._first_request:  # one request finds out for all
                if self._is_untried:
                    return await self._request(name)
        return None if self._is_closed else await self._request(name)

    async def _request(self, name: RepositoryName) -> Listing | None:
        try:
            listing = await self._api.listing(name)
        except (RegistryError, CredentialsError, GaveUp) as error:
            self._on_refused(name, error)
            return None
        self._has_answered = True
        if listing.tags or listing.images:
            self._listed += 1
        else:
            self._empty += 1
        return listing

    def _on_refused(self, name: RepositoryName, error: RegistryError | CredentialsError | GaveUp) -> None:
        log.info("%s: the protocol lists its tags: %s", name, error)
        self._refused += 1
        self._example = self._example or f"{name}: {error}"
        if not isinstance(error, RegistryError):
            self._is_closed = True
        elif not self._has_answered:
            # one wait for an API that is not there is enough: meanwhile nothing is listed
            self._is_closed = isinstance(error, Unreachable) or self._refused >= _MAX_REFUSALS
