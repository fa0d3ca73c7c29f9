"""GitLab: a token server on another host, and a ban after failed logins."""

import pytest
from support.scripted import serve

import crawler
from registries import gitlab
from registries.crawls import (
    OTHER_HOST,
    assert_complete,
    crawl,
    crawl_fails,
    password_requests,
    requests_by_host,
)
from registries.vocabulary import BASIC, WITH_PASSWORD, on_host

pytestmark = pytest.mark.usefixtures("few_authorities")


async def test_gitlab_com_token_server_is_trusted(tmp_path, monkeypatch):
    """gitlab.com receives the password for registry.gitlab.com, without any configuration."""
    script = [
        *on_host("registry.gitlab.com", gitlab.registry("http://gitlab.com/jwt/auth")),
        *on_host("gitlab.com", gitlab.token_server()),
    ]
    async with serve(script) as server:
        monkeypatch.setenv("http_proxy", server.origin)
        snapshot = await crawl(
            server,
            tmp_path,
            target="registry.gitlab.com/group",
            plain_http=True,
            listed=tuple(gitlab.REPOSITORIES),
            **WITH_PASSWORD,
        )
    assert_complete(snapshot, gitlab.SELF_MANAGED)
    assert snapshot.manifest["verdict"] == "complete"
    assert {request.headers["host"] for request in server.requests if request.authorization == BASIC} == {"gitlab.com"}
    assert requests_by_host(server) == {"registry.gitlab.com": 1 + 3, "gitlab.com": 3}


async def test_gitlab_token_server_on_another_host_must_be_configured(tmp_path):
    async with serve(gitlab.token_server(), address=OTHER_HOST) as tokens:
        async with serve(gitlab.registry(f"{tokens.origin}/jwt/auth")) as server:
            error = await crawl_fails(server, tmp_path, kind="gitlab", **WITH_PASSWORD)
        assert isinstance(error, crawler.CredentialsError)
        assert "registry.realms" in str(error)
        assert tokens.requests == []
        async with serve(gitlab.registry(f"{tokens.origin}/jwt/auth")) as server:
            snapshot = await crawl(server, tmp_path, kind="gitlab", realms=[OTHER_HOST], **WITH_PASSWORD)
    assert_complete(snapshot, gitlab.SELF_MANAGED)
    assert snapshot.manifest["verdict"] == "complete"
    assert not password_requests(server)
    assert len(tokens.requests) == 4


@pytest.mark.parametrize("concurrency", [1, 8, 64])
async def test_gitlab_wrong_password_stays_below_the_ban(concurrency, tmp_path):
    """The password is sent a few times, and never so often that GitLab bans the client's address."""
    listed = tuple(f"group/image-{number}" for number in range(200))
    script = [*gitlab.refused_logins(), *gitlab.registry("{origin}/jwt/auth")]
    async with serve(script) as server:
        error = await crawl_fails(
            server, tmp_path, kind="gitlab", listed=listed, limits={"concurrency": concurrency}, **WITH_PASSWORD
        )
    assert isinstance(error, crawler.GaveUp)
    assert len(server.asked("/jwt/auth")) < gitlab.FAILED_LOGINS_ALLOWED


@pytest.mark.parametrize("concurrency", [8, 16, 64])
async def test_gitlab_revoked_password_stays_below_the_ban(concurrency, tmp_path):
    """As an access token that expires at midnight: it was good until then, and all workers use it."""
    listed = tuple(f"group/image-{number}" for number in range(400))
    script = [gitlab.password_good_for(100), *gitlab.refused_logins(), *gitlab.ANY_TOKENS]
    async with serve(script) as server:
        error = await crawl_fails(
            server, tmp_path, kind="gitlab", listed=listed, limits={"concurrency": concurrency}, **WITH_PASSWORD
        )
    assert isinstance(error, crawler.GaveUp)
    assert len(server.asked("/jwt/auth")) - 100 < gitlab.FAILED_LOGINS_ALLOWED
