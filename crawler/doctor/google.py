"""Which of Google's APIs refuse what a crawl asks of them? Each is asked once, and refuses for reasons of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crawler.config import RegistryConfig
from crawler.doctor.step import Finding, ok, skipped, warning
from crawler.profiles import DiscoveryMethod
from crawler.run.credentials import ResolvedAuth
from crawler.run.google_credentials import api_credentials
from crawler.run.google_sources import open_google_apis
from crawler.transport.fetch import Transport
from crawler.untrusted_text import printable
from crawler.vendors.google.apis import GoogleApis
from crawler.vendors.google.host_scope import HostScope

_BROWSER_ADVICE: Final = (
    "`gcloud organizations add-iam-policy-binding ORGANISATION --member={member} --role=roles/browser`, "
    "or name the project in the target: HOST/PROJECT"
)


@dataclass(frozen=True, slots=True)
class ApiScope:
    """What is asked of Google's APIs. `apis` is None where a crawl of this target does not need them for names."""

    apis: GoogleApis | None
    host: HostScope
    projects: Sequence[str]


async def projects(
    registry: RegistryConfig, auth: ResolvedAuth, transport: Transport, member: str
) -> tuple[Finding, ApiScope]:
    """The projects to look into: that of the target, or those that the account can see.

    Raises RegistryError, CredentialsError and GaveUp.
    """
    apis = await _open_apis(registry, auth, transport)
    host = HostScope.of_target(registry.target, registry.profile, registry.location)
    if apis is None:
        return skipped("names come without Google's APIs"), ApiScope(None, host, ())
    if host.project is not None:
        return skipped(f"the target names the project {host.project}"), ApiScope(apis, host, (host.project,))
    active = [project.id for project in await apis.projects() if project.is_active and host.covers(project.id)]
    scope = ApiScope(apis, host, active)
    if not active:
        return warning("the account can see no ACTIVE project", _BROWSER_ADVICE.format(member=member)), scope
    return ok(f"the account can see {len(active):,}, such as {printable(active[0])}"), scope


async def repositories(scope: ApiScope) -> Finding:
    """Ask Artifact Registry for the repositories of the first project.

    Raises RegistryError, CredentialsError and GaveUp.
    """
    if scope.apis is None or not scope.projects:
        return skipped("no project is asked for its repositories")
    host, project = scope.host, scope.projects[0]
    locations = [host.location] if host.location is not None else await scope.apis.locations(project)
    for location in locations:
        listed = await scope.apis.repositories(project, location)
        if any(host.matches(repository) for repository in listed):
            return ok(f"{printable(project)} has {len(listed):,} at {printable(location)}")
    places = printable(", ".join(locations)) or "any location"
    return ok(f"{printable(project)} has none that the target covers at {places}")


async def _open_apis(registry: RegistryConfig, auth: ResolvedAuth, transport: Transport) -> GoogleApis | None:
    """Under a prefix a walk of the registry itself comes first, and needs no API. Raises CredentialsError."""
    method = registry.discovery_method
    is_first = method is DiscoveryMethod.AUTO and registry.profile.is_google and not registry.target.prefix
    if registry.repositories_from is not None or not (is_first or method is DiscoveryMethod.ARTIFACT_REGISTRY):
        return None
    google = await api_credentials(registry, auth.credentials, transport.limits.outage)
    return None if google is None else open_google_apis(registry, google, transport)
