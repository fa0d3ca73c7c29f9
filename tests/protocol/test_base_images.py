"""The base of an image: by annotation, by its own label, by its layers."""

import json

import pytest
from support.depth_crawls import deep_crawl
from support.scripted import plain_registry, serve
from support.scripted_images import blobs, config, image, manifests

NAME = "org.opencontainers.image.base.name"
DIGEST = "org.opencontainers.image.base.digest"


def registry(repositories, *configs):
    """`repositories` are names with the images of their tags; every repository has all configs."""
    return [
        *(entry for name, tags in repositories.items() for entry in manifests(name, tags)),
        *(entry for name in repositories for entry in blobs(name, *configs)),
        *plain_registry(repositories),
    ]


async def bases_of(repositories, configs, folder, **options):
    """Name, digest and source of every image's base, by the reference of the image."""
    async with serve(registry(repositories, *configs)) as server:
        crawl = await deep_crawl(server, folder, **options)
        host = server.host
    found = {}
    for name in repositories:
        for each in crawl.images(name).values():
            base = each["config"]
            key = f"{name}:{each['tags'][0]}"
            found[key] = (
                (base["base_name"] or "").replace(host, "HOST") or None,
                base["base_digest"],
                base["base_from"],
            )
    return found


OS = config("os")
RUNTIME = config("os", "runtime")
APP = config("os", "runtime", "app")
OTHER = config("other", "app")
OS_IMAGE, RUNTIME_IMAGE = image(OS, "os"), image(RUNTIME, "os", "runtime")
APP_IMAGE, OTHER_IMAGE = image(APP, "os", "runtime", "app"), image(OTHER, "other", "app")
FAMILY = {
    "base/os": {"12": OS_IMAGE},
    "base/runtime": {"3": RUNTIME_IMAGE},
    "team/app": {"1": APP_IMAGE},
    "team/other": {"1": OTHER_IMAGE},
}
CONFIGS = (OS, RUNTIME, APP, OTHER)


@pytest.mark.parametrize("order", [list(FAMILY), list(reversed(FAMILY))], ids=["bases-first", "bases-last"])
async def test_base_is_the_known_image_with_the_longest_proper_prefix_of_layers(order, tmp_path):
    """Whatever the order in which they are read."""
    repositories = {name: FAMILY[name] for name in order}
    found = await bases_of(repositories, CONFIGS, tmp_path, limits={"concurrency": 1})
    assert found == {
        "base/os:12": (None, None, None),
        "base/runtime:3": ("HOST/base/os:12", OS_IMAGE.digest, "layers"),
        "team/app:1": ("HOST/base/runtime:3", RUNTIME_IMAGE.digest, "layers"),
        "team/other:1": (None, None, None),
    }


async def test_base_is_known_from_an_earlier_run(tmp_path):
    async with serve(registry({"base/os": {"12": OS_IMAGE}}, OS)) as server:
        await deep_crawl(server, tmp_path)
        host = server.host
    found = await bases_of({"team/app": {"1": APP_IMAGE}}, (APP,), tmp_path)
    assert found == {"team/app:1": (f"{host}/base/os:12", OS_IMAGE.digest, "layers")}


async def test_base_of_an_annotation_counts_most(tmp_path):
    claim = config("os", "app", config={"Labels": {NAME: "docker.io/library/label:1"}})
    annotated = image(claim, "os", "app", annotations={NAME: "docker.io/library/debian:12", DIGEST: "sha256:aa"})
    found = await bases_of({"base/os": {"12": OS_IMAGE}, "a": {"1": annotated}}, (OS, claim), tmp_path)
    assert found["a:1"] == ("docker.io/library/debian:12", "sha256:aa", "annotation")


async def test_base_of_a_label_counts_where_no_annotation_names_one(tmp_path):
    claim = config("os", "app", config={"Labels": {NAME: "docker.io/library/label:1"}})
    found = await bases_of({"base/os": {"12": OS_IMAGE}, "a": {"1": image(claim, "os", "app")}}, (OS, claim), tmp_path)
    assert found["a:1"] == ("docker.io/library/label:1", None, "label")


@pytest.mark.parametrize("order", [["base", "app"], ["app", "base"]], ids=["base-first", "base-last"])
async def test_base_of_a_label_that_the_base_has_too_is_not_the_images_own(order, tmp_path):
    """clastix/kamaji#1173: an image inherits the labels of its base."""
    labels = {"Labels": {NAME: "docker.io/library/scratchpad:1"}}
    base, app = config("os", config=labels), config("os", "app", config=labels)
    repositories = {"base": {"1": image(base, "os")}, "app": {"1": image(app, "os", "app")}}
    chosen = {name: repositories[name] for name in order}
    found = await bases_of(chosen, (base, app), tmp_path, limits={"concurrency": 1})
    assert found == {
        "base:1": ("docker.io/library/scratchpad:1", None, "label"),
        "app:1": ("HOST/base:1", image(base, "os").digest, "layers"),
    }


async def test_base_is_not_an_image_with_the_same_layers(tmp_path):
    twin = config("os", "runtime", "app", architecture="arm64")
    repositories = {"team/app": {"1": APP_IMAGE}, "team/twin": {"1": image(twin, "os", "runtime", "app")}}
    found = await bases_of(repositories, (APP, twin), tmp_path)
    assert {base for base, _, _ in found.values()} == {None}


async def test_base_lines_of_the_snapshot_are_whole_records(tmp_path):
    async with serve(registry(dict(reversed(FAMILY.items())), *CONFIGS)) as server:
        crawl = await deep_crawl(server, tmp_path, limits={"concurrency": 1})
    lines = crawl.lines.splitlines()
    assert len(lines) == len(FAMILY)
    assert {tuple(json.loads(line)) for line in lines} == {tuple(crawl.records["team/app"])}
