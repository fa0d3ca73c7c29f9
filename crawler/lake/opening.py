"""Where the objects of a lake are kept: in a folder or in object storage, by the scheme of the URL."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from crawler.errors import ConfigError
from crawler.lake.store import Store
from crawler.lake.versioned import VersionedStore

if TYPE_CHECKING:
    from crawler.lake.delta import DeltaLake


def open_store(url: str, environ: Mapping[str, str]) -> Store:
    """The store at a lake's URL, without a request yet. `environ` has the provider's endpoint and credentials.

    Raises ConfigError where the environment makes no sense for this provider.
    """
    scheme = urlsplit(url).scheme
    if scheme == "file":
        from crawler.lake.folder import FolderStore

        return FolderStore.at(url)
    if scheme in {"s3", "gs", "az"}:
        from crawler.lake.objects import ObjectStore

        return ObjectStore.at(url, environ)
    raise ConfigError([f"{url}: a lake's URL begins with s3://, gs://, az:// or file://"])


def open_versioned(url: str, environ: Mapping[str, str]) -> tuple[VersionedStore, str]:
    """The store that an object's URL is in, without a request yet, and the object's name there.

    Raises ConfigError where the environment makes no sense for this provider.
    """
    parts = urlsplit(url)
    folder, _, name = parts.path.rpartition("/")
    return open_versioned_store(f"{parts.scheme}://{parts.netloc}{folder}", environ), unquote(name)


def open_versioned_store(url: str, environ: Mapping[str, str]) -> VersionedStore:
    """The store at a URL, see `open_versioned`."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        from crawler.lake.versioned_files import VersionedFiles

        return VersionedFiles(Path(unquote(parts.path)))
    from crawler.lake.versioned_objects import VersionedObjects

    return VersionedObjects.at(url, environ)


def open_delta(url: str, environ: Mapping[str, str]) -> "DeltaLake":
    """The Delta tables of a lake, without a request yet. Raises ConfigError where deltalake is not installed."""
    try:
        from crawler.lake.delta import DeltaLake
    except ModuleNotFoundError as exc:
        if exc.name != "deltalake":
            raise
        raise ConfigError(["lake.format delta needs deltalake: pip install 'registry-crawler[delta]'"]) from None
    return DeltaLake(url, environ)
