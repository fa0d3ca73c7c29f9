"""The bytes under a digest: from the cache, else from the registry, each digest requested once."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import partial

import anyio

from crawler.digest_cache.cache import DigestCache
from crawler.digest_cache.values import Content
from crawler.errors import RegistryError
from crawler.inspect.allowance import Allowance
from crawler.inspect.bulk import BulkManifests
from crawler.model.names import RepositoryName
from crawler.registry.manifests import Manifests, TagResponse
from crawler.single_flight import SingleFlight
from crawler.vendors.api import ManifestsApi
from crawler.wire.digest import digest_of, is_digest


class Contents:
    """Manifests and configs of one registry, for all repositories of a run.

    Each request raises what `Manifests` raises, and AllowanceSpent where it may not be made.
    """

    def __init__(
        self,
        manifests: Manifests,
        cache: DigestCache,
        allowance: Allowance,
        *,
        limits_pulls: bool,
        bulk: ManifestsApi | None,
    ) -> None:
        """`limits_pulls`: the registry counts each GET of a manifest, so tags are resolved by HEAD.

        `bulk` reads many manifests in one exchange; None where the product has no such API.
        """
        self._bulk = None if bulk is None else BulkManifests(bulk, allowance)
        self._manifests = manifests
        self._cache = cache
        self._allowance = allowance
        self._limits_pulls = limits_pulls
        self._flights: SingleFlight[str, Content] = SingleFlight()

    @property
    def batch_size(self) -> int:
        """How many manifests one exchange reads: 1, or more where the product's API reads many."""
        return 1 if self._bulk is None else self._bulk.batch_size

    async def resolve(self, name: RepositoryName, tag: str, last_digest: str | None) -> TagResponse:
        """What a tag leads to; `last_digest` is what it led to when it was last resolved.

        The body is None where the tag has not moved (304), and where the tag is resolved by HEAD. A
        body is not kept in the cache before `keep`: it may be a login page.
        """
        self._allowance.take_exchange()
        if self._limits_pulls:
            response = await self._manifests.digest_of_tag(name, tag) or await self._pull_tag(name, tag)
        else:
            is_known = last_digest is not None and self._cache.has(last_digest)
            response = await self._manifests.by_tag(name, tag, last_digest if is_known else None)
        self._allowance.on_pulls_left(response.pulls_left)
        return response

    def keep(self, digest: str, content: Content) -> Content:
        """Keep a content that has this digest; returns it."""
        self._cache.put(digest, content)
        return content

    async def manifest(self, name: RepositoryName, digest: str) -> Content:
        return await self._read(digest, partial(self._request_manifest, name, digest))

    async def config(self, name: RepositoryName, digest: str) -> bytes:
        return (await self._read(digest, partial(self._request_config, name, digest))).body

    def known(self, digest: str) -> Content | None:
        """The manifest of a tag that was resolved; None, and no miss, where it was never read. No request is made."""
        return self._cache.find(digest)

    async def read_ahead(self, name: RepositoryName, digests: Iterable[str]) -> None:
        """Read the manifests that the cache does not have, many in one exchange, where the product's API does that.

        What does not come, or does not have its digest, is read one by one when it is needed.
        """
        if self._bulk is None:
            return
        wanted = [digest for digest in dict.fromkeys(digests) if is_digest(digest) and not self._cache.has(digest)]
        size = self._bulk.batch_size
        async with anyio.create_task_group() as group:
            for start in range(0, len(wanted), size):
                group.start_soon(self._read_batch, self._bulk, name, wanted[start : start + size])

    async def _read_batch(self, bulk: BulkManifests, name: RepositoryName, digests: Sequence[str]) -> None:
        manifests = await bulk.read(name, digests)
        for digest in digests:
            manifest = manifests.get(digest)
            if manifest is not None and digest_of(manifest.body, digest) == digest:
                self.keep(digest, Content(manifest.body, manifest.media_type))

    async def check_manifest(self, name: RepositoryName, digest: str) -> None:
        """Request a manifest, whatever the cache has: the cache does not know which repositories have a digest.

        Raises Missing where this repository does not have it.
        """
        await self._request_manifest(name, digest)

    async def _read(self, digest: str, request: Callable[[], Awaitable[Content]]) -> Content:
        content = self._cache.get(digest)
        if content is not None:
            return content
        is_own = False

        async def fetch() -> Content:
            nonlocal is_own
            is_own = True
            return await request()

        try:
            return await self._flights.do(digest, fetch)
        except RegistryError:
            if is_own:
                raise
        return await request()  # another repository's failure proves nothing for this one

    async def _pull_tag(self, name: RepositoryName, tag: str) -> TagResponse:
        self._allowance.take_exchange()
        with self._allowance.pull():
            return await self._manifests.by_tag(name, tag, None)

    async def _request_manifest(self, name: RepositoryName, digest: str) -> Content:
        self._allowance.take_exchange()
        with self._allowance.pull() if self._limits_pulls else nullcontext():
            response = await self._manifests.by_digest(name, digest)
        self._allowance.on_pulls_left(response.pulls_left)
        return self.keep(digest, Content(response.body, response.media_type))

    async def _request_config(self, name: RepositoryName, digest: str) -> Content:
        self._allowance.take_exchange()
        return self.keep(digest, Content(await self._manifests.config(name, digest), None))
