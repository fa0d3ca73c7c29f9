"""What is special about each registry product, where it differs from the distribution specification: one table.

To support another registry: add a row to `PROFILES` with a source for each difference, and a script of its behaviour to
`tests/registries/`. The table holds data only. Code follows where data cannot express the difference.

Sources are `owner/name#n` for an issue or pull request on GitHub, `owner/name path` for a file there, or a URL.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from fnmatch import fnmatchcase
from typing import Final

from crawler.model.limits import Quota, Rate
from crawler.model.names import Target


class DiscoveryMethod(StrEnum):
    """Where repository names come from."""

    AUTO = "auto"
    CATALOG = "catalog"
    LIST = "list"
    WALK = "walk"
    API = "api"
    """The product's own API, whichever that is."""
    ARTIFACT_REGISTRY = "artifact-registry"
    DOCKER_HUB = "docker-hub"


_BY_API: Final = frozenset({DiscoveryMethod.API, DiscoveryMethod.ARTIFACT_REGISTRY, DiscoveryMethod.DOCKER_HUB})


class CatalogAuth(Enum):
    """Which credentials the catalog accepts."""

    SCOPED_TOKEN = auto()
    """A token for `registry:catalog:*`, as the specification has it."""
    BASIC = auto()
    """User name and password."""
    UNSCOPED_TOKEN = auto()
    """A token for no scope. A request for a token with the catalog's scope is refused."""


class QuotaScope(Enum):
    """Whose exchanges an operator counts together."""

    CLIENT_ADDRESS = auto()
    """All exchanges from one IP address, with all hosts of the product."""
    PROJECT = auto()
    """All exchanges with one Google project on one host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiProfile:
    """A product's own API, beside the protocol of the specification.

    Attributes:
        label: the API, for people.
        base_url: its URL for the product's own hosts, without a slash at its end. {region} and {domain} are those of an
            AWS host. "": the registry's own origin. For other hosts of the product, `registry.apis.own` is needed.
        lists_names: whether it lists the names of repositories.
        lists_images: whether it lists the images of a repository, with their digests.
        lists_images_at_registry: whether it does so at the registry's own host, and with the registry's own tokens.
        lists_images_with_names: whether its names come with their images, many repositories in one exchange.
        images_per_exchange: its price.
        needs_namespace: whether it lists names for one namespace at a time: the target must have a prefix.
        rate_limits: the operator's quota for the API, the shortest window first; () where none is known.
        concurrency: the most exchanges with it at once.
    """

    label: str
    base_url: str = ""
    lists_names: bool = True
    lists_images: bool = False
    lists_images_at_registry: bool = False
    lists_images_with_names: bool = False
    images_per_exchange: int = 100
    needs_namespace: bool = False
    rate_limits: tuple[Rate, ...] = ()
    concurrency: int = 16

    def quota(self, host: str) -> Quota | None:
        """The operator's quota for the API of the registry at `host`; None where none is known."""
        return (
            Quota(("api", self.label, host), f"the limit of {self.label}", self.rate_limits)
            if self.rate_limits
            else None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryProfile:
    """What is special about one registry product.

    Attributes:
        kind: the name of the product, as `registry.kind` has it.
        hosts: globs of the hosts that are recognised as this product. For other hosts, `registry.kind` names it.
        api_host: the host of the API, where it is not the host that people name; else "".
        discovery: the methods that `auto` tries, in this order. None of them: names must be given in a list.
        prefix_hint: why a target must have a prefix, or "" where it need not.
        catalog_auth: which credentials the catalog accepts.
        empty_catalog_note: why an empty catalog does not prove that there are no repositories, or "" where it does.
        catalog_page_size: names to request on a page of the catalog: the largest size that is accepted.
        tags_page_size: tags to request on a page. None: request no size, because all tags then come at once.
        trusted_realms: globs of token servers that may get the registry's credentials, beside the registry's own host.
        rate_limits: the operator's quota, the shortest window first; () where none is known.
        quota_scope: whose exchanges count together against the quota.
        quota_label: the quota for people. May contain {project} and {host}.
        namespace_depth: the number of leading components of a name that are not a repository by themselves: Google's
            project, and for Artifact Registry also its repository, which contains images.
        max_concurrent_token_requests: how many requests with a password may run at once, until one has succeeded. With
            a wrong password, each of them is a failed login. None: no limit.
        scopes_per_token: the most repositories that one token may be requested for. Used only where the configuration
            asks for it: servers may grant less than was requested.
        reauth_statuses: statuses that may mean that credentials have expired.
        limits_pulls: whether each GET of a manifest, but no HEAD, counts against a limit of pulls. Tags are then
            resolved by HEAD, and each manifest is requested once by its digest.
        has_referrers_api: whether the referrers API may be asked. Where it is not there, its 404 says so.
        absence_codes: error codes by which a 404 proves that a repository, manifest or blob does not exist.
        api: the product's own API, where `vendors/` has it. Google's APIs are used by discovery alone.
    """

    kind: str
    hosts: tuple[str, ...] = ()
    api_host: str = ""
    discovery: tuple[DiscoveryMethod, ...] = (DiscoveryMethod.CATALOG,)
    prefix_hint: str = ""
    catalog_auth: CatalogAuth = CatalogAuth.SCOPED_TOKEN
    empty_catalog_note: str = ""
    catalog_page_size: int = 1000
    tags_page_size: int | None = None
    trusted_realms: tuple[str, ...] = ()
    rate_limits: tuple[Rate, ...] = ()
    quota_scope: QuotaScope = QuotaScope.CLIENT_ADDRESS
    quota_label: str = ""
    namespace_depth: int = 0
    max_concurrent_token_requests: int | None = None
    scopes_per_token: int = 1
    reauth_statuses: frozenset[int] = frozenset({401})
    limits_pulls: bool = False
    has_referrers_api: bool = True
    absence_codes: frozenset[str] = frozenset(
        {"NAME_UNKNOWN", "REPOSITORY_UNKNOWN", "MANIFEST_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_BLOB_UNKNOWN"}
    )
    api: ApiProfile | None = None

    @property
    def is_google(self) -> bool:
        """Whether Google's credentials and APIs belong to the registry, and its listings have children."""
        return DiscoveryMethod.ARTIFACT_REGISTRY in self.discovery

    @property
    def api_discovery(self) -> DiscoveryMethod | None:
        """The method that uses the product's own API; None where there is none."""
        return next((method for method in self.discovery if method in _BY_API), None)

    def api_url(self, host: str) -> str | None:
        """The URL of the product's own API for the registry at `host`.

        "" is the registry's own origin; None where it is not known.
        """
        if self.api is None:
            return None
        if not self.api.base_url:
            return ""
        if not host_matches(host, self.hosts):
            return None
        _, _, region_and_domain = host.partition(".dkr.ecr.")
        region, _, domain = region_and_domain.partition(".")
        return self.api.base_url.format(region=region, domain=domain)

    def is_namespace(self, name: str) -> bool:
        """Whether a name is that of a project or another container of repositories, and cannot be a repository."""
        depth = self.namespace_depth + ("." in name.partition("/")[0])  # example.com/project, a project of a domain
        return self.namespace_depth > 0 and name.count("/") < depth

    def quota(self, target: Target) -> Quota | None:
        """The quota that the operator publishes for this target, or None where none is known."""
        if not self.rate_limits:
            return None
        project = google_project(target.prefix)[0]
        by_project = self.quota_scope is QuotaScope.PROJECT
        key = (self.kind, target.host, project) if by_project else (self.kind, "client address")
        label = self.quota_label.format(project=project or "a project", host=target.host)
        return Quota(key, label, self.rate_limits)


def google_project(path: str) -> tuple[str, str]:
    """The id of the Google project that a repository path begins with, and the path below the project.

    `example.com/project/image` belongs to the project `example.com:project` of a domain. The id is "" where the path is
    empty, or is a domain alone, which may have many projects.
    """
    first, _, rest = path.partition("/")
    if "." not in first:
        return first, rest
    project, _, rest = rest.partition("/")
    return f"{first}:{project}" if project else "", rest


# https://cloud.google.com/artifact-registry/quotas
API_QUOTA: Final = Quota(("artifact-registry-api",), "Artifact Registry's quota for its API", (Rate(60_000, 60),))
"""The quota for Google's APIs. It is counted apart from the quota of the registry."""

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


def profile_for(target: Target, kind: str | None = None) -> RegistryProfile:
    """The profile of this kind, or without a kind that of the target's host; DISTRIBUTION for an unknown host."""
    if kind is not None:
        return PROFILES_BY_KIND[kind]
    return next((profile for profile in PROFILES if host_matches(target.host, profile.hosts)), DISTRIBUTION)


def host_matches(host: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(host, glob) for glob in globs)
