"""Names from Google's APIs: Artifact Registry as a source, and the project that its requests count against."""

import os

from crawler.auth.credentials import Credential, CredentialProvider, PreemptiveAuth
from crawler.auth.google import AccessTokens
from crawler.auth.quota_project import QuotaProject
from crawler.client import AuthenticatedClient
from crawler.config import ImagesConfig, RegistryConfig
from crawler.discovery import Discovery
from crawler.discovery.artifact_registry import ArtifactRegistryListing, ArtifactRegistryWalk
from crawler.discovery.ownership import Ownership
from crawler.model.depth import ReferrersLevel
from crawler.transport.fetch import Transport
from crawler.vendors.google.apis import GoogleApis
from crawler.vendors.google.host_scope import HostScope
from crawler.vendors.google.repository_search import RepositorySearch


def artifact_registry(
    config: RegistryConfig,
    images: ImagesConfig,
    google: CredentialProvider,
    transport: Transport,
    ownership: Ownership | None,
) -> Discovery:
    """The repositories of Artifact Registry that the target's host serves. Raises CredentialsError."""
    apis = open_google_apis(config, google, transport)
    search = RepositorySearch(apis, HostScope.of_target(config.target, config.profile, config.location))
    if config.images_from == "api":
        with_attachments = images.referrers is ReferrersLevel.API
        return ArtifactRegistryListing(search, ownership, with_attachments=with_attachments)
    return ArtifactRegistryWalk(search, config.profile, ownership)


def open_google_apis(config: RegistryConfig, google: CredentialProvider, transport: Transport) -> GoogleApis:
    """Google's APIs at the configured URLs, with these credentials and their quota project. Raises CredentialsError."""
    quota_project = _quota_project(google)
    return GoogleApis(
        AuthenticatedClient(
            PreemptiveAuth(google, _as_bearer),
            transport,
            headers=() if quota_project is None else (quota_project.header,),
        ),
        artifact_registry=config.apis.artifact_registry,
        resource_manager=config.apis.resource_manager,
        quota_project=quota_project,
    )


def _quota_project(google: CredentialProvider) -> QuotaProject | None:
    """The project that requests to Google's APIs count against; None for the credentials' own project.

    Google's credentials may name it. For any other token, only the environment does.
    """
    return google.quota_project if isinstance(google, AccessTokens) else QuotaProject.find(os.environ, None)


def _as_bearer(credential: Credential) -> str:
    return f"Bearer {credential.password}"
