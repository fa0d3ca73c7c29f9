"""The endpoints for manifests, blobs and referrers (distribution-spec, "Pull" and "Listing Referrers")."""

from collections.abc import Callable
from typing import Final

import orjson
from aiohttp import hdrs, web

from crawler.emulator.broken import ABSENT, VANISHED, served_body
from crawler.emulator.errors import RegistryError
from crawler.emulator.images import Image
from crawler.emulator.inventory import Inventory, Kind, Listing, tags_of
from crawler.emulator.manifests import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Entry
from crawler.emulator.names import is_valid_name
from crawler.emulator.pagination import next_link, referrers_page, requested_page_size
from crawler.emulator.scopes import pull
from crawler.emulator.settings import Settings

# Distribution's message for a manifest whose type the client did not name (distribution 2.8,
# registry/handlers/manifests.go); a manifest of schema 1 goes to every client.
_UNSUPPORTED: Final = {
    OCI_MANIFEST: "OCI manifest found, but accept header does not support OCI manifests",
    OCI_INDEX: "OCI index found, but accept header does not support OCI indexes",
    DOCKER_LIST: "manifest list found, but accept header does not support manifest lists",
    DOCKER_MANIFEST: "schema2 manifest found, but accept header does not support schema2 manifests",
}


class ContentEndpoints:
    """Manifests, blobs and referrers of a registry.

    authorize: checks that a request may do what a scope names. Raises RegistryError.
    listing_error: the error for a repository without a listing.
    """

    def __init__(
        self,
        settings: Settings,
        inventory: Inventory,
        *,
        authorize: Callable[[web.Request, str], object],
        listing_error: Callable[[str], RegistryError],
    ) -> None:
        self._settings = settings
        self._inventory = inventory
        self._authorize = authorize
        self._listing_error = listing_error
        self._vanished: dict[str, set[str]] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v2/{name:.+}/manifests/{reference}", self._manifest, name="manifest"),
            web.get("/v2/{name:.+}/blobs/{digest}", self._blob, name="blob"),
            web.get("/v2/{name:.+}/referrers/{digest}", self._referrers, name="referrers"),
            web.get("/downloads/{name:.+}/{digest}", self._download, name="blob.download"),
        ]

    def without_vanished(self, listing: Listing) -> Listing:
        """The listing as it is now: some images are gone once a client has asked for their manifests."""
        gone = self._vanished.get(listing["name"])
        if not gone:
            return listing
        images: dict[str, Image] = {key: image for key, image in listing["manifest"].items() if key not in gone}
        return {**listing, "manifest": images, "tags": tags_of(images)}

    async def _manifest(self, request: web.Request) -> web.Response:
        name = self._repository(request)
        reference = request.match_info["reference"]
        entry = self._inventory.contents.manifest(name, reference)
        if entry is not None and entry.problem == VANISHED:
            self._vanished.setdefault(name, set()).add(entry.manifest.digest)
        if entry is None or entry.problem in ABSENT:
            raise RegistryError(404, "MANIFEST_UNKNOWN", f"Failed to fetch {reference!r}")
        return _manifest_response(request, entry)

    async def _blob(self, request: web.Request) -> web.Response:
        name = self._repository(request)
        digest = request.match_info["digest"]
        body = self._config(name, digest)
        if self._settings.blobs == "redirected":
            # Artifact Registry redirects to a relative URL on its own host.
            return web.Response(status=307, headers={hdrs.LOCATION: f"/downloads/{name}/{digest}"})
        return _blob_response(digest, body)

    async def _download(self, request: web.Request) -> web.Response:
        digest = request.match_info["digest"]
        return _blob_response(digest, self._config(request.match_info["name"], digest))

    async def _referrers(self, request: web.Request) -> web.Response:
        if self._settings.referrers == "none":
            raise web.HTTPNotFound(text="404 page not found\n")
        name = self._repository(request)
        digest = request.match_info["digest"]
        found = self._inventory.contents.referrers(name, digest)
        headers = {}
        wanted = request.query.get("artifactType")
        if wanted is not None:
            found = [descriptor for descriptor in found if descriptor["artifactType"] == wanted]
            headers["OCI-Filters-Applied"] = "artifactType"
        n = min(requested_page_size(request) or self._settings.referrers_page, self._settings.referrers_page)
        page, last = referrers_page(found, last=request.query.get("last", ""), n=n)
        if last is not None:
            query = {} if wanted is None else {"artifactType": wanted}
            headers |= next_link(f"/v2/{name}/referrers/{digest}", **query, n=n, last=last)
        body = orjson.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": page})
        return web.Response(body=body, content_type=OCI_INDEX, headers=headers)

    def _repository(self, request: web.Request) -> str:
        """The name of the requested repository. Raises RegistryError."""
        name = request.match_info["name"]
        if not is_valid_name(name):
            raise RegistryError(400, "NAME_INVALID", f"invalid repository name: {name!r}")
        self._authorize(request, pull(name))
        if self._inventory.kind(name) not in (Kind.NORMAL, Kind.EMPTY):
            raise self._listing_error(name)
        return name

    def _config(self, name: str, digest: str) -> bytes:
        body = self._inventory.contents.config(name, digest)
        if body is None:
            raise RegistryError(404, "BLOB_UNKNOWN", "blob unknown to registry")
        return body


def _manifest_response(request: web.Request, entry: Entry) -> web.Response:
    manifest = entry.manifest
    if manifest.media_type in _UNSUPPORTED and manifest.media_type not in _accepted(request):
        raise RegistryError(404, "MANIFEST_UNKNOWN", _UNSUPPORTED[manifest.media_type])
    etag = f'"{manifest.digest}"'
    if etag in _entity_tags(request):
        # Distribution's 304 has no Docker-Content-Digest.
        return web.Response(status=304, headers={hdrs.ETAG: etag})
    headers = {"Docker-Content-Digest": manifest.digest, hdrs.ETAG: etag}
    return web.Response(body=served_body(entry), content_type=manifest.media_type, headers=headers)


def _blob_response(digest: str, body: bytes) -> web.Response:
    headers = {"Docker-Content-Digest": digest, hdrs.ETAG: f'"{digest}"'}
    return web.Response(body=body, content_type="application/octet-stream", headers=headers)


def _accepted(request: web.Request) -> set[str]:
    """The media types that the client names; wildcards are none, as in distribution."""
    values = ",".join(request.headers.getall(hdrs.ACCEPT, []))
    return {value.partition(";")[0].strip() for value in values.split(",")}


def _entity_tags(request: web.Request) -> set[str]:
    values = ",".join(request.headers.getall(hdrs.IF_NONE_MATCH, []))
    return {value.strip().removeprefix("W/") for value in values.split(",")}
