"""The REST APIs behind Google's registries: Artifact Registry's, and Cloud Resource Manager's search for projects.

In production they have hosts of their own; here they answer at the registry's address.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote

from aiohttp import web

from crawler.emulator.api_pagination import Items, following, invalid_token, page_response
from crawler.emulator.auth import Gate
from crawler.emulator.errors import ApiRefusal, Unauthenticated, error_info
from crawler.emulator.images import UNKNOWN, Image
from crawler.emulator.inventory import Inventory
from crawler.emulator.middleware import API
from crawler.emulator.projects import ARTIFACT_REGISTRY, RESOURCE_MANAGER, found_projects, switched_off
from crawler.emulator.repositories import Artifacts, docker_repositories, repositories_at, rfc3339
from crawler.emulator.scopes import READS_PROJECTS
from crawler.emulator.settings import ArtifactRegistry, Settings

_ELSEWHERE = 10  # times fewer images on each of the other hosts
_PROJECT = "/v1/projects/{project}"
_LOCATION = f"{_PROJECT}/locations/{{location}}"
_REPOSITORY = f"{_LOCATION}/repositories/{{repository}}"


class Api:
    """Wants a Bearer access token for all of Google Cloud. `inventory` is the registry's own."""

    def __init__(self, settings: Settings, role: ArtifactRegistry, *, inventory: Inventory, gate: Gate) -> None:
        self._settings = settings
        self._role = role
        self._gate = gate
        fewer = replace(settings, repositories=-(-settings.repositories // _ELSEWHERE))
        hosts = {repository.host for repository in docker_repositories(role, seed=settings.seed)}
        self._inventories = {
            host: inventory if host == role.host else Inventory(fewer, host=host) for host in sorted(hosts)
        }

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v3/projects:search", self._projects, name=f"{API}.projects"),
            web.get(f"{_PROJECT}/locations", self._locations, name=f"{API}.locations"),
            web.get(f"{_LOCATION}/repositories", self._repositories, name=f"{API}.repositories"),
            web.get(f"{_REPOSITORY}/dockerImages", self._docker_images, name=f"{API}.images"),
        ]

    async def _projects(self, request: web.Request) -> web.Response:
        self._admit(request)
        if self._role.resource_manager == "disabled":
            raise switched_off(RESOURCE_MANAGER, project=self._settings.project, seed=self._settings.seed)
        return self._page(request, "projects", following(found_projects(self._role, seed=self._settings.seed)))

    async def _locations(self, request: web.Request) -> web.Response:
        self._admit(request)
        project = self._project(request, "artifactregistry.locations.list")
        locations = [
            {"name": f"projects/{project}/locations/{location}", "locationId": location}
            for location in self._role.all_locations
        ]
        return self._page(request, "locations", following(locations))

    async def _repositories(self, request: web.Request) -> web.Response:
        self._admit(request)
        repositories = self._repositories_asked_for(request, "artifactregistry.repositories.list")
        described = [repository.described(seed=self._settings.seed) for repository in repositories]
        return self._page(request, "repositories", following(described))

    async def _docker_images(self, request: web.Request) -> web.Response:
        """What the registry lists, digest by digest: emptied repositories are absent, vanished and denied ones too."""
        self._admit(request)
        repositories = self._repositories_asked_for(request, "artifactregistry.dockerimages.list")
        asked = request.match_info["repository"]
        repository = next((repository for repository in repositories if repository.id == asked), None)
        if repository is None:
            raise ApiRefusal(404, "NOT_FOUND", "Requested entity was not found.")
        if repository.format != "DOCKER":
            raise ApiRefusal(400, "INVALID_ARGUMENT", f"{repository.resource} is not of format DOCKER.")
        inventory = self._inventories[repository.host]
        return self._page(request, "dockerImages", lambda name: _images_after(name, repository, inventory))

    def _page(self, request: web.Request, field: str, after: Callable[[str], Items]) -> web.Response:
        return page_response(request, field=field, largest=self._role.api_page, after=after)

    def _repositories_asked_for(self, request: web.Request, permission: str) -> list[Artifacts]:
        """All those of the project and the location in the request's path."""
        location = request.match_info["location"]
        if location in ("-", "*"):
            raise ApiRefusal(400, "INVALID_ARGUMENT", "Request contains an invalid argument.")
        project = self._project(request, permission)
        if location not in self._role.all_locations:
            raise ApiRefusal(
                403, "PERMISSION_DENIED", f"Permission denied on 'locations/{location}' (or it may not exist)."
            )
        return repositories_at(self._role, seed=self._settings.seed, project=project, location=location)

    def _project(self, request: web.Request, permission: str) -> str:
        project = request.match_info["project"]
        if project in self._role.api_disabled_projects:
            raise switched_off(ARTIFACT_REGISTRY, project=project, seed=self._settings.seed)
        if project not in self._role.projects:
            raise _denied(permission, f"projects/{project}")
        return project

    def _admit(self, request: web.Request) -> None:
        try:
            oauth_scopes = self._gate.bearer(request.headers.get("Authorization"))
        except Unauthenticated:
            raise ApiRefusal(
                401,
                "UNAUTHENTICATED",
                "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or "
                "other valid authentication credential.",
                # A realm, but not one that gives tokens to whoever asks there.
                headers={"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'},
            ) from None
        if not oauth_scopes & READS_PROJECTS:
            raise ApiRefusal(403, "PERMISSION_DENIED", "Request had insufficient authentication scopes.")


def _denied(permission: str, resource: str) -> ApiRefusal:
    domain = ARTIFACT_REGISTRY.domain
    return ApiRefusal(
        403,
        "PERMISSION_DENIED",
        f"Permission '{permission}' denied on resource '//{domain}/{resource}' (or it may not exist).",
        details=[error_info("IAM_PERMISSION_DENIED", domain=domain, permission=permission, resource=resource)],
    )


def _images_after(name: str, repository: Artifacts, inventory: Inventory) -> Iterator[Mapping[str, Any]]:
    """The images that follow the resource `name`, made one by one as they are asked for."""
    prefix = f"{repository.resource}/dockerImages/"
    if name and not name.startswith(prefix):
        raise invalid_token()
    last, _, last_digest = unquote(name.removeprefix(prefix)).partition("@")
    names = inventory.below(repository.folder)
    for path in names[bisect_left(names, f"{repository.folder}/{last}") :]:
        listing = inventory.listing(path)
        images = listing["manifest"] if listing is not None else {}
        image_id = path.removeprefix(f"{repository.folder}/")
        for digest, image in images.items():
            if (image_id, digest) > (last, last_digest):
                yield _docker_image(repository, f"{image_id}@{digest}", image)


def _docker_image(repository: Artifacts, reference: str, image: Image) -> dict[str, Any]:
    uploaded = _time(image["timeUploadedMs"])
    told = {
        "name": f"{repository.resource}/dockerImages/{quote(reference, safe='@:')}",
        "uri": f"{repository.uri}/{reference}",
        "tags": image["tag"],
        "imageSizeBytes": _known(image["imageSizeBytes"]),
        "uploadTime": uploaded,
        "mediaType": image["mediaType"],
        "buildTime": _time(image["timeCreatedMs"]),
        "updateTime": uploaded,
    }
    return {key: value for key, value in told.items() if value}


def _known(number: str) -> str:
    return "" if number == UNKNOWN else number


def _time(milliseconds: str) -> str:
    return "" if milliseconds == UNKNOWN else rfc3339(int(milliseconds))
