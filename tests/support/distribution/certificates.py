"""Certificates for the loopback: an authority with one server certificate, and a token signer's own."""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """PEM files: the authority a client has to trust, and what a server on localhost or 127.0.0.1 shows."""

    ca_file: Path
    certificate_file: Path
    key_file: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate_file, self.key_file)
        return context

    def client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)


def make_certificates(directory: Path, *names: str, days: tuple[int, int] = (-1, 1)) -> Certificates:
    """A new authority on every call, and a certificate for this machine, or for other names: clients may show it, too.

    What one authority has signed, another's client refuses. `days` from now on the certificate is valid, and ends.
    """
    directory.mkdir(parents=True, exist_ok=True)
    ca_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = self_signed(ca_key, "Test authority")
    certificates = Certificates(
        ca_file=directory / "ca.pem",
        certificate_file=directory / "server.pem",
        key_file=directory / "server-key.pem",
    )
    certificates.ca_file.write_bytes(ca.public_bytes(Encoding.PEM))
    certificates.certificate_file.write_bytes(_signed(server_key, names, ca, ca_key, days).public_bytes(Encoding.PEM))
    certificates.key_file.write_bytes(server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificates


def self_signed(key: PrivateKey, name: str) -> x509.Certificate:
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        _builder(key, subject=_name(name), issuer=_name(name))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, SHA256())
    )


def _signed(
    key: PrivateKey, names: Iterable[str], ca: x509.Certificate, ca_key: PrivateKey, days: tuple[int, int]
) -> x509.Certificate:
    loopback = [x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
    alternatives = [x509.DNSName(name) for name in names] or loopback
    # Python 3.13 verifies strictly: a certificate that does not name its issuer's key is refused there.
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    return (
        _builder(key, subject=_name("tested"), issuer=ca.subject, days=days)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(authority, critical=False)
        .sign(ca_key, SHA256())
    )


def _builder(
    key: PrivateKey, *, subject: x509.Name, issuer: x509.Name, days: tuple[int, int] = (-1, 1)
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
