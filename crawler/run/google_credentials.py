"""The credentials of a run that Google gives: access tokens, for its registries and for its APIs."""

from functools import partial
from typing import Final

import anyio.to_thread

from crawler.auth.challenge import Flow
from crawler.auth.credentials import CredentialProvider
from crawler.auth.google import ACCESS_TOKEN_USER, REGISTRY_TOKEN_USER, AccessTokens, Impersonation
from crawler.config import RegistryConfig
from crawler.model.auth_method import AuthMethod
from crawler.transport.outage import OutageDetector

_PASSWORD_IS_ACCESS_TOKEN: Final = frozenset({ACCESS_TOKEN_USER, REGISTRY_TOKEN_USER, "_dcgcloud_token"})
"""User names whose password is an OAuth2 access token; the last is what gcloud's credential helper answers with."""


def access_tokens(flow: Flow, config: RegistryConfig, outage: OutageDetector) -> AccessTokens:
    """The access tokens of the configured account, for a registry that they reach by `flow`.

    Reads files: call it in a worker thread. `outage` is where Google's token endpoint is waited for. Raises
    CredentialsError.
    """
    auth = config.auth
    user_name = REGISTRY_TOKEN_USER if flow is Flow.CHALLENGE else ACCESS_TOKEN_USER
    impersonation = None if auth.impersonate is None else Impersonation(auth.impersonate, config.apis.iam_credentials)
    if auth.key_file is None:
        return AccessTokens.from_environment(
            user_name, auth.scope, outage=outage, ca_file=config.ca_file, impersonation=impersonation
        )
    return AccessTokens.from_key_file(
        user_name, auth.key_file, auth.scope, outage=outage, ca_file=config.ca_file, impersonation=impersonation
    )


async def api_credentials(
    config: RegistryConfig, credentials: CredentialProvider, outage: OutageDetector
) -> CredentialProvider | None:
    """Credentials for Google's APIs, which accept OAuth2 access tokens only; None where this run has none.

    Raises CredentialsError.
    """
    if isinstance(credentials, AccessTokens):
        return credentials
    if config.auth.method is AuthMethod.JSON_KEY:
        return await anyio.to_thread.run_sync(partial(access_tokens, Flow.PREEMPTIVE, config, outage))
    credential = await credentials.get()
    return credentials if credential is not None and credential.name in _PASSWORD_IS_ACCESS_TOKEN else None
