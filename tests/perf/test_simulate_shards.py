"""The simulation of many shards, where a hand can calculate what must come out."""

from dataclasses import replace

import pytest

from crawler.discovery.group_names import POLL_S
from crawler.discovery.ownership import NameHash, Ownership, balance
from crawler.model.limits import Quota, Rate
from crawler.model.shard import Shard
from crawler.rate_limiter import RateLimiter
from perf.inventory import name
from perf.simulate_shards import Night, Queue, Repositories, crawl_parts, share_out, throttling_s

CALM = Night(
    repositories=8000,
    shards=4,
    rate=Rate(400, 1),
    latency_s=0.0,
    skew=None,
    failures=0.0,
    throttled_per_hour=0.0,
    killed=0,
    names_from="registry",
)
SHARED = replace(CALM, names_from="group")


def night_of(night, owners=None):
    parts = share_out(Repositories.of(night), night, owners or {})
    return parts, crawl_parts(parts, night)


def test_simulation_takes_the_exchanges_divided_by_the_rate():
    parts, outcomes = night_of(CALM)
    assert sum(part.names for part in parts) == sum(part.tags for part in parts) == 8000
    for part, outcome in zip(parts, outcomes, strict=True):
        assert (outcome.listings, outcome.pages) == (part.names, 8)
        assert outcome.seconds == pytest.approx((part.names + 8 - 1) / 98, rel=1e-9), "98 % of a quarter of 400/s"


def test_simulation_is_held_up_by_a_catalog_that_is_slower_than_the_rate():
    night = replace(CALM, latency_s=60.0, concurrency=100_000)
    parts, outcomes = night_of(night)
    last_names = max(part.pages[-1] for part in parts)
    assert max(each.seconds for each in outcomes) == pytest.approx(8 * 60 + 60 + (last_names - 1) / 98, rel=1e-6)


def test_simulation_of_an_address_gives_each_shard_the_whole_rate():
    _, of_the_group = night_of(CALM)
    _, of_addresses = night_of(replace(CALM, counted_by="address"))
    for shared, whole in zip(of_the_group, of_addresses, strict=True):
        assert whole.seconds == pytest.approx(shared.seconds / 4, rel=1e-9)


def test_simulation_keeps_to_the_rate_limiter():
    limiter = RateLimiter(Quota(("test",), "test", (Rate(100, 1),)))
    starts = [limiter.reserve(0.0) for _ in range(1000)]
    waits = [limiter.try_acquire(start) for start in starts]
    assert max(waits) < 1e-9, "no window is ever full"
    assert starts[-1] == pytest.approx(999 * CALM.spacing_s)


def test_simulation_repeats_what_a_killed_shard_had_in_flight_and_read_of_the_catalog():
    killed = replace(CALM, killed=1, restart_s=1000.0)
    (calm, *others), (hit, *same) = night_of(CALM)[1], night_of(killed)[1]
    assert others == same
    assert hit.listings == calm.listings
    assert 8 < hit.pages <= 16
    assert hit.seconds == pytest.approx(calm.seconds + 1000 + (hit.pages - 8) / 98, abs=0.05)


def test_simulation_of_a_shared_list_reads_the_catalog_once():
    parts, outcomes = night_of(SHARED)
    assert [each.pages for each in outcomes] == [0, 0, 0, 8]
    *followers, reader = zip(parts, outcomes, strict=True)
    assert reader[1].seconds == pytest.approx((reader[0].names + 8 - 1) / 98, rel=1e-9)
    for part, outcome in followers:
        assert outcome.listings == part.names
        assert outcome.seconds == pytest.approx((part.names - 1) / 98 + POLL_S, rel=1e-9), (
            "the first page comes at once"
        )


def test_simulation_of_a_killed_shard_asks_for_no_page_of_a_shared_list():
    hit = night_of(replace(SHARED, killed=1, restart_s=1000.0))[1][0]
    calm = night_of(SHARED)[1][0]
    assert (hit.listings, hit.pages) == (calm.listings, 0)
    assert hit.seconds == pytest.approx(calm.seconds + 1000, abs=0.5)


def test_simulation_of_a_shared_list_follows_a_reader_that_is_slow():
    night = replace(SHARED, latency_s=60.0, concurrency=100_000)
    *followers, reader = night_of(night)[1]
    assert all(8 * 60 < each.seconds < reader.seconds + 60 for each in followers)


def test_simulation_lists_failures_once_more():
    parts, outcomes = night_of(replace(CALM, failures=0.02))
    again = sum(each.listings for each in outcomes) - 8000
    assert 100 < again < 220, "2 % of 8000"
    for part, outcome in zip(parts, outcomes, strict=True):
        assert outcome.seconds == pytest.approx((outcome.listings + 8 - 1) / 98, rel=1e-9), part.names


def test_simulation_loses_time_to_throttling_and_no_exchange():
    queue = Queue(CALM, 0.0, iter([5.0, 7.0, 1000.0]))
    queue.add(2000, 0.0)
    queue.start_some(2000)
    lost = throttling_s(98)
    assert 3.5 < lost < 4.1, "half of 98/s grows back in 10 s, of which 0.3 of 12.3 s are lost"
    assert queue.listings == 2000
    assert queue.last_start == pytest.approx(1999 / 98 + 2 * lost)


def test_simulation_throttles_as_often_as_it_is_told():
    calm, throttled = (night_of(replace(CALM, throttled_per_hour=rate))[1] for rate in (0.0, 600.0))
    lost = sum(after.seconds - before.seconds for before, after in zip(calm, throttled, strict=True))
    assert lost / throttling_s(98) == pytest.approx(sum(each.seconds for each in throttled) / 6, rel=0.5)


@pytest.mark.parametrize("balanced", ["by hash", "by costs"])
def test_simulation_shares_out_as_the_crawler_does(balanced):
    night = Night(repositories=2000, shards=8, depth="digests")
    repositories = Repositories.of(night)
    owners = balance(repositories.costs(night), 8) if balanced == "by costs" else {}
    ownership = Ownership(Shard(0, 8), NameHash("registry.example.com"), owners=owners)
    owned = [0] * 8
    for number in range(2000):
        owned[ownership.owner_of(name(number))] += 1
    assert [part.names for part in share_out(repositories, night, owners)] == owned


def test_simulation_is_the_same_for_a_seed():
    night = Night(repositories=3000, shards=3)
    assert night_of(night)[1] == night_of(night)[1] != night_of(replace(night, seed=2))[1]
