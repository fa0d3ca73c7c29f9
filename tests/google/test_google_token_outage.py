"""Google's token endpoint and metadata server are waited for while they are down: an outage is no refusal."""

import asyncio
import json
import os
import sysconfig
from pathlib import Path

import pytest
from support.scripted import REPOSITORIES, Reply, basic_registry, document, dropped, html, on, refusal, serve
from support.snapshots import read_snapshot

import crawler

COMMAND = Path(sysconfig.get_path("scripts")) / "registry-crawler"
TOKEN = "/oauth2/token"
GRANTED = on(TOKEN, document({"access_token": "ya29.fresh", "expires_in": 3600, "token_type": "Bearer"}), method="POST")
METADATA = "/computeMetadata/v1/instance/service-accounts/default"
FLAVOR = ("Metadata-Flavor", "Google")


@pytest.fixture
async def key(google):
    """A service account's key; each test sets its token endpoint."""
    registry = await google(repositories=1)
    return json.loads(registry.key_file.read_text())


def config(server, folder, key=None, **limits) -> crawler.Config:
    auth = {"method": "access-token"}
    if key is not None:
        file = folder / "key.json"
        file.write_text(json.dumps({**key, "token_uri": f"{server.origin}{TOKEN}"}))
        auth["key_file"] = file
    return crawler.Config(
        registry=[{"target": server.host, "auth": auth}], limits=limits, output={"path": folder / "snapshots"}
    )


@pytest.mark.parametrize(
    "reply",
    [html(502, "Error 502 (Server Error)!!1"), document({"error": "unavailable"}, status=503), dropped()],
    ids=["502-html", "503", "dropped"],
)
async def test_google_token_outage_that_is_short_is_waited_for(reply, key, tmp_path):
    async with serve([on(TOKEN, reply, method="POST", times=5), GRANTED, *basic_registry()]) as server:
        manifest = await crawler.crawl(config(server, tmp_path, key))
    assert (manifest.verdict, manifest.counts.ok) == ("complete", len(REPOSITORIES))


async def test_google_token_outage_that_lasts_ends_the_run_and_shows_no_html(key, tmp_path):
    page = html(502, "Error 502 (Server Error)!!1")
    async with serve([on(TOKEN, page, method="POST"), *basic_registry()]) as server:
        with pytest.raises(crawler.CredentialsError) as caught:
            await crawler.crawl(config(server, tmp_path, key, attempts=1))
    assert "an HTML page came where JSON was due: Error 502 (Server Error)!!1" in str(caught.value)
    assert "<" not in str(caught.value)


async def test_google_token_refusal_is_not_retried(key, tmp_path):
    refused = document({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, status=400)
    async with serve([on(TOKEN, refused, method="POST"), *basic_registry()]) as server:
        with pytest.raises(crawler.CredentialsError, match="invalid_grant"):
            await crawler.crawl(config(server, tmp_path, key))
    assert server.paths.count(TOKEN) == 1


async def test_google_metadata_server_without_a_token_is_waited_for(tmp_path):
    """A pod's workload identity answers 404 in the pod's first seconds."""
    identity = document({"email": "c@p.iam.gserviceaccount.com", "aliases": ["default"], "scopes": []}, FLAVOR)
    token = document({"access_token": "ya29.pod", "expires_in": 3600, "token_type": "Bearer"}, FLAVOR)
    script = [
        on(f"{METADATA}/token", Reply(status=404, headers=(FLAVOR,), body=b"Not Found"), times=2),
        on(f"{METADATA}/token", token),
        on(f"{METADATA}/", identity),
        on("/", Reply(headers=(FLAVOR,))),
        on(
            "/computeMetadata/v1/project/project-id", Reply(headers=(FLAVOR, ("Content-Type", "text/plain")), body=b"p")
        ),
        on("/computeMetadata/v1/universe/universe-domain", refusal(404, "NOT_FOUND", "none")),
        *basic_registry(),
    ]
    async with serve(script) as server:
        address = dict.fromkeys(("GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP"), server.host)
        # google-auth reads the host when it is imported, so the crawl has a process of its own
        process = await asyncio.create_subprocess_exec(
            *(COMMAND, "crawl", server.host, "--auth=access-token", "--no-progress"),
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **address},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        _, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert len(server.asked(f"{METADATA}/token")) == 3
    assert len(read_snapshot(tmp_path / "snapshots").records) == len(REPOSITORIES)
