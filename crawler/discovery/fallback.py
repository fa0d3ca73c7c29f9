"""Several sources, tried in order until one of them finds names or proves that there are none."""

import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence

from crawler.discovery import Discovery
from crawler.discovery.api import ApiDiscovery
from crawler.discovery.pending import ListResult, PendingName, ReportedName
from crawler.errors import CredentialsError, GaveUp, RegistryError
from crawler.model.record import NamePage
from crawler.model.run_manifest import Evidence

log = logging.getLogger(__name__)


class FallbackDiscovery:
    """Tries the next source when a source fails at once, or finds no names without proof that there are none.

    The evidence names every source that was tried, and why it was given up. If the last source finds nothing either,
    the evidence of the first source that read a page counts. A failure of the last source is raised only if no source
    read a page. A walk whose root answers 404 has read none.
    """

    def __init__(self, sources: Sequence[Discovery]) -> None:
        self._current, *rest = sources
        self._rest = deque(rest)
        self._first_readable: Discovery | None = None
        self._found = 0
        self._fallback_reasons: list[tuple[Discovery, str]] = []

    @property
    def method(self) -> str:
        return self._current.method

    @property
    def requires_all_listings(self) -> bool:
        return self._current.requires_all_listings

    async def pages(self) -> AsyncIterator[NamePage]:
        while True:
            try:
                async for page in self._current.pages():
                    # A name of a walk may be a mere folder: `_on_listed` counts the repositories among them.
                    self._found += 0 if self.requires_all_listings else len(page)
                    yield page
            except (RegistryError, CredentialsError, GaveUp) as exc:
                if not self._goes_on_after(exc):
                    raise
                reason = str(exc)
            else:
                evidence = self._current.evidence
                if self._found or evidence.complete:
                    return
                reason = evidence.text
                if self._first_readable is None and self._current.pages_read:
                    self._first_readable = self._current
            self._fallback_reasons.append((self._current, reason))
            if not self._rest:
                self._current = self._first_readable or self._current
                return
            log.info("discovery %s yielded no names, trying %s: %s", self.method, self._rest[0].method, reason)
            self._current = self._rest.popleft()

    def _goes_on_after(self, failure: RegistryError | CredentialsError | GaveUp) -> bool:
        """Whether a failure of the current source leaves another source, or one that read a page before.

        The product's own API has outages and quotas of its own, and the registry may well answer. Where the registry
        itself does not answer, the run ends.
        """
        if isinstance(failure, GaveUp):
            return bool(self._rest) and isinstance(self._current, ApiDiscovery)
        return bool(self._rest) or self._first_readable is not None

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
        evidence = self._current.evidence
        tried = [f"{source.method}: {why}" for source, why in self._fallback_reasons if source is not self._current]
        return Evidence(evidence.complete, evidence.text + (f" (tried: {'; '.join(tried)})" if tried else ""))
