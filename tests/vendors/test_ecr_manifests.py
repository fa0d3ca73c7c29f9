"""ECR's manifests by the hundred, where the API for them is closed or not there."""

from pathlib import Path
from typing import Any

import pytest
from registries.ecr_api import (
    SETTINGS,
    Held,
    aws_document,
    aws_error,
    crawl_api,
    images,
    operation,
    operations,
    protocol,
    repositories,
)
from support.scripted import ScriptedServer, document, on, serve
from support.scripted_images import config as config_of
from support.scripted_images import image as image_of
from support.snapshots import Snapshot

pytestmark = pytest.mark.usefixtures("few_authorities", "aws")

CONTENTS = [image_of(config_of(), annotations={"number": str(number)}) for number in range(301)]
"""Four batches in one repository."""

INVENTORY = {"app": [Held(digest=content.digest, tags=(f"v{number}",)) for number, content in enumerate(CONTENTS)]}

REFUSED = aws_error("AccessDeniedException", "User: arn:… is not authorized to perform: ecr:BatchGetImage")


async def crawl(server: ScriptedServer, folder: Path, **settings: Any) -> Snapshot:
    return await crawl_api(server, folder, {"depth": "manifests", **settings.pop("images", {})}, **SETTINGS, **settings)


def script(bulk: Any, inventory: dict[str, list[Held]] = INVENTORY) -> list[Any]:
    return [
        *repositories(inventory),
        *(entry for name, held in inventory.items() for entry in images(name, held)),
        *([] if bulk is None else [operation("BatchGetImage", bulk)]),
        *(
            on(f"/v2/{name}/manifests/{content.digest}", content.reply, headers={"Authorization": "Basic .+"})
            for name in inventory
            for content in CONTENTS
        ),
        *protocol(),
    ]


@pytest.mark.parametrize(
    "closed",
    [REFUSED, document({"errors": []}, status=404), aws_document({"Output": {}})],
    ids=["403", "404", "nonsense"],
)
async def test_ecr_manifests_api_that_is_closed_is_not_asked_for_every_batch(tmp_path, closed):
    async with serve(script(closed)) as server:
        snapshot = await crawl(server, tmp_path)
    assert operations(server)["BatchGetImage"] <= 3
    assert all(image["manifest"] is not None for image in snapshot.records[0]["images"])
    assert snapshot.manifest["verdict"] == "complete"


async def test_ecr_manifests_api_that_is_closed_costs_no_more_of_the_budget(tmp_path):
    """What it was asked in vain is all that is missing."""
    async with serve(script(REFUSED)) as server:
        snapshot = await crawl(server, tmp_path, limits={"budget": len(CONTENTS) + 3})
    assert snapshot.manifest["verdict"] == "complete"
    assert not snapshot.records[0]["problems"]


async def test_ecr_manifests_api_that_refuses_one_repository_is_asked_for_the_others(tmp_path):
    inventory = {"app": INVENTORY["app"][:100], "team/base": INVENTORY["app"][100:]}
    contents = {content.digest: content for content in CONTENTS}
    found = [
        {"imageId": {"imageDigest": held.digest}, "imageManifest": contents[held.digest].body.decode()}
        for held in inventory["team/base"]
    ]
    refused = operation("BatchGetImage", REFUSED, json={"repositoryName": "app"})
    async with serve([refused, *script(aws_document({"images": found}), inventory)]) as server:
        snapshot = await crawl(server, tmp_path)
    assert operations(server)["BatchGetImage"] == 1 + 3
    assert len([path for path in server.paths if "/manifests/" in path]) == 100
    assert snapshot.manifest["verdict"] == "complete"
