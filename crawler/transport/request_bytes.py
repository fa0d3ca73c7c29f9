"""How a request becomes bytes, and where they go. With opening.py the door to yarl."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlencode

from yarl import URL

from crawler.transport.messages import Request
from crawler.transport.proxies import Proxies, Proxy
from crawler.transport.ssrf import check_host

_KEPT_HEADS: Final = 64
_KEPT_AUTHORIZATIONS: Final = 64
"""How many are kept: one for each token in use. A repository's own token is used once or twice."""

_KEPT_ORIGINS: Final = 1024
"""How many origins are kept: a registry that redirects each request to another host makes no more of them."""

_PLAIN_URL: Final = re.compile(r"(https?://[\w.:\[\]-]+)(/[!-\"$->@-~]*(?:\?[!-\"$-~]+)?)", re.ASCII)
"""A URL without peculiarities, which nearly all are: origin and request target can be cut from it."""

_FORBIDDEN: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""Characters that end a header, or that no header may have (RFC 9110 §5.5)."""


class NotHttpUrlError(ValueError):
    """A URL that no request can be sent to."""


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where requests go. There is one object for each server, which is compared by identity.

    Attributes:
        url: scheme, host and port.
        proxy: the proxy between; None without one.
        target_prefix: what the request target has before its path: the origin, for a proxy that reads the request.
    """

    url: URL
    proxy: Proxy | None
    target_prefix: str

    @property
    def proxy_url(self) -> URL | None:
        return None if self.proxy is None else URL(self.proxy.url)

    @property
    def proxy_headers(self) -> dict[str, str]:
        """Headers of each request, for a proxy that reads them; in a tunnel only CONNECT has them."""
        return dict(self.proxy.headers) if self.proxy is not None and self.target_prefix else {}


class RequestWriter:
    """Makes the bytes of requests. It keeps what the requests to one origin, with the same headers, have in common."""

    def __init__(self, user_agent: str, proxies: Proxies | None) -> None:
        self._user_agent = user_agent
        self._proxies = proxies
        self._origins: dict[str, Origin] = {}
        self._head = lru_cache(_KEPT_HEADS)(self._make_head)
        self._authorization = lru_cache(_KEPT_AUTHORIZATIONS)(_authorization_line)

    def origin(self, request: Request) -> Origin:
        """Raises what `write` raises for the URL."""
        return self._split(request.url)[0]

    def write(self, request: Request) -> tuple[Origin, bytes]:
        """The bytes of a request, and where to send them.

        Raises NotHttpUrlError for a URL of another scheme or with a user, ValueError for one that cannot be read and
        for headers that would end early, ForbiddenAddressError for a metadata service behind a proxy, and
        CredentialsError for a proxy that is not an HTTP proxy.
        """
        plain = _PLAIN_URL.fullmatch(request.url)
        if plain is not None and (origin := self._origins.get(plain[1])) is not None:
            target = plain[2]
        else:
            origin, target = self._split(request.url)
            if plain is not None:
                self._origins[plain[1]] = origin  # as this URL spells it, with the default port for example
        head = self._head(origin, request.accept, request.headers)
        if request.authorization is not None:
            head += self._authorization(request.authorization)
        if request.method == "POST":
            return origin, _with_body(request, f"POST {origin.target_prefix}{target} HTTP/1.1\r\n{head}")
        return origin, f"{request.method} {origin.target_prefix}{target} HTTP/1.1\r\n{head}\r\n".encode()

    def _split(self, text: str) -> tuple[Origin, str]:
        """The origin and the request target of any URL."""
        url = URL(text, encoded=True)
        if url.scheme not in {"http", "https"} or not url.raw_host or url.raw_user or url.raw_password:
            raise NotHttpUrlError(text)
        target = url.raw_path_qs
        _check_characters(target)
        server = url.origin()
        key = str(server)
        origin = self._origins.get(key)
        if origin is None:
            if len(self._origins) >= _KEPT_ORIGINS:
                self._origins.clear()
            origin = self._origins[key] = self._make_origin(server)
        return origin, target

    def _make_origin(self, url: URL) -> Origin:
        proxy = None
        if self._proxies is not None:
            proxy = self._proxies.proxy(url.scheme, url.raw_host or "", url.port)
        if proxy is None:
            return Origin(url, None, "")
        check_host(url.raw_host or "")  # the proxy resolves the name: the address is never seen here
        return Origin(url, proxy, str(url).rstrip("/") if url.scheme == "http" else "")

    def _make_head(self, origin: Origin, accept: str, more: tuple[tuple[str, str], ...]) -> str:
        """The header lines that requests have in common, without the last empty line."""
        headers = {
            "Host": origin.url.host_port_subcomponent or "",
            "User-Agent": self._user_agent,
            "Accept": accept,
            "Accept-Encoding": "gzip, deflate",
        }
        headers |= {name: value for name, value in more if name != "Content-Type"}  # that is the body's: `_with_body`
        headers |= origin.proxy_headers
        for name, value in headers.items():
            _check_characters(name)
            _check_characters(value)
        return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def _with_body(request: Request, head: str) -> bytes:
    """A POST: `head` is all of it but the headers that describe the body, and the body."""
    if request.form:
        body, content_type = urlencode(request.form).encode(), "application/x-www-form-urlencoded"
    else:
        body, content_type = request.content, request.content_type
    return f"{head}Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _authorization_line(authorization: str) -> str:
    _check_characters(authorization)
    return f"Authorization: {authorization}\r\n"


def _check_characters(text: str) -> None:
    if not text.isprintable() and _FORBIDDEN.search(text):  # the first is quicker, and true of nearly all
        raise ValueError("Forbidden control character detected in headers. Potential header injection attack.")
