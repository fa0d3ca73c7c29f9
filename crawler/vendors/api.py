"""What a product's own API can be asked."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from crawler.model.names import RepositoryName
from crawler.model.record import Listing, NamePage
from crawler.model.run_manifest import Evidence


class NamesApi(Protocol):
    """Lists the names of the target's repositories, once."""

    def pages(self) -> AsyncIterator[NamePage]:
        """The pages of names, which are whole names as the registry has them, each with its listing where that came.

        Raises RegistryError, CredentialsError and GaveUp.
        """

    def evidence(self, listed: int) -> Evidence:
        """What the pages prove. Valid after the last page; `listed` is how many different names they had.

        No name at all proves nothing. The text says which API listed how many repositories of what.
        """


class ImagesApi(Protocol):
    """Lists the images of one repository after the other."""

    async def listing(self, name: RepositoryName) -> Listing:
        """The tags and images of a repository; null for what the API does not tell.

        `suspect` says why it may be less than the registry has, such as a count that the API names and does not list.
        Raises RegistryError, CredentialsError and GaveUp.
        """


class ManifestsApi(Protocol):
    """Reads the manifests of one repository, many in one exchange.

    Attributes:
        batch_size: the most manifests of one exchange.
    """

    @property
    def batch_size(self) -> int: ...

    async def manifests(self, name: RepositoryName, digests: Sequence[str]) -> Mapping[str, "RawManifest"]:
        """The manifests of at most `batch_size` digests; those that do not come are left out.

        A body is as the API sent it: the caller compares its digest. Raises RegistryError, CredentialsError and GaveUp.
        """


@dataclass(frozen=True, slots=True)
class RawManifest:
    """The bytes of a manifest, and its media type where the API names it."""

    body: bytes
    media_type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorApi:
    """The parts of a product's API. None: it has no such part, or lacks what it needs (see `products`)."""

    names: NamesApi | None = None
    images: ImagesApi | None = None
    manifests: ManifestsApi | None = None
