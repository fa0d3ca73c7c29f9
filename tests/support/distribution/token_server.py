"""A token server by distribution's token specification. The policy is plain data."""

import base64
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from uuid import uuid4

import aiohttp
import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from support.web_apps import serving_app

from .certificates import Certificates, self_signed

SERVICE = "registry.test"
ISSUER = "token-server.test"
READ_EVERYTHING = ("registry:catalog:*", "repository:*:pull")
# distribution accepts a token for this long after its `exp` (registry/auth/token/token.go).
LEEWAY = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """`scopes` are granted scopes with a shell pattern for a name: `repository:team/*:pull,push`."""

    user: str
    password: str
    scopes: tuple[str, ...] = READ_EVERYTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPolicy:
    """The accounts of the token server, and what it grants.

    A denied repository is left out of the token, and the answer is 200 all the same.
    `anonymous` are the scopes granted without credentials; None refuses such a request with 401.
    `lifetime` is how many seconds the registry really accepts a token, `announced_lifetime` what
    `expires_in` says where that differs. Of each scope the first `stillborn` tokens are dead from the start.
    """

    accounts: tuple[Account, ...] = (Account(user="reader", password="correct-horse"),)
    denied: frozenset[str] = frozenset()
    anonymous: tuple[str, ...] | None = None
    lifetime: int = 300
    announced_lifetime: int | None = None
    stillborn: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    type: str
    name: str
    actions: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Scope":
        """Raises ValueError where `text` is not `type:name:actions`; a name may hold colons."""
        type_, rest = text.split(":", 1)
        name, actions = rest.rsplit(":", 1)
        if not (type_ and name and actions):
            raise ValueError(text)
        return cls(type=type_, name=name, actions=tuple(actions.split(",")))

    def covers(self, asked: "Scope") -> bool:
        return self.type == asked.type and fnmatchcase(asked.name, self.name)


def grant(asked: Iterable[Scope], *, allowed: Iterable[Scope], denied: frozenset[str] = frozenset()) -> list[Scope]:
    """What of `asked` is allowed, in its order; a scope of which nothing is left does not appear."""
    allowed = tuple(allowed)
    granted = []
    for scope in asked:
        if scope.type == "repository" and scope.name in denied:
            continue
        known = {action for pattern in allowed if pattern.covers(scope) for action in pattern.actions}
        actions = tuple(action for action in scope.actions if action in known)
        if actions:
            granted.append(Scope(type=scope.type, name=scope.name, actions=actions))
    return granted


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Signs what distribution 2.8 verifies: RS256, with the certificate itself in the header (`x5c`)."""

    key: rsa.RSAPrivateKey
    certificate_file: Path
    certificate: bytes

    @classmethod
    def create(cls, certificate_file: Path) -> "Signer":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        certificate = self_signed(key, ISSUER)
        certificate_file.write_bytes(certificate.public_bytes(Encoding.PEM))
        return cls(key=key, certificate_file=certificate_file, certificate=certificate.public_bytes(Encoding.DER))

    def token(self, granted: Iterable[Scope], *, subject: str, issued_at: datetime, lifetime: int) -> str:
        claims = {
            "iss": ISSUER,
            "aud": SERVICE,
            "sub": subject,
            "iat": issued_at,
            "nbf": issued_at,
            # Subtract the registry's leeway, so that a token expires after `lifetime` seconds.
            "exp": issued_at + timedelta(seconds=lifetime) - LEEWAY,
            "jti": str(uuid4()),
            "access": [{"type": one.type, "name": one.name, "actions": one.actions} for one in granted],
        }
        chain = [base64.b64encode(self.certificate).decode()]
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"x5c": chain})


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenServer:
    """`requests` counts token requests by scope, as the client wrote it, granted or not."""

    realm: str
    policy: TokenPolicy
    signer: Signer
    requests: Counter[str]

    def mint(self, *scopes: str) -> str:
        """A token for the harness's own use, past the policy and the counters."""
        granted = [Scope.parse(scope) for scope in scopes]
        return self.signer.token(granted, subject="harness", issued_at=datetime.now(UTC), lifetime=300)


@asynccontextmanager
async def open_token_server(
    directory: Path, *, policy: TokenPolicy, certificates: Certificates | None
) -> AsyncIterator[TokenServer]:
    signer = Signer.create(directory / "token-signer.pem")
    requests: Counter[str] = Counter()
    endpoint = _Endpoint(policy=policy, signer=signer, requests=requests)
    application = web.Application()
    application.router.add_get("/token", endpoint.answer)
    tls = certificates.server_context() if certificates else None
    async with serving_app(application, tls) as host:
        realm = f"{'https' if certificates else 'http'}://{host}/token"
        yield TokenServer(realm=realm, policy=policy, signer=signer, requests=requests)


class _RefusedError(Exception):
    """Neither known credentials nor a policy for a client without any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Endpoint:
    policy: TokenPolicy
    signer: Signer
    requests: Counter[str]

    async def answer(self, request: web.Request) -> web.Response:
        texts = request.query.getall("scope", [])
        self.requests.update(texts)
        if request.query.get("service") != SERVICE:
            return _error(400, "UNSUPPORTED", f"service is not {SERVICE}")
        try:
            asked = [Scope.parse(text) for text in texts]
        except ValueError:
            return _error(400, "UNSUPPORTED", "a scope is type:name:actions")
        try:
            subject, allowed = self._identify(request.headers.get("Authorization"))
        except _RefusedError:
            return _error(401, "UNAUTHORIZED", "authentication required")
        granted = grant(asked, allowed=map(Scope.parse, allowed), denied=self.policy.denied)
        stillborn = any(self.requests[text] <= self.policy.stillborn for text in texts)
        return self._grant(granted, subject, lifetime=0 if stillborn else self.policy.lifetime)

    def _identify(self, authorization: str | None) -> tuple[str, tuple[str, ...]]:
        """The subject and its scopes."""
        if authorization is None:
            if self.policy.anonymous is None:
                raise _RefusedError
            return "", self.policy.anonymous
        for account in self.policy.accounts:
            if authorization == aiohttp.encode_basic_auth(account.user, account.password):
                return account.user, account.scopes
        raise _RefusedError

    def _grant(self, granted: list[Scope], subject: str, *, lifetime: int) -> web.Response:
        now = datetime.now(UTC).replace(microsecond=0)
        token = self.signer.token(granted, subject=subject, issued_at=now, lifetime=lifetime)
        announced = self.policy.announced_lifetime
        return web.json_response(
            {
                "token": token,
                "expires_in": self.policy.lifetime if announced is None else announced,
                "issued_at": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )


def _error(status: int, code: str, message: str) -> web.Response:
    headers = {"WWW-Authenticate": f'Basic realm="{ISSUER}"'} if status == 401 else {}
    return web.json_response({"errors": [{"code": code, "message": message}]}, status=status, headers=headers)
