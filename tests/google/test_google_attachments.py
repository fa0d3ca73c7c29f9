"""Artifact Registry's API says what is attached to images: signatures, SBOMs and their targets."""

import pytest
from support.scripted import Reply, document, on, refusal, serve
from support.scripted_google import DIGEST, REPOSITORIES, crawling, projects, repositories
from support.snapshots import read_snapshot

import crawler
from crawler.model.depth import ReferrersLevel

TEAM = f"{REPOSITORIES.format('acme').removeprefix('/v1/')}/team"
OTHER = f"sha256:{'cd' * 32}"
SBOM, SIGNATURE = f"sha256:{'01' * 32}", f"sha256:{'02' * 32}"
COSIGN = "application/vnd.dev.cosign.artifact.sig.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
NO_API = Reply(status=404, headers=(("Content-Type", "text/plain"),), body=b"404 page not found")


def image(path, digest, **fields):
    return {"name": f"{TEAM}/dockerImages/{path}@{digest}", "tags": ["1"], **fields}


def attachment(path, target, own, artifact_type):
    package = f"{TEAM}/packages/{path}/versions"
    return {"target": f"{package}/{target}", "ociVersionName": f"{package}/{own}", "type": artifact_type}


IMAGES = [
    image("app", DIGEST, mediaType=INDEX, imageManifests=[{"digest": OTHER, "os": "linux", "architecture": "arm64"}]),
    image("tools%2Fjq", OTHER, updateTime="2026-01-02T03:04:05Z"),
]
ATTACHED = on(
    f"/v1/{TEAM}/attachments",
    document({"attachments": [attachment("app", DIGEST, SBOM, "application/vnd.spdx+json")], "nextPageToken": "more"}),
    query={"pageToken": None},
)
ATTACHED_MORE = on(
    f"/v1/{TEAM}/attachments",
    document(
        {"attachments": [attachment("app", DIGEST, SIGNATURE, "application/vnd.dev.cosign.artifact.sig.v1+json")]}
    ),
    query={"pageToken": "more"},
)
SCRIPT = [
    on("/v2/", document({})),
    projects("acme"),
    repositories("acme", team="7"),
    on(f"/v1/{TEAM}/dockerImages", document({"dockerImages": IMAGES})),
]


async def crawl(script, folder, referrers):
    async with serve([*script, *SCRIPT]) as server:
        apis = {"artifact_registry": server.origin, "resource_manager": server.origin}
        changes = {"discovery": "artifact-registry", "images_from": "api", "apis": apis}
        base = crawling(server.host, folder, **changes)
        config = base.model_copy(update={"images": base.images.model_copy(update={"referrers": referrers})})
        await crawler.crawl(config)
        asked = [path for path in server.paths if "attachments" in path or "referrers" in path]
    return read_snapshot(folder / "out"), asked


def referrers_of(snapshot, name):
    (found,) = snapshot.by_name[name]["images"]
    return found["referrers"] and [(each["digest"], each["via"], each["kind"]) for each in found["referrers"]]


async def test_attachments_are_the_referrers_of_their_targets(tmp_path):
    snapshot, asked = await crawl([ATTACHED, ATTACHED_MORE], tmp_path, ReferrersLevel.API)
    assert referrers_of(snapshot, "acme/team/app") == [(SBOM, "bulk", "sbom"), (SIGNATURE, "bulk", "signature")]
    assert referrers_of(snapshot, "acme/team/tools/jq") == []
    assert len(asked) == 2, "a thousand attachments an exchange, and nothing for each image"
    assert snapshot.manifest["verdict"] == "complete"


@pytest.mark.parametrize("refused", [refusal(403, "PERMISSION_DENIED", "no"), Reply(status=404, body=b"not found")])
async def test_attachments_that_may_not_be_listed_leave_the_question_to_the_protocol(refused, tmp_path):
    script = [
        on(f"/v1/{TEAM}/attachments", refused),
        on(f"/v2/acme/team/app/referrers/{DIGEST}", NO_API),
        on(f"/v2/acme/team/tools/jq/referrers/{OTHER}", NO_API),
    ]
    snapshot, asked = await crawl(script, tmp_path, ReferrersLevel.API)
    assert len([path for path in asked if "referrers" in path]) == 1
    assert "the registry has no referrers API" in snapshot.manifest["discovery"]["evidence"]
    assert snapshot.manifest["verdict"] == "complete"


async def test_attachments_are_not_listed_where_no_exchange_is_allowed_for_referrers(tmp_path):
    snapshot, asked = await crawl([ATTACHED, ATTACHED_MORE], tmp_path, ReferrersLevel.LISTED)
    assert asked == []
    assert referrers_of(snapshot, "acme/team/app") == []


async def test_api_says_the_platforms_of_an_index_and_when_an_image_was_changed(tmp_path):
    snapshot, _ = await crawl([], tmp_path, ReferrersLevel.NONE)
    (app,) = snapshot.by_name["acme/team/app"]["images"]
    (jq,) = snapshot.by_name["acme/team/tools/jq"]["images"]
    assert (app["kind"], [(each["os"], each["architecture"]) for each in app["platforms"]]) == (
        "index",
        [("linux", "arm64")],
    )
    assert (jq["updated_at"], jq["platforms"], jq["referrers"]) == ("2026-01-02T03:04:05.000Z", None, None)
