"""The HTTP session that google-auth sends its requests by: the crawler's own proxies, CAs and quota project.

Without it, requests applies NO_PROXY, REQUESTS_CA_BUNDLE and ~/.netrc by rules of its own, which differ from those of
the crawl, and a token exchange could leave by another way than the listings that it is for.
"""

import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import requests
from requests.adapters import HTTPAdapter

from crawler.auth.quota_project import QuotaProject
from crawler.transport.proxies import Proxies, Proxy
from crawler.transport.ssrf import ForbiddenAddressError, check_host

_IMPERSONATION: Final = ":generateAccessToken"
"""How the URLs of IAM's API end, which counts against a quota project; token endpoints do not."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class GoogleSession(requests.Session):
    """A session for one token exchange. Raises CredentialsError for a proxy that cannot be used.

    `context` has the trusted CAs.

    Attributes:
        clock_offset: how far this machine's clock is ahead of that of the server that answered last, by its `Date`
            header; None before the first response.
    """

    def __init__(self, context: ssl.SSLContext, quota_project: QuotaProject | None) -> None:
        super().__init__()
        self.trust_env = False
        self.clock_offset: timedelta | None = None
        self.hooks["response"].append(self._compare_clocks)
        self.auth = _quota_project_auth(quota_project)
        proxies = Proxies.from_environment()
        self.mount("http://", _Adapter(None, proxies))
        self.mount("https://", _Adapter(context, proxies))

    def _compare_clocks(self, response: requests.Response, **_: Any) -> None:
        try:
            date = parsedate_to_datetime(response.headers.get("Date", ""))
        except ValueError:
            return
        self.clock_offset = datetime.now(UTC) - (date if date.tzinfo else date.replace(tzinfo=UTC))


def _quota_project_auth(
    quota_project: QuotaProject | None,
) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Adds the quota project to requests to IAM, unless google-auth has added one itself.

    Takes the place of requests' `auth`, which would otherwise read passwords from ~/.netrc.
    """

    def add_header(request: requests.PreparedRequest) -> requests.PreparedRequest:
        if quota_project is not None and (request.url or "").endswith(_IMPERSONATION):
            request.headers.setdefault(*quota_project.header)
        return request

    return add_header


class _Adapter(HTTPAdapter):
    """Connections by the crawler's proxies, with the crawler's SSL context."""

    def __init__(self, context: ssl.SSLContext | None, proxies: Proxies | None) -> None:
        self._context = context
        self._proxies = proxies
        self._headers_by_proxy: dict[str, Mapping[str, str]] = {}
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options, ssl_context=self._context)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, **options, ssl_context=self._context)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        conn.ca_certs = None  # else requests' own CAs (certifi) would be trusted beside those of the context

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        return dict(self._headers_by_proxy[proxy])

    def _proxy(self, url: SplitResult, proxies: Proxies) -> Proxy | None:
        """The proxy for a URL; None for the metadata server (169.254.169.254), which no proxy reaches."""
        try:
            check_host(url.hostname or "")
        except ForbiddenAddressError:
            return None
        return proxies.proxy(url.scheme, url.hostname or "", url.port or _DEFAULT_PORTS.get(url.scheme))

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        url = urlsplit(request.url or "")
        proxy = None
        if self._proxies is not None:
            proxy = self._proxy(url, self._proxies)
        if proxy is not None:
            self._headers_by_proxy[proxy.url] = proxy.headers
        options["proxies"] = {} if proxy is None else {url.scheme: proxy.url}
        return super().send(request, *arguments, **options)
