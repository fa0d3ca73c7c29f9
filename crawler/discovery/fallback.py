"""Several sources, of which the first that proves anything counts."""

import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence

from crawler.discovery import Answer, Discovery, Page
from crawler.errors import CredentialsError, RegistryError
from crawler.model.run_manifest import Evidence

log = logging.getLogger(__name__)


class LadderDiscovery:
    """Goes from a source that fails at once, or finds nothing and proves nothing, to the next.

    What was tried is in the evidence. Where the last source finds nothing either, the first that read a page counts,
    with its lack of proof. A failure of the last source is raised only where no source read a page: a walk that is
    answered 404 at its root has read none.
    """

    def __init__(self, rungs: Sequence[Discovery]) -> None:
        self._rung, *rest = rungs
        self._rest = deque(rest)
        self._told: Discovery | None = None
        self._found = 0
        self._left: list[tuple[Discovery, str]] = []

    @property
    def method(self) -> str:
        return self._rung.method

    @property
    def looks_inside(self) -> bool:
        return self._rung.looks_inside

    async def pages(self) -> AsyncIterator[Page]:
        while True:
            try:
                async for page in self._rung.pages():
                    self._found += 0 if self.looks_inside else len(page)
                    yield page
            except (RegistryError, CredentialsError) as failure:
                if not self._rest and self._told is None:
                    raise
                why = str(failure)
            else:
                why = self._rung.evidence.text
                if self._found or self._rung.evidence.complete:
                    return
                if self._told is None and self._rung.pages_read:
                    self._told = self._rung
            self._left.append((self._rung, why))
            if not self._rest:
                self._rung = self._told or self._rung
                return
            log.info("%s was left for %s: %s", self.method, self._rest[0].method, why)
            self._rung = self._rest.popleft()

    def heard(self, name: str, answer: Answer) -> bool:
        is_repository = self._rung.heard(name, answer)
        self._found += is_repository
        return is_repository

    @property
    def pages_read(self) -> int:
        return self._rung.pages_read

    @property
    def evidence(self) -> Evidence:
        told = self._rung.evidence
        others = [f"{rung.method}: {why}" for rung, why in self._left if rung is not self._rung]
        return Evidence(told.complete, told.text + (f" (tried: {'; '.join(others)})" if others else ""))
