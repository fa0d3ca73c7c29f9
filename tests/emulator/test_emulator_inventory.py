import os
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.emulator import Inventory, Kind, Settings

NAME = re.compile(
    r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"
)  # the distribution specification's
TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
YEAR_2013_MS = 1_356_998_400_000
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def inventory():
    return Inventory(Settings())


@pytest.fixture(scope="module")
def truth(inventory):
    return list(inventory.truth())


@pytest.fixture(scope="module")
def images(truth):
    return list(
        chain.from_iterable(repository.listing["manifest"].items() for repository in truth if repository.listing)
    )


def fingerprint(hash_seed: str) -> bytes:
    program = (
        "import hashlib; from crawler.emulator import ArtifactRegistry, Inventory, Settings; "
        "roles = (None, ArtifactRegistry(), ArtifactRegistry(serves='gcr.io')); "
        "made = [Inventory(Settings(repositories=300, seed=7, artifact_registry=role)) for role in roles]; "
        "truth = repr([[*inventory.truth(), *map(inventory.facts, inventory.names)] for inventory in made]); "
        "print(hashlib.sha256(truth.encode()).hexdigest())"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        check=True,
        capture_output=True,
    ).stdout


def test_inventory_is_the_same_in_any_process():
    assert fingerprint("1") == fingerprint("2") != b""


def test_inventory_differs_with_the_seed():
    assert Inventory(Settings(seed=1)).names != Inventory(Settings(seed=2)).names


def test_inventory_listings_do_not_depend_on_the_order_of_requests(inventory, truth):
    assert [inventory.listing(repository.name) for repository in reversed(truth)] == [
        repository.listing for repository in reversed(truth)
    ]


def test_inventory_names_are_sorted_unique_and_valid(inventory):
    assert len(inventory.names) == 2000
    assert inventory.names == sorted(set(inventory.names))
    assert all(NAME.fullmatch(name) and len(name) <= 255 for name in inventory.names)
    assert all(name.startswith("my-project/") for name in inventory.names)
    assert {name.count("/") for name in inventory.names} >= {1, 2, 3, 4}


def test_inventory_walk_finds_the_whole_catalog(inventory):
    found, folders = set(), ["my-project"]
    while folders:
        folder = folders.pop()
        listing = inventory.listing(folder)
        children = listing["child"] if listing else []
        folders += [f"{folder}/{child}" for child in children]
        if inventory.kind(folder):
            found.add(folder)
    assert found == set(inventory.names)


def test_inventory_has_folders_with_and_without_images(inventory, truth):
    assert any(r.listing["child"] and r.listing["manifest"] for r in truth if r.listing)
    assert inventory.kind("my-project") is None
    folder = inventory.listing("my-project")
    assert (folder["manifest"], folder["tags"]) == ({}, [])
    assert len(folder["child"]) > 10


def test_inventory_has_no_listing_for_an_unknown_name(inventory):
    assert inventory.kind("my-project/nobody") is inventory.listing("my-project/nobody") is None


def test_inventory_tag_counts_have_a_long_tail(truth):
    tags = sorted(len(repository.listing["tags"]) for repository in truth if repository.listing)
    assert 3 <= sum(1000 <= count <= 4000 for count in tags) <= 5
    assert tags[-6] < 1000
    assert tags[len(tags) // 2] <= 5


def test_inventory_shares_are_of_the_whole_catalog():
    kinds = Counter(repository.kind for repository in Inventory(Settings(denied=0.05)).truth())
    assert kinds == {Kind.NORMAL: 1860, Kind.EMPTY: 20, Kind.VANISHED: 20, Kind.DENIED: 100}


def test_inventory_denies_nothing_by_default(truth):
    assert Kind.DENIED not in {repository.kind for repository in truth}


def test_inventory_of_twenty_has_every_kind_with_a_share():
    kinds = {repository.kind for repository in Inventory(Settings(repositories=20, denied=0.001)).truth()}
    assert kinds == set(Kind)


def test_inventory_listings_have_googles_format(truth):
    for repository in truth:
        if repository.kind is Kind.VANISHED:
            assert repository.listing is None
            continue
        listing = repository.listing
        assert set(listing) == {"child", "manifest", "name", "tags"}
        assert listing["name"] == repository.name
        tagged = [tag for image in listing["manifest"].values() for tag in image["tag"]]
        assert listing["tags"] == sorted(set(tagged))
        assert len(tagged) == len(listing["tags"])
        assert all(TAG.fullmatch(tag) for tag in tagged)
        assert bool(listing["manifest"]) is (repository.kind is Kind.NORMAL)


def test_inventory_images_have_googles_format(images):
    for digest, image in images:
        assert re.fullmatch("sha256:[0-9a-f]{64}", digest)
        assert set(image) == {
            "imageSizeBytes",
            "layerId",
            "mediaType",
            "tag",
            "timeCreatedMs",
            "timeUploadedMs",
        }
        assert image["layerId"] == ""
        assert all(image[key].isdecimal() for key in ("imageSizeBytes", "timeCreatedMs", "timeUploadedMs"))


def test_inventory_images_vary_like_real_ones(images):
    assert {image["mediaType"] for _, image in images} == {
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
    }
    assert {len(image["tag"]) for _, image in images} == {0, 1, 2, 3}
    for number in ("imageSizeBytes", "timeCreatedMs", "timeUploadedMs"):
        unknown = sum(image[number] == "0" for _, image in images)
        assert 0 < unknown < len(images) / 2
    assert any(0 < int(image["timeCreatedMs"]) < YEAR_2013_MS for _, image in images)
    assert all(image["timeUploadedMs"] == "0" or int(image["timeUploadedMs"]) > YEAR_2013_MS for _, image in images)


def test_inventory_dates_reach_from_years_ago_to_today():
    inventory = Inventory(Settings(today=date(2026, 3, 1)))
    today_ms = datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1000
    uploaded = [
        int(image["timeUploadedMs"])
        for repository in inventory.truth()
        if repository.listing
        for image in repository.listing["manifest"].values()
        if image["timeUploadedMs"] != "0"
    ]
    assert today_ms - DAY_MS < max(uploaded) <= today_ms
    older_than_a_year = sum(uploaded_ms < today_ms - 365 * DAY_MS for uploaded_ms in uploaded)
    assert len(uploaded) / 10 < older_than_a_year < len(uploaded) * 9 / 10


def test_inventory_of_another_day_has_the_same_names_and_tags():
    one, other = (Inventory(Settings(repositories=40, today=day)) for day in (date(2026, 3, 1), date(2026, 3, 2)))
    assert one.names == other.names
    counts = [[len(r.listing["tags"]) if r.listing else None for r in made.truth()] for made in (one, other)]
    assert counts[0] == counts[1]
    assert list(one.truth()) != list(other.truth())


@settings(max_examples=25)
@given(repositories=st.integers(0, 60), seed=st.integers(), share=st.floats(0, 0.3))
def test_inventory_has_the_configured_size(repositories, seed, share):
    made = Inventory(Settings(repositories=repositories, seed=seed, empty=share, vanished=share, denied=share))
    assert len(list(made.truth())) == len(set(made.names)) == repositories


def test_inventory_of_200_000_names_is_quick():
    big = Inventory(Settings(repositories=200_000))
    assert len(big.names) == 200_000
    assert big.listing(big.names[-1]) == big.listing(big.names[-1])


@pytest.mark.parametrize(
    "wrong",
    [
        {"repositories": -1},
        {"project": "My Project"},
        {"project": "x" * 101},
        {"empty": -0.1},
        {"empty": 0.6, "vanished": 0.6},
        {"broken": 1.1},
        {"mismatched": -0.1},
        {"referrers_page": 0},
        {"resets": float("nan")},
        {"latency_s": -1.0},
        {"quota_per_s": 0},
        {"catalog_page": 0},
        {"tags_page": 0},
        {"origin": "gcr.io"},
        {"origin": "https://gcr.io/"},
        {"origin": "https://user@gcr.io"},
        {"origin": "ftp://gcr.io"},
        {"registry_token_lifetime_s": 0},
    ],
)
def test_settings_that_are_invalid_are_refused(wrong):
    with pytest.raises(ValueError, match=r"must|not valid as the beginning"):
        Settings(**wrong)
