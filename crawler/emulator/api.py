"""Google's REST APIs: Artifact Registry's v1, and projects.search of Cloud Resource Manager v3.

In production these APIs have hosts of their own (artifactregistry.googleapis.com and
cloudresourcemanager.googleapis.com); the emulator serves them on the registry's own host and port.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote

from aiohttp import web

from crawler.emulator.api_pagination import Items, invalid_token, items_after, page_response
from crawler.emulator.auth import Authenticator
from crawler.emulator.errors import ApiError, Unauthenticated, error_info
from crawler.emulator.images import UNKNOWN, Image
from crawler.emulator.inventory import Inventory
from crawler.emulator.middleware import API
from crawler.emulator.projects import ARTIFACT_REGISTRY, RESOURCE_MANAGER, api_disabled_error, search_projects
from crawler.emulator.repositories import ArtifactRepository, docker_repositories, repositories_at, rfc3339
from crawler.emulator.scopes import READS_PROJECTS
from crawler.emulator.settings import ArtifactRegistry, Settings

_OTHER_HOST_DIVISOR = 10  # every other host has a tenth of the images
_PROJECT = "/v1/projects/{project}"
_LOCATION = f"{_PROJECT}/locations/{{location}}"
_REPOSITORY = f"{_LOCATION}/repositories/{{repository}}"


class Api:
    """The REST endpoints. Every request needs a Bearer access token with a cloud-platform scope.

    `inventory` holds the images of the emulated registry host; the inventories of other hosts are made here.
    """

    def __init__(
        self, settings: Settings, role: ArtifactRegistry, *, inventory: Inventory, authenticator: Authenticator
    ) -> None:
        self._settings = settings
        self._role = role
        self._authenticator = authenticator
        smaller = replace(settings, repositories=-(-settings.repositories // _OTHER_HOST_DIVISOR))
        hosts = {repository.host for repository in docker_repositories(role, seed=settings.seed)}
        self._inventories = {
            host: inventory if host == role.host else Inventory(smaller, host=host) for host in sorted(hosts)
        }

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v3/projects:search", self._projects, name=f"{API}.projects"),
            web.get(f"{_PROJECT}/locations", self._locations, name=f"{API}.locations"),
            web.get(f"{_LOCATION}/repositories", self._repositories, name=f"{API}.repositories"),
            web.get(f"{_REPOSITORY}/dockerImages", self._docker_images, name=f"{API}.images"),
        ]

    async def _projects(self, request: web.Request) -> web.Response:
        self._authorize(request)
        if self._role.resource_manager == "disabled":
            raise api_disabled_error(RESOURCE_MANAGER, project=self._settings.project, seed=self._settings.seed)
        return self._page(request, "projects", items_after(search_projects(self._role, seed=self._settings.seed)))

    async def _locations(self, request: web.Request) -> web.Response:
        self._authorize(request)
        project = self._project(request, "artifactregistry.locations.list")
        locations = [
            {"name": f"projects/{project}/locations/{location}", "locationId": location}
            for location in self._role.all_locations
        ]
        return self._page(request, "locations", items_after(locations))

    async def _repositories(self, request: web.Request) -> web.Response:
        self._authorize(request)
        repositories = self._requested_repositories(request, "artifactregistry.repositories.list")
        to_json = [repository.to_json(seed=self._settings.seed) for repository in repositories]
        return self._page(request, "repositories", items_after(to_json))

    async def _docker_images(self, request: web.Request) -> web.Response:
        """One entry per digest that the registry lists. Empty, vanished and denied repositories have no entry."""
        self._authorize(request)
        repositories = self._requested_repositories(request, "artifactregistry.dockerimages.list")
        repository_id = request.match_info["repository"]
        repository = next((repository for repository in repositories if repository.id == repository_id), None)
        if repository is None:
            raise ApiError(404, "NOT_FOUND", "Requested entity was not found.")
        if repository.format != "DOCKER":
            raise ApiError(400, "INVALID_ARGUMENT", f"{repository.resource} is not of format DOCKER.")
        inventory = self._inventories[repository.host]
        return self._page(request, "dockerImages", lambda name: _images_after(name, repository, inventory))

    def _page(self, request: web.Request, field: str, after: Callable[[str], Items]) -> web.Response:
        return page_response(request, field=field, max_page_size=self._role.api_page, after=after)

    def _requested_repositories(self, request: web.Request, permission: str) -> list[ArtifactRepository]:
        """The repositories of the project and location in the request's path. Raises ApiError."""
        location = request.match_info["location"]
        # Artifact Registry refuses wildcards for the location, which other Google APIs accept.
        if location in ("-", "*"):
            raise ApiError(400, "INVALID_ARGUMENT", "Request contains an invalid argument.")
        project = self._project(request, permission)
        if location not in self._role.all_locations:
            raise ApiError(
                403, "PERMISSION_DENIED", f"Permission denied on 'locations/{location}' (or it may not exist)."
            )
        return repositories_at(self._role, seed=self._settings.seed, project=project, location=location)

    def _project(self, request: web.Request, permission: str) -> str:
        project = request.match_info["project"]
        if project in self._role.api_disabled_projects:
            raise api_disabled_error(ARTIFACT_REGISTRY, project=project, seed=self._settings.seed)
        if project not in self._role.projects:
            raise _denied(permission, f"projects/{project}")
        return project

    def _authorize(self, request: web.Request) -> None:
        try:
            oauth_scopes = self._authenticator.authenticate_bearer(request.headers.get("Authorization"))
        except Unauthenticated:
            raise ApiError(
                401,
                "UNAUTHENTICATED",
                "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or "
                "other valid authentication credential.",
                # This realm is a login page, not a token endpoint: a client must not ask it for a token.
                headers={"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'},
            ) from None
        if not oauth_scopes & READS_PROJECTS:
            raise ApiError(403, "PERMISSION_DENIED", "Request had insufficient authentication scopes.")


def _denied(permission: str, resource: str) -> ApiError:
    domain = ARTIFACT_REGISTRY.domain
    return ApiError(
        403,
        "PERMISSION_DENIED",
        f"Permission '{permission}' denied on resource '//{domain}/{resource}' (or it may not exist).",
        details=[error_info("IAM_PERMISSION_DENIED", domain=domain, permission=permission, resource=resource)],
    )


def _images_after(name: str, repository: ArtifactRepository, inventory: Inventory) -> Iterator[Mapping[str, Any]]:
    """The images that follow the resource `name`, generated lazily: a page needs only its own images."""
    prefix = f"{repository.resource}/dockerImages/"
    if name and not name.startswith(prefix):
        raise invalid_token()
    last, _, last_digest = unquote(name.removeprefix(prefix)).partition("@")
    names = inventory.names_under(repository.folder)
    for path in names[bisect_left(names, f"{repository.folder}/{last}") :]:
        listing = inventory.listing(path)
        images = listing["manifest"] if listing is not None else {}
        image_id = path.removeprefix(f"{repository.folder}/")
        for digest, image in images.items():
            if (image_id, digest) > (last, last_digest):
                yield _docker_image(repository, f"{image_id}@{digest}", image)


def _docker_image(repository: ArtifactRepository, reference: str, image: Image) -> dict[str, Any]:
    uploaded = _time(image["timeUploadedMs"])
    fields = {
        "name": f"{repository.resource}/dockerImages/{quote(reference, safe='@:')}",
        "uri": f"{repository.uri}/{reference}",
        "tags": image["tag"],
        "imageSizeBytes": _unless_unknown(image["imageSizeBytes"]),
        "uploadTime": uploaded,
        "mediaType": image["mediaType"],
        "buildTime": _time(image["timeCreatedMs"]),
        "updateTime": uploaded,
    }
    return {key: value for key, value in fields.items() if value}


def _unless_unknown(number: str) -> str:
    return "" if number == UNKNOWN else number


def _time(milliseconds: str) -> str:
    return "" if milliseconds == UNKNOWN else rfc3339(int(milliseconds))
