"""Google's credentials: a service account's key, or what the environment provides. The only door to google-auth.

google-auth signs and exchanges, synchronously and in a worker thread; we decide when, one flight at a time.
"""

import json
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
from crawler.auth.google_refusals import NOT_IMPERSONATED, Exchange, is_page, message_of
from crawler.auth.lockout import LockoutGuard
from crawler.auth.quota_project import QuotaProject
from crawler.auth.single_flight import SingleFlight
from crawler.errors import CredentialsError
from crawler.transport.messages import Purpose
from crawler.transport.outage import Canary, OutageDetector
from crawler.transport.tls import ssl_context
from crawler.untrusted_text import printable
from crawler.wire.error_body import parse_error_body

REGISTRY_TOKEN_USER: Final = "_token"  # noqa: S105  (Google's names for kinds of password, not passwords)
ACCESS_TOKEN_USER: Final = "oauth2accesstoken"  # noqa: S105
JSON_KEY_USER: Final = "_json_key"

_SCOPES: Final = "https://www.googleapis.com/auth/"
_EXCHANGE_TIMEOUT_S: Final = 20
_USUAL_LIFETIME_S: Final = 3600.0

_NO_DEFAULT: Final = "default credentials were not found"
"""google-auth's words where nothing is set up, as against something that cannot be used."""
_UNTRUSTED: Final = "CERTIFICATE_VERIFY_FAILED"
_UNTRUSTED_HINT: Final = (
    "Google's token endpoint, or a proxy before it, shows a certificate of an untrusted authority (--ca-file names "
    "those to trust)"
)
_BUSY_STATUSES: Final = frozenset({"UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"})
"""google.rpc.Code's names for what passes."""

_PARTY: Final = (Purpose.TOKEN, "Google's token endpoint")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Impersonation:
    """The service account to be in place of whoever the credentials are of, and the origin of IAM's API."""

    account: str
    iam_credentials: str

    @property
    def endpoint(self) -> str:
        account = quote(self.account, safe="@")
        return f"{self.iam_credentials}/v1/projects/-/serviceAccounts/{account}:generateAccessToken"


def oauth_scope(name: str) -> str:
    """An OAuth scope's full address, from its short name or as it stands."""
    return name if "://" in name else _SCOPES + name


def json_key_credential(key_file: Path) -> Credential:
    """The user `_json_key`, whose password is the key file's content. Raises CredentialsError."""
    return Credential(JSON_KEY_USER, json.dumps(_read_key(key_file), separators=(",", ":")))


class _NotNowError(CredentialsError):
    """No token, for a reason that may pass: an endpoint that is away, or a metadata server that is not up yet."""


class AccessTokens:
    """OAuth2 access tokens as the password of a Basic user, renewed before they expire.

    Made of a service account's key, or of Application Default Credentials: the environment's key, gcloud's user,
    workload identity, or the metadata server, as google-auth finds them. Raises CredentialsError, in one line; GaveUp
    where the same credentials were refused too often.
    """

    def __init__(
        self,
        user_name: str,
        *,
        scope: str,
        find: Callable[[], Any],
        outage: OutageDetector,
        quota_project: QuotaProject | None,
        ca_file: Path | None = None,
        named: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`find` gives google-auth's credentials: from the disk, and maybe from the metadata server.

        `quota_project` is for all of Google's APIs, IAM's among them. `ca_file` holds the authorities that we trust,
        as `certificates.ssl_context` has it. `named` is the account's name, where it is known before the first token.
        """
        self.quota_project = quota_project
        self._user_name = user_name
        self._scope = scope
        self._find = find
        self._named = named
        self._ca_file = ca_file
        self._authorities: ssl.SSLContext | None = None
        self._source: Any = None
        self._outage = outage
        self._has_answered = False
        self._clock = clock
        self._current: Credential | None = None
        self._good_until = 0.0
        self._flights: SingleFlight[str, Credential] = SingleFlight()
        self._lockout = LockoutGuard()

    @classmethod
    def of_key(
        cls,
        user_name: str,
        key_file: Path,
        scope: str,
        *,
        outage: OutageDetector,
        ca_file: Path | None = None,
        impersonation: Impersonation | None = None,
    ) -> Self:
        """Read the key, whose account may stand in for another; blocks on the disk."""
        from google.oauth2 import service_account

        key = _read_key(key_file)
        try:
            source = service_account.Credentials.from_service_account_info(key, scopes=[oauth_scope(scope)])  # type: ignore[no-untyped-call]
        except ValueError as fault:
            # google-auth's own words name the missing fields; those of the cryptography are kept out, near a secret
            words = printable(str(fault)) if "missing fields" in str(fault) else "its private_key cannot be read"
            raise CredentialsError(f"{key_file}: not a whole service account key: {words}") from None
        find = partial(_impersonating, source, oauth_scope(scope), impersonation)
        named = str(key.get("client_email", "")) if impersonation is None else impersonation.account
        return cls(
            user_name,
            scope=oauth_scope(scope),
            find=find,
            outage=outage,
            quota_project=QuotaProject.find(os.environ, key_file),
            ca_file=ca_file,
            named=named,
        )

    @classmethod
    def of_environment(
        cls,
        user_name: str,
        scope: str,
        *,
        outage: OutageDetector,
        ca_file: Path | None = None,
        impersonation: Impersonation | None = None,
    ) -> Self:
        """Application Default Credentials, to be found when the first token is wanted; blocks on the disk."""
        return cls(
            user_name,
            scope=oauth_scope(scope),
            find=partial(_of_environment, oauth_scope(scope), impersonation),
            outage=outage,
            quota_project=QuotaProject.find(os.environ, _default_file()),
            ca_file=ca_file,
            named="" if impersonation is None else impersonation.account,
        )

    @property
    def account(self) -> str:
        """Whose tokens these are, "" where the credentials do not say: on Google's machines not before the first token.

        Until then they say `default` (google-auth, compute_engine.Credentials).
        """
        if self._named:
            return self._named
        named = getattr(self._source, "service_account_email", None) or getattr(self._source, "account", None)
        return named if isinstance(named, str) and named != "default" else ""

    async def get(self) -> Credential | None:
        if self._current is not None and self._clock() < self._good_until:
            return self._current
        return await self._flights.do(self._scope, self._renew)

    async def refresh(self, refused: Credential) -> Credential | None:
        if self._current == refused:
            self._current = None
        fresh = await self.get()
        return None if fresh == refused else fresh

    async def _renew(self) -> Credential:
        """A fresh token, waited for while Google's endpoint is away: that is no refusal."""
        renewed: list[Credential] = []
        asked: list[float] = []

        async def answers() -> bool:
            asked.append(self._clock())
            try:
                renewed.append(await self._exchanged())
            except _NotNowError:
                return False
            return True

        while True:
            try:
                return await self._exchanged()
            except _NotNowError as exc:
                canary = Canary(answers=answers, is_own=True, has_answered=self._has_answered)
                await self._outage.probe(_PARTY, str(exc), canary)
                if renewed:
                    return renewed[0]
                if asked:  # at first contact it is not waited for long
                    raise

    async def _exchanged(self) -> Credential:
        asked = self._clock()
        try:
            token, lifetime_s = await anyio.to_thread.run_sync(self._exchange, abandon_on_cancel=True)
        except _NotNowError:
            self._source = None  # what google-auth has half learned of a metadata server is not to be built on
            raise
        except CredentialsError as error:
            self._lockout.on_failure(error)
            raise
        self._lockout.on_success()
        self._has_answered = True
        self._current = Credential(self._user_name, token)
        self._good_until = asked + lifetime_s - renewal_margin(lifetime_s)
        return self._current

    def _exchange(self) -> tuple[str, float]:
        """In the worker thread: a fresh access token and its lifetime in seconds."""
        from google.auth.transport.requests import Request

        # requests, too, is loaded by those alone who ask Google for tokens
        from crawler.auth.google_session import GoogleSession

        if self._source is None:
            self._source = self._find()
        if self._authorities is None:
            self._authorities = ssl_context(self._ca_file)
        session = GoogleSession(self._authorities, self.quota_project)
        with session, _one_line_error(self._exchange_by(session)):
            request = partial(Request(session), timeout=_EXCHANGE_TIMEOUT_S)
            self._source.refresh(request)
        if not self._source.token:
            raise CredentialsError(f"no access token for scope {self._scope}: the answer holds none")
        return self._source.token, _lifetime_s(self._source.expiry)

    def _exchange_by(self, session: Any) -> Exchange:
        return Exchange(
            scope=self._scope,
            account=getattr(self._source, "service_account_email", None) or "",
            quota_project=self.quota_project,
            ahead_by=lambda: session.ahead_by,
        )


def _default_file() -> Path:
    """Where google-auth looks for the Application Default Credentials' file."""
    from google.auth import _cloud_sdk

    named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    return Path(named or _cloud_sdk.get_application_default_credentials_path())  # type: ignore[no-untyped-call]


def _of_environment(scope: str, impersonation: Impersonation | None) -> Any:
    """Application Default Credentials, as google-auth finds them."""
    import google.auth
    from google.auth.credentials import with_scopes_if_required

    with _one_line_error(Exchange(scope=scope)):
        # with scopes default() would ask Google for a token, and then for the name of the project, which we have
        # no use for: at addresses of its own, without a word on failure, and for as long as it takes
        source, _ = _flattened(google.auth.default)
        scoped = with_scopes_if_required(source, [scope])  # type: ignore[no-untyped-call]
    return _impersonating(scoped, scope, impersonation)


def _impersonating(source: Any, scope: str, impersonation: Impersonation | None) -> Any:
    if impersonation is None:
        return source
    from google.auth import impersonated_credentials

    with _one_line_error(Exchange(scope=scope)):
        return impersonated_credentials.Credentials(  # type: ignore[no-untyped-call]
            source_credentials=source,
            target_principal=impersonation.account,
            target_scopes=[scope],
            iam_endpoint_override=impersonation.endpoint,
        )


def _flattened(find: Callable[[], T]) -> T:
    """What google-auth finds, which stumbles over files that lack a field."""
    from google.auth.exceptions import GoogleAuthError

    try:
        return find()
    except GoogleAuthError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError):
        raise CredentialsError(
            "the file of the Application Default Credentials lacks a field, or has one of another kind: "
            "make it again, as `gcloud auth application-default login` does"
        ) from None


def _lifetime_s(expiry: datetime | None) -> float:
    """How long a token lives that was made just now; by the wall clock, which may leap while it is read."""
    if expiry is None:
        return _USUAL_LIFETIME_S
    left = (expiry.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()
    return left if 0 < left <= _USUAL_LIFETIME_S else _USUAL_LIFETIME_S


def _read_key(key_file: Path) -> dict[str, Any]:
    try:
        key = json.loads(key_file.read_bytes())
    except OSError as fault:
        raise CredentialsError(f"{key_file}: the key file cannot be read: {fault.strerror}") from None
    except (ValueError, RecursionError):
        raise CredentialsError(f"{key_file}: the key file is not JSON; give the file that Google made") from None
    if not isinstance(key, dict) or key.get("type") != "service_account":
        raise CredentialsError(
            f"{key_file}: not a service account's key; other kinds of file go into GOOGLE_APPLICATION_CREDENTIALS"
        )
    return key


@contextmanager
def _one_line_error(exchange: Exchange) -> Iterator[None]:
    """google-auth's failures in our words: what was asked of whom, what came back, what to do."""
    from google.auth import exceptions

    try:
        yield
    except exceptions.DefaultCredentialsError as fault:
        raise _no_default(message_of(fault)) from None
    except exceptions.TransportError as fault:
        if _UNTRUSTED in message_of(fault):
            raise CredentialsError(f"{_UNTRUSTED_HINT}: {message_of(fault)}") from None
        raise _NotNowError(f"Google's token endpoint cannot be reached: {message_of(fault)}") from None
    except (exceptions.RefreshError, exceptions.OAuthError) as fault:
        if _is_transient(fault):
            raise _NotNowError(f"Google's token endpoint gives no token: {message_of(fault)}") from None
        raise exchange.refusal(message_of(fault), str(fault.args[-1]) if fault.args else "") from None
    except exceptions.GoogleAuthError as fault:
        raise CredentialsError(f"no access token for scope {exchange.scope}: {message_of(fault)}") from None
    except OSError as fault:
        words = f"{printable(str(fault.filename))}: {fault.strerror}"
        raise CredentialsError(f"the credentials want a file that cannot be read: {words}") from None


def _is_transient(fault: Any) -> bool:
    """Whether a token that was not given may be given later.

    google-auth retries 500, 503, 504, 408 and 429 by itself and says so by `retryable`, but neither 502, which comes
    as a page for people, nor what its metadata client met (googleapis/google-auth-library-python#604).
    """
    from google.auth.exceptions import TransportError

    said = [str(argument) for argument in fault.args]
    if fault.retryable or isinstance(fault.__cause__, TransportError) or any(map(is_page, said)):
        return True
    return said[:1] == [NOT_IMPERSONATED] and parse_error_body(said[-1].encode(), 0).code in _BUSY_STATUSES


def _expects_metadata() -> bool:
    """Whether this is a place with a metadata server, which in a pod of GKE is not up in the first seconds."""
    off = os.environ.get("NO_GCE_CHECK", "").lower() == "true"
    return not off and any(name in os.environ for name in ("GCE_METADATA_HOST", "KUBERNETES_SERVICE_HOST"))


def _no_default(said: str) -> CredentialsError:
    if _NO_DEFAULT in said and _expects_metadata():
        return _NotNowError(
            "no key file is named, there are no Application Default Credentials, and the metadata server does not "
            "answer: give --key-file, or check the pod's workload identity"
        )
    if _NO_DEFAULT in said:
        return CredentialsError(
            "no key file is named, and there are no Application Default Credentials: give --key-file, "
            "or run `gcloud auth application-default login`"
        )
    return CredentialsError(f"the Application Default Credentials cannot be used: {said}")
