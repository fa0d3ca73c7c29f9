"""Google scripted as data: a registry with folders, and Google's APIs on the same server."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import crawler
from crawler.emulator import ArtifactRegistry
from support.scripted import Entry, document, on, refusal, serve
from support.snapshots import Snapshot, read_snapshot

GCR = ArtifactRegistry(serves="gcr.io")

SEARCH = "/v3/projects:search"
REPOSITORIES = "/v1/projects/{}/locations/us/repositories"
QUOTA_PROJECT = "projects/764086051850"
EMPTY_CATALOG = on("/v2/_catalog", document({"repositories": []}))
NOT_FOUND = refusal(404, "NAME_UNKNOWN", "Repository not found")

DIGEST = f"sha256:{'ab' * 32}"
IMAGE = {DIGEST: {"imageSizeBytes": "1", "mediaType": "m", "tag": ["1"], "timeCreatedMs": "0", "timeUploadedMs": "0"}}


def crawling(host: str, folder: Path, **registry: Any) -> crawler.Config:
    """The configuration of a crawl of a scripted Google."""
    table = {
        "target": host,
        "kind": "artifact-registry",
        "location": "us",
        "auth": {"method": "basic", "username": "oauth2accesstoken", "password": "ya29.secret"},
        **registry,
    }
    limits = {"attempts": 1, "rate": None, "concurrency": 8}
    return crawler.Config(registry=[table], limits=limits, output={"path": folder / "out"})


async def crawl(script: Iterable[Entry], folder: Path, *, prefix: str = "", **registry: Any) -> Snapshot:
    """Crawl a scripted Google whose APIs are on the server of the registry. The script needs no entry for `/v2/`."""
    async with serve([on("/v2/", document({})), *script]) as server:
        apis = {"artifact_registry": server.origin, "resource_manager": server.origin, "docker_hub": server.origin}
        await crawler.crawl(crawling(server.host + prefix, folder, apis=apis, **registry))
    return read_snapshot(folder / "out")


def reason_of(snapshot: Snapshot) -> str:
    """The first reason of a snapshot that is partial because of its discovery."""
    assert snapshot.manifest["verdict"] == "partial"
    assert not snapshot.manifest["discovery"]["complete"]
    return str(snapshot.manifest["reasons"][0])


def projects(*ids: str, state: str = "ACTIVE") -> Entry:
    """The projects that the account can see. The first has the number 1."""
    listed = [{"name": f"projects/{n}", "projectId": id_, "state": state} for n, id_ in enumerate(ids, start=1)]
    return on(SEARCH, document({"projects": listed} if listed else {}))


def repositories(project: str, **sizes: str | None) -> Entry:
    """A project's repositories at `us` and their sizes; None leaves out the size. `_` in a name stands for `.`."""
    path = REPOSITORIES.format(project)
    described = [
        {
            "name": f"{path.removeprefix('/v1/')}/{repository.replace('_', '.')}",
            "format": "DOCKER",
            **({} if size is None else {"sizeBytes": size}),
        }
        for repository, size in sizes.items()
    ]
    return on(path, document({"repositories": described} if described else {}))


def disabled_api(project: str, consumer: str) -> Entry:
    """403 for the repositories of a project, because the API is disabled in the project `consumer`."""
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "SERVICE_DISABLED",
        "domain": "googleapis.com",
        "metadata": {"service": "artifactregistry.googleapis.com", "consumer": consumer},
    }
    error = {"code": 403, "status": "PERMISSION_DENIED", "message": "has not been used before", "details": [info]}
    return on(REPOSITORIES.format(project), document({"error": error}, status=403))


def node(name: str, *children: str, images: dict[str, Any] | None = None) -> Entry:
    """The listing of a node: a folder if it has children, a repository if it has images."""
    images = images or {}
    tags = [tag for image in images.values() for tag in image["tag"]]
    return on(
        f"/v2/{name}/tags/list", document({"child": list(children), "manifest": images, "name": name, "tags": tags})
    )


def repository(name: str) -> Entry:
    """The listing of a repository with one image, tagged `1`."""
    return node(name, images=IMAGE)
