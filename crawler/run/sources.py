"""The discovery of a run: `--discovery METHOD` becomes a source of names, and `auto` a fallback over several sources.

Which methods `auto` tries, and in which order, is data of the registry's profile (`crawler/profiles/products.py`). A
source is imported where it is created: a run has one or two of them.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.auth.credentials import CredentialProvider
from crawler.config import STDIO, ImagesConfig, RegistryConfig
from crawler.discovery import Discovery
from crawler.errors import CredentialsError
from crawler.model.names import Target
from crawler.profiles import DiscoveryMethod
from crawler.registry.registry import Registry
from crawler.run.credentials import ResolvedAuth
from crawler.run.own_api import takes_images_from_api
from crawler.transport.fetch import Transport
from crawler.vendors.api import VendorApi

if TYPE_CHECKING:
    from crawler.discovery.ownership import Ownership


async def build_discovery(
    config: RegistryConfig,
    images: ImagesConfig,
    registry: Registry,
    auth: ResolvedAuth,
    *,
    own_api: VendorApi,
    google_apis: Transport,
    ownership: "Ownership | None",
) -> Discovery:
    """The source of names that the configuration selects. `ownership` is None where one run takes the whole target.

    `auth` is the authentication at the registry. `google_apis` sends the requests to Google's APIs, which have rate
    limits of their own. Raises CredentialsError if the selected source needs credentials and there are none.
    """
    if config.repositories_from is not None:
        return _name_list(config.repositories_from, config.target)
    google = None
    if config.profile.is_google or config.discovery_method is DiscoveryMethod.ARTIFACT_REGISTRY:
        from crawler.run.google_credentials import api_credentials

        google = await api_credentials(config, auth.credentials, google_apis.limits.outage)
    return _Sources(config, images, registry, auth, own_api, google_apis, google, ownership).discovery()


@dataclass(frozen=True, slots=True)
class _Sources:
    """Creates sources of names.

    `google` provides the access tokens for Google's APIs; None if the run has no credentials that these APIs accept.
    """

    config: RegistryConfig
    images: ImagesConfig
    registry: Registry
    auth: ResolvedAuth
    own_api: VendorApi
    google_apis: Transport
    google: CredentialProvider | None
    ownership: "Ownership | None"

    def discovery(self) -> Discovery:
        """The source of names: one, or several that are tried in order.

        What every shard would read alike comes from the group's list: all of it where that holds for every source that
        is tried, else the catalog. Then it is one shard that tries, and the others have its result.
        """
        methods = self.methods()
        sources = [self.create(method) for method in methods]
        names = None if self.ownership is None else self.ownership.group_names
        if names is None:
            return _first_of(sources)
        from crawler.discovery.group_names import GroupNamesDiscovery

        if all(map(self._is_read_alike, methods)):
            return GroupNamesDiscovery(_first_of(sources), methods, names)
        if DiscoveryMethod.CATALOG in methods:
            index = methods.index(DiscoveryMethod.CATALOG)
            sources[index] = GroupNamesDiscovery(sources[index], [DiscoveryMethod.CATALOG], names)
        return _first_of(sources)

    def _is_read_alike(self, method: DiscoveryMethod) -> bool:
        """Whether every shard would read the same pages, of names alone.

        In Google's folders and repositories each shard opens its own. Names that come with their images stay with them:
        a list of all images would be as large as the snapshot.
        """
        match method:
            case DiscoveryMethod.WALK | DiscoveryMethod.ARTIFACT_REGISTRY:
                return False
            case DiscoveryMethod.API | DiscoveryMethod.DOCKER_HUB if self.own_api.names is not None:
                api = self.config.profile.api
                return self.config.images_from == "listing" or api is None or not api.lists_images_with_names
            case _:
                return True

    def methods(self) -> list[DiscoveryMethod]:
        """The methods to try, in this order. Where the product's own API is closed, the protocol follows it."""
        method = self.config.discovery_method
        if self.config.discovery is DiscoveryMethod.API:
            return [method, *(other for other in self._candidates() if other is not method)]
        return self._candidates() if method is DiscoveryMethod.AUTO else [method]

    def _candidates(self) -> list[DiscoveryMethod]:
        """The methods that `auto` tries.

        On Google's hosts, a walk needs a prefix to begin at. Under a prefix it replaces the catalog, which always lists
        the whole host. The API needs credentials. Where another product's API tells names and images together, and the
        images are wanted, it comes first.
        """
        profile, prefix = self.config.profile, self.config.target.prefix
        methods = list(profile.discovery)
        if profile.is_google:
            methods.remove(DiscoveryMethod.CATALOG if prefix else DiscoveryMethod.WALK)
            if self.google is None:
                methods.remove(DiscoveryMethod.ARTIFACT_REGISTRY)
        elif profile.api is not None and DiscoveryMethod.CATALOG in methods:
            if self.own_api.names is None or (profile.api.needs_namespace and not prefix):
                methods.remove(DiscoveryMethod.API)
            elif profile.api.lists_images_with_names and takes_images_from_api(self.config, self.images.depth):
                methods.sort(key=DiscoveryMethod.API.__ne__)
        return methods

    def create(self, method: DiscoveryMethod) -> Discovery:
        match method:
            case DiscoveryMethod.WALK:
                from crawler.discovery.walk import WalkDiscovery

                return WalkDiscovery(self.config.target.prefix, self.config.profile, self.ownership)
            case DiscoveryMethod.ARTIFACT_REGISTRY:
                return self._artifact_registry()
            case DiscoveryMethod.API | DiscoveryMethod.DOCKER_HUB if self.own_api.names is not None:
                from crawler.discovery.api import ApiDiscovery

                keeps_listings = self.config.images_from != "listing"
                return ApiDiscovery(method, self.own_api.names, keeps_listings=keeps_listings)
            case _:
                from crawler.discovery.catalog import CatalogDiscovery

                return CatalogDiscovery(self.registry, empty_catalog_note=self.config.profile.empty_catalog_note)

    def _artifact_registry(self) -> Discovery:
        if self.google is None:
            raise CredentialsError(
                f"Artifact Registry's API needs an access token, and --auth {self.config.auth.method} provides none: "
                "use --key-file or --auth access-token"
            )
        from crawler.run.google_sources import artifact_registry

        return artifact_registry(self.config, self.images, self.google, self.google_apis, self.ownership)


def _first_of(sources: Sequence[Discovery]) -> Discovery:
    if len(sources) == 1:
        return sources[0]
    from crawler.discovery.fallback import FallbackDiscovery

    return FallbackDiscovery(sources)


def _name_list(file: Path, target: Target) -> Discovery:
    from crawler.discovery.name_list import ListDiscovery

    if file == STDIO:
        return ListDiscovery("standard input", sys.stdin.buffer.read, target.registry)
    return ListDiscovery(str(file), file.read_bytes, target.registry)
