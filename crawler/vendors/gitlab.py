"""GitLab's two APIs: names from GitLab itself, images from the registry's own host.

Names: `/api/v4/groups/GROUP/registry/repositories` lists the repositories of a group and of all its subgroups, and
`/api/v4/projects/PROJECT/registry/repositories` those of a project, 100 a page
(https://docs.gitlab.com/api/container_registry/). `path` is a repository's whole name, in lower case. For a group it
takes the Reporter role there, and lists each project's repositories but where the project's container registry is
switched off, which then serves nothing (gitlabhq/gitlabhq app/finders/container_repositories_finder.rb,
app/models/container_repository.rb, app/policies/group_policy.rb). The token is a personal, group or project access
token with the scope read_api; deploy tokens and job tokens are refused. `X-Total` is left out above 10,000 entries
(https://docs.gitlab.com/api/rest/#pagination-response-headers). It has no list for the namespace of a user.

Images: `/gitlab/v1/repositories/NAME/tags/list/` on the registry's host, 1,000 tags an exchange, with the token that
`/v2/` takes; 404 where the registry has no metadata database (gitlab-org/container-registry docs/spec/gitlab/api.md).
Of a tag it tells the digest, media type, size, when the tag last changed, and the referrers of its manifest. It lists
tags, so it does not tell of images without one. It tells neither when the manifest was received nor when it was built:
`created_at` is the tag's. Its `config_digest` is left out: a record's `manifest` is there once the manifest was read.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from crawler.client import AuthenticatedClient
from crawler.errors import Denied, MalformedResponse, Missing
from crawler.model.image import Image, ImageKind, Referrer, ReferrerSource
from crawler.model.names import RepositoryName
from crawler.model.record import Listing, NamePage
from crawler.model.run_manifest import Evidence
from crawler.registry.cursor import Cursor
from crawler.transport.messages import Headers, Purpose
from crawler.vendors.access import ApiAccess
from crawler.vendors.api import VendorApi
from crawler.vendors.listing import make_listing
from crawler.vendors.pages import linked_pages, next_page
from crawler.wire.digest import is_digest
from crawler.wire.json_fields import parse_count, parse_object_list, parse_text
from crawler.wire.manifest import INDEX_TYPES
from crawler.wire.referrers import parse_referrer
from crawler.wire.times import parse_time

NAMES_PAGE_SIZE: Final = 100
TAGS_PAGE_SIZE: Final = 1000
"""Entries on a page; the APIs allow no more."""

_ADVICE: Final = "the API takes an access token with the scope read_api, and the Reporter role in the group or project"
_CHECK: Final = f"check the target's prefix and the token: {_ADVICE}"


def open_gitlab(access: ApiAccess) -> VendorApi:
    prefix = access.target.prefix
    return VendorApi(
        names=GitlabNames(access.with_bearer(), access.url, prefix) if access.url and prefix else None,
        images=GitlabImages(access.registry, access.registry_url.removesuffix("/").removesuffix("/v2")),
    )


class _Place(NamedTuple):
    """What GitLab lists repositories of.

    Attributes:
        resource: "groups" or "projects".
        path: the full path in GitLab.
    """

    resource: str
    path: str

    @property
    def label(self) -> str:
        return f"the group {self.path} and its subgroups" if self.resource == "groups" else f"the project {self.path}"


class GitlabNames:
    """The repositories of the group or project that the target's prefix names, or that it begins with.

    GitLab answers 404 also for what the account may not see.
    """

    def __init__(self, client: AuthenticatedClient, url: str, prefix: str) -> None:
        self._client = client
        self._url = url
        self._prefix = prefix
        self._place = _Place("groups", prefix)
        self._pages_read = 0
        self._totals: list[int] = []
        self._names_next = False

    async def pages(self) -> AsyncIterator[NamePage]:
        places = possible_places(self._prefix)
        for place in places:
            self._place = place
            try:
                async for page in self._pages(place):
                    yield page
            except Missing as exc:
                if self._pages_read:
                    raise
                if place == places[-1]:
                    message = f"GitLab has no group or project {self._prefix} that the account may see: {_CHECK}"
                    raise Missing(exc.request, code=exc.code, message=message, http_status=404) from None
            except Denied as exc:
                message = f"{exc.message} ({_ADVICE})"
                raise Denied(exc.request, code=exc.code, message=message, http_status=exc.http_status) from None
            else:
                return

    async def _pages(self, place: _Place) -> AsyncIterator[NamePage]:
        owner = f"{self._url}/api/v4/{place.resource}/{quote(place.path, safe='')}"
        url = f"{owner}/registry/repositories?per_page={NAMES_PAGE_SIZE}"
        async for headers, names in linked_pages(self._client, url, parse_names):
            self._pages_read += 1
            self._note_headers(headers)
            yield dict.fromkeys(names)

    def _note_headers(self, headers: Headers) -> None:
        """Note what a page's headers count. `X-Next-Page` comes on some last pages too (gitlab-org/gitlab#471566)."""
        total = parse_count(headers.get("X-Total"))
        self._totals += [] if total is None else [total]
        self._names_next = bool(headers.get("X-Next-Page"))

    def evidence(self, listed: int) -> Evidence:
        total = self._total(listed)
        if not listed and not total:
            text = f"GitLab's API lists no repository of {self._place.label}, which proves nothing: {_CHECK}"
            return Evidence(complete=False, text=text)
        of_total = "" if total is None else f" of {total:,}"
        text = f"GitLab's API listed {listed:,}{of_total} repositories of {self._place.label}"
        if total is not None and listed != total:
            return Evidence(complete=False, text=f"{text}, and no next page")
        if total is None and self._names_next:
            return Evidence(complete=False, text=f"{text}, and names a next page without a link to it")
        return Evidence(complete=True, text=f"{text}, which are all that the account may see")

    def _total(self, listed: int) -> int | None:
        """How many names there were, as it compares with the number of those listed; None where no page counts them.

        Where a repository is deleted from a page that was read, a name moves to that page and is never read, and the
        count of the last page agrees with the list. So no name may be missing of those that the first page counted;
        what was pushed since may be among the listed ones.
        """
        if not self._totals:
            return None
        first, most = self._totals[0], max(self._totals)
        return listed if first <= listed <= most else first if listed < first else most


class GitlabImages:
    """The images of a repository, tag by tag."""

    def __init__(self, client: AuthenticatedClient, url: str) -> None:
        """`url` is that of the registry, without a slash at its end."""
        self._client = client
        self._url = url

    async def listing(self, name: RepositoryName) -> Listing:
        tags: list[Tag] = []
        async for page in self._pages(name):
            tags += page
        without_digest = [tag.name for tag in tags if tag.image is None]
        return make_listing(images_of(tags), lists_untagged=False, without_digest=without_digest)

    async def _pages(self, name: RepositoryName) -> AsyncIterator[tuple["Tag", ...]]:
        """The pages of a repository's tags.

        The next link has `n` and `last`, and leaves `referrers` out (gitlab-org/container-registry
        registry/handlers/catalog.go, generateLink), so it is added. Where a full page has no link, and no page had one,
        a proxy may have removed it: the page after the last tag, which `last` requests, shows whether the list goes on.
        """
        path = f"/gitlab/v1/repositories/{quote(name, safe='/')}/tags/list/"
        first = f"{self._url}{path}?n={TAGS_PAGE_SIZE}{_WITH_REFERRERS}"
        cursor, had_links = Cursor(first), False
        while not cursor.is_over:
            url = cursor.token
            headers, page = await self._client.get(url, f"repository:{name}:pull", parse_tags, Purpose.API)
            yield page
            following = next_page(url, headers)
            had_links = had_links or bool(following)
            if following and _WITH_REFERRERS not in following:
                following += _WITH_REFERRERS
            elif not following and not had_links and len(page) >= TAGS_PAGE_SIZE:
                following = f"{first}&last={quote(page[-1].name, safe='')}"
            cursor.follow(following, url)


_WITH_REFERRERS: Final = "&referrers=true"


class Tag(NamedTuple):
    """A tag with its image; None where the API names no digest."""

    name: str
    image: Image | None


def possible_places(prefix: str) -> list[_Place]:
    """What a prefix of repository names may be in GitLab: a group, a project, or a part of a project's repositories.

    The name of a repository is its project's path and up to two components more; a project is in a group or in the
    namespace of a user (https://docs.gitlab.com/user/packages/container_registry/#naming-convention-for-your-container-images).
    """
    components = prefix.split("/")
    lengths = range(len(components), max(len(components) - 3, 1), -1)
    projects = [_Place("projects", "/".join(components[:length])) for length in lengths]
    return [_Place("groups", prefix), *projects]


def images_of(tags: Sequence[Tag]) -> Iterator[Image]:
    """The image of each tag, with its referrers where they are known.

    A registry that lists referrers leaves the list out where an image has none, and so does an older one that does not
    list any: the former is known where some image has referrers.
    """
    images = [tag.image for tag in tags if tag.image is not None]
    lists_referrers = any(image.referrers is not None for image in images)
    for image in images:
        yield image.replace(referrers=()) if image.referrers is None and lists_referrers else image


def parse_names(body: bytes) -> tuple[str, ...]:
    """Parse a page of repositories. Raises MalformedResponse."""
    names = [parse_text(repository.get("path")) for repository in parse_object_list(body)]
    if None in names:
        raise MalformedResponse("a repository without 'path'")
    return tuple(name for name in names if name is not None)


def parse_tags(body: bytes) -> tuple[Tag, ...]:
    """Parse a page of tags. Raises MalformedResponse."""
    return tuple(map(_parse_tag, parse_object_list(body)))


def _parse_tag(tag: dict[str, Any]) -> Tag:
    name, digest = parse_text(tag.get("name")), tag.get("digest")
    if name is None:
        raise MalformedResponse("a tag without 'name'")
    if not isinstance(digest, str) or not is_digest(digest):
        return Tag(name, None)
    media_type = parse_text(tag.get("media_type"))
    times = (parse_time(tag.get(field)) for field in ("published_at", "updated_at", "created_at"))
    image = Image(
        digest=digest,
        tags=(name,),
        kind=ImageKind.INDEX if media_type in INDEX_TYPES else None,
        media_type=media_type,
        size_bytes=parse_count(tag.get("size_bytes")),
        updated_at=next(filter(None, times), None),  # `published_at` came with GitLab 16.11
        referrers=_parse_referrers(tag.get("referrers")),
    )
    return Tag(name, image)


def _parse_referrers(referrers: Any) -> tuple[Referrer, ...] | None:
    """The manifests that have an image as their subject. None where they are not listed."""
    if not isinstance(referrers, list) or not all(isinstance(referrer, dict) for referrer in referrers):
        return None
    return tuple(parse_referrer(referrer, ReferrerSource.BULK) for referrer in referrers)
