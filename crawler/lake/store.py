"""Where the objects of a lake are kept: in a folder or in object storage, by the scheme of the lake's URL."""

from collections.abc import Mapping
from mmap import mmap
from typing import Protocol
from urllib.parse import urlsplit

from crawler.errors import ConfigError

Content = bytes | mmap
"""What an object holds; of a large file a map, so that it is not copied into memory."""


class Store(Protocol):
    """The objects below a lake's URL. An object appears whole or not at all. Every method may raise LakeError."""

    def create(self, name: str, content: Content) -> bool:
        """Create an object. False: it was there already, and is as it was."""
        ...

    def replace(self, name: str, content: Content) -> None:
        """Put an object in the place of another one."""
        ...

    def size(self, name: str) -> int | None:
        """An object's bytes; None where it is not there."""
        ...

    def read(self, name: str) -> bytes | None:
        """An object's content; None where it is not there."""
        ...


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
