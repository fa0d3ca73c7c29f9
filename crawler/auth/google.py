"""Google's credentials: a service account's key, or what the environment provides. The only door to google-auth.

google-auth signs and exchanges, synchronously and in a worker thread; we decide when, one flight at a time.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import anyio.to_thread

from crawler.auth.basic import User
from crawler.auth.flight import Flights
from crawler.auth.strikes import Strikes
from crawler.auth.tokens import renewal_margin
from crawler.errors import CredentialsError, printable

REGISTRY_TOKEN_USER: Final = "_token"  # noqa: S105  (Google's names for kinds of password, not passwords)
ACCESS_TOKEN_USER: Final = "oauth2accesstoken"  # noqa: S105
JSON_KEY_USER: Final = "_json_key"

_SCOPES: Final = "https://www.googleapis.com/auth/"
_EXCHANGE_TIMEOUT_S: Final = 20
_USUAL_LIFETIME_S: Final = 3600.0


def oauth_scope(name: str) -> str:
    """An OAuth scope's full address, from its short name or as it stands."""
    return name if "://" in name else _SCOPES + name


def json_key_user(key_file: Path) -> User:
    """The user `_json_key`, whose password is the key file's content. Raises CredentialsError."""
    return User(JSON_KEY_USER, json.dumps(_read_key(key_file), separators=(",", ":")))


class AccessTokens:
    """OAuth2 access tokens as the password of a Basic user, renewed before they expire.

    Made of a service account's key, or of Application Default Credentials: the environment's key, gcloud's user,
    workload identity, or the metadata server, as google-auth finds them. Raises CredentialsError, in one line; GaveUp
    where the same credentials were refused too often.
    """

    def __init__(self, user_name: str, *, scope: str, source: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._user_name = user_name
        self._scope = scope
        self._source = source
        self._clock = clock
        self._current: User | None = None
        self._good_until = 0.0
        self._flights: Flights[str, User] = Flights()
        self._strikes = Strikes()

    @classmethod
    def of_key(cls, user_name: str, key_file: Path, scope: str) -> Self:
        """Read the key; blocks on the disk."""
        from google.oauth2 import service_account

        key = _read_key(key_file)
        try:
            source = service_account.Credentials.from_service_account_info(key, scopes=[oauth_scope(scope)])  # type: ignore[no-untyped-call]
        except ValueError as fault:
            # google-auth's own words name the missing fields; those of the cryptography are kept out, near a secret
            words = printable(str(fault)) if "missing fields" in str(fault) else "its private_key cannot be read"
            raise CredentialsError(f"{key_file}: not a whole service account key: {words}") from None
        return cls(user_name, scope=oauth_scope(scope), source=source)

    @classmethod
    def of_environment(cls, user_name: str, scope: str) -> Self:
        """Find Application Default Credentials; blocks on the disk, and maybe on the metadata server."""
        import google.auth

        with _in_one_line(oauth_scope(scope)):
            source, _ = google.auth.default(scopes=[oauth_scope(scope)])
        return cls(user_name, scope=oauth_scope(scope), source=source)

    async def user(self) -> User | None:
        if self._current is not None and self._clock() < self._good_until:
            return self._current
        return await self._flights.join(self._scope, self._renew)

    async def another(self, refused: User) -> User | None:
        if self._current == refused:
            self._current = None
        fresh = await self.user()
        return None if fresh == refused else fresh

    async def _renew(self) -> User:
        asked = self._clock()
        try:
            token, lifetime_s = await anyio.to_thread.run_sync(self._exchange, abandon_on_cancel=True)
        except CredentialsError as error:
            self._strikes.refused(error)
            raise
        self._strikes.granted()
        self._current = User(self._user_name, token)
        self._good_until = asked + lifetime_s - renewal_margin(lifetime_s)
        return self._current

    def _exchange(self) -> tuple[str, float]:
        """In the worker thread: a fresh access token and its lifetime in seconds."""
        import requests
        from google.auth.transport.requests import Request

        with requests.Session() as session, _in_one_line(self._scope):
            request = partial(Request(session), timeout=_EXCHANGE_TIMEOUT_S)
            self._source.refresh(request)
        return self._source.token, _lifetime_s(self._source.expiry)


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
def _in_one_line(scope: str) -> Iterator[None]:
    """google-auth's failures in our words: what was asked of whom, what came back, what to do."""
    from google.auth import exceptions

    try:
        yield
    except exceptions.DefaultCredentialsError:
        raise CredentialsError(
            "no key file is named, and there are no Application Default Credentials: give --key-file, "
            "or run `gcloud auth application-default login`"
        ) from None
    except exceptions.TransportError as fault:
        raise CredentialsError(f"Google's token endpoint cannot be reached: {printable(str(fault))}") from None
    except exceptions.RefreshError as fault:
        said = printable(str(fault.args[0]) if fault.args else "no reason given")
        if "invalid_scope" in said:
            raise CredentialsError(f"the OAuth scope {scope} is not one that Google knows: {said}") from None
        raise CredentialsError(f"Google refuses the credentials for scope {scope}: {said}") from None
    except exceptions.GoogleAuthError as fault:
        raise CredentialsError(f"no access token for scope {scope}: {printable(str(fault))}") from None
