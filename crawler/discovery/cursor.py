"""Lists whose pages say in their bodies how to ask for the next, kept from leading in circles."""

from crawler.errors import UnusableResponse
from crawler.registry.pager import MAX_PAGES
from crawler.transport.messages import Request


class Cursor:
    """Where a list goes on: `token` asks for its next page, until it `is_over`.

    A token, or an address, is what the page before said; `first` is what asks for the first.
    """

    def __init__(self, first: str = "") -> None:
        self.token = first
        self.is_over = False
        self._seen = {first} - {""}

    def follow(self, token: str, address: str) -> None:
        """Go on to the page that the one from `address` names. Raises UnusableReply for one that leads nowhere."""
        if token in self._seen or len(self._seen) >= MAX_PAGES:
            message = "its next page is an earlier one" if token in self._seen else f"no end after {MAX_PAGES} pages"
            raise UnusableResponse(Request(url=address).summary, code="PAGES", message=message, http_status=200)
        self._seen.add(token)
        self.token = token
        self.is_over = not token
