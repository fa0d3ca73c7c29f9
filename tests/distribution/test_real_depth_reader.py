"""Debian's skopeo reads the same manifests and configs from Debian's docker-registry as a crawl."""

import asyncio
import json
import random
from datetime import UTC, datetime

import pytest
from support.digests import digest_of
from support.distribution import open_registry, push_content, requires_docker_registry
from support.distribution.samples import sample_repositories
from support.real_depth import crawl_deep, images_of
from support.skopeo import read_config, read_manifest, requires_skopeo
from support.snapshots import read_snapshot

pytestmark = [requires_docker_registry, requires_skopeo, pytest.mark.slow, pytest.mark.timeout(300)]

REFERENCES = 100
AT_ONCE = 4


def references(tagged):
    """A hundred references of the content: tags, and children by their digest; the same in every run."""
    tags = [(name, tag, content) for name, named in tagged.items() for tag, content in named.items()]
    children = [(name, child.digest, child) for name, _, content in tags for child in content.children]
    return random.Random(12).sample(tags + children, REFERENCES)


def as_manifest(raw):
    """What the record must have of a manifest, from the manifest's own bytes."""
    document = json.loads(raw)
    children = document.get("manifests")
    return {
        "digest": digest_of(raw),
        "media_type": document["mediaType"],
        "children": None if children is None else [(child["digest"], child["size"]) for child in children],
        "config_digest": document.get("config", {}).get("digest"),
        "layers": [(one["digest"], one["size"], one["mediaType"]) for one in document.get("layers", [])],
        "annotations": document.get("annotations") or {},
    }


def manifest_of_record(image):
    is_index = image["kind"] == "index"
    return {
        "digest": image["digest"],
        "media_type": image["media_type"],
        "children": [(one["digest"], one["size_bytes"]) for one in image["platforms"]] if is_index else None,
        "config_digest": image["manifest"]["config_digest"],
        "layers": [(one["digest"], one["size_bytes"], one["media_type"]) for one in image["manifest"]["layers"] or []],
        "annotations": image["manifest"]["annotations"] or {},
    }


def as_config(document):
    """What the record must have of a config, from skopeo's output, which leaves out what is empty."""
    runtime = document["config"]
    created = datetime.fromisoformat(document["created"]).astimezone(UTC)
    return {
        "os": document["os"],
        "architecture": document["architecture"],
        "variant": document.get("variant"),
        "created_at": created.strftime("%Y-%m-%dT%H:%M:%S.") + f"{created.microsecond // 1000:03d}Z",
        "user": runtime.get("User", ""),
        "entrypoint": runtime.get("Entrypoint", []),
        "cmd": runtime.get("Cmd", []),
        "working_dir": runtime.get("WorkingDir", ""),
        "exposed_ports": sorted(runtime.get("ExposedPorts", {})),
        "env_names": [variable.partition("=")[0] for variable in runtime.get("Env", [])],
        "labels": runtime.get("Labels", {}),
        "diff_ids": document["rootfs"]["diff_ids"],
    }


def config_of_record(image, wanted):
    """The same keys; null and empty are one for skopeo."""
    empty = {"user": "", "working_dir": "", "entrypoint": [], "cmd": [], "exposed_ports": [], "env_names": []}
    config = {**image["config"], "labels": image["config"]["labels"] or {}}
    return {key: empty.get(key) if config[key] is None else config[key] for key in wanted}


async def test_depth_has_no_difference_from_skopeo_in_100_references(tmp_path, shell):
    tagged = sample_repositories(16, 5)
    sampled = references(tagged)
    at_once = asyncio.Semaphore(AT_ONCE)

    async def read(name, reference, content):
        async with at_once:
            raw = await read_manifest(registry.host, name, reference)
            is_image = not content.children and set(content.configs)
            return raw, await read_config(registry.host, name, reference) if is_image else None

    async with open_registry(tmp_path / "registry") as registry:
        await push_content(registry, tagged)
        ended = await crawl_deep(shell, registry.host)
        answers = await asyncio.gather(*(read(*one) for one in sampled))

    assert ended.code == 0
    images = images_of(read_snapshot(shell.output))
    compared = []
    for (name, reference, content), (raw, config) in zip(sampled, answers, strict=True):
        image = images[name, content.digest]
        assert ":" in reference or reference in image["tags"]
        assert manifest_of_record(image) == as_manifest(raw)
        if config is not None:
            wanted = as_config(config)
            assert config_of_record(image, wanted) == wanted
            compared.append(image)
    assert len(compared) > REFERENCES // 3
    assert {len(image["manifest"]["layers"]) for image in compared} == {1, 2}
    assert any(image["manifest"]["annotations"] for image in compared)
