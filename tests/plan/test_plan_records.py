"""What the records of a snapshot say of the next night, as `inspect/reading.py` would ask for it."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from crawler.errors import SnapshotError
from crawler.forecast.last_snapshot import Night, count_inventory
from crawler.inspect.tag_filter import TagFilter
from crawler.model.depth import Depth, ReferrersLevel
from crawler.transport.messages import Purpose

RESOLVING = Night(
    depth=Depth.CONFIGS,
    referrers=ReferrersLevel.NONE,
    tag_filter=TagFilter(include=(), exclude=()),
    lists_images=False,
    limits_pulls=False,
    batch=1,
    images_per_page=100,
    is_known=lambda _: False,
)
LISTED = replace(RESOLVING, lists_images=True)
KNOWN = {"is_known": lambda _: True}


def image(digest: str, *tags: str, config: str | None = None, kind: str = "image") -> dict[str, Any]:
    return {
        "digest": digest,
        "tags": list(tags),
        "kind": kind,
        "media_type": None,
        "manifest": {"config_digest": config},
        "config": None if config is None else {},
    }


def record(
    *images: dict[str, Any], tags: tuple[str, ...] = (), problems: tuple[tuple[str, str | None], ...] = ()
) -> bytes:
    tagged = [tag for image in images for tag in image["tags"]]
    listed = [{"problem": kind, "tag": tag} for kind, tag in problems]
    return orjson.dumps({"repository": "app", "tags": [*tagged, *tags], "images": list(images), "problems": listed})


INDEX = (image("index", "1", "latest", kind="index"), image("amd64", config="c1"), image("arm64", config="c2"))


def exchanges(night: Night, *lines: bytes) -> dict[str, float]:
    counted = count_inventory(lines, night).exchanges
    return {kind.value: count for kind, count in counted.items() if count}


def test_records_of_tags_that_bring_their_manifests():
    assert exchanges(RESOLVING, record(*INDEX)) == {"manifest": 2 + 2, "blob": 2}


def test_records_of_a_listing_that_has_images():
    assert exchanges(LISTED, record(*INDEX)) == {"manifest": 3, "blob": 2}


@pytest.mark.parametrize("night", [RESOLVING, LISTED])
def test_records_whose_digests_are_known_cost_what_their_tags_do(night):
    counted = count_inventory([record(*INDEX)], replace(night, **KNOWN))
    assert counted.exchanges.get(Purpose.MANIFEST, 0) == counted.resolves == (0 if night.lists_images else 2)


def test_records_that_share_an_image_ask_for_it_once():
    shared = record(image("same", config="config"))
    assert exchanges(RESOLVING, shared, shared) == {"manifest": 1, "blob": 1}


@pytest.mark.parametrize(
    ("depth", "cost"), [(Depth.TAGS, {}), (Depth.DIGESTS, {"manifest": 2}), (Depth.MANIFESTS, {"manifest": 4})]
)
def test_records_cost_less_at_a_lower_depth(depth, cost):
    assert exchanges(replace(RESOLVING, depth=depth), record(*INDEX)) == cost


def test_records_of_a_registry_that_limits_pulls_cost_a_head_and_a_get():
    night = replace(RESOLVING, limits_pulls=True)
    assert exchanges(night, record(image("one", "1", "2", config="c"))) == {"manifest": 2 + 1, "blob": 1}


def test_records_whose_tags_are_not_chosen_cost_nothing():
    night = replace(RESOLVING, depth=Depth.DIGESTS, tag_filter=TagFilter(include=("1.*",), exclude=()))
    assert exchanges(night, record(image("one", "1.0"), image("two", "nightly"))) == {"manifest": 1}


def test_records_of_what_is_missing_are_asked_for_again():
    broken = record(
        tags=("gone",), problems=(("dangling-tag", "gone"), ("index-child-missing", None), ("config-missing", None))
    )
    assert exchanges(replace(RESOLVING, **KNOWN), broken) == {"manifest": 1 + 1 + 1, "blob": 1}


def test_records_of_subjects_cost_an_exchange_with_the_referrers_api():
    night = replace(RESOLVING, depth=Depth.DIGESTS, referrers=ReferrersLevel.API)
    signed = record(image("one", "1", "2"), image("signature", "sha256-one.sig", kind="signature"), image("child"))
    assert exchanges(night, signed) == {"manifest": 3, "referrers": 1}


@pytest.mark.parametrize("line", [b"{", b"[]", b'"text"', b'{"repository": "app", "tags": []}'])
def test_records_that_are_none_are_a_snapshot_error(line):
    with pytest.raises(SnapshotError, match="a line of the last snapshot is no record"):
        count_inventory([line], RESOLVING)
