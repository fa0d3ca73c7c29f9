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


class CatalogAccess(StrEnum):
    """Which credentials open the catalog."""

    TOKEN = "token"  # noqa: S105  (the specification's way: a token for registry:catalog:*)
    PASSWORD = "password"  # noqa: S105  (Basic, whatever opens the repositories)
    ANY_TOKEN = "any-token"  # noqa: S105  (a token for no scope at all; one for the catalog's is refused)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
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
    endpoint: str = ""
    discovery: tuple[DiscoveryMethod, ...] = (DiscoveryMethod.CATALOG,)
    needs_prefix: str = ""
    catalog: CatalogAccess = CatalogAccess.TOKEN
    empty_means: str = ""
    page_size: int = 1000
    tags_page: int | None = None
    realms: tuple[str, ...] = ()
    limits: tuple[Rate, ...] = ()
    limits_whose: str = ""
    namespace_depth: int = 0
    tokens_at_once: int | None = None
    scopes_per_token: int = 1
    expired: frozenset[int] = frozenset({401})
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
        if not self.limits:
            return None
        project = google_project(target.prefix)[0] or "a project"
        return Quota(self.limits_whose.format(project=project, host=target.host), self.limits)


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

_GOOGLES: Final = (DiscoveryMethod.WALK, DiscoveryMethod.ARTIFACT_REGISTRY, DiscoveryMethod.CATALOG)
_GOOGLE_HOSTS: Final = ("gcr.io", "*.gcr.io", "*.pkg.dev")
_UNKNOWN_TO_GOOGLE: Final = "an empty catalog from a Google host means unknown, not none"
_ONLY_LISTED: Final[tuple[DiscoveryMethod, ...]] = ()
_BATCH: Final = 50

DISTRIBUTION: Final = Ways(kind="distribution", scopes_per_token=_BATCH)
"""The specification's ways, which every registry has that is not known for others."""

TABLE: Final = (
    DISTRIBUTION,
    Ways(
        kind="gcr",
        hosts=("gcr.io", "*.gcr.io"),
        discovery=_GOOGLES,
        empty_means=_UNKNOWN_TO_GOOGLE,
        tags_page=10_000,
        realms=_GOOGLE_HOSTS,
        limits=(Rate(50_000, 600), Rate(1_000_000, 86_400)),
        limits_whose="gcr.io's quota for one address",
        namespace_depth=1,
    ),
    Ways(
        kind="artifact-registry",
        hosts=("*.pkg.dev",),
        discovery=_GOOGLES,
        empty_means=_UNKNOWN_TO_GOOGLE,
        tags_page=10_000,
        realms=_GOOGLE_HOSTS,
        limits=(Rate(60_000, 60),),
        limits_whose="Artifact Registry's quota for {project} at {host}",
        namespace_depth=2,
    ),
    Ways(
        kind="docker-hub",
        hosts=("docker.io", "index.docker.io", "registry-1.docker.io"),
        endpoint="registry-1.docker.io",
        discovery=(DiscoveryMethod.DOCKER_HUB,),
        needs_prefix="Docker Hub tells no catalog, but the repositories of a namespace: docker.io/NAMESPACE",
        realms=("auth.docker.io",),
        scopes_per_token=_BATCH,
    ),
    Ways(
        kind="ghcr",
        hosts=("ghcr.io",),
        discovery=_ONLY_LISTED,
        tags_page=1000,
        limits=(Rate(2000, 60),),
        limits_whose="GHCR's limit for one address",
    ),
    Ways(kind="ecr", hosts=("*.dkr.ecr.*.amazonaws.com",), tags_page=1000, expired=frozenset({401, 403})),
    Ways(kind="ecr-public", hosts=("public.ecr.aws",), discovery=_ONLY_LISTED, tags_page=1000),
    Ways(kind="acr", hosts=("*.azurecr.io",), tags_page=1000, scopes_per_token=_BATCH),
    Ways(kind="mcr", hosts=("mcr.microsoft.com",)),
    Ways(
        kind="quay",
        hosts=("quay.io",),
        catalog=CatalogAccess.ANY_TOKEN,
        empty_means="an empty catalog from Quay means that it tells us none, not that it has none",
        page_size=100,
        tags_page=100,
        limits=(Rate(5, 1),),
        limits_whose="Quay's limit",
        scopes_per_token=_BATCH,
    ),
    Ways(
        kind="harbor",
        catalog=CatalogAccess.PASSWORD,
        scopes_per_token=_BATCH,
        # goharbor/harbor src/lib/errors/const.go: NotFoundCode, which its middleware answers for an unknown repository
        absence_codes=DISTRIBUTION.absence_codes | {"NOT_FOUND"},
    ),
    Ways(kind="gitlab", hosts=("registry.gitlab.com",), realms=("gitlab.com",), tokens_at_once=16),
    Ways(kind="artifactory"),
    Ways(kind="nexus"),
    Ways(kind="zot"),
    Ways(kind="gitea", page_size=100, tags_page=100),
    Ways(kind="openshift"),
)

KINDS: Final = {ways.kind: ways for ways in TABLE}


def ways_of(target: Target, kind: str | None = None) -> Ways:
    """The ways of the registry of a target: those of its kind where one is named, else those its host is known for."""
    if kind is not None:
        return KINDS[kind]
    return next((ways for ways in TABLE if matches(target.host, ways.hosts)), DISTRIBUTION)


def matches(host: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(host, glob) for glob in globs)
