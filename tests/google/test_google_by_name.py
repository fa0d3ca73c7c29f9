"""Google's registries by the names that people use: a target, a key and a proxy's URL, and no other setting.

The proxy answers for every name and ends TLS. Behind it a front records the requests, and passes them to an emulator
that has the target's name.
"""

import json
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from base64 import b64decode
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from support.distribution import Certificates, make_certificates
from support.forward_proxy import Proxy, proxy_to
from support.inventories import comparable, expected
from support.snapshots import read_snapshot
from support.token_endpoints import ACCOUNT, IAM, SCOPE, serving_tokens
from support.web_apps import serving_app
from yarl import URL

import crawler
from crawler.emulator import ArtifactRegistry, Emulator
from crawler.model.limits import Quota, Rate
from crawler.run.plan import SharedRateLimits, make_plan

PKG_DEV = "us-central1-docker.pkg.dev"
APIS = ("artifactregistry.googleapis.com", "cloudresourcemanager.googleapis.com")
OAUTH = "oauth2.googleapis.com"
IAM_CREDENTIALS = "iamcredentials.googleapis.com"
NAMES = ("gcr.io", "eu.gcr.io", PKG_DEV, *APIS, OAUTH, IAM_CREDENTIALS)

ROLES = {
    "gcr.io": ArtifactRegistry(serves="gcr.io"),
    "eu.gcr.io": ArtifactRegistry(serves="eu.gcr.io"),
    PKG_DEV: ArtifactRegistry(),
}
LOCATIONS = {"gcr.io": "us", "eu.gcr.io": "europe", PKG_DEV: "us-central1"}
AR = "artifact-registry"
GCR_QUOTA = Quota(
    ("gcr", "client address"), "gcr.io's quota for one address", (Rate(50_000, 600), Rate(1_000_000, 86_400))
)

FLOWS = pytest.mark.parametrize("method", ["token", "access-token", "json-key"])

SHOWN_TO_REGISTRY = {
    "token": {"_token: access token", "registry token"},
    "access-token": {"oauth2accesstoken: access token"},
    "json-key": {"_json_key: key"},
}
"""The credentials that the registry's own host receives in each flow."""

ACCESS_TOKEN = frozenset({"access token"})
SECRETS = ("ya29.", "PRIVATE KEY")


@dataclass(slots=True)
class Front:
    """Answers for all names, and passes requests to the emulator. `shown` has the credentials sent to each host."""

    emulator: Emulator
    session: aiohttp.ClientSession
    host: str = ""
    elsewhere: dict[str, str] = field(default_factory=dict)
    """The origins of hosts that the emulator does not emulate."""
    shown: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    leaks: list[str] = field(default_factory=list)
    """Requests with a secret elsewhere than in their Authorization."""

    @property
    def port(self) -> int:
        return int(self.host.rpartition(":")[2])

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self._note(request, body.decode())
        path = "/oauth2/token" if request.host == OAUTH else request.path_qs
        origin = self.elsewhere.get(request.host, f"http://{self.emulator.registry}")
        headers = {name: value for name, value in request.headers.items() if name in {"Authorization", "Content-Type"}}
        there = URL(origin + path, encoded=True)
        async with self.session.request(request.method, there, headers=headers, data=body) as response:
            kept = {"Content-Type", "Link", "WWW-Authenticate"}
            headers = {name: value for name, value in response.headers.items() if name in kept}
            return web.Response(status=response.status, headers=headers, body=await response.read())

    def _note(self, request: web.Request, body: str) -> None:
        others = [f"{name}: {value}" for name, value in request.headers.items() if name != "Authorization"]
        if any(secret in text for secret in SECRETS for text in (request.path_qs, body, *others)):
            self.leaks.append(f"{request.method} {request.host}{request.path}")
        if "Authorization" in request.headers:
            self.shown[request.host].add(kind_of(request.headers["Authorization"]))
        elif "assertion=" in body:
            self.shown[request.host].add("assertion")


def kind_of(authorization: str) -> str:
    scheme, _, value = authorization.partition(" ")
    if scheme == "Bearer":
        return "access token" if value.startswith("ya29.") else "registry token"
    user, _, password = b64decode(value).decode().partition(":")
    secret = "key" if "PRIVATE KEY" in password else "access token" if password.startswith("ya29.") else "?"
    return f"{user}: {secret}"


@asynccontextmanager
async def fronting(emulator: Emulator) -> AsyncIterator[Front]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        front = Front(emulator, session)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", front.answer)
        async with serving_app(app) as front.host:
            yield front


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A host of Google's by its name, and the configuration of a crawl."""

    host: str
    registry: Any
    front: Front
    proxy: Proxy
    certificates: Certificates
    folder: Path

    @property
    def output(self) -> Path:
        return self.folder / "out"

    @property
    def inventory(self) -> Any:
        return self.registry.emulator.inventory

    @property
    def asked(self) -> set[str]:
        """The hosts that the proxy was asked for."""
        assert {asked.method for asked in self.proxy.requests} <= {"CONNECT"}
        return {asked.target.removesuffix(":443") for asked in self.proxy.requests}

    def key(self, token_uri: str) -> Path:
        file = self.folder / "key.json"
        file.write_text(json.dumps({**self.registry.emulator.key, "token_uri": token_uri}))
        return file

    def config(self, prefix: str = "", *, rate: str = "none", **auth: Any) -> crawler.Config:
        key_file = self.key(f"http://{self.front.host}/oauth2/token")
        table = {
            "target": self.host + prefix,
            "auth": {"key_file": key_file, **auth},
            "ca_file": self.certificates.ca_file,
        }
        return crawler.Config(registry=[table], output={"path": self.output}, limits={"rate": rate, "concurrency": 16})

    def known(self, prefix: str = "") -> dict[str, Any]:
        below = f"{prefix.removeprefix('/')}/" if prefix else ""
        return {name: record for name, record in expected(self.inventory).items() if name.startswith(below)}

    def found(self) -> dict[str, Any]:
        records = read_snapshot(self.output).by_name
        assert {record["registry"] for record in records.values()} == {self.host}
        return comparable(records)


@pytest.fixture
async def world(request, google, monkeypatch, tmp_path):
    """The host that the test names, else gcr.io. The proxy answers for Google's other names as well."""
    host = getattr(request, "param", "gcr.io")
    role = ROLES[host]
    registry = await google(repositories=120, catalog="empty", origin=f"https://{host}", artifact_registry=role)
    certificates = make_certificates(tmp_path / "certificates", *NAMES)
    async with fronting(registry.emulator) as front:
        places = {f"{name}:443": ("127.0.0.1", front.port) for name in NAMES}
        async with proxy_to(places, certificates=certificates) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            monkeypatch.setenv("NO_PROXY", "127.0.0.1")
            yield World(
                host=host, registry=registry, front=front, proxy=proxy, certificates=certificates, folder=tmp_path
            )
        assert not front.leaks


HOSTS = pytest.mark.parametrize("world", list(ROLES), indirect=True)
ONLY_PKG_DEV = pytest.mark.parametrize("world", [PKG_DEV], indirect=True)


@HOSTS
@FLOWS
async def test_google_host_by_name_lists_all_its_projects(world, method):
    manifest = await crawler.crawl(world.config(method=method))
    assert world.found() == world.known()
    assert (manifest.verdict, manifest.reasons) == ("complete", ())
    assert (manifest.registry, manifest.target) == (world.host, world.host)
    assert manifest.discovery.method == "artifact-registry"
    evidence = manifest.discovery.evidence
    assert f"repositories of format DOCKER in 2 projects at {LOCATIONS[world.host]}; " in evidence
    assert "every folder was opened" in evidence
    assert world.registry.emulator.counts["catalog"] == 0
    assert world.asked == {world.host, *APIS}
    assert world.front.shown == {
        world.host: SHOWN_TO_REGISTRY[method],
        **dict.fromkeys(APIS, ACCESS_TOKEN),
        world.front.host: {"assertion"},
    }


@HOSTS
@FLOWS
async def test_google_project_by_name_is_walked_without_other_hosts(world, method):
    manifest = await crawler.crawl(world.config("/my-project", method=method))
    assert world.found() == world.known("/my-project")
    assert (manifest.verdict, manifest.target) == ("complete", f"{world.host}/my-project")
    assert manifest.discovery.method == "walk"
    assert manifest.discovery.evidence.startswith("a walk from my-project down: every folder was opened")
    assert world.asked == {world.host}
    assert world.front.shown == {world.host: SHOWN_TO_REGISTRY[method], **signed_for(world, method)}


@ONLY_PKG_DEV
@FLOWS
async def test_google_artifact_registry_repository_by_name_is_walked(world, method):
    prefix = "/" + "/".join(world.inventory.names_under("my-project")[0].split("/")[:2])
    manifest = await crawler.crawl(world.config(prefix, method=method))
    assert world.found() == world.known(prefix)
    assert (manifest.verdict, manifest.discovery.method) == ("complete", "walk")
    assert manifest.discovery.evidence.startswith(f"a walk from {prefix[1:]} down: every folder was opened")
    assert world.asked == {PKG_DEV}
    assert world.front.shown == {PKG_DEV: SHOWN_TO_REGISTRY[method], **signed_for(world, method)}


def signed_for(world: World, method: str) -> Mapping[str, set[str]]:
    """What the key's own token endpoint receives where no API is used."""
    return {} if method == "json-key" else {world.front.host: {"assertion"}}


@pytest.mark.parametrize(
    ("world", "prefix", "quota"),
    [
        ("gcr.io", "", GCR_QUOTA),
        ("eu.gcr.io", "/my-project", GCR_QUOTA),
        (
            PKG_DEV,
            "",
            Quota((AR, PKG_DEV, ""), f"Artifact Registry's quota for a project at {PKG_DEV}", (Rate(60_000, 60),)),
        ),
        (
            PKG_DEV,
            "/my-project",
            Quota(
                (AR, PKG_DEV, "my-project"),
                f"Artifact Registry's quota for my-project at {PKG_DEV}",
                (Rate(60_000, 60),),
            ),
        ),
        (
            PKG_DEV,
            "/my-project/a",
            Quota(
                (AR, PKG_DEV, "my-project"),
                f"Artifact Registry's quota for my-project at {PKG_DEV}",
                (Rate(60_000, 60),),
            ),
        ),
    ],
    indirect=["world"],
)
async def test_google_quota_is_the_rate_limit_by_default(world, prefix, quota):
    config = world.config(prefix, rate="auto")
    assert make_plan(config, config.registry[0], SharedRateLimits()).quota == quota
    config = world.config(prefix, rate="none")
    assert make_plan(config, config.registry[0], SharedRateLimits()).quota is None


@pytest.mark.parametrize(
    ("world", "pace"),
    [
        ("gcr.io", "83.33/s: gcr.io's quota for one address"),
        (PKG_DEV, f"1,000/s: Artifact Registry's quota for my-project at {PKG_DEV}"),
    ],
    indirect=["world"],
)
async def test_google_command_with_a_name_and_a_key_shows_the_rate_limit(world, pace, monkeypatch):
    monkeypatch.setenv("REGISTRY_CRAWLER_REGISTRY__CA_FILE", str(world.certificates.ca_file))
    key_file = world.key(f"http://{world.front.host}/oauth2/token")
    code, out, err = await run(f"{world.host}/my-project", f"--key-file={key_file}", f"--output={world.output}")
    assert (code, out) == (0, "")
    assert err.startswith("COMPLETE: ")
    assert world.found() == world.known("/my-project")
    assert f"pace         64 at once, {pace}" in err
    assert world.asked == {world.host}
    assert world.front.shown[world.host] == SHOWN_TO_REGISTRY["token"]


async def run(*arguments: str) -> tuple[int | None, str, str]:
    command = (sys.executable, "-m", "crawler", "crawl", *arguments, "--no-progress")
    process = await create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@FLOWS
async def test_google_key_uses_googles_own_token_endpoint(world, method, monkeypatch):
    monkeypatch.delenv("NO_PROXY")
    config = world.config(method=method)
    world.key(f"https://{OAUTH}/token")
    manifest = await crawler.crawl(config)
    assert world.found() == world.known()
    assert manifest.verdict == "complete"
    assert world.asked == {"gcr.io", *APIS, OAUTH}
    assert world.front.shown[OAUTH] == {"assertion"}


@pytest.mark.parametrize("method", ["token", "access-token"])
async def test_google_impersonation_uses_iam_by_name(world, method):
    async with serving_tokens(world.registry.emulator.key) as endpoints:
        world.front.elsewhere[IAM_CREDENTIALS] = endpoints.origin
        config = world.config(method=method, impersonate=ACCOUNT)
        world.key(f"{endpoints.origin}/token")
        manifest = await crawler.crawl(config)
    assert world.found() == world.known()
    assert manifest.verdict == "complete"
    assert endpoints.asked == ["/token", IAM]
    assert endpoints.scopes == ["https://www.googleapis.com/auth/iam", SCOPE]
    assert world.asked == {"gcr.io", *APIS, IAM_CREDENTIALS}
    assert world.front.shown == {
        "gcr.io": SHOWN_TO_REGISTRY[method],
        **dict.fromkeys((*APIS, IAM_CREDENTIALS), ACCESS_TOKEN),
    }
