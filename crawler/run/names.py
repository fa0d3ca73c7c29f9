"""Where a run's names come from: a discovery method becomes a discovery, and `auto` what the registry's ways say."""

import sys
from pathlib import Path

from crawler.auth.basic import StraightAuthorization, User
from crawler.auth.flow import NOBODY
from crawler.config import STANDARD_STREAM, RegistryConfig
from crawler.discovery import Discovery
from crawler.discovery.artifact_registry import Place, Search, ToldArtifacts, WalkedArtifacts
from crawler.discovery.catalog import CatalogDiscovery
from crawler.discovery.docker_hub import DockerHubDiscovery
from crawler.discovery.google_apis import GoogleApis
from crawler.discovery.ladder import LadderDiscovery
from crawler.discovery.listed import ListDiscovery
from crawler.discovery.walk import WalkDiscovery
from crawler.errors import CredentialsError
from crawler.inquiry import Inquiry
from crawler.registry import Registry
from crawler.run.identity import Identity, api_credentials
from crawler.transport.fetch import Transport
from crawler.ways import DiscoveryMethod


async def discovery_of(of: RegistryConfig, registry: Registry, identity: Identity, apis: Transport) -> Discovery:
    """`apis` carries what is asked of others than the registry. Raises CredentialsError."""
    if of.repositories_from is not None:
        return _listed(of.repositories_from)
    if of.discovery is not DiscoveryMethod.AUTO:
        return await _source(of.discovery, of, registry, identity, apis)
    rungs = [await _source(method, of, registry, identity, apis) for method in await _tried(of, identity)]
    return rungs[0] if len(rungs) == 1 else LadderDiscovery(rungs)


async def _tried(of: RegistryConfig, identity: Identity) -> list[DiscoveryMethod]:
    """What `auto` tries: below a prefix a walk, without one what needs none; an API only with credentials for it."""
    methods = list(of.ways.discovery)
    if not of.ways.is_google:
        return methods
    methods.remove(DiscoveryMethod.CATALOG if of.target.prefix else DiscoveryMethod.WALK)
    if await api_credentials(of, identity.credentials) is None:
        methods.remove(DiscoveryMethod.ARTIFACT_REGISTRY)
    return methods


async def _source(
    method: DiscoveryMethod, of: RegistryConfig, registry: Registry, identity: Identity, apis: Transport
) -> Discovery:
    match method:
        case DiscoveryMethod.WALK:
            return WalkDiscovery(of.target.prefix, of.ways)
        case DiscoveryMethod.ARTIFACT_REGISTRY:
            return await _artifact_registry(of, identity, apis)
        case DiscoveryMethod.DOCKER_HUB:
            return DockerHubDiscovery(
                Inquiry(StraightAuthorization(NOBODY), apis),
                api=of.apis.docker_hub,
                namespace=of.target.prefix.partition("/")[0],
                is_anybody=identity.is_anybody,
            )
        case _:
            return CatalogDiscovery(registry, empty_means=of.ways.empty_means)


async def _artifact_registry(of: RegistryConfig, identity: Identity, transport: Transport) -> Discovery:
    credentials = await api_credentials(of, identity.credentials)
    if credentials is None:
        raise CredentialsError(
            f"Artifact Registry's API wants an access token, which {of.auth.method} has none of: "
            "give --key-file, or --auth access-token"
        )
    apis = GoogleApis(
        Inquiry(StraightAuthorization(credentials, _as_bearer), transport),
        artifact_registry=of.apis.artifact_registry,
        resource_manager=of.apis.resource_manager,
    )
    search = Search(apis, Place.behind(of.target, of.ways, of.location))
    return ToldArtifacts(search) if of.images_from == "api" else WalkedArtifacts(search, of.ways)


def _as_bearer(user: User) -> str:
    return f"Bearer {user.password}"


def _listed(names: Path) -> Discovery:
    if names == STANDARD_STREAM:
        return ListDiscovery("standard input", sys.stdin.buffer.read)
    return ListDiscovery(str(names), names.read_bytes)
