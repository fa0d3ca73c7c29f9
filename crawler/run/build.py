"""A configuration becomes the parts of a run: who we are, which registry, where its names come from."""

import os
import sys
from pathlib import Path

import anyio.to_thread

from crawler.auth.basic import Credentials, Fixed, User
from crawler.auth.docker_config import DockerCredentials
from crawler.auth.flow import NOBODY, Flow, authorize
from crawler.auth.google import ACCESS_TOKEN_USER, REGISTRY_TOKEN_USER, AccessTokens, json_key_user
from crawler.config import STANDARD_STREAM, AuthConfig, AuthMethod, DiscoveryMethod, RegistryConfig
from crawler.discovery import Discovery
from crawler.discovery.catalog import CatalogDiscovery
from crawler.discovery.listed import ListDiscovery
from crawler.discovery.walk import WalkDiscovery
from crawler.errors import CredentialsError
from crawler.model import Target
from crawler.registry import Registry
from crawler.transport.fetch import Transport


async def open_registry(of: RegistryConfig, transport: Transport) -> Registry:
    base = f"{of.scheme}://{of.target.registry}/v2/"
    user = await anyio.to_thread.run_sync(_written_user, of.auth)
    method = await _method(of.auth, of.target, user)
    flow, credentials = await anyio.to_thread.run_sync(_way_in, method, of, user)
    if method is AuthMethod.DOCKER_CONFIG and await credentials.user() is None:
        raise CredentialsError(f"docker and podman know no login to {of.target.registry}: docker login makes one")
    # a Google access token is good for far more than a registry: no configuration sends it to a stranger's realm
    realms = () if isinstance(credentials, AccessTokens) else of.realms
    authorization = await authorize(
        base, of.target, flow=flow, credentials=credentials, realms=realms, transport=transport
    )
    return Registry(base, authorization, transport, page_size=of.page_size)


async def _method(auth: AuthConfig, target: Target, user: User | None) -> AuthMethod:
    """What `auto` means: a user, else a key file or Google's host, else docker's login, else nobody."""
    if auth.method is not AuthMethod.AUTO:
        return auth.method
    if user is not None:
        return AuthMethod.BASIC
    if auth.key_file is not None or target.is_google:
        return AuthMethod.TOKEN
    return AuthMethod.DOCKER_CONFIG if await _docker(target).has_entry() else AuthMethod.ANONYMOUS


def _way_in(method: AuthMethod, of: RegistryConfig, user: User | None) -> tuple[Flow, Credentials]:
    """The flow and the credentials of a method; reads files, so in a worker thread."""
    match method:
        case AuthMethod.ANONYMOUS:
            return Flow.ANSWER, NOBODY
        case AuthMethod.DOCKER_CONFIG:
            return Flow.ANSWER, _docker(of.target)
        case AuthMethod.BASIC | AuthMethod.TOKEN if user is not None:
            return Flow.ANSWER, Fixed(user)
        case AuthMethod.TOKEN:
            return Flow.ANSWER, _access_tokens(REGISTRY_TOKEN_USER, of.auth)
        case AuthMethod.ACCESS_TOKEN:
            return Flow.STRAIGHT, _access_tokens(ACCESS_TOKEN_USER, of.auth)
        case AuthMethod.JSON_KEY if of.auth.key_file is not None:
            return Flow.STRAIGHT, Fixed(json_key_user(of.auth.key_file))
        case _:
            raise AssertionError(f"AuthConfig sees to it that {method} has what it needs")


def _docker(target: Target) -> DockerCredentials:
    return DockerCredentials(target, environ=os.environ)


def _access_tokens(user_name: str, auth: AuthConfig) -> AccessTokens:
    if auth.key_file is None:
        return AccessTokens.of_environment(user_name, auth.scope)
    return AccessTokens.of_key(user_name, auth.key_file, auth.scope)


def _written_user(auth: AuthConfig) -> User | None:
    if auth.username is None:
        return None
    if auth.password_file is None:
        assert auth.password is not None  # AuthConfig saw to it
        return User(auth.username, auth.password.get_secret_value())
    try:
        return User(auth.username, auth.password_file.read_text(encoding="utf-8").rstrip("\r\n"))
    except (OSError, UnicodeDecodeError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else "it is not UTF-8"
        raise CredentialsError(f"{auth.password_file}: the password file cannot be read: {why}") from None


def discovery_of(of: RegistryConfig, registry: Registry) -> Discovery:
    source = of.repositories_from
    if source is None and _walks(of):
        return WalkDiscovery(of.target.prefix)
    if source is None:
        return CatalogDiscovery(registry, empty_is_unknown=of.target.is_google)
    if source == STANDARD_STREAM:
        return ListDiscovery("standard input", sys.stdin.buffer.read)
    return ListDiscovery(str(source), Path(source).read_bytes)


def _walks(of: RegistryConfig) -> bool:
    """Whether names come from a walk: on Google's hosts the catalog proves nothing, so below a prefix they do."""
    by_itself = of.discovery is DiscoveryMethod.AUTO and of.target.is_google and of.target.prefix != ""
    return of.discovery is DiscoveryMethod.WALK or by_itself
