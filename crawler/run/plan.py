"""What a run is made of before anything is open: its limits, its limiters, how it retries."""

from dataclasses import dataclass
from typing import Protocol

from crawler.config import Config, RegistryConfig
from crawler.inspect.allowance import Allowance
from crawler.limiter import AdaptiveLimiter, Limiter
from crawler.model.limits import Quota
from crawler.profiles import API_QUOTA, MAX_CONCURRENT_LISTS
from crawler.rate_limiter import RateLimiter, StartRate
from crawler.transport.retry import RetryPolicy
from crawler.transport.run_limits import RunLimits


class RateLimits(Protocol):
    """The rates of runs, by what limits them."""

    def for_quota(self, quota: Quota | None) -> StartRate | None:
        """The rate of all runs that have this quota; None where there is none."""
        ...

    def part_of(self, quota: Quota | None, config: Config) -> Quota | None:
        """What a run may use of a quota by itself."""
        ...


class SharedRateLimits:
    """One rate limiter for each quota, for all the runs of a process: registries that share a quota share its rate."""

    def __init__(self) -> None:
        self._limiters: dict[Quota, RateLimiter] = {}

    def for_quota(self, quota: Quota | None) -> RateLimiter | None:
        if quota is None:
            return None
        return self._limiters.setdefault(quota, RateLimiter(quota))

    def part_of(self, quota: Quota | None, config: Config) -> Quota | None:
        """A shard's part; all of a quota that each client address has, unless the shards have one address."""
        shard = config.scale.shard
        if quota is None or shard is None or (quota.is_per_address and not config.limits.shared_address):
            return quota
        return quota.share(shard.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The parts of a run that need no connection.

    Attributes:
        quota: what limits the rate of exchanges with the registry; None for no limit.
        api_quota: the same with the product's own API, or with Google's.
        api_concurrency: exchanges with that API in flight.
        limits: what the run may spend on retries and outages, at the registry and the APIs together.
        limiter: of exchanges with the registry.
        api_limiter: of exchanges with the APIs, which have a quota of their own.
        allowance: the exchanges that depth may cost.
    """

    config: Config
    registry: RegistryConfig
    quota: Quota | None
    api_quota: Quota | None
    api_concurrency: int
    limits: RunLimits
    limiter: Limiter
    api_limiter: Limiter
    allowance: Allowance


def make_plan(config: Config, registry: RegistryConfig, rate_limits: RateLimits) -> Plan:
    """The plan of a run. Call it inside the event loop."""
    quota = rate_limits.part_of(_quota(config, registry), config)
    api_quota = rate_limits.part_of(_api_quota(config, registry), config)
    api_concurrency = _api_concurrency(config, registry)
    policy = RetryPolicy(attempts=config.limits.attempts, give_up_s=config.limits.give_up_after)
    return Plan(
        config=config,
        registry=registry,
        quota=quota,
        api_quota=api_quota,
        api_concurrency=api_concurrency,
        limits=RunLimits(policy),
        limiter=AdaptiveLimiter(concurrency=config.limits.concurrency, rate=rate_limits.for_quota(quota)),
        api_limiter=AdaptiveLimiter(concurrency=api_concurrency, rate=rate_limits.for_quota(api_quota)),
        allowance=Allowance(config.limits.budget, config.scale.shard),
    )


def _api_concurrency(config: Config, registry: RegistryConfig) -> int:
    api = registry.profile.api
    return MAX_CONCURRENT_LISTS if api is None else min(api.concurrency, config.limits.concurrency)


def _api_quota(config: Config, registry: RegistryConfig) -> Quota | None:
    """The quota of the product's own API. A rate that is configured for its host holds for the API, too."""
    api = registry.profile.api
    if api is None:
        return API_QUOTA
    if config.limits.rate != "auto" and (registry.own_api_is_at_registry or api.lists_images_at_registry):
        return _quota(config, registry)
    return api.quota(registry.target.host)


def _quota(config: Config, registry: RegistryConfig) -> Quota | None:
    """The configured rate, or the host's published quota; None where there is none."""
    rate = config.limits.rate
    if rate == "auto":
        return registry.profile.quota(registry.target)
    if rate is None:
        return None
    host = registry.target.registry
    return Quota(("configured", host), f"the configured rate for {host}", (rate,))
