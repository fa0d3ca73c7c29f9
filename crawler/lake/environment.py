"""What a provider's environment variables say of its endpoint, and whether its client can use them.

The clients read the variables themselves. They are in Rust, and some values end them in a panic with a traceback: a
token with the newline of the file that it came from, an endpoint without http://.
"""

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from crawler.errors import ConfigError
from crawler.model.names import is_loopback

_PREFIX: Final = {"s3": "AWS_", "gs": "GOOGLE_", "az": "AZURE_"}
_ENDPOINTS: Final = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
_DOCUMENTS: Final = frozenset({"GOOGLE_SERVICE_ACCOUNT_KEY"})
"""Variables that hold JSON, which may have lines."""

_EMULATOR: Final = "AZURE_STORAGE_USE_EMULATOR"
_TRUE: Final = frozenset({"1", "true", "yes", "on", "y"})


def check_environment(url: str, environ: Mapping[str, str]) -> None:
    """Raise ConfigError for the variables of a lake's provider that its client cannot use. Values are not shown."""
    mistakes = list(_mistakes(urlsplit(url).scheme, environ))
    if mistakes:
        raise ConfigError(mistakes)


def _mistakes(scheme: str, environ: Mapping[str, str]) -> Iterator[str]:
    for name, value in sorted(environ.items()):
        if name.startswith(_PREFIX[scheme]) and name not in _DOCUMENTS and not value.isprintable():
            yield f"{name} must have no line breaks and no control characters, also at its end"
    for name in _ENDPOINTS[scheme]:
        if name in environ and not _is_endpoint(environ[name]):
            yield f"{name} must be http://HOST[:PORT] or https://HOST[:PORT], without a user, or unset"


def _is_endpoint(value: str) -> bool:
    try:
        url = urlsplit(value)
        is_whole = url.scheme in {"http", "https"} and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        return False
    return is_whole and "@" not in url.netloc and " " not in value


def allows_plain_http(url: str, environ: Mapping[str, str]) -> bool:
    """Whether the lake may be reached without TLS: on this machine itself, or where the provider's variable says so."""
    scheme = urlsplit(url).scheme
    if environ.get(f"{_PREFIX[scheme]}ALLOW_HTTP", "").lower() in _TRUE:
        return True
    if scheme == "az" and environ.get(_EMULATOR, "").lower() in _TRUE:
        return True
    endpoints = (environ[name] for name in _ENDPOINTS[scheme] if environ.get(name))
    return is_loopback(urlsplit(next(endpoints, "")).hostname or "")
