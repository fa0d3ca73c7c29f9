"""How each registry goes about it, where that differs from the distribution specification: one table.

To teach the crawler another registry's ways, add a line to `TABLE`, and a script of its behaviour to
`tests/registries/`. What stands here is data; code follows only where data cannot say it.
"""

from dataclasses import dataclass
from enum import StrEnum
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
    ARTIFACT_REGISTRY = "artifact-registry"
    DOCKER_HUB = "docker-hub"


class CatalogAuth(StrEnum):
    """Which credentials open the catalog."""

    SCOPED_TOKEN = "token"  # noqa: S105  (the specification's way: a token for registry:catalog:*)
    BASIC = "password"
    UNSCOPED_TOKEN = "any-token"  # noqa: S105  (a token for no scope at all; one for the catalog's is refused)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryProfile:
    """One registry's, or one kind of registry's, ways.

    hosts: globs of the hosts that are known to be of this kind; others are named so by `registry.kind`.
    endpoint: the host that answers in place of those of `hosts`, which people name.
    discovery: what `auto` tries, in this order; nothing where only a list of names helps.
    needs_prefix: why a target must have a prefix, if it must.
    catalog: which credentials open the catalog.
    empty_means: what an empty catalog tells where it does not tell that there is nothing.
    page_size: names asked for on a page of the catalog; the largest size that is granted.
    tags_page: tags asked for on a page; None where all of them come unasked.
    realms: globs of hosts beside the registry's own that may see its credentials.
    limits: its operator's quota, the narrowest window first; `limits_whose` says who shares it.
    namespace_depth: how many leading components of a name are never a repository's alone: Google's project, and the
        repository of Artifact Registry that holds images.
    tokens_at_once: how often a password may be shown at the same time; with a wrong one it is that many bad attempts.
    scopes_per_token: repositories that one token may be asked for.
    expired: statuses that may mean that credentials have expired.
    absence_codes: the error codes by which a 404 says that a repository or manifest is not there.
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
    quota_label: str = ""
    namespace_depth: int = 0
    max_concurrent_token_requests: int | None = None
    scopes_per_token: int = 1
    reauth_statuses: frozenset[int] = frozenset({401})
    absence_codes: frozenset[str] = frozenset({"NAME_UNKNOWN", "REPOSITORY_UNKNOWN", "MANIFEST_UNKNOWN"})

    @property
    def is_google(self) -> bool:
        """Whether Google's credentials, folders and APIs are behind it."""
        return DiscoveryMethod.ARTIFACT_REGISTRY in self.discovery

    def is_namespace(self, name: str) -> bool:
        """Whether a name stands for a project or the like, which cannot be a repository itself."""
        depth = self.namespace_depth + ("." in name.partition("/")[0])  # example.com/project, of a domain of its own
        return self.namespace_depth > 0 and name.count("/") < depth

    def quota(self, target: Target) -> Quota | None:
        """What the operator publishes as a limit for this target, or None where nothing is known."""
        if not self.rate_limits:
            return None
        project = google_project(target.prefix)[0] or "a project"
        return Quota(self.quota_label.format(project=project, host=target.host), self.rate_limits)


def google_project(path: str) -> tuple[str, str]:
    """The project that a repository path of Google's begins with, by its id, and the path below it.

    The id of a domain's project has the domain before it, as its first component: `example.com:project` of
    `example.com/project/image`. "" where the path is empty, or a domain alone, which has many projects.
    """
    first, _, rest = path.partition("/")
    if "." not in first:
        return first, rest
    project, _, rest = rest.partition("/")
    return f"{first}:{project}" if project else "", rest


API_QUOTA: Final = Quota("Artifact Registry's quota for its API", (Rate(60_000, 60),))
"""What Google's APIs are asked within, beside and apart from the registry's own quota."""

_GOOGLE_DISCOVERY: Final = (DiscoveryMethod.WALK, DiscoveryMethod.ARTIFACT_REGISTRY, DiscoveryMethod.CATALOG)
_GOOGLE_HOSTS: Final = ("gcr.io", "*.gcr.io", "*.pkg.dev")
_EMPTY_GOOGLE_CATALOG: Final = "an empty catalog from a Google host means unknown, not none"
_LIST_ONLY: Final[tuple[DiscoveryMethod, ...]] = ()
_SCOPES_PER_TOKEN: Final = 50

DISTRIBUTION: Final = RegistryProfile(kind="distribution", scopes_per_token=_SCOPES_PER_TOKEN)
"""The specification's ways, which every registry has that is not known for others."""

PROFILES: Final = (
    DISTRIBUTION,
    RegistryProfile(
        kind="gcr",
        hosts=("gcr.io", "*.gcr.io"),
        discovery=_GOOGLE_DISCOVERY,
        empty_catalog_note=_EMPTY_GOOGLE_CATALOG,
        tags_page_size=10_000,
        trusted_realms=_GOOGLE_HOSTS,
        rate_limits=(Rate(50_000, 600), Rate(1_000_000, 86_400)),
        quota_label="gcr.io's quota for one address",
        namespace_depth=1,
    ),
    RegistryProfile(
        kind="artifact-registry",
        hosts=("*.pkg.dev",),
        discovery=_GOOGLE_DISCOVERY,
        empty_catalog_note=_EMPTY_GOOGLE_CATALOG,
        tags_page_size=10_000,
        trusted_realms=_GOOGLE_HOSTS,
        rate_limits=(Rate(60_000, 60),),
        quota_label="Artifact Registry's quota for {project} at {host}",
        namespace_depth=2,
    ),
    RegistryProfile(
        kind="docker-hub",
        hosts=("docker.io", "index.docker.io", "registry-1.docker.io"),
        api_host="registry-1.docker.io",
        discovery=(DiscoveryMethod.DOCKER_HUB,),
        prefix_hint="Docker Hub tells no catalog, but the repositories of a namespace: docker.io/NAMESPACE",
        trusted_realms=("auth.docker.io",),
        scopes_per_token=_SCOPES_PER_TOKEN,
    ),
    RegistryProfile(
        kind="ghcr",
        hosts=("ghcr.io",),
        discovery=_LIST_ONLY,
        tags_page_size=1000,
        rate_limits=(Rate(2000, 60),),
        quota_label="GHCR's limit for one address",
    ),
    RegistryProfile(
        kind="ecr", hosts=("*.dkr.ecr.*.amazonaws.com",), tags_page_size=1000, reauth_statuses=frozenset({401, 403})
    ),
    RegistryProfile(kind="ecr-public", hosts=("public.ecr.aws",), discovery=_LIST_ONLY, tags_page_size=1000),
    RegistryProfile(kind="acr", hosts=("*.azurecr.io",), tags_page_size=1000, scopes_per_token=_SCOPES_PER_TOKEN),
    RegistryProfile(kind="mcr", hosts=("mcr.microsoft.com",)),
    RegistryProfile(
        kind="quay",
        hosts=("quay.io",),
        catalog_auth=CatalogAuth.UNSCOPED_TOKEN,
        empty_catalog_note="an empty catalog from Quay means that it tells us none, not that it has none",
        catalog_page_size=100,
        tags_page_size=100,
        rate_limits=(Rate(5, 1),),
        quota_label="Quay's limit",
        scopes_per_token=_SCOPES_PER_TOKEN,
    ),
    RegistryProfile(
        kind="harbor",
        catalog_auth=CatalogAuth.BASIC,
        scopes_per_token=_SCOPES_PER_TOKEN,
        # goharbor/harbor src/lib/errors/const.go: NotFoundCode, which its middleware answers for an unknown repository
        absence_codes=DISTRIBUTION.absence_codes | {"NOT_FOUND"},
    ),
    RegistryProfile(
        kind="gitlab", hosts=("registry.gitlab.com",), trusted_realms=("gitlab.com",), max_concurrent_token_requests=16
    ),
    RegistryProfile(kind="artifactory"),
    RegistryProfile(kind="nexus"),
    RegistryProfile(kind="zot"),
    RegistryProfile(kind="gitea", catalog_page_size=100, tags_page_size=100),
    RegistryProfile(kind="openshift"),
)

PROFILES_BY_KIND: Final = {profile.kind: profile for profile in PROFILES}


def profile_for(target: Target, kind: str | None = None) -> RegistryProfile:
    """The ways of the registry of a target: those of its kind where one is named, else those its host is known for."""
    if kind is not None:
        return PROFILES_BY_KIND[kind]
    return next((profile for profile in PROFILES if host_matches(target.host, profile.hosts)), DISTRIBUTION)


def host_matches(host: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(host, glob) for glob in globs)
