"""The credentials of a run: what the configuration's method resolves to, and the registry that they open."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread
import orjson

from crawler.auth.challenge import Flow, authenticate
from crawler.auth.credentials import ANONYMOUS, NO_SCOPE, Credential, CredentialProvider, StaticCredentials
from crawler.client import AuthenticatedClient
from crawler.config import AuthConfig, RegistryConfig
from crawler.errors import CredentialsError
from crawler.model.auth_method import AuthMethod
from crawler.model.names import Target
from crawler.model.value import Value
from crawler.transport.fetch import Transport
from crawler.transport.messages import MAX_ERROR_BYTES, Purpose, Request
from crawler.transport.outage import OutageDetector
from crawler.untrusted_text import printable, quoted_path

if TYPE_CHECKING:
    from crawler.auth.docker_config import DockerCredentials, Login
    from crawler.auth.google import AccessTokens


class ResolvedAuth(Value, frozen=True):
    """Credentials, and the flow by which they reach the registry.

    Attributes:
        account: the account's name, where the configuration or a login file has it; else "".
        source: where the credentials were found, for people; "" for an anonymous crawl.
        warnings: for the operator: places of logins that were searched and could not be used.
        google: the credentials, where they are Google's access tokens; else None.
    """

    method: AuthMethod
    flow: Flow
    credentials: CredentialProvider
    account: str = ""
    source: str = ""
    warnings: tuple[str, ...] = ()
    google: "AccessTokens | None" = None

    @property
    def label(self) -> str:
        """The method, and the account's name as far as it is known by now; never a secret."""
        account = self.known_account
        return f"{self.method}: {printable(account)}" if account else str(self.method)

    @property
    def known_account(self) -> str:
        """The account's name, "" while it is unknown: the metadata server names it with the first token."""
        return self.account if self.google is None else self.google.account

    @property
    def could_skip_token(self) -> bool:
        """Whether `--auth access-token` would save this run its token requests."""
        return self.flow is Flow.CHALLENGE and self.google is not None

    @property
    def is_anonymous(self) -> bool:
        return self.credentials is ANONYMOUS


async def resolve_credentials(config: RegistryConfig, outage: OutageDetector) -> ResolvedAuth:
    """The credentials of `config`. Raises CredentialsError where they cannot be loaded.

    `outage` is where Google's token endpoint is waited for while it is away.
    """
    credential = await anyio.to_thread.run_sync(_configured_credential, config.auth)
    match _method(config, credential):
        case AuthMethod.AUTO:
            return await _docker_login_or_anonymous(config.target)
        case AuthMethod.DOCKER_CONFIG:
            return await _docker_login(config.target)
        case method:
            return await anyio.to_thread.run_sync(_resolve_method, method, config, credential, outage)


async def connect(config: RegistryConfig, auth: ResolvedAuth, transport: Transport) -> AuthenticatedClient:
    """Ask the registry for its challenge, and return a client that can answer it.

    Raises CredentialsError and RegistryError, as `authenticate` does.
    """
    profile, batched = config.profile, config.tokens == "batched"
    # A Google access token opens far more than a registry, so `registry.realms` does not apply to it: a mistake there
    # must not send it to another company's token server.
    trusted_realms = profile.trusted_realms if auth.google is not None else (*profile.trusted_realms, *config.realms)
    authenticator = await authenticate(
        config.api_url,
        config.target,
        flow=auth.flow,
        credentials=auth.credentials,
        realms=trusted_realms,
        transport=transport,
        profile=profile,
        scopes_per_token=profile.scopes_per_token if batched else 1,
    )
    # a token for several scopes may have been granted for fewer, which registries answer with 401 or with 403
    reauth_statuses = profile.reauth_statuses | {403} if batched else profile.reauth_statuses
    ping = Request(url=config.api_url, max_body_bytes=MAX_ERROR_BYTES, purpose=Purpose.PING)
    return AuthenticatedClient(
        authenticator,
        transport,
        reauth_statuses=reauth_statuses,
        absence_codes=profile.absence_codes,
        last_accepted=(ping, NO_SCOPE),
    )


def _method(config: RegistryConfig, credential: Credential | None) -> AuthMethod:
    """What `auto` resolves to; AUTO where docker's login decides.

    A configured user name comes first, then a key file, an account to impersonate, or a host of Google's.
    """
    auth = config.auth
    if auth.method is not AuthMethod.AUTO:
        return auth.method
    if credential is not None:
        return AuthMethod.BASIC
    if auth.key_file is not None or auth.impersonate is not None or config.profile.is_google:
        return AuthMethod.TOKEN
    return AuthMethod.AUTO


async def _docker_login_or_anonymous(target: Target) -> ResolvedAuth:
    """Docker's login; anonymous where no login file names the registry. Raises CredentialsError."""
    from crawler.auth.docker_config import DockerCredentials

    credentials = DockerCredentials(target, environ=os.environ)
    login = await credentials.look_up()
    if login.credential is not None or login.is_named:
        return _resolve_login(target, credentials, login)
    causes = (f"{cause}: crawling as anonymous" for cause in (*login.failures, *login.near_misses))
    return ResolvedAuth(AuthMethod.ANONYMOUS, Flow.CHALLENGE, ANONYMOUS, warnings=(*login.warnings, *causes))


async def _docker_login(target: Target) -> ResolvedAuth:
    """Docker's login. Raises CredentialsError, also where there is none."""
    from crawler.auth.docker_config import DockerCredentials

    credentials = DockerCredentials(target, environ=os.environ)
    return _resolve_login(target, credentials, await credentials.look_up())


def _resolve_login(target: Target, credentials: "DockerCredentials", login: "Login") -> ResolvedAuth:
    warnings = (*login.warnings, *login.failures)
    if login.credential is None:
        no_login = f"no docker or podman login for {target.registry}; run `docker login {target.registry}`"
        raise CredentialsError("; ".join((no_login, *warnings, *login.near_misses)))
    return ResolvedAuth(
        AuthMethod.DOCKER_CONFIG, Flow.CHALLENGE, credentials, login.credential.name, login.place, warnings
    )


def _resolve_method(
    method: AuthMethod, config: RegistryConfig, credential: Credential | None, outage: OutageDetector
) -> ResolvedAuth:
    """The credentials and the flow of a method that needs no docker login. Reads files: call it in a worker thread."""
    if method is AuthMethod.ANONYMOUS:
        return ResolvedAuth(method, Flow.CHALLENGE, ANONYMOUS)
    resolved = partial(ResolvedAuth, method, source=_source(config.auth))
    match method:
        case AuthMethod.BASIC | AuthMethod.TOKEN if credential is not None:
            return resolved(Flow.CHALLENGE, StaticCredentials(credential), credential.name)
        case AuthMethod.TOKEN | AuthMethod.ACCESS_TOKEN:
            from crawler.run.google_credentials import access_tokens

            flow = Flow.CHALLENGE if method is AuthMethod.TOKEN else Flow.PREEMPTIVE
            tokens = access_tokens(flow, config, outage)
            return resolved(flow, tokens, google=tokens)
        case AuthMethod.JSON_KEY if config.auth.key_file is not None:
            from crawler.auth.service_account_key import json_key_credential

            key = json_key_credential(config.auth.key_file)
            return resolved(Flow.PREEMPTIVE, StaticCredentials(key), _account_of_key(key))
        case _:
            raise AssertionError(f"AuthConfig let {method} through without what it needs")


def _source(auth: AuthConfig) -> str:
    """Where a method that needs no docker login has its credentials, for people."""
    if auth.key_file is not None:
        return f"the key file {quoted_path(auth.key_file)}"
    if auth.password_file is not None:
        return f"the password file {quoted_path(auth.password_file)}"
    if auth.username is not None:
        return "the configured password"
    from crawler.auth.google import default_credentials_place

    return default_credentials_place()


def _account_of_key(key: Credential) -> str:
    account = orjson.loads(key.password).get("client_email")
    return account if isinstance(account, str) else ""


def _configured_credential(auth: AuthConfig) -> Credential | None:
    if auth.username is None:
        return None
    if auth.password_file is None:
        assert auth.password is not None  # AuthConfig requires one of the two
        return Credential(auth.username, auth.password.get_secret_value())
    return Credential(auth.username, read_secret_file(auth.password_file, "password"))


def read_secret_file(file: Path, content: str) -> str:
    """The secret in a file, without its last newline; `content` says what it is. Raises CredentialsError."""
    try:
        secret = file.read_text(encoding="utf-8-sig").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        raise CredentialsError(f"{file}: the {content} file cannot be read: {reason}") from None
    if not secret:
        raise CredentialsError(f"{file}: the {content} file is empty")
    return secret
