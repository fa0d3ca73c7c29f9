"""Where a run's names come from: a discovery method becomes a discovery, and `auto` what the registry's ways say."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from crawler.auth.challenge import NOBODY
from crawler.auth.credentials import Credentials, StraightAuthorization, User
from crawler.auth.google import AccessTokens
from crawler.auth.quota_project import QuotaProject
from crawler.client import Inquiry
from crawler.config import STANDARD_STREAM, RegistryConfig
from crawler.discovery import Discovery
from crawler.discovery.artifact_registry import Place, Search, ToldArtifacts, WalkedArtifacts
from crawler.discovery.catalog import CatalogDiscovery
from crawler.discovery.docker_hub import DockerHubDiscovery
from crawler.discovery.fallback import LadderDiscovery
from crawler.discovery.google_apis import GoogleApis
from crawler.discovery.name_list import ListDiscovery
from crawler.discovery.walk import WalkDiscovery
from crawler.errors import CredentialsError
from crawler.model.names import Target
from crawler.profiles import DiscoveryMethod
from crawler.registry.registry import Registry
from crawler.run.credentials import Identity, api_credentials
from crawler.transport.fetch import Transport


async def discovery_of(of: RegistryConfig, registry: Registry, identity: Identity, apis: Transport) -> Discovery:
    """`apis` carries what is asked of others than the registry. Raises CredentialsError."""
    if of.repositories_from is not None:
        return _listed(of.repositories_from, of.target)
    google = None
    if of.ways.is_google or of.discovery is DiscoveryMethod.ARTIFACT_REGISTRY:
        google = await api_credentials(of, identity.credentials, apis.outage)
    sources = _Sources(of, registry, identity, apis, google)
    if of.discovery is not DiscoveryMethod.AUTO:
        return sources.of_method(of.discovery)
    rungs = [sources.of_method(method) for method in sources.tried()]
    return rungs[0] if len(rungs) == 1 else LadderDiscovery(rungs)


@dataclass(frozen=True, slots=True)
class _Sources:
    """What names may come from. `google` is who we are to Google's APIs, None where they get nothing from us."""

    of: RegistryConfig
    registry: Registry
    identity: Identity
    apis: Transport
    google: Credentials | None

    def tried(self) -> list[DiscoveryMethod]:
        """What `auto` tries: below a prefix a walk, else what needs none; an API only with credentials for it."""
        methods = list(self.of.ways.discovery)
        if self.of.ways.is_google:
            methods.remove(DiscoveryMethod.CATALOG if self.of.target.prefix else DiscoveryMethod.WALK)
            if self.google is None:
                methods.remove(DiscoveryMethod.ARTIFACT_REGISTRY)
        return methods

    def of_method(self, method: DiscoveryMethod) -> Discovery:
        match method:
            case DiscoveryMethod.WALK:
                return WalkDiscovery(self.of.target.prefix, self.of.ways)
            case DiscoveryMethod.ARTIFACT_REGISTRY:
                return self._artifact_registry()
            case DiscoveryMethod.DOCKER_HUB:
                return DockerHubDiscovery(
                    Inquiry(StraightAuthorization(NOBODY), self.apis),
                    api=self.of.apis.docker_hub,
                    namespace=self.of.target.prefix.partition("/")[0],
                    is_anybody=self.identity.is_anybody,
                )
            case _:
                return CatalogDiscovery(self.registry, empty_means=self.of.ways.empty_means)

    def _artifact_registry(self) -> Discovery:
        of = self.of
        if self.google is None:
            raise CredentialsError(
                f"Artifact Registry's API needs an access token, and --auth {of.auth.method} has none: "
                "give --key-file, or --auth access-token"
            )
        quota_project = _quota_project(self.google)
        apis = GoogleApis(
            Inquiry(
                StraightAuthorization(self.google, _as_bearer),
                self.apis,
                headers=() if quota_project is None else (quota_project.header,),
            ),
            artifact_registry=of.apis.artifact_registry,
            resource_manager=of.apis.resource_manager,
            quota_project=quota_project,
        )
        search = Search(apis, Place.behind(of.target, of.ways, of.location))
        return ToldArtifacts(search) if of.images_from == "api" else WalkedArtifacts(search, of.ways)


def _quota_project(google: Credentials) -> QuotaProject | None:
    """The quota project of Google's credentials; for a token from elsewhere only the environment names one."""
    return google.quota_project if isinstance(google, AccessTokens) else QuotaProject.find(os.environ, None)


def _as_bearer(user: User) -> str:
    return f"Bearer {user.password}"


def _listed(names: Path, target: Target) -> Discovery:
    if names == STANDARD_STREAM:
        return ListDiscovery("standard input", sys.stdin.buffer.read, target.registry)
    return ListDiscovery(str(names), names.read_bytes, target.registry)
