"""Referrers of images: what is listed anyway, and what the referrers API answers."""

from typing import Any

import pytest
from support.depth_crawls import deep_crawl, exchanges
from support.oci_documents import OCI_INDEX, OCI_MANIFEST
from support.scripted import Reply, document, on, plain_registry, refusal, serve
from support.scripted_images import (
    attestation,
    attesting,
    blobs,
    child,
    config,
    digest_named,
    image,
    index,
    manifest,
    manifests,
)

APP = "team/app"
CONFIG = config("base")
SINGLE = image(CONFIG, "base")
HEX = SINGLE.digest.removeprefix("sha256:")
PROVENANCE, SPDX = "https://slsa.dev/provenance/v1", "https://spdx.dev/Document"
SIGNATURE = manifest(config(), [("signature", "application/vnd.dev.cosign.simplesigning.v1+json", {})])
STATEMENT = attestation(PROVENANCE, SPDX)
INDEX = index(child(SINGLE), attesting(STATEMENT, SINGLE))


def subject(of=SINGLE) -> dict[str, Any]:
    return {"subject": of.descriptor}


def registry(tags, *others):
    return [*manifests(APP, tags, SINGLE, STATEMENT, *others), *blobs(APP, CONFIG), *plain_registry({APP: tags})]


def found(crawl, of=SINGLE) -> list[tuple[str, str, str, str | None]]:
    referrers = crawl.images(APP)[of.digest]["referrers"]
    return [(each["digest"], each["via"], each["kind"], each["predicate_type"]) for each in referrers]


def api(of, *referrers, headers=()) -> Any:
    body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(referrers)}
    return on(f"/v2/{APP}/referrers/{of.digest}", document(body, *headers))


def described(name: str, artifact_type: str, **annotations: str) -> dict[str, Any]:
    return {
        "mediaType": OCI_MANIFEST,
        "digest": digest_named(name),
        "size": 700,
        "artifactType": artifact_type,
        "annotations": {key.replace("__", "."): value for key, value in annotations.items()},
    }


async def test_referrers_are_null_where_they_are_not_asked_for(tmp_path):
    async with serve(registry({"1.0": SINGLE, f"sha256-{HEX}.sig": SIGNATURE})) as server:
        crawl = await deep_crawl(server, tmp_path)
    assert {each["referrers"] for each in crawl.images(APP).values()} == {None}


@pytest.mark.parametrize("depth", ["digests", "manifests"])
async def test_referrer_by_cosigns_tag(depth, tmp_path):
    tags = {"1.0": SINGLE, f"sha256-{HEX}.sig": SIGNATURE}
    async with serve(registry(tags)) as server:
        crawl = await deep_crawl(server, tmp_path, depth=depth, referrers="listed")
    assert found(crawl) == [(SIGNATURE.digest, "cosign-tag", "signature", None)]
    assert crawl.images(APP)[SIGNATURE.digest]["kind"] == "signature"
    assert [path for _, path in exchanges(server)] == [f"/v2/{APP}/manifests/{tag}" for tag in tags]


async def test_referrer_by_the_index_of_the_fallback_tag(tmp_path):
    signature = manifest(config(), [("a signature", "application/jose+json", {})], **subject())
    fallback = index({**signature.descriptor, "artifactType": "application/vnd.cncf.notary.signature"})
    async with serve(registry({"1.0": SINGLE, f"sha256-{HEX}": fallback}, signature)) as server:
        crawl = await deep_crawl(server, tmp_path, depth="digests", referrers="listed")
    assert found(crawl) == [(signature.digest, "fallback-tag", "signature", None)]


async def test_referrer_by_an_attestation_beside_its_image(tmp_path):
    async with serve(registry({"1.0": INDEX})) as server:
        crawl = await deep_crawl(server, tmp_path, depth="manifests", referrers="listed")
    assert found(crawl) == [
        (STATEMENT.digest, "index", "provenance", PROVENANCE),
        (STATEMENT.digest, "index", "sbom", SPDX),
    ]
    assert found(crawl, INDEX) == []


async def test_referrer_by_the_subject_of_a_manifest_that_was_read(tmp_path):
    media_type = "application/spdx+json"
    sbom = manifest(config(), [("sbom", media_type, {})], artifactType=media_type, **subject())
    async with serve(registry({"1.0": SINGLE, "the-sbom": sbom})) as server:
        crawl = await deep_crawl(server, tmp_path, depth="digests", referrers="listed")
    assert found(crawl) == [(sbom.digest, "bulk", "sbom", None)]
    assert crawl.images(APP)[sbom.digest]["subject_digest"] == SINGLE.digest


async def test_referrers_api_is_asked_once_for_each_tagged_image(tmp_path):
    page = [described("signature", "application/vnd.dev.cosign.artifact.sig.v1+json")]
    both = index(child(SINGLE))
    tags = {"1.0": SINGLE, "latest": SINGLE, "all": both}
    async with serve([api(SINGLE, *page), api(both), *registry(tags)]) as server:
        crawl = await deep_crawl(server, tmp_path, depth="digests", referrers="api")
    assert sorted(path for _, path in exchanges(server) if "/referrers/" in path) == sorted(
        f"/v2/{APP}/referrers/{each.digest}" for each in (SINGLE, both)
    )
    assert found(crawl) == [(digest_named("signature"), "api", "signature", None)]
    assert crawl.manifest.requests.by_kind["referrers"] == 2
    assert crawl.manifest.discovery.evidence.endswith(
        "the referrers API answered for 2 images, 1 of them with an empty list, which alone proves nothing"
    )


async def test_referrers_api_is_asked_for_an_image_that_has_a_tag_of_the_fallback_scheme_too(tmp_path):
    """Some builds tag their images with a hash as well."""
    tags = {"1.0": SINGLE, f"sha256-{HEX}": SINGLE, f"sha256-{'0' * 64}": SINGLE}
    script = [api(SINGLE, described("sbom", "application/spdx+json")), *registry(tags)]
    async with serve(script) as server:
        crawl = await deep_crawl(server, tmp_path, depth="digests", referrers="api")
    assert found(crawl) == [(digest_named("sbom"), "api", "sbom", None)]
    assert crawl.problems(APP) == []


async def test_referrers_api_is_read_to_its_last_page(tmp_path):
    more = ("Link", f'</v2/{APP}/referrers/{SINGLE.digest}?page=2>; rel="next"')
    first, second = described("one", "application/spdx+json"), described("two", "application/spdx+json")
    script = [
        on(f"/v2/{APP}/referrers/{SINGLE.digest}", document({"manifests": [second]}), query={"page": "2"}),
        api(SINGLE, first, headers=(more,)),
    ]
    async with serve([*script, *registry({"1.0": SINGLE})]) as server:
        crawl = await deep_crawl(server, tmp_path, depth="digests", referrers="api")
    assert {each[0] for each in found(crawl)} == {digest_named("one"), digest_named("two")}


async def test_referrers_api_that_has_no_end_makes_the_snapshot_partial(tmp_path):
    more = ("Link", f'</v2/{APP}/referrers/{SINGLE.digest}?page={{count}}>; rel="next"')
    async with serve([api(SINGLE, headers=(more,)), *registry({"1.0": SINGLE})]) as server:
        crawl = await deep_crawl(server, tmp_path, depth="digests", referrers="api")
    assert crawl.problems(APP) == [("manifest-unreadable", None, SINGLE.digest)]
    assert "10 empty pages" in crawl.records[APP]["problems"][0]["message"]
    assert crawl.manifest.reasons == ("1 of 1 image was not read",)


@pytest.mark.parametrize(
    "refused",
    [
        Reply(status=404, headers=(("Content-Type", "text/plain"),), body=b"404 page not found\n"),
        refusal(404, "METHOD_UNKNOWN", "We don't understand your method + url"),
    ],
    ids=["distribution", "go-containerregistry"],
)
async def test_referrers_api_that_is_not_there_is_asked_once_and_the_evidence_says_so(refused, tmp_path):
    names = [f"team/app-{number}" for number in range(12)]
    script = [
        *[on(f"/v2/{name}/referrers/{SINGLE.digest}", refused) for name in names],
        *[entry for name in names for entry in manifests(name, {"1.0": SINGLE})],
        *plain_registry(dict.fromkeys(names, ("1.0",))),
    ]
    async with serve(script) as server:
        crawl = await deep_crawl(server, tmp_path, depth="digests", referrers="api")
    assert len([path for _, path in exchanges(server) if "/referrers/" in path]) == 1
    assert crawl.manifest.verdict == "complete"
    assert "the registry has no referrers API" in crawl.manifest.discovery.evidence


@pytest.mark.parametrize(
    "refused",
    [Reply(status=405), Reply(status=406), Reply(status=501), refusal(400, "UNSUPPORTED", "unsupported")],
    ids=["405", "406", "501", "400"],
)
async def test_referrers_api_that_is_not_there_may_be_said_by_other_statuses(refused, tmp_path):
    async with serve([on(f"/v2/{APP}/referrers/{SINGLE.digest}", refused), *registry({"1.0": SINGLE})]) as server:
        crawl = await deep_crawl(server, tmp_path, depth="digests", referrers="api")
    assert (crawl.manifest.verdict, crawl.problems(APP)) == ("complete", [])
    assert "the registry has no referrers API" in crawl.manifest.discovery.evidence


async def test_referrers_api_is_there_where_it_does_not_know_one_image(tmp_path):
    """The image may have been deleted meanwhile."""
    other = image(config("other"), "other")
    script = [
        on(f"/v2/{APP}/referrers/{SINGLE.digest}", refusal(404, "MANIFEST_UNKNOWN", "manifest unknown")),
        api(other, described("sbom", "application/spdx+json")),
    ]
    async with serve([*script, *registry({"a": SINGLE, "b": other})]) as server:
        crawl = await deep_crawl(server, tmp_path, depth="digests", referrers="api", limits={"concurrency": 1})
    assert found(crawl, other) == [(digest_named("sbom"), "api", "sbom", None)]
    assert found(crawl) == []


async def test_referrers_api_that_knows_no_image_is_not_there(tmp_path):
    tags = {f"1.{number}": image(config(f"{number}"), f"{number}") for number in range(20)}
    unknown = refusal(404, "NAME_UNKNOWN", "repository name not known to registry")
    script = [on(f"/v2/{APP}/referrers/{of.digest}", unknown) for of in tags.values()]
    async with serve([*script, *registry(tags)]) as server:
        crawl = await deep_crawl(server, tmp_path, depth="digests", referrers="api", limits={"concurrency": 1})
    assert len([path for _, path in exchanges(server) if "/referrers/" in path]) == 3
    assert "the registry has no referrers API" in crawl.manifest.discovery.evidence


async def test_referrers_api_of_ghcr_is_never_asked(tmp_path):
    """It redirects to github.com and truncates the digest (artifacthub/hub#4785)."""
    tags = {"1.0": SINGLE, f"sha256-{HEX}.sig": SIGNATURE}
    listed = tmp_path / "names"
    listed.write_text(f"{APP}\n")
    async with serve(registry(tags)) as server:
        options = {"kind": "ghcr", "repositories_from": listed}
        crawl = await deep_crawl(server, tmp_path, depth="digests", referrers="api", registry=options)
    assert [path for _, path in exchanges(server) if "/referrers/" in path] == []
    assert found(crawl) == [(SIGNATURE.digest, "cosign-tag", "signature", None)]


async def test_referrers_that_cannot_be_read_make_the_snapshot_partial(tmp_path):
    script = [on(f"/v2/{APP}/referrers/{SINGLE.digest}", Reply(status=500)), *registry({"1.0": SINGLE})]
    async with serve(script) as server:
        crawl = await deep_crawl(server, tmp_path, depth="digests", referrers="api")
    assert crawl.manifest.reasons == ("1 of 1 image was not read",)
    assert crawl.problems(APP) == [("manifest-unreadable", None, SINGLE.digest)]


async def test_referrers_of_tags_alone_are_not_looked_for_and_the_evidence_says_so(tmp_path):
    async with serve(registry({"1.0": SINGLE})) as server:
        crawl = await deep_crawl(server, tmp_path, depth="tags", referrers="api")
    assert exchanges(server) == []
    assert crawl.manifest.discovery.evidence.endswith("no images are known: --depth digests finds them")


async def test_referrer_that_several_lists_have_is_listed_once(tmp_path):
    signature = manifest(config(), [("s", "application/vnd.dev.cosign.simplesigning.v1+json", {})], **subject())
    listed = {**signature.descriptor, "artifactType": "application/vnd.dev.cosign.artifact.sig.v1+json"}
    tags = {"1.0": SINGLE, f"sha256-{HEX}": index(listed), f"sha256-{HEX}.sig": signature}
    async with serve([api(SINGLE, listed), *registry(tags, signature)]) as server:
        crawl = await deep_crawl(server, tmp_path, depth="digests", referrers="api")
    assert found(crawl) == [(signature.digest, "api", "signature", None)]


async def test_orphan_is_proved_by_asking_for_the_subject(tmp_path):
    gone, untagged = digest_named("gone"), image(config("untagged"), "untagged")
    unknown = on(f"/v2/{APP}/manifests/{gone}", refusal(404, "MANIFEST_UNKNOWN", "manifest unknown"))
    tags = {
        f"{gone.replace(':', '-')}.sig": SIGNATURE,
        f"{untagged.digest.replace(':', '-')}.sig": SIGNATURE,
    }
    async with serve([unknown, api(SINGLE), *registry(tags, untagged)]) as server:
        crawl = await deep_crawl(server, tmp_path, depth="digests", referrers="api")
    assert crawl.problems(APP) == [("orphan-referrer", f"{gone.replace(':', '-')}.sig", gone)]
    assert crawl.manifest.verdict == "complete"


async def test_orphans_of_one_subject_cost_one_exchange(tmp_path):
    gone = digest_named("gone")
    path = f"/v2/{APP}/manifests/{gone}"
    tags = {f"{gone.replace(':', '-')}.{suffix}": SIGNATURE for suffix in ("sig", "att", "sbom")}
    async with serve([on(path, refusal(404, "MANIFEST_UNKNOWN", "manifest unknown")), *registry(tags)]) as server:
        crawl = await deep_crawl(server, tmp_path, depth="digests", referrers="api")
    assert len(server.asked(path)) == 1
    assert [problem for problem, _, _ in crawl.problems(APP)] == ["orphan-referrer"] * 3


async def test_orphan_is_not_supposed_where_nothing_proves_it(tmp_path):
    """An image may be there without a tag."""
    gone = digest_named("gone")
    async with serve(registry({f"{gone.replace(':', '-')}.sig": SIGNATURE})) as server:
        crawl = await deep_crawl(server, tmp_path, depth="digests", referrers="listed")
    assert crawl.problems(APP) == []
    assert len(exchanges(server)) == 1
