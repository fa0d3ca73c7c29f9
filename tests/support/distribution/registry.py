"""Start a registry with the authentication and the TLS that a test needs."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from .certificates import Certificates
from .process import run_process
from .token_server import ISSUER, SERVICE, TokenPolicy, TokenServer, open_token_server


@dataclass(frozen=True, slots=True, kw_only=True)
class Htpasswd:
    """One user behind Basic authentication.

    The registry takes bcrypt alone, which the standard library lacks: the hash is what
    `htpasswd -Bbn -C 4 reader correct-horse` printed. The least cost, because every request pays it.
    """

    user: str = "reader"
    password: str = "correct-horse"
    bcrypt: str = "$2y$04$Iq7QnzArCrO9Ws71RQrgeOgmfmJlAWjcX9lUL5aWexlncvt4NZlqG"


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication:
    """`section` is the configuration's `auth`; user and password are those a client is to use."""

    section: dict[str, object] | None = None
    user: str | None = None
    password: str | None = None
    token_server: TokenServer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A running registry, at `host` (127.0.0.1:PORT)."""

    host: str
    log_file: Path
    authentication: Authentication
    certificates: Certificates | None

    @property
    def url(self) -> str:
        scheme = "https" if self.certificates else "http"
        return f"{scheme}://{self.host}"

    @property
    def user(self) -> str | None:
        return self.authentication.user

    @property
    def password(self) -> str | None:
        return self.authentication.password

    @property
    def token_server(self) -> TokenServer | None:
        return self.authentication.token_server

    @property
    def storage(self) -> Path:
        """The folder of its filesystem driver."""
        return _storage(self.log_file.parent) / "docker" / "registry" / "v2"

    @property
    def ca_file(self) -> Path | None:
        return self.certificates.ca_file if self.certificates else None

    def writer_headers(self, *repositories: str) -> dict[str, str]:
        """What the harness sends to write to these repositories, whatever the policy grants to others."""
        if self.token_server:
            scopes = [f"repository:{name}:pull,push,delete" for name in repositories]
            return {"Authorization": f"Bearer {self.token_server.mint(*scopes)}"}
        if self.user is not None and self.password is not None:
            return {"Authorization": aiohttp.encode_basic_auth(self.user, self.password)}
        return {}


@asynccontextmanager
async def open_registry(
    directory: Path,
    *,
    auth: Htpasswd | TokenPolicy | None = None,
    certificates: Certificates | None = None,
    catalog_max_entries: int | None = None,
) -> AsyncIterator[Registry]:
    """Serves what is stored under `directory`: opened there again, a registry still has its content.

    With certificates, the registry and its token server both speak TLS.
    Raises RegistryStartError.
    """
    _make(directory)
    async with _open_authentication(directory, auth, certificates) as authentication:
        configuration = _configuration(directory, authentication, certificates, catalog_max_entries)
        configuration_file, log_file = directory / "config.json", directory / "registry.log"
        _write(configuration_file, json.dumps(configuration, indent=2))  # YAML's parser reads JSON too
        async with run_process(configuration_file, log_file) as host:
            yield Registry(host=host, log_file=log_file, authentication=authentication, certificates=certificates)


@asynccontextmanager
async def _open_authentication(
    directory: Path, auth: Htpasswd | TokenPolicy | None, certificates: Certificates | None
) -> AsyncIterator[Authentication]:
    match auth:
        case None:
            yield Authentication()
        case Htpasswd():
            file = directory / "htpasswd"
            _write(file, f"{auth.user}:{auth.bcrypt}\n")
            section: dict[str, object] = {"htpasswd": {"realm": SERVICE, "path": str(file)}}
            yield Authentication(section=section, user=auth.user, password=auth.password)
        case TokenPolicy():
            async with open_token_server(directory, policy=auth, certificates=certificates) as server:
                first = auth.accounts[0] if auth.accounts else None
                yield Authentication(
                    section={"token": _token_section(server)},
                    user=first.user if first else None,
                    password=first.password if first else None,
                    token_server=server,
                )


def _token_section(server: TokenServer) -> dict[str, str]:
    return {
        "realm": server.realm,
        "service": SERVICE,
        "issuer": ISSUER,
        "rootcertbundle": str(server.signer.certificate_file),
    }


def _configuration(
    directory: Path,
    authentication: Authentication,
    certificates: Certificates | None,
    catalog_max_entries: int | None,
) -> dict[str, object]:
    http: dict[str, object] = {"addr": "127.0.0.1:0", "secret": "of no consequence"}
    if certificates:
        http["tls"] = {"certificate": str(certificates.certificate_file), "key": str(certificates.key_file)}
    storage = {"filesystem": {"rootdirectory": str(_storage(directory))}, "delete": {"enabled": True}}
    configuration: dict[str, object] = {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": storage,
        "http": http,
    }
    if authentication.section is not None:
        configuration["auth"] = authentication.section
    if catalog_max_entries is not None:
        configuration["catalog"] = {"maxentries": catalog_max_entries}
    return configuration


def _storage(directory: Path) -> Path:
    return directory / "storage"


# The loop waits for the disk here: a few hundred bytes, before there is anything else for it to do.
def _make(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)


def _write(file: Path, text: str) -> None:
    file.write_text(text)
