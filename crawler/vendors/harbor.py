"""Harbor's API, 2.0 and later: the repositories of a registry or of one project, and the artifacts of a repository.

(goharbor/harbor api/v2.0/swagger.yaml) Pages have at most 100 entries, `X-Total-Count` and a `Link` to the next page. A
list costs one exchange for each 100 entries: 10,000 images cost 100.

Names: those of one project where the target has a prefix; else `/repositories`, which has the projects that the account
may see, or each project of `/projects`: before Harbor 2.3, and with OIDC. Administrators and robot accounts for all
projects see every project, other users their own and the public ones, and anonymous users the public ones
(src/server/v2.0/handler/repository.go).

Harbor answers a wrong password like an anonymous user (src/server/middleware/security). So `/systeminfo` is asked
first: it names Harbor's version only to users that are logged in, since 2.1 (src/server/v2.0/handler/systeminfo.go).
Where users come from OIDC, `/repositories` takes their CLI secrets for no login, and `/projects` does not
(src/server/middleware/security/oidc_cli.go).

Images: digest, tags, size, media type, artifact type, kind, when an artifact was pushed and pulled, the children of an
index with their platforms, of an image most of its config, and its accessories: signatures, SBOMs and other referrers,
with their digests. `variant`, health check, layers and history are not listed. Annotations are left out: a record's
`manifest` is there once the manifest was read.

- The children of an index are not artifacts of the list. `q=base=*` would list them, at one exchange for each 100 of
  them (src/pkg/artifact/dao/dao.go). An index names them with their platforms without it.
- Accessories are no artifacts of the list either, and neither are their tags, such as `sha256-….sig`. So a repository
  with accessories costs one more exchange, for `tags/list`.
- `/projects/P/artifacts` (since 2.12) lists a whole project, ordered by the time of the push. It is not used: the
  images of all repositories would be in memory at once, and anonymous users may not ask it.

Who may: whoever may list the repositories and artifacts of the project, by user name and password, as a robot account,
or by an OIDC ID token as `registry.apis.token_file`.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, NamedTuple, TypeVar
from urllib.parse import quote

from crawler.auth.credentials import NO_SCOPE
from crawler.client import AuthenticatedClient
from crawler.errors import MalformedResponse, Missing, RegistryError, Unreachable
from crawler.model.image import ReferrerKind
from crawler.model.names import RepositoryName
from crawler.model.record import Listing, NamePage
from crawler.model.run_manifest import Evidence
from crawler.transport.messages import Purpose
from crawler.vendors.access import ApiAccess
from crawler.vendors.api import VendorApi
from crawler.vendors.harbor_artifacts import Accessory, parse_artifact
from crawler.vendors.listing import make_listing
from crawler.vendors.pages import linked_pages
from crawler.wire.json_fields import parse_object, parse_object_list, parse_text
from crawler.wire.referrers import parse_referrer_tag
from crawler.wire.tags import parse_listing

T = TypeVar("T")

PAGE_SIZE: Final = 100
"""Entries on a page; more are refused with 422 (goharbor/harbor#13765)."""

_LOGIN_REFUSED: Final = (
    "Harbor did not accept the login, and listed public projects alone: check the user name and the password"
)
_COSIGN: Final = "signature.cosign"


def open_harbor(access: ApiAccess) -> VendorApi:
    url = f"{access.url}/api/v2.0"
    client = access.with_login()
    return VendorApi(
        names=HarborNames(client, url, access.namespace, has_login=access.has_credentials),
        images=HarborImages(client, url, access.registry, access.registry_url),
    )


class HarborNames:
    """The repositories of one project, or of all projects that the account may see."""

    def __init__(self, client: AuthenticatedClient, url: str, project: str, *, has_login: bool) -> None:
        """`project` is "" for all projects."""
        self._client = client
        self._url = url
        self._project = project
        self._has_login = has_login
        self._doubts: list[str] = []

    async def pages(self) -> AsyncIterator[NamePage]:
        async for names in self._of_project(self._project) if self._project else self._of_all_projects():
            yield dict.fromkeys(names)

    def evidence(self, listed: int) -> Evidence:
        of_project = f" of the project {self._project}" if self._project else ""
        if listed:
            text = f"Harbor's API listed {listed:,} repositories{of_project}"
        else:
            check = "check the name of the project" if self._project else "check which projects the account may see"
            text = f"Harbor's API lists no repository{of_project}, which proves nothing: {check}"
        if not listed or self._doubts:
            return Evidence(complete=False, text="; ".join([text, *dict.fromkeys(self._doubts)]))
        if self._project:
            return Evidence(complete=True, text=f"{text}, which are all that it has")
        seen = "in the projects that the account may see" if self._has_login else "in public projects"
        return Evidence(complete=True, text=f"{text}, which are all {seen}")

    async def _of_all_projects(self) -> AsyncIterator[Sequence[str]]:
        lists_all = True
        if self._has_login:
            url = f"{self._url}/systeminfo"
            _, info = await self._client.get(url, NO_SCOPE, parse_system_info, Purpose.API)
            self._doubts += [] if info.is_logged_in else [_LOGIN_REFUSED]
            lists_all = not info.has_oidc_users
        is_begun = False
        try:
            async for names in self._list("repositories", "repositories?") if lists_all else self._project_by_project():
                is_begun = True
                yield names
        except Missing:  # before Harbor 2.3
            if is_begun or not lists_all:
                raise
            async for names in self._project_by_project():
                yield names

    async def _project_by_project(self) -> AsyncIterator[Sequence[str]]:
        """The repositories of each project.

        A robot account may see a project whose repositories it may not list, and a project may be deleted meanwhile.
        """
        count = 0
        failed: list[RegistryError] = []
        async for projects in self._list("projects", "projects?with_detail=false&"):
            count += len(projects)
            for project in projects:
                try:
                    async for names in self._of_project(project):
                        yield names
                except Unreachable:  # and so would be the others
                    raise
                except RegistryError as exc:
                    failed.append(exc.with_traceback(None))
        if failed:
            self._doubts.append(f"it did not list {len(failed):,} of {count:,} projects, for example {failed[0]}")

    def _of_project(self, project: str) -> AsyncIterator[Sequence[str]]:
        return self._list("repositories", f"projects/{quote(project, safe='')}/repositories?")

    async def _list(self, what: str, path: str) -> AsyncIterator[Sequence[str]]:
        listed, names = _List(self._client, f"{self._url}/{path}", parse_name), set[str]()
        async for page in listed.pages():
            names.update(page)
            yield page
        gap = listed.gap(len(names), what)
        self._doubts += [f"it {gap}"] if gap else []


class HarborImages:
    """The artifacts of a repository, with their accessories."""

    def __init__(self, client: AuthenticatedClient, url: str, registry: AuthenticatedClient, registry_url: str) -> None:
        self._client = client
        self._url = url
        self._registry = registry
        self._registry_url = registry_url

    async def listing(self, name: RepositoryName) -> Listing:
        project, _, repository = name.partition("/")
        if not repository:
            return make_listing((), lists_untagged=False)
        # encoded twice: swagger.yaml, parameter repositoryName
        path = f"projects/{quote(project, safe='')}/repositories/{quote(quote(repository, safe=''), safe='')}/artifacts"
        listed = _List(self._client, f"{self._url}/{path}?with_tag=true&with_accessory=true&", parse_artifact)
        artifacts = [artifact async for page in listed.pages() for artifact in page]
        images = [artifact.image for artifact in artifacts if artifact.image is not None]
        tags = [tag for artifact in artifacts if artifact.image is None for tag in artifact.tags]
        count = len({image.digest for image in images}) + len(artifacts) - len(images)
        gap = listed.gap(count, "artifacts")
        suspect = f"Harbor's API {gap}" if gap else None
        accessories = {each.image.digest: each for artifact in artifacts for each in artifact.accessories}
        if accessories:
            all_tags, failure = await self._all_tags(name)
            told = {tag for image in images for tag in image.tags}
            tags += [tag for tag in _give_tags(accessories, all_tags) if tag not in told]
            suspect = suspect or failure
        return make_listing(
            [*images, *(accessory.image for accessory in accessories.values())],
            lists_untagged=False,  # neither untagged children of indexes, nor accessories of accessories
            without_digest=tags,
            suspect=suspect,
        )

    async def _all_tags(self, name: RepositoryName) -> tuple[list[str], str | None]:
        """The tags of `tags/list`, also those of accessories, and why they may not be all."""
        url, scope = f"{self._registry_url}{name}/tags/list", f"repository:{name}:pull"
        try:
            pages = linked_pages(self._registry, url, partial(parse_listing, name), scope)
            listings = [page.value async for page in pages]
        except RegistryError as exc:  # what the API listed is true all the same
            return [], f"Harbor's API does not list the tags of signatures, and tags/list failed: {exc}"
        suspect = next((listing.suspect for listing in listings if listing.suspect is not None), None)
        return [tag for listing in listings for tag in listing.tags], suspect


@dataclass(slots=True)
class _List(Generic[T]):
    """One list of the API. Its `url` ends where the parameters of the page begin.

    Attributes:
        total: its length, as the first page counts it: later pages may count what was pushed meanwhile.
    """

    client: AuthenticatedClient
    url: str
    parse_entry: Callable[[dict[str, Any]], T]
    total: int | None = None
    _last_length: int = 0

    async def pages(self) -> AsyncIterator[list[T]]:
        url = f"{self.url}page_size={PAGE_SIZE}"
        async for page in linked_pages(self.client, url, partial(parse_entries, self.parse_entry)):
            if self.total is None:
                self.total = parse_total(page.headers.get("X-Total-Count"))
            self._last_length = len(page.value)
            yield page.value

    def gap(self, listed: int, what: str) -> str:
        """Why the list may not be whole, for its number of different entries; "" where nothing suggests so.

        Harbor 2.5.0 to 2.5.3 also counts the accessories (goharbor/harbor#16816, #17145).
        """
        if self.total is not None and listed < self.total:
            return f"counts {self.total:,} {what} and lists {listed:,}"
        if self.total is None and self._last_length >= PAGE_SIZE:
            return f"lists {listed:,} {what} on full pages, and names neither their count nor a next page"
        return ""


class SystemInfo(NamedTuple):
    """Whether the request was of a user that is logged in, and whether users come from an OIDC provider."""

    is_logged_in: bool
    has_oidc_users: bool


def _give_tags(accessories: dict[str, Accessory], tags: Iterable[str]) -> list[str]:
    """Give each tag `sha256-HEX.sig` to the only signature of its image. Returns the other tags.

    An image that was signed again has several signatures, and the last of them has the tag.
    """
    signatures: defaultdict[str | None, list[Accessory]] = defaultdict(list)
    for accessory in accessories.values():
        if accessory.type == _COSIGN:
            signatures[accessory.image.subject_digest].append(accessory)
    others = []
    for tag in tags:
        parsed = parse_referrer_tag(tag)
        is_signature = parsed is not None and parsed.kind is ReferrerKind.SIGNATURE
        its_signatures = signatures.get(parsed.subject_digest, []) if parsed is not None and is_signature else []
        if len(its_signatures) == 1:
            image = its_signatures[0].image.replace(tags=(tag,))
            accessories[image.digest] = Accessory(_COSIGN, image)
        else:
            others.append(tag)
    return others


def parse_entries(parse_entry: Callable[[dict[str, Any]], T], body: bytes) -> list[T]:
    """Parse a page. Raises MalformedResponse."""
    return [parse_entry(entry) for entry in parse_object_list(body)]


def parse_total(text: str | None) -> int | None:
    """The value of `X-Total-Count`; None where it is missing, or no number."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 19 else None


def parse_system_info(body: bytes) -> SystemInfo:
    """Parse `/systeminfo`. Raises MalformedResponse."""
    document = parse_object(body)
    is_logged_in = parse_text(document.get("harbor_version")) is not None
    return SystemInfo(is_logged_in, has_oidc_users=document.get("auth_mode") == "oidc_auth")


def parse_name(entry: dict[str, Any]) -> str:
    """The name of a project, or the whole name of a repository. Raises MalformedResponse."""
    name = parse_text(entry.get("name"))
    if name is None:
        raise MalformedResponse("a project or a repository without a name")
    return name
