"""Google's refusals of a key or login, in plain words: a wrong clock, a deleted key, a login that expired."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from support.google_sources import authorized_user
from support.scripted import basic_registry, document, html, on, serve
from support.token_endpoints import AUDIENCE

import crawler

TOKEN = "/oauth2/token"
TIMEFRAME = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
    "Check your iat and exp values in the JWT claim."
)
NOW = r"it shows \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


@pytest.fixture
async def key(google):
    registry = await google(repositories=1)
    return json.loads(registry.key_file.read_text())


async def error_message(reply, key, folder) -> str:
    """The message of a run whose token endpoint answers with `reply`."""
    file = folder / "key.json"
    async with serve([on(TOKEN, reply, method="POST"), *basic_registry()]) as server:
        file.write_text(json.dumps({**key, "token_uri": f"{server.origin}{TOKEN}"}))
        table = {"target": server.host, "auth": {"method": "access-token", "key_file": file}}
        config = crawler.Config(registry=[table], limits={"attempts": 1}, output={"path": folder / "out"})
        with pytest.raises(crawler.CredentialsError) as caught:
            await crawler.crawl(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def invalid_grant(description, offset=None):
    headers = [] if offset is None else [("Date", format_datetime(datetime.now(UTC) - offset, usegmt=True))]
    return document({"error": "invalid_grant", "error_description": description}, *headers, status=400)


@pytest.mark.parametrize(
    ("offset", "cause"),
    [
        (timedelta(hours=2, minutes=3), "2 h 3 min ahead of Google's"),
        (-timedelta(days=1, minutes=10), "1 d 10 min behind Google's"),
        (timedelta(minutes=90), "1 h 30 min ahead of Google's"),
    ],
)
async def test_google_clock_skew_is_measured_by_googles_clock(offset, cause, key, tmp_path):
    line = await error_message(invalid_grant(TIMEFRAME, offset), key, tmp_path)
    assert re.match(
        rf"the clock of this machine is wrong: {NOW}, which is {cause}; set it by NTP: invalid_grant: ", line
    )


@pytest.mark.parametrize("offset", [None, timedelta(seconds=5), timedelta()])
async def test_google_clock_skew_without_a_measure_shows_this_machines_clock(offset, key, tmp_path):
    line = await error_message(invalid_grant(TIMEFRAME, offset), key, tmp_path)
    assert re.match(rf"the clock of this machine seems wrong: {NOW}; set it by NTP: invalid_grant: Invalid JWT", line)


async def test_google_clock_skew_with_a_malformed_date_has_no_measure(key, tmp_path):
    reply = document({"error": "invalid_grant", "error_description": TIMEFRAME}, ("Date", "yesterday"), status=400)
    assert "seems wrong: it shows" in await error_message(reply, key, tmp_path)


@pytest.mark.parametrize(
    ("description", "cause"),
    [
        ("Invalid JWT Signature.", "the key of {} was deleted, or its account is gone: make a new key: "),
        ("Invalid grant: account not found", "the service account {} is gone: make a key of an account that exists"),
    ],
)
async def test_google_key_refusal_names_the_cause(description, cause, key, tmp_path):
    line = await error_message(invalid_grant(description, timedelta(hours=5)), key, tmp_path)
    assert line.startswith(f"Google refuses the credentials: {cause.format(key['client_email'])}")
    assert line.endswith(f": invalid_grant: {description}")
    assert "clock" not in line


@pytest.mark.parametrize("description", ["Token has been expired or revoked.", "reauth related error (invalid_rapt)"])
async def test_google_login_refusal_names_the_command_that_renews_it(description, world):
    world.endpoints.login_refusal = description
    world.provide({**authorized_user(world), "refresh_token": "withdrawn"})
    assert f"run `gcloud auth application-default login`: invalid_grant: {description}" in await world.error_message()


@pytest.mark.parametrize("begin", ["", "\n  ", "\ufeff", "<!-- sorry -->", "<?xml version='1.0'?>"])
async def test_google_key_refusal_never_shows_html(begin, key, tmp_path):
    page = html(403, "Sign in to the network")
    page = replace(page, body=begin.encode() + page.body)
    line = await error_message(page, key, tmp_path)
    assert "Sign in to the network" in line
    assert "<" not in line


async def test_google_token_outage_of_the_federation_service_is_waited_for(tmp_path, monkeypatch):
    """A 502 with an HTML page is no refusal by the token service of federated identities, either."""
    new_token = document(
        {
            "access_token": "ya29.fresh",
            "expires_in": 3600,
            "token_type": "Bearer",
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        }
    )
    outage = on("/sts", html(502, "Error 502 (Server Error)!!1"), method="POST", times=2)
    async with serve([outage, on("/sts", new_token, method="POST"), *basic_registry()]) as server:
        (tmp_path / "subject").write_text("subject")
        federated = {
            "type": "external_account",
            "audience": AUDIENCE,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{server.origin}/sts",
            "credential_source": {"file": str(tmp_path / "subject")},
        }
        (tmp_path / "adc.json").write_text(json.dumps(federated))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "adc.json"))
        table = {"target": server.host, "auth": {"method": "access-token"}}
        manifest = await crawler.crawl(crawler.Config(registry=[table], output={"path": tmp_path / "out"}))
    assert manifest.verdict == "complete"
