"""A night of a registry that no machine here can hold: 10,000,000 repositories, crawled by 256 shards and merged.

    python tests/perf/simulate_shards.py --rate 60000/60 --counted-by group
    python tests/perf/simulate_shards.py --rate 50000/600 --counted-by address --depth digests

No request is sent. Repositories are shared out by the crawler's own hashes and balance, and each shard starts exchanges
as far apart as the crawler's own rate limiter has it. Page by page of the catalog, a shard's queue grows by the names
that it owns. The last shard reads the catalog, and the others see a page when it is in the list that they follow; with
`--names-from registry` each shard reads the catalog itself. Bytes, memory and processor time are calculated from what
was measured of real crawls and merges (the constants below). The same seed gives the same night.
"""

import argparse
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf
from pathlib import Path
from random import Random
from statistics import mean
from typing import Final, Literal

if __name__ == "__main__":  # a script has its own folder in sys.path[0]; the imports below need tests/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from crawler.discovery.group_names import POLL_S
from crawler.discovery.ownership import NameHash, balance
from crawler.model.limits import Quota, Rate
from crawler.model.shard import Shard
from crawler.pipeline.pipeline import NAME_QUEUE_SIZE
from crawler.rate_limiter import LearnedRate, RateLimiter
from perf.inventory import NAMES_PER_PAGE, name
from perf.shard_costs import record_line

ARTIFACT_REGISTRY: Final = Rate(60_000, 60)
"""Its quota, of each project."""

SKEW: Final = 1.1
"""Exponent of the Pareto distribution of tags, as in OPERATIONS.md."""

MAX_TAGS: Final = 200_000
TAGS_PER_PAGE: Final = 1000

NEW_EVERY: Final = 100
"""One repository of so many is new tonight: the balance does not know it."""

SHARD_MB: Final = 62
SHARD_BYTES_PER_NAME: Final = 10
SHARD_US_PER_NAME: Final = 4.3
"""Peak memory of a shard that reads the catalog, and its processor time for a name of it, whosever it is: 62 MB at
10,000 names, 71 at 1,000,000, 83 at 2,000,000, of which it owned one in 256. The pager keeps 8 bytes of every name that
it has read."""

FOLLOWER_MB: Final = 62
FOLLOWER_US_PER_NAME: Final = 2.0
"""The same of a shard that takes the names from the group's list: 62 MB at 10,000 names and at 2,000,000."""

MERGE_MB: Final = 60
MERGE_BYTES_PER_RECORD: Final = 75
MERGE_S_PER_SHARD: Final = 0.0036
MERGE_US_PER_RECORD: Final = 6.8
"""Peak memory and processor time of a merge, from `shard_costs.py` with records of 387 bytes: 64 bits of each name in a
Python set, 127 MB at 1,000,000 records and 359 MB at 4,000,000."""

CountedBy = Literal["group", "address"]
Depth = Literal["tags", "digests"]
NamesFrom = Literal["group", "registry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """What is simulated.

    Attributes:
        rate: the quota, of the whole group or of each shard's address.
        latency_s: the time of an exchange.
        concurrency: exchanges of a shard in flight.
        skew: exponent of the Pareto distribution of tags; None for one tag each.
        failures: the share of exchanges that fail, and are asked once more at the end.
        throttled_per_hour: how often a shard is throttled. Its rate is halved then, and grows back.
        killed: shards that are killed in the middle of their night, and started again after `restart_s`.
    """

    repositories: int = 10_000_000
    shards: int = 256
    rate: Rate = ARTIFACT_REGISTRY
    counted_by: CountedBy = "group"
    depth: Depth = "tags"
    latency_s: float = 0.05
    concurrency: int = 64
    skew: float | None = SKEW
    failures: float = 0.02
    throttled_per_hour: float = 1.0
    killed: int = 1
    names_from: NamesFrom = "group"
    restart_s: float = 60.0
    seed: int = 1

    @property
    def pages(self) -> int:
        return -(-self.repositories // NAMES_PER_PAGE)

    @property
    def group_rate(self) -> float:
        """The starts per second that the quota allows all shards together."""
        per_second = self.rate.count / self.rate.seconds
        return per_second if self.counted_by == "group" else per_second * self.shards

    @property
    def spacing_s(self) -> float:
        """The time between two starts of a shard: the rate limiter's, unless too few exchanges are in flight."""
        quota = Quota(("simulated",), "simulated", (self.rate,))
        limiter = RateLimiter(quota.share(self.shards) if self.counted_by == "group" else quota)
        first = limiter.reserve(0.0)
        return max(limiter.reserve(0.0) - first, self.latency_s / self.concurrency)

    def reads_catalog(self, index: int) -> bool:
        """Whether a shard reads the catalog: each, or the last one for all."""
        return self.names_from == "registry" or index == self.shards - 1

    def exchanges(self, tags: int) -> int:
        """The exchanges that a repository costs."""
        return max(1, ceil(tags / TAGS_PER_PAGE)) + (tags if self.depth == "digests" else 0)


@dataclass(frozen=True, slots=True)
class Repositories:
    """The registry, in the order of its catalog: the hash of each name, and the number of its tags."""

    hashes: "array[int]"
    tags: "array[int]"

    @classmethod
    def of(cls, night: Night) -> "Repositories":
        name_hash, random = NameHash("registry.example.com"), Random(night.seed).random
        hashes, tags = array("Q"), array("I")
        power = 0.0 if night.skew is None else -1 / night.skew
        for number in range(night.repositories):
            hashes.append(name_hash(name(number)))
            tags.append(min(int((1.0 - random()) ** power), MAX_TAGS))
        return cls(hashes, tags)

    def costs(self, night: Night) -> Iterator[tuple[int, int]]:
        """What each repository cost last night, as shards count it: thousandths of an exchange."""
        per_tag = 1000 if night.depth == "digests" else 1
        for number, (name_hash, tags) in enumerate(zip(self.hashes, self.tags, strict=True)):
            if number % NEW_EVERY:
                yield name_hash, 1000 + per_tag * tags


@dataclass(slots=True)
class Part:
    """What a shard owns: names and tags, and the exchanges of its names on each page of the catalog."""

    pages: "array[int]"
    names: int = 0
    tags: int = 0


def share_out(repositories: Repositories, night: Night, owners: Mapping[int, int]) -> list[Part]:
    """The part of each shard. `owners` are those of the balanced repositories; the others go by their hash."""
    parts = [Part(array("I", bytes(4 * night.pages))) for _ in range(night.shards)]
    costs = [night.exchanges(tags) for tags in range(TAGS_PER_PAGE)]
    for number, (name_hash, tags) in enumerate(zip(repositories.hashes, repositories.tags, strict=True)):
        owner = owners.get(name_hash)
        part = parts[name_hash % night.shards if owner is None else owner]
        part.names += 1
        part.tags += tags
        part.pages[number // NAMES_PER_PAGE] += costs[tags] if tags < TAGS_PER_PAGE else night.exchanges(tags)
    return parts


class Queue:
    """The exchanges of one shard: they wait, and start one after another, `spacing_s` apart."""

    def __init__(self, night: Night, now: float, throttlings: Iterator[float]) -> None:
        """`throttlings` are the times at which the registry throttles the shard."""
        self.waiting = self.listings = self.pages = 0
        self.listed = array("d")
        self._spacing = night.spacing_s
        self._throttling_s = throttling_s(1 / self._spacing)
        self._throttlings = throttlings
        self._throttled_at = next(throttlings, inf)
        self._next = now

    def add(self, count: int, now: float) -> None:
        """So many exchanges wait from `now` on."""
        self.start_until(now)
        if not self.waiting:
            self._next = max(self._next, now)
        self.waiting += count

    def start_until(self, now: float) -> None:
        """Start what waits, as far as there is time until `now`."""
        while self.waiting and self._next <= now:
            count = min(self.waiting, self._room(min(now, self._throttled_at)))
            self._advance(count)
            self.waiting -= count
            self.listings += count

    def start_some(self, count: int) -> None:
        """Start so many of those that wait, however long it takes."""
        target = self.waiting - min(count, self.waiting)
        while self.waiting > target:
            started = min(self.waiting - target, self._room(self._throttled_at))
            self._advance(started)
            self.waiting -= started
            self.listings += started

    def start_page(self, now: float) -> float:
        """Start the exchange of a page, not before `now`; returns when."""
        start = self._next = max(self._next, now)
        self._advance(1)
        self.pages += 1
        return start

    @property
    def last_start(self) -> float:
        return self._next - self._spacing

    def _room(self, until: float) -> int:
        """How many exchanges can start until then."""
        if until == inf:
            return self.waiting
        return int((until - self._next) / self._spacing) + 1 if until >= self._next else 0

    def _advance(self, count: int) -> None:
        self._next += count * self._spacing
        while self._next > self._throttled_at:
            self._next += self._throttling_s
            self._throttled_at = next(self._throttlings, inf)


def throttling_s(rate: float) -> float:
    """The time that a shard loses when it is throttled: it goes on at half of its rate, which then is learned anew."""
    learned = LearnedRate(rate / 2, 0.0)
    return sum(max(0.0, 1 - learned.per_second(float(second)) / rate) for second in range(120))


def crawl(pages: Sequence[int], night: Night, queue: Queue, now: float, until: float = inf) -> float:
    """Read the catalog and list what is owned; returns when the last answer is there. `queue.listed` has the times at
    which the pages came.

    It ends at `until`, where a few exchanges may be counted that would start just after it, as many as are in flight.
    A page is requested when the names of the one before are queued, for which there must be room in the queue. It comes
    before those names, and behind those for which workers wait already.
    """
    room = NAME_QUEUE_SIZE * max(1.0, sum(pages) / night.repositories * night.shards)
    fresh = 0
    for exchanges in pages:
        queue.start_some(max(int(queue.waiting - room), min(queue.waiting - fresh, night.concurrency)))
        now = queue.start_page(now) + night.latency_s
        queue.listed.append(now)
        if now > until:
            return until
        queue.add(exchanges, now)
        fresh = exchanges
    if until < inf:
        queue.start_until(until)
        return until
    queue.start_some(queue.waiting)
    return max(now, queue.last_start + night.latency_s)


def follow(pages: Sequence[int], listed: Sequence[float], night: Night, queue: Queue, until: float = inf) -> float:
    """List what is owned of the names, whose pages are in the group's list at the times `listed`; see `crawl`."""
    now = 0.0
    for exchanges, at in zip(pages, listed, strict=True):
        now = at + POLL_S  # the longest that a shard waits before it looks again
        if now > until:
            return until
        queue.add(exchanges, now)
    if until < inf:
        queue.start_until(until)
        return until
    queue.start_some(queue.waiting)
    return max(now, queue.last_start + night.latency_s)


def without_first(pages: Sequence[int], count: int) -> "array[int]":
    """The exchanges of each page that are left after the first `count` of all."""
    left = array("I")
    for exchanges in pages:
        done = min(exchanges, count)
        count -= done
        left.append(exchanges - done)
    return left


@dataclass(frozen=True, slots=True)
class Outcome:
    """How long a shard took, in seconds, the exchanges that it started, and when it had each page of the catalog."""

    seconds: float
    listings: int
    pages: int
    listed: "array[float]"


def crawl_parts(parts: Sequence[Part], night: Night) -> list[Outcome]:
    """The night of all shards."""
    last = len(parts) - 1
    reader = crawl_part(parts[last], night, last, ())
    return [*(crawl_part(part, night, index, reader.listed) for index, part in enumerate(parts[:last])), reader]


def crawl_part(part: Part, night: Night, index: int, listed: Sequence[float]) -> Outcome:
    """The night of one shard. The first `night.killed` shards are killed half-way.

    `listed` has the times at which the pages of the catalog are in the group's list.
    """
    reads = night.reads_catalog(index)
    random = Random(f"{night.seed} {index}")  # of its own: the order in which shards are simulated does not matter
    throttlings = _moments(random, night.throttled_per_hour / 3600)
    owned = sum(part.pages)
    queue, began, pages, lost = Queue(night, 0.0, throttlings), 0.0, part.pages, [0, 0]
    if index < night.killed:
        half = (owned + (night.pages if reads else 0)) * night.spacing_s / 2
        if reads:
            killed_at = crawl(pages, night, queue, 0.0, until=half)
        else:
            killed_at = follow(pages, listed, night, queue, until=half)
        in_flight = min(queue.listings, ceil(night.latency_s / night.spacing_s))
        pages = without_first(pages, queue.listings - in_flight)
        lost, began = [queue.listings, queue.pages], killed_at + night.restart_s
        queue = Queue(night, began, throttlings)
    end = crawl(pages, night, queue, began) if reads else follow(pages, listed, night, queue)
    again = round(random.gauss(night.failures * owned, (night.failures * owned) ** 0.5)) if night.failures else 0
    if again > 0:
        queue.add(again, end)
        queue.start_some(again)
        end = max(end, queue.last_start + night.latency_s)
    return Outcome(end, lost[0] + queue.listings, lost[1] + queue.pages, queue.listed)


def _moments(random: Random, per_s: float) -> Iterator[float]:
    moment = 0.0
    while per_s:
        moment += random.expovariate(per_s)
        yield moment


def rows(parts: Sequence[Part], night: Night) -> dict[str, str]:
    """What a night came to, as a row of the table."""
    outcomes = crawl_parts(parts, night)
    slowest, average = max(each.seconds for each in outcomes), mean(each.seconds for each in outcomes)
    undisturbed = [each.seconds for each in outcomes[night.killed :]] or [slowest]
    listings, pages = sum(each.listings for each in outcomes), sum(each.pages for each in outcomes)
    millions = night.repositories / 1e6
    record = len(record_line("20261127T020000Z-0000", 0, []))
    tag = (len(record_line("20261127T020000Z-0000", 0, ["v1.10.0"] * 100)) - record) / 100
    sizes = [record * part.names + tag * part.tags for part in parts]
    return {
        "slowest shard": f"{slowest / 3600:.2f} h",
        "the shard that reads the catalog": f"{outcomes[-1].seconds / 3600:.2f} h",
        "mean shard": f"{average / 3600:.2f} h",
        "slowest ÷ mean, without the killed": f"{max(undisturbed) / mean(undisturbed):.3f}",
        "exchanges for repositories": f"{listings:,}",
        "exchanges for the catalog": f"{pages:,}",
        "share of the quota, until the slowest ends": f"{(listings + pages) / slowest / night.group_rate:.1%}",
        "memory of a shard that reads the catalog": f"{SHARD_MB + SHARD_BYTES_PER_NAME * millions:,.0f} MB",
        "its processor time for the catalog": f"{SHARD_US_PER_NAME * millions:,.0f} s",
        "memory of another shard": f"{FOLLOWER_MB} MB" if night.names_from == "group" else "as much",
        "its processor time for the names": (
            f"{FOLLOWER_US_PER_NAME * millions:,.0f} s" if night.names_from == "group" else "as much"
        ),
        "largest journal of a shard": f"{max(sizes) / 1e6:,.0f} MB",
        "snapshot": f"{sum(sizes) / 1e9:.2f} GB",
        "disk while it is merged": f"{2 * sum(sizes) / 1e9:.2f} GB",
        "processor time of the merge": f"{merge_s(night):.0f} s",
        "memory of the merge": f"{MERGE_MB + MERGE_BYTES_PER_RECORD * night.repositories / 1e6:,.0f} MB",
    }


def merge_s(night: Night) -> float:
    return MERGE_S_PER_SHARD * night.shards + MERGE_US_PER_RECORD * night.repositories / 1e6


def simulate(night: Night) -> dict[str, dict[str, str]]:
    """The same night with repositories shared out by hash, as on the first one, and by the costs of the night before.

    Raises RuntimeError where a repository is in no shard, or in two.
    """
    repositories = Repositories.of(night)
    table = {}
    for title, owners in (
        ("by hash", {}),
        ("by last night's costs", balance(repositories.costs(night), night.shards)),
    ):
        parts = share_out(repositories, night, owners)
        if sum(part.names for part in parts) != night.repositories:
            raise RuntimeError("the shards own more or fewer repositories than there are")
        table[title] = rows(parts, night)
    return table


def describe(night: Night) -> str:
    return (
        f"{night.repositories:,} repositories, {night.shards} shards, depth {night.depth}, "
        f"{night.rate.count:,} exchanges in {night.rate.seconds:g} s for each {night.counted_by}, "
        f"{night.latency_s * 1000:g} ms an exchange; {night.failures:.0%} fail and are asked again, each shard is "
        f"throttled {night.throttled_per_hour:g} times an hour, {night.killed} is killed half-way; names from the "
        f"{night.names_from}"
    )


def print_table(table: Mapping[str, Mapping[str, str]]) -> None:
    print(f"| | {' | '.join(table)} |")
    print(f"|---{'|---' * len(table)}|")
    for row in next(iter(table.values())):
        print(f"| {row} | {' | '.join(column[row] for column in table.values())} |")


def main() -> None:
    parser = argparse.ArgumentParser(description="Simulate a registry of millions of repositories over many shards.")
    parser.add_argument("--repositories", type=int, default=10_000_000)
    parser.add_argument("--shards", type=_shards, default=256)
    parser.add_argument("--rate", type=_rate, default=ARTIFACT_REGISTRY, help="EXCHANGES/SECONDS, 60000/60 by default")
    parser.add_argument("--counted-by", choices=("group", "address"), default="group", help="whose quota it is")
    parser.add_argument("--depth", choices=("tags", "digests"), default="tags")
    parser.add_argument("--names-from", choices=("group", "registry"), default="group", help="as for crawl")
    parser.add_argument("--killed", type=int, default=1, help="shards that are killed half-way")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds of an exchange")
    parser.add_argument("--seed", type=int, default=1)
    options = vars(parser.parse_args())
    night = Night(latency_s=options.pop("latency"), **options)
    print(describe(night))
    print_table(simulate(night))


def _rate(text: str) -> Rate:
    count, _, seconds = text.partition("/")
    return Rate(int(count), float(seconds))


def _shards(text: str) -> int:
    return Shard(0, int(text)).count


if __name__ == "__main__":
    main()
