"""Token realms and challenges: credentials go to the registry's own host and to configured realms only."""

import pytest
from support.hostile_servers import (
    BASIC,
    ELSEWHERE,
    FOREIGN,
    LISTING,
    MINT,
    VICTIM,
    WITH_PASSWORD,
    cases,
    crawl_fails,
    crawl_snapshot,
    guarded_by,
)
from support.scripted import (
    Reply,
    ScriptedServer,
    challenge,
    on,
    refusal,
    serve,
    to_token,
    token_registry,
)

import crawler

pytestmark = pytest.mark.usefixtures("few_authorities")


async def test_realm_on_a_foreign_host_is_refused(tmp_path):
    """The realm is refused before its name is resolved: the error is the crawler's own."""
    async with serve(guarded_by(challenge(FOREIGN))) as server:
        error = await crawl_fails(server, tmp_path, **WITH_PASSWORD)
    assert isinstance(error, crawler.CredentialsError)
    assert "auth.example.invalid" in str(error)
    assert "realms" in str(error)
    assert server.paths == ["/v2/"]


@cases(
    "realm",
    {
        "a-name-that-begins-alike": "http://127.0.0.1.example.invalid/token",
        "a-user-that-looks-alike": "http://{host}@auth.example.invalid/token",
        "a-backslash": "http://{host}\\@auth.example.invalid/token",
        "the-metadata-address": "http://169.254.169.254/token",
        "a-foreign-host-without-a-scheme": "//auth.example.invalid/token",
    },
)
async def test_realm_that_imitates_the_registry_is_refused(realm, tmp_path):
    async with serve(guarded_by(challenge(realm))) as server:
        error = await crawl_fails(server, tmp_path, **WITH_PASSWORD)
    assert isinstance(error, crawler.CredentialsError)
    assert server.paths == ["/v2/"]
    assert server.authorizations == set()


def foreign_realm(other: ScriptedServer) -> str:
    return f"http://{ELSEWHERE}:{other.port}/token"


async def test_realm_on_a_foreign_host_gets_no_request(tmp_path):
    async with serve([MINT]) as other, serve(token_registry(realm=foreign_realm(other))) as server:
        error = await crawl_fails(server, tmp_path, **WITH_PASSWORD)
    assert "realms" in str(error)
    assert other.requests == []


@cases("listed", {"by-host": "{name}", "by-host-and-port": "{name}:{port}"})
async def test_realm_that_is_configured_gets_credentials(listed, tmp_path):
    async with serve([MINT]) as other:
        realms = [listed.format(name=ELSEWHERE, port=other.port)]
        async with serve(token_registry(realm=foreign_realm(other))) as server:
            snapshot = await crawl_snapshot(server, tmp_path, realms=realms, **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"
    assert other.authorizations == {BASIC}
    assert server.authorizations == {"Bearer minted-there"}


@cases("listed", {"another-port-of-the-host": "{name}:1", "a-longer-name": "auth.{name}"})
async def test_realm_beside_the_configured_one_is_refused(listed, tmp_path):
    async with serve([MINT]) as other, serve(token_registry(realm=foreign_realm(other))) as server:
        await crawl_fails(server, tmp_path, realms=[listed.format(name=ELSEWHERE)], **WITH_PASSWORD)
    assert other.requests == []


async def test_realm_on_a_foreign_host_is_used_without_credentials(tmp_path):
    """There is no credential to lose; Docker Hub's realm is on another host, too."""
    async with serve([MINT]) as other, serve(token_registry(realm=foreign_realm(other))) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    assert snapshot.manifest["verdict"] == "complete"
    assert other.authorizations == set()


@cases(
    "realm",
    {
        "relative": "/token",
        "relative-to-the-path": "../token",
        "without-a-host": "http:///token",
        "with-a-query": "{origin}/token?account=a",
    },
)
async def test_realm_that_is_relative_or_has_a_query_is_used(realm, tmp_path):
    async with serve(token_registry(realm=realm)) as server:
        snapshot = await crawl_snapshot(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"
    assert {asked.authorization for asked in server.asked("/token")} == {BASIC}
    assert len(server.asked("/token", **to_token(VICTIM))) == 1


@cases(
    "realm",
    {
        "with-a-user": "http://eve:adam@{host}/token",
        "with-an-empty-user": "http://@{host}/token",
        "without-a-host": "http://:80/token",
        "without-an-end": "http://[::1/token",
        "with-a-port-that-is-none": "http://127.0.0.1:99999/token",
        "of-a-foreign-scheme": "ftp://{host}/token",
        "of-a-file": "file:///etc/passwd",
        "of-javascript": "javascript:alert(1)",
        "in-other-letters": "http://\u0430uth.example.invalid/token",
        "that-writes-backwards": "http://auth\u202e.example.invalid/token",
    },
)
async def test_realm_that_is_no_http_url_is_refused(realm, tmp_path):
    async with serve(guarded_by(challenge(realm))) as server:
        error = await crawl_fails(server, tmp_path)
    assert isinstance(error, crawler.CredentialsError)
    assert server.paths == ["/v2/"]


async def test_realm_at_the_metadata_address_is_refused_without_credentials(tmp_path):
    """Even an anonymous request must not go there."""
    async with serve(guarded_by(challenge("http://169.254.169.254/token"))) as server:
        error = await crawl_fails(server, tmp_path)
    assert isinstance(error, crawler.UnsafeAddress)
    assert error.code == "FORBIDDEN_ADDRESS"
    assert server.paths == ["/v2/"]


async def test_realm_with_blanks_is_encoded(tmp_path):
    """A blank in a request line ends the path: the server could choose the rest of the line."""
    realm = "{origin}/token here HTTP/1.1"
    script = [on("/token here HTTP/1.1", Reply(status=404)), *guarded_by(challenge(realm))]
    async with serve(script) as server:
        await crawl_fails(server, tmp_path)
    assert [asked.target.partition("?")[0] for asked in server.requests[1:]] == ["/token%20here%20HTTP/1.1"] * 2


async def test_realm_with_control_characters_is_quoted(tmp_path):
    """The error must not control the terminal that shows it."""
    script = [on("/token\x1b[2J", Reply(status=404)), *guarded_by(challenge("{origin}/token\x1b[2J"))]
    async with serve(script) as server:
        error = await crawl_fails(server, tmp_path)
    assert f"{server.origin}/token%1B[2J: 404" in str(error)


@cases(
    "challenges",
    {
        "none": [],
        "garbage": [("WWW-Authenticate", '=,"; \\')],
        "negotiate": [("WWW-Authenticate", "Negotiate abcdef==")],
        "a-bearer-without-a-realm": [("WWW-Authenticate", 'Bearer service="scripted"')],
        "a-bearer-with-an-empty-realm": [challenge("")],
    },
)
async def test_challenge_without_a_usable_scheme_ends_the_run(challenges, tmp_path):
    async with serve(guarded_by(*challenges)) as server:
        error = await crawl_fails(server, tmp_path, **WITH_PASSWORD)
    assert isinstance(error, crawler.CredentialsError)
    assert server.authorizations == set()


async def test_realm_of_a_later_challenge_gets_no_request(tmp_path):
    """The realm was learned from the ping; a realm in a listing's 401 is ignored."""
    async with serve([MINT]) as other:
        turned = refusal(401, "UNAUTHORIZED", "ask there", challenge(f"{other.origin}/token"))
        async with serve([on(LISTING, turned), *token_registry()]) as server:
            snapshot = await crawl_snapshot(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.outcomes[VICTIM] == "denied"
    assert other.requests == []
