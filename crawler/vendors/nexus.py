"""Nexus Repository's REST API: the components of one repository of Nexus, which are its images' tags.

A repository of Nexus contains many repositories of images. Its components come in any order, so names and images
come together at the end of the list. The list has what the account may browse, and its evidence is complete at its end.

- `GET /service/rest/v1/components?repository=R[&continuationToken=T]` answers
  `{"items": […], "continuationToken": null}`, with 10 components on a page. A list of a multiple of 10 ends with an
  empty page. (sonatype/nexus-public
  components/nexus-repository-content/src/main/java/org/sonatype/nexus/repository/content/rest/internal/resources/
  ComponentsResource.java, ComponentsResourceSupport.java)
- A component is `{"name", "version", "assets": [{"path", "checksum": {"sha256"}, "contentType", "lastModified",
  "lastDownloaded", "blobCreated", "fileSize"}]}`. Its version is a tag, or a digest. The paths of its manifests are
  `v2/NAME/manifests/REFERENCE`, with a slash before it in newer versions (sonatype/nexus-public#253, and
  AssetXOBuilder.java beside these).
- Of an image it tells the digest, the tags, the media type, and when it was uploaded (`blobCreated`, not in all
  versions), changed and pulled. `fileSize` is that of the manifest.
- A group has no components of its own: its list is empty, and the catalog is asked (FluentComponentsImpl.java,
  `browse`). A proxy has what it has cached, as its catalog has.

The repository of Nexus comes from `registry.api_path` (`/repository/R/v2/`), which works at Nexus's own host and port.
A port or a subdomain for docker does not tell which repository it serves.

Price: 1 exchange for 10 tags. Credentials: user name and password, as Basic; also a user token. Anonymous where Nexus
allows it.
"""

import re
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from crawler.auth.credentials import NO_SCOPE
from crawler.errors import MalformedResponse
from crawler.model.image import Image, ImageKind
from crawler.model.record import Listing, NamePage
from crawler.model.run_manifest import Evidence
from crawler.registry.cursor import Cursor
from crawler.transport.messages import Purpose
from crawler.vendors.access import ApiAccess
from crawler.vendors.api import VendorApi
from crawler.vendors.listing import make_listing
from crawler.wire.digest import is_digest
from crawler.wire.json_fields import parse_object, parse_text
from crawler.wire.manifest import INDEX_TYPES
from crawler.wire.times import parse_time

_API_PATH: Final = re.compile(r"(?P<context>.*)/repository/(?P<repository>[^/]+)/v2/")
_MANIFEST: Final = re.compile(r"/?v2/.+/manifests/([^/]+)")

_NO_REPOSITORY: Final = (
    "Nexus's API lists one repository of Nexus, and the registry's URL does not name it: crawl Nexus's own HOST:PORT "
    "with registry.api_path /repository/NAME/v2/"
)


def open_nexus(access: ApiAccess) -> VendorApi:
    return VendorApi(names=NexusNames(access, locate(access.url, access.registry_url)))


class Location(NamedTuple):
    """Nexus's URL, and which of its repositories the registry serves; "" where that is not known."""

    url: str
    repository: str


def locate(url: str, registry_url: str) -> Location:
    """The location for the API at `url` and the registry at `registry_url`."""
    match = _API_PATH.fullmatch(registry_url)
    if match is None:
        return Location(url, "")
    is_below = match["context"].startswith(f"{url}/")  # Nexus at the path /nexus of the registry's own origin
    return Location(match["context"] if is_below else url, match["repository"])


class NexusNames:
    """The repositories of images in one repository of Nexus, with their images."""

    def __init__(self, access: ApiAccess, location: Location) -> None:
        self._client = access.with_login()
        self._repository = location.repository
        self._url = f"{location.url}/service/rest/v1/components?repository={quote(location.repository, safe='')}"
        self._components = 0

    async def pages(self) -> AsyncIterator[NamePage]:
        if not self._repository:
            return
        manifests = defaultdict[str, list[_Manifest]](list)
        cursor = Cursor()
        while not cursor.is_over:
            url = f"{self._url}&continuationToken={quote(cursor.token, safe='')}" if cursor.token else self._url
            _, page = await self._client.get(url, NO_SCOPE, parse_components, Purpose.API)
            for component in page.components:
                manifests[component.name].extend(component.manifests)
            self._components += len(page.components)
            cursor.follow(page.next_token, url)
        for name in list(manifests):
            held = manifests.pop(name)
            yield {name: _make_listing(held) if held else None}  # None: the protocol says whether it is empty

    def evidence(self, listed: int) -> Evidence:
        if not self._repository:
            return Evidence(complete=False, text=_NO_REPOSITORY)
        if not listed:
            text = (
                f"Nexus's API lists no image of {self._repository}, which proves nothing: check that the account may "
                "browse it, and that it is no group, which the API does not list"
            )
            return Evidence(complete=False, text=text)
        text = (
            f"Nexus's API listed {self._components:,} tags and manifests in {listed:,} repositories of "
            f"{self._repository}, which are all that the account may browse"
        )
        return Evidence(complete=True, text=text)


class _Manifest(NamedTuple):
    """A manifest: its tag, or None where it is stored by its digest, and its image.

    `image` is None where the manifest's digest is not known.
    """

    tag: str | None
    image: Image | None


class Component(NamedTuple):
    name: str
    manifests: tuple[_Manifest, ...]


class ComponentsPage(NamedTuple):
    """One page of components; `next_token` is "" on the last page."""

    components: tuple[Component, ...]
    next_token: str


def parse_components(body: bytes) -> ComponentsPage:
    """Parse a page of components. Raises MalformedResponse."""
    document = parse_object(body)
    items, token = document.get("items"), document.get("continuationToken")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise MalformedResponse("'items' is not a list of objects")
    if token is not None and not isinstance(token, str):
        raise MalformedResponse("'continuationToken' is not text")
    return ComponentsPage(tuple(map(_parse_component, items)), token or "")


def _parse_component(item: dict[str, Any]) -> Component:
    name = parse_text(item.get("name"))
    if name is None:
        raise MalformedResponse("a component without a name")
    assets = item.get("assets")
    found = [_parse_manifest(asset) for asset in assets if isinstance(asset, dict)] if isinstance(assets, list) else []
    manifests = [manifest for manifest in found if manifest is not None]
    version = parse_text(item.get("version"))
    if not manifests and version is not None:  # the account may browse the component, and none of its manifests
        manifests.append(_make_manifest(version, "", {}))
    return Component(name, tuple(manifests))


def _parse_manifest(asset: dict[str, Any]) -> _Manifest | None:
    """The manifest of an asset; None for an asset that is none, such as a layer."""
    match = _MANIFEST.fullmatch(parse_text(asset.get("path")) or "")
    if match is None:
        return None
    checksum = asset.get("checksum")
    digest = f"sha256:{parse_text(checksum.get('sha256'))}" if isinstance(checksum, dict) else ""
    return _make_manifest(match[1], digest, asset)


def _make_manifest(reference: str, digest: str, asset: dict[str, Any]) -> _Manifest:
    tag = None if is_digest(reference) else reference
    digest = digest if tag is not None else reference
    if not is_digest(digest):
        return _Manifest(tag, None)
    media_type = parse_text(asset.get("contentType"))
    image = Image(
        digest=digest,
        tags=() if tag is None else (tag,),
        kind=ImageKind.INDEX if media_type in INDEX_TYPES else None,
        media_type=media_type,
        uploaded_at=parse_time(asset.get("blobCreated")),
        updated_at=parse_time(asset.get("lastModified")),
        pulled_at=parse_time(asset.get("lastDownloaded")),
    )
    return _Manifest(tag, image)


def _make_listing(manifests: list[_Manifest]) -> Listing:
    """The listing of a repository. Components have no order: tags are sorted, and those without a digest are last."""
    manifests.sort(key=lambda manifest: manifest.tag or "")
    return make_listing(
        (manifest.image for manifest in manifests if manifest.image is not None),
        lists_untagged=False,  # what the account may not browse is left out
        without_digest=[manifest.tag for manifest in manifests if manifest.image is None and manifest.tag is not None],
    )
