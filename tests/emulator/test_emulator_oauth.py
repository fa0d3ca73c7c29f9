import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from support.emulator_client import AUTH, basic, bearer

from crawler.emulator.accounts import AccessTokens, new_account
from crawler.emulator.errors import OAuthError, Unauthenticated

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture(scope="module")
def account():
    return new_account(project="my-project", registry="registry.test:5000")


def assertion(key, *, signed_with=None, kid=None, **changes):
    now = int(time.time())
    claims = {
        "iss": key["client_email"],
        "aud": key["token_uri"],
        "iat": now,
        "exp": now + 3600,
        "scope": AUTH + "cloud-platform",
    } | changes
    return jwt.encode(
        {name: value for name, value in claims.items() if value is not None},
        signed_with or key["private_key"],
        algorithm="RS256",
        headers={"kid": kid or key["private_key_id"]},
    )


async def test_oauth_google_auth_gets_an_access_token(client):
    token = await client.access_token("cloud-platform.read-only", "devstorage.read_only")
    assert token.startswith("ya29.")
    assert (await client.get("/v2/", headers=bearer(token))).status == 200


async def test_oauth_response_has_the_tokens_lifetime(client):
    reply = await client.post("/oauth2/token", data={"grant_type": JWT_BEARER, "assertion": assertion(client.key)})
    assert reply.status == 200
    assert reply.json | {"access_token": ""} == {
        "access_token": "",
        "expires_in": 3599,
        "token_type": "Bearer",
    }


async def test_oauth_refusal_has_the_oauth_error_format(client):
    reply = await client.post("/oauth2/token", data={"grant_type": JWT_BEARER, "assertion": "no.such.jwt"})
    assert reply.status == 400
    assert reply.json["error"] == "invalid_grant"
    assert reply.json["error_description"].startswith("Invalid JWT")


@pytest.mark.parametrize(
    ("changes", "error", "description"),
    [
        ({"kid": "another"}, "invalid_grant", "Invalid JWT Signature."),
        ({"iss": "somebody@else.test"}, "invalid_grant", "account not found"),
        ({"aud": "https://registry.test/token"}, "invalid_grant", "audience"),
        ({"iat": -7200, "exp": -3600}, "invalid_grant", "short-lived"),
        ({"iat": 600}, "invalid_grant", "short-lived"),
        ({"exp": 9999}, "invalid_grant", "short-lived"),
        ({"exp": "tomorrow"}, "invalid_grant", "short-lived"),
        ({"exp": None}, "invalid_grant", "exp"),
        ({"scope": None}, "invalid_scope", "scope"),
        ({"scope": AUTH + "drive"}, "invalid_scope", "scope"),
        ({"scope": f"{AUTH}cloud-platform {AUTH}drive"}, "invalid_scope", "scope"),
    ],
)
def test_oauth_wrong_assertions_are_refused(account, changes, error, description):
    """Moments are seconds from now, which is when the test runs: it may be collected long before."""
    now = int(time.time())
    changes = {claim: now + value if isinstance(value, int) else value for claim, value in changes.items()}
    tokens = AccessTokens(account, lifetime_s=3599)
    with pytest.raises(OAuthError, match=description) as refusal:
        tokens.exchange(grant_type=JWT_BEARER, assertion=assertion(account.key, **changes))
    assert refusal.value.error == error


def test_oauth_signature_of_another_key_is_refused(account):
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(OAuthError, match="Invalid JWT Signature"):
        AccessTokens(account, lifetime_s=1).exchange(
            grant_type=JWT_BEARER, assertion=assertion(account.key, signed_with=stranger)
        )


def test_oauth_other_grant_types_are_refused(account):
    with pytest.raises(OAuthError) as refusal:
        AccessTokens(account, lifetime_s=1).exchange(grant_type="password", assertion="")
    assert refusal.value.error == "unsupported_grant_type"


def test_oauth_access_token_expires_and_is_dropped(account):
    now = time.time()
    tokens = AccessTokens(account, lifetime_s=600, clock=lambda: now)
    first, second = (
        str(
            tokens.exchange(grant_type=JWT_BEARER, assertion=assertion(account.key, scope=AUTH + scope))["access_token"]
        )
        for scope in ("cloud-platform", "devstorage.read_only")
    )
    now += 599
    assert tokens.scopes(first) == {AUTH + "cloud-platform"}
    assert tokens.scopes(second) == {AUTH + "devstorage.read_only"}
    now += 1
    with pytest.raises(Unauthenticated, match="expired"):
        tokens.scopes(first)
    assert not tokens._grants


async def test_oauth_unknown_access_token_is_refused(client):
    for headers in (bearer("ya29.made-up"), basic("_token", "ya29.made-up")):
        reply = await client.get("/v2/", headers=headers)
        assert reply.error[:2] == (401, "UNAUTHORIZED")
