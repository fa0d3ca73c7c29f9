"""A quota that is used up for longer than a run may wait ends the run; the error names the quota."""

from types import SimpleNamespace

import pytest
from support.fake_clock import Time
from support.scripted import document, on, plain_registry, refusal, serve

import crawler
from crawler.transport.messages import Purpose, Response
from crawler.transport.throttling import ThrottlingWatch

LISTINGS = (Purpose.LISTING, "https://registry.example.com")
TOKENS = (Purpose.TOKEN, "https://auth.example.com")
GIVE_UP_S = 300.0
REQUEST = "GET https://registry.example.com/v2/team/app/tags/list"


def response_429(**headers: str) -> Response:
    body = b'{"errors": [{"code": "TOOMANYREQUESTS", "message": "You have reached your pull rate limit"}]}'
    by_name = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(429, SimpleNamespace(get=by_name.get), body)  # type: ignore[arg-type]


def test_throttling_without_any_success_ends_the_run_after_give_up_after():
    time = Time()
    watch = ThrottlingWatch(GIVE_UP_S, clock=time)
    for time.now in (0.0, 100.0, 299.0):
        watch.on_throttled(LISTINGS, REQUEST, response_429())
    time.now = 300.0
    with pytest.raises(crawler.GaveUp, match=r"nothing but 429 for 300 s.*You have reached your pull rate limit"):
        watch.on_throttled(LISTINGS, REQUEST, response_429())


def test_throttling_with_a_success_now_and_then_never_ends_the_run():
    time = Time()
    watch = ThrottlingWatch(GIVE_UP_S, clock=time)
    for time.now in range(0, 10_000, 100):
        watch.on_throttled(LISTINGS, REQUEST, response_429())
        watch.on_throttled(TOKENS, REQUEST, response_429())
        watch.on_answered(LISTINGS)
        watch.on_answered(TOKENS)


def test_throttling_of_one_party_is_not_ended_by_answers_of_another():
    time = Time()
    watch = ThrottlingWatch(GIVE_UP_S, clock=time)
    watch.on_throttled(LISTINGS, REQUEST, response_429())
    watch.on_answered(TOKENS)
    time.now = 300.0
    with pytest.raises(crawler.GaveUp):
        watch.on_throttled(LISTINGS, REQUEST, response_429())


def test_throttling_with_a_pause_longer_than_give_up_after_ends_the_run_at_once_and_names_the_quota():
    watch = ThrottlingWatch(GIVE_UP_S)
    watch.on_throttled(LISTINGS, REQUEST, response_429(Retry_After="300"))
    headers = {"Retry_After": "21600", "ratelimit_limit": "100;w=21600"}
    with pytest.raises(crawler.GaveUp, match=r"a pause of 21,600 s.*ratelimit-limit 100;w=21600"):
        watch.on_throttled(LISTINGS, REQUEST, response_429(**headers))


async def test_throttling_beyond_give_up_after_leaves_a_run_that_can_be_resumed(tmp_path):
    """As on Docker Hub: so many requests in some hours, and then a long pause."""
    names = [f"team/app-{number:02}" for number in range(20)]
    later = refusal(429, "TOOMANYREQUESTS", "pull rate limit", ("Retry-After", "3600"))
    script = [
        on(f"/v2/{names[12]}/tags/list", later, times=1),
        on("/v2/_catalog", document({"repositories": names})),
        *plain_registry({name: ["1"] for name in names}),
    ]
    limits = {"concurrency": 1}
    async with serve(script) as server:
        config = crawler.Config(registry=[{"target": server.host}], limits=limits, output={"path": tmp_path})
        with pytest.raises(crawler.GaveUp, match="asks for a pause of 3,600 s"):
            await crawler.crawl(config)
        assert not list(tmp_path.glob("source=*"))
        resumed = await crawler.Crawl(config, config.registry[0]).resume()
    assert resumed is not None
    assert (resumed.verdict, resumed.counts.ok) == ("complete", len(names))
    assert len(server.asked(f"/v2/{names[0]}/tags/list")) == 1
