"""The HTTP session that google-auth asks through: proxies, authorities and the quota project as everywhere else here.

Left to itself, requests reads NO_PROXY, REQUESTS_CA_BUNDLE and ~/.netrc in its own ways.
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
"""How the addresses of IAM's API end that counts against a quota; token endpoints do not."""

_PORTS: Final = {"http": 80, "https": 443}


class GoogleSession(requests.Session):
    """Made for one exchange. `authorities` says whom we trust. Raises CredentialsError for a proxy of no use."""

    def __init__(self, authorities: ssl.SSLContext, quota_project: QuotaProject | None) -> None:
        super().__init__()
        self.trust_env = False
        self.ahead_by: timedelta | None = None
        """How far this machine's clock is ahead of the server's that answered last; None before the first answer."""
        self.hooks["response"].append(self._compare_clocks)
        self.auth = _naming(quota_project)
        proxies = Proxies.from_environment()
        self.mount("http://", _Adapter(None, proxies))
        self.mount("https://", _Adapter(authorities, proxies))

    def _compare_clocks(self, response: requests.Response, **_: Any) -> None:
        try:
            date = parsedate_to_datetime(response.headers.get("Date", ""))
        except ValueError:
            return
        self.ahead_by = datetime.now(UTC) - (date if date.tzinfo else date.replace(tzinfo=UTC))


def _naming(quota_project: QuotaProject | None) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Names the quota project to IAM, where google-auth has not named one by itself."""

    def name(request: requests.PreparedRequest) -> requests.PreparedRequest:
        if quota_project is not None and (request.url or "").endswith(_IMPERSONATION):
            request.headers.setdefault(*quota_project.header)
        return request

    return name


class _Adapter(HTTPAdapter):
    """Connections through our proxies, to whom our context trusts."""

    def __init__(self, context: ssl.SSLContext | None, proxies: Proxies | None) -> None:
        self._context = context
        self._proxies = proxies
        self._headers: dict[str, Mapping[str, str]] = {}
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options, ssl_context=self._context)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, **options, ssl_context=self._context)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        conn.ca_certs = None  # those of requests would be trusted as well

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        return dict(self._headers[proxy])

    def _proxy(self, url: SplitResult, proxies: Proxies) -> Proxy | None:
        """The proxy for an address; none for the metadata server, which only this machine reaches."""
        try:
            check_host(url.hostname or "")
        except ForbiddenAddressError:
            return None
        return proxies.proxy(url.scheme, url.hostname or "", url.port or _PORTS.get(url.scheme))

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        url = urlsplit(request.url or "")
        proxy = None
        if self._proxies is not None:
            proxy = self._proxy(url, self._proxies)
        if proxy is not None:
            self._headers[proxy.url] = proxy.headers
        options["proxies"] = {} if proxy is None else {url.scheme: proxy.url}
        return super().send(request, *arguments, **options)
