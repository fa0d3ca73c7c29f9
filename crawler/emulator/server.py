"""The registry's endpoints, with the responses of Google's registries."""

import asyncio
import time
from collections.abc import Callable, Iterable

import orjson
from aiohttp import web

from crawler.emulator.accounts import AccessTokens, ServiceAccount
from crawler.emulator.api import Api
from crawler.emulator.auth import ANY_SCOPE, Authenticator
from crawler.emulator.content_endpoints import ContentEndpoints
from crawler.emulator.errors import RegistryError, Unauthenticated
from crawler.emulator.inventory import Inventory, Kind, Listing
from crawler.emulator.middleware import OAUTH, ExchangeMiddleware, json_response
from crawler.emulator.names import is_valid_name
from crawler.emulator.pagination import listing_page, next_link, plain_listing_page, requested_page_size
from crawler.emulator.projects import ARTIFACT_REGISTRY, RESOURCE_MANAGER, GoogleApi, api_disabled_error
from crawler.emulator.scopes import CATALOG, READS_PROJECTS, parse_scope, pull
from crawler.emulator.settings import GCR_LOCATIONS, Settings
from crawler.emulator.tokens import RegistryGrant, RegistryTokens

_DEFAULT_PAGE = 100
_EMPTY_CATALOGS: dict[str, list[str] | None] = {"empty": [], "null": None}


class Registry:
    """One emulated registry.

    `address` is its host:port, which challenges name unless the settings have an origin. `clock` returns seconds
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
        self._contents = ContentEndpoints(
            settings, inventory, authorize=self._authorize, listing_error=self._listing_error
        )
        self._access_tokens = AccessTokens(account, lifetime_s=settings.access_token_lifetime_s, clock=clock)
        self._registry_tokens = RegistryTokens(lifetime_s=settings.registry_token_lifetime_s, clock=clock)
        self._authenticator = Authenticator(
            account=account, access_tokens=self._access_tokens, registry_tokens=self._registry_tokens
        )

    def application(self, middleware: ExchangeMiddleware) -> web.Application:
        """The endpoints behind `middleware`. Each route is named after the kind of exchange that it serves."""

        async def counts(_: web.Request) -> web.Response:
            return json_response(middleware.counts)

        application = web.Application(middlewares=[middleware.middleware])
        if self._role is not None:
            api = Api(self._settings, self._role, inventory=self._inventory, authenticator=self._authenticator)
            application.add_routes(api.routes())
        application.add_routes(
            [
                web.get("/v2/", self._ping, name="ping"),
                web.get("/v2/token", self._token, name="token"),
                web.get("/v2/_catalog", self._catalog, name="catalog"),
                web.get("/v2/{name:.+}/tags/list", self._listing, name="listing"),
                *self._contents.routes(),
                web.post("/oauth2/token", self._oauth, name=OAUTH),
                web.get("/emulator/inventory", self._truth),
                web.get("/emulator/images", self._facts),
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
        self._authorize(request, ANY_SCOPE)
        return json_response({})

    async def _token(self, request: web.Request) -> web.Response:
        try:
            oauth_scopes = self._authenticator.authenticate_basic(request.headers.get("Authorization"))
        except Unauthenticated as error:
            raise RegistryError(401, "UNAUTHORIZED", str(error)) from None
        scope = _requested_scope(request)
        # Google issues a token without checking access to the repository: the check happens where the token is used.
        return json_response(self._registry_tokens.issue(RegistryGrant(scope=scope, oauth_scopes=oauth_scopes)))

    async def _catalog(self, request: web.Request) -> web.Response:
        oauth_scopes = self._authorize(request, CATALOG)
        if not oauth_scopes & READS_PROJECTS:
            raise RegistryError(403, "DENIED", "Request had insufficient authentication scopes.")
        if self._role is not None and self._role.resource_manager == "disabled":
            raise self._api_disabled(RESOURCE_MANAGER, self._settings.project)
        # Today's gcr.io returns an empty or null catalog, whatever it holds
        # (GoogleCloudPlatform/gcr-cleaner#112, GoogleCloudPlatform/gcr-cleaner#80, goharbor/harbor#18981).
        if self._settings.catalog in _EMPTY_CATALOGS:
            return json_response({"repositories": _EMPTY_CATALOGS[self._settings.catalog]})
        n = min(requested_page_size(request) or _DEFAULT_PAGE, self._settings.catalog_page)
        names = self._inventory.page(last=request.query.get("last", ""), n=n)
        more = names and names[-1] != self._inventory.names[-1]
        headers = next_link("/v2/_catalog", last=names[-1], n=n) if more else None
        return json_response({"repositories": names}, headers=headers)

    async def _listing(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if not is_valid_name(name):
            raise RegistryError(400, "NAME_INVALID", f"invalid repository name: {name!r}")
        self._authorize(request, pull(name))
        listing = self._inventory.listing(name)
        if listing is None:
            raise self._listing_error(name)
        listing = self._contents.without_vanished(listing)
        n = self._listing_page_size(request)
        last = request.query.get("last", "")
        if self._settings.listings == "plain":
            return self._plain_response(listing, last=last, n=n or max(1, len(listing["tags"])))
        if n is None:
            return json_response(listing)
        page, next_last = listing_page(listing, last=last, n=n)
        return json_response(page, headers=_link(name, n=n, last=next_last))

    def _plain_response(self, listing: Listing, *, last: str, n: int) -> web.Response:
        name = listing["name"]
        if self._inventory.kind(name) is None:  # a folder, which the plain protocol does not have
            raise self._listing_error(name)
        page, next_last = plain_listing_page(listing, last=last, n=n)
        return json_response(page, headers=_link(name, n=n, last=next_last))

    async def _truth(self, request: web.Request) -> web.StreamResponse:
        return await _json_lines(request, self._inventory.truth())

    async def _facts(self, request: web.Request) -> web.StreamResponse:
        names = self._inventory.names
        return await _json_lines(request, ({"name": name, "images": self._inventory.facts(name)} for name in names))

    def _listing_page_size(self, request: web.Request) -> int | None:
        """The number of images, or tags, on a page of a listing; None for all of them.

        The gcr.io of old never pages; Artifact Registry cuts at `n` (google/go-containerregistry#1643).
        """
        maximum = self._settings.tags_page
        if self._role is None and maximum is None and self._settings.listings == "google":
            return None
        lengths = [n for n in (requested_page_size(request), maximum) if n is not None]
        return min(lengths, default=None)

    def _listing_error(self, name: str) -> RegistryError:
        """The error for a name without a listing."""
        project = name.partition("/")[0]
        if self._role is not None and project in self._role.api_disabled_projects:
            return self._api_disabled(ARTIFACT_REGISTRY, project)
        if self._inventory.kind(name) is Kind.DENIED or self._is_inaccessible(name):
            return RegistryError(
                403,
                "DENIED",
                'Permission "artifactregistry.repositories.downloadArtifacts" denied on resource '
                f'"{self._resource(name)}" (or it may not exist)',
            )
        return RegistryError(404, "NAME_UNKNOWN", f'Repository "{name}" not found')

    def _api_disabled(self, api: GoogleApi, project: str) -> RegistryError:
        return RegistryError(403, "DENIED", api_disabled_error(api, project=project, seed=self._settings.seed).message)

    def _is_inaccessible(self, name: str) -> bool:
        return self._role is not None and name.partition("/")[0] not in self._role.projects

    def _resource(self, name: str) -> str:
        """The resource name of the Artifact Registry repository that holds the image repository `name`."""
        if self._role is None:
            return f"projects/{self._settings.project}/locations/us/repositories/gcr.io"
        project, _, rest = name.partition("/")
        if self._role.serves == "pkg.dev":
            return f"projects/{project}/locations/{self._role.location}/repositories/{rest.partition('/')[0]}"
        return f"projects/{project}/locations/{GCR_LOCATIONS[self._role.serves]}/repositories/{self._role.serves}"

    def _authorize(self, request: web.Request, scope: str) -> frozenset[str]:
        try:
            return self._authenticator.authorize(request.headers.get("Authorization"), scope)
        except Unauthenticated as error:
            raise RegistryError(401, "UNAUTHORIZED", str(error), headers=self._challenge(scope)) from None

    def _challenge(self, scope: str) -> dict[str, str]:
        challenge = f'Bearer realm="{self._origin}/v2/token"'
        is_pkg_dev = self._role is not None and self._role.serves == "pkg.dev"
        if not is_pkg_dev or scope != ANY_SCOPE:  # pkg.dev names no service at /v2/
            challenge += f',service="{self._origin.partition("://")[2]}"'
        if scope != ANY_SCOPE:
            challenge += f',scope="{scope}"'
        return {"WWW-Authenticate": challenge}


async def _json_lines(request: web.Request, values: Iterable[object]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    for value in values:
        await response.write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))
        await asyncio.sleep(0)  # write() does not yield while the client keeps up, so other requests would wait
    await response.write_eof()
    return response


def _link(name: str, *, n: int, last: str | None) -> dict[str, str] | None:
    """The Link to the next page of a listing, unless there is none."""
    return None if last is None else next_link(f"/v2/{name}/tags/list", n=n, last=last)


def _requested_scope(request: web.Request) -> str:
    scopes = request.query.getall("scope", [])
    if not scopes:
        return ANY_SCOPE
    if len(scopes) > 1:
        raise RegistryError(400, "UNSUPPORTED", "only one scope is allowed per token request")
    try:
        return parse_scope(scopes[0])
    except ValueError as error:
        raise RegistryError(400, "UNSUPPORTED", str(error)) from None
