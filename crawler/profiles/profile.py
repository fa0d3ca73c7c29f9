"""What a profile has: how a registry product differs from the distribution specification, and its own API."""

from enum import Enum, StrEnum, auto
from fnmatch import fnmatchcase
from typing import Final

from crawler.model.limits import Quota, Rate
from crawler.model.names import Target
from crawler.model.value import Value


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


class ApiProfile(Value, frozen=True, kw_only=True):
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


class RegistryProfile(Value, frozen=True, kw_only=True):
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
        return Quota(key, label, self.rate_limits, is_per_address=not by_project)


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


def host_matches(host: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(host, glob) for glob in globs)
