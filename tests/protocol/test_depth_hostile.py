"""Depth against registries that send what no registry should."""

import json

import pytest
from support.depth_app import APP, ARM, CONFIG, SINGLE, UNKNOWN, registry, tag_path
from support.depth_crawls import deep_crawl, exchanges
from support.oci_documents import OCI_INDEX, OCI_MANIFEST
from support.scripted import Reply, on, plain_registry, raw, redirect, refusal, serve
from support.scripted_images import (
    Content,
    blobs,
    digest_named,
    image,
    index,
)


def bytes_reply(content: bytes, *headers: bytes) -> Reply:
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(content), *headers]
    return raw(b"\r\n".join(lines) + b"\r\n\r\n" + content)


@pytest.mark.parametrize(
    "media_type",
    [b"application/\xff\xfe", b"\xed\xa0\x80/json", b"a" * 7000, b"application/vnd oci"],
    ids=["latin-1", "surrogate", "long", "blank"],
)
@pytest.mark.parametrize("body", [b"[]", SINGLE.body], ids=["nonsense", "image"])
async def test_hostile_content_type_is_no_media_type(media_type, body, tmp_path):
    """A header may have any bytes. They arrive as lone surrogates, which no JSON can have."""
    content = Content(body, "")
    named = b"Docker-Content-Digest: " + content.digest.encode()
    reply = bytes_reply(body, b"Content-Type: " + media_type, named)
    async with serve([on(tag_path("odd"), reply), *registry({"odd": SINGLE, "1.0": ARM})]) as server:
        crawl = await deep_crawl(server, tmp_path)
        again = await deep_crawl(server, tmp_path)
    expected = OCI_MANIFEST if body == SINGLE.body else None
    for each in (crawl, again):
        assert each.manifest.verdict == "complete"
        assert each.images(APP)[content.digest]["media_type"] == expected


HOSTILE_BODIES = {
    "deep": b'{"schemaVersion":2,"manifests":[' + b"[" * 5000 + b"]" * 5000 + b"]}",
    "huge int": b'{"schemaVersion":2,"config":{"digest":"sha256:%s","size":%s},"layers":[]}' % (b"0" * 64, b"9" * 5000),
    "nul": b'{"schemaVersion":2,"layers":[],"annotations":{"a\\u0000b":"\\u0000","c":"\\ud800"}}',
    "algorithm": json.dumps({"schemaVersion": 2, "manifests": [{"digest": "blake3:" + "0" * 64}]}).encode(),
    "children of all types": json.dumps({"manifests": [1, None, {}, []]}).encode(),
    "nan": b'{"schemaVersion":2,"layers":[{"digest":"sha256:%s","size":NaN}]}' % (b"0" * 64),
    "bom": b"\xef\xbb\xbf" + SINGLE.body,
    "utf16": SINGLE.body.decode().encode("utf-16"),
    "not utf-8": b'{"schemaVersion":2,"layers":[],"annotations":{"a":"\xff"}}',
    "long text": json.dumps({"schemaVersion": 2, "layers": [], "annotations": {"a": "b" * 4_000_000}}).encode(),
    "types": json.dumps(
        {"schemaVersion": [], "mediaType": {}, "config": {"digest": digest_named("c"), "size": -1, "mediaType": 3},
         "layers": None, "subject": [], "artifactType": 1.5, "annotations": [1]}
    ).encode(),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_BODIES)
async def test_hostile_manifest_ends_in_a_record(name, tmp_path):
    content = Content(HOSTILE_BODIES[name], OCI_INDEX if "manifests" in name else OCI_MANIFEST)
    script = [on(f"/v2/{APP}/blobs/{digest_named('c')}", refusal(404, "BLOB_UNKNOWN", "no"))]
    script.append(on(f"/v2/{APP}/blobs/sha256:{'0' * 64}", refusal(404, "BLOB_UNKNOWN", "no")))
    async with serve([*script, *registry({"odd": content, "1.0": SINGLE})]) as server:
        crawl = await deep_crawl(server, tmp_path, referrers="listed")
    assert crawl.manifest.verdict == "complete"
    assert set(crawl.images(APP)) == {content.digest, SINGLE.digest}


HOSTILE_CONFIGS = {
    "surrogates": b'{"config":{"Labels":{"a":"\\ud800","\\udfff":"b"},"User":"\\ud83d","Env":["\\ud800=1"]}}',
    "nul": b'{"config":{"Labels":{"\\u0000":"\\u0000"},"Cmd":["\\u0000"]},"rootfs":{"diff_ids":["\\u0000","x"]}}',
    "fake key": b'{"config":{"Labels":{"\\"config\\":{":"\\"config\\":{","config":"{"}},'
    b'"rootfs":{"diff_ids":["a","b"]}}',
    "wrong types": b'{"os":1,"created":[],"config":{"Labels":[1],"Env":{"a":1},"User":{},"ExposedPorts":[1],'
    b'"Healthcheck":[],"Cmd":7},"rootfs":[]}',
    "times": b'{"created":"9999-12-31T23:59:59.999999999-23:59"}',
    "zero time": b'{"created":"0001-01-01T00:00:00+14:00"}',
    "layers": json.dumps({"rootfs": {"diff_ids": ["x"] * 5000}}).encode(),
    "long text": json.dumps({"config": {"Labels": {"a": "b" * 8_000_000}}}).encode(),
    "deep": b'{"config":' + b"{" * 5000 + b"}",
    "empty": b"",
}


@pytest.mark.parametrize("name", HOSTILE_CONFIGS)
async def test_hostile_config_ends_in_a_record(name, tmp_path):
    odd = Content(HOSTILE_CONFIGS[name], CONFIG.media_type)
    tags = {"odd": image(odd, "odd"), "1.0": SINGLE}
    async with serve([*blobs(APP, odd), *registry(tags)]) as server:
        crawl = await deep_crawl(server, tmp_path, referrers="listed")
    assert crawl.manifest.verdict == "complete"
    assert set(crawl.images(APP)) == {tags["odd"].digest, SINGLE.digest}


async def test_hostile_redirect_loop_of_a_blob_makes_the_snapshot_partial(tmp_path):
    path = f"/v2/{APP}/blobs/{CONFIG.digest}"
    async with serve([on(path, redirect(path)), *registry({"1.0": SINGLE})]) as server:
        crawl = await deep_crawl(server, tmp_path)
    assert crawl.manifest.reasons == ("1 of 1 image was not read",)


async def test_hostile_index_of_many_children_costs_what_the_budget_allows(tmp_path):
    """A manifest of 4 MiB may have so many, and registries take it (distribution-spec, "Pushing Manifests")."""
    names = [f"child {number}" for number in range(10_000)]
    huge = index(*({"digest": digest_named(name), "size": 1, "mediaType": OCI_MANIFEST} for name in names))
    script = [*plain_registry({APP: ["huge"]}), on(tag_path("huge"), huge.reply), on(None, UNKNOWN)]
    async with serve(script) as server:
        crawl = await deep_crawl(server, tmp_path, limits={"budget": 100})
    assert len(exchanges(server)) == 100
    assert (crawl.manifest.counts.problems, crawl.manifest.counts.unread) == (10_000, 10_000 - 99)
