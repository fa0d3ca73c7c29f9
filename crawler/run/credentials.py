"""Who a run is to its registry: an authentication method becomes credentials, and these an open registry."""

import os
from dataclasses import dataclass
from functools import partial

import anyio.to_thread
import orjson

from crawler.auth.challenge import ANONYMOUS, Flow, authenticate
from crawler.auth.credentials import NO_SCOPE, Credential, CredentialProvider, StaticCredentials
from crawler.auth.docker_config import DockerCredentials, Login
from crawler.auth.google import (
    ACCESS_TOKEN_USER,
    REGISTRY_TOKEN_USER,
    AccessTokens,
    Impersonation,
    json_key_credential,
)
from crawler.client import AuthenticatedClient
from crawler.config import AuthConfig, RegistryConfig
from crawler.errors import CredentialsError
from crawler.model.auth_method import AuthMethod
from crawler.model.names import Target
from crawler.registry.registry import Registry
from crawler.transport.fetch import Transport
from crawler.transport.messages import MAX_ERROR_BYTES, Purpose, Request
from crawler.transport.outage import OutageDetector
from crawler.untrusted_text import printable

_PASSWORD_IS_ACCESS_TOKEN = frozenset({ACCESS_TOKEN_USER, REGISTRY_TOKEN_USER, "_dcgcloud_token"})
"""Users whose password is an OAuth2 access token; the last is what gcloud's credential helper says."""


@dataclass(frozen=True, slots=True)
class ResolvedAuth:
    """Credentials, and the flow by which they reach the registry.

    `named` is the account's name, where that was written down. `warnings` are for the operator: logins that were
    looked for and could not be used.
    """

    method: AuthMethod
    flow: Flow
    credentials: CredentialProvider
    named: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The method, and the account's name as far as it is known by now: never a secret."""
        account = self.credentials.account if isinstance(self.credentials, AccessTokens) else self.named
        return f"{self.method}: {printable(account)}" if account else str(self.method)

    @property
    def could_skip_token(self) -> bool:
        """Whether these credentials would open the registry without a token for each scope."""
        return self.flow is Flow.CHALLENGE and isinstance(self.credentials, AccessTokens)

    @property
    def is_anonymous(self) -> bool:
        return self.credentials is ANONYMOUS


async def resolve_credentials(config: RegistryConfig, outage: OutageDetector) -> ResolvedAuth:
    """Who the configuration says to be. Raises CredentialsError."""
    user = await anyio.to_thread.run_sync(_configured_credential, config.auth)
    match _method(config, user):
        case AuthMethod.AUTO:
            return await _docker_login_or_anonymous(config.target)
        case AuthMethod.DOCKER_CONFIG:
            return await _login(config.target)
        case method:
            return await anyio.to_thread.run_sync(_resolved, method, config, user, outage)


async def connect(config: RegistryConfig, auth: ResolvedAuth, transport: Transport) -> Registry:
    """Learn the registry's challenge, and be ready to answer it. Raises CredentialsError and RegistryError."""
    profile, batched = config.profile, config.tokens == "batched"
    # a Google access token is good for far more than a registry: no configuration sends it to a stranger's realm
    realms = (
        profile.trusted_realms
        if isinstance(auth.credentials, AccessTokens)
        else (*profile.trusted_realms, *config.realms)
    )
    authorization = await authenticate(
        config.api_url,
        config.target,
        flow=auth.flow,
        credentials=auth.credentials,
        realms=realms,
        transport=transport,
        profile=profile,
        scopes_per_token=profile.scopes_per_token if batched else 1,
    )
    # a token for many may have been granted for fewer, which registries say in either way
    expired = profile.reauth_statuses | {403} if batched else profile.reauth_statuses
    ping = Request(url=config.api_url, max_body_bytes=MAX_ERROR_BYTES, purpose=Purpose.PING)
    client = AuthenticatedClient(
        authorization, transport, expired=expired, absence_codes=profile.absence_codes, accepted=(ping, NO_SCOPE)
    )
    page_size = config.page_size or profile.catalog_page_size
    return Registry(config.api_url, client, page_size=page_size, tags_page=profile.tags_page_size)


async def api_credentials(
    config: RegistryConfig, credentials: CredentialProvider, outage: OutageDetector
) -> CredentialProvider | None:
    """Who to be to Google's APIs, which take access tokens and nothing else; None where we have none to give."""
    if isinstance(credentials, AccessTokens):
        return credentials
    if config.auth.method is AuthMethod.JSON_KEY:
        return await anyio.to_thread.run_sync(partial(_access_tokens, ACCESS_TOKEN_USER, config, outage))
    user = await credentials.get()
    return credentials if user is not None and user.name in _PASSWORD_IS_ACCESS_TOKEN else None


def _method(config: RegistryConfig, user: Credential | None) -> AuthMethod:
    """What `auto` means: a user, else a key file or Google's host; it stays AUTO where docker's login decides."""
    auth = config.auth
    if auth.method is not AuthMethod.AUTO:
        return auth.method
    if user is not None:
        return AuthMethod.BASIC
    if auth.key_file is not None or auth.impersonate is not None or config.profile.is_google:
        return AuthMethod.TOKEN
    return AuthMethod.AUTO


async def _docker_login_or_anonymous(target: Target) -> ResolvedAuth:
    """Docker's login, or anonymous where no file names the registry. Raises CredentialsError."""
    credentials = DockerCredentials(target, environ=os.environ)
    login = await credentials.look_up()
    if login.credential is not None or login.is_named:
        return _logged_in(target, credentials, login)
    doubts = (f"{doubt}: crawling as anonymous" for doubt in (*login.failures, *login.near_misses))
    return ResolvedAuth(AuthMethod.ANONYMOUS, Flow.CHALLENGE, ANONYMOUS, warnings=(*login.warnings, *doubts))


async def _login(target: Target) -> ResolvedAuth:
    """Docker's login. Raises CredentialsError, where there is none as well."""
    credentials = DockerCredentials(target, environ=os.environ)
    return _logged_in(target, credentials, await credentials.look_up())


def _logged_in(target: Target, credentials: DockerCredentials, login: Login) -> ResolvedAuth:
    warnings = (*login.warnings, *login.failures)
    if login.credential is None:
        none = f"docker and podman know no login to {target.registry}: docker login makes one"
        raise CredentialsError("; ".join((none, *warnings, *login.near_misses)))
    return ResolvedAuth(AuthMethod.DOCKER_CONFIG, Flow.CHALLENGE, credentials, login.credential.name, warnings)


def _resolved(
    method: AuthMethod, config: RegistryConfig, user: Credential | None, outage: OutageDetector
) -> ResolvedAuth:
    """The flow and the credentials of a method; reads files, so in a worker thread."""
    match method:
        case AuthMethod.ANONYMOUS:
            return ResolvedAuth(method, Flow.CHALLENGE, ANONYMOUS)
        case AuthMethod.BASIC | AuthMethod.TOKEN if user is not None:
            return ResolvedAuth(method, Flow.CHALLENGE, StaticCredentials(user), user.name)
        case AuthMethod.TOKEN:
            return ResolvedAuth(method, Flow.CHALLENGE, _access_tokens(REGISTRY_TOKEN_USER, config, outage))
        case AuthMethod.ACCESS_TOKEN:
            return ResolvedAuth(method, Flow.PREEMPTIVE, _access_tokens(ACCESS_TOKEN_USER, config, outage))
        case AuthMethod.JSON_KEY if config.auth.key_file is not None:
            key = json_key_credential(config.auth.key_file)
            return ResolvedAuth(method, Flow.PREEMPTIVE, StaticCredentials(key), _account_of_key(key))
        case _:
            raise AssertionError(f"AuthConfig sees to it that {method} has what it needs")


def _account_of_key(key: Credential) -> str:
    account = orjson.loads(key.password).get("client_email")
    return account if isinstance(account, str) else ""


def _access_tokens(user_name: str, config: RegistryConfig, outage: OutageDetector) -> AccessTokens:
    auth = config.auth
    stand_in = None if auth.impersonate is None else Impersonation(auth.impersonate, config.apis.iam_credentials)
    if auth.key_file is None:
        return AccessTokens.of_environment(
            user_name, auth.scope, outage=outage, ca_file=config.ca_file, impersonation=stand_in
        )
    return AccessTokens.of_key(
        user_name, auth.key_file, auth.scope, outage=outage, ca_file=config.ca_file, impersonation=stand_in
    )


def _configured_credential(auth: AuthConfig) -> Credential | None:
    if auth.username is None:
        return None
    if auth.password_file is None:
        assert auth.password is not None  # AuthConfig saw to it
        return Credential(auth.username, auth.password.get_secret_value())
    try:
        password = auth.password_file.read_text(encoding="utf-8-sig").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else "it is not UTF-8"
        raise CredentialsError(f"{auth.password_file}: the password file cannot be read: {why}") from None
    if not password:
        raise CredentialsError(f"{auth.password_file}: the password file is empty")
    return Credential(auth.username, password)
