"""The harness of the real registry, and what that registry really answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.distribution import (
    Account,
    Htpasswd,
    Registry,
    RegistryStartError,
    TokenPolicy,
    WriteError,
    empty,
    make_certificates,
    open_registry,
    push,
    push_content,
    requires_docker_registry,
)
from support.distribution.process import may_skip
from support.distribution.samples import sample_repositories
from support.distribution.storage import store_content
from support.distribution.token_server import SERVICE, Scope, grant
from yarl import URL

CATALOG = "registry:catalog:*"
MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)


class FailureError(Exception):
    """A test's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    document: Any
    challenge: str | None
    next_url: URL | None

    @property
    def code(self) -> str:
        return self.document["errors"][0]["code"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A plain client of one registry, which authenticates only on request."""

    session: aiohttp.ClientSession
    registry: Registry

    async def get(self, path: str | URL, *, authorization: str | None = None) -> Answer:
        headers = {"Accept": ", ".join(MANIFESTS)}
        if authorization:
            headers["Authorization"] = authorization
        async with self.session.get(URL(self.registry.url).join(URL(path)), headers=headers) as response:
            return Answer(
                status=response.status,
                document=await response.json(content_type=None),
                challenge=response.headers.get("WWW-Authenticate"),
                next_url=response.links.get("next", {}).get("url"),
            )

    async def token_answer(self, *scopes: str, password: str | None = None, user: str | None = None) -> Answer:
        assert self.registry.token_server
        url = URL(self.registry.token_server.realm).with_query(service=SERVICE, scope=scopes)
        basic = aiohttp.encode_basic_auth(user, password) if user and password else None
        return await self.get(url, authorization=basic)

    async def token(self, *scopes: str) -> str:
        answer = await self.token_answer(*scopes, user=self.registry.user, password=self.registry.password)
        return f"Bearer {answer.document['token']}"

    async def catalog(self, *, n: int) -> list[str]:
        names: list[str] = []
        url: URL | None = URL("/v2/_catalog").with_query(n=n)
        while url:
            page = await self.get(url)
            names += page.document["repositories"]
            url = page.next_url
        return names

    async def tags(self, repository: str) -> list[str]:
        return (await self.get(f"/v2/{repository}/tags/list")).document["tags"]


@asynccontextmanager
async def reader_of(registry: Registry) -> AsyncIterator[Reader]:
    tls = registry.certificates.client_context() if registry.certificates else True
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=16, ssl=tls)) as session:
        yield Reader(session=session, registry=registry)


@requires_docker_registry
async def test_push_to_an_open_registry_is_listed(tmp_path):
    images = {f"team-{i % 7}/app-{i}": ["latest", "1.0", f"build-{i}"] for i in range(300)}
    async with open_registry(tmp_path) as registry, reader_of(registry) as reader:
        pushed = await push(registry, images)
        names = await reader.catalog(n=70)
        listings = await asyncio.gather(*(reader.tags(name) for name in names))

    assert len(names) == 300
    assert {name: tuple(sorted(tags)) for name, tags in zip(names, listings, strict=True)} == pushed.tags
    assert pushed.tags["team-3/app-10"] == ("1.0", "build-10", "latest")


@requires_docker_registry
async def test_push_returns_the_registrys_digests(tmp_path):
    async with open_registry(tmp_path) as registry, reader_of(registry) as reader:
        pushed = await push(registry, {"app": ["1", "2", "3"]})
        digests = pushed.digests["app"]
        manifests = [await reader.get(f"/v2/app/manifests/{digest}") for digest in digests.values()]

    assert digests["1"] == digests["3"] != digests["2"]
    assert [one.document["mediaType"] for one in manifests] == [MANIFESTS[0], MANIFESTS[1], MANIFESTS[0]]


@requires_docker_registry
async def test_stored_content_is_what_a_push_leaves(tmp_path):
    content = sample_repositories(3, 4)
    async with open_registry(tmp_path / "pushed") as pushed, open_registry(tmp_path / "stored") as stored:
        await push_content(pushed, content)
        store_content(stored, content)

    assert len(files_of(pushed)) > 100
    assert files_of(stored) == files_of(pushed)


def files_of(registry: Registry) -> dict[Path, bytes]:
    files = (path for path in registry.storage.rglob("*") if path.is_file())
    return {path.relative_to(registry.storage): path.read_bytes() for path in files}


@requires_docker_registry
async def test_catalog_pages(tmp_path):
    async with open_registry(tmp_path) as registry, reader_of(registry) as reader:
        await push(registry, {f"app-{i:03}": [] for i in range(101)})
        default = await reader.get("/v2/_catalog")
        largest = await reader.get("/v2/_catalog?n=1000")
        refused = await reader.get("/v2/_catalog?n=1001")

    assert len(default.document["repositories"]) == 100
    assert default.next_url
    assert len(largest.document["repositories"]) == 101
    assert largest.next_url is None
    assert (refused.status, refused.code) == (400, "PAGINATION_NUMBER_INVALID")


@requires_docker_registry
async def test_catalog_max_entries(tmp_path):
    async with (
        open_registry(tmp_path, catalog_max_entries=2) as registry,
        reader_of(registry) as reader,
    ):
        await push(registry, {"a": [], "b": [], "c": []})
        default = await reader.get("/v2/_catalog")
        refused = await reader.get("/v2/_catalog?n=3")

    assert default.document["repositories"] == ["a", "b"]
    assert refused.status == 400


@requires_docker_registry
async def test_repository_without_tags_is_200_or_404(tmp_path):
    """Emptied, its list is null; never tagged, it is unknown; the catalog names both."""
    async with open_registry(tmp_path) as registry, reader_of(registry) as reader:
        await push(registry, {"emptied": ["1", "2", "3"], "untagged": []})
        await empty(registry, "emptied")
        names = await reader.catalog(n=10)
        emptied = await reader.get("/v2/emptied/tags/list")
        untagged = await reader.get("/v2/untagged/tags/list")

    assert names == ["emptied", "untagged"]
    assert (emptied.status, emptied.document["tags"]) == (200, None)
    assert (untagged.status, untagged.code) == (404, "NAME_UNKNOWN")


@requires_docker_registry
async def test_storage_survives_a_restart(tmp_path):
    async with open_registry(tmp_path) as registry:
        await push(registry, {"app": ["1"]})
    async with open_registry(tmp_path) as registry, reader_of(registry) as reader:
        assert await reader.tags("app") == ["1"]


@requires_docker_registry
async def test_htpasswd(tmp_path):
    async with open_registry(tmp_path, auth=Htpasswd()) as registry, reader_of(registry) as reader:
        await push(registry, {"app": ["1"]})
        without = await reader.get("/v2/_catalog")
        wrong = await reader.get("/v2/_catalog", authorization=aiohttp.encode_basic_auth("reader", "wrong"))
        right = aiohttp.encode_basic_auth(registry.user or "", registry.password or "")
        answer = await reader.get("/v2/_catalog", authorization=right)

    assert (without.status, without.challenge) == (401, f'Basic realm="{SERVICE}"')
    assert wrong.status == 401
    assert answer.document == {"repositories": ["app"]}


@requires_docker_registry
async def test_tokens(tmp_path):
    async with open_registry(tmp_path, auth=TokenPolicy()) as registry, reader_of(registry) as reader:
        await push(registry, {"app": ["1"]})
        without = await reader.get("/v2/_catalog")
        catalog = await reader.get("/v2/_catalog", authorization=await reader.token(CATALOG))
        token = await reader.token("repository:app:pull")
        listing = await reader.get("/v2/app/tags/list", authorization=token)
        other = await reader.get("/v2/other/tags/list", authorization=token)
        requests = dict(registry.token_server.requests)

    realm = registry.token_server.realm
    assert without.challenge == f'Bearer realm="{realm}",service="{SERVICE}",scope="{CATALOG}"'
    assert catalog.document == {"repositories": ["app"]}
    assert listing.document == {"name": "app", "tags": ["1"]}
    assert (other.status, other.code) == (401, "UNAUTHORIZED")
    assert requests == {CATALOG: 1, "repository:app:pull": 1}


@requires_docker_registry
async def test_token_server_follows_the_specification(tmp_path):
    policy = TokenPolicy(lifetime=120, announced_lifetime=90)
    async with open_registry(tmp_path, auth=policy) as registry, reader_of(registry) as reader:
        user, password = registry.user, registry.password
        granted = await reader.token_answer(CATALOG, user=user, password=password)
        wrong = await reader.token_answer(CATALOG, user=user, password="wrong")
        anonymous = await reader.token_answer(CATALOG)
        malformed = await reader.token_answer("", user=user, password=password)

    assert granted.document.keys() == {"token", "expires_in", "issued_at"}
    assert granted.document["expires_in"] == 90
    assert (wrong.status, wrong.code) == (401, "UNAUTHORIZED")
    assert anonymous.status == 401
    assert malformed.status == 400


@requires_docker_registry
async def test_token_server_grants_less_and_the_registry_refuses(tmp_path):
    policy = TokenPolicy(denied=frozenset({"secret"}))
    async with open_registry(tmp_path, auth=policy) as registry, reader_of(registry) as reader:
        await push(registry, {"secret": ["1"]})
        token = await reader.token("repository:secret:pull")
        refused = await reader.get("/v2/secret/tags/list", authorization=token)

    assert (refused.status, refused.code) == (401, "UNAUTHORIZED")
    assert refused.challenge
    assert refused.challenge.endswith('error="insufficient_scope"')


@requires_docker_registry
async def test_token_server_anonymous_scopes(tmp_path):
    policy = TokenPolicy(anonymous=("repository:public/*:pull",))
    async with open_registry(tmp_path, auth=policy) as registry, reader_of(registry) as reader:
        await push(registry, {"private/app": ["1"], "public/app": ["1"]})
        statuses = []
        for name in ("public/app", "private/app"):
            answer = await reader.token_answer(f"repository:{name}:pull")
            bearer = f"Bearer {answer.document['token']}"
            statuses.append((await reader.get(f"/v2/{name}/tags/list", authorization=bearer)).status)

    assert statuses == [200, 401]


@requires_docker_registry
async def test_token_expires_after_its_lifetime(tmp_path):
    policy = TokenPolicy(lifetime=0, announced_lifetime=3600)
    async with open_registry(tmp_path, auth=policy) as registry, reader_of(registry) as reader:
        dead = await reader.get("/v2/_catalog", authorization=await reader.token(CATALOG))

    assert dead.status == 401
    assert dead.challenge
    assert dead.challenge.endswith('error="invalid_token"')


@requires_docker_registry
@pytest.mark.parametrize("auth", [None, Htpasswd(), TokenPolicy()], ids=["open", "htpasswd", "token"])
async def test_tls_uses_the_harness_own_authority(tmp_path, auth):
    certificates = make_certificates(tmp_path)
    async with open_registry(tmp_path, auth=auth, certificates=certificates) as registry:
        await push(registry, {"app": ["1"]})
        headers = registry.writer_headers("app")
        async with reader_of(registry) as reader:
            authorization = headers.get("Authorization")
            for host in ("127.0.0.1", "localhost"):
                url = URL(registry.url).with_host(host) / "v2/app/tags/list"
                assert (await reader.get(url, authorization=authorization)).document["tags"] == ["1"]
            if registry.token_server:
                assert registry.token_server.realm.startswith("https:")
                await reader.token(CATALOG)

        stranger = replace(registry, certificates=make_certificates(tmp_path / "stranger"))
        async with reader_of(stranger) as reader:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await reader.get("/v2/")


@requires_docker_registry
async def test_process_is_killed_after_a_failure(tmp_path):
    urls = []

    async def fail_while_it_runs():
        async with open_registry(tmp_path, auth=TokenPolicy()) as registry:
            urls.extend([registry.url, registry.token_server.realm])
            raise FailureError

    with pytest.raises(FailureError):
        await fail_while_it_runs()

    assert len(urls) == 2
    async with aiohttp.ClientSession() as session:
        for url in urls:
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(url)


@requires_docker_registry
async def test_process_start_failure_shows_the_log(tmp_path):
    certificates = replace(make_certificates(tmp_path), key_file=tmp_path / "missing.pem")
    with pytest.raises(RegistryStartError, match=r"ended with 1; its log:\n(.|\n)*missing\.pem"):
        async with open_registry(tmp_path, certificates=certificates):
            pytest.fail("it started")


async def test_process_that_is_absent_fails_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RegistryStartError, match="not installed"):
        async with open_registry(tmp_path):
            pytest.fail("it started")


def test_skip_may_be_forbidden():
    assert may_skip({})
    assert not may_skip({"TESTS_ACCEPT_NO_SKIP": "1"})


@requires_docker_registry
async def test_push_that_is_refused_is_an_error(tmp_path):
    async with open_registry(tmp_path) as registry:
        with pytest.raises(WriteError, match="404"):
            await push(registry, {"UPPER": ["1"]})


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("registry:catalog:*", ["registry:catalog:*"]),
        ("repository:team/app:pull", ["repository:team/app:pull"]),
        ("repository:team/app:push,pull", ["repository:team/app:pull"]),
        ("repository:other/app:pull", []),
        ("repository:team/denied:pull", []),
        ("repository:localhost:5000/app:pull", ["repository:localhost:5000/app:pull"]),
    ],
)
def test_token_server_grant(asked, granted):
    account = Account(
        user="someone",
        password="something",
        scopes=("registry:catalog:*", "repository:team/*:pull", "repository:localhost:5000/*:pull"),
    )
    allowed = [Scope.parse(scope) for scope in account.scopes]
    denied = frozenset({"team/denied"})

    assert grant([Scope.parse(asked)], allowed=allowed, denied=denied) == [Scope.parse(one) for one in granted]
