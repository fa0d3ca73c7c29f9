"""What an error of a provider or of its client says: in one line, and without secrets.

A provider's error page may repeat the request, its signature and its tokens among it. So only the code and the message
of such a page are shown, and of a URL neither user nor query; what is left loses the secrets of the environment.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import orjson

from crawler.errors import LakeError
from crawler.transport.redact import SECRET_FIELD, Redactor
from crawler.untrusted_text import printable

_LONGEST: Final = 600

_PANICS: Final = "pyo3_runtime"
"""The module of a panic's exception. It derives from BaseException, and no library exports it."""

_DEBUG: Final = "\n\nDebug source:"
_CAUSE: Final = re.compile(r'(?:message|error): "((?:[^"\\]|\\.)*)"')
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m|↳")
_XML: Final = re.compile(r"<(?:\?xml|Error|html|!DOCTYPE).*", re.DOTALL | re.IGNORECASE)
_CODE: Final = re.compile(r"<Code>([^<]*)</Code>")
_MESSAGE: Final = re.compile(r"<Message>([^<]*)</Message>")
_AZURE_TRAILER: Final = re.compile(r"\s+RequestId:.*", re.DOTALL)
_USER: Final = re.compile(r"(https?://)[^\s/?#\"'<>]*@")
_QUERY: Final = re.compile(r"(https?://[^\s?\"'<>]+)\?[^\s\"'<>]*")
_PATHS: Final = re.compile(r"( for path [^,:]+),[^:]+(?=: )")
"""The names of a request that deletes many objects: the first one is enough, and leaves room for the reason."""

_BLANKS: Final = re.compile(r"\s+")

_SECRET_VARIABLE: Final = re.compile(r"(AWS|AZURE|GOOGLE)_(\w+_)?(KEY|SECRET|TOKEN|PASSWORD)(_BASE64)?", re.IGNORECASE)
_METADATA_SERVER: Final = "169.254.169.254"


def kept(run_id: str, url: str) -> str:
    """What an error ends with after which a snapshot can be published: the command that does so, for a shell."""
    return f"the snapshot is kept: run `registry-crawler publish {run_id} --lake {shlex.quote(printable(url))}`"


@contextmanager
def lake_errors(asked: str, kinds: tuple[type[Exception], ...], environ: Mapping[str, str]) -> Iterator[None]:
    """Raise LakeError, `ASKED: REASON`, for errors of these kinds, and for a panic of a client, which is in Rust."""
    try:
        yield
    except kinds as exc:
        raise LakeError(f"{asked}: {provider_message(exc, environ)}") from None
    except BaseException as exc:
        if type(exc).__module__ != _PANICS:
            raise
        raise LakeError(f"{asked}: the provider's client failed: {provider_message(exc, environ)}") from None


def provider_message(exc: BaseException, environ: Mapping[str, str]) -> str:
    """An error as one line: what was asked, the status, and the provider's code and message."""
    text, _, debug = str(exc).partition(_DEBUG)
    page = _XML.search(text)
    if page is not None:
        text = f"{text[: page.start()]}{_page_message(page[0])}"
    elif causes := _CAUSE.findall(debug):
        text = f"{text}: {causes[-1]}" if causes[-1] not in text else text
    text = _PATHS.sub(r"\1, …", text)
    text = _BLANKS.sub(" ", _USER.sub(r"\1", _QUERY.sub(r"\1", _COLOURS.sub("", text)))).strip(" :")
    text = printable(_redactor(environ).text(text), _LONGEST)
    return f"{text}{_hint(text, debug)}"


def _page_message(page: str) -> str:
    parts = [match[1].strip() for pattern in (_CODE, _MESSAGE) if (match := pattern.search(page))]
    return _AZURE_TRAILER.sub("", ": ".join(parts)) if parts else "an answer that is no error of this provider"


def _redactor(environ: Mapping[str, str]) -> Redactor:
    values = [value for name, value in environ.items() if _SECRET_VARIABLE.fullmatch(name)]
    return Redactor((), [(SECRET_FIELD, secret) for value in values for secret in (value, *_secrets_in(value))])


def _secrets_in(value: str) -> Iterator[str]:
    """The strings in a service account's key, which a variable may hold as JSON."""
    try:
        key = orjson.loads(value)
    except orjson.JSONDecodeError:
        return
    if isinstance(key, dict):
        yield from (each for name, each in key.items() if name.startswith("private_key") and isinstance(each, str))


def _hint(text: str, debug: str) -> str:
    if _METADATA_SERVER in text:
        # clients ask this server, which few machines have, where nothing else is configured
        return " (the environment has no credentials for this lake, so this machine's metadata server was asked)"
    if "BadScheme" in debug:
        return " (http is for this machine alone: use https, or set {AWS,GOOGLE,AZURE}_ALLOW_HTTP=true)"
    return ""
