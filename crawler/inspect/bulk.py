"""Manifests by the product's own API, many in one exchange, as long as it gives any."""

import logging
from collections.abc import Mapping, Sequence
from typing import Final

import anyio

from crawler.errors import CredentialsError, GaveUp, RegistryError, Unreachable
from crawler.inspect.allowance import Allowance, AllowanceSpent
from crawler.model.names import RepositoryName
from crawler.vendors.api import ManifestsApi, RawManifest

log = logging.getLogger(__name__)

_MAX_REFUSALS: Final = 3
"""An API that has refused so many batches, and given none, is not asked again: it is closed to us."""


class BulkManifests:
    """The manifests of one run by an API. What it refuses is read one by one, so it never ends a run.

    A refusal costs an exchange of the budget, and an API that is not there costs all attempts. So one batch finds out
    for all.
    """

    def __init__(self, api: ManifestsApi, allowance: Allowance) -> None:
        self.batch_size = api.batch_size
        self._api = api
        self._allowance = allowance
        self._refused = 0
        self._has_answered = self._is_closed = False
        self._first_request = anyio.Lock()

    async def read(self, name: RepositoryName, digests: Sequence[str]) -> Mapping[str, RawManifest]:
        """The manifests of a batch; those that do not come are left out, and all of them where the API is closed."""
        if self._is_untried:
            async with self._first_request:
                if self._is_untried:
                    return await self._request(name, digests)
        return {} if self._is_closed else await self._request(name, digests)

    @property
    def _is_untried(self) -> bool:
        return not self._has_answered and not self._is_closed

    async def _request(self, name: RepositoryName, digests: Sequence[str]) -> Mapping[str, RawManifest]:
        try:
            self._allowance.take_exchange()
            manifests = await self._api.manifests(name, digests)
        except (RegistryError, CredentialsError, GaveUp, AllowanceSpent) as error:
            self._on_refused(name, error)
            return {}
        self._has_answered = True
        return manifests

    def _on_refused(
        self, name: RepositoryName, error: RegistryError | CredentialsError | GaveUp | AllowanceSpent
    ) -> None:
        log.info("%s: its manifests are read one by one: %s", name, error)
        self._refused += 1
        if not isinstance(error, RegistryError):
            self._is_closed = True
        elif not self._has_answered:
            self._is_closed = isinstance(error, Unreachable) or self._refused >= _MAX_REFUSALS
