"""The packages API of Gitea and Forgejo: the names of the container packages of one owner.

`GET /api/v1/packages/OWNER?type=container&page=N&limit=50` answers a list of versions, the newest first: an entry for
each tag, and for each manifest without one. `X-Total-Count` has the number of versions on all pages.
(go-gitea/gitea routers/api/v1/packages/package.go, `ListPackages`; models/packages/package_version.go,
`SearchVersions`) So a name comes as often as it has versions, and a page has 50 versions at most, or fewer by the
server's setting `MAX_RESPONSE_ITEMS` (go-gitea/gitea services/convert/utils.go, `ToCorrectPageSize`).

The entries have no digests, sizes or times of manifests: tags and digests come by the protocol, at its price.

The evidence is complete for the owner's packages that the account may see, where as many versions came as the count
says. Names are those of the registry, in lower case: `OWNER/NAME`, also `OWNER/A/B`.

Credentials: user name and password as Basic, or a token as Bearer. Anonymous for public owners. `registry.apis.own` is
Gitea's own URL, up to where `/api/v1` begins.
"""

from collections.abc import AsyncIterator
from itertools import count
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from crawler.auth.credentials import NO_SCOPE
from crawler.errors import MalformedResponse, UnusableResponse
from crawler.model.record import NamePage
from crawler.model.run_manifest import Evidence
from crawler.registry.pager import MAX_PAGES
from crawler.transport.messages import Headers, Purpose, Request
from crawler.vendors.access import ApiAccess
from crawler.vendors.api import VendorApi
from crawler.wire.json_fields import parse_object_list, parse_text

PAGE_SIZE: Final = 50
"""Versions on a page: the most that Gitea allows by default."""

_UPLOAD: Final = "_upload"
"""Where Gitea keeps layers before their manifest comes; older versions list it (go-gitea/gitea#20491)."""


def open_gitea(access: ApiAccess) -> VendorApi:
    return VendorApi(names=GiteaNames(access))


class GiteaNames:
    """The container packages of one owner, which the account may see."""

    def __init__(self, access: ApiAccess) -> None:
        self._client = access.with_login()
        self._seen = "the account may see" if access.has_credentials else "are public"
        self._owner = access.namespace
        owner = quote(access.namespace, safe="")
        self._url = f"{access.url}/api/v1/packages/{owner}?type=container&limit={PAGE_SIZE}&page="
        self._versions = 0
        self._total: int | None = None
        self._fewer = ""  # how many versions there were when they had become fewer, of how many before

    async def pages(self) -> AsyncIterator[NamePage]:
        last: PackagesPage | None = None
        for number in count(1):
            url = f"{self._url}{number}"
            headers, page = await self._client.get(url, NO_SCOPE, parse_packages, Purpose.API)
            before, self._total = self._total, _total(headers)
            if before is not None and self._total is not None and self._total < before:
                self._fewer = f"{self._total:,} of {before:,}"
            if not page.versions:
                return
            if page == last or number > MAX_PAGES:
                message = f"page {number:,} is page {number - 1:,} again" if page == last else "too many pages"
                raise UnusableResponse(Request(url=url).summary, code="PAGES", message=message, http_status=200)
            self._versions += len(page.versions)
            yield dict.fromkeys(f"{self._owner}/{name}" for name in page.names)
            if self._total is not None and self._versions >= self._total:
                return
            last = page

    def evidence(self, listed: int) -> Evidence:
        owner, versions = self._owner, f"{self._versions:,}"
        if not listed:
            text = (
                f"Gitea's packages API lists no container package of {owner}, which proves nothing: check the owner, "
                "and that the account may see its packages"
            )
            return Evidence(complete=False, text=text)
        text = f"Gitea's packages API listed {listed:,} container packages of {owner}"
        if self._total is None:
            return Evidence(complete=True, text=f"{text} to an empty last page, which are all that {self._seen}")
        if self._versions < self._total:
            return Evidence(complete=False, text=f"{text}, with {versions} of {self._total:,} versions")
        if self._fewer:
            # the versions that follow a deleted one move up, and one of them may move to a page that was read
            change = f"their versions became fewer meanwhile, {self._fewer}: crawl again"
            return Evidence(complete=False, text=f"{text}; {change}")
        return Evidence(complete=True, text=f"{text} with {versions} versions, which are all that {self._seen}")


class PackagesPage(NamedTuple):
    """One page of versions.

    Attributes:
        versions: the package and the version of each entry.
        names: the container packages among them.
    """

    versions: tuple[tuple[str, str | None], ...]
    names: tuple[str, ...]


def parse_packages(body: bytes) -> PackagesPage:
    """Parse a page of versions, which is a list. Raises MalformedResponse."""
    entries = parse_object_list(body)
    versions = tuple(map(_parse_version, entries))
    names = [
        name
        for entry, (name, version) in zip(entries, versions, strict=True)
        if version != _UPLOAD and entry.get("type", "container") == "container"
    ]
    return PackagesPage(versions, tuple(dict.fromkeys(names)))


def _parse_version(entry: dict[str, Any]) -> tuple[str, str | None]:
    name = parse_text(entry.get("name"))
    if name is None:
        raise MalformedResponse("a package without a name")
    return name, parse_text(entry.get("version"))


def _total(headers: Headers) -> int | None:
    text = headers.get("X-Total-Count") or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
