"""GitHub's packages API, for GHCR: the packages of one owner, and the versions of a package, which are its manifests.

(https://docs.github.com/rest/packages/packages) Pages are lists of 100 entries with a `Link`. The API takes a classic
personal access token with the scope read:packages, and answers 401 without one. It refuses fine-grained tokens (403,
404), and 400 to the token of an Actions job that lists the packages of an organization (cli/cli#9606).

Names: `/orgs/ORG/packages` lists the packages of an organization that the account may see. For the token's own account
`/user/packages` lists all of them, and `/users/USER/packages` those of another user that the account may see. Which of
them an owner is, `/users/OWNER` tells, and `/user`.

Images: `…/packages/container/NAME/versions` lists all manifests of a package, also untagged ones, with their digests,
tags, and when they were uploaded and updated. It tells neither sizes nor media types. Deleted versions are not listed.

Quota: 5,000 requests an hour and token, 900 a minute
(https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api). Where the former is spent, the response
is 403 or 429 with `X-RateLimit-Remaining: 0`, and where the latter is, 403 or 429 with Retry-After or a message.
"""

from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from crawler.auth.credentials import NO_SCOPE
from crawler.client import AuthenticatedClient
from crawler.errors import CredentialsError, Denied, MalformedResponse, Missing, RegistryError, UnexpectedStatus
from crawler.model.image import Image
from crawler.model.names import RepositoryName
from crawler.model.record import Listing, NamePage
from crawler.model.run_manifest import Evidence
from crawler.single_flight import SingleFlight
from crawler.transport.messages import Purpose, Response
from crawler.vendors.access import ApiAccess
from crawler.vendors.api import VendorApi
from crawler.vendors.listing import make_listing
from crawler.vendors.pages import linked_pages
from crawler.wire.digest import is_digest
from crawler.wire.json_fields import parse_object, parse_object_list, parse_strings, parse_text
from crawler.wire.times import parse_time

PAGE_SIZE: Final = 100
"""Entries on a page; the API allows no more."""

_HEADERS: Final = (("Accept", "application/vnd.github+json"), ("X-GitHub-Api-Version", "2022-11-28"))

_IN_GHCR: Final = ("container", None)
"""Types of packages that are in GHCR. Those of the type `docker` are at docker.pkg.github.com."""

_ADVICE: Final = (
    "GitHub's packages API takes a classic personal access token with the scope read:packages: "
    "run docker login ghcr.io with one, set registry.apis.token_file, or name the repositories with repositories_from"
)
_CHECK: Final = f"check the owner's name; {_ADVICE}"


def open_github(access: ApiAccess) -> VendorApi:
    client = access.with_bearer(_HEADERS, meant_status)
    owners = _Owners(client, access.url)
    names = GithubNames(client, owners, access.namespace, has_credentials=access.has_credentials)
    return VendorApi(names=names, images=GithubImages(client, owners) if access.has_credentials else None)


class GithubNames:
    """The packages of one owner, as far as the account may see them."""

    def __init__(
        self, client: AuthenticatedClient, owners: "_Owners", namespace: str, *, has_credentials: bool
    ) -> None:
        self._client = client
        self._owners = owners
        self._namespace = namespace
        self._has_credentials = has_credentials
        self._owner = _Owner(namespace, "")

    async def pages(self) -> AsyncIterator[NamePage]:
        if not self._has_credentials:
            raise CredentialsError(f"no credentials to list the repositories of {self._namespace} with: {_ADVICE}")
        try:
            self._owner = await self._owners.find(self._namespace)
            url = f"{self._owner.url}/packages?package_type=container&per_page={PAGE_SIZE}"
            async for _, names in linked_pages(self._client, url, parse_packages):
                yield dict.fromkeys(f"{self._namespace}/{name}" for name in names)
        except RegistryError as exc:
            if not _is_refusal(exc):
                raise
            message = f"{exc.message} ({_CHECK if isinstance(exc, Missing) else _ADVICE})"
            raise type(exc)(exc.request, code=exc.code, message=message, http_status=exc.http_status) from None

    def evidence(self, listed: int) -> Evidence:
        owner = self._owner
        if not listed:
            text = f"GitHub's packages API lists no container package of {owner.label}, which proves nothing: {_CHECK}"
            return Evidence(complete=False, text=text)
        packages = "1 container package" if listed == 1 else f"{listed:,} container packages"
        text = f"GitHub's packages API listed {packages} of {owner.label}"
        if owner.doubt:
            return Evidence(complete=False, text=f"{text}; private packages may be missing, because {owner.doubt}")
        return Evidence(complete=True, text=f"{text}, which are all that the account may see")


class GithubImages:
    """The manifests of a package, tagged or not."""

    def __init__(self, client: AuthenticatedClient, owners: "_Owners") -> None:
        self._client = client
        self._owners = owners

    async def listing(self, name: RepositoryName) -> Listing:
        namespace, _, package = name.partition("/")
        owner = await self._owners.find(namespace)
        url = f"{owner.url}/packages/container/{quote(package, safe='')}/versions?per_page={PAGE_SIZE}"
        versions: list[Version] = []
        async for page in linked_pages(self._client, url, parse_versions):
            versions += page.value
        return make_listing(
            (version.image for version in versions if version.image is not None),
            lists_untagged=all(version.image is not None for version in versions),
            without_digest=[tag for version in versions if version.image is None for tag in version.tags],
        )


class _Owner(NamedTuple):
    """An owner of packages.

    Attributes:
        label: the owner, for people.
        url: the owner's URL in the API.
        doubt: why private packages may not be listed; "" where all are listed that the account may see.
    """

    label: str
    url: str
    doubt: str = ""


class _Owners:
    """Finds out, once for each owner, whether it is an organization, the token's own account, or another user."""

    def __init__(self, client: AuthenticatedClient, url: str) -> None:
        self._client = client
        self._url = url
        self._owners: dict[str, _Owner] = {}
        self._flights: SingleFlight[str, _Owner] = SingleFlight()

    async def find(self, name: str) -> _Owner:
        """Raises RegistryError, CredentialsError and GaveUp."""
        if name not in self._owners:
            self._owners[name] = await self._flights.do(name, lambda: self._request(name))
        return self._owners[name]

    async def _request(self, name: str) -> _Owner:
        path = quote(name, safe="")
        account = await self._account(f"/users/{path}")
        if account.is_organization:
            return _Owner(f"the organization {name}", f"{self._url}/orgs/{path}")
        try:
            own = await self._account("/user")
        except Denied as exc:
            if exc.http_status != 403:
                raise
            # as to the token of an Actions job, which belongs to no user
            return _Owner(f"the user {name}", f"{self._url}/users/{path}", f"the token has no account ({exc})")
        # logins have upper case letters, and names in GHCR have none
        if own.login.lower() == account.login.lower():
            return _Owner(f"the token's own account {name}", f"{self._url}/user")
        return _Owner(f"the user {name}", f"{self._url}/users/{path}")

    async def _account(self, path: str) -> "Account":
        _, account = await self._client.get(f"{self._url}{path}", NO_SCOPE, parse_account, Purpose.API)
        return account


class Account(NamedTuple):
    """An account of GitHub."""

    login: str
    is_organization: bool


class Version(NamedTuple):
    """A version of a package; without an image where the API names no digest."""

    tags: tuple[str, ...]
    image: Image | None


def meant_status(response: Response) -> int:
    """429 for a 403 of the secondary rate limit, which names a delay, or has only a message."""
    is_throttled = response.headers.get("Retry-After") is not None or b"secondary rate limit" in response.body
    return 429 if response.status == 403 and is_throttled else response.status


def parse_account(body: bytes) -> Account:
    """Parse a user or an organization. Raises MalformedResponse."""
    account = parse_object(body)
    login = parse_text(account.get("login"))
    if login is None:
        raise MalformedResponse("an account without 'login'")
    return Account(login, account.get("type") == "Organization")


def parse_packages(body: bytes) -> tuple[str, ...]:
    """Parse a page of packages: the names of those that are in GHCR. Raises MalformedResponse."""
    packages = parse_object_list(body)
    names = [parse_text(package.get("name")) for package in packages if package.get("package_type") in _IN_GHCR]
    if None in names:
        raise MalformedResponse("a package without 'name'")
    return tuple(name for name in names if name is not None)


def parse_versions(body: bytes) -> tuple[Version, ...]:
    """Parse a page of a package's versions, without deleted ones. Raises MalformedResponse."""
    return tuple(_parse_version(entry) for entry in parse_object_list(body) if not entry.get("deleted_at"))


def _parse_version(version: dict[str, Any]) -> Version:
    tags, digest = _parse_tags(version), version.get("name")
    if not isinstance(digest, str) or not is_digest(digest):
        return Version(tags, None)
    image = Image(
        digest=digest,
        tags=tags,
        uploaded_at=parse_time(version.get("created_at")),
        updated_at=parse_time(version.get("updated_at")),
    )
    return Version(tags, image)


def _parse_tags(version: dict[str, Any]) -> tuple[str, ...]:
    """The tags of a version. Where they are not told, the version would pass for an untagged one."""
    metadata = version.get("metadata")
    container = metadata.get("container") if isinstance(metadata, dict) else None
    if not isinstance(container, dict) or "tags" not in container:
        raise MalformedResponse("a version without 'metadata.container.tags'")
    tags, others = parse_strings(container["tags"], "tags")
    if others:
        raise MalformedResponse("a version with tags that are not strings")
    return tags


def _is_refusal(exc: RegistryError) -> bool:
    """Whether GitHub refused the token: 404 hides what it may not see, and 400 is its answer to an Actions job."""
    return isinstance(exc, Denied | Missing) or (isinstance(exc, UnexpectedStatus) and exc.http_status == 400)
