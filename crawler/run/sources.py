"""The discovery of a run: `--discovery METHOD` becomes a source of names, and `auto` a fallback over several sources.

Which methods `auto` tries, and in which order, is data of the registry's profile (`crawler/profiles.py`).
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from crawler.auth.credentials import ANONYMOUS, Credential, CredentialProvider, PreemptiveAuth
from crawler.auth.google import AccessTokens
from crawler.auth.quota_project import QuotaProject
from crawler.client import AuthenticatedClient
from crawler.config import STDIO, RegistryConfig
from crawler.discovery import Discovery
from crawler.discovery.artifact_registry import ArtifactRegistryListing, ArtifactRegistryWalk
from crawler.discovery.catalog import CatalogDiscovery
from crawler.discovery.docker_hub import DockerHubDiscovery
from crawler.discovery.fallback import FallbackDiscovery
from crawler.discovery.google_apis import GoogleApis
from crawler.discovery.host_scope import HostScope
from crawler.discovery.name_list import ListDiscovery
from crawler.discovery.repository_search import RepositorySearch
from crawler.discovery.walk import WalkDiscovery
from crawler.errors import CredentialsError
from crawler.model.depth import ReferrersLevel
from crawler.model.names import Target
from crawler.profiles import DiscoveryMethod
from crawler.registry.registry import Registry
from crawler.run.credentials import ResolvedAuth, api_credentials
from crawler.transport.fetch import Transport


async def build_discovery(
    config: RegistryConfig, referrers: ReferrersLevel, registry: Registry, auth: ResolvedAuth, apis: Transport
) -> Discovery:
    """The source of names that the configuration selects.

    `auth` is the authentication at the registry. `apis` sends the requests to Google's and Docker Hub's APIs, which
    have rate limits of their own. Raises CredentialsError if the selected source needs credentials and there are none.
    """
    if config.repositories_from is not None:
        return _name_list(config.repositories_from, config.target)
    google = None
    if config.profile.is_google or config.discovery_method is DiscoveryMethod.ARTIFACT_REGISTRY:
        google = await api_credentials(config, auth.credentials, apis.limits.outage)
    sources = _Sources(config, referrers, registry, auth, apis, google)
    if config.discovery_method is not DiscoveryMethod.AUTO:
        return sources.create(config.discovery_method)
    candidates = [sources.create(method) for method in sources.candidates()]
    return candidates[0] if len(candidates) == 1 else FallbackDiscovery(candidates)


@dataclass(frozen=True, slots=True)
class _Sources:
    """Creates sources of names.

    `google` provides the access tokens for Google's APIs; None if the run has no credentials that these APIs accept.
    """

    config: RegistryConfig
    referrers: ReferrersLevel
    registry: Registry
    auth: ResolvedAuth
    apis: Transport
    google: CredentialProvider | None

    def candidates(self) -> list[DiscoveryMethod]:
        """The methods that `auto` tries.

        On Google's hosts, a walk needs a prefix to begin at. Under a prefix it replaces the catalog, which always lists
        the whole host. The API needs credentials.
        """
        methods = list(self.config.profile.discovery)
        if self.config.profile.is_google:
            methods.remove(DiscoveryMethod.CATALOG if self.config.target.prefix else DiscoveryMethod.WALK)
            if self.google is None:
                methods.remove(DiscoveryMethod.ARTIFACT_REGISTRY)
        return methods

    def create(self, method: DiscoveryMethod) -> Discovery:
        match method:
            case DiscoveryMethod.WALK:
                return WalkDiscovery(self.config.target.prefix, self.config.profile)
            case DiscoveryMethod.ARTIFACT_REGISTRY:
                return self._artifact_registry()
            case DiscoveryMethod.DOCKER_HUB:
                return DockerHubDiscovery(
                    AuthenticatedClient(PreemptiveAuth(ANONYMOUS), self.apis),
                    api=self.config.apis.docker_hub,
                    namespace=self.config.target.prefix.partition("/")[0],
                    is_anonymous=self.auth.is_anonymous,
                )
            case _:
                return CatalogDiscovery(self.registry, empty_catalog_note=self.config.profile.empty_catalog_note)

    def _artifact_registry(self) -> Discovery:
        config = self.config
        if self.google is None:
            raise CredentialsError(
                f"Artifact Registry's API needs an access token, and --auth {config.auth.method} provides none: "
                "use --key-file or --auth access-token"
            )
        quota_project = _quota_project(self.google)
        apis = GoogleApis(
            AuthenticatedClient(
                PreemptiveAuth(self.google, _as_bearer),
                self.apis,
                headers=() if quota_project is None else (quota_project.header,),
            ),
            artifact_registry=config.apis.artifact_registry,
            resource_manager=config.apis.resource_manager,
            quota_project=quota_project,
        )
        search = RepositorySearch(apis, HostScope.of_target(config.target, config.profile, config.location))
        if config.images_from == "api":
            return ArtifactRegistryListing(search, with_attachments=self.referrers is ReferrersLevel.API)
        return ArtifactRegistryWalk(search, config.profile)


def _quota_project(google: CredentialProvider) -> QuotaProject | None:
    """The project that requests to Google's APIs count against; None for the credentials' own project.

    Google's credentials may name it. For any other token, only the environment does.
    """
    return google.quota_project if isinstance(google, AccessTokens) else QuotaProject.find(os.environ, None)


def _as_bearer(credential: Credential) -> str:
    return f"Bearer {credential.password}"


def _name_list(file: Path, target: Target) -> Discovery:
    if file == STDIO:
        return ListDiscovery("standard input", sys.stdin.buffer.read, target.registry)
    return ListDiscovery(str(file), file.read_bytes, target.registry)
