"""Docker Hub's API: the repositories of one namespace, and the tags of a repository with their images.

(https://docs.docker.com/reference/api/hub/latest/) Docker Hub answers 401 to every request for its catalog. Pages are
`{"count": 287, "next": "https://…?page=2", "results": […]}`, 100 entries at most.

Of a tag the API tells its digest, the compressed size, the platforms, and when it was pushed and pulled. It lists tags,
so it does not tell of images without one.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, TypeVar

import orjson

from crawler.auth.credentials import BEARER_TOKEN_USER, IDENTITY_TOKEN_USER, NO_SCOPE, Credential, PreemptiveAuth
from crawler.client import AuthenticatedClient
from crawler.errors import MalformedResponse, Missing
from crawler.model.image import Image, ImageKind, Platform
from crawler.model.names import RepositoryName
from crawler.model.record import Listing, NamePage
from crawler.model.run_manifest import Evidence
from crawler.registry.cursor import Cursor
from crawler.single_flight import SingleFlight
from crawler.transport.messages import MAX_TOKEN_BYTES, Purpose, Request
from crawler.vendors.access import ApiAccess
from crawler.vendors.api import VendorApi
from crawler.vendors.listing import make_listing
from crawler.vendors.pages import same_list
from crawler.wire.digest import is_digest
from crawler.wire.error_body import parse_error_body
from crawler.wire.json_fields import parse_count, parse_object, parse_text
from crawler.wire.manifest import INDEX_TYPES
from crawler.wire.platform import parse_platform
from crawler.wire.times import parse_time

T = TypeVar("T")

PAGE_SIZE: Final = 100
"""Entries on a page; the API allows no more."""

_PRIVATE_NOT_LISTED: Final = (
    "private repositories are not listed: name them with repositories_from, "
    "or crawl only the public repositories, without a login (--auth anonymous)"
)
_CHECK: Final = "check the namespace, and name private repositories with repositories_from"


def open_docker_hub(access: ApiAccess) -> VendorApi:
    login = _Login(access)
    client = AuthenticatedClient(PreemptiveAuth(login), access.transport)
    return VendorApi(
        names=DockerHubNames(client, login, access.url, access.namespace), images=DockerHubImages(client, access.url)
    )


class DockerHubNames:
    """The repositories of one namespace: the public ones, and with a login also the private ones that it may see.

    The API answers a mistyped namespace with 404 or with no repositories. Neither proves that the namespace is empty.
    """

    def __init__(self, client: AuthenticatedClient, login: "_Login", url: str, namespace: str) -> None:
        self._client = client
        self._login = login
        self._namespace = namespace
        self._first_url = f"{url}/v2/namespaces/{namespace}/repositories?page_size={PAGE_SIZE}"
        self._count = 0
        self._missing: Missing | None = None

    async def pages(self) -> AsyncIterator[NamePage]:
        try:
            async for page in _pages(self._client, self._first_url, parse_name):
                self._count = max(self._count, page.count)
                yield dict.fromkeys(f"{self._namespace}/{name}" for name in page.results)
        except Missing as exc:
            self._missing = exc

    def evidence(self, listed: int) -> Evidence:
        namespace, kind = self._namespace, "repositories" if self._login.is_accepted else "public repositories"
        if listed == self._count == 0:
            error = "" if self._missing is None else f" ({self._missing})"
            no_kind = kind.replace("repositories", "repository")
            text = f"Docker Hub lists no {no_kind} of {namespace}{error}, which proves nothing: {_CHECK}"
            return Evidence(complete=False, text=text)
        text = f"Docker Hub listed {listed:,} of {self._count:,} {kind} of {namespace}"
        if self._missing is not None:
            return Evidence(complete=False, text=f"{text}, then failed: {self._missing}")
        if listed < self._count:
            return Evidence(complete=False, text=f"{text}, and no next page")
        if self._login.refusal:
            return Evidence(complete=False, text=f"{text}; {_PRIVATE_NOT_LISTED} ({self._login.refusal})")
        seen = "that the account may see" if self._login.is_accepted else "that are public"
        return Evidence(complete=True, text=f"{text}, which are all {seen}")


class DockerHubImages:
    """The images of a repository, tag by tag."""

    def __init__(self, client: AuthenticatedClient, url: str) -> None:
        self._client = client
        self._url = url

    async def listing(self, name: RepositoryName) -> Listing:
        namespace, _, repository = name.partition("/")
        url = f"{self._url}/v2/namespaces/{namespace}/repositories/{repository}/tags?page_size={PAGE_SIZE}"
        tags: list[_Tag] = []
        count = 0
        async for page in _pages(self._client, url, _parse_tag):
            count = max(count, page.count)  # what follows a deleted tag moves up, to a page that was read
            tags += page.results
        listed = len({tag.name for tag in tags})
        return make_listing(
            (tag.image for tag in tags if tag.image is not None),
            lists_untagged=False,
            without_digest=[tag.name for tag in tags if tag.image is None],
            suspect=None if listed >= count else f"Docker Hub's API listed {listed:,} of {count:,} tags",
        )


class _Login:
    """The access token that Docker Hub gives for a user name and a password; it is good for ten minutes.

    Where there is no login, or Docker Hub refuses it, requests are anonymous.

    Attributes:
        is_accepted: whether Docker Hub gave a token.
        refusal: why it gave none to a login; "" where there is none, or none was needed.
    """

    def __init__(self, access: ApiAccess) -> None:
        self._access = access
        self._flights: SingleFlight[str, None] = SingleFlight()
        self._token: Credential | None = None
        self._is_known = False
        self.refusal = ""

    @property
    def is_accepted(self) -> bool:
        return self._token is not None

    @property
    def at_hand(self) -> Credential | None:
        return self._token

    async def get(self) -> Credential | None:
        """The token as Bearer; None for anonymous requests."""
        if not self._is_known:
            await self._flights.do("", self._log_in)
        return self._token

    async def refresh(self, refused: Credential) -> Credential | None:
        if self._token == refused:
            await self._flights.do("", self._log_in)
        return self._token

    async def _log_in(self) -> None:
        credential = await (self._access.token or self._access.login).get()
        if credential is None or credential.name == BEARER_TOKEN_USER:
            self._token = credential
        elif credential.name == IDENTITY_TOKEN_USER:
            self.refusal = "Docker Hub's API takes a password or an access token, and the login is an identity token"
        else:
            await self._request_token(credential)
        self._is_known = True

    async def _request_token(self, credential: Credential) -> None:
        """(https://docs.docker.com/reference/api/hub/latest/operations/AuthCreateAccessToken.md)"""
        request = Request(
            url=f"{self._access.url}/v2/auth/token",
            method="POST",
            content=orjson.dumps({"identifier": credential.name, "secret": credential.password}),
            secrets=(credential.password,),
            max_body_bytes=MAX_TOKEN_BYTES,
            purpose=Purpose.TOKEN,
            parse=_parse_token,
        )
        response = await self._access.transport.fetch(request)
        if response.status == 200:
            self._token, self.refusal = Credential(BEARER_TOKEN_USER, response.value), ""
        else:
            detail = parse_error_body(response.body, response.status, response.redirected_to)
            self._token = None
            self.refusal = f"{request.summary}: {response.status} {detail.code}: {detail.message}"


@dataclass(frozen=True, slots=True)
class HubPage(Generic[T]):
    """One page of a list.

    Attributes:
        count: the number of entries on all pages together.
        next_url: the URL of the next page, on the origin of this page; "" on the last page.
    """

    results: tuple[T, ...]
    count: int
    next_url: str


@dataclass(frozen=True, slots=True)
class _Tag:
    """A tag with its image; None where the API names no digest, as for a tag of long ago."""

    name: str
    image: Image | None


async def _pages(
    client: AuthenticatedClient, url: str, parse_result: Callable[[dict[str, Any]], T]
) -> AsyncIterator[HubPage[T]]:
    cursor = Cursor(url)
    while not cursor.is_over:
        url = cursor.token
        _, page = await client.get(url, NO_SCOPE, partial(parse_hub_page, url, parse_result), Purpose.API)
        yield page
        cursor.follow(page.next_url, url)


def parse_hub_page(requested: str, parse_result: Callable[[dict[str, Any]], T], body: bytes) -> HubPage[T]:
    """Parse the page at the URL `requested`. Raises MalformedResponse."""
    document = parse_object(body)
    results, count, link = (document.get(field) for field in ("results", "count", "next"))
    if not isinstance(results, list) or type(count) is not int or count < 0:
        raise MalformedResponse("a page without 'results' and 'count'")
    if link is not None and not isinstance(link, str):
        raise MalformedResponse("'next' is not a URL")
    if not all(isinstance(result, dict) for result in results):
        raise MalformedResponse("'results' is not a list of objects")
    return HubPage(tuple(map(parse_result, results)), count, same_list(link, requested) if link else "")


def parse_name(result: dict[str, Any]) -> str:
    """The name of a repository or a tag. Raises MalformedResponse."""
    name = parse_text(result.get("name"))
    if name is None:
        raise MalformedResponse("a repository or a tag without a name")
    return name


def _parse_tag(result: dict[str, Any]) -> _Tag:
    name, digest = parse_name(result), result.get("digest")
    if not isinstance(digest, str) or not is_digest(digest):
        return _Tag(name, None)
    media_type = parse_text(result.get("media_type"))
    image = Image(
        digest=digest,
        tags=(name,),
        kind=ImageKind.INDEX if media_type in INDEX_TYPES else None,
        media_type=media_type,
        size_bytes=parse_count(result.get("full_size")),
        uploaded_at=parse_time(result.get("tag_last_pushed")),
        updated_at=parse_time(result.get("last_updated")),
        pulled_at=parse_time(result.get("tag_last_pulled")),
        platforms=_parse_platforms(result.get("images")),
    )
    return _Tag(name, image)


def _parse_platforms(images: Any) -> tuple[Platform, ...] | None:
    """The platforms of a tag's images, without those that the API does not describe by an object; None without any."""
    if not isinstance(images, list):
        return None
    platforms = tuple(
        parse_platform(
            parse_text(image.get("digest")),
            image.get("os"),
            image.get("architecture"),
            variant=image.get("variant"),
            os_version=image.get("os_version"),
        )
        for image in images
        if isinstance(image, dict)
    )
    return platforms or None


def _parse_token(body: bytes) -> str:
    token = parse_text(parse_object(body).get("access_token"))
    if token is None:
        raise MalformedResponse("no 'access_token'")
    return token
