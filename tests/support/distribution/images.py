"""Push images over HTTP, and delete them."""

import asyncio
import gzip
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import aiohttp
from yarl import URL

from .registry import Registry

CONCURRENCY = 16
TAR = b"\0" * 1024  # an empty archive
LAYER = gzip.compress(TAR, mtime=0)


class WriteError(Exception):
    """The registry refused a request of the harness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """The pushed content: repository → tag → digest of its manifest, repositories and tags sorted."""

    digests: Mapping[str, Mapping[str, str]]

    @property
    def tags(self) -> dict[str, tuple[str, ...]]:
        return {repository: tuple(tags) for repository, tags in self.digests.items()}


async def push(registry: Registry, repositories: Mapping[str, Collection[str]]) -> Pushed:
    """Gives every repository an image of its own, which its tags name as Docker's and as OCI's by turns.

    So the first tag and the third share a digest, as `latest` and a version do.
    A repository without tags receives a layer alone, by which the catalog knows it.
    Raises WriteError, in a group.
    """
    names = sorted(repositories)
    async with _session(registry) as session:
        writers = [_Writer.create(session, registry, name, layer_from=names[0]) for name in names]
        for first in writers[:1]:
            # Before all others, which mount the layer from there.
            await first.put_blob(LAYER)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(writer.push(repositories[writer.repository])) for writer in writers]
    return Pushed(digests={name: task.result() for name, task in zip(names, tasks, strict=True)})


async def empty(registry: Registry, repository: str) -> None:
    """Deletes every manifest that a tag names, and the tags with it; the catalog keeps the repository.

    Raises WriteError.
    """
    async with _session(registry) as session:
        writer = _Writer.create(session, registry, repository, layer_from=repository)
        digests = {await writer.digest(tag) for tag in await writer.tags()}
        for digest in digests:
            await writer.delete_manifest(digest)


def _session(registry: Registry) -> aiohttp.ClientSession:
    tls = registry.certificates.client_context() if registry.certificates else True
    return aiohttp.ClientSession(
        # The number of connections limits the requests in flight.
        connector=aiohttp.TCPConnector(limit=CONCURRENCY, ssl=tls),
        timeout=aiohttp.ClientTimeout(sock_read=30),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Format:
    manifest: str
    config: str
    layer: str


_DOCKER = _Format(
    manifest="application/vnd.docker.distribution.manifest.v2+json",
    config="application/vnd.docker.container.image.v1+json",
    layer="application/vnd.docker.image.rootfs.diff.tar.gzip",
)
_OCI = _Format(
    manifest="application/vnd.oci.image.manifest.v1+json",
    config="application/vnd.oci.image.config.v1+json",
    layer="application/vnd.oci.image.layer.v1.tar+gzip",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writer:
    """The requests that one repository takes; `url` ends in `/v2/NAME`."""

    session: aiohttp.ClientSession
    repository: str
    layer_from: str
    url: URL
    headers: Mapping[str, str]

    @classmethod
    def create(
        cls, session: aiohttp.ClientSession, registry: Registry, repository: str, *, layer_from: str
    ) -> "_Writer":
        return cls(
            session=session,
            repository=repository,
            layer_from=layer_from,
            url=URL(registry.url) / "v2" / repository,
            headers=registry.writer_headers(repository, layer_from),
        )

    async def push(self, tags: Collection[str]) -> Mapping[str, str]:
        """The digests by tag."""
        if self.repository != self.layer_from:
            await self.put_blob(LAYER, mount_from=self.layer_from)
        config = _config(self.repository)
        await self.put_blob(config)
        digests = {}
        for turn, tag in enumerate(sorted(set(tags))):
            image_format = _OCI if turn % 2 else _DOCKER
            manifest = _manifest(config, image_format)
            url = self.url / "manifests" / tag
            await self.send("PUT", url, expected={201}, content=manifest, content_type=image_format.manifest)
            digests[tag] = _digest(manifest)
        return digests

    async def put_blob(self, content: bytes, *, mount_from: str | None = None) -> None:
        digest = _digest(content)
        uploads = self.url / "blobs/uploads/"  # the specification has the final slash
        if mount_from:
            uploads = uploads.with_query({"mount": digest, "from": mount_from})
        started = await self.send("POST", uploads, expected={201, 202})
        # 202 to a mount is no failure: the registry could not mount, and started an upload instead.
        if started.status == 202:
            location = URL(started.headers["Location"]).update_query(digest=digest)
            await self.send("PUT", location, expected={201}, content=content)

    async def tags(self) -> list[str]:
        listing = await self.send("GET", self.url / "tags/list", expected={200})
        tags: list[str] | None = (await listing.json())["tags"]
        return tags or []

    async def digest(self, tag: str) -> str:
        head = await self.send("HEAD", self.url / "manifests" / tag, expected={200})
        return head.headers["Docker-Content-Digest"]

    async def delete_manifest(self, digest: str) -> None:
        await self.send("DELETE", self.url / "manifests" / digest, expected={202})

    async def send(
        self,
        method: str,
        url: URL,
        *,
        expected: Collection[int],
        content: bytes = b"",
        content_type: str = "application/octet-stream",
    ) -> aiohttp.ClientResponse:
        """The response, read to its end."""
        headers = {
            **self.headers,
            "Accept": f"{_DOCKER.manifest}, {_OCI.manifest}, application/json",
            "Content-Type": content_type,
        }
        async with self.session.request(method, url, data=content, headers=headers) as response:
            body = await response.read()
            if response.status not in expected:
                raise WriteError(f"{method} {url}: {response.status} {body!r}")
            return response


def _config(image: str) -> bytes:
    """An image config with a label that makes it unique."""
    return _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "2024-01-02T03:04:05Z",
            "config": {"Labels": {"org.opencontainers.image.ref.name": image}},
            "rootfs": {"type": "layers", "diff_ids": [_digest(TAR)]},
            "history": [{"created": "2024-01-02T03:04:05Z", "created_by": "harness"}],
        }
    )


def _manifest(config: bytes, image_format: _Format) -> bytes:
    return _json(
        {
            "schemaVersion": 2,
            "mediaType": image_format.manifest,
            "config": _descriptor(image_format.config, config),
            "layers": [_descriptor(image_format.layer, LAYER)],
        }
    )


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "size": len(content), "digest": _digest(content)}


def _json(document: object) -> bytes:
    return json.dumps(document).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
