"""The exchanges of a crawl by aiohttp as well as it can be used, and no crawl: every answer is parsed and thrown away.

A program: `python -m perf.tuned_client ADDRESS`, which says how many exchanges it made.
"""

import argparse
import asyncio
import gc
import re
import ssl
from collections.abc import Iterator
from typing import Any

import aiohttp
import orjson
import uvloop

_NEXT = re.compile(r'<([^>]+)>; rel="next"')
_MANIFEST_TYPES = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


class Client:
    def __init__(
        self,
        session: aiohttp.ClientSession,
        address: str,
        credentials: str,
        *,
        wants_tokens: bool,
        wants_images: bool,
    ) -> None:
        self.exchanges = 0
        self._session = session
        self._address = address
        self._basic = {"Authorization": credentials}
        self._wants_tokens = wants_tokens
        self._wants_images = wants_images

    async def catalog(self) -> list[str]:
        headers = await self._headers("registry:catalog:*")
        names: list[str] = []
        path: str | None = "/v2/_catalog?n=1000"
        while path is not None:
            self.exchanges += 1
            response = await self._session.get(self._address + path, headers=headers)
            names += orjson.loads(await response.read())["repositories"]
            following = _NEXT.match(response.headers.get("Link", ""))
            path = None if following is None else following[1]
        return names

    async def listings(self, names: Iterator[str]) -> None:
        for name in names:
            headers = await self._headers(f"repository:{name}:pull")
            listing = await self._get(f"{self._address}/v2/{name}/tags/list", headers)
            if self._wants_images:
                for tag in listing["tags"]:
                    await self._image(f"{self._address}/v2/{name}", tag, headers)

    async def _image(self, address: str, tag: str, headers: dict[str, str]) -> None:
        """Read the image of one platform behind a tag: a manifest and a config."""
        manifest = await self._get(f"{address}/manifests/{tag}", {**headers, "Accept": _MANIFEST_TYPES})
        await self._get(f"{address}/blobs/{manifest['config']['digest']}", headers)

    async def _headers(self, scope: str) -> dict[str, str]:
        if not self._wants_tokens:
            return self._basic
        granted = await self._get(f"{self._address}/v2/token?service=bench&scope={scope}", self._basic)
        return {"Authorization": f"Bearer {granted['token']}"}

    async def _get(self, address: str, headers: dict[str, str]) -> Any:
        self.exchanges += 1
        response = await self._session.get(address, headers=headers)
        if response.status != 200:
            raise RuntimeError(f"{address}: {response.status}")
        return orjson.loads(await response.read())


async def crawl(wanted: argparse.Namespace) -> int:
    trusted = ssl.create_default_context(cafile=wanted.ca_file)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=wanted.concurrency, ssl=trusted),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60),
    ) as session:
        client = Client(
            session,
            wanted.address,
            wanted.credentials,
            wants_tokens=wanted.tokens,
            wants_images=wanted.images,
        )
        names = iter(await client.catalog())
        await asyncio.gather(*(client.listings(names) for _ in range(wanted.concurrency)))
    return client.exchanges


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--credentials", required=True, help="the value of an Authorization header")
    parser.add_argument("--tokens", action="store_true", help="ask for a token before each listing")
    parser.add_argument("--images", action="store_true", help="read the image behind each tag")
    parser.add_argument("--ca-file", help="the authority to trust")
    parser.add_argument("--concurrency", type=int, required=True)
    wanted = parser.parse_args()
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    print(uvloop.run(crawl(wanted)))


if __name__ == "__main__":
    main()
