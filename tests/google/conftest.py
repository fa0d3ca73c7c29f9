"""The `world` of Google's credentials: an emulated registry, its token endpoints, and a proxy for their names."""

import os

import pytest
from support.distribution import make_certificates
from support.forward_proxy import proxy_to
from support.google_sources import GOOGLE_HOSTS, World
from support.token_endpoints import serving_tokens


@pytest.fixture
async def world(google, monkeypatch, tmp_path):
    for name in [*os.environ]:
        if name.lower().startswith(("google_", "gce_", "gcloud_", "cloudsdk_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    registry = await google(repositories=30)
    certificates = make_certificates(tmp_path / "certificates", *GOOGLE_HOSTS)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.ca_file))
    async with serving_tokens(registry.emulator.key) as endpoints:
        places = {f"{name}:443": ("127.0.0.1", endpoints.port) for name in GOOGLE_HOSTS}
        async with proxy_to(places, certificates=certificates) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            yield World(registry, endpoints, monkeypatch)
        assert proxy.targets <= {f"CONNECT {name}" for name in places}, "a request left this machine"
        assert not [path for path in endpoints.asked if path.endswith("/allowedLocations")]
