"""Lists whose pages name the next page in their bodies, as Google's and Docker Hub's APIs do."""

from crawler.errors import UnusableResponse
from crawler.registry.pager import MAX_PAGES
from crawler.transport.messages import Request


class Cursor:
    """Where a list continues: `token` requests the next page, until `is_over`.

    A token is whatever the API uses: a page token (Google) or a URL (Docker Hub). `first` requests the first page.

    A server may name an earlier page as the next one, by mistake or on purpose. Without a guard, as in
    google/go-containerregistry (pkg/v1/remote/list.go), such a list is read forever.
    """

    def __init__(self, first: str = "") -> None:
        self.token = first
        self.is_over = False
        self._seen = {first} - {""}

    def follow(self, token: str, url: str) -> None:
        """Continue with the token that the page from `url` named; "" ends the list.

        Raises UnusableResponse if the token was used before, or if the list has too many pages.
        """
        if token in self._seen or len(self._seen) >= MAX_PAGES:
            message = "the next page is an earlier page" if token in self._seen else f"no end after {MAX_PAGES:,} pages"
            raise UnusableResponse(Request(url=url).summary, code="PAGES", message=message, http_status=200)
        self._seen.add(token)
        self.token = token
        self.is_over = not token

    def stop(self) -> None:
        """End the list before its last page."""
        self.is_over = True
