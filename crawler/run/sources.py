"""Where a run's names come from: a discovery method becomes a discovery, and `auto` what the registry's ways say."""

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
from crawler.discovery.artifact_registry import (
    ArtifactRegistryListing,
    ArtifactRegistryWalk,
    HostScope,
    RepositorySearch,
)
from crawler.discovery.catalog import CatalogDiscovery
from crawler.discovery.docker_hub import DockerHubDiscovery
from crawler.discovery.fallback import FallbackDiscovery
from crawler.discovery.google_apis import GoogleApis
from crawler.discovery.name_list import ListDiscovery
from crawler.discovery.walk import WalkDiscovery
from crawler.errors import CredentialsError
from crawler.model.names import Target
from crawler.profiles import DiscoveryMethod
from crawler.registry.registry import Registry
from crawler.run.credentials import ResolvedAuth, api_credentials
from crawler.transport.fetch import Transport


async def build_discovery(config: RegistryConfig, registry: Registry, auth: ResolvedAuth, apis: Transport) -> Discovery:
    """`apis` carries what is asked of others than the registry. Raises CredentialsError."""
    if config.repositories_from is not None:
        return _read_name_list(config.repositories_from, config.target)
    google = None
    if config.profile.is_google or config.discovery is DiscoveryMethod.ARTIFACT_REGISTRY:
        google = await api_credentials(config, auth.credentials, apis.outage)
    sources = _Sources(config, registry, auth, apis, google)
    if config.discovery is not DiscoveryMethod.AUTO:
        return sources.create(config.discovery)
    rungs = [sources.create(method) for method in sources.candidates()]
    return rungs[0] if len(rungs) == 1 else FallbackDiscovery(rungs)


@dataclass(frozen=True, slots=True)
class _Sources:
    """What names may come from. `google` is who we are to Google's APIs, None where they get nothing from us."""

    config: RegistryConfig
    registry: Registry
    auth: ResolvedAuth
    apis: Transport
    google: CredentialProvider | None

    def candidates(self) -> list[DiscoveryMethod]:
        """What `auto` tries: below a prefix a walk, else what needs none; an API only with credentials for it."""
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
                    is_anybody=self.auth.is_anonymous,
                )
            case _:
                return CatalogDiscovery(self.registry, empty_means=self.config.profile.empty_catalog_note)

    def _artifact_registry(self) -> Discovery:
        of = self.config
        if self.google is None:
            raise CredentialsError(
                f"Artifact Registry's API needs an access token, and --auth {of.auth.method} has none: "
                "give --key-file, or --auth access-token"
            )
        quota_project = _quota_project(self.google)
        apis = GoogleApis(
            AuthenticatedClient(
                PreemptiveAuth(self.google, _as_bearer),
                self.apis,
                headers=() if quota_project is None else (quota_project.header,),
            ),
            artifact_registry=of.apis.artifact_registry,
            resource_manager=of.apis.resource_manager,
            quota_project=quota_project,
        )
        search = RepositorySearch(apis, HostScope.of_target(of.target, of.profile, of.location))
        return ArtifactRegistryListing(search) if of.images_from == "api" else ArtifactRegistryWalk(search, of.profile)


def _quota_project(google: CredentialProvider) -> QuotaProject | None:
    """The quota project of Google's credentials; for a token from elsewhere only the environment names one."""
    return google.quota_project if isinstance(google, AccessTokens) else QuotaProject.find(os.environ, None)


def _as_bearer(user: Credential) -> str:
    return f"Bearer {user.password}"


def _read_name_list(names: Path, target: Target) -> Discovery:
    if names == STDIO:
        return ListDiscovery("standard input", sys.stdin.buffer.read, target.registry)
    return ListDiscovery(str(names), names.read_bytes, target.registry)
