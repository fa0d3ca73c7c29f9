"""Which steps are there, in which order, and what is not tried after a failure?"""

import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import anyio
import anyio.to_thread

from crawler.auth.credentials import CATALOG_SCOPE
from crawler.client import AuthenticatedClient
from crawler.config import STDIO, Config, RegistryConfig
from crawler.discovery.catalog import CatalogDiscovery
from crawler.discovery.fallback import FallbackDiscovery
from crawler.doctor import contents, google, identity, machine, names, network
from crawler.doctor.advice import advice, google_member, login_command
from crawler.doctor.clock import clock
from crawler.doctor.lake import lake
from crawler.doctor.machine import FitConcurrency
from crawler.doctor.output_folder import output_folder
from crawler.doctor.step import Finding, State, Step, ok, skipped, warning
from crawler.errors import CrawlerError, Denied
from crawler.profiles import DiscoveryMethod
from crawler.run.assemble import OpenParts, build_parts, open_connections
from crawler.run.credentials import ResolvedAuth
from crawler.run.failures import unwrap_group
from crawler.run.plan import Plan, SharedRateLimits, make_plan
from crawler.snapshot.locks import configured_locks
from crawler.transport.fetch import Transport
from crawler.transport.run_limits import RunLimits
from crawler.untrusted_text import printable

T = TypeVar("T")

STEP_LIMIT_S: Final = 15.0
"""How long one step may take. A crawl waits longer, so that a step without an end is no failure."""

_ANSWER_SHARE: Final = 0.8
"""The part of it that a ping may take, with one retry: then the registry does not answer, which is a failure."""

_FEW_REQUESTS: Final = {"attempts": 2, "concurrency": 4, "rate": None, "budget": None}
"""Each request is repeated once, and there are so few that no quota is felt."""

_CONNECT_LIMIT_S: Final = 5.0
_FIRST_CONTACT_S: Final = 3.0
"""How long to wait for a server that has never answered: a crawl waits longer, in case it is just starting."""

_LONGEST_MESSAGE: Final = 2000

REGISTRY_STEPS: Final = (
    "certificates",
    "proxy",
    "name",
    "connection",
    "clock",
    "credentials",
    "access token",
    "sign-in",
    "discovery",
    "projects",
    "repositories",
    "token for names",
    "names",
    "page size",
    "token for listing",
    "listing",
    "own API",
    "manifest",
    "conditional request",
    "referrers",
)
"""The steps that ask the registry and what belongs to it, in their order."""

MACHINE_STEPS: Final = ("output folder", "lake", "open files", "memory")
"""The steps that do not ask the registry, in their order. Each is tried, whatever became of the others."""


class _Obstacle(Exception):
    """The step of this name has not brought what the steps after it need."""


class Checkup:
    """The steps of one target. Each is handed to `on_step` when it ends, after `step_limit_s` seconds at most."""

    def __init__(
        self,
        config: Config,
        registry: RegistryConfig,
        on_step: Callable[[Step], None],
        step_limit_s: float = STEP_LIMIT_S,
    ) -> None:
        self.steps: list[Step] = []
        self._step_limit_s = step_limit_s
        self._config = config
        self._registry = registry
        self._on_step = on_step
        self._account = ""

    async def run(self, fit: FitConcurrency) -> None:
        """Try every step. `fit` is how a crawl fits its concurrency into the limit of open files."""
        try:
            await self._reach_registry()
        except _Obstacle as exc:
            tried = {step.name for step in self.steps}
            for name in REGISTRY_STEPS:
                if name not in tried:
                    self._add(name, skipped(f"needs the step {exc}"))
        locks = configured_locks(self._config.output)
        await self._try("output folder", partial(_in_thread, output_folder, self._config, self._registry, locks, _free))
        await self._try("lake", partial(_in_thread, lake, self._config))
        self._add("open files", machine.open_files(self._config, fit))
        self._add("memory", machine.memory(self._config))

    async def _reach_registry(self) -> None:
        """The steps that send no credentials to the registry, and then the others."""
        registry = self._registry
        await self._must("certificates", partial(network.certificates, registry))
        through = await self._need("proxy", partial(network.proxy, registry))
        await self._must("name", partial(network.name, registry, through))
        plan = make_impatient_plan(self._config, registry)
        answer_limit_s = _ANSWER_SHARE * self._step_limit_s
        async with open_connections(plan) as transport:
            response = await self._need("connection", partial(network.connection, registry, transport, answer_limit_s))
            self._add("clock", clock(registry, response.headers, datetime.now(UTC)))
            sign_in_again = f"run {login_command(registry)}"
            auth = await self._need("credentials", partial(identity.credentials, registry, transport, sign_in_again))
            self._account = auth.known_account
            await self._must("access token", partial(identity.access_token, auth))
            self._account = auth.known_account  # the metadata server names it with the token
            client = await self._need("sign-in", partial(identity.sign_in, registry, auth, transport, response))
            parts = await self._need("discovery", partial(_discovery, plan, auth, client, transport))
            await self._ask_google(auth, transport.with_limiter(plan.api_limiter))
            known = await self._find_names(client, parts)
            await self._look_into(auth, client, parts, known)

    async def _ask_google(self, auth: ResolvedAuth, transport: Transport) -> None:
        """Google's APIs. Where names may come in another way, their refusals are warnings."""
        registry, member = self._registry, google_member(self._account)
        only_source = registry.discovery_method is DiscoveryMethod.ARTIFACT_REGISTRY
        refused = State.FAILURE if only_source else State.WARNING
        try:
            scope = await self._need("projects", partial(google.projects, registry, auth, transport, member), refused)
        except _Obstacle as exc:
            if only_source:
                raise
            self._add("repositories", skipped(f"needs the step {exc}"))
            return
        await self._must("repositories", partial(google.repositories, scope), refused)

    async def _find_names(self, client: AuthenticatedClient, parts: OpenParts) -> Sequence[names.KnownRepository]:
        if parts.discovery.method == CatalogDiscovery.method:
            refused = State.WARNING if isinstance(parts.discovery, FallbackDiscovery) else State.FAILURE
            await self._must("token for names", partial(identity.token, client, CATALOG_SCOPE), refused)
        else:
            self._add("token for names", skipped("the catalog is not the first source of names"))
        first_names = partial(names.first_names, self._config, self._registry, parts, self._advise_listing)
        known = await self._need("names", first_names)
        await self._try("page size", partial(names.page_size, self._registry, parts), State.WARNING)
        return known

    async def _look_into(
        self,
        auth: ResolvedAuth,
        client: AuthenticatedClient,
        parts: OpenParts,
        known: Sequence[names.KnownRepository],
    ) -> None:
        """The steps that ask for one repository. What is refused there is a record of a crawl, and not its end."""
        if not known:
            raise _Obstacle("names")
        registry, images = self._registry, self._config.images
        await self._must("token for listing", partial(self._token_for, known[0], auth, client), State.WARNING)
        listed = await self._need("listing", partial(names.listing, parts.lister, known, self._advise_listing))
        self._add("own API", contents.own_api(registry, parts))
        manifest = partial(contents.manifest, registry, images, client, listed)
        digest = await self._need("manifest", manifest, State.WARNING)
        again = partial(contents.conditional_request, registry, images, client, listed, digest)
        await self._try("conditional request", again, State.WARNING)
        referrers = partial(contents.referrers, registry, images, client, listed, digest)
        await self._try("referrers", referrers, State.WARNING)

    async def _token_for(
        self, repository: names.KnownRepository, auth: ResolvedAuth, client: AuthenticatedClient
    ) -> Finding:
        """The token of a listing. A token server that refuses the credentials themselves (401) ends a crawl."""
        try:
            return await identity.token(client, f"repository:{repository.name}:pull")
        except Denied as exc:
            ends_crawl = exc.http_status == 401 and not auth.is_anonymous
            state = State.FAILURE if ends_crawl else State.WARNING
            return Finding(state, _message(exc), self._advise_listing(exc))

    async def _need(
        self, name: str, find: Callable[[], Awaitable[tuple[Finding, T]]], refused: State = State.FAILURE
    ) -> T:
        """The result of a step. Raises _Obstacle where it has none."""
        try:
            with unwrap_group(), anyio.fail_after(self._step_limit_s):
                finding, result = await find()
        except (CrawlerError, TimeoutError) as exc:
            self._add(name, self._refusal(exc, refused))
            raise _Obstacle(name) from None
        self._add(name, finding)
        return result

    async def _must(self, name: str, find: Callable[[], Awaitable[Finding]], refused: State = State.FAILURE) -> None:
        """Try a step. Raises _Obstacle where it fails."""
        if (await self._try(name, find, refused)).state is State.FAILURE:
            raise _Obstacle(name)

    async def _try(self, name: str, find: Callable[[], Awaitable[Finding]], refused: State = State.FAILURE) -> Finding:
        """The finding of a step, which is `refused` where it raises an error."""
        try:
            with unwrap_group(), anyio.fail_after(self._step_limit_s):
                finding = await find()
        except (CrawlerError, TimeoutError) as exc:
            finding = self._refusal(exc, refused)
        self._add(name, finding)
        return finding

    def _refusal(self, error: CrawlerError | TimeoutError, state: State) -> Finding:
        if isinstance(error, CrawlerError):
            return Finding(state, _message(error), self._advise(error))
        return warning(
            f"no end yet: doctor waits {self._step_limit_s:g} s at most, and a crawl longer",
            "check the load of the registry, and the proxy in front of it",
        )

    def _advise(self, error: CrawlerError) -> str:
        return advice(self._registry, self._account, error)

    def _advise_listing(self, error: CrawlerError) -> str:
        """The names are known, so no advice is about finding them."""
        named = self._registry.model_copy(update={"repositories_from": STDIO})
        return advice(named, self._account, error)

    def _add(self, name: str, finding: Finding) -> None:
        step = Step(name, finding)
        self.steps.append(step)
        self._on_step(step)


async def _discovery(
    plan: Plan, auth: ResolvedAuth, client: AuthenticatedClient, transport: Transport
) -> tuple[Finding, OpenParts]:
    """The sources of names that the configuration and the credentials allow. Raises CredentialsError."""
    parts = await build_parts(plan, auth, None, client, transport)
    first = " first" if isinstance(parts.discovery, FallbackDiscovery) else ""
    return ok(f"names come from {parts.discovery.method}{first}"), parts


def make_impatient_plan(config: Config, registry: RegistryConfig) -> Plan:
    """The plan of a crawl that gives up soon. Call it inside the event loop."""
    connect_timeout = min(config.limits.connect_timeout, _CONNECT_LIMIT_S)
    limits = config.limits.model_copy(update={**_FEW_REQUESTS, "connect_timeout": connect_timeout})
    plan = make_plan(config.model_copy(update={"limits": limits}), registry, SharedRateLimits())
    return replace(plan, limits=RunLimits(plan.limits.policy, first_contact_s=_FIRST_CONTACT_S))


def _message(error: CrawlerError) -> str:
    return printable(str(error), _LONGEST_MESSAGE)


async def _in_thread(find: Callable[..., Finding], *arguments: object) -> Finding:
    return await anyio.to_thread.run_sync(find, *arguments, abandon_on_cancel=True)


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free
