"""Several sources, of which the first that proves anything counts."""

import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence

from crawler.discovery import Discovery, Page
from crawler.discovery.pending import ListResult, PendingName, ReportedName
from crawler.errors import CredentialsError, RegistryError
from crawler.model.run_manifest import Evidence

log = logging.getLogger(__name__)


class FallbackDiscovery:
    """Goes from a source that fails at once, or finds nothing and proves nothing, to the next.

    What was tried is in the evidence. Where the last source finds nothing either, the first that read a page counts,
    with its lack of proof. A failure of the last source is raised only where no source read a page: a walk that is
    answered 404 at its root has read none.
    """

    def __init__(self, rungs: Sequence[Discovery]) -> None:
        self._current, *rest = rungs
        self._rest = deque(rest)
        self._yielded: Discovery | None = None
        self._found = 0
        self._fallback_reasons: list[tuple[Discovery, str]] = []

    @property
    def method(self) -> str:
        return self._current.method

    @property
    def requires_all_listings(self) -> bool:
        return self._current.requires_all_listings

    async def pages(self) -> AsyncIterator[Page]:
        while True:
            try:
                async for page in self._current.pages():
                    self._found += 0 if self.requires_all_listings else len(page)
                    yield page
            except (RegistryError, CredentialsError) as failure:
                if not self._rest and self._yielded is None:
                    raise
                why = str(failure)
            else:
                why = self._current.evidence.text
                if self._found or self._current.evidence.complete:
                    return
                if self._yielded is None and self._current.pages_read:
                    self._yielded = self._current
            self._fallback_reasons.append((self._current, why))
            if not self._rest:
                self._current = self._yielded or self._current
                return
            log.info("%s was left for %s: %s", self.method, self._rest[0].method, why)
            self._current = self._rest.popleft()

    def pending(self, name: str) -> PendingName:
        return ReportedName(name, self._on_listed)

    def _on_listed(self, name: str, result: ListResult) -> bool:
        with self._current.pending(name) as pending:
            is_repository = pending.resolve(result)
        self._found += is_repository
        return is_repository

    @property
    def pages_read(self) -> int:
        return self._current.pages_read

    @property
    def evidence(self) -> Evidence:
        told = self._current.evidence
        others = [f"{rung.method}: {why}" for rung, why in self._fallback_reasons if rung is not self._current]
        return Evidence(told.complete, told.text + (f" (tried: {'; '.join(others)})" if others else ""))
