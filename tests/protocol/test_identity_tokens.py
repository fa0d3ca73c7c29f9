"""An identity token is exchanged by POST, and never leaves the token server's origin."""

import json

import pytest
from support.scripted import document, on, redirect, serve, token_registry

import crawler

IDENTITY = "made-up-identity-token"
NEW_TOKEN = document({"access_token": "minted-{count}", "expires_in": 300})


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """Docker's configuration file, the only login file that is searched."""
    for variable in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    return tmp_path / "docker" / "config.json"


def config(server, docker, folder) -> crawler.Config:
    docker.write_text(json.dumps({"auths": {server.host: {"identitytoken": IDENTITY}}}))
    table = {"target": server.host, "auth": {"method": "docker-config"}}
    return crawler.Config(registry=[table], output={"path": folder / "out"}, limits={"attempts": 1})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_identity_token_does_not_follow_a_redirect_to_a_foreign_origin(status, docker, tmp_path):
    """Another port of the host is another origin: the server there is not trusted with the token."""
    async with serve([on("/token", NEW_TOKEN, method="POST"), on("/token", NEW_TOKEN)]) as foreign:
        away = redirect(f"{foreign.origin}/token", status=status)
        script = [on("/token", away, method="POST"), *token_registry()]
        async with serve(script) as server:
            with pytest.raises(crawler.CrawlerError, match="redirect"):
                await crawler.crawl(config(server, docker, tmp_path))
    assert foreign.requests == []
    assert server.requests[-1].form["refresh_token"] == [IDENTITY]


async def test_identity_token_follows_a_redirect_within_its_origin(docker, tmp_path):
    script = [
        on("/token", redirect("/oauth2/token", status=308), method="POST"),
        on("/oauth2/token", NEW_TOKEN, method="POST", form={"refresh_token": IDENTITY}),
        *token_registry(),
    ]
    async with serve(script) as server:
        manifest = await crawler.crawl(config(server, docker, tmp_path))
    assert (manifest.verdict, manifest.counts.ok) == ("complete", 3)
