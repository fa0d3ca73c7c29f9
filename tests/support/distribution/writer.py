"""The requests that write to one repository, or delete from it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import aiohttp
from yarl import URL

from support.digests import digest_of

from .content import DOCKER, OCI, OCI_INDEX
from .registry import Registry

CONCURRENCY = 16


class WriteError(Exception):
    """The registry refused a request of the harness."""


def open_session(registry: Registry) -> aiohttp.ClientSession:
    tls = registry.certificates.client_context() if registry.certificates else True
    return aiohttp.ClientSession(
        # The number of connections limits the requests in flight.
        connector=aiohttp.TCPConnector(limit=CONCURRENCY, ssl=tls),
        timeout=aiohttp.ClientTimeout(sock_read=30),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """The requests that one repository takes; `url` ends in `/v2/NAME`. Every method raises WriteError."""

    session: aiohttp.ClientSession
    repository: str
    layer_from: str
    url: URL
    headers: Mapping[str, str]

    @classmethod
    def create(
        cls, session: aiohttp.ClientSession, registry: Registry, repository: str, *, layer_from: str | None = None
    ) -> "Writer":
        """A writer that may mount blobs of the repository `layer_from`."""
        layer_from = layer_from or repository
        return cls(
            session=session,
            repository=repository,
            layer_from=layer_from,
            url=URL(registry.url) / "v2" / repository,
            headers=registry.writer_headers(repository, layer_from),
        )

    async def put_blob(self, content: bytes, *, mount_from: str | None = None) -> None:
        digest = digest_of(content)
        uploads = self.url / "blobs/uploads/"  # the specification has the final slash
        if mount_from:
            uploads = uploads.with_query({"mount": digest, "from": mount_from})
        started = await self.send("POST", uploads, expected={201, 202})
        # 202 to a mount is no failure: the registry could not mount, and started an upload instead.
        if started.status == 202:
            location = URL(started.headers["Location"]).update_query(digest=digest)
            await self.send("PUT", location, expected={201}, content=content)

    async def put_manifest(self, reference: str, content: bytes, media_type: str) -> None:
        url = self.url / "manifests" / reference
        await self.send("PUT", url, expected={201}, content=content, content_type=media_type)

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
            "Accept": f"{DOCKER.manifest}, {OCI.manifest}, {OCI_INDEX}, application/json",
            "Content-Type": content_type,
        }
        async with self.session.request(method, url, data=content, headers=headers) as response:
            body = await response.read()
            if response.status not in expected:
                raise WriteError(f"{method} {url}: {response.status} {body!r}")
            return response
