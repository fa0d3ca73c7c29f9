"""The registry products, one row each, and which of them a target is."""

from functools import lru_cache
from typing import Final

from crawler.model.limits import Quota, Rate
from crawler.model.names import Target
from crawler.profiles.profile import (
    ApiProfile,
    CatalogAuth,
    DiscoveryMethod,
    QuotaScope,
    RegistryProfile,
    host_matches,
)

# https://cloud.google.com/artifact-registry/quotas
API_QUOTA: Final = Quota(("artifact-registry-api",), "Artifact Registry's quota for its API", (Rate(60_000, 60),))
"""The quota for Google's APIs. It is counted apart from the quota of the registry."""

MAX_CONCURRENT_LISTS: Final = 32
"""Lists of Google's APIs that are read at the same time."""

_GOOGLE_DISCOVERY: Final = (DiscoveryMethod.WALK, DiscoveryMethod.ARTIFACT_REGISTRY, DiscoveryMethod.CATALOG)
_GOOGLE_HOSTS: Final = ("gcr.io", "*.gcr.io", "*.pkg.dev")

# Artifact Registry has answered an empty or null list to valid credentials (GoogleCloudPlatform/gcr-cleaner#112, #80;
# goharbor/harbor#18981).
_EMPTY_GOOGLE_CATALOG: Final = "an empty catalog from a Google host means unknown, not none"

# Artifact Registry cuts a listing at n (google/go-containerregistry#1643), and its Docker API is incomplete above
# 10,000 entries (https://cloud.google.com/artifact-registry/quotas).
_GOOGLE_TAGS_PAGE_SIZE: Final = 10_000

# Token servers of distribution, Harbor, Quay, Azure and Docker Hub take several scopes in one request. Google's has
# trouble with them (containerd/containerd#4379, #8415; regclient/regclient#149), and GitHub's fails where one of the
# scopes is for a repository of another user (containerd/containerd#9648).
_SCOPES_PER_TOKEN: Final = 50

DISTRIBUTION: Final = RegistryProfile(
    # CNCF distribution, and every registry that is not recognised as another product.
    # Catalog: n above the server's `catalog.maxentries`, 1,000 by default, is refused with 400
    # PAGINATION_NUMBER_INVALID since 2.8.2 (distribution/distribution registry/handlers/catalog.go).
    # Tags: 2.8 ignores n, and 3.x returns all tags at once where there is no n.
    kind="distribution",
    scopes_per_token=_SCOPES_PER_TOKEN,
)
"""The profile of the specification."""

PROFILES: Final = (
    DISTRIBUTION,
    RegistryProfile(
        # Artifact Registry has served the gcr.io hosts since Google shut Container Registry down on 2025-03-18.
        # Quota: for each client address, of all gcr.io hosts; token requests count
        # (https://cloud.google.com/container-registry/quotas).
        kind="gcr",
        hosts=("gcr.io", "*.gcr.io"),
        discovery=_GOOGLE_DISCOVERY,
        empty_catalog_note=_EMPTY_GOOGLE_CATALOG,
        tags_page_size=_GOOGLE_TAGS_PAGE_SIZE,
        trusted_realms=_GOOGLE_HOSTS,
        rate_limits=(Rate(50_000, 600), Rate(1_000_000, 86_400)),
        quota_label="gcr.io's quota for one address",
        namespace_depth=1,
    ),
    RegistryProfile(
        # Quota: for each project and region, and so for each host
        # (https://cloud.google.com/artifact-registry/quotas).
        kind="artifact-registry",
        hosts=("*.pkg.dev",),
        discovery=_GOOGLE_DISCOVERY,
        empty_catalog_note=_EMPTY_GOOGLE_CATALOG,
        tags_page_size=_GOOGLE_TAGS_PAGE_SIZE,
        trusted_realms=_GOOGLE_HOSTS,
        rate_limits=(Rate(60_000, 60),),
        quota_scope=QuotaScope.PROJECT,
        quota_label="Artifact Registry's quota for {project} at {host}",
        namespace_depth=2,
    ),
    RegistryProfile(
        # People write docker.io, and the API is at registry-1.docker.io (moby/moby registry/config.go).
        # The catalog is 401 for everybody, so that names come from https://hub.docker.com, one namespace at a time.
        # The limit on pulls counts requests for manifests, and not listings (https://docs.docker.com/docker-hub/usage).
        kind="docker-hub",
        hosts=("docker.io", "index.docker.io", "registry-1.docker.io"),
        api_host="registry-1.docker.io",
        discovery=(DiscoveryMethod.DOCKER_HUB,),
        # API: its limits come in X-RateLimit-* headers
        # (https://docs.docker.com/reference/api/hub/latest/#tag/rate-limiting).
        api=ApiProfile(
            label="Docker Hub's API",
            base_url="https://hub.docker.com",
            lists_images=True,
            needs_namespace=True,
        ),
        prefix_hint="Docker Hub has no catalog, and lists one namespace at a time: docker.io/NAMESPACE",
        trusted_realms=("auth.docker.io",),
        limits_pulls=True,
        scopes_per_token=_SCOPES_PER_TOKEN,
    ),
    RegistryProfile(
        # No catalog: 404. Tags come 100 a page, whatever is requested.
        # Limit: its 429 says "retry-after: 10.305464ms, allowed: 2000/minute".
        # A scope for a repository of another user fails the whole token request (containerd/containerd#9648).
        # Its referrers API redirects to github.com, truncates the digest, and throttles (artifacthub/hub#4785).
        # API: 900 requests a minute, and 5,000 an hour for a token
        # (https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api).
        kind="ghcr",
        prefix_hint=(
            "GHCR has no catalog, and GitHub's API lists one owner at a time: ghcr.io/OWNER; "
            "or name the repositories with repositories_from (--repositories-from)"
        ),
        has_referrers_api=False,
        hosts=("ghcr.io",),
        discovery=(DiscoveryMethod.API,),
        api=ApiProfile(
            label="GitHub's packages API",
            base_url="https://api.github.com",
            lists_images=True,
            needs_namespace=True,
            rate_limits=(Rate(900, 60), Rate(5000, 3600)),
        ),
        tags_page_size=1000,
        rate_limits=(Rate(2000, 60),),
        quota_label="GHCR's limit for one address",
    ),
    RegistryProfile(
        # n is 100 by default and 1,000 at most.
        # A password is good for 12 hours (https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html).
        # An expired password is not only 401, but also 403, with a body that is not JSON.
        # Domains: one for each partition of AWS (boto/botocore botocore/data/partitions.json).
        kind="ecr",
        hosts=("*.dkr.ecr.*.amazonaws.com", "*.dkr.ecr.*.amazonaws.com.cn", "*.dkr.ecr.*.amazonaws.eu"),
        discovery=(DiscoveryMethod.CATALOG, DiscoveryMethod.API),
        api=ApiProfile(
            label="ECR's API",
            base_url="https://api.ecr.{region}.{domain}",
            lists_images=True,
            images_per_exchange=1000,
        ),
        tags_page_size=1000,
        reauth_statuses=frozenset({401, 403}),
    ),
    # No catalog. A cursor that it did not make itself is 405.
    RegistryProfile(
        kind="ecr-public",
        hosts=("public.ecr.aws",),
        discovery=(DiscoveryMethod.API,),
        prefix_hint=(
            "ECR Public has no catalog, and its API lists the account's own registry: public.ecr.aws/ALIAS; "
            "or name the repositories with repositories_from (--repositories-from)"
        ),
        # of the account's own registry alone; the API is in one region
        api=ApiProfile(
            label="ECR Public's API",
            base_url="https://api.ecr-public.us-east-1.amazonaws.com",
            lists_images=True,
            images_per_exchange=1000,
            needs_namespace=True,
        ),
        tags_page_size=1000,
    ),
    # n is 100 by default and 1,000 at most. Some catalogs need 5 (Azure/acr-cli#353); see registry/page_size.py.
    # API: at most 32 exchanges at once (Azure/acr-cli).
    RegistryProfile(
        kind="acr",
        hosts=("*.azurecr.io",),
        discovery=(DiscoveryMethod.CATALOG, DiscoveryMethod.API),
        api=ApiProfile(label="ACR's API", lists_images=True, concurrency=32),
        tags_page_size=1000,
        scopes_per_token=_SCOPES_PER_TOKEN,
    ),
    # Anonymous. Its catalog is one very large page, whatever is requested.
    RegistryProfile(kind="mcr", hosts=("mcr.microsoft.com",)),
    RegistryProfile(
        # Catalog: its token server answers 400 to the scope registry:catalog:*, and a token without a scope is
        # accepted. To an anonymous client the catalog is empty.
        # Pages: n above 100 is refused with 413, or lowered to 100.
        # Limit: about 5 a second (openshift/origin#22614).
        # API: 100 on a page; OAuth tokens alone, and no robot accounts (quay/quay endpoints/api/__init__.py).
        kind="quay",
        hosts=("quay.io",),
        discovery=(DiscoveryMethod.CATALOG, DiscoveryMethod.API),
        api=ApiProfile(label="Quay's API", lists_images=True, rate_limits=(Rate(5, 1),)),
        catalog_auth=CatalogAuth.UNSCOPED_TOKEN,
        empty_catalog_note="an empty catalog from Quay means unknown, not none",
        catalog_page_size=100,
        tags_page_size=100,
        rate_limits=(Rate(5, 1),),
        quota_label="Quay's limit",
        scopes_per_token=_SCOPES_PER_TOKEN,
    ),
    RegistryProfile(
        # Catalog: for system administrators, by Basic; everything else by token.
        # Absence: its middleware answers NOT_FOUND for an unknown repository (goharbor/harbor src/lib/errors/const.go,
        # NotFoundCode).
        # API: 100 on a page (goharbor/harbor api/v2.0/swagger.yaml). A wrong password counts as no password
        # (src/server/middleware/security/security.go).
        kind="harbor",
        discovery=(DiscoveryMethod.CATALOG, DiscoveryMethod.API),
        api=ApiProfile(label="Harbor's API", lists_images=True),
        catalog_auth=CatalogAuth.BASIC,
        scopes_per_token=_SCOPES_PER_TOKEN,
        absence_codes=DISTRIBUTION.absence_codes | {"NOT_FOUND"},
    ),
    RegistryProfile(
        # Token server: of registry.gitlab.com, https://gitlab.com/jwt/auth.
        # 30 failed logins within 3 minutes ban the client's address for an hour, with 403
        # (https://docs.gitlab.com/rate_limits/abuse_bans/). 16 at once stay below that.
        kind="gitlab",
        hosts=("registry.gitlab.com",),
        discovery=(DiscoveryMethod.CATALOG, DiscoveryMethod.API),
        # names from GitLab itself, images from the registry's own host
        api=ApiProfile(
            label="GitLab's API",
            base_url="https://gitlab.com",
            lists_images=True,
            lists_images_at_registry=True,
            images_per_exchange=1000,
            needs_namespace=True,
        ),
        trusted_realms=("gitlab.com",),
        max_concurrent_token_requests=16,
    ),
    # Below /artifactory/api/docker/KEY/v2/, which its links leave out; see wire/link.py.
    # API: one result has everything, up to 500,000 on jfrog.io (https://docs.jfrog.com/artifactory/docs/aql-performance).
    RegistryProfile(
        kind="artifactory",
        discovery=(DiscoveryMethod.CATALOG, DiscoveryMethod.API),
        api=ApiProfile(label="Artifactory's AQL", lists_images_with_names=True, images_per_exchange=500_000),
    ),
    # Links to a wrong host and prefix (sonatype/nexus-public#1011), null among the tags (containers/skopeo#2409); see
    # wire/link.py and wire/tags.py.
    # API: 10 components on a page (sonatype/nexus-public ComponentsResource.java).
    RegistryProfile(
        kind="nexus",
        discovery=(DiscoveryMethod.CATALOG, DiscoveryMethod.API),
        api=ApiProfile(label="Nexus's API", lists_images_with_names=True, images_per_exchange=10),
    ),
    # Cursors that are not encoded, an empty scope in the challenge; see wire/link.py and wire/challenge.py.
    # API: a page may have any number of images (project-zot/zot, pkg/extensions/search/pagination).
    RegistryProfile(
        kind="zot",
        discovery=(DiscoveryMethod.CATALOG, DiscoveryMethod.API),
        api=ApiProfile(label="zot's search", lists_images=True, lists_images_with_names=True, images_per_exchange=1000),
    ),
    # Also Forgejo. At most 100 a page, and a link on the last page with entries; see registry/pager.py.
    # API: names alone.
    RegistryProfile(
        kind="gitea",
        discovery=(DiscoveryMethod.CATALOG, DiscoveryMethod.API),
        api=ApiProfile(label="Gitea's packages API", needs_namespace=True),
        catalog_page_size=100,
        tags_page_size=100,
    ),
    # Tokens live for one minute, and n=0 is 500; see registry/page_size.py.
    RegistryProfile(kind="openshift"),
)

PROFILES_BY_KIND: Final = {profile.kind: profile for profile in PROFILES}


@lru_cache
def profile_for(target: Target, kind: str | None = None) -> RegistryProfile:
    """The profile of this kind, or without a kind that of the target's host; DISTRIBUTION for an unknown host."""
    if kind is not None:
        return PROFILES_BY_KIND[kind]
    return next((profile for profile in PROFILES if host_matches(target.host, profile.hosts)), DISTRIBUTION)
