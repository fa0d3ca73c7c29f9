"""Manifests by the product's own API, many in one exchange, as long as it answers."""

from collections.abc import Mapping, Sequence

from crawler.inspect.allowance import Allowance, AllowanceSpent
from crawler.model.names import RepositoryName
from crawler.vendors.api import ManifestsApi, RawManifest
from crawler.vendors.availability import Availability


class BulkManifests:
    """The manifests of one run by an API. What it refuses is read one by one, so it never ends a run."""

    def __init__(self, api: ManifestsApi, allowance: Allowance) -> None:
        self.batch_size = api.batch_size
        self._api = api
        self._allowance = allowance
        self._availability = Availability()

    async def read(self, name: RepositoryName, digests: Sequence[str]) -> Mapping[str, RawManifest]:
        """The manifests of a batch; those that do not come are left out, and all of them where the API is closed."""

        async def request() -> Mapping[str, RawManifest]:
            self._allowance.take_exchange()  # a refusal costs one as well
            return await self._api.manifests(name, digests)

        try:
            return await self._availability.ask(name, request) or {}
        except AllowanceSpent:
            return {}
