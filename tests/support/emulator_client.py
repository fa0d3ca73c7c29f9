"""A plain HTTP client for the emulator, with the credentials that it accepts."""

import asyncio
import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp
import google.auth.transport.requests
import requests
from google.oauth2 import service_account

from crawler.emulator import Emulator
from support.oci_documents import MANIFEST_TYPES

AUTH = "https://www.googleapis.com/auth/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str, str]:
        (error,) = self.json["errors"]
        return self.status, error["code"], error["message"]


class Client:
    """A client of one emulator, with the service account's key."""

    def __init__(self, session: aiohttp.ClientSession, *, registry: str, key: dict[str, str]) -> None:
        self._session = session
        self.registry = registry
        self.key = key

    async def get(self, path: str, **options: Any) -> Reply:
        async with self._session.get(f"http://{self.registry}{path}", **options) as response:
            return Reply(status=response.status, headers=response.headers, body=await response.read())

    async def head(self, path: str, **options: Any) -> Reply:
        async with self._session.head(f"http://{self.registry}{path}", **options) as response:
            return Reply(status=response.status, headers=response.headers, body=await response.read())

    async def manifest(self, name: str, reference: str, **headers: str) -> Reply:
        """A manifest of any type; `headers` are further ones."""
        user = {**self.key_headers(), "Accept": ", ".join(MANIFEST_TYPES), **headers}
        return await self.get(f"/v2/{name}/manifests/{reference}", headers=user)

    async def blob(self, name: str, digest: str) -> Reply:
        return await self.get(f"/v2/{name}/blobs/{digest}", headers=self.key_headers())

    async def post(self, path: str, **options: Any) -> Reply:
        async with self._session.post(f"http://{self.registry}{path}", **options) as response:
            return Reply(status=response.status, headers=response.headers, body=await response.read())

    async def access_token(self, *scopes: str) -> str:
        """An access token: google-auth signs the assertion and gets the token, as in production."""
        credentials = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
            self.key, scopes=[AUTH + scope for scope in scopes]
        )

        def refresh() -> None:
            with requests.Session() as session:
                credentials.refresh(google.auth.transport.requests.Request(session))

        await asyncio.to_thread(refresh)
        return str(credentials.token)

    def key_headers(self) -> dict[str, str]:
        return basic("_json_key", json.dumps(self.key))

    async def registry_token(self, scope: str) -> str:
        reply = await self.get("/v2/token", params={"scope": scope}, headers=self.key_headers())
        assert reply.status == 200, reply.body
        return str(reply.json["token"])


async def pages(client: Client, user: dict[str, str], path: str, **params: Any) -> list[Any]:
    """The bodies of all pages of an API's list, by nextPageToken."""
    bodies, token = [], None
    while token != "":
        query = params if token is None else {**params, "pageToken": token}
        reply = await client.get(path, params=query, headers=user)
        assert reply.status == 200, reply.body
        bodies.append(reply.json)
        token = reply.json.get("nextPageToken", "")
    return bodies


async def everything(client: Client, user: dict[str, str], path: str, **params: Any) -> list[Any]:
    """The items on all pages of an API's list."""
    field = path.rsplit("/", 1)[1].removesuffix(":search")
    return [item for body in await pages(client, user, path, **params) for item in body.get(field, [])]


def refusal(reply: Reply) -> tuple[int, str, str]:
    """The HTTP status, canonical code and message of an API's error response."""
    error = reply.json["error"]
    assert set(reply.json) == {"error"}
    assert error["code"] == reply.status
    return reply.status, error["status"], error["message"]


def client_of(emulator: Emulator, session: aiohttp.ClientSession) -> Client:
    return Client(session, registry=emulator.registry, key=emulator.key)


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """The result of a walk down `child`: the reply of each node."""

    replies: dict[str, Reply]

    @property
    def repositories(self) -> list[str]:
        """The nodes that are not merely folders, sorted."""
        return sorted(name for name, reply in self.replies.items() if not _is_folder(reply))


def _is_folder(reply: Reply) -> bool:
    if reply.status != 200:
        return False
    return bool(reply.json["child"]) and not reply.json["manifest"] and not reply.json["tags"]


async def walked(client: Client, projects: Iterable[str]) -> Walk:
    """Walk from the projects down, breadth first, with one request per node."""
    replies: dict[str, Reply] = {}
    level = list(projects)
    while level:
        for name in level:
            assert name not in replies
            replies[name] = await client.get(f"/v2/{name}/tags/list", headers=client.key_headers())
        level = [
            f"{name}/{child}" for name in level if replies[name].status == 200 for child in replies[name].json["child"]
        ]
    return Walk(replies=replies)
