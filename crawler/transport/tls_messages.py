"""Messages for failed TLS handshakes: OpenSSL's own message first, then what to do."""

import re
import ssl
from datetime import UTC, datetime
from typing import Final

from crawler.untrusted_text import printable

USE_PLAIN_HTTP: Final = "use --plain-http (registry.plain_http)"
USE_HTTPS: Final = "use --no-plain-http (registry.plain_http = false)"
_CA_FILE: Final = "--ca-file (registry.ca_file)"

_NO_TLS: Final = frozenset(
    {
        "WRONG_VERSION_NUMBER",
        "RECORD_LAYER_FAILURE",
        "PACKET_LENGTH_TOO_LONG",
        "HTTP_REQUEST",
        "HTTPS_PROXY_REQUEST",
        "UNKNOWN_PROTOCOL",
    }
)
"""OpenSSL's reasons where the server's first bytes are not TLS (`reason` of ssl.SSLError)."""

_ALERTS: Final = re.compile("ALERT.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE)")
"""OpenSSL's names for a server's alerts about the client certificate: refused, or missing."""

# X509_V_ERR_… of OpenSSL's x509_vfy.h: the values of `ssl.SSLCertVerificationError.verify_code`
_NOT_YET_VALID: Final = 9
_EXPIRED: Final = 10
_SELF_SIGNED: Final = 18
_UNTRUSTED: Final = frozenset({2, 19, 20, 21, 27})
_NAME_MISMATCH: Final = frozenset({62, 64})


def alert_message(exc: BaseException) -> str | None:
    """The message for a server's alert about the client certificate; None for any other exception.

    In TLS 1.3 the client has finished the handshake before the server has seen its certificate (RFC 8446 §2): the alert
    comes when the connection seems open and the request is sent, and not as an error of the handshake.
    """
    reason = (getattr(exc, "reason", None) or "") if isinstance(exc, ssl.SSLError) else ""
    if not _ALERTS.search(reason):
        return None
    keys = "set registry.client_certificate and registry.client_key"
    if "CERTIFICATE_REQUIRED" in reason:
        return f"the server requires a client certificate: {keys} ({_sentence(reason)})"
    return f"the server refused the connection: {_sentence(reason)} (if it requires a client certificate: {keys})"


def tls_message(exc: BaseException, *, advice: str) -> str:
    """Why a handshake failed. `advice` is what to do about a server without TLS; "" where nothing can be done."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        message = printable(exc.verify_message or "the certificate cannot be verified").rstrip(".")
        return f"{message}: {_certificate_advice(exc.verify_code)}"
    reason = (getattr(exc, "reason", None) or "") if isinstance(exc, ssl.SSLError) else ""
    if reason in _NO_TLS:
        return f"the server does not speak TLS on this port{f': {advice}' if advice else ''} ({_sentence(reason)})"
    return f"the TLS handshake failed: {_sentence(reason) or 'no reason given'}"


def _certificate_advice(verify_code: int) -> str:
    match verify_code:
        case code if code == _EXPIRED:
            return f"the server needs a new one, unless the clock of this machine is wrong: it says {_now()}"
        case code if code == _NOT_YET_VALID:
            return f"check the clock of this machine: it says {_now()}"
        case code if code == _SELF_SIGNED:
            return f"if you trust it, give the certificate itself with {_CA_FILE}"
        case code if code in _UNTRUSTED:
            return (
                f"give the certificate of the authority (CA) that signed it with {_CA_FILE}; "
                "where that is a public one, the server does not send its intermediate certificate"
            )
        case code if code in _NAME_MISMATCH:
            return "crawl the registry by a name that its certificate has"
        case _:
            return f"the server needs another certificate, or {_CA_FILE} another authority (CA)"


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def _sentence(reason: str) -> str:
    return printable(reason).replace("_", " ").lower()
