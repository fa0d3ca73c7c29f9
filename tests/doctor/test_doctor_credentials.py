"""Credentials: found where, whose, and what mends each refusal of the registry, its token server and Google."""

import json
from base64 import b64encode

import pytest
from support.docker_home import packed
from support.doctor_runs import config, diagnose, examine
from support.google_sources import World, federated
from support.scripted import (
    basic_registry,
    challenge,
    document,
    on,
    plain_registry,
    refusal,
    serve,
    token_registry,
)
from support.token_endpoints import ACCOUNT, serving_tokens

RIGHT = "s3cret-pass"
BASIC = "Basic " + b64encode(f"robot:{RIGHT}".encode()).decode()
WRONG = refusal(401, "UNAUTHORIZED", "no", ("WWW-Authenticate", 'Basic realm="ours"'))


def login(password: str) -> dict:
    return {"auth": {"method": "basic", "username": "robot", "password": password}}


def guarded() -> list:
    """A registry that takes the right password alone."""
    return [on(None, WRONG, headers={"Authorization": f"(?!{BASIC}).*"}), *basic_registry()]


async def test_doctor_credentials_wrong_password(tmp_path):
    async with serve(guarded()) as server:
        wrong = await examine(config(server.host, tmp_path, **login("guess")))
        right = await examine(config(server.host, tmp_path, **login(RIGHT)))
    assert (wrong.code, wrong.amiss) == (1, {"sign-in": "failure"})
    assert wrong.found("credentials") == "basic: robot, of the configured password"
    assert wrong.advice("sign-in") == "check --username and the password (--password-file, --password-stdin)"
    assert wrong.skipped_for("sign-in") >= {"names", "listing"}
    assert (right.code, right.amiss) == (0, {})


async def test_doctor_credentials_that_nobody_asked_for_are_not_called_accepted(tmp_path):
    async with serve(plain_registry()) as server:
        unasked = await examine(config(server.host, tmp_path, **login("guess")))
    async with serve(guarded()) as server:
        asked = await examine(config(server.host, tmp_path, **login(RIGHT)))
    assert unasked.found("sign-in") == "the registry asks for no credentials here, and has not seen them yet"
    assert asked.found("sign-in") == "the registry accepts the credentials"


async def test_doctor_credentials_missing_login(command):
    async with serve(guarded()) as server:
        without = await diagnose(command, server.host, "--auth", "docker-config")
        (command.folder / ".docker").mkdir()
        file = command.folder / ".docker" / "config.json"
        file.write_text(json.dumps({"auths": {server.host: packed("robot", RIGHT)}}))
        with_one = await diagnose(command, server.host)
    assert (without.code, without.amiss) == (1, {"credentials": "failure"})
    assert without.advice("credentials") == f"run `docker login {server.host}`"
    assert (with_one.code, with_one.amiss) == (0, {})
    assert with_one.found("credentials") == f"docker-config: robot, of {file}"


async def test_doctor_credentials_anonymous_where_the_catalog_wants_a_login(command):
    async with serve(guarded()) as server:
        found = await diagnose(command, server.host)
    assert (found.code, found.amiss) == (1, {"names": "failure"})
    assert found.found("credentials") == "anonymous: no credentials are sent"
    assert f"run `docker login {server.host}`" in found.advice("names")


async def test_doctor_credentials_login_that_is_nearly_for_the_registry_is_a_warning(command):
    async with serve(plain_registry()) as server:
        (command.folder / ".docker").mkdir()
        auths = {"auths": {"localhost:1": packed("robot", RIGHT)}}
        (command.folder / ".docker" / "config.json").write_text(json.dumps(auths))
        found = await diagnose(command, server.host)
    assert (found.code, found.amiss) == (3, {"credentials": "warning"})
    assert "there is a login for localhost:1" in found.found("credentials")
    assert found.advice("credentials") == f"run `docker login {server.host}`"


async def test_doctor_credentials_helper_is_named_as_their_place(command, monkeypatch):
    programs = command.folder / "bin"
    programs.mkdir()
    helper = programs / "docker-credential-ours"
    answer = json.dumps({"Username": "robot", "Secret": RIGHT})
    helper.write_text(f"#!/bin/sh\necho '{answer}'\n")
    helper.chmod(0o755)
    async with serve(guarded()) as server:
        file = command.folder / ".docker" / "config.json"
        file.parent.mkdir()
        file.write_text(json.dumps({"credHelpers": {server.host: "ours"}}))
        found = await diagnose(command, server.host, environment={"PATH": f"{programs}:/usr/bin:/bin"})
    assert (found.code, found.amiss) == (0, {})
    assert found.found("credentials") == f"docker-config: robot, of docker-credential-ours, which {file} names"


async def test_doctor_credentials_token_server_refuses_the_scope_of_the_catalog(tmp_path):
    script = [
        on("/token", refusal(403, "DENIED", "not this scope"), query={"scope": "registry:catalog:.*"}),
        *token_registry(),
    ]
    names = tmp_path / "names"
    names.write_text("alpha\n")
    async with serve(script) as server:
        refused = await examine(config(server.host, tmp_path, **login(RIGHT)))
        mended = await examine(config(server.host, tmp_path, **login(RIGHT), repositories_from=names))
    assert (refused.code, refused.amiss) == (1, {"token for names": "failure"})
    assert "--repositories-from FILE needs no catalog" in refused.advice("token for names")
    assert (mended.code, mended.amiss) == (0, {})
    assert mended.found("token for listing") == "granted for repository:alpha:pull"


async def test_doctor_credentials_token_server_refuses_the_password(tmp_path):
    script = [
        on("/token", refusal(401, "UNAUTHORIZED", "no"), headers={"Authorization": f"(?!{BASIC}).*"}),
        *token_registry(),
    ]
    names = tmp_path / "names"
    names.write_text("alpha\n")
    async with serve(script) as server:
        for listed in ({}, {"repositories_from": names}):
            wrong = await examine(config(server.host, tmp_path, **login("guess"), **listed))
            right = await examine(config(server.host, tmp_path, **login(RIGHT), **listed))
            step = "token for listing" if listed else "token for names"
            assert (wrong.code, wrong.amiss) == (1, {step: "failure"})
            assert wrong.advice(step).startswith("check --username and the password")
            assert (right.code, right.amiss) == (0, {})


async def test_doctor_credentials_token_server_refuses_one_repository(tmp_path):
    script = [
        on("/token", refusal(403, "DENIED", "no"), query={"scope": "repository:alpha:pull"}),
        *token_registry(),
    ]
    async with serve(script) as server:
        found = await examine(config(server.host, tmp_path, **login(RIGHT)))
    assert (found.code, found.amiss) == (3, {"token for listing": "warning", "listing": "warning"})
    assert found.found("listing").startswith("team/victim has tags: 1; but alpha: ")
    assert found.advice("listing") == "check the permissions of the account"


async def test_doctor_credentials_token_server_that_is_not_trusted(tmp_path):
    script = [
        on("/v2/", refusal(401, "UNAUTHORIZED", "no", challenge("http://0.0.0.0:{port}/token"))),
        *token_registry(),
    ]
    async with (
        serve(script) as server,
        serve([on("/token", document({"token": "minted-there"}))], address="0.0.0.0") as there,
    ):
        server.say(port=str(there.port))
        untrusting = await examine(config(server.host, tmp_path, **login(RIGHT)))
        trusting = await examine(config(server.host, tmp_path, **login(RIGHT), realms=[there.host]))
    assert (untrusting.code, untrusting.amiss) == (1, {"sign-in": "failure"})
    assert untrusting.advice("sign-in") == f'if it may see the credentials: registry.realms = ["{there.host}"]'
    assert (trusting.code, trusting.amiss) == (0, {})


# ------------------------------------------------------------------------------------------------------------- Google


def key_for(server, folder, key) -> object:
    file = folder / "key.json"
    file.write_text(json.dumps({**key, "token_uri": f"{server.origin}/oauth2/token"}))
    return file


@pytest.fixture
async def key(google):
    registry = await google(repositories=1)
    return json.loads(registry.key_file.read_text())


GRANTED = document({"access_token": "ya29.fresh", "expires_in": 3600, "token_type": "Bearer"})


@pytest.mark.parametrize(
    ("description", "cause", "advice"),
    [
        (
            "Invalid JWT Signature.",
            "was deleted",
            "`gcloud iam service-accounts keys create key.json --iam-account={account}`, then --key-file key.json",
        ),
        (
            "Invalid grant: account not found",
            "is gone",
            "`gcloud iam service-accounts keys create key.json --iam-account=ACCOUNT`, then --key-file key.json",
        ),
        ("Invalid JWT: Token must be a short-lived token", "clock", "set the clock of this machine by NTP"),
    ],
)
async def test_doctor_credentials_key_that_google_refuses(description, cause, advice, key, tmp_path):
    refused = document({"error": "invalid_grant", "error_description": description}, status=400)
    for reply, code in ((refused, 1), (GRANTED, 0)):
        async with serve([on("/oauth2/token", reply, method="POST"), *basic_registry()]) as server:
            auth = {"method": "access-token", "key_file": key_for(server, tmp_path, key)}
            found = await examine(config(server.host, tmp_path, auth=auth))
        assert found.code == code
        if code:
            assert found.amiss == {"access token": "failure"}
            assert cause in found.found("access token")
            assert found.advice("access token").startswith(advice.format(account=key["client_email"]))


async def test_doctor_credentials_token_endpoint_that_is_not_there_is_a_failure(key, dead_port, tmp_path):
    """A crawl waits for it and fails, and doctor waits for less."""
    file = tmp_path / "key.json"
    file.write_text(json.dumps({**key, "token_uri": f"http://{dead_port}/token"}))
    async with serve(basic_registry()) as server:
        found = await examine(config(server.host, tmp_path, auth={"method": "access-token", "key_file": file}))
    assert (found.code, found.amiss) == (1, {"access token": "failure"})
    assert "Google's token endpoint cannot be reached" in found.found("access token")


async def test_doctor_credentials_without_application_default_credentials(command):
    off = {"NO_GCE_CHECK": "true"}
    async with serve(basic_registry()) as server:
        found = await diagnose(command, server.host, "--auth", "access-token", environment=off)
    assert (found.code, found.amiss) == (1, {"access token": "failure"})
    assert found.found("credentials") == "access-token, of the metadata server"
    assert "run `gcloud auth application-default login`" in found.found("access token")


async def test_doctor_credentials_name_the_file_of_application_default_credentials(google, tmp_path, monkeypatch):
    registry = await google(repositories=1)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(registry.key_file))
    found = await examine(config(registry.emulator.registry, tmp_path, auth={"method": "access-token"}))
    assert (found.code, found.amiss) == (0, {})
    assert str(registry.key_file) in found.found("credentials")
    assert found.found("access token").startswith("Google issued one for registry-crawler@")


async def test_doctor_credentials_impersonation_without_the_token_creator_role(google, tmp_path, monkeypatch):
    registry = await google(repositories=1)
    async with serving_tokens(registry.emulator.key) as endpoints:
        world = World(registry, endpoints, monkeypatch)
        world.provide(federated(world))
        table = {
            "auth": {"method": "token", "impersonate": ACCOUNT},
            "apis": {"iam_credentials": endpoints.origin},
        }
        endpoints.iam_refusal = {"code": 403, "status": "PERMISSION_DENIED", "message": "Permission denied"}
        refused = await examine(config(registry.emulator.registry, tmp_path, **table))
        endpoints.iam_refusal = None
        granted = await examine(config(registry.emulator.registry, tmp_path, **table))
    assert (refused.code, refused.amiss) == (1, {"access token": "failure"})
    assert refused.advice("access token") == (
        f"`gcloud iam service-accounts add-iam-policy-binding {ACCOUNT} --member=serviceAccount:CALLER "
        "--role=roles/iam.serviceAccountTokenCreator`, where CALLER is the account of the Application Default "
        "Credentials"
    )
    assert (granted.code, granted.amiss) == (0, {})
    assert ACCOUNT in granted.found("access token")
