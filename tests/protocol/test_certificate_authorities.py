"""One setting for certificate authorities applies to the registry, Google's token endpoint and Google's APIs."""

import asyncio
import json
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from support.distribution import Certificates, make_certificates
from support.distribution.certificates import self_signed
from support.forward_proxy import proxy_to
from support.one_project import SCRIPT, TOKEN
from support.scripted import serve
from support.snapshots import read_snapshot

import crawler
from crawler.auth.google_session import GoogleSession

VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


@dataclass(frozen=True, slots=True)
class World:
    """Two authorities, a service account's key, and the environment of the run."""

    folder: Path
    environment: pytest.MonkeyPatch
    key: dict[str, str]
    trusted: Certificates
    other: Certificates

    def config(self, registry: Any, tokens: str, **more: Any) -> crawler.Config:
        """A crawl of a registry whose APIs answer at its own address, with a key whose token endpoint is `tokens`."""
        file = self.folder / "key.json"
        file.write_text(json.dumps({**self.key, "token_uri": f"{tokens}{TOKEN}"}))
        table = {
            "target": registry.host,
            "kind": "artifact-registry",
            "location": "us",
            "plain_http": False,
            "auth": {"method": "access-token", "key_file": file},
            "apis": {"artifact_registry": registry.origin, "resource_manager": registry.origin},
            **more,
        }
        return crawler.Config(registry=[table], limits={"attempts": 1}, output={"path": self.folder / "out"})

    async def crawl(self, registry: Any, tokens: str, **more: Any) -> None:
        manifest = await crawler.crawl(self.config(registry, tokens, **more))
        assert (manifest.verdict, manifest.discovery.method) == ("complete", "artifact-registry")
        assert [record["repository"] for record in read_snapshot(self.folder / "out").records] == ["acme/team/app"]

    def set(self, name: str, file: Path) -> dict[str, Path]:
        """Make a file the setting of that name; returns the registry's table for it."""
        if name == "ca_file":
            return {"ca_file": file}
        self.environment.setenv(name, str(file))
        return {}

    def hashed(self, certificates: Certificates) -> Path:
        """A folder of certificates by hash, as OpenSSL reads it."""
        folder = self.folder / "hashed"
        folder.mkdir()
        (folder / "ca.pem").write_bytes(certificates.ca_file.read_bytes())
        subprocess.run(["openssl", "rehash", folder], check=True)
        return folder


@pytest.fixture
async def world(google, few_authorities, monkeypatch, tmp_path):
    for variable in (*VARIABLES, "CURL_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)
    registry = await google(repositories=1)
    key = json.loads(registry.key_file.read_text())
    return World(tmp_path, monkeypatch, key, make_certificates(tmp_path / "ours"), make_certificates(tmp_path / "no"))


@pytest.mark.parametrize("name", ["ca_file", *VARIABLES])
@pytest.mark.parametrize("is_folder", [False, True], ids=["file", "folder"])
async def test_certificate_authorities_of_any_setting_serve_registry_tokens_and_apis(name, is_folder, world):
    file = world.hashed(world.trusted) if is_folder else world.trusted.ca_file
    more = world.set(name, file)
    async with serve(SCRIPT, certificates=world.trusted) as server:
        await world.crawl(server, server.origin, **more)
    assert server.paths.count(TOKEN) == 1


@pytest.mark.parametrize(("winner", "loser"), [("ca_file", VARIABLES[0]), ("ca_file", VARIABLES[1]), VARIABLES])
async def test_certificate_authorities_of_the_first_setting_win(winner, loser, world):
    world.set(loser, world.other.ca_file)
    more = world.set(winner, world.trusted.ca_file)
    async with serve(SCRIPT, certificates=world.trusted) as server:
        await world.crawl(server, server.origin, **more)


async def test_certificate_authorities_of_an_empty_variable_are_ignored(world):
    world.environment.setenv("SSL_CERT_FILE", "")
    world.set("REQUESTS_CA_BUNDLE", world.trusted.ca_file)
    async with serve(SCRIPT, certificates=world.trusted) as server:
        await world.crawl(server, server.origin)


async def test_certificate_authorities_apply_to_the_token_endpoint_in_place_of_those_of_requests(world):
    """requests reads variables of its own, and they do not apply beside the configuration."""
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        world.set(variable, world.other.ca_file)
    world.environment.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(world.other.ca_file))
    async with serve(SCRIPT, certificates=world.trusted) as server, serve(SCRIPT, certificates=world.other) as tokens:
        with pytest.raises(crawler.CredentialsError, match=r"token endpoint.*not issued by a trusted CA .*--ca-file"):
            await crawler.crawl(world.config(server, tokens.origin, ca_file=world.trusted.ca_file))
    assert tokens.paths == []


async def test_certificate_authorities_apply_through_a_proxy_with_a_password(world):
    """Only the proxy resolves the token endpoint's name; the registry is this machine, and needs no proxy."""
    named = make_certificates(world.folder / "named", "tokens.example.com")
    bundle = world.folder / "bundle.pem"
    bundle.write_bytes(named.ca_file.read_bytes() + world.trusted.ca_file.read_bytes())
    async with serve(SCRIPT, certificates=world.trusted) as server, serve(SCRIPT) as tokens:
        servers = {"tokens.example.com:443": ("127.0.0.1", tokens.port)}
        async with proxy_to(servers, certificates=named, password="ann:s€cret") as proxy:
            world.environment.setenv("HTTPS_PROXY", f"http://ann:s%E2%82%ACcret@{proxy.address}")
            world.environment.setenv("NO_PROXY", "fd00::/8,*.example.net")
            await world.crawl(server, "https://tokens.example.com", ca_file=bundle)
    assert proxy.targets == {"CONNECT tokens.example.com:443"}
    assert tokens.paths == [TOKEN]


@pytest.mark.parametrize("entry", ["*.invalid", "tokens.invalid:443", "elsewhere *"])
async def test_no_proxy_applies_to_googles_token_endpoint(entry, world):
    """No name server has the name: a connection without the proxy fails with an error of its own."""
    async with serve(SCRIPT, certificates=world.trusted) as server, proxy_to({}) as proxy:
        world.environment.setenv("HTTPS_PROXY", proxy.url)
        world.environment.setenv("NO_PROXY", entry)
        with pytest.raises(crawler.CredentialsError, match=r"cannot be reached: .*tokens\.invalid.*resolve"):
            await crawler.crawl(world.config(server, "https://tokens.invalid", ca_file=world.trusted.ca_file))
    assert proxy.requests == []


@pytest.mark.parametrize("host", ["metadata.google.internal", "Metadata.Google.Internal."])
async def test_no_proxy_is_needed_for_googles_metadata_server(host, world):
    """Through a proxy the metadata of the proxy's machine would come, if any."""
    async with proxy_to({}) as proxy:
        world.environment.setenv("HTTP_PROXY", proxy.url)
        with GoogleSession(None, None) as session, suppress(requests.RequestException):
            await asyncio.to_thread(session.get, f"http://{host}/computeMetadata/v1/", timeout=5)
    assert proxy.requests == []


@pytest.mark.parametrize("name", ["ca_file", *VARIABLES])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        ("", "holds no certificates in PEM form"),
        ("no PEM", "holds no certificates in PEM form"),
        ({}, r"holds no certificates by hash \(openssl rehash"),
    ],
    ids=["missing", "empty", "text", "folder"],
)
async def test_certificate_authorities_that_cannot_be_used_are_named_by_their_setting(name, content, message, world):
    file = world.folder / "authorities"
    if content == {}:
        file.mkdir()
    elif content is not None:
        file.write_text(content)
    table = {"target": "registry.invalid", "auth": {"method": "anonymous"}, **world.set(name, file)}
    with pytest.raises(crawler.CredentialsError, match=f"^{name}: {file}: {message}"):
        await crawler.crawl(crawler.Config(registry=[table], output={"path": world.folder / "out"}))


async def test_certificate_authorities_of_ssl_cert_file_are_used_beside_the_systems_folder(world):
    """As with OpenSSL's own programs: the variable replaces the system's file alone."""
    another = world.folder / "another.pem"
    authority = self_signed(ec.generate_private_key(ec.SECP256R1()), "Another authority")
    another.write_bytes(authority.public_bytes(Encoding.PEM))
    world.set("SSL_CERT_FILE", another)
    world.environment.setenv("SSL_CERT_DIR", str(world.hashed(world.trusted)))
    async with serve(SCRIPT, certificates=world.trusted) as server:
        await world.crawl(server, server.origin)
