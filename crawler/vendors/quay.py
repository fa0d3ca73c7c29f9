"""Quay's API: the repositories of one namespace or of all, and the tags of a repository.

(quay/quay endpoints/api/repository.py, endpoints/api/tag.py) A list costs one exchange for each 100 entries: 10,000
images cost 100.

Names: public repositories, and those that the user of the API's token may see. Quay counts none of them. A page of
names ends with the token of the next page, `next_page`.

Images: of each tag its digest, the compressed size of the layers, whether it is an index, and since when the tag has
that digest. Platforms, media types, the time of the upload and images without a tag are not listed. The history of tags
(`onlyActiveTags=false`) is not requested.

Who may: everybody for public repositories, unless `FEATURE_ANONYMOUS_ACCESS` is off; else the user of an OAuth access
token with the scope `repo:read`, as `registry.apis.token_file`. The API takes no robot account and no password (it
never reads Basic credentials: auth/decorators.py, process_oauth), so they are not sent to it.

A token that Quay does not know counts for nothing, and Quay then answers like to an anonymous client
(auth/decorators.py, _auth_decorator). But it writes `is_starred` for known users alone
(endpoints/api/repository_models_pre_oci.py), so that names without it are those of an anonymous client.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from crawler.auth.credentials import NO_SCOPE
from crawler.client import AuthenticatedClient
from crawler.errors import MalformedResponse, UnusableResponse
from crawler.model.image import Image, ImageKind
from crawler.model.names import RepositoryName
from crawler.model.record import Listing, NamePage
from crawler.model.run_manifest import Evidence
from crawler.model.timestamps import timestamp
from crawler.registry.cursor import Cursor
from crawler.registry.pager import MAX_EMPTY_PAGES
from crawler.transport.messages import Purpose, Request
from crawler.vendors.access import ApiAccess
from crawler.vendors.api import VendorApi
from crawler.vendors.listing import make_listing
from crawler.wire.descriptor import parse_descriptors
from crawler.wire.digest import is_digest
from crawler.wire.json_fields import parse_count, parse_object, parse_text

PAGE_SIZE: Final = 100
"""Tags on a page; Quay lowers a larger number."""

_FROM_SCRIPT: Final = (("X-Requested-With", "XMLHttpRequest"),)
"""Quay may refuse requests without it where it takes the client for a browser (endpoints/decorators.py)."""

_HOW_TO_SEE_MORE: Final = "give an OAuth access token with the scope repo:read as registry.apis.token_file"


def open_quay(access: ApiAccess) -> VendorApi:
    url = f"{access.url}/api/v1"
    client = access.with_token(_FROM_SCRIPT)
    names = QuayNames(
        client,
        url,
        access.namespace,
        has_token=access.token is not None,
        has_login=access.has_credentials,
    )
    return VendorApi(names=names, images=QuayImages(client, url))


class QuayNames:
    """The repositories of one namespace or of all: the public ones, and those that the token's user may see.

    Quay begins again at the first page where it cannot read `next_page`, as where a proxy drops it, and encrypts each
    token anew (util/pagination.py, decrypt_page_token): no token would come twice, and the list would never end.
    """

    def __init__(
        self, client: AuthenticatedClient, url: str, namespace: str, *, has_token: bool, has_login: bool
    ) -> None:
        """`namespace` is "" for all of them. `has_login`: the registry's credentials may see more than is public."""
        self._client = client
        of_namespace = f"namespace={quote(namespace, safe='')}&" if namespace else ""
        self._url = f"{url}/repository?{of_namespace}public=true"
        self._namespace = namespace
        self._has_token = has_token
        self._has_login = has_login
        self._is_known_user = False

    async def pages(self) -> AsyncIterator[NamePage]:
        cursor = Cursor()
        seen, idle = set[str](), 0
        while not cursor.is_over:
            url = f"{self._url}&next_page={quote(cursor.token, safe='')}" if cursor.token else self._url
            _, page = await self._client.get(url, NO_SCOPE, parse_repositories, Purpose.API)
            self._is_known_user = self._is_known_user or page.is_known_user
            yield dict.fromkeys(page.names)
            idle = idle + 1 if seen.issuperset(page.names) else 0
            seen.update(page.names)
            if idle > MAX_EMPTY_PAGES and page.next_token:
                message = f"more than {MAX_EMPTY_PAGES} pages in a row without a new name"
                raise UnusableResponse(Request(url=url).summary, code="PAGES", message=message, http_status=200)
            cursor.follow(page.next_token, url)

    def evidence(self, listed: int) -> Evidence:
        kind = "repositories" if self._is_known_user else "public repositories"
        of_namespace = f" of {self._namespace}" if self._namespace else ""
        if not listed:
            text = f"Quay's API lists none of the {kind}{of_namespace}, which proves nothing: "
            return Evidence(complete=False, text=f"{text}check the name of the namespace, or {_HOW_TO_SEE_MORE}")
        text = f"Quay's API listed {listed:,} {kind}{of_namespace} to the end of the list"
        if self._is_known_user:
            return Evidence(complete=True, text=f"{text}, which are all that the token's user may see")
        if self._has_token:
            return Evidence(complete=False, text=f"{text}; it did not accept the token: {_HOW_TO_SEE_MORE}")
        if self._has_login:
            return Evidence(complete=False, text=f"{text}; private repositories are not listed: {_HOW_TO_SEE_MORE}")
        return Evidence(complete=True, text=f"{text}, which are all that are public")


class QuayImages:
    """The images of a repository, tag by tag, the newest first."""

    def __init__(self, client: AuthenticatedClient, url: str) -> None:
        self._client = client
        self._url = url

    async def listing(self, name: RepositoryName) -> Listing:
        url = f"{self._url}/repository/{quote(name)}/tag/?onlyActiveTags=true&limit={PAGE_SIZE}"
        tags: dict[str, Image | None] = {}
        number, has_more, suspect = 0, True, None
        while has_more:
            number += 1
            _, page = await self._client.get(f"{url}&page={number}", NO_SCOPE, partial(parse_tags, number), Purpose.API)
            before, has_more = len(tags), page.has_more
            for tag, image in page.tags:
                tags.setdefault(tag, image)  # a push meanwhile moves the last entries to the next page
            if has_more and len(tags) == before:
                suspect = f"page {number:,} of Quay's list of tags repeats earlier pages, and is not the last"
                break
        return make_listing(
            (image for image in tags.values() if image is not None),
            lists_untagged=False,
            without_digest=[tag for tag, image in tags.items() if image is None],
            suspect=suspect,
        )


class RepositoriesPage(NamedTuple):
    """A page of names.

    Attributes:
        next_token: requests the next page; "" on the last.
        is_known_user: whether Quay knows the user of the request.
    """

    names: tuple[str, ...]
    next_token: str
    is_known_user: bool


class TagsPage(NamedTuple):
    """A page of tags, each with its image; None where Quay names no digest."""

    tags: tuple[tuple[str, Image | None], ...]
    has_more: bool


def parse_repositories(body: bytes) -> RepositoriesPage:
    """Parse a page of `/repository`. Raises MalformedResponse."""
    document = parse_object(body)
    if "repositories" not in document:
        raise MalformedResponse("a page without 'repositories'")
    listed = parse_descriptors(document["repositories"], "repositories")
    next_token = document.get("next_page")
    if next_token is not None and not isinstance(next_token, str):
        raise MalformedResponse("'next_page' is not a string")
    return RepositoriesPage(
        tuple(map(_parse_name, listed)), next_token or "", any("is_starred" in each for each in listed)
    )


def _parse_name(repository: dict[str, Any]) -> str:
    namespace, name = parse_text(repository.get("namespace")), parse_text(repository.get("name"))
    if namespace is None or name is None:
        raise MalformedResponse("a repository without a namespace or a name")
    return f"{namespace}/{name}"


def parse_tags(number: int, body: bytes) -> TagsPage:
    """Parse page `number` of a repository's tags. Raises MalformedResponse."""
    document = parse_object(body)
    has_more = document.get("has_additional")
    if "tags" not in document or not isinstance(has_more, bool):
        raise MalformedResponse("a page without 'tags' and 'has_additional'")
    if document.get("page", number) != number:
        raise MalformedResponse("another page than the one that was requested")
    return TagsPage(tuple(map(_parse_tag, parse_descriptors(document["tags"], "tags"))), has_more)


def _parse_tag(tag: dict[str, Any]) -> tuple[str, Image | None]:
    name, digest = parse_text(tag.get("name")), tag.get("manifest_digest")
    if name is None:
        raise MalformedResponse("a tag without a name")
    if not isinstance(digest, str) or not is_digest(digest):
        return name, None
    image = Image(
        digest=digest,
        tags=(name,),
        kind=ImageKind.INDEX if tag.get("is_manifest_list") is True else None,
        size_bytes=parse_count(tag.get("size")),
        updated_at=_parse_seconds(tag.get("start_ts")),
    )
    return name, image


def _parse_seconds(value: Any) -> str | None:
    """A time in seconds since 1970; None for 0, and for what is no time."""
    seconds = parse_count(value)
    try:
        return None if seconds is None else timestamp(datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):
        return None
