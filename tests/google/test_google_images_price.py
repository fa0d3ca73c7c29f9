"""Ten thousand images from Artifact Registry's API cost ten exchanges, at every depth that asks for digests."""

from support.api_images import api_image, numbered_digest
from support.scripted import document, on, serve
from support.scripted_google import REPOSITORIES, crawling, projects, repositories
from support.snapshots import read_snapshot

import crawler
from crawler.model.depth import Depth

COUNT, PAGE = 10_000, 1000
TEAM = f"{REPOSITORIES.format('acme')}/team"


def image(number):
    name = f"{TEAM.removeprefix('/v1/')}/dockerImages/app@{numbered_digest(number)}"
    times = {
        "uploadTime": "2026-01-02T03:04:05.6Z",
        "updateTime": "2026-02-02T03:04:05Z",
        "buildTime": "1970-01-01T00:00:00Z",
    }
    return {"name": name, "tags": [f"v{number}"], "imageSizeBytes": "7", **times}


def page(start):
    following = {"nextPageToken": str(start + PAGE)} if start + PAGE < COUNT else {}
    images = [image(number) for number in range(start, start + PAGE)]
    reply = document({"dockerImages": images, **following})
    return on(f"{TEAM}/dockerImages", reply, query={"pageToken": str(start) if start else None})


async def test_artifact_registry_tells_a_thousand_images_an_exchange(tmp_path):
    pages = [page(start) for start in range(0, COUNT, PAGE)]
    async with serve([on("/v2/", document({})), projects("acme"), repositories("acme", team="7"), *pages]) as server:
        apis = {"artifact_registry": server.origin, "resource_manager": server.origin}
        base = crawling(server.host, tmp_path, apis=apis, discovery="api", images_from="api")
        digests = base.images.model_copy(update={"depth": Depth.DIGESTS})
        await crawler.crawl(base.model_copy(update={"images": digests}))
    snapshot = read_snapshot(tmp_path / "out")
    (record,) = snapshot.records
    assert record["images"] == [
        api_image(
            numbered_digest(number),
            f"v{number}",
            size_bytes=7,
            uploaded_at="2026-01-02T03:04:05.600Z",
            updated_at="2026-02-02T03:04:05.000Z",
        )
        for number in range(COUNT)
    ]
    assert snapshot.manifest["verdict"] == "complete"
    assert snapshot.manifest["requests"]["by_kind"] == {"ping": 1, "api": 2 + 10}
