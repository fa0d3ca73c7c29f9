"""Signatures, SBOMs and attestations at Debian's docker-registry, which has no referrers API."""

import pytest
from support.distribution import open_front, open_registry, push_content, requires_docker_registry
from support.distribution.content import (
    artifact,
    built,
    fallback_tag,
    image,
    image_config,
    index,
    signature,
    signature_tag,
)
from support.real_depth import crawl_deep, exchanges_by_kind, first_night, images_of
from support.snapshots import read_snapshot

pytestmark = requires_docker_registry

SPDX = "application/spdx+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PROVENANCE = {"dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v1"}


@pytest.mark.parametrize(("level", "asked"), [("listed", 0), ("api", 1)])
async def test_referrers_are_found_by_tags_and_indexes(tmp_path, shell, level, asked):
    """The API is requested once: after its 404 only the lists are left."""
    single, child = (image(image_config(User=user)) for user in ("signed", "attested"))
    sbom, seal, pair = artifact(SPDX, b"{}", subject=single), signature(single), built(child)
    bundle = artifact(BUNDLE, b"{}", subject=single, annotations=PROVENANCE)  # the index does not have its annotations
    tags = {"signed": single, signature_tag(single): seal, fallback_tag(single): index(sbom, bundle), "pair": pair}
    async with open_registry(tmp_path / "registry") as registry, open_front(registry) as front:
        await push_content(registry, {"app": tags})
        ended = await crawl_deep(shell, front.host, "--referrers", level)

    assert ended.code == 0
    expected = {**first_night({"app": tags}), **({"referrers": asked} if asked else {})}
    assert exchanges_by_kind(front.exchanges) == expected
    snapshot = read_snapshot(shell.output)
    assert ("no referrers API" in snapshot.manifest["discovery"]["evidence"]) == bool(asked)
    images = images_of(snapshot)
    found = [
        (subject, referrer["digest"], referrer["via"], referrer["kind"], referrer["artifact_type"])
        for (_, subject), one in images.items()
        for referrer in one["referrers"]
    ]
    assert sorted(found) == sorted(
        [
            (single.digest, seal.digest, "cosign-tag", "signature", None),
            (single.digest, sbom.digest, "fallback-tag", "sbom", SPDX),
            (single.digest, bundle.digest, "fallback-tag", "provenance", BUNDLE),
            (child.digest, pair.children[1].digest, "index", "provenance", None),
        ]
    )
    assert images["app", sbom.digest]["subject_digest"] == single.digest
    kinds = {digest: one["kind"] for (_, digest), one in images.items()}
    assert [kinds[content.digest] for content in (single, seal, sbom, pair, pair.children[1])] == [
        "image", "signature", "sbom", "index", "attestation",
    ]  # fmt: skip
    assert snapshot.manifest["counts"]["problems"] == 0
