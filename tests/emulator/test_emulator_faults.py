import time

import aiohttp
import pytest
from support.emulator_client import bearer, client_of

from crawler.emulator import Settings, serving
from crawler.emulator.faults import Fault, FaultInjector


def drawn_faults(settings, count=1000):
    injector = FaultInjector(settings)
    return [injector.registry_fault() for _ in range(count)]


def test_faults_are_off_by_default():
    assert set(drawn_faults(Settings())) == {Fault.NONE}
    assert FaultInjector(Settings()).latency_s() == 0


def test_faults_have_the_configured_shares_and_are_reproducible():
    settings = Settings(unavailable=0.1, resets=0.2, truncated=0.3)
    drawn = drawn_faults(settings)
    assert drawn == drawn_faults(settings)
    for fault, share in ((Fault.UNAVAILABLE, 0.1), (Fault.RESET, 0.2), (Fault.TRUNCATED, 0.3)):
        assert drawn.count(fault) / len(drawn) == pytest.approx(share, abs=0.05)


def test_faults_differ_with_the_seed():
    assert drawn_faults(Settings(unavailable=0.5, seed=1)) != drawn_faults(Settings(unavailable=0.5, seed=2))


def test_latency_varies_within_its_jitter():
    injector = FaultInjector(Settings(latency_s=0.2, latency_jitter_s=0.1))
    drawn = [injector.latency_s() for _ in range(100)]
    assert 0.2 <= min(drawn) < max(drawn) <= 0.3


def test_quota_holds_in_every_second():
    now = 100.0
    injector = FaultInjector(Settings(quota_per_s=2), clock=lambda: now)
    assert [injector.registry_fault() for _ in range(3)] == [Fault.NONE, Fault.NONE, Fault.THROTTLED]
    now += 0.9
    assert injector.registry_fault() is Fault.THROTTLED
    now += 0.1
    assert [injector.registry_fault() for _ in range(3)] == [Fault.NONE, Fault.NONE, Fault.THROTTLED]


def test_quota_is_not_used_by_throttled_exchanges():
    now = 0.0
    injector = FaultInjector(Settings(quota_per_s=1), clock=lambda: now)
    assert injector.registry_fault() is Fault.NONE
    now += 0.99
    assert injector.registry_fault() is Fault.THROTTLED
    now += 0.01
    assert injector.registry_fault() is Fault.NONE


async def test_latency_delays_responses(session):
    async with serving(Settings(repositories=1, latency_s=0.05)) as emulator:
        start = time.monotonic()
        await client_of(emulator, session).get("/v2/")
        assert time.monotonic() - start >= 0.05


async def test_faults_unavailable_is_503(session):
    async with serving(Settings(repositories=1, unavailable=1.0)) as emulator:
        client = client_of(emulator, session)
        for path in ("/v2/", "/v2/token", "/v2/_catalog", "/v2/x/tags/list"):
            reply = await client.get(path, headers=client.key_headers())
            assert reply.error[:2] == (503, "UNAVAILABLE")
        assert emulator.counts["faults"] == 4


async def test_faults_reset_sends_no_response(session):
    async with serving(Settings(repositories=1, resets=1.0)) as emulator:
        with pytest.raises((aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)):
            await client_of(emulator, session).get("/v2/")
        # aiohttp's client may have asked once more by itself.
        assert emulator.counts["ping"] == emulator.counts["faults"] > 0


async def test_faults_truncated_sends_less_than_content_length(session):
    async with serving(Settings(repositories=1, truncated=1.0)) as emulator:
        client = client_of(emulator, session)
        url = f"http://{emulator.registry}/v2/_catalog"
        async with session.get(url, headers=client.key_headers()) as response:
            assert response.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        assert emulator.counts["faults"] == 1


async def test_quota_exceeded_is_429_with_retry_after(session):
    async with serving(Settings(repositories=1, quota_per_s=1)) as emulator:
        client = client_of(emulator, session)
        replies = [await client.get("/v2/", headers=client.key_headers()) for _ in range(10)]
        refused = [reply for reply in replies if reply.status != 200]
        assert refused
        assert all(reply.error[:2] == (429, "TOOMANYREQUESTS") for reply in refused)
        assert all(reply.headers["Retry-After"] == "1" for reply in refused)
        assert emulator.counts["throttled"] == len(refused)
        assert emulator.counts["ping"] == 10


async def test_faults_spare_oauth_and_the_inventory(session):
    async with serving(Settings(repositories=1, unavailable=1.0, quota_per_s=1)) as emulator:
        client = client_of(emulator, session)
        for _ in range(3):
            token = await client.access_token("cloud-platform")
            assert (await client.get("/emulator/inventory")).status == 200
            assert (await client.get("/emulator/counts")).json["oauth"] > 0
        assert (await client.get("/v2/", headers=bearer(token))).status == 503
