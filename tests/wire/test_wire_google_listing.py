"""Images in a Google listing: the same result decoded at once and one by one, and nonsense as None."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.google_listings import END_OF_TIME, YEAR_2013, as_google_writes, listings, milliseconds

from crawler.errors import MalformedResponse
from crawler.model.image import Image
from crawler.model.record import Listing
from crawler.wire import tags
from crawler.wire.tags import parse_listing


def parse(document):
    return parse_listing("a", json.dumps(document).encode())


def only_image(**manifest):
    (image,) = parse({"manifest": {"sha256:aa": manifest}}).images
    return image


def test_google_listing_is_parsed_completely():
    body = b"""
        {"child": ["base", "tools"],
         "manifest": {"sha256:bb": {"imageSizeBytes": "2796860", "layerId": "",
                                    "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                                    "tag": ["3.11"],
                                    "timeCreatedMs": "1579294800000", "timeUploadedMs": "1579300000000"},
                      "sha256:aa": {"imageSizeBytes": "0", "layerId": "", "mediaType": "", "tag": [],
                                    "timeCreatedMs": "0", "timeUploadedMs": "0"}},
         "name": "my-project/alpine", "tags": ["3.11"]}
    """
    assert parse_listing("my-project/alpine", body) == Listing(
        tags=("3.11",),
        images=(
            Image("sha256:aa"),
            Image(
                digest="sha256:bb",
                tags=("3.11",),
                media_type="application/vnd.docker.distribution.manifest.v2+json",
                size_bytes=2_796_860,
                created_at="2020-01-17T21:00:00.000Z",
                uploaded_at="2020-01-17T22:26:40.000Z",
            ),
        ),
        children=("base", "tools"),
        suspect=None,
    )


@given(listings, st.booleans())
def test_google_listing_of_any_values_is_parsed_exactly(document, as_strings):
    listing = parse(as_google_writes(document) if as_strings else document)
    assert list(listing.tags) == document["tags"]
    assert list(listing.children) == document["child"]
    assert listing.suspect is None
    assert [image.digest for image in listing.images] == sorted(document["manifest"])
    for image in listing.images:
        image_document = document["manifest"][image.digest]
        assert list(image.tags) == image_document["tag"]
        assert image.media_type == (image_document["mediaType"] or None)
        assert image.size_bytes == (image_document["imageSizeBytes"] or None)
        assert milliseconds(image.created_at) == image_document["timeCreatedMs"]
        assert milliseconds(image.uploaded_at) == image_document["timeUploadedMs"]


@pytest.mark.parametrize("size", ["0", 0, "", "abc", "-1", -1, "1.5", 1.5, None, True, [], {}, str(2**63), "9" * 5000])
def test_google_listing_size_of_nonsense_is_none(size):
    assert only_image(imageSizeBytes=size).size_bytes is None


@pytest.mark.parametrize(
    "time",
    [
        "0",
        0,
        "",
        "abc",
        "-1",
        -1,
        "1579294800000.5",
        1.5,
        None,
        True,
        [],
        {},
        str(END_OF_TIME + 1),
        2**63 - 1,
        "9" * 50,
    ],
)
def test_google_listing_time_of_nonsense_is_none(time):
    image = only_image(timeCreatedMs=time, timeUploadedMs=time)
    assert (image.created_at, image.uploaded_at) == (None, None)


@pytest.mark.parametrize(
    ("time_ms", "time"),
    [
        (str(YEAR_2013), "2013-01-01T00:00:00.000Z"),
        ("1579294800001", "2020-01-17T21:00:00.001Z"),
        (1579294800001, "2020-01-17T21:00:00.001Z"),
        (str(END_OF_TIME), "9999-12-31T23:59:59.999Z"),
    ],
)
def test_google_listing_time_is_utc_with_milliseconds(time_ms, time):
    image = only_image(timeCreatedMs=time_ms, timeUploadedMs=time_ms)
    assert (image.created_at, image.uploaded_at) == (time, time)


@pytest.mark.parametrize(
    ("time_ms", "time"),
    [
        ("1", "1970-01-01T00:00:00.001Z"),
        ("1000", "1970-01-01T00:00:01.000Z"),
        ("315532800000", "1980-01-01T00:00:00.000Z"),
    ],
)
def test_google_listing_keeps_the_epoch_of_a_reproducible_build(time_ms, time):
    image = only_image(timeCreatedMs=time_ms, timeUploadedMs="1579300000000")
    assert (image.created_at, image.uploaded_at) == (time, "2020-01-17T22:26:40.000Z")


def test_google_listing_image_without_fields_has_nones():
    assert only_image() == Image("sha256:aa")
    assert only_image(tag=None, mediaType=7) == Image("sha256:aa")


def test_google_listing_error_names_the_image_escaped_and_cut():
    with pytest.raises(MalformedResponse) as refusal:
        parse({"manifest": {"\x1b[31m\u202e" + "x" * 9999: None}})
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 200


REGULAR = {
    "imageSizeBytes": "7",
    "layerId": "",
    "mediaType": "application/vnd.oci.image.index.v1+json",
    "tag": ["1"],
    "timeCreatedMs": "1579294800000",
    "timeUploadedMs": "1579300000000",
}


@pytest.fixture
def decoded_at_once(monkeypatch):
    """The listings that were decoded into types at once, as numbers of images."""
    parsed = []

    def images_of(manifests):
        result = real(manifests)
        parsed.append(len(result))
        return result

    real = tags.images_of
    monkeypatch.setattr(tags, "images_of", images_of)
    return parsed


def test_google_listing_as_google_writes_it_is_decoded_at_once(decoded_at_once):
    second = {**REGULAR, "tag": ["2", "latest"], "imageSizeBytes": "0", "mediaType": ""}
    parse({"child": [], "manifest": {"sha256:aa": REGULAR, "sha256:bb": second}, "name": "a", "tags": ["1", "2"]})
    assert decoded_at_once == [2]


@pytest.mark.parametrize(
    "irregular",
    [
        {"imageSizeBytes": 7},
        {"imageSizeBytes": ""},
        {"imageSizeBytes": "-7"},
        {"imageSizeBytes": "7_0"},
        {"imageSizeBytes": "\u0667"},
        {"imageSizeBytes": "9" * 5000},
        {"timeCreatedMs": None},
        {"timeUploadedMs": " 1"},
        {"mediaType": None},
        {"tag": None},
        {"tag": [["nested"]]},
        {"tag": [7]},
        {"tag": ["2", "2"]},
        {"tag": ["1"]},
    ],
)
def test_google_listing_with_one_irregular_image_keeps_the_other_images(irregular, decoded_at_once):
    images = {"sha256:aa": REGULAR, "sha256:bb": {**REGULAR, "tag": ["2"], **irregular}}
    first, second = parse({"manifest": images, "tags": []}).images
    assert decoded_at_once == []
    assert (first,) == parse({"manifest": {"sha256:aa": REGULAR}}).images
    assert second.digest == "sha256:bb"


def test_google_listing_with_a_missing_field_keeps_the_other_images(decoded_at_once):
    bare = {"tag": ["2"]}
    first, second = parse({"manifest": {"sha256:aa": REGULAR, "sha256:bb": bare}, "tags": []}).images
    assert decoded_at_once == []
    assert (first,) == parse({"manifest": {"sha256:aa": REGULAR}}).images
    assert second == Image("sha256:bb", ("2",))


@given(listings)
def test_google_listing_is_the_same_decoded_at_once_and_one_by_one(document):
    """Numbers that are not strings make a listing irregular."""
    assert parse(as_google_writes(document)) == parse(document)


def test_google_listing_of_many_images_is_complete():
    listed = [f"v{n}" for n in range(30_000)]
    manifest = {f"sha256:{n:064x}": {"tag": [f"v{n}"], "timeCreatedMs": "1579294800000"} for n in range(30_000)}
    listing = parse({"tags": listed * 2, "manifest": manifest})
    assert listing.tags == tuple(listed)
    assert len(listing.images) == 30_000
