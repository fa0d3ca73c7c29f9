"""Google's token endpoints on the loopback, whose access tokens an emulated registry accepts."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import jwt
from aiohttp import web
from aiohttp.typedefs import Handler

from support.web_apps import serving_app

ACCOUNT = "crawler@my-project.iam.gserviceaccount.com"
IAM = f"/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
SCOPE = "https://www.googleapis.com/auth/cloud-platform.read-only"
AUDIENCE = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/ours/providers/ci"


@dataclass(slots=True)
class TokenEndpoints:
    """Google's token endpoints: OAuth2, the security token service, IAM, the metadata server, and a subject's token."""

    key: dict[str, str]
    lifetime_s: int = 3599
    iam_refusal: dict[str, Any] | None = None
    login_refusal: str = "Bad Request"
    host: str = ""
    asked: list[str] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)
    """The scopes of the requested tokens, where the request named them."""
    authorizations: list[str] = field(default_factory=list)
    """The Authorization headers of the requests."""
    quota_projects: list[tuple[str, str | None]] = field(default_factory=list)
    """The path and the quota project of each request."""

    @property
    def origin(self) -> str:
        return f"http://{self.host}"

    @property
    def port(self) -> int:
        return int(self.host.rpartition(":")[2])

    def routes(self) -> list[web.RouteDef]:
        account = "/computeMetadata/v1/instance/service-accounts"
        return [
            web.post("/token", self.oauth),
            web.post("/sts", self.exchange),
            web.get("/subject", self.subject),
            web.post(IAM, self.impersonate),
            web.get("/", self.metadata),
            web.get("/computeMetadata/v1/project/project-id", self.metadata),
            web.get(account + "/default/", self.metadata),
            web.get(account + "/{name}/token", self.metadata),
            web.get("/computeMetadata/v1/universe/universe-domain", self.metadata),
        ]

    @web.middleware
    async def note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.asked.append(request.path)
        self.quota_projects.append((request.path, request.headers.get("X-Goog-User-Project")))
        if "Authorization" in request.headers:
            self.authorizations.append(request.headers["Authorization"])
        return await handler(request)

    async def oauth(self, request: web.Request) -> web.Response:
        form = await request.post()
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] != "opensesame":
                return web.json_response(
                    {"error": "invalid_grant", "error_description": self.login_refusal}, status=400
                )
        else:
            self.scopes.append(jwt.decode(str(form["assertion"]), options={"verify_signature": False})["scope"])
        return await self._grant()

    async def exchange(self, request: web.Request) -> web.Response:
        form = await request.post()
        if form["subject_token"] != "subject" or form["audience"] != AUDIENCE:
            return web.json_response({"error": "invalid_grant", "error_description": "unknown subject"}, status=400)
        self.scopes.append(str(form["scope"]))
        return await self._grant()

    async def subject(self, request: web.Request) -> web.Response:
        return web.json_response({"value": "subject"}, status=200 if request.headers.get("X-Asks") == "us" else 403)

    async def impersonate(self, request: web.Request) -> web.Response:
        if self.iam_refusal is not None:
            return web.json_response({"error": self.iam_refusal}, status=403)
        if not request.headers["Authorization"].startswith("Bearer ya29."):
            return web.json_response({"error": {"status": "UNAUTHENTICATED", "message": "no access token"}}, status=401)
        self.scopes.extend((await request.json())["scope"])
        until = datetime.now(UTC) + timedelta(seconds=self.lifetime_s)
        return web.json_response(
            {"accessToken": await self._token(), "expireTime": until.strftime("%Y-%m-%dT%H:%M:%SZ")}
        )

    async def metadata(self, request: web.Request) -> web.Response:
        flavor = {"Metadata-Flavor": "Google"}
        if request.headers.get("Metadata-Flavor") != "Google":
            return web.Response(status=403, headers=flavor)
        if request.path.endswith("/token"):
            self.scopes.append(request.query["scopes"])
            grant = {"access_token": await self._token(), "expires_in": self.lifetime_s, "token_type": "Bearer"}
            return web.json_response(grant, headers=flavor)
        if request.path.endswith("/default/"):
            return web.json_response({"email": ACCOUNT, "aliases": ["default"], "scopes": [SCOPE]}, headers=flavor)
        return web.Response(text={"/": "computeMetadata/"}.get(request.path, "googleapis.com"), headers=flavor)

    async def _grant(self) -> web.Response:
        granted = {"access_token": await self._token(), "expires_in": self.lifetime_s, "token_type": "Bearer"}
        return web.json_response(granted)

    async def _token(self) -> str:
        """A token that the registry accepts, from its own endpoint."""
        now = int(time.time())
        claims = {"iss": self.key["client_email"], "aud": self.key["token_uri"], "iat": now, "exp": now + 600}
        signed = jwt.encode(
            {**claims, "scope": SCOPE}, self.key["private_key"], "RS256", headers={"kid": self.key["private_key_id"]}
        )
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": signed}
        async with aiohttp.ClientSession() as session, session.post(self.key["token_uri"], data=form) as response:
            return str((await response.json())["access_token"])


@asynccontextmanager
async def serving_tokens(key: dict[str, str]) -> AsyncIterator[TokenEndpoints]:
    endpoints = TokenEndpoints(key)
    app = web.Application(middlewares=[endpoints.note])
    app.add_routes(endpoints.routes())
    async with serving_app(app) as endpoints.host:
        yield endpoints
