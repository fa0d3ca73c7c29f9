"""The registry's endpoints, as Google's answer them."""

import asyncio
import time
from collections.abc import Callable

import orjson
from aiohttp import web

from crawler.emulator.accounts import AccessTokens, ServiceAccount
from crawler.emulator.api import Api
from crawler.emulator.auth import ANYTHING, Gate
from crawler.emulator.errors import Refusal, Unauthenticated
from crawler.emulator.inventory import Inventory, Kind
from crawler.emulator.middleware import OAUTH, Exchanges, json_response
from crawler.emulator.names import is_name
from crawler.emulator.pagination import asked_length, listing_page, next_link
from crawler.emulator.projects import ARTIFACT_REGISTRY, RESOURCE_MANAGER, GoogleApi, switched_off
from crawler.emulator.scopes import CATALOG, READS_PROJECTS, parse_scope, pull
from crawler.emulator.settings import GCR_LOCATIONS, Settings
from crawler.emulator.tokens import RegistryGrant, RegistryTokens

_DEFAULT_PAGE = 100
_WITHHELD: dict[str, list[str] | None] = {"empty": [], "null": None}


class Registry:
    """One emulated registry.

    `address` is its host:port, by which it calls itself unless the settings have an origin; `clock` tells seconds
    since the epoch.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        address: str,
        inventory: Inventory,
        account: ServiceAccount,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._role = settings.artifact_registry
        self._origin = settings.origin or f"http://{address}"
        self._inventory = inventory
        self._access_tokens = AccessTokens(account, lifetime_s=settings.access_token_lifetime_s, clock=clock)
        self._registry_tokens = RegistryTokens(lifetime_s=settings.registry_token_lifetime_s, clock=clock)
        self._gate = Gate(account=account, access_tokens=self._access_tokens, registry_tokens=self._registry_tokens)

    def application(self, exchanges: Exchanges) -> web.Application:
        """The endpoints behind `exchanges`, each route named after the kind of exchange it serves."""

        async def counts(_: web.Request) -> web.Response:
            return json_response(exchanges.counts)

        application = web.Application(middlewares=[exchanges.middleware])
        if self._role is not None:
            api = Api(self._settings, self._role, inventory=self._inventory, gate=self._gate)
            application.add_routes(api.routes())
        application.add_routes(
            [
                web.get("/v2/", self._ping, name="ping"),
                web.get("/v2/token", self._token, name="token"),
                web.get("/v2/_catalog", self._catalog, name="catalog"),
                web.get("/v2/{name:.+}/tags/list", self._listing, name="listing"),
                web.post("/oauth2/token", self._oauth, name=OAUTH),
                web.get("/emulator/inventory", self._truth),
                web.get("/emulator/counts", counts),
            ]
        )
        return application

    async def _oauth(self, request: web.Request) -> web.Response:
        form = await request.post()
        return json_response(
            self._access_tokens.exchange(
                grant_type=str(form.get("grant_type", "")), assertion=str(form.get("assertion", ""))
            )
        )

    async def _ping(self, request: web.Request) -> web.Response:
        self._admit(request, ANYTHING)
        return json_response({})

    async def _token(self, request: web.Request) -> web.Response:
        try:
            oauth_scopes = self._gate.identify(request.headers.get("Authorization"))
        except Unauthenticated as error:
            raise Refusal(401, "UNAUTHORIZED", str(error)) from None
        scope = _asked_scope(request)
        # A token does not prove access: what its holder may see is decided where it is used.
        return json_response(self._registry_tokens.issue(RegistryGrant(scope=scope, oauth_scopes=oauth_scopes)))

    async def _catalog(self, request: web.Request) -> web.Response:
        oauth_scopes = self._admit(request, CATALOG)
        if not oauth_scopes & READS_PROJECTS:
            raise Refusal(403, "DENIED", "Request had insufficient authentication scopes.")
        if self._role is not None and self._role.resource_manager == "disabled":
            raise self._without(RESOURCE_MANAGER, self._settings.project)
        if self._settings.catalog in _WITHHELD:
            return json_response({"repositories": _WITHHELD[self._settings.catalog]})
        n = min(asked_length(request) or _DEFAULT_PAGE, self._settings.catalog_page)
        names = self._inventory.page(last=request.query.get("last", ""), n=n)
        more = names and names[-1] != self._inventory.names[-1]
        headers = next_link("/v2/_catalog", last=names[-1], n=n) if more else None
        return json_response({"repositories": names}, headers=headers)

    async def _listing(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if not is_name(name):
            raise Refusal(400, "NAME_INVALID", f"invalid repository name: {name!r}")
        self._admit(request, pull(name))
        listing = self._inventory.listing(name)
        if listing is None:
            raise self._unlisted(name)
        n = self._listing_length(request)
        if n is None:
            return json_response(listing)
        page, last = listing_page(listing, last=request.query.get("last", ""), n=n)
        headers = None if last is None else next_link(f"/v2/{name}/tags/list", n=n, last=last)
        return json_response(page, headers=headers)

    async def _truth(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        for repository in self._inventory.truth():
            await response.write(orjson.dumps(repository, option=orjson.OPT_APPEND_NEWLINE))
            await asyncio.sleep(0)  # a reader who keeps up would otherwise hold up everyone else
        await response.write_eof()
        return response

    def _listing_length(self, request: web.Request) -> int | None:
        """Images on a page of a listing; None for all of them."""
        longest = self._settings.tags_page
        if self._role is None and longest is None:
            return None
        lengths = [n for n in (asked_length(request), longest) if n is not None]
        return min(lengths, default=None)

    def _unlisted(self, name: str) -> Refusal:
        """Why a name has no listing."""
        project = name.partition("/")[0]
        if self._role is not None and project in self._role.api_disabled_projects:
            return self._without(ARTIFACT_REGISTRY, project)
        if self._inventory.kind(name) is Kind.DENIED or self._is_foreign(name):
            return Refusal(
                403,
                "DENIED",
                'Permission "artifactregistry.repositories.downloadArtifacts" denied on resource '
                f'"{self._resource(name)}" (or it may not exist)',
            )
        return Refusal(404, "NAME_UNKNOWN", f'Repository "{name}" not found')

    def _without(self, api: GoogleApi, project: str) -> Refusal:
        return Refusal(403, "DENIED", switched_off(api, project=project, seed=self._settings.seed).message)

    def _is_foreign(self, name: str) -> bool:
        return self._role is not None and name.partition("/")[0] not in self._role.projects

    def _resource(self, name: str) -> str:
        """What holds the repository, as Artifact Registry calls it."""
        if self._role is None:
            return f"projects/{self._settings.project}/locations/us/repositories/gcr.io"
        project, _, below = name.partition("/")
        if self._role.serves == "pkg.dev":
            return f"projects/{project}/locations/{self._role.location}/repositories/{below.partition('/')[0]}"
        return f"projects/{project}/locations/{GCR_LOCATIONS[self._role.serves]}/repositories/{self._role.serves}"

    def _admit(self, request: web.Request, scope: str) -> frozenset[str]:
        try:
            return self._gate.admit(request.headers.get("Authorization"), scope)
        except Unauthenticated as error:
            raise Refusal(401, "UNAUTHORIZED", str(error), headers=self._challenge(scope)) from None

    def _challenge(self, scope: str) -> dict[str, str]:
        challenge = f'Bearer realm="{self._origin}/v2/token"'
        is_pkg_dev = self._role is not None and self._role.serves == "pkg.dev"
        if not is_pkg_dev or scope != ANYTHING:  # pkg.dev names no service at /v2/
            challenge += f',service="{self._origin.partition("://")[2]}"'
        if scope != ANYTHING:
            challenge += f',scope="{scope}"'
        return {"WWW-Authenticate": challenge}


def _asked_scope(request: web.Request) -> str:
    asked = request.query.getall("scope", [])
    if not asked:
        return ANYTHING
    if len(asked) > 1:
        raise Refusal(400, "UNSUPPORTED", "only one scope may be asked for at a time")
    try:
        return parse_scope(asked[0])
    except ValueError as error:
        raise Refusal(400, "UNSUPPORTED", str(error)) from None
