"""The emulator's broken images: is each problem there, and is nothing else wrong?"""

import pytest
from support.digests import digest_of
from support.emulator_client import client_of

from crawler.emulator import Inventory, Settings, serving

PROBLEMS = {
    "dangling-tag",
    "vanished-tag",
    "index-child-missing",
    "config-missing",
    "manifest-unreadable",
    "schema1",
    "orphan-referrer",
}


def broken_images(inventory, problem):
    """The repository, digest and facts of each image with a problem."""
    return [
        (name, digest, facts)
        for name in inventory.names
        for digest, facts in inventory.facts(name).items()
        if facts["problem"] == problem
    ]


@pytest.fixture
async def broken(session):
    """An emulator where every third image is broken."""
    async with serving(Settings(repositories=120, giants=0, broken=0.3)) as emulator:
        yield emulator, client_of(emulator, session)


async def listed(client, name):
    return (await client.get(f"/v2/{name}/tags/list", headers=client.key_headers())).json


def test_broken_images_of_every_problem_are_few_by_default():
    inventory = Inventory(Settings(giants=0))
    problems = [facts["problem"] for name in inventory.names for facts in inventory.facts(name).values()]
    assert set(problems) == {None, *PROBLEMS}
    assert 0 < sum(problem is not None for problem in problems) < len(problems) / 50


def test_broken_images_are_none_with_a_share_of_0():
    inventory = Inventory(Settings(giants=0, broken=0))
    assert {facts["problem"] for name in inventory.names for facts in inventory.facts(name).values()} == {None}


async def test_broken_tag_that_dangles_is_listed_before_and_after(broken):
    emulator, client = broken
    for name, digest, facts in broken_images(emulator.inventory, "dangling-tag"):
        assert facts["tags"]
        for reference in (digest, *facts["tags"]):
            assert (await client.manifest(name, reference)).error[:2] == (404, "MANIFEST_UNKNOWN")
        assert (await listed(client, name))["manifest"][digest]["tag"] == facts["tags"]


async def test_broken_tag_that_vanishes_is_listed_until_it_is_asked_for(broken):
    emulator, client = broken
    for name, digest, facts in broken_images(emulator.inventory, "vanished-tag"):
        before = await listed(client, name)
        assert before["manifest"][digest]["tag"] == facts["tags"] != []
        assert (await client.manifest(name, facts["tags"][0])).error[:2] == (404, "MANIFEST_UNKNOWN")
        after = await listed(client, name)
        assert before["manifest"].keys() - after["manifest"].keys() == {digest}
        assert set(before["tags"]) - set(after["tags"]) == set(facts["tags"])


async def test_broken_index_lacks_a_child(broken):
    emulator, client = broken
    for name, _, facts in broken_images(emulator.inventory, "index-child-missing"):
        found = {child["digest"]: await client.manifest(name, child["digest"]) for child in facts["platforms"]}
        missing = {digest for digest, reply in found.items() if reply.status == 404}
        assert len(missing) == 1
        assert not missing & (await listed(client, name))["manifest"].keys()


async def test_broken_config_is_unknown(broken):
    emulator, client = broken
    for name, digest, facts in broken_images(emulator.inventory, "config-missing"):
        config = (await client.manifest(name, digest)).json["config"]["digest"]
        assert (await client.blob(name, config)).error[:2] == (404, "BLOB_UNKNOWN")
        assert facts["config"] is None


async def test_broken_manifest_is_no_json_and_has_its_digest(broken):
    emulator, client = broken
    for name, digest, _ in broken_images(emulator.inventory, "manifest-unreadable"):
        reply = await client.manifest(name, digest)
        assert digest_of(reply.body) == digest
        assert reply.body.startswith(b"<html>")


async def test_broken_schema_is_the_first_one_for_every_client(broken):
    emulator, client = broken
    for name, digest, _ in broken_images(emulator.inventory, "schema1"):
        reply = await client.get(f"/v2/{name}/manifests/{digest}", headers=client.key_headers())
        assert reply.json["schemaVersion"] == 1
        assert reply.headers["Content-Type"] == "application/vnd.docker.distribution.manifest.v1+prettyjws"


async def test_broken_referrer_is_a_signature_of_nothing(broken):
    emulator, client = broken
    for name, digest, facts in broken_images(emulator.inventory, "orphan-referrer"):
        (tag,) = facts["tags"]
        assert tag.endswith(".sig")
        subject = tag.removesuffix(".sig").replace("-", ":")
        assert (await client.manifest(name, subject)).status == 404
        assert (await client.manifest(name, tag)).headers["Docker-Content-Digest"] == digest


def test_broken_images_are_of_every_problem_in_the_tests_above():
    inventory = Inventory(Settings(repositories=120, giants=0, broken=0.3))
    for problem in PROBLEMS:
        assert broken_images(inventory, problem)


async def test_broken_bytes_differ_from_the_digest_if_set(session):
    assert not broken_images(Inventory(Settings(repositories=60)), "digest-mismatch")
    async with serving(Settings(repositories=60, giants=0, broken=0, mismatched=0.5)) as emulator:
        client = client_of(emulator, session)
        mismatched = broken_images(emulator.inventory, "digest-mismatch")
        assert mismatched
        for name, digest, facts in mismatched[:20]:
            reply = await client.manifest(name, digest)
            assert reply.headers["Docker-Content-Digest"] == digest
            assert digest_of(reply.body) != digest
            assert reply.json == facts["manifest"]
