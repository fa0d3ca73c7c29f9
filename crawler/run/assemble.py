"""A plan becomes the open parts of a run: connections, credentials in use, registry and discovery."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from crawler.client import AuthenticatedClient
from crawler.config import RegistryConfig
from crawler.discovery import Discovery
from crawler.model.run_manifest import TOOL
from crawler.model.value import Value
from crawler.pipeline.pipeline import Lister
from crawler.registry.registry import Registry
from crawler.run.credentials import ResolvedAuth, connect
from crawler.run.own_api import open_own_api, own_api_label, takes_images_from_api, unused_api_note
from crawler.run.plan import Plan
from crawler.run.sources import build_discovery
from crawler.transport.fetch import Transport, open_transport
from crawler.transport.retry import Timeouts
from crawler.transport.tls import Certificates
from crawler.vendors.lister import ApiLister

if TYPE_CHECKING:
    from crawler.discovery.ownership import Ownership
    from crawler.inspect.inspector import Inspector
    from crawler.run.inspection import Inspection

USER_AGENT: Final = f"{TOOL.name}/{TOOL.version}"


class OpenParts(Value, frozen=True):
    """What a crawl works with, while it lasts."""

    registry: Registry
    discovery: Discovery
    lister: Lister
    inspector: "Inspector | None"
    unused_api: str
    """Why the API that images are wanted from was not asked for them; "" where it was, or is not wanted."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the operator should know of the APIs that were asked. Valid at the end."""
        lister = self.lister.note if isinstance(self.lister, ApiLister) else ""
        referrers = "" if self.inspector is None else self.inspector.referrers_note
        return tuple(filter(None, (self.unused_api, lister, referrers)))


@asynccontextmanager
async def open_parts(
    plan: Plan, auth: ResolvedAuth, inspection: "Inspection | None", ownership: "Ownership | None" = None
) -> AsyncIterator[OpenParts]:
    """Open the connections, and sign in to the registry. Raises CredentialsError and RegistryError."""
    async with open_connections(plan) as transport:
        client = await connect(plan.registry, auth, transport)
        yield await build_parts(plan, auth, inspection, client, transport, ownership=ownership)


@asynccontextmanager
async def open_connections(plan: Plan) -> AsyncIterator[Transport]:
    """The connections of a run, which close when the block ends. Raises CredentialsError for unusable certificates."""
    registry_config, configured = plan.registry, plan.config.limits
    async with open_transport(
        user_agent=USER_AGENT,
        limiter=plan.limiter,
        timeouts=Timeouts(
            connect_s=configured.connect_timeout, read_s=configured.read_timeout, total_s=configured.total_timeout
        ),
        limits=plan.limits,
        concurrency=configured.concurrency,
        scheme=registry_config.scheme,
        certificates=certificates_of(registry_config),
    ) as transport:
        yield transport


def certificates_of(registry: RegistryConfig) -> Certificates:
    return Certificates(
        ca_file=registry.ca_file, client_certificate=registry.client_certificate, client_key=registry.client_key
    )


async def build_parts(
    plan: Plan,
    auth: ResolvedAuth,
    inspection: "Inspection | None",
    client: AuthenticatedClient,
    transport: Transport,
    *,
    ownership: "Ownership | None" = None,
) -> OpenParts:
    """The parts of a run that is signed in to the registry by `client`. Raises CredentialsError."""
    registry_config, profile = plan.registry, plan.registry.profile
    registry = Registry(
        registry_config.api_url,
        client,
        catalog_page_size=registry_config.page_size or profile.catalog_page_size,
        tags_page_size=profile.tags_page_size,
    )
    own_api = open_own_api(registry_config, auth, client, transport.apart(plan.api_limiter))
    google = transport.with_limiter(plan.api_limiter)
    discovery = await build_discovery(
        registry_config,
        plan.config.images,
        registry,
        auth,
        own_api=own_api,
        google_apis=google,
        ownership=ownership,
    )
    takes_images = takes_images_from_api(registry_config, plan.config.images.depth)
    lister: Lister = registry
    if own_api.images is not None and takes_images:
        lister = ApiLister(own_api.images, registry, own_api_label(registry_config))
    bulk = own_api.manifests if takes_images else None
    inspector = None if inspection is None else inspection.inspector(plan, registry, client, bulk)
    return OpenParts(registry, discovery, lister, inspector, unused_api_note(registry_config, own_api))
