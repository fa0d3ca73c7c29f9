"""Depth: what a snapshot has of each image, and what that costs at the registry."""

import pytest
from support.depth_crawls import deep_crawl, exchanges
from support.oci_documents import GZIP_LAYER, MANIFEST_TYPES
from support.scripted import on, plain_registry, redirect, serve, token_registry
from support.scripted_images import (
    attestation,
    attesting,
    blobs,
    child,
    config,
    digest_named,
    image,
    index,
    manifests,
    unchanged,
)

APP = "team/app"
CONFIG = config("base", "app")
SINGLE = image(CONFIG, "base", "app", annotations={"org.opencontainers.image.title": "app"})
ARM_CONFIG = config("base", "arm", architecture="arm64", variant="v8")
ARM = image(ARM_CONFIG, "base", "arm")
PROVENANCE = attestation("https://slsa.dev/provenance/v1", "https://spdx.dev/Document")
INDEX = index(child(SINGLE), child(ARM, "arm64"), attesting(PROVENANCE, SINGLE))
CONTENT = (SINGLE, ARM, PROVENANCE)


def registry(tags, *others):
    return [
        *manifests(APP, tags, *CONTENT, *others),
        *blobs(APP, CONFIG, ARM_CONFIG),
        *plain_registry({APP: tags}),
    ]


@pytest.mark.parametrize(
    ("depth", "asked"),
    [
        ("digests", [("GET", f"/v2/{APP}/manifests/1.0")]),
        ("manifests", [("GET", f"/v2/{APP}/manifests/1.0")]),
        ("configs", [("GET", f"/v2/{APP}/manifests/1.0"), ("GET", f"/v2/{APP}/blobs/{CONFIG.digest}")]),
    ],
)
async def test_depth_of_a_single_image(depth, asked, tmp_path):
    async with serve(registry({"1.0": SINGLE})) as server:
        crawl = await deep_crawl(server, tmp_path, depth=depth)
    assert (crawl.manifest.verdict, crawl.manifest.depth) == ("complete", depth)
    assert exchanges(server) == asked
    (found,) = crawl.records[APP]["images"]
    assert {key: found[key] for key in ("digest", "tags", "kind", "media_type", "size_bytes", "subject_digest")} == {
        "digest": SINGLE.digest,
        "tags": ["1.0"],
        "kind": "image",
        "media_type": SINGLE.media_type,
        "size_bytes": len(CONFIG.body) + 200,
        "subject_digest": None,
    }
    assert (found["manifest"] is not None) is (depth in {"manifests", "configs"})
    assert (found["config"] is not None) is (depth == "configs")
    assert found["referrers"] is None


async def test_depth_configs_has_layers_and_config_and_no_secret(tmp_path):
    async with serve(registry({"1.0": SINGLE})) as server:
        crawl = await deep_crawl(server, tmp_path)
    found = crawl.images(APP)[SINGLE.digest]
    assert found["manifest"] == {
        "config_digest": CONFIG.digest,
        "layers": [
            {
                "digest": digest_named(layer),
                "size_bytes": 100,
                "media_type": GZIP_LAYER,
            }
            for layer in ("base", "app")
        ],
        "annotations": {"org.opencontainers.image.title": "app"},
    }
    assert found["config"] == {
        "os": "linux",
        "architecture": "amd64",
        "variant": None,
        "created_at": "2026-01-02T03:04:05.678Z",
        "user": "app",
        "entrypoint": None,
        "cmd": None,
        "working_dir": None,
        "exposed_ports": None,
        "env_names": ["PATH", "TOKEN"],
        "healthcheck": False,
        "labels": {"team": "core"},
        "diff_ids": [digest_named("plain base"), digest_named("plain app")],
        "base_name": None,
        "base_digest": None,
        "base_from": None,
    }
    assert found["created_at"] == "2026-01-02T03:04:05.678Z"
    assert [(each["os"], each["architecture"], each["role"]) for each in found["platforms"]] == [
        ("linux", "amd64", "image")
    ]
    assert b"hunter2" not in crawl.lines


async def test_depth_of_an_index_reads_each_child_and_config_once(tmp_path):
    async with serve(registry({"1.0": INDEX, "latest": INDEX, "amd64": SINGLE})) as server:
        crawl = await deep_crawl(server, tmp_path)
    assert sorted(exchanges(server)) == sorted(
        [
            *[("GET", f"/v2/{APP}/manifests/{tag}") for tag in ("1.0", "latest", "amd64")],
            *[("GET", f"/v2/{APP}/manifests/{each.digest}") for each in (ARM, PROVENANCE)],
            *[("GET", f"/v2/{APP}/blobs/{each.digest}") for each in (CONFIG, ARM_CONFIG)],
        ]
    )
    images = crawl.images(APP)
    assert list(images) == sorted(each.digest for each in (INDEX, SINGLE, ARM, PROVENANCE))
    assert {digest: (found["kind"], found["tags"]) for digest, found in images.items()} == {
        INDEX.digest: ("index", ["1.0", "latest"]),
        SINGLE.digest: ("image", ["amd64"]),
        ARM.digest: ("image", []),
        PROVENANCE.digest: ("attestation", []),
    }
    assert [
        (each["digest"], each["os"], each["architecture"], each["role"], each["attests_digest"])
        for each in images[INDEX.digest]["platforms"]
    ] == [
        (SINGLE.digest, "linux", "amd64", "image", None),
        (ARM.digest, "linux", "arm64", "image", None),
        (PROVENANCE.digest, None, None, "attestation", SINGLE.digest),
    ]
    assert images[INDEX.digest]["manifest"]["layers"] is None
    assert images[ARM.digest]["config"]["variant"] == "v8"
    assert images[PROVENANCE.digest]["config"] is None
    assert crawl.manifest.counts.images == 4


async def test_depth_digests_of_an_index_reads_no_child(tmp_path):
    async with serve(registry({"1.0": INDEX})) as server:
        crawl = await deep_crawl(server, tmp_path, depth="digests")
    assert exchanges(server) == [("GET", f"/v2/{APP}/manifests/1.0")]
    (found,) = crawl.records[APP]["images"]
    assert (found["digest"], found["kind"], found["platforms"]) == (INDEX.digest, "index", None)


async def test_depth_accepts_all_four_types_with_every_request(tmp_path):
    """distribution 2.8 answers 404 for an index whose type is not accepted."""
    async with serve(registry({"1.0": INDEX})) as server:
        await deep_crawl(server, tmp_path)
    for asked in server.requests:
        if "/manifests/" in asked.path:
            assert {each.strip() for each in asked.headers["accept"].split(",")} == set(MANIFEST_TYPES)


async def test_depth_second_night_costs_one_exchange_a_tag(tmp_path):
    tags = {"1.0": INDEX, "amd64": SINGLE}
    async with serve([*(unchanged(APP, tag, of) for tag, of in tags.items()), *registry(tags)]) as server:
        first = await deep_crawl(server, tmp_path)
        before = len(exchanges(server))
        second = await deep_crawl(server, tmp_path)
    assert sorted(exchanges(server)[before:]) == [("GET", f"/v2/{APP}/manifests/{tag}") for tag in ("1.0", "amd64")]
    assert second.records[APP]["images"] == first.records[APP]["images"]
    assert (second.manifest.verdict, second.manifest.cache.misses) == ("complete", 0)


async def test_depth_second_night_reads_what_a_moved_tag_leads_to(tmp_path):
    moved_config = config("base", "app", "new")
    moved = image(moved_config, "base", "app", "new")
    tags = {"1.0": INDEX, "amd64": SINGLE}
    script = [
        on(f"/v2/{APP}/manifests/amd64", moved.reply, state="second night"),
        unchanged(APP, "1.0", INDEX),
        *blobs(APP, moved_config),
        *registry(tags),
    ]
    async with serve(script) as server:
        await deep_crawl(server, tmp_path)
        before = len(exchanges(server))
        server.enter("second night")
        second = await deep_crawl(server, tmp_path)
    assert sorted(exchanges(server)[before:]) == [
        ("GET", f"/v2/{APP}/blobs/{moved_config.digest}"),
        ("GET", f"/v2/{APP}/manifests/1.0"),
        ("GET", f"/v2/{APP}/manifests/amd64"),
    ]
    assert second.images(APP)[moved.digest]["tags"] == ["amd64"]


async def test_depth_works_where_the_registry_ignores_the_condition(tmp_path):
    """olareg answers a conditional request with 200 and the body."""
    async with serve(registry({"1.0": INDEX, "amd64": SINGLE})) as server:
        first = await deep_crawl(server, tmp_path)
        before = len(server.requests)
        second = await deep_crawl(server, tmp_path)
        asked = [each for each in server.requests[before:] if "/manifests/" in each.path]
    assert {each.path: each.headers.get("if-none-match") for each in asked} == {
        f"/v2/{APP}/manifests/1.0": f'"{INDEX.digest}"',
        f"/v2/{APP}/manifests/amd64": f'"{SINGLE.digest}"',
    }
    assert second.records[APP]["images"] == first.records[APP]["images"]


async def test_depth_without_a_cache_file_reads_each_digest_once_a_night(tmp_path):
    async with serve(registry({"1.0": INDEX, "latest": INDEX})) as server:
        for night in (1, 2):
            await deep_crawl(server, tmp_path, cache="none")
            assert len(server.asked(f"/v2/{APP}/manifests/{ARM.digest}")) == night
    assert not list(tmp_path.rglob("*.sqlite*"))


async def test_depth_digest_is_computed_where_the_registry_does_not_name_it(tmp_path):
    """aws/containers-roadmap#1931"""
    nameless = SINGLE.reply.but(headers=(("Content-Type", SINGLE.media_type),))
    async with serve([on(f"/v2/{APP}/manifests/1.0", nameless), *registry({"1.0": SINGLE})]) as server:
        crawl = await deep_crawl(server, tmp_path)
    assert list(crawl.images(APP)) == [SINGLE.digest]
    assert crawl.manifest.verdict == "complete"


async def test_depth_tags_that_are_left_out_are_listed_and_not_read(tmp_path):
    tags = {"1.0": SINGLE, "2.0": ARM, "2.0-rc1": INDEX}
    async with serve(registry(tags)) as server:
        crawl = await deep_crawl(server, tmp_path, include_tags=["2.*"], exclude_tags=["*-rc?"])
    assert crawl.records[APP]["tags"] == list(tags)
    assert list(crawl.images(APP)) == [ARM.digest]
    assert [path for _, path in exchanges(server) if "/manifests/" in path] == [f"/v2/{APP}/manifests/2.0"]
    assert crawl.manifest.verdict == "complete"


async def test_depth_of_a_digest_in_two_repositories_is_read_once(tmp_path):
    other = "team/other"
    script = [
        *manifests(other, {"1": INDEX}, *CONTENT),
        *blobs(other, CONFIG, ARM_CONFIG),
        *manifests(APP, {"1": INDEX}, *CONTENT),
        *blobs(APP, CONFIG, ARM_CONFIG),
        *plain_registry({APP: ["1"], other: ["1"]}),
    ]
    async with serve(script) as server:
        crawl = await deep_crawl(server, tmp_path)
    digests = [path.rpartition("/")[2] for _, path in exchanges(server) if "sha256:" in path]
    assert sorted(digests) == sorted(each.digest for each in (ARM, SINGLE, PROVENANCE, CONFIG, ARM_CONFIG))
    assert crawl.records[APP]["images"] == crawl.records[other]["images"]


async def test_depth_of_a_blob_that_redirects_sends_no_credentials_there(tmp_path):
    guarded = token_registry({APP: ["1"]})
    bearer = {"Authorization": "Bearer .+"}
    async with serve(blobs("storage", CONFIG)) as storage:
        script = [
            on(f"/v2/{APP}/manifests/1", SINGLE.reply, headers=bearer),
            on(f"/v2/{APP}/blobs/{CONFIG.digest}", redirect(f"{storage.origin}/v2/storage/blobs/{CONFIG.digest}")),
            *guarded,
        ]
        async with serve(script) as server:
            crawl = await deep_crawl(server, tmp_path)
        assert storage.authorizations == set()
    assert crawl.images(APP)[SINGLE.digest]["config"]["user"] == "app"
    assert crawl.manifest.requests.by_kind["blob"] == 2
