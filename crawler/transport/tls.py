"""TLS: trusted CAs and client certificates."""

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crawler.errors import CredentialsError
from crawler.untrusted_text import printable

SSL_CERT_FILE: Final = "SSL_CERT_FILE"
"""OpenSSL's variable: a file in place of the system's file. The system's folder of certificates is read as well."""
REQUESTS_CA_BUNDLE: Final = "REQUESTS_CA_BUNDLE"
"""The variable of Python's requests: a file, or a folder of certificates by hash, in place of the system's CAs."""

_BY_HASH: Final = re.compile(r"[0-9a-f]{8}\.[0-9]+")
"""How OpenSSL names a certificate in a folder. It ignores all other files."""

_SYSTEM_FOLDER: Final = ssl.get_default_verify_paths().openssl_capath


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Paths of PEM files.

    Attributes:
        ca_file: the CAs to trust instead of the system's; a file, or a folder of certificates by hash.
        client_certificate: the certificate to show to a server that requires one.
        client_key: its private key; None where `client_certificate` holds the key as well.
    """

    ca_file: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None


def run_ssl_context(certificates: Certificates) -> ssl.SSLContext | bool:
    """The TLS context of a run; True for aiohttp's own, which is shared by all sessions of the process.

    One for all connections, because building one takes 15 ms or more, as long as a hundred exchanges. Raises
    CredentialsError, which names the file that cannot be used.
    """
    if certificates == Certificates() and _setting(None, os.environ) is None:
        return True
    context = ssl_context(certificates.ca_file)
    if certificates.client_certificate is not None:
        _load_client_certificate(
            certificates.client_certificate, certificates.client_key or certificates.client_certificate, context
        )
    return context


def ssl_context(ca_file: Path | None) -> ssl.SSLContext:
    """A context that trusts the CAs of `ca_file`, else of SSL_CERT_FILE, else of REQUESTS_CA_BUNDLE, else the system's.

    The connections to registry, token endpoints and APIs all use it. Each setting may be a folder of certificates by
    hash. Raises CredentialsError, which names the setting and the file that cannot be used.
    """
    setting = _setting(ca_file, os.environ)
    if setting is None:
        return ssl.create_default_context()
    name, path = setting
    try:
        if not path.is_dir():
            context = ssl.create_default_context(cafile=path)
        elif any(_BY_HASH.fullmatch(file.name) for file in path.iterdir()):
            context = ssl.create_default_context(capath=path)
        else:
            raise CredentialsError(f"{name}: {path}: holds no certificates by hash (openssl rehash names them so)")
        if name == SSL_CERT_FILE:
            context.load_verify_locations(capath=os.environ.get("SSL_CERT_DIR") or _SYSTEM_FOLDER)
    except ssl.SSLError:
        raise CredentialsError(f"{name}: {path}: holds no certificates in PEM form") from None
    except OSError as exc:
        raise CredentialsError(f"{name}: {path}: cannot be read: {exc.strerror}") from None
    return context


def trusted_authorities(ca_file: Path | None) -> str:
    """Which CAs `ssl_context` trusts, for people."""
    setting = _setting(ca_file, os.environ)
    return "the system's CAs" if setting is None else f"the CAs of {setting[0]}: {printable(str(setting[1]))}"


def _setting(ca_file: Path | None, environ: Mapping[str, str]) -> tuple[str, Path] | None:
    """The setting that names the CAs, and their path; None for the system's. An empty variable counts as unset."""
    if ca_file is not None:
        return "ca_file", ca_file
    return next(
        ((name, Path(environ[name])) for name in (SSL_CERT_FILE, REQUESTS_CA_BUNDLE) if environ.get(name)), None
    )


def _load_client_certificate(certificate: Path, key: Path, context: ssl.SSLContext) -> None:
    """Show the certificate to servers that require one. Raises CredentialsError, which names the file."""
    for file in (certificate, key):
        try:
            file.open("rb").close()  # load_cert_chain does not say which of them cannot be read
        except OSError as exc:
            raise CredentialsError(f"{file}: cannot be read: {exc.strerror}") from None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certificate)
    except ssl.SSLError:
        raise CredentialsError(f"{certificate}: holds no certificate in PEM form") from None
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except _EncryptedKeyError:
        raise CredentialsError(
            f"{key}: the key is encrypted, and a passphrase is never asked for: decrypt it (openssl pkey -in … -out …)"
        ) from None
    except ssl.SSLError as exc:
        if "MISMATCH" in (exc.reason or ""):
            raise CredentialsError(f"{key}: not the key of the certificate in {certificate}") from None
        raise CredentialsError(f"{key}: holds no private key in PEM form") from None


def _no_passphrase() -> str:
    """OpenSSL would ask for a passphrase on the terminal, and a nightly run would wait there for ever."""
    raise _EncryptedKeyError


class _EncryptedKeyError(Exception):
    """The private key has a passphrase."""
