"""Which credentials are found, where, and does the registry accept them?"""

from crawler.auth.challenge import Flow
from crawler.auth.credentials import CATALOG_SCOPE
from crawler.auth.google import AccessTokens
from crawler.client import AuthenticatedClient
from crawler.config import RegistryConfig
from crawler.doctor.step import Finding, ok, skipped, warning
from crawler.run.credentials import ResolvedAuth, connect, resolve_credentials
from crawler.transport.fetch import Transport
from crawler.transport.messages import Response
from crawler.untrusted_text import printable


async def credentials(
    registry: RegistryConfig, transport: Transport, login_advice: str
) -> tuple[Finding, ResolvedAuth]:
    """Find the credentials, as a crawl does. Raises CredentialsError where they cannot be loaded."""
    auth = await resolve_credentials(registry, transport.limits.outage)
    found = f"{auth.label}, of {auth.source}" if auth.source else f"{auth.label}: no credentials are sent"
    if auth.warnings:
        return warning("; ".join((found, *auth.warnings)), login_advice), auth
    return ok(found), auth


async def access_token(auth: ResolvedAuth) -> Finding:
    """Get an access token of Google. Raises CredentialsError and GaveUp where none is issued."""
    if not isinstance(auth.credentials, AccessTokens):
        return skipped("no access token of Google is used")
    await auth.credentials.get()
    account = f" for {printable(auth.known_account)}" if auth.known_account else ""
    quota = auth.credentials.quota_project
    counted = "" if quota is None else f"; the quota project is {quota.id} ({printable(quota.source)})"
    return ok(f"Google issued one{account}{counted}")


async def sign_in(
    registry: RegistryConfig, auth: ResolvedAuth, transport: Transport, ping: Response
) -> tuple[Finding, AuthenticatedClient]:
    """Answer the challenge of `/v2/`; `ping` is its response to a request without credentials.

    Raises CredentialsError where the credentials are refused, and RegistryError.
    """
    client = await connect(registry, auth, transport)
    if client.authenticator.uses_token(CATALOG_SCOPE):
        found = "the registry wants a token for each request"
    elif auth.is_anonymous:
        found = "no credentials are sent"
    elif ping.status != 401 and auth.flow is Flow.CHALLENGE:
        found = "the registry asks for no credentials here, and has not seen them yet"
    else:
        found = "the registry accepts the credentials"
    return ok(found), client


async def token(client: AuthenticatedClient, scope: str) -> Finding:
    """Get a token for a scope, where the registry wants tokens.

    Raises RegistryError and CredentialsError where the token server refuses, and GaveUp.
    """
    if not client.authenticator.uses_token(scope):
        return skipped("the registry wants no token for it")
    await client.authenticator.header(scope)
    return ok(f"granted for {printable(scope)}")
