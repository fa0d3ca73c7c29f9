"""Signatures, attestations and SBOMs: the referrers API, cosign's tags, and fallback tags."""

from collections import Counter

import pytest
from support.digests import digest_of
from support.emulator_client import client_of

from crawler.emulator import Inventory, Settings, serving

INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture(scope="module")
def facts():
    """Facts by repository and digest."""
    inventory = Inventory(Settings(repositories=250, denied=0.01))
    return {(name, digest): facts for name in inventory.names for digest, facts in inventory.facts(name).items()}


@pytest.fixture
def subjects(facts):
    """By repository and digest of a subject, the digests of its referrers, sorted."""
    found = {}
    for (name, digest), image in facts.items():
        if image["subject_digest"]:
            found.setdefault((name, image["subject_digest"]), []).append(digest)
    return {subject: sorted(digests) for subject, digests in found.items()}


async def pages(client, path):
    """The bodies of all pages, by Link."""
    bodies = []
    while path:
        reply = await client.get(path, headers=client.key_headers())
        assert (reply.status, reply.headers["Content-Type"]) == (200, INDEX)
        bodies.append(reply.json)
        link = reply.headers.get("Link")
        path = link and link[1:].partition(">")[0]
    return bodies


async def test_referrers_are_the_manifests_with_that_subject(client, facts, subjects):
    assert len(subjects) > 10
    for (name, subject), digests in subjects.items():
        (body,) = await pages(client, f"/v2/{name}/referrers/{subject}")
        assert (body["schemaVersion"], body["mediaType"]) == (2, INDEX)
        assert [descriptor["digest"] for descriptor in body["manifests"]] == digests
        for descriptor in body["manifests"]:
            manifest = facts[name, descriptor["digest"]]["manifest"]
            assert descriptor["artifactType"] == manifest["artifactType"]
            assert descriptor["annotations"] == manifest["annotations"]
            reply = await client.manifest(name, descriptor["digest"])
            assert digest_of(reply.body) == descriptor["digest"]
            assert (len(reply.body), reply.headers["Content-Type"]) == (descriptor["size"], descriptor["mediaType"])


def test_referrers_are_of_every_sort():
    inventory = Inventory(Settings())
    images = [facts for name in inventory.names for facts in inventory.facts(name).values()]
    types = Counter(facts["manifest"]["artifactType"] for facts in images if facts["subject_digest"])
    assert set(types) == {
        "application/vnd.dev.sigstore.bundle.v0.3+json",
        "application/vnd.cncf.notary.signature",
        "application/spdx+json",
        "application/vnd.cyclonedx+json",
        "application/vnd.openvex+json",
        "application/sarif+json",
        "application/vnd.microsoft.artifact.lifecycle",
        "application/vnd.example.note.v1+json",
    }
    kinds = {facts["kind"] for facts in images}
    assert kinds == {"image", "index", "artifact", "signature", "attestation", "sbom"}


async def test_referrers_come_in_pages(client, session, subjects):
    (name, subject), digests = max(subjects.items(), key=lambda item: len(item[1]))
    assert len(digests) == 3
    path = f"/v2/{name}/referrers/{subject}"
    for n, lengths in ((1, [1, 1, 1]), (2, [2, 1]), (3, [3]), (9, [3])):
        bodies = await pages(client, f"{path}?n={n}")
        assert [len(body["manifests"]) for body in bodies] == lengths
        assert [descriptor["digest"] for body in bodies for descriptor in body["manifests"]] == digests
    async with serving(Settings(repositories=250, denied=0.01, referrers_page=1)) as emulator:
        assert len(await pages(client_of(emulator, session), f"{path}?n=9")) == 3


async def test_referrers_can_be_filtered_by_artifact_type(client, facts, subjects):
    (name, subject), digests = max(subjects.items(), key=lambda item: len(item[1]))
    wanted = facts[name, digests[0]]["manifest"]["artifactType"]
    path = f"/v2/{name}/referrers/{subject}"
    user = client.key_headers()
    reply = await client.get(path, params={"artifactType": wanted, "n": 1}, headers=user)
    assert reply.headers["OCI-Filters-Applied"] == "artifactType"
    assert {descriptor["artifactType"] for descriptor in reply.json["manifests"]} == {wanted}
    assert "OCI-Filters-Applied" not in (await client.get(path, headers=user)).headers


async def test_referrers_of_what_is_not_there_are_an_empty_list(client, emulator):
    name = next(name for name in emulator.inventory.names if "/base/static12" in name)
    assert await pages(client, f"/v2/{name}/referrers/sha256:{0:064}") == [
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
    ]


async def test_referrers_api_that_is_absent_is_404_in_plain_text(session):
    async with serving(Settings(repositories=30, referrers="none")) as emulator:
        client = client_of(emulator, session)
        reply = await client.get(f"/v2/my-project/base/static12/referrers/sha256:{0:064}", headers=client.key_headers())
        assert (reply.status, reply.body) == (404, b"404 page not found\n")
        assert reply.headers["Content-Type"].startswith("text/plain")


async def test_cosign_tags_name_the_digest_of_their_image(client, facts):
    suffixes = Counter()
    for (name, digest), image in facts.items():
        for tag in image["tags"]:
            hexadecimal, dot, suffix = tag.removeprefix("sha256-").partition(".")
            if tag.startswith("sha256-") and dot and not image["problem"]:
                suffixes[suffix] += 1
                assert facts[name, f"sha256:{hexadecimal}"]["kind"] in ("image", "index", "artifact")
                reply = await client.manifest(name, tag)
                assert reply.headers["Docker-Content-Digest"] == digest
                (layer,) = reply.json["layers"]
                expected = {"sig": "simplesigning", "att": "dsse", "sbom": "spdx"}[suffix]
                assert expected in layer["mediaType"]
    assert set(suffixes) == {"sig", "att", "sbom"}


async def test_fallback_tag_is_an_index_of_the_referrers(client, facts, subjects):
    found = 0
    for (name, _), image in facts.items():
        for tag in image["tags"]:
            if tag.startswith("sha256-") and "." not in tag:
                index = (await client.manifest(name, tag)).json
                listed = [descriptor["digest"] for descriptor in index["manifests"]]
                assert sorted(listed) == subjects[name, tag.replace("-", ":")]
                assert all(descriptor["artifactType"] for descriptor in index["manifests"])
                found += 1
    assert found
