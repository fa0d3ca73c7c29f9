"""Credentials that expire during a run: the run ends and can be resumed, for each authentication method."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from registries.vocabulary import BASIC, PASSWORD, USER
from support.scripted import Entry, Reply, ScriptedServer, challenge, document, listing_path, on, refusal, serve
from support.snapshots import folders, read_snapshot

import crawler
from crawler.auth.credentials import Credential
from crawler.auth.lockout import MAX_REFUSALS
from crawler.run.crawl import Crawl

pytestmark = pytest.mark.usefixtures("few_authorities")

NAMES = tuple(f"team/app-{number:03}" for number in range(60))
WORKERS = 4
GOOD_FOR = 20
"""Listings that the registry answers before the credentials expire."""

BASIC_CHALLENGE = ("WWW-Authenticate", 'Basic realm="scripted"')
NO_CREDENTIALS = refusal(401, "UNAUTHORIZED", "authentication required", BASIC_CHALLENGE)
EXPIRED_BASIC = refusal(401, "UNAUTHORIZED", "the credentials have expired", BASIC_CHALLENGE)
EXPIRED_ECR = refusal(403, "DENIED", "Your authorization token has expired. Reauthenticate and try again.")


def registry_whose_password_expires(refused: Reply, *, header: str = ".+", when: int = GOOD_FOR) -> list[Entry]:
    """A registry that answers requests with the header until `when` listings were answered, and then none."""
    known = {"Authorization": header}
    catalog = document({"repositories": list(NAMES)})
    listings = [
        on(
            listing_path(name),
            document({"name": name, "tags": ["1"]}),
            headers=known,
            then="refused" if n == when else None,
        )
        for n, name in enumerate(NAMES, start=1)
    ]
    return [
        on(None, refused, headers=known, state="refused"),
        on("/v2/", document({}), headers=known),
        on("/v2/_catalog", catalog, headers=known),
        *listings,
        on(None, NO_CREDENTIALS, headers={"Authorization": None}),
    ]


def config(server: ScriptedServer, folder: Path, **registry: Any) -> crawler.Config:
    table = {"target": server.host, **registry}
    limits = {"attempts": 1, "concurrency": WORKERS}
    return crawler.Config(registry=[table], limits=limits, output={"path": folder / "out"})


async def assert_ends_resumably(server: ScriptedServer, folder: Path, **registry: Any) -> None:
    """Assert that the crawl ends with GaveUp, without a snapshot, and with its records on the disk.

    After the limit it sends at most one more request for each worker, and the one that verifies the credentials.
    """
    settings = config(server, folder, **registry)
    run = Crawl(settings, settings.registry[0])
    with pytest.raises(crawler.GaveUp, match=f"refused {MAX_REFUSALS} times in a row"):
        await run.run()
    assert folders(folder / "out") == []
    assert run.recorded >= GOOD_FOR
    refused = [asked for asked in server.requests if asked.path.endswith("/tags/list")][GOOD_FOR:]
    assert len(refused) <= MAX_REFUSALS + WORKERS + 1


@pytest.mark.parametrize(
    ("kind", "refused"),
    [("distribution", EXPIRED_BASIC), ("ecr", EXPIRED_ECR), ("ecr", EXPIRED_BASIC), ("nexus", EXPIRED_BASIC)],
)
async def test_lockout_of_a_password_ends_the_run(kind, refused, tmp_path):
    auth = {"method": "basic", "username": USER, "password": PASSWORD}
    async with serve(registry_whose_password_expires(refused, header=re.escape(BASIC))) as server:
        await assert_ends_resumably(server, tmp_path, kind=kind, auth=auth)


async def test_lockout_of_an_access_token_given_as_password_ends_the_run(tmp_path):
    user = Credential("oauth2accesstoken", "ya29.made-up")
    auth = {"method": "basic", "username": user.name, "password": user.password}
    async with serve(registry_whose_password_expires(EXPIRED_BASIC, header=re.escape(user.header))) as server:
        await assert_ends_resumably(server, tmp_path, auth=auth)


async def test_lockout_of_a_json_key_ends_the_run(tmp_path):
    key = {"type": "service_account", "client_email": "me@p.iam.gserviceaccount.com", "private_key": "made-up"}
    (tmp_path / "key.json").write_text(json.dumps(key))
    async with serve(registry_whose_password_expires(EXPIRED_BASIC, header="Basic .+")) as server:
        await assert_ends_resumably(server, tmp_path, auth={"method": "json-key", "key_file": tmp_path / "key.json"})


async def test_lockout_at_harbors_catalog_and_token_server_ends_the_run(tmp_path):
    """Harbor's catalog wants the password itself, its listings tokens."""
    refused = refusal(401, "UNAUTHORIZED", "unauthorized", ("WWW-Authenticate", 'Basic realm="harbor"'))
    known = {"Authorization": re.escape(BASIC)}
    page = document({"repositories": list(NAMES)}, ("Link", '</v2/_catalog?last=x&n=60>; rel="next"'))
    script = [
        on("/v2/", refusal(401, "UNAUTHORIZED", "no", challenge("{origin}/service/token"))),
        on("/v2/_catalog", page, headers=known, query={"last": None}, then="refused"),
        on("/v2/_catalog", refused, state="refused"),
        on("/service/token", refused, state="refused"),
    ]
    auth = {"method": "basic", "username": USER, "password": PASSWORD}
    async with serve(script) as server:
        settings = config(server, tmp_path, kind="harbor", auth=auth)
        with pytest.raises(crawler.GaveUp, match=f"refused {MAX_REFUSALS} times in a row"):
            await crawler.crawl(settings)
    assert folders(tmp_path / "out") == []


async def test_lockout_is_over_when_the_run_is_resumed_with_a_good_password(tmp_path):
    auth = {"method": "basic", "username": USER, "password": PASSWORD}
    async with serve(registry_whose_password_expires(EXPIRED_BASIC, when=GOOD_FOR)) as server:
        settings = config(server, tmp_path, auth=auth)
        with pytest.raises(crawler.GaveUp):
            await Crawl(settings, settings.registry[0]).run()
        server.enter("")
        again = await Crawl(settings, settings.registry[0]).resume()
    assert again is not None
    assert again.verdict == "complete"
    assert set(read_snapshot(tmp_path / "out").outcomes) == set(NAMES)


@pytest.mark.parametrize(
    ("kind", "refused"),
    [("distribution", NO_CREDENTIALS), ("ecr", refusal(403, "DENIED", "not authorized to perform"))],
)
async def test_lockout_does_not_come_from_a_block_of_denied_repositories(kind, refused, tmp_path):
    """The credentials are verified by a request that they were accepted for: these repositories are denied."""
    auth: Mapping[str, str] = {"method": "basic", "username": USER, "password": PASSWORD}
    denied = [on(listing_path(name), refused) for name in NAMES[:40]]
    async with serve([*denied, *registry_whose_password_expires(EXPIRED_BASIC, when=0)]) as server:
        (tmp_path / "names.txt").write_text("\n".join(NAMES))
        table = {"kind": kind, "auth": auth, "repositories_from": tmp_path / "names.txt"}
        manifest = await crawler.crawl(config(server, tmp_path, **table))
    assert (manifest.counts.denied, manifest.counts.ok) == (40, 20)
    assert len(server.asked("/v2/")) <= 2 + 40 // MAX_REFUSALS


async def test_lockout_does_not_count_refusals_of_an_anonymous_crawl(tmp_path):
    denied = [on(listing_path(name), NO_CREDENTIALS) for name in NAMES[:40]]
    public = [on(listing_path(name), document({"name": name, "tags": ["1"]})) for name in NAMES[40:]]
    catalog = on("/v2/_catalog", document({"repositories": list(NAMES)}))
    async with serve([on("/v2/", document({})), catalog, *denied, *public]) as server:
        manifest = await crawler.crawl(config(server, tmp_path, auth={"method": "anonymous"}))
    assert (manifest.counts.denied, manifest.counts.ok) == (40, 20)
    assert len(server.requests) == 1 + 1 + len(NAMES)


async def test_lockout_does_not_verify_credentials_for_refusals_between_listings(tmp_path):
    auth = {"method": "basic", "username": USER, "password": PASSWORD}
    denied = [on(listing_path(name), NO_CREDENTIALS) for name in NAMES[::2]]
    async with serve([*denied, *registry_whose_password_expires(EXPIRED_BASIC, when=0)]) as server:
        manifest = await crawler.crawl(config(server, tmp_path, auth=auth))
    assert (manifest.counts.denied, manifest.counts.ok) == (30, 30)
    assert len(server.requests) == 2 + 1 + len(NAMES)
