"""The referrers of a manifest, by the registry's referrers API (distribution-spec, "Listing Referrers")."""

from dataclasses import dataclass
from typing import Final

from crawler.client import AuthenticatedClient
from crawler.errors import Missing, UnexpectedStatus
from crawler.model.image import Referrer
from crawler.model.names import RepositoryName
from crawler.registry.page_size import PageSizer
from crawler.registry.pager import Pager
from crawler.transport.messages import Headers, Purpose, Request
from crawler.wire.referrers import ReferrersPage, parse_referrers

_NO_API: Final = frozenset({404, 405, 406, 501})
_NO_API_CODES: Final = frozenset({"UNSUPPORTED", "METHOD_UNKNOWN"})
_IMAGE_UNKNOWN: Final = frozenset({"NAME_UNKNOWN", "MANIFEST_UNKNOWN", "MANIFEST_BLOB_UNKNOWN"})

_MAX_INDEX_BYTES: Final = 8 * 1024**2


@dataclass(frozen=True, slots=True)
class ReferrersList:
    """The referrers of one manifest, and why there may be more; None where the list was read to its end."""

    referrers: tuple[Referrer, ...]
    suspect: str | None


class Referrers:
    """The referrers API of one registry."""

    def __init__(self, base_url: str, client: AuthenticatedClient) -> None:
        """`base_url` is the URL of the registry's API, with a slash at its end."""
        self._base_url = base_url
        self._client = client

    async def of(self, name: RepositoryName, digest: str) -> ReferrersList | None:
        """The referrers of a manifest; None where the response says that the registry has no such API.

        A registry with the API answers a digest that it does not know with an empty list, and one without it 404
        (distribution-spec, "Enabling the Referrers API"): in plain text from distribution 2.8 and 3, with the code
        METHOD_UNKNOWN from go-containerregistry's server. Raises what `AuthenticatedClient.get` raises; Missing where
        the code says that it is the image that is not there (distribution-spec, "Error Codes").
        """

        async def read(url: str) -> tuple[Headers, ReferrersPage]:
            request = Request(
                url=url,
                accept="application/vnd.oci.image.index.v1+json",
                parse=parse_referrers,
                max_body_bytes=_MAX_INDEX_BYTES,
                purpose=Purpose.REFERRERS,
            )
            response = await self._client.send(request, f"repository:{name}:pull")
            return response.headers, response.value

        pager = Pager(f"{self._base_url}{name}/referrers/{digest}", read, PageSizer(None, frozenset()))
        try:
            first = await pager.first_page()
        except (Missing, UnexpectedStatus) as exc:
            if exc.code not in _IMAGE_UNKNOWN and (exc.http_status in _NO_API or exc.code in _NO_API_CODES):
                return None
            raise
        pages = [page async for page, _ in pager.pages_from(first)]
        found = {referrer.digest: referrer for page in pages for referrer in page.referrers}
        return ReferrersList(tuple(found.values()), None if pager.evidence.complete else pager.evidence.text)
