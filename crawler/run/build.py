"""A configuration becomes the parts of a run: who we are, which registry, where its names come from."""

import sys
from pathlib import Path

import anyio.to_thread

from crawler.auth.basic import Credentials, Fixed, User
from crawler.auth.flow import NOBODY, Flow, authorize
from crawler.auth.google import ACCESS_TOKEN_USER, REGISTRY_TOKEN_USER, AccessTokens, json_key_user
from crawler.config import STANDARD_STREAM, AuthConfig, RegistryConfig
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
    flow, credentials = await anyio.to_thread.run_sync(_way_in, of.auth, of.target)
    authorization = await authorize(
        base, of.target, flow=flow, credentials=credentials, realms=of.realms, transport=transport
    )
    return Registry(base, authorization, transport, page_size=of.page_size)


def _way_in(auth: AuthConfig, target: Target) -> tuple[Flow, Credentials]:
    """The flow and the credentials that a configuration means; reads files, so in a worker thread."""
    user = _written_user(auth)
    method = auth.method
    if method == "auto":
        google = auth.key_file is not None or (target.is_google and user is None)
        method = "token" if google else "anonymous" if user is None else "basic"
    match method:
        case "anonymous":
            return Flow.ANSWER, NOBODY
        case "basic":
            return Flow.ANSWER, Fixed(user)
        case "token" if user is not None:
            return Flow.ANSWER, Fixed(user)
        case "token":
            return Flow.ANSWER, _access_tokens(REGISTRY_TOKEN_USER, auth)
        case "access-token":
            return Flow.STRAIGHT, _access_tokens(ACCESS_TOKEN_USER, auth)
        case "json-key":
            assert auth.key_file is not None  # AuthConfig saw to it
            return Flow.STRAIGHT, Fixed(json_key_user(auth.key_file))
        case _:
            raise CredentialsError(f"auth method {method} is not there yet: give username and password_file")


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
    walks = of.discovery == "walk" or (of.discovery == "auto" and of.target.is_google and bool(of.target.prefix))
    if source is None and walks:
        return WalkDiscovery(of.target.prefix)
    if source is None:
        return CatalogDiscovery(registry, empty_is_unknown=of.target.is_google)
    if source == STANDARD_STREAM:
        return ListDiscovery("standard input", sys.stdin.buffer.read)
    return ListDiscovery(str(source), Path(source).read_bytes)
