"""What a run inspects images with: the configuration becomes an inspector."""

from crawler.client import AuthenticatedClient
from crawler.digest_cache.cache import DigestCache
from crawler.inspect.bases import Bases
from crawler.inspect.contents import Contents
from crawler.inspect.fan_out import FreeTasks
from crawler.inspect.inspector import Inspector
from crawler.inspect.referrers import ReferrersApi
from crawler.inspect.tag_filter import TagFilter
from crawler.model.depth import ReferrersLevel
from crawler.model.run_manifest import CacheUse
from crawler.registry.manifests import Manifests
from crawler.registry.referrers import Referrers
from crawler.registry.registry import Registry
from crawler.run.plan import Plan
from crawler.vendors.api import ManifestsApi


class Inspection:
    """What a run inspects images with, from its beginning until its snapshot is published.

    Attributes:
        cache: the digest cache.
        bases: the base images that are in the cache.
    """

    def __init__(self, cache: DigestCache) -> None:
        self.cache = cache
        self.bases = Bases(cache)

    @property
    def cache_use(self) -> CacheUse:
        return CacheUse(hits=self.cache.hits, misses=self.cache.misses)

    def inspector(
        self, plan: Plan, registry: Registry, client: AuthenticatedClient, bulk: ManifestsApi | None
    ) -> Inspector:
        """The inspector of a registry. `bulk` reads many manifests at once, where the product's API does."""
        config, registry_config = plan.config, plan.registry
        url, profile = registry_config.api_url, registry_config.profile
        referrers_api = None
        if config.images.referrers is ReferrersLevel.API and profile.has_referrers_api:
            referrers_api = ReferrersApi(Referrers(url, client), plan.allowance)
        return Inspector(
            host=registry_config.target.registry,
            depth=config.images.depth,
            referrers=config.images.referrers,
            tag_filter=TagFilter(include=config.images.include_tags, exclude=config.images.exclude_tags),
            registry=registry,
            contents=Contents(
                Manifests(url, client, profile),
                self.cache,
                plan.allowance,
                limits_pulls=profile.limits_pulls,
                bulk=bulk,
            ),
            cache=self.cache,
            bases=self.bases,
            referrers_api=referrers_api,
            free_tasks=FreeTasks(config.limits.concurrency),
        )
