"""What Harbor's API told stays in the record where manifests are read as well."""

import pytest
from registries.harbor_api import ANONYMOUS, IMAGE, api
from support.depth_crawls import DeepCrawl, deep_crawl
from support.scripted import ScriptedServer, document, on, serve
from support.scripted_images import blobs, image, manifest, manifests
from support.scripted_images import config as config_of

pytestmark = pytest.mark.usefixtures("few_authorities")

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
APP = image(config_of("app"), "app", annotations={"from": "the manifest"})
SIGNATURES = [manifest(config_of(), [(f"payload {number}", SIMPLE_SIGNING, {})]) for number in range(2)]
LISTED = {
    **IMAGE,
    "digest": APP.digest,
    "accessories": [
        {"digest": digest, "type": "signature.cosign", "size": 7}
        for digest in sorted((each.digest for each in SIGNATURES), reverse=True)
    ],
    "tags": [{"name": "1.0"}],
}
SCRIPT = [
    on("/v2/", document({})),
    on("/v2/p/app/tags/list", document({"name": "p/app", "tags": ["1.0", "late"]})),
    *manifests("p/app", {"late": APP}, *SIGNATURES),
    *blobs("p/app", config_of("app"), config_of()),
    *api({"p/app": [LISTED]}),
]


async def crawl(server: ScriptedServer, folder, depth: str, **images: str) -> DeepCrawl:
    table = {"target": f"{server.host}/p", **ANONYMOUS}
    return await deep_crawl(server, folder, registry=table, depth=depth, **images)


@pytest.mark.parametrize("depth", ["digests", "manifests", "configs"])
async def test_harbor_signature_keeps_its_subject_at_every_depth(depth, tmp_path):
    """Cosign's manifest names none (sigstore/cosign, specs/SIGNATURE_SPEC.md), and Harbor knows it."""
    async with serve(SCRIPT) as server:
        images = (await crawl(server, tmp_path, depth, referrers="listed")).images("p/app")
    for signature in SIGNATURES:
        assert images[signature.digest]["subject_digest"] == APP.digest
        assert images[signature.digest]["kind"] == "signature"
    assert {each["kind"] for each in images[APP.digest]["referrers"]} == {"signature"}


async def test_harbor_image_that_a_tag_led_to_keeps_what_the_api_told(tmp_path):
    """A tag that `tags/list` alone has is resolved. The manifest that comes with it is not asked for at this depth."""
    async with serve(SCRIPT) as server:
        images = (await crawl(server, tmp_path, "digests")).images("p/app")
    assert images[APP.digest]["tags"] == ["1.0", "late"]
    assert images[APP.digest]["manifest"] is None
    assert images[APP.digest]["config"]["user"] == "1000"
    assert images[APP.digest]["artifact_type"] is None


async def test_harbor_manifest_that_was_read_counts_for_more_than_what_was_listed(tmp_path):
    async with serve(SCRIPT) as server:
        images = (await crawl(server, tmp_path, "configs")).images("p/app")
    assert images[APP.digest]["manifest"]["annotations"] == {"from": "the manifest"}
    assert images[APP.digest]["config"]["user"] == "app"


@pytest.mark.parametrize("referrers", ["none", "listed"])
async def test_harbor_referrers_are_ordered_by_digest(referrers, tmp_path):
    """As the API tells them, where none are asked for."""
    async with serve(SCRIPT) as server:
        images = (await crawl(server, tmp_path, "digests", referrers=referrers)).images("p/app")
    assert [each["digest"] for each in images[APP.digest]["referrers"]] == sorted(each.digest for each in SIGNATURES)
