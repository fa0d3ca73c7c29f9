"""What would make the same crawl cheaper, and what it would save."""

from dataclasses import dataclass
from math import ceil
from typing import Final

from crawler.auth.google import AccessTokens
from crawler.config import Config, RegistryConfig
from crawler.model.auth_method import AuthMethod
from crawler.profiles import DiscoveryMethod
from crawler.run.credentials import ResolvedAuth
from crawler.run.own_api import takes_images_from_api

GOOGLE_IMAGES_PER_EXCHANGE: Final = 1000
_WORTHWHILE: Final = 0.9
"""An estimate is given as advice where it costs at most this part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """The figures that advice depends on.

    Attributes:
        repositories: with Google's folders.
        tokens, listings: exchanges by kind.
        resolves: tags that are resolved, one exchange each.
        images: that listings have; 0 where they have none.
    """

    repositories: float
    tokens: float
    listings: float
    resolves: float
    images: float


def cheaper_ways(bill: Bill, config: Config, registry: RegistryConfig, auth: ResolvedAuth) -> tuple[str, ...]:
    """What to try, each with what it saves; nothing where nothing is cheaper."""
    ways = (
        _access_token(bill, auth),
        _batched_tokens(bill, registry, auth),
        _google_api(bill, registry, auth),
        _own_api(bill, config, registry),
    )
    return tuple(filter(None, ways))


def _access_token(bill: Bill, auth: ResolvedAuth) -> str:
    if not auth.could_skip_token or bill.tokens <= 1:
        return ""
    return f"--auth access-token needs none of the {bill.tokens:,.0f} exchanges for tokens"


def _batched_tokens(bill: Bill, registry: RegistryConfig, auth: ResolvedAuth) -> str:
    size = registry.profile.scopes_per_token
    batched = ceil(bill.repositories / size)
    if not bill.tokens:
        return ""
    if size == 1 or registry.tokens == "batched" or auth.could_skip_token or batched > _WORTHWHILE * bill.tokens:
        return ""
    return f'registry.tokens = "batched" needs about {batched:,} of the {bill.tokens:,.0f} exchanges for tokens'


def _google_api(bill: Bill, registry: RegistryConfig, auth: ResolvedAuth) -> str:
    """Google's API lists a thousand images in one exchange, in place of a listing and a token for each name."""
    is_open = isinstance(auth.credentials, AccessTokens) or registry.auth.method is AuthMethod.JSON_KEY
    lists_by_name = registry.discovery in {DiscoveryMethod.AUTO, DiscoveryMethod.API, DiscoveryMethod.ARTIFACT_REGISTRY}
    if not registry.profile.is_google or registry.images_from == "api" or not (is_open and lists_by_name):
        return ""
    exchanges = 2 + ceil(bill.images / GOOGLE_IMAGES_PER_EXCHANGE)
    now = bill.listings + bill.tokens
    if exchanges > _WORTHWHILE * now:
        return ""
    return (
        f"--discovery artifact-registry --images-from api needs about {exchanges:,} exchanges, and one or more for "
        f"each repository of Artifact Registry, in place of {now:,.0f} for listings and tokens; it leaves out names "
        "whose last image was deleted"
    )


def _own_api(bill: Bill, config: Config, registry: RegistryConfig) -> str:
    api, depth = registry.profile.api, config.images.depth
    if api is None or registry.profile.is_google or not (api.lists_images or api.lists_images_with_names):
        return ""
    can_be_asked = bool(registry.own_api_url) or api.lists_images_at_registry
    if not depth.reads_tags or not can_be_asked or takes_images_from_api(registry, depth) or bill.images:
        return ""
    pages = ceil(bill.resolves / api.images_per_exchange)
    exchanges = pages if api.lists_images_with_names else max(pages, ceil(bill.repositories))
    now = bill.listings + bill.resolves
    if exchanges > _WORTHWHILE * now:
        return ""
    return (
        f"--images-from api needs about {exchanges:,} exchanges with {api.label}, in place of {now:,.0f} for listings "
        "and tags"
    )
