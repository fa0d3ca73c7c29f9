"""Google's access tokens, from a service account's key or from the environment. The only door to google-auth.

google-auth signs and exchanges, synchronously and in a worker thread. This module decides when: one exchange at a time,
renewed before the token expires, waited for during an outage.
"""

import os
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import anyio.to_thread

from crawler.auth.bearer import renewal_margin
from crawler.auth.credentials import Credential
from crawler.auth.google_errors import (
    NOT_IMPERSONATED,
    TokenExchange,
    TokenUnavailableError,
    default_credentials_error,
    is_page,
    message_of,
)
from crawler.auth.lockout import LockoutGuard
from crawler.auth.quota_project import QuotaProject
from crawler.auth.service_account_key import read_service_account_key
from crawler.errors import CredentialsError
from crawler.single_flight import SingleFlight
from crawler.transport.messages import Purpose
from crawler.transport.outage import Canary, OutageDetector
from crawler.transport.tls import ssl_context
from crawler.untrusted_text import printable
from crawler.wire.error_body import parse_error_body

REGISTRY_TOKEN_USER: Final = "_token"  # noqa: S105  (Google's names for kinds of password, not passwords)
"""The user name for token endpoints of Google's registries; the password is an access token."""

ACCESS_TOKEN_USER: Final = "oauth2accesstoken"  # noqa: S105
"""The user name for Google's registries themselves; the password is an access token.

cloud.google.com/artifact-registry/docs/docker/authentication, "Access token".
"""

_SCOPE_PREFIX: Final = "https://www.googleapis.com/auth/"
_EXCHANGE_TIMEOUT_S: Final = 20
_DEFAULT_LIFETIME_S: Final = 3600.0
"""How long Google's access tokens live unless an administrator says otherwise."""

_CERTIFICATE_ERROR: Final = "CERTIFICATE_VERIFY_FAILED"
_CERTIFICATE_HINT: Final = (
    "the certificate of Google's token endpoint, or of a proxy before it, is not issued by a trusted CA "
    "(--ca-file names the CAs to trust)"
)
_TRANSIENT_CODES: Final = frozenset({"UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"})
"""The names of google.rpc.Code for failures that pass."""

_PARTY: Final = (Purpose.TOKEN, "Google's token endpoint")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Impersonation:
    """Another service account, whose tokens IAM issues to the calling account.

    Attributes:
        account: the account's email address.
        iam_credentials: the origin of IAM's API.
    """

    account: str
    iam_credentials: str

    @property
    def url(self) -> str:
        account = quote(self.account, safe="@")
        return f"{self.iam_credentials}/v1/projects/-/serviceAccounts/{account}:generateAccessToken"


def oauth_scope(name: str) -> str:
    """An OAuth scope's full URL, from its short name or from the URL itself."""
    return name if "://" in name else _SCOPE_PREFIX + name


class AccessTokens:
    """OAuth2 access tokens as the password of a Basic user, renewed before they expire.

    `get` and `refresh` raise CredentialsError with a message of one line, and GaveUp where Google's token endpoint
    stays away, or refused the same credentials too often.
    """

    def __init__(
        self,
        user_name: str,
        *,
        scope: str,
        load_source: Callable[[], Any],
        outage: OutageDetector,
        quota_project: QuotaProject | None,
        ca_file: Path | None = None,
        account: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`load_source` returns google-auth's credentials; it may block on the disk and the metadata server.

        `scope` is the OAuth scope's URL. `quota_project` is for all of Google's APIs. `ca_file` has the trusted CAs,
        as for `tls.ssl_context`. `account` is the account's name, where it is known before the first token.
        """
        self.quota_project = quota_project
        self._user_name = user_name
        self._scope = scope
        self._load_source = load_source
        self._account = account
        self._ca_file = ca_file
        self._ssl_context: ssl.SSLContext | None = None
        self._source: Any = None
        self._outage = outage
        self._has_answered = False
        self._clock = clock
        self._current: Credential | None = None
        self._valid_until = 0.0
        self._flights: SingleFlight[str, Credential] = SingleFlight()
        self._lockout = LockoutGuard()

    @classmethod
    def from_key_file(
        cls,
        user_name: str,
        key_file: Path,
        scope: str,
        *,
        outage: OutageDetector,
        ca_file: Path | None = None,
        impersonation: Impersonation | None = None,
    ) -> Self:
        """Tokens of a service account's key. Blocks on the disk. Raises CredentialsError."""
        from google.oauth2 import service_account

        key = read_service_account_key(key_file)
        try:
            source = service_account.Credentials.from_service_account_info(key, scopes=[oauth_scope(scope)])  # type: ignore[no-untyped-call]
        except ValueError as exc:
            # google-auth's own message names the missing fields; the cryptography library's may quote the private key
            message = printable(str(exc)) if "missing fields" in str(exc) else "its private_key cannot be read"
            raise CredentialsError(f"{key_file}: not a whole service account key: {message}") from None
        return cls(
            user_name,
            scope=oauth_scope(scope),
            load_source=partial(_impersonated, source, oauth_scope(scope), impersonation),
            outage=outage,
            quota_project=QuotaProject.find(os.environ, key_file),
            ca_file=ca_file,
            account=str(key.get("client_email", "")) if impersonation is None else impersonation.account,
        )

    @classmethod
    def from_environment(
        cls,
        user_name: str,
        scope: str,
        *,
        outage: OutageDetector,
        ca_file: Path | None = None,
        impersonation: Impersonation | None = None,
    ) -> Self:
        """Tokens of the Application Default Credentials. Blocks on the disk. Raises CredentialsError.

        They are searched when the first token is needed: the file that GOOGLE_APPLICATION_CREDENTIALS names, gcloud's
        login, or the metadata server (google-auth, `google.auth.default`).
        """
        return cls(
            user_name,
            scope=oauth_scope(scope),
            load_source=partial(_default_source, oauth_scope(scope), impersonation),
            outage=outage,
            quota_project=QuotaProject.find(os.environ, _default_credentials_file()),
            ca_file=ca_file,
            account="" if impersonation is None else impersonation.account,
        )

    @property
    def account(self) -> str:
        """The account's name, "" while it is unknown.

        The metadata server names the account with the first token; until then google-auth calls it `default`
        (google/auth/compute_engine/credentials.py).
        """
        if self._account:
            return self._account
        name = getattr(self._source, "service_account_email", None) or getattr(self._source, "account", None)
        return name if isinstance(name, str) and name != "default" else ""

    @property
    def at_hand(self) -> Credential | None:
        return self._current if self._clock() < self._valid_until else None

    async def get(self) -> Credential | None:
        return self.at_hand or await self._flights.do(self._scope, self._renew)

    async def refresh(self, refused: Credential) -> Credential | None:
        if self._current == refused:
            self._current = None
        fresh = await self.get()
        return None if fresh == refused else fresh

    async def _renew(self) -> Credential:
        """A new token. Where Google's token endpoint is down, waits for it as the outage detector allows.

        The outage detector probes with the exchange itself: a probe that succeeds has the token already.
        """
        probed: list[Credential] = []
        has_probed = False

        async def probe() -> bool:
            nonlocal has_probed
            has_probed = True
            try:
                probed.append(await self._exchange())
            except TokenUnavailableError:
                return False
            return True

        while True:
            try:
                return await self._exchange()
            except TokenUnavailableError as exc:
                canary = Canary(answers=probe, is_own=True, has_answered=self._has_answered)
                await self._outage.probe(_PARTY, str(exc), canary)
                if probed:
                    return probed[0]
                if has_probed:  # an endpoint that has never answered is not waited for long
                    raise

    async def _exchange(self) -> Credential:
        requested_at = self._clock()
        try:
            token, lifetime_s = await anyio.to_thread.run_sync(self._exchange_in_thread, abandon_on_cancel=True)
        except TokenUnavailableError:
            # google-auth keeps what it asked of a metadata server that was not up yet: begin again from nothing
            self._source = None
            raise
        except CredentialsError as exc:
            self._lockout.on_failure(exc)
            raise
        self._lockout.on_success()
        self._has_answered = True
        self._current = Credential(self._user_name, token)
        self._valid_until = requested_at + lifetime_s - renewal_margin(lifetime_s)
        return self._current

    def _exchange_in_thread(self) -> tuple[str, float]:
        """A new access token and its lifetime in seconds."""
        from google.auth.transport.requests import Request

        # imported late, because requests is slow to import and only crawls with Google's tokens need it
        from crawler.auth.google_session import GoogleSession

        if self._source is None:
            self._source = self._load_source()
        if self._ssl_context is None:
            try:
                self._ssl_context = ssl_context(self._ca_file)
            except OSError as exc:  # this process can open no more files just now
                raise TokenUnavailableError(f"the certificates of CAs cannot be read: {exc.strerror}") from None
        session = GoogleSession(self._ssl_context, self.quota_project)
        with session, _mapped_exceptions(self._facts(session)):
            request = partial(Request(session), timeout=_EXCHANGE_TIMEOUT_S)
            self._source.refresh(request)
        if not self._source.token:
            raise CredentialsError(f"no access token for scope {self._scope}: the response has none")
        return self._source.token, _lifetime_s(self._source.expiry)

    def _facts(self, session: Any) -> TokenExchange:
        return TokenExchange(
            scope=self._scope,
            account=getattr(self._source, "service_account_email", None) or "",
            quota_project=self.quota_project,
            clock_offset=lambda: session.clock_offset,
        )


def default_credentials_place() -> str:
    """Where google-auth finds the Application Default Credentials, for people. Blocks on the disk."""
    file = _default_credentials_file()
    if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return f"GOOGLE_APPLICATION_CREDENTIALS: {printable(str(file))}"
    return f"gcloud's login: {printable(str(file))}" if file.is_file() else "the metadata server"


def _default_credentials_file() -> Path:
    """Where google-auth looks for the Application Default Credentials' file."""
    from google.auth import _cloud_sdk

    named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    return Path(named or _cloud_sdk.get_application_default_credentials_path())  # type: ignore[no-untyped-call]


def _default_source(scope: str, impersonation: Impersonation | None) -> Any:
    """The Application Default Credentials, as google-auth finds them."""
    import google.auth
    from google.auth.credentials import with_scopes_if_required

    with _mapped_exceptions(TokenExchange(scope=scope)):
        # Scopes are not passed to default(): with scopes it fetches a token, and with that the project's name, which is
        # not needed here. It does both without the crawler's session and time-out, and hides failures.
        source, _ = _complete_file(google.auth.default)
        scoped = with_scopes_if_required(source, [scope])  # type: ignore[no-untyped-call]
    return _impersonated(scoped, scope, impersonation)


def _impersonated(source: Any, scope: str, impersonation: Impersonation | None) -> Any:
    if impersonation is None:
        return source
    from google.auth import impersonated_credentials

    with _mapped_exceptions(TokenExchange(scope=scope)):
        return impersonated_credentials.Credentials(  # type: ignore[no-untyped-call]
            source_credentials=source,
            target_principal=impersonation.account,
            target_scopes=[scope],
            iam_endpoint_override=impersonation.url,
        )


def _complete_file(load: Callable[[], T]) -> T:
    """What `load` returns. google-auth raises KeyError and the like for a file that lacks a field."""
    from google.auth.exceptions import GoogleAuthError

    try:
        return load()
    except GoogleAuthError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError):
        raise CredentialsError(
            "the file of the Application Default Credentials lacks a field, or has one of another type: "
            "make it again with `gcloud auth application-default login`"
        ) from None


def _lifetime_s(expiry: datetime | None) -> float:
    """The remaining lifetime of a new token. google-auth computes `expiry` by the wall clock, which may have leapt."""
    if expiry is None:
        return _DEFAULT_LIFETIME_S
    left = (expiry.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()
    return left if 0 < left <= _DEFAULT_LIFETIME_S else _DEFAULT_LIFETIME_S


@contextmanager
def _mapped_exceptions(exchange: TokenExchange) -> Iterator[None]:
    """Turn google-auth's exceptions into CredentialsErrors of one line, or TokenUnavailableErrors."""
    from google.auth import exceptions

    try:
        yield
    except exceptions.DefaultCredentialsError as exc:
        raise default_credentials_error(message_of(exc)) from None
    except exceptions.TransportError as exc:
        if _CERTIFICATE_ERROR in message_of(exc):
            raise CredentialsError(f"{_CERTIFICATE_HINT}: {message_of(exc)}") from None
        raise TokenUnavailableError(f"Google's token endpoint cannot be reached: {message_of(exc)}") from None
    except (exceptions.RefreshError, exceptions.OAuthError) as exc:
        if _is_transient(exc):
            raise TokenUnavailableError(f"Google's token endpoint issues no token: {message_of(exc)}") from None
        raise exchange.error_from(message_of(exc), str(exc.args[-1]) if exc.args else "") from None
    except exceptions.GoogleAuthError as exc:
        raise CredentialsError(f"no access token for scope {exchange.scope}: {message_of(exc)}") from None
    except OSError as exc:
        file = printable(str(exc.filename))
        raise CredentialsError(f"the credentials need a file that cannot be read: {file}: {exc.strerror}") from None


def _is_transient(exc: Any) -> bool:
    """Whether a later exchange may succeed.

    google-auth itself retries 408, 429, 500, 503 and 504, and marks their exceptions `retryable`. It does not mark 502,
    which comes as an HTML page, nor failures of its metadata client (googleapis/google-auth-library-python#604).
    """
    from google.auth.exceptions import TransportError

    arguments = [str(argument) for argument in exc.args]
    if exc.retryable or isinstance(exc.__cause__, TransportError) or any(map(is_page, arguments)):
        return True
    return arguments[:1] == [NOT_IMPERSONATED] and parse_error_body(arguments[-1].encode(), 0).code in _TRANSIENT_CODES
