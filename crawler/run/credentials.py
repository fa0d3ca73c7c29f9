"""Who a run is to its registry: an authentication method becomes credentials, and these an open registry."""

import os
from dataclasses import dataclass
from functools import partial

import anyio.to_thread
import orjson

from crawler.auth.challenge import NOBODY, Flow, authorize
from crawler.auth.credentials import ANYWHERE, Credentials, Fixed, User
from crawler.auth.docker_config import DockerCredentials, Login
from crawler.auth.google import (
    ACCESS_TOKEN_USER,
    REGISTRY_TOKEN_USER,
    AccessTokens,
    Impersonation,
    json_key_user,
)
from crawler.client import Inquiry
from crawler.config import AuthConfig, RegistryConfig
from crawler.errors import CredentialsError
from crawler.model.auth_method import AuthMethod
from crawler.model.names import Target
from crawler.registry.registry import Registry
from crawler.transport.fetch import Transport
from crawler.transport.messages import ERROR_CAP, Purpose, Request
from crawler.transport.outage import OutageDetector
from crawler.untrusted_text import printable

_PASSWORD_IS_ACCESS_TOKEN = frozenset({ACCESS_TOKEN_USER, REGISTRY_TOKEN_USER, "_dcgcloud_token"})
"""Users whose password is an OAuth2 access token; the last is what gcloud's credential helper says."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Credentials, and the flow by which they reach the registry.

    `named` is the account's name, where that was written down. `warnings` are for the operator: logins that were
    looked for and could not be used.
    """

    method: AuthMethod
    flow: Flow
    credentials: Credentials
    named: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The method, and the account's name as far as it is known by now: never a secret."""
        account = self.credentials.account if isinstance(self.credentials, AccessTokens) else self.named
        return f"{self.method}: {printable(account)}" if account else str(self.method)

    @property
    def could_go_straight(self) -> bool:
        """Whether these credentials would open the registry without a token for each scope."""
        return self.flow is Flow.ANSWER and isinstance(self.credentials, AccessTokens)

    @property
    def is_anybody(self) -> bool:
        return self.credentials is NOBODY


async def identify(of: RegistryConfig, outage: OutageDetector) -> Identity:
    """Who the configuration says to be. Raises CredentialsError."""
    user = await anyio.to_thread.run_sync(_written_user, of.auth)
    match _method(of, user):
        case AuthMethod.AUTO:
            return await _login_or_anonymous(of.target)
        case AuthMethod.DOCKER_CONFIG:
            return await _login(of.target)
        case method:
            return await anyio.to_thread.run_sync(_identity, method, of, user, outage)


async def open_registry(of: RegistryConfig, identity: Identity, transport: Transport) -> Registry:
    """Learn the registry's challenge, and be ready to answer it. Raises CredentialsError and RegistryError."""
    ways, batched = of.ways, of.tokens == "batched"
    # a Google access token is good for far more than a registry: no configuration sends it to a stranger's realm
    realms = ways.realms if isinstance(identity.credentials, AccessTokens) else (*ways.realms, *of.realms)
    authorization = await authorize(
        of.base,
        of.target,
        flow=identity.flow,
        credentials=identity.credentials,
        realms=realms,
        transport=transport,
        ways=ways,
        scopes_per_token=ways.scopes_per_token if batched else 1,
    )
    # a token for many may have been granted for fewer, which registries say in either way
    expired = ways.expired | {403} if batched else ways.expired
    ping = Request(url=of.base, cap=ERROR_CAP, purpose=Purpose.PING)
    inquiry = Inquiry(
        authorization, transport, expired=expired, absence_codes=ways.absence_codes, accepted=(ping, ANYWHERE)
    )
    page_size = of.page_size or ways.page_size
    return Registry(of.base, inquiry, page_size=page_size, tags_page=ways.tags_page)


async def api_credentials(of: RegistryConfig, credentials: Credentials, outage: OutageDetector) -> Credentials | None:
    """Who to be to Google's APIs, which take access tokens and nothing else; None where we have none to give."""
    if isinstance(credentials, AccessTokens):
        return credentials
    if of.auth.method is AuthMethod.JSON_KEY:
        return await anyio.to_thread.run_sync(partial(_access_tokens, ACCESS_TOKEN_USER, of, outage))
    user = await credentials.user()
    return credentials if user is not None and user.name in _PASSWORD_IS_ACCESS_TOKEN else None


def _method(of: RegistryConfig, user: User | None) -> AuthMethod:
    """What `auto` means: a user, else a key file or Google's host; it stays AUTO where docker's login decides."""
    auth = of.auth
    if auth.method is not AuthMethod.AUTO:
        return auth.method
    if user is not None:
        return AuthMethod.BASIC
    if auth.key_file is not None or auth.impersonate is not None or of.ways.is_google:
        return AuthMethod.TOKEN
    return AuthMethod.AUTO


async def _login_or_anonymous(target: Target) -> Identity:
    """Docker's login, or anonymous where no file names the registry. Raises CredentialsError."""
    credentials = DockerCredentials(target, environ=os.environ)
    login = await credentials.look_up()
    if login.user is not None or login.is_named:
        return _logged_in(target, credentials, login)
    doubts = (f"{doubt}: crawling as anonymous" for doubt in (*login.failures, *login.near_misses))
    return Identity(AuthMethod.ANONYMOUS, Flow.ANSWER, NOBODY, warnings=(*login.warnings, *doubts))


async def _login(target: Target) -> Identity:
    """Docker's login. Raises CredentialsError, where there is none as well."""
    credentials = DockerCredentials(target, environ=os.environ)
    return _logged_in(target, credentials, await credentials.look_up())


def _logged_in(target: Target, credentials: DockerCredentials, login: Login) -> Identity:
    warnings = (*login.warnings, *login.failures)
    if login.user is None:
        none = f"docker and podman know no login to {target.registry}: docker login makes one"
        raise CredentialsError("; ".join((none, *warnings, *login.near_misses)))
    return Identity(AuthMethod.DOCKER_CONFIG, Flow.ANSWER, credentials, login.user.name, warnings)


def _identity(method: AuthMethod, of: RegistryConfig, user: User | None, outage: OutageDetector) -> Identity:
    """The flow and the credentials of a method; reads files, so in a worker thread."""
    match method:
        case AuthMethod.ANONYMOUS:
            return Identity(method, Flow.ANSWER, NOBODY)
        case AuthMethod.BASIC | AuthMethod.TOKEN if user is not None:
            return Identity(method, Flow.ANSWER, Fixed(user), user.name)
        case AuthMethod.TOKEN:
            return Identity(method, Flow.ANSWER, _access_tokens(REGISTRY_TOKEN_USER, of, outage))
        case AuthMethod.ACCESS_TOKEN:
            return Identity(method, Flow.STRAIGHT, _access_tokens(ACCESS_TOKEN_USER, of, outage))
        case AuthMethod.JSON_KEY if of.auth.key_file is not None:
            key = json_key_user(of.auth.key_file)
            return Identity(method, Flow.STRAIGHT, Fixed(key), _account_of_key(key))
        case _:
            raise AssertionError(f"AuthConfig sees to it that {method} has what it needs")


def _account_of_key(key: User) -> str:
    account = orjson.loads(key.password).get("client_email")
    return account if isinstance(account, str) else ""


def _access_tokens(user_name: str, of: RegistryConfig, outage: OutageDetector) -> AccessTokens:
    auth = of.auth
    stand_in = None if auth.impersonate is None else Impersonation(auth.impersonate, of.apis.iam_credentials)
    if auth.key_file is None:
        return AccessTokens.of_environment(
            user_name, auth.scope, outage=outage, ca_file=of.ca_file, impersonation=stand_in
        )
    return AccessTokens.of_key(
        user_name, auth.key_file, auth.scope, outage=outage, ca_file=of.ca_file, impersonation=stand_in
    )


def _written_user(auth: AuthConfig) -> User | None:
    if auth.username is None:
        return None
    if auth.password_file is None:
        assert auth.password is not None  # AuthConfig saw to it
        return User(auth.username, auth.password.get_secret_value())
    try:
        password = auth.password_file.read_text(encoding="utf-8-sig").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else "it is not UTF-8"
        raise CredentialsError(f"{auth.password_file}: the password file cannot be read: {why}") from None
    if not password:
        raise CredentialsError(f"{auth.password_file}: the password file is empty")
    return User(auth.username, password)
