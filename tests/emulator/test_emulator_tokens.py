import base64
import json
import time

import jwt
import pytest
from aiohttp.test_utils import TestServer
from support.emulator_client import Client, basic, bearer, client_of

from crawler.emulator import Inventory, Settings, serving
from crawler.emulator.accounts import new_account
from crawler.emulator.faults import FaultInjector
from crawler.emulator.middleware import ExchangeMiddleware
from crawler.emulator.server import Registry

NO_CREDENTIAL = (401, "UNAUTHORIZED", "not authenticated: No valid credential was supplied.")


async def test_credentials_of_each_kind_are_accepted(client):
    key = json.dumps(client.key)
    access_token = await client.access_token("cloud-platform")
    for headers in (
        basic("_token", access_token),
        basic("oauth2accesstoken", access_token),
        basic("_json_key", key),
        basic("_json_key", json.dumps(client.key, indent=4, sort_keys=True)),
        basic("_json_key_base64", base64.b64encode(key.encode()).decode()),
    ):
        assert (await client.get("/v2/token", headers=headers)).status == 200
        assert (await client.get("/v2/", headers=headers)).json == {}
        assert (await client.get("/v2/_catalog", headers=headers)).status == 200


async def test_credentials_that_are_wrong_are_refused(client):
    for headers in (
        basic("_token", "made-up"),
        basic("_json_key", "not json"),
        basic("_json_key", "[]"),
        basic("_json_key", json.dumps(client.key | {"private_key_id": "0"})),
        basic("_json_key", json.dumps(client.key | {"private_key": "0"})),
        basic("_json_key_base64", "not base64!"),
        basic("admin", "admin"),
        {"Authorization": "Basic !"},
    ):
        for path in ("/v2/token", "/v2/"):
            assert (await client.get(path, headers=headers)).error[:2] == (401, "UNAUTHORIZED")


async def test_credentials_are_needed_for_a_token(client):
    assert (await client.get("/v2/token")).error == NO_CREDENTIAL


async def test_challenge_has_realm_service_and_scope(client):
    name = client.registry
    realm = f'Bearer realm="http://{name}/v2/token",service="{name}"'
    for path, challenge in (
        ("/v2/", realm),
        ("/v2/_catalog", f'{realm},scope="registry:catalog:*"'),
        ("/v2/my-project/alpine/tags/list", f'{realm},scope="repository:my-project/alpine:pull"'),
    ):
        reply = await client.get(path)
        assert reply.error == NO_CREDENTIAL
        assert reply.headers["WWW-Authenticate"] == challenge
        assert reply.headers["Docker-Distribution-API-Version"] == "registry/2.0"


@pytest.mark.parametrize(
    ("origin", "service"), [("https://gcr.io", "gcr.io"), ("http://registry.test:8443", "registry.test:8443")]
)
async def test_challenge_names_the_configured_origin(session, origin, service):
    async with serving(Settings(repositories=1, origin=origin)) as emulator:
        client = client_of(emulator, session)
        for path, scope in (("/v2/", ""), ("/v2/p/alpine/tags/list", ',scope="repository:p/alpine:pull"')):
            challenge = (await client.get(path)).headers["WWW-Authenticate"]
            assert challenge == f'Bearer realm="{origin}/v2/token",service="{service}"{scope}'
        assert client.key["token_uri"] == f"http://{emulator.registry}/oauth2/token"
        token = bearer(await client.access_token("cloud-platform"))
        assert (await client.get("/v2/", headers=token)).status == 200


async def test_token_response_format(client):
    reply = await client.get(
        "/v2/token",
        params={"service": client.registry, "scope": "repository:my-project/alpine:pull"},
        headers=client.key_headers(),
    )
    assert set(reply.json) == {"token", "expires_in", "issued_at"}
    assert reply.json["expires_in"] == 300
    assert reply.json["issued_at"].endswith("Z")
    assert 100 < len(reply.json["token"]) < 1000


async def test_token_request_needs_exactly_one_scope(client):
    for query in (
        "scope=",
        "scope=repository:my-project/alpine",
        "scope=repository:my-project/alpine:push",
        "scope=registry:catalog:read",
        "scope=repository:a:pull&scope=repository:b:pull",
        "scope=repository:a:pull%20repository:b:pull",
    ):
        reply = await client.get(f"/v2/token?{query}", headers=client.key_headers())
        assert reply.error[:2] == (400, "UNSUPPORTED")


async def test_token_is_valid_for_its_own_repository_only(client, emulator):
    own, other = emulator.inventory.names[:2]
    token = bearer(await client.registry_token(f"repository:{own}:push,pull"))
    assert (await client.get("/v2/", headers=token)).status == 200
    assert (await client.get(f"/v2/{own}/tags/list", headers=token)).status == 200
    for path in (f"/v2/{other}/tags/list", "/v2/_catalog"):
        reply = await client.get(path, headers=token)
        assert reply.error == (
            401,
            "UNAUTHORIZED",
            f"Requested repository does not match bearer token resource: {own}",
        )


async def test_token_scope_may_contain_colons(client):
    token = bearer(await client.registry_token("repository:localhost:5000/alpine:pull"))
    reply = await client.get("/v2/my-project/alpine/tags/list", headers=token)
    assert reply.error[2].endswith("bearer token resource: localhost:5000/alpine")


async def test_token_without_scope_is_valid_for_the_ping_only(client):
    reply = await client.get("/v2/token", headers=client.key_headers())
    token = bearer(reply.json["token"])
    assert (await client.get("/v2/", headers=token)).status == 200
    assert (await client.get("/v2/_catalog", headers=token)).status == 401


async def test_token_with_another_signature_is_refused(client):
    claims = {"scope": "registry:catalog:*", "oauth_scopes": [], "exp": 2**40}
    forged = jwt.encode(claims, "a secret of somebody else's, quite long enough")
    assert (await client.get("/v2/_catalog", headers=bearer(forged))).error[:2] == (401, "UNAUTHORIZED")


async def test_token_for_storage_lists_tags_but_not_the_catalog(client, emulator):
    access_token = await client.access_token("devstorage.read_only")
    name = emulator.inventory.names[0]
    user = basic("oauth2accesstoken", access_token)
    granted = await client.get("/v2/token?scope=registry:catalog:*", headers=user)
    assert granted.status == 200  # a token does not prove access
    for headers in (user, bearer(access_token), bearer(granted.json["token"])):
        assert (await client.get("/v2/_catalog", headers=headers)).error[:2] == (403, "DENIED")
    for headers in (user, bearer(access_token)):
        assert (await client.get(f"/v2/{name}/tags/list", headers=headers)).status == 200


async def test_token_expires(session):
    now = time.time()
    settings = Settings(repositories=20)
    account = new_account(project="my-project", registry="registry.test")
    registry = Registry(
        settings, address="registry.test", inventory=Inventory(settings), account=account, clock=lambda: now
    )
    async with TestServer(registry.application(ExchangeMiddleware(FaultInjector(settings)))) as server:
        client = Client(session, registry=f"{server.host}:{server.port}", key=account.key)
        token = bearer(await client.registry_token("registry:catalog:*"))
        now += 299
        assert (await client.get("/v2/_catalog", headers=token)).status == 200
        now += 1
        reply = await client.get("/v2/_catalog", headers=token)
        assert reply.error == (401, "UNAUTHORIZED", "Token has expired.")
        assert "WWW-Authenticate" in reply.headers
