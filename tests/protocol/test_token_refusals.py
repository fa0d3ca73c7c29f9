"""A token server that refuses the credentials: other credentials are tried, and only refusals in a row count."""

import json
import re

import pytest
from support.bearer_auth import bearer, scope_of
from support.scripted import document, on, refusal, serve, token_registry
from support.snapshots import read_snapshot

import crawler
from crawler.auth.credentials import Credential, StaticCredentials
from crawler.auth.lockout import MAX_REFUSALS

ANN = Credential("ann", "made-up-password")
OLD, FRESH = Credential("AWS", "expired-password"), Credential("AWS", "fresh-password")
REFUSED = refusal(401, "UNAUTHORIZED", "incorrect username or password")


@pytest.fixture
def helper(tmp_path, monkeypatch):
    """Docker's configuration file; the credential helper returns an expired password at first, and then a good one."""
    runs = tmp_path / "runs"
    program = tmp_path / "docker-credential-hourly"
    answers = [json.dumps({"Username": user.name, "Secret": user.password}) for user in (OLD, FRESH)]
    program.write_text(
        f"#!/bin/sh\necho run >> {runs}\n"
        f"if [ $(wc -l < {runs}) = 1 ]; then echo '{answers[0]}'; else echo '{answers[1]}'; fi\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for variable in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    return tmp_path / "docker" / "config.json"


async def test_token_server_refusal_asks_the_credential_helper_for_a_new_password(helper, tmp_path):
    granted = document({"token": "minted-{count}", "expires_in": 300})
    script = [
        on("/token", granted, headers={"Authorization": re.escape(FRESH.header)}),
        on("/token", REFUSED),
        *token_registry(),
    ]
    async with serve(script) as server:
        helper.write_text(json.dumps({"credHelpers": {server.host: "hourly"}}))
        table = {"target": server.host, "auth": {"method": "docker-config"}}
        manifest = await crawler.crawl(crawler.Config(registry=[table], output={"path": tmp_path / "out"}))
    assert manifest.verdict == "complete"
    assert set(read_snapshot(tmp_path / "out").outcomes.values()) == {"ok"}
    assert [asked.authorization for asked in server.asked("/token")[:2]] == [OLD.header, FRESH.header]


async def test_token_server_refusals_are_counted_anew_after_a_token():
    """One refusal less than ends a run, a token, and again one refusal less: the run goes on."""
    almost = MAX_REFUSALS - 1
    script = [
        on("/token", REFUSED, times=almost),
        on("/token", document({"token": "minted", "expires_in": 300}), times=1),
        on("/token", REFUSED),
    ]
    async with serve(script) as server, bearer(server, StaticCredentials(ANN), lambda: 0.0) as authenticator:
        for number in range(almost):
            with pytest.raises(crawler.Denied):
                await authenticator.header(scope_of(f"team/refused-{number}"))
        assert await authenticator.header(scope_of("team/granted")) == "Bearer minted"
        for number in range(almost):
            with pytest.raises(crawler.Denied):
                await authenticator.header(scope_of(f"team/refused-again-{number}"))
        with pytest.raises(crawler.GaveUp, match=f"refused {MAX_REFUSALS} times in a row"):
            await authenticator.header(scope_of("team/one-too-many"))
