"""ECR: a password that expires during the crawl."""

import json
from pathlib import Path

import pytest
from support.scripted import on, refusal, serve

from registries import ecr
from registries.crawls import (
    CATALOG,
    assert_complete,
    crawl,
)

pytestmark = pytest.mark.usefixtures("few_authorities")


@pytest.fixture
def helper(tmp_path, docker, monkeypatch) -> Path:
    """A docker-credential-ecr-login that returns another password each time. The file holds its inputs."""
    inputs = tmp_path / "inputs"
    inputs.touch()
    program = tmp_path / "docker-credential-ecr-login"
    program.write_text(
        "#!/bin/sh\n"
        f"cat >> {inputs}\n"
        f"echo >> {inputs}\n"
        f"number=$(wc -l < {inputs})\n"
        'echo "{\\"Username\\": \\"AWS\\", \\"Secret\\": \\"session-$((number))\\"}"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return inputs


EXPIRING = {
    "in-the-catalog": ecr.expiring_at(CATALOG, last=".*"),
    "among-the-listings": ecr.expiring_at("/v2/app/tags/list"),
    "in-json": ecr.expiring_at("/v2/app/tags/list", ecr.DENIED_AS_EXPIRED),
    "between-a-listings-pages": ecr.expiring_at(ecr.BASE, last=".*"),
}


@pytest.mark.parametrize("concurrency", [1, 16])
@pytest.mark.parametrize("script", EXPIRING.values(), ids=EXPIRING)
async def test_ecr_expired_password_is_refreshed(script, concurrency, tmp_path, docker, helper):
    """A 403, mostly with a body that is not JSON: the helper is called once more, and the crawl continues."""
    async with serve(script) as server:
        (docker / "config.json").write_text(json.dumps({"credHelpers": {server.host: "ecr-login"}}))
        snapshot = await crawl(server, tmp_path, kind="ecr", page_size=2, limits={"concurrency": concurrency})
    assert_complete(snapshot, ecr.ECR)
    assert snapshot.manifest["verdict"] == "complete"
    assert helper.read_text().split() == [server.host] * 2
    assert server.authorizations == set(ecr.passwords(2))
    # requests that were under way with the expired password are refused, too
    assert ecr.ECR.exchanges < len(server.requests) <= ecr.ECR.exchanges + concurrency + 1


async def test_ecr_denied_repository_stays_denied_after_a_refresh(tmp_path, docker, helper):
    """Its 403 stays a 403 with a fresh password."""
    denied = on("/v2/web/tags/list", refusal(403, "DENIED", "User is not authorized to perform: ecr:ListImages"))
    script = [denied, *ecr.expiring_at("/v2/web/tags/list")]
    async with serve(script) as server:
        (docker / "config.json").write_text(json.dumps({"credHelpers": {server.host: "ecr-login"}}))
        snapshot = await crawl(server, tmp_path, kind="ecr", limits={"concurrency": 1})
    assert snapshot.by_name["web"]["outcome"] == "denied"
    assert snapshot.by_name["web"]["error"]["code"] == "DENIED"
    assert snapshot.manifest["reasons"] == ["1 repository denied"]
    assert len(server.asked("/v2/web/tags/list")) == 2
