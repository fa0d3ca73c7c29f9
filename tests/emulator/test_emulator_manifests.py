"""Manifests and blobs behind the emulator's listings: are the bytes those that the digests name?"""

import json

import aiohttp
import pytest
from support.digests import digest_of
from support.emulator_client import bearer, client_of
from support.oci_documents import DOCKER_LIST, MANIFEST_TYPES, OCI_INDEX

from crawler.emulator import ArtifactRegistry, Inventory, Kind, Settings, serving

TODAY = ArtifactRegistry(serves="gcr.io")
INDEXES = {DOCKER_LIST, OCI_INDEX}
EMPTY = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def whole_listings(inventory):
    """The listings of repositories with images."""
    return [r.listing for r in inventory.truth() if r.listing and r.listing["manifest"]]


def one_index(inventory):
    """The name of a repository, and the digest of an index in it that has a tag."""
    for listing in whole_listings(inventory):
        for digest, image in listing["manifest"].items():
            if image["mediaType"] in INDEXES and image["tag"]:
                return listing["name"], digest
    raise AssertionError("no index has a tag")


@pytest.mark.parametrize("role", [None, TODAY])
async def test_manifest_digests_of_listings_are_those_of_the_bytes(session, role):
    settings = Settings(repositories=60, giants=0, broken=0, artifact_registry=role)
    async with serving(settings) as emulator:
        client = client_of(emulator, session)
        blobs = set()
        for listing in whole_listings(emulator.inventory):
            for digest, image in listing["manifest"].items():
                reply = await client.manifest(listing["name"], digest)
                assert reply.status == 200
                assert digest == digest_of(reply.body) == reply.headers["Docker-Content-Digest"]
                assert reply.headers["Content-Type"] == image["mediaType"] == reply.json["mediaType"]
                blobs |= {(listing["name"], reply.json["config"]["digest"])} if "config" in reply.json else set()
        assert len(blobs) > 50
        for name, digest in blobs:
            assert digest == digest_of((await client.blob(name, digest)).body)
        assert EMPTY in {digest for _, digest in blobs}


async def test_manifest_of_a_tag_is_the_listed_image(client, emulator):
    checked = 0
    for listing in whole_listings(emulator.inventory)[:80]:
        present = {
            digest for digest, facts in emulator.inventory.facts(listing["name"]).items() if not facts["problem"]
        }
        for digest in present:
            for tag in listing["manifest"][digest]["tag"][:2]:
                reply = await client.manifest(listing["name"], tag)
                assert reply.headers["Docker-Content-Digest"] == digest
                checked += 1
    assert checked > 80


async def test_manifest_sizes_and_times_agree_with_the_listing(client, emulator):
    times = set()
    for listing in whole_listings(emulator.inventory)[:60]:
        for digest, facts in emulator.inventory.facts(listing["name"]).items():
            image = listing["manifest"][digest]
            assert image["tag"] == facts["tags"]
            if facts["config"] is None or facts["kind"] != "image":
                continue
            layers = sum(layer["size"] for layer in facts["layers"])
            assert image["imageSizeBytes"] in ("0", str(layers + facts["manifest"]["config"]["size"]))
            created = facts["config"].get("created")
            times.add(created and created[:4])
            assert (image["timeCreatedMs"] == "0") is (created is None)
    assert times > {None, "1970", "1980"}


async def test_manifest_children_of_an_index_are_listed_without_tags(client, emulator):
    attested, platforms = set(), set()
    for listing in whole_listings(emulator.inventory):
        for digest, facts in emulator.inventory.facts(listing["name"]).items():
            if facts["media_type"] not in INDEXES or facts["problem"] or "-" in listing["manifest"][digest]["tag"][:1]:
                continue
            for child in facts["platforms"]:
                assert listing["manifest"][child["digest"]]["mediaType"] == child["mediaType"]
                if "platform" not in child:  # a fallback index lists referrers
                    continue
                assert listing["manifest"][child["digest"]]["tag"] == []
                platform = child["platform"]
                platforms.add((platform["os"], platform["architecture"]))
                if platform["os"] == "unknown":
                    attested.add(child["annotations"]["vnd.docker.reference.type"])
                    subject = child["annotations"]["vnd.docker.reference.digest"]
                    assert subject in {other["digest"] for other in facts["platforms"]}
                    about = (await client.manifest(listing["name"], child["digest"])).json
                    predicates = {layer["annotations"]["in-toto.io/predicate-type"] for layer in about["layers"]}
                    assert predicates == {"https://spdx.dev/Document", "https://slsa.dev/provenance/v0.2"}
    assert attested == {"attestation-manifest"}
    assert platforms == {
        ("linux", "amd64"),
        ("linux", "arm64"),
        ("linux", "arm"),
        ("windows", "amd64"),
        ("unknown", "unknown"),
    }


async def test_manifest_head_has_the_headers_alone(client, emulator):
    name, digest = one_index(emulator.inventory)
    whole = await client.manifest(name, digest)
    user = {**client.key_headers(), "Accept": ", ".join(MANIFEST_TYPES)}
    head = await client.head(f"/v2/{name}/manifests/{digest}", headers=user)
    assert (head.status, head.body) == (200, b"")
    for header in ("Docker-Content-Digest", "Content-Type", "Content-Length", "ETag"):
        assert head.headers[header] == whole.headers[header]
    assert head.headers["Content-Length"] == str(len(whole.body))


async def test_manifest_known_to_the_client_is_304_without_a_body(client, emulator):
    name, digest = one_index(emulator.inventory)
    tag = emulator.inventory.listing(name)["manifest"][digest]["tag"][0]
    for reference in (digest, tag):
        for known in (f'"{digest}"', f'W/"{digest}"', f'"sha256:0", "{digest}"'):
            reply = await client.manifest(name, reference, **{"If-None-Match": known})
            assert (reply.status, reply.body) == (304, b"")
            assert reply.headers["ETag"] == f'"{digest}"'
            assert "Docker-Content-Digest" not in reply.headers
        assert (await client.manifest(name, reference, **{"If-None-Match": '"sha256:0"'})).status == 200


async def test_manifest_whose_type_is_not_accepted_is_unknown(client, emulator):
    name, digest = one_index(emulator.inventory)
    media_type = emulator.inventory.listing(name)["manifest"][digest]["mediaType"]
    for accepted in ("*/*", "application/json", ", ".join(set(MANIFEST_TYPES) - {media_type})):
        status, code, message = (await client.manifest(name, digest, Accept=accepted)).error
        assert (status, code) == (404, "MANIFEST_UNKNOWN")
        assert "accept header does not support" in message
    assert (await client.manifest(name, digest, Accept=f"text/html, {media_type};q=0.5")).status == 200


async def test_manifest_and_blob_need_a_token_for_their_repository(client, emulator):
    name, digest = one_index(emulator.inventory)
    other = bearer(await client.registry_token("repository:my-project/other:pull"))
    for path in (f"manifests/{digest}", f"blobs/{digest}", f"referrers/{digest}"):
        for headers in ({}, other):
            reply = await client.get(f"/v2/{name}/{path}", headers=headers)
            assert reply.error[:2] == (401, "UNAUTHORIZED")
            assert f'scope="repository:{name}:pull"' in reply.headers["WWW-Authenticate"]


async def test_manifest_or_blob_that_is_not_there_is_404(client, emulator):
    name, digest = one_index(emulator.inventory)
    empty = next(name for name in emulator.inventory.names if emulator.inventory.kind(name) is Kind.EMPTY)
    for repository, reference in ((name, "no-such-tag"), (name, EMPTY), (empty, "latest"), (empty, digest)):
        assert (await client.manifest(repository, reference)).error[:2] == (404, "MANIFEST_UNKNOWN")
    facts = [facts for facts in emulator.inventory.facts(name).values() if facts["kind"] == "image"]
    layer = next(layer["digest"] for image in facts for layer in image["layers"] or ())
    for unknown in (digest, layer, "sha256:0"):
        assert (await client.blob(name, unknown)).error[:2] == (404, "BLOB_UNKNOWN")


async def test_manifest_of_a_repository_without_a_listing_gets_its_error(client, emulator):
    for kind, expected in ((Kind.VANISHED, (404, "NAME_UNKNOWN")), (Kind.DENIED, (403, "DENIED"))):
        name = next(name for name in emulator.inventory.names if emulator.inventory.kind(name) is kind)
        for path in ("manifests/latest", f"blobs/{EMPTY}", f"referrers/{EMPTY}"):
            assert (await client.get(f"/v2/{name}/{path}", headers=client.key_headers())).error[:2] == expected


async def test_blob_may_be_redirected_to_a_path_without_credentials(session):
    async with serving(Settings(repositories=30, blobs="redirected")) as emulator:
        client = client_of(emulator, session)
        name = next(name for name in emulator.inventory.names if "/base/static12" in name)
        configs = [
            facts["manifest"]["config"]["digest"]
            for facts in emulator.inventory.facts(name).values()
            if facts["config"]
        ]
        path = f"/v2/{name}/blobs/{configs[0]}"
        reply = await client.get(path, headers=client.key_headers(), allow_redirects=False)
        assert reply.status == 307
        assert reply.headers["Location"].startswith("/downloads/")
        assert digest_of((await client.get(reply.headers["Location"])).body) == configs[0]
        assert (await client.get(path)).status == 401
        assert (await client.blob(name, "sha256:0")).error[:2] == (404, "BLOB_UNKNOWN")
        assert emulator.counts["blob"] == 4


async def test_manifest_exchanges_are_counted_by_kind(client, emulator):
    name, digest = one_index(emulator.inventory)
    await client.manifest(name, digest)
    await client.manifest(name, "no-such-tag")
    await client.blob(name, EMPTY)
    await client.get(f"/v2/{name}/referrers/{digest}", headers=client.key_headers())
    counted = {kind: emulator.counts[kind] for kind in ("manifest", "blob", "referrers", "listing")}
    assert counted == {"manifest": 2, "blob": 1, "referrers": 1, "listing": 0}


async def test_manifest_exchanges_have_quotas_and_faults(session):
    async with serving(Settings(repositories=30, truncated=1.0)) as emulator:
        client = client_of(emulator, session)
        name, digest = one_index(emulator.inventory)
        with pytest.raises(aiohttp.ClientPayloadError):
            await client.manifest(name, digest)
        assert (await client.manifest(name, digest, **{"If-None-Match": f'"{digest}"'})).status == 304
        assert emulator.counts["faults"] == 2
    async with serving(Settings(repositories=30, quota_per_s=1)) as emulator:
        client = client_of(emulator, session)
        statuses = {(await client.manifest("my-project/base/static12", "latest")).status for _ in range(9)}
        assert statuses == {200, 429}


async def test_emulator_images_are_json_lines(client, emulator):
    reply = await client.get("/emulator/images")
    inventory = Inventory(Settings(repositories=250, denied=0.01))
    lines = [json.loads(line) for line in reply.body.splitlines()]
    assert lines == [{"name": name, "images": inventory.facts(name)} for name in inventory.names]
