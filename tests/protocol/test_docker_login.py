"""A crawl with docker's login: a password, a credential helper, an identity token, a registry token."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import BasicAuth, web
from support.web_apps import serving_app

import crawler

SECRETS = ("s3cret-password", "s3cret-identity", "s3cret-registry-token")


@dataclass(slots=True)
class Registry:
    """One repository behind a token server that accepts a password and an identity token."""

    supports_post: bool = True
    host: str = ""
    asked: Counter[str] = field(default_factory=Counter)

    async def ping(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") == "Bearer s3cret-registry-token":
            return web.json_response({})
        challenge = f'Bearer realm="http://{self.host}/token",service="ours"'
        return web.json_response({}, status=401, headers={"WWW-Authenticate": challenge})

    async def by_password(self, request: web.Request) -> web.Response:
        self.asked["GET"] += 1
        user = BasicAuth.decode(request.headers.get("Authorization", "Basic Og=="))
        if user.password not in {"s3cret-password", "s3cret-identity"}:
            return web.json_response({}, status=401)
        return web.json_response({"token": f"granted {request.query['scope']}"})

    async def by_identity(self, request: web.Request) -> web.Response:
        self.asked["POST"] += 1
        form = await request.post()
        if not self.supports_post:
            return web.json_response({}, status=405)
        wanted = {"grant_type": "refresh_token", "refresh_token": "s3cret-identity", "service": "ours"}
        if not wanted.items() <= dict(form).items() or not form["client_id"]:
            return web.json_response({"refused": form["refresh_token"]}, status=403)
        return web.json_response({"access_token": f"granted {form['scope']}"})

    async def catalog(self, request: web.Request) -> web.Response:
        return self._answer(request, "registry:catalog:*", {"repositories": ["team/app"]})

    async def tags(self, request: web.Request) -> web.Response:
        return self._answer(request, "repository:team/app:pull", {"name": "team/app", "tags": ["1"]})

    def _answer(self, request: web.Request, scope: str, body: object) -> web.Response:
        good = {f"Bearer granted {scope}", "Bearer s3cret-registry-token"}
        return web.json_response(body, status=200 if request.headers.get("Authorization") in good else 401)


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    ours = Registry()
    app = web.Application()
    app.add_routes(
        [
            web.get("/v2/", ours.ping),
            web.get("/token", ours.by_password),
            web.post("/token", ours.by_identity),
            web.get("/v2/_catalog", ours.catalog),
            web.get("/v2/team/app/tags/list", ours.tags),
        ]
    )
    async with serving_app(app) as ours.host:
        yield ours


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's folder, which is empty: the only place of logins that is searched."""
    for variable in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    return tmp_path / "docker"


def config(registry: Registry, folder: Path, **auth: str) -> crawler.Config:
    return crawler.Config(registry=[{"target": registry.host, "auth": auth}], output={"path": folder / "out"})


@pytest.mark.parametrize(
    ("entry", "asked"),
    [
        ({"username": "ann", "password": "s3cret-password"}, {"GET": 2}),
        ({"identitytoken": "s3cret-identity"}, {"POST": 2}),
        ({"registrytoken": "s3cret-registry-token"}, {}),
    ],
    ids=["password", "identity-token", "registry-token"],
)
async def test_docker_login_is_used(entry, asked, registry, docker, tmp_path):
    (docker / "config.json").write_text(json.dumps({"auths": {registry.host: entry}}))
    manifest = await crawler.crawl(config(registry, tmp_path))
    assert (manifest.verdict, manifest.counts.ok) == ("complete", 1)
    assert registry.asked == asked


async def test_docker_login_of_a_helper_is_fetched_once_a_run(registry, docker, tmp_path, monkeypatch):
    helper = tmp_path / "docker-credential-ours"
    answer = json.dumps({"ServerURL": registry.host, "Username": "ann", "Secret": "s3cret-password"})
    helper.write_text(f"#!/bin/sh\necho asked >> {tmp_path}/asked\ncat >/dev/null\necho '{answer}'\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (docker / "config.json").write_text(json.dumps({"credHelpers": {registry.host: "ours"}}))
    manifest = await crawler.crawl(config(registry, tmp_path))
    assert manifest.verdict == "complete"
    assert (tmp_path / "asked").read_text().splitlines() == ["asked"]


async def test_docker_login_identity_token_falls_back_to_get(registry, docker, tmp_path):
    registry.supports_post = False
    (docker / "config.json").write_text(json.dumps({"auths": {registry.host: {"identitytoken": "s3cret-identity"}}}))
    manifest = await crawler.crawl(config(registry, tmp_path))
    assert (manifest.verdict, registry.asked) == ("complete", {"POST": 2, "GET": 2})


async def test_docker_login_identity_token_that_is_refused_is_never_quoted(registry, docker, tmp_path):
    wrong = {"identitytoken": "s3cret-registry-token"}
    (docker / "config.json").write_text(json.dumps({"auths": {registry.host: wrong}}))
    with pytest.raises(crawler.Denied, match="the token server") as refused:
        await crawler.crawl(config(registry, tmp_path))
    assert not [secret for secret in SECRETS if secret in str(refused.value)]


async def test_docker_login_that_is_missing_is_anonymous_for_auto_and_an_error_for_docker_config(
    registry, docker, tmp_path
):
    with pytest.raises(crawler.CredentialsError, match="no docker or podman login for 127"):
        await crawler.crawl(config(registry, tmp_path, method="docker-config"))
    with pytest.raises(crawler.Denied):
        await crawler.crawl(config(registry, tmp_path))
