"""TODO."""

import os

import pytest
from support.distribution import make_certificates
from support.forward_proxy import proxy_to
from support.google_sources import GOOGLES, World
from support.token_endpoints import issuing


@pytest.fixture
async def world(google, monkeypatch, tmp_path):
    for name in [*os.environ]:
        if name.lower().startswith(("google_", "gce_", "gcloud_", "cloudsdk_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    registry = await google(repositories=30)
    certificates = make_certificates(tmp_path / "certificates", *GOOGLES)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.ca_file))
    async with issuing(registry.emulator.key) as issuers:
        places = {f"{name}:443": ("127.0.0.1", issuers.port) for name in GOOGLES}
        async with proxy_to(places, certificates=certificates) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            yield World(registry, issuers, monkeypatch)
        assert proxy.targets <= {f"CONNECT {name}" for name in places}, "somebody beyond this machine was asked"
        assert not [path for path in issuers.asked if path.endswith("/allowedLocations")]
