"""TLS: the authorities that we trust at the other end of a connection, and the certificate that we show there."""

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crawler.errors import CredentialsError

SSL_CERT_FILE: Final = "SSL_CERT_FILE"
"""OpenSSL's variable: a file that takes the place of the system's, beside the system's folder of certificates."""
REQUESTS_CA_BUNDLE: Final = "REQUESTS_CA_BUNDLE"
"""The variable of Python's requests: a file, or a folder of certificates by hash, in place of the system's."""

_BY_HASH: Final = re.compile(r"[0-9a-f]{8}\.[0-9]+")
"""How OpenSSL names a certificate in a folder; it sees no others."""

_SYSTEMS_FOLDER: Final = ssl.get_default_verify_paths().openssl_capath


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """PEM files: whom we trust instead of the system's authorities, and what we show of ourselves.

    `client_key` is None where `client_certificate` holds the key as well.
    """

    ca_file: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None


def run_ssl_context(certificates: Certificates) -> ssl.SSLContext | bool:
    """The one context of a run, as building one takes as long as a hundred exchanges; True for the client's own.

    Raises CredentialsError, which names the file at fault.
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
    """A context that trusts the authorities of `ca_file`, else of SSL_CERT_FILE, else of REQUESTS_CA_BUNDLE, else the
    system's. Registry, token endpoints and APIs all have it from here.

    Each may be a folder of certificates by hash. Raises CredentialsError, which says what names the file at fault.
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
            context.load_verify_locations(capath=os.environ.get("SSL_CERT_DIR") or _SYSTEMS_FOLDER)
    except ssl.SSLError:
        raise CredentialsError(f"{name}: {path}: holds no certificates in PEM form") from None
    except OSError as exc:
        raise CredentialsError(f"{name}: {path}: cannot be read: {exc.strerror}") from None
    return context


def _setting(ca_file: Path | None, environ: Mapping[str, str]) -> tuple[str, Path] | None:
    """What names the authorities, and where they are; None where nothing does. An empty variable is none."""
    if ca_file is not None:
        return "ca_file", ca_file
    return next(
        ((name, Path(environ[name])) for name in (SSL_CERT_FILE, REQUESTS_CA_BUNDLE) if environ.get(name)), None
    )


def _load_client_certificate(certificate: Path, key: Path, context: ssl.SSLContext) -> None:
    """Show the certificate to whoever wants to see one. Raises CredentialsError, which names the file at fault."""
    for file in (certificate, key):
        try:
            file.open("rb").close()  # because load_cert_chain does not tell which of them cannot be read
        except OSError as fault:
            raise CredentialsError(f"{file}: cannot be read: {fault.strerror}") from None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certificate)
    except ssl.SSLError:
        raise CredentialsError(f"{certificate}: holds no certificate in PEM form") from None
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except _EncryptedKeyError:
        raise CredentialsError(
            f"{key}: the key is encrypted, and nobody is asked for a passphrase: decrypt it (openssl pkey -in … -out …)"
        ) from None
    except ssl.SSLError as fault:
        if "MISMATCH" in (fault.reason or ""):
            raise CredentialsError(f"{key}: not the key of the certificate in {certificate}") from None
        raise CredentialsError(f"{key}: holds no private key in PEM form") from None


def _no_passphrase() -> str:
    """OpenSSL would ask for it on the terminal, where at night nobody sits."""
    raise _EncryptedKeyError


class _EncryptedKeyError(Exception):
    """A private key that wants a passphrase."""
