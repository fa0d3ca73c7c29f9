"""Whom we trust at the other end of a connection, and what we show there of ourselves."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from crawler.errors import CredentialsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """PEM files: whom we trust instead of the system's authorities, and what we show of ourselves.

    `client_key` is None where `client_certificate` holds the key as well.
    """

    ca_file: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None


def trust(certificates: Certificates) -> ssl.SSLContext | bool:
    """The one context of a run, as building one takes as long as a hundred exchanges; True for the client's own.

    Raises CredentialsError, which names the file at fault.
    """
    if certificates == Certificates():
        return True
    ca_file = certificates.ca_file
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        raise CredentialsError(f"{ca_file}: holds no certificates in PEM form") from None
    except OSError as fault:
        raise CredentialsError(f"{ca_file}: cannot be read: {fault.strerror}") from None
    if certificates.client_certificate is not None:
        _show(certificates.client_certificate, certificates.client_key or certificates.client_certificate, context)
    return context


def _show(certificate: Path, key: Path, context: ssl.SSLContext) -> None:
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
