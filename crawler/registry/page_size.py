"""How many entries of a list a page is requested with (`n`), and which size follows a size that failed.

The specification leaves sizes to the registry (distribution-spec, "Listing Tags"). What registries do with `n`:
- Refuse a size above their limit: distribution since 2.8.2 with 400 PAGINATION_NUMBER_INVALID above 1,000, Quay with
  413 above 100. So 1,000 and then 100 are tried, and at last no size at all.
- Return fewer entries than requested, and a link: GHCR and Gitea send 100. The pager needs to do nothing.
- Need too long for a large page, so that a proxy in front of them answers 502 or 504: some catalogs of Azure Container
  Registry fail at 100 and work at 5 (Azure/acr-cli#353). So 5 is tried last.
- Ignore `n` and return everything: distribution 2.8 for tags, MCR for its catalog. For a repository of very many tags
  that is again too long for a proxy (goharbor/harbor#6876).
- Fail at `n=0`: OpenShift answers 500. So 0 is never requested.
"""

from collections.abc import Collection
from typing import Final

from crawler.wire.page_url import with_page_size

SIZE_REFUSED: Final = frozenset({400, 405, 413})
"""Statuses by which a registry refuses a page size."""

GATEWAY_FAILED: Final = frozenset({502, 504})
"""Statuses by which a proxy says that the registry did not answer in time."""

_SMALLER_SIZES: Final = (1000, 100, 5)


class PageSizer:
    """The page size for all lists of one kind at a registry: the catalog, or the tags of every repository.

    A size that one list was refused is not requested for the next one. Many lists are read at once, and each may come
    to another conclusion. So the size only goes down: a list that began before a refusal cannot raise it again.

    Attributes:
        current: the size to request, or None to leave it to the registry. Only `lower` changes it.
        retry_statuses: the statuses of a first page after which a smaller page is requested.
    """

    def __init__(self, size: int | None, retry_statuses: Collection[int]) -> None:
        self.current = size
        self.retry_statuses = retry_statuses

    def lower(self, size: int | None) -> None:
        """Request no more than this from now on. None, no size at all, is below every number."""
        if self.current is not None and (size is None or size < self.current):
            self.current = size

    def sized(self, url: str) -> str:
        """The URL of a list's first page, in the current size."""
        return url if self.current is None else with_page_size(url, self.current)


def smaller_size(size: int | None, http_status: int | None) -> int | None:
    """The size to try after `size` failed with this status; `size` itself where there is none left.

    A refused size goes down to None, which leaves the size to the registry. A page that took too long goes down to 5
    instead, because a registry's own size may be everything at once.
    """
    if http_status in GATEWAY_FAILED:
        return next((smaller for smaller in _SMALLER_SIZES if size is None or smaller < size), size)
    return None if size is None else next((smaller for smaller in _SMALLER_SIZES[:-1] if smaller < size), None)
