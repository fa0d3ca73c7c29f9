"""The registry's endpoints, as Google's answer them."""

import asyncio
import time
from collections.abc import Callable
from urllib.parse import quote

import orjson
from aiohttp import web

from crawler.emulator.accounts import AccessTokens, ServiceAccount
from crawler.emulator.api import Api
from crawler.emulator.exchanges import OAUTH, Exchanges, json_response
from crawler.emulator.gate import ANYTHING, Gate
from crawler.emulator.inventory import Inventory, Kind
from crawler.emulator.names import is_name
from crawler.emulator.projects import not_enabled
from crawler.emulator.refusals import Refusal, Unauthenticated
from crawler.emulator.scopes import CATALOG, READS_PROJECTS, parse_scope, pull
from crawler.emulator.settings import Settings
from crawler.emulator.tokens import RegistryGrant, RegistryTokens

_DEFAULT_PAGE = 100
_WITHHELD: dict[str, list[str] | None] = {"empty": [], "null": None}


class Registry:
    """One emulated registry. `address` is its host:port; `clock` tells seconds since the epoch."""

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
        self._address = address
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
            raise Refusal(403, "DENIED", not_enabled(self._settings))
        if self._settings.catalog in _WITHHELD:
            return json_response({"repositories": _WITHHELD[self._settings.catalog]})
        n = min(_asked_page(request), self._settings.catalog_page)
        names = self._inventory.page(last=request.query.get("last", ""), n=n)
        headers = {}
        if names and names[-1] != self._inventory.names[-1]:
            headers["Link"] = f'</v2/_catalog?last={quote(names[-1], safe="")}&n={n}>; rel="next"'
        return json_response({"repositories": names}, headers=headers)

    async def _listing(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if not is_name(name):
            raise Refusal(400, "NAME_INVALID", f"invalid repository name: {name!r}")
        self._admit(request, pull(name))
        listing = self._inventory.listing(name)
        if listing is not None:
            return json_response(listing)
        if self._inventory.kind(name) is Kind.DENIED or self._is_foreign(name):
            raise Refusal(
                403,
                "DENIED",
                'Permission "artifactregistry.repositories.downloadArtifacts" denied on resource '
                f'"{self._resource(name)}" (or it may not exist)',
            )
        raise Refusal(404, "NAME_UNKNOWN", f'Repository "{name}" not found')

    async def _truth(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        for repository in self._inventory.truth():
            await response.write(orjson.dumps(repository, option=orjson.OPT_APPEND_NEWLINE))
            await asyncio.sleep(0)  # a reader who keeps up would otherwise hold up everyone else
        await response.write_eof()
        return response

    def _is_foreign(self, name: str) -> bool:
        return self._role is not None and name.partition("/")[0] not in self._role.projects

    def _resource(self, name: str) -> str:
        """What holds the repository, as Artifact Registry calls it."""
        if self._role is None:
            return f"projects/{self._settings.project}/locations/us/repositories/gcr.io"
        project, _, below = name.partition("/")
        return f"projects/{project}/locations/{self._role.location}/repositories/{below.partition('/')[0]}"

    def _admit(self, request: web.Request, scope: str) -> frozenset[str]:
        try:
            return self._gate.admit(request.headers.get("Authorization"), scope)
        except Unauthenticated as error:
            raise Refusal(401, "UNAUTHORIZED", str(error), headers=self._challenge(scope)) from None

    def _challenge(self, scope: str) -> dict[str, str]:
        challenge = f'Bearer realm="http://{self._address}/v2/token"'
        if self._role is None or scope != ANYTHING:  # pkg.dev names no service at /v2/
            challenge += f',service="{self._address}"'
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


def _asked_page(request: web.Request) -> int:
    asked = request.query.get("n", str(_DEFAULT_PAGE))
    try:
        n = int(asked)
    except ValueError:
        n = 0
    if n < 1:
        raise Refusal(400, "PAGINATION_NUMBER_INVALID", f"invalid number of results requested: {asked!r}")
    return n
