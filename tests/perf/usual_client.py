"""The exchanges of a crawl by aiohttp as its documentation shows it, and no crawl: answers are parsed and thrown away.

A program: `python -m perf.usual_client ADDRESS`, which says how many exchanges it made.
"""

import argparse
import asyncio
from typing import Any

import aiohttp


class Client:
    def __init__(
        self, session: aiohttp.ClientSession, address: str, credentials: str, *, wants_tokens: bool, concurrency: int
    ) -> None:
        self.exchanges = 0
        self._session = session
        self._address = address
        self._basic = {"Authorization": credentials}
        self._wants_tokens = wants_tokens
        self._places = asyncio.Semaphore(concurrency)

    async def catalog(self) -> list[str]:
        headers = await self._headers("registry:catalog:*")
        names: list[str] = []
        address = f"{self._address}/v2/_catalog?n=1000"
        while address:
            self.exchanges += 1
            async with self._session.get(address, headers=headers) as response:
                response.raise_for_status()
                names += (await response.json())["repositories"]
                address = str(response.links["next"]["url"]) if "next" in response.links else ""
        return names

    async def listing(self, name: str) -> None:
        async with self._places:
            headers = await self._headers(f"repository:{name}:pull")
            await self._get(f"{self._address}/v2/{name}/tags/list", headers)

    async def _headers(self, scope: str) -> dict[str, str]:
        if not self._wants_tokens:
            return self._basic
        granted = await self._get(f"{self._address}/v2/token?service=bench&scope={scope}", self._basic)
        return {"Authorization": f"Bearer {granted['token']}"}

    async def _get(self, address: str, headers: dict[str, str]) -> Any:
        self.exchanges += 1
        async with self._session.get(address, headers=headers) as response:
            response.raise_for_status()
            return await response.json()


async def crawl(wanted: argparse.Namespace) -> int:
    async with aiohttp.ClientSession() as session:
        client = Client(
            session,
            wanted.address,
            wanted.credentials,
            wants_tokens=wanted.tokens,
            concurrency=wanted.concurrency,
        )
        await asyncio.gather(*(client.listing(name) for name in await client.catalog()))
    return client.exchanges


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--credentials", required=True, help="the value of an Authorization header")
    parser.add_argument("--tokens", action="store_true", help="ask for a token before each listing")
    parser.add_argument("--concurrency", type=int, required=True)
    print(asyncio.run(crawl(parser.parse_args())))


if __name__ == "__main__":
    main()
