"""A plan becomes the open parts of a run: connections, credentials in use, registry and discovery."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from crawler.discovery import Discovery
from crawler.inspect.inspector import Inspector
from crawler.registry.registry import Registry
from crawler.run.credentials import ResolvedAuth, connect
from crawler.run.inspection import Inspection
from crawler.run.plan import Plan
from crawler.run.run_manifest import TOOL
from crawler.run.sources import build_discovery
from crawler.transport.fetch import open_transport
from crawler.transport.retry import Timeouts
from crawler.transport.tls import Certificates

USER_AGENT: Final = f"{TOOL.name}/{TOOL.version}"


@dataclass(frozen=True, slots=True)
class OpenParts:
    """What a crawl works with, while it lasts."""

    registry: Registry
    discovery: Discovery
    inspector: Inspector | None


@asynccontextmanager
async def open_parts(plan: Plan, auth: ResolvedAuth, inspection: Inspection | None) -> AsyncIterator[OpenParts]:
    """Open the connections, and sign in to the registry. Raises CredentialsError and RegistryError."""
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
        certificates=Certificates(
            ca_file=registry_config.ca_file,
            client_certificate=registry_config.client_certificate,
            client_key=registry_config.client_key,
        ),
    ) as transport:
        client, profile = await connect(registry_config, auth, transport), registry_config.profile
        registry = Registry(
            registry_config.api_url,
            client,
            catalog_page_size=registry_config.page_size or profile.catalog_page_size,
            tags_page_size=profile.tags_page_size,
        )
        apis = transport.with_limiter(plan.api_limiter)
        referrers = plan.config.images.referrers
        discovery = await build_discovery(registry_config, referrers, registry, auth, apis)
        inspector = None if inspection is None else inspection.inspector(plan, registry, client)
        yield OpenParts(registry, discovery, inspector)
