"""TLS: trusted CAs and client certificates."""

import errno
import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from crawler.errors import CredentialsError
from crawler.model.value import Value
from crawler.untrusted_text import printable

SSL_CERT_FILE: Final = "SSL_CERT_FILE"
"""OpenSSL's variable: a file in place of the system's file. The system's folder of certificates is read as well."""
REQUESTS_CA_BUNDLE: Final = "REQUESTS_CA_BUNDLE"
"""The variable of Python's requests: a file, or a folder of certificates by hash, in place of the system's CAs."""

_BY_HASH: Final = re.compile(r"[0-9a-f]{8}\.[0-9]+")
"""How OpenSSL names a certificate in a folder. It ignores all other files."""

_BEGIN_CERTIFICATE: Final = re.compile(rb"-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----")
"""How OpenSSL knows a certificate in a PEM file (PEM_STRING_X509 and its kin in openssl/pem.h)."""

_NO_MORE_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE})

_SYSTEM_FOLDER: Final = ssl.get_default_verify_paths().openssl_capath


class Certificates(Value, frozen=True, kw_only=True):
    """Paths of PEM files.

    Attributes:
        ca_file: the CAs to trust instead of the system's; a file, or a folder of certificates by hash.
        client_certificate: the certificate to show to a server that requires one.
        client_key: its private key; None where `client_certificate` holds the key as well.
    """

    ca_file: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None


class RunTls:
    """The TLS of a run: one context for all connections. Made by `prepare_tls`."""

    def __init__(self, certificates: Certificates) -> None:
        self._certificates = certificates
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """The context, which the first call builds. Raises what `run_ssl_context` raises."""
        if self._context is None:
            self._context = run_ssl_context(self._certificates)
        return self._context


def prepare_tls(certificates: Certificates) -> RunTls:
    """The TLS of a run, whose context is built for its first connection that uses TLS.

    Building it takes 20 ms or more, which a run over plain http has no use for. What the configuration names is loaded
    at once, and what the environment names is looked at, so that a mistake ends the run before its first request.
    Raises CredentialsError, which names the file that cannot be used.
    """
    tls = RunTls(certificates)
    if certificates != Certificates():
        tls.context()
    elif (setting := _setting(None, os.environ)) is not None:
        _check_authorities(*setting)
    return tls


def run_ssl_context(certificates: Certificates) -> ssl.SSLContext:
    """A context for all connections of a run. Raises what `ssl_context` raises, for a client certificate as well."""
    context = ssl_context(certificates.ca_file)
    context.set_alpn_protocols(("http/1.1",))  # as aiohttp's own contexts do
    if certificates.client_certificate is not None:
        _load_client_certificate(
            certificates.client_certificate, certificates.client_key or certificates.client_certificate, context
        )
    return context


def ssl_context(ca_file: Path | None) -> ssl.SSLContext:
    """A context that trusts the CAs of `ca_file`, else of SSL_CERT_FILE, else of REQUESTS_CA_BUNDLE, else the system's.

    The connections to registry, token endpoints and APIs all use it. Each setting may be a folder of certificates by
    hash. Raises CredentialsError, which names the setting and the file that cannot be used, and OSError where this
    process can open no more files.
    """
    setting = _setting(ca_file, os.environ)
    if setting is None:
        os.close(os.open(os.devnull, os.O_RDONLY))  # OpenSSL is silent where it can open no file, and trusts no CA
        return ssl.create_default_context()
    name, path = setting
    _check_authorities(name, path)
    try:
        is_folder = path.is_dir()
        context = ssl.create_default_context(cafile=None if is_folder else path, capath=path if is_folder else None)
        if name == SSL_CERT_FILE:
            context.load_verify_locations(capath=os.environ.get("SSL_CERT_DIR") or _SYSTEM_FOLDER)
    except ssl.SSLError:
        raise _no_certificates_error(name, path) from None
    except OSError as exc:
        raise _unreadable_error(name, path, exc) from None
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


def _check_authorities(name: str, path: Path) -> None:
    """Look whether the path has certificates, without loading them: that takes a hundred times as long.

    Raises CredentialsError.
    """
    try:
        if path.is_dir():
            if not any(_BY_HASH.fullmatch(file.name) for file in path.iterdir()):
                raise CredentialsError(f"{name}: {path}: holds no certificates by hash (openssl rehash names them so)")
        elif not _BEGIN_CERTIFICATE.search(path.read_bytes()):
            raise _no_certificates_error(name, path)
    except OSError as exc:
        raise _unreadable_error(name, path, exc) from None


def _unreadable_error(name: str, path: Path, exc: OSError) -> Exception:
    """The error for a path that cannot be read; `exc` itself where any file would fail, which may pass."""
    if exc.errno in _NO_MORE_FILES:
        return exc
    return CredentialsError(f"{name}: {path}: cannot be read: {exc.strerror}")


def _no_certificates_error(name: str, path: Path) -> CredentialsError:
    return CredentialsError(f"{name}: {path}: holds no certificates in PEM form")


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
