"""A lake in object storage: S3 and its kin, Google Cloud Storage, Azure Blob Storage. The one door to obstore.

Credentials, region and endpoint come from the provider's own environment variables, as obstore reads them.
"""

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import from_url

from crawler.errors import ConfigError, LakeError
from crawler.lake.environment import allows_plain_http, check_environment
from crawler.lake.messages import lake_errors
from crawler.lake.store import Content
from crawler.untrusted_text import printable

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

CONNECT_TIMEOUT_S: Final = 10
TIMEOUT_S: Final = 60
_SLOWEST_BYTES_PER_S: Final = 500_000
"""A request has a minute, and as much more as its content takes at this speed."""

RETRIES: Final = 7
"""Their pauses double from a tenth of a second, so an outage of some seconds is no error."""

RETRY_TIMEOUT_S: Final = 120
"""After so many seconds nothing is sent again: a lake that is down costs some minutes, and no night."""

_READERS: Final = 16
"""How many small objects are read at once."""

_PAGE: Final = 1000
"""How many objects a page of a listing has."""

_ERRORS: Final = (BaseError, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """See `Store`. A create is one conditional request, so of two publishers one creates an object."""

    url: str
    environ: Mapping[str, str]

    @classmethod
    def at(cls, url: str, environ: Mapping[str, str]) -> Self:
        """Raises ConfigError where the environment makes no sense for this provider."""
        check_environment(url, environ)
        store = cls(url, environ)
        try:
            with lake_errors(f"lake {printable(url)}", _ERRORS, environ):
                store._client(0)
        except LakeError as exc:
            raise ConfigError([str(exc)]) from None
        return store

    def create(self, name: str, content: Content) -> bool:
        with self._lake_errors("create", name):
            try:
                obstore.put(self._client(len(content)), name, content, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return False
            return True

    def replace(self, name: str, content: Content) -> None:
        with self._lake_errors("replace", name):
            obstore.put(self._client(len(content)), name, content, mode="overwrite", use_multipart=False)

    def size(self, name: str) -> int | None:
        with self._lake_errors("look for", name):
            try:
                return obstore.head(self._client(0), name)["size"]
            except FileNotFoundError:
                return None

    def read(self, name: str) -> bytes | None:
        return self._read(self._client(0), name)

    def read_all(self, names: Collection[str]) -> dict[str, bytes]:
        client = self._client(0)
        with ThreadPoolExecutor(_READERS) as pool:
            contents = list(pool.map(partial(self._read, client), names))
        return {name: content for name, content in zip(names, contents, strict=True) if content is not None}

    def sizes(self, folder: str) -> dict[str, int]:
        with self._lake_errors("list", folder):
            pages = obstore.list(self._client(0), folder, chunk_size=_PAGE)
            return {each["path"]: each["size"] for page in pages for each in page}

    def delete(self, names: Collection[str]) -> None:
        client = self._client(0)
        with self._lake_errors("delete", f"{len(names):,} objects"):
            try:
                obstore.delete(client, list(names))
            except FileNotFoundError:  # Azure refuses to delete what is not there, and the rest may not be deleted yet
                for name in names:
                    with suppress(FileNotFoundError):
                        obstore.delete(client, name)

    def _read(self, client: Any, name: str) -> bytes | None:
        with self._lake_errors("read", name):
            try:
                return bytes(obstore.get(client, name).bytes())
            except FileNotFoundError:
                return None

    def _client(self, content_bytes: int) -> Any:
        """The client for one request. Its time-out is for the whole request, so a large one has a longer one."""
        client: ClientConfig = {
            "allow_http": allows_plain_http(self.url, self.environ),
            "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT_S),
            "timeout": timedelta(seconds=TIMEOUT_S + content_bytes / _SLOWEST_BYTES_PER_S),
        }
        retry: RetryConfig = {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_TIMEOUT_S)}
        return from_url(self.url, client_options=client, retry_config=retry)

    def _lake_errors(self, verb: str, name: str) -> AbstractContextManager[None]:
        return lake_errors(f"{printable(self.url)}: cannot {verb} {name}", _ERRORS, self.environ)
