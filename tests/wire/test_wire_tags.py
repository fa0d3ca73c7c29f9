import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.json_values import text, values

from crawler.errors import MalformedResponse
from crawler.model.image import Image
from crawler.model.record import Listing
from crawler.wire.tags import ListingPage, merge_listings, parse_listing

fuzz = settings(max_examples=80)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
YEAR_2013 = (datetime(2013, 1, 1, tzinfo=UTC) - EPOCH) // MILLISECOND
END_OF_TIME = (datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC) - EPOCH) // MILLISECOND

names = st.lists(text, max_size=5, unique=True)
digests = st.integers(0, 2**256 - 1).map("sha256:{:064x}".format)
manifests = st.fixed_dictionaries(
    {
        "imageSizeBytes": st.integers(0, 10**18 - 1),
        "layerId": st.just(""),
        "mediaType": text,
        "tag": names,
        "timeCreatedMs": st.just(0) | st.integers(YEAR_2013, END_OF_TIME),
        "timeUploadedMs": st.just(0) | st.integers(YEAR_2013, END_OF_TIME),
    }
)
google = st.fixed_dictionaries(
    {"child": names, "manifest": st.dictionaries(digests, manifests, max_size=4), "name": st.just("a"), "tags": names}
)


def read_listing(body):
    return parse_listing("a", body)


def read(document):
    return read_listing(json.dumps(document).encode())


def as_google_writes(document):
    """Numbers as strings."""
    told = {
        digest: {key: str(value) if isinstance(value, int) else value for key, value in manifest.items()}
        for digest, manifest in document["manifest"].items()
    }
    return {**document, "manifest": told}


def milliseconds(moment):
    """Read a time of ours independently; None is Google's 0."""
    if moment is None:
        return 0
    assert moment.endswith("Z")
    assert len(moment) == len("2020-01-17T19:00:00.000Z")
    return (datetime.fromisoformat(moment) - EPOCH) // MILLISECOND


def only_image(**manifest):
    (image,) = read({"manifest": {"sha256:aa": manifest}}).images
    return image


def test_googles_listing_is_read_whole():
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
            Image("sha256:aa", (), None, None, None, None),
            Image(
                "sha256:bb",
                ("3.11",),
                "application/vnd.docker.distribution.manifest.v2+json",
                2_796_860,
                "2020-01-17T21:00:00.000Z",
                "2020-01-17T22:26:40.000Z",
            ),
        ),
        children=("base", "tools"),
        suspect=None,
    )


@fuzz
@given(google, st.booleans())
def test_whatever_google_tells_is_read_exactly(document, as_strings):
    listing = read(as_google_writes(document) if as_strings else document)
    assert list(listing.tags) == document["tags"]
    assert list(listing.children) == document["child"]
    assert listing.suspect is None
    assert [image.digest for image in listing.images] == sorted(document["manifest"])
    for image in listing.images:
        told = document["manifest"][image.digest]
        assert list(image.tags) == told["tag"]
        assert image.media_type == (told["mediaType"] or None)
        assert image.size_bytes == (told["imageSizeBytes"] or None)
        assert milliseconds(image.created_at) == told["timeCreatedMs"]
        assert milliseconds(image.uploaded_at) == told["timeUploadedMs"]


@fuzz
@given(names)
def test_a_plain_listing_tells_tags_and_nothing_else(tags):
    assert read({"name": "a", "tags": tags}) == Listing(tuple(tags), None, None, None)


@pytest.mark.parametrize(
    ("document", "listing"),
    [
        pytest.param({"name": "a", "tags": None}, Listing(()), id="ACR: null tags"),
        pytest.param({"name": "a"}, Listing(()), id="no tags"),
        pytest.param({"tags": ["b", "a", "b"]}, Listing(("b", "a")), id="a duplicate tag, and no order"),
        pytest.param(
            {"tags": None, "manifest": None, "child": None}, Listing((), (), ()), id="null where Google has nothing"
        ),
        pytest.param({"tags": [], "manifest": {}, "child": []}, Listing((), (), ()), id="an emptied repository"),
        pytest.param({"tags": [], "child": ["a"]}, Listing((), None, ("a",)), id="a folder alone"),
        pytest.param({"tags": ["sha256:aa", "latest"]}, Listing(("sha256:aa", "latest")), id="Artifactory's tags"),
    ],
)
def test_listings_as_registries_write_them(document, listing):
    assert read(document) == listing


def test_nulls_among_the_tags_are_no_tags():
    listing = read({"name": "a", "tags": ["1.0", None, "1.1", None]})
    assert (listing.tags, listing.suspect) == (("1.0", "1.1"), None)


def test_what_is_neither_tag_nor_null_makes_the_listing_suspect():
    listing = read({"name": "a", "tags": ["1.0", None, 7, "1.1", {}]})
    assert listing.tags == ("1.0", "1.1")
    assert listing.suspect.startswith("2 entries")


def test_nulls_among_the_children_make_the_listing_suspect():
    """A child left out is a whole subtree left out: the verdict must not be "complete"."""
    listing = read({"tags": [], "child": ["base", None]})
    assert listing.children == ("base",)
    assert listing.suspect


@pytest.mark.parametrize("size", ["0", 0, "", "abc", "-1", -1, "1.5", 1.5, None, True, [], {}, str(2**63), "9" * 5000])
def test_a_size_that_is_unknown_or_nonsense_is_null(size):
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
def test_a_time_that_is_unknown_or_nonsense_is_null(time):
    image = only_image(timeCreatedMs=time, timeUploadedMs=time)
    assert (image.created_at, image.uploaded_at) == (None, None)


@pytest.mark.parametrize(
    ("time", "moment"),
    [
        (str(YEAR_2013), "2013-01-01T00:00:00.000Z"),
        ("1579294800001", "2020-01-17T21:00:00.001Z"),
        (1579294800001, "2020-01-17T21:00:00.001Z"),
        (str(END_OF_TIME), "9999-12-31T23:59:59.999Z"),
    ],
)
def test_a_time_is_told_in_utc_to_the_millisecond(time, moment):
    image = only_image(timeCreatedMs=time, timeUploadedMs=time)
    assert (image.created_at, image.uploaded_at) == (moment, moment)


@pytest.mark.parametrize(
    ("time", "moment"),
    [
        ("1", "1970-01-01T00:00:00.001Z"),
        ("1000", "1970-01-01T00:00:01.000Z"),
        ("315532800000", "1980-01-01T00:00:00.000Z"),
    ],
)
def test_a_reproducible_builds_epoch_stays_as_it_is_told(time, moment):
    image = only_image(timeCreatedMs=time, timeUploadedMs="1579300000000")
    assert (image.created_at, image.uploaded_at) == (moment, "2020-01-17T22:26:40.000Z")


def test_an_image_told_without_a_word_is_all_null():
    assert only_image() == Image("sha256:aa", (), None, None, None, None)
    assert only_image(tag=None, mediaType=7) == Image("sha256:aa", (), None, None, None, None)


@pytest.mark.parametrize(
    "document",
    [
        {"tags": "latest"},
        {"tags": {"latest": 1}},
        {"tags": 0},
        {"child": {"a": 1}},
        {"child": "a"},
        {"manifest": ["sha256:aa"]},
        {"manifest": "sha256:aa"},
        {"manifest": 1},
        {"manifest": {"sha256:aa": None}},
        {"manifest": {"sha256:aa": ["latest"]}},
        {"manifest": {"sha256:aa": {"tag": "latest"}}},
    ],
)
def test_a_listing_of_another_shape_is_refused(document):
    with pytest.raises(MalformedResponse):
        read(document)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"<html>sign in</html>", b'{"tags": ["a"', b'{"tags": ["\xff"]}']
)
def test_what_is_no_listing_is_refused(body):
    with pytest.raises(MalformedResponse):
        read_listing(body)


def test_a_refusal_names_the_image_escaped_and_cut():
    with pytest.raises(MalformedResponse) as refusal:
        read({"manifest": {"\x1b[31m\u202e" + "x" * 9999: None}})
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 200


strange = st.fixed_dictionaries(
    {},
    optional={
        "tags": values,
        "child": values,
        "manifest": values
        | st.dictionaries(
            text,
            values
            | st.fixed_dictionaries(
                {},
                optional={
                    key: values | st.text("0123456789-+.", max_size=25)
                    for key in ("imageSizeBytes", "mediaType", "tag", "timeCreatedMs", "timeUploadedMs")
                },
            ),
            max_size=3,
        ),
    },
)


@settings(fuzz, max_examples=200)
@given(st.binary() | st.one_of(values, strange).map(json.dumps).map(str.encode))
def test_any_body_is_a_listing_or_a_malformed_reply(body):
    try:
        listing = read_listing(body)
    except MalformedResponse:
        return
    for strings in (listing.tags, listing.children or ()):
        assert all(isinstance(entry, str) for entry in strings)
        assert len(set(strings)) == len(strings)
    images = listing.images or ()
    assert [image.digest for image in images] == sorted({image.digest for image in images})
    for image in images:
        assert image.size_bytes is None or 0 < image.size_bytes < 2**63
        for moment in (image.created_at, image.uploaded_at):
            assert 0 <= milliseconds(moment) <= END_OF_TIME


@fuzz
@given(google)
def test_listings_as_google_writes_them_and_one_by_one_are_the_same(document):
    together = read(document).images
    alone = [read({**document, "manifest": {digest: told}}).images[0] for digest, told in document["manifest"].items()]
    assert list(together) == sorted(alone)


@fuzz
@given(st.lists(google, min_size=1, max_size=4))
def test_pages_together_are_one_listing(documents):
    pages = [read(document) for document in documents]
    merged = merge_listings(pages)
    assert list(merged.tags) == list(dict.fromkeys(tag for document in documents for tag in document["tags"]))
    assert list(merged.children) == list(dict.fromkeys(child for document in documents for child in document["child"]))
    assert [i.digest for i in merged.images] == sorted({d for document in documents for d in document["manifest"]})
    told = [image for page in pages for image in page.images]
    for image in merged.images:
        assert image._replace(tags=()) in {other._replace(tags=()) for other in told}
        assert set(image.tags) == {tag for other in told if other.digest == image.digest for tag in other.tags}
    assert merged.suspect is None


@fuzz
@given(google | st.fixed_dictionaries({"tags": names}))
def test_one_page_is_the_listing(document):
    listing = read(document)
    assert merge_listings([listing]) == listing


def test_pages_of_plain_tags_tell_no_images_and_no_children():
    pages = [Listing(("a", "b")), Listing(("b", "c")), Listing(())]
    assert merge_listings(pages) == Listing(("a", "b", "c"), None, None, None)


def test_one_suspect_page_makes_the_listing_suspect():
    pages = [Listing(("a",)), Listing(("b",), suspect="1 entries"), Listing(("c",), suspect="2 entries")]
    assert merge_listings(pages).suspect == "1 entries"


def test_one_page_that_tells_images_is_enough():
    image = Image("sha256:aa", (), None, None, None, None)
    merged = merge_listings([Listing(("a",)), Listing((), (image,), ("child",))])
    assert merged == Listing(("a",), (image,), ("child",), None)


def test_a_very_large_listing_is_read_whole():
    tags = [f"v{n}" for n in range(30_000)]
    manifest = {f"sha256:{n:064x}": {"tag": [f"v{n}"], "timeCreatedMs": "1579294800000"} for n in range(30_000)}
    listing = read({"tags": tags * 2, "manifest": manifest})
    assert listing.tags == tuple(tags)
    assert len(listing.images) == 30_000


@pytest.mark.parametrize("body", [b"{}", b'{"errors": [{"code": "UNKNOWN"}]}'])
def test_an_answer_to_another_question_is_no_empty_listing(body):
    with pytest.raises(MalformedResponse, match="without tags, images or children"):
        read_listing(body)


# What a body may call the repository that was asked about: (asked, called)
ITS_NAMES = [
    ("team/app", "team/app"),
    ("docker-remote/library/nginx", "library/nginx"),
    ("library/nginx", "dockerhub/library/nginx"),
    ("nginx", "library/nginx"),
    ("acme/app", "x"),
    ("a/b/c", "x/y"),
    ("team/app", ""),
    ("team/app", None),
    ("team/app", 7),
]
OTHER_NAMES = [
    ("team/app05", "team/app00"),
    ("team/app", "team"),
    ("team/a/b", "team/b"),
    ("app", "team/other"),
    ("my-app", "app"),
    ("team/my-app", "other/app"),
    ("team/app", "\x1b[2J/../alpha"),
]


@pytest.mark.parametrize(("asked", "called"), ITS_NAMES)
def test_a_listing_may_call_its_repository(asked, called):
    assert parse_listing(asked, json.dumps({"name": called, "tags": ["1"]}).encode()).tags == ("1",)


@pytest.mark.parametrize(("asked", "called"), OTHER_NAMES)
def test_a_listing_of_another_repository_is_refused(asked, called):
    with pytest.raises(MalformedResponse, match="the body lists another repository: ") as refusal:
        parse_listing(asked, json.dumps({"name": called, "tags": ["1"]}).encode())
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 300


def test_a_listing_without_a_name_is_the_one_that_was_asked_for():
    assert parse_listing("team/app", b'{"tags": ["1"]}').tags == ("1",)


@pytest.mark.parametrize("tags", ["null", "[]", '["1"]'])
def test_a_listing_with_errors_beside_its_tags_is_refused(tags):
    with pytest.raises(MalformedResponse, match="errors beside it: UNAUTHORIZED"):
        read_listing(f'{{"tags": {tags}, "errors": [{{"code": "UNAUTHORIZED", "message": "x"}}]}}'.encode())


@pytest.mark.parametrize("tags", [[None], [None, None, None]])
def test_a_listing_of_nulls_alone_is_suspect(tags):
    assert read({"tags": tags}).suspect == "the listing has no tags but null"


@pytest.mark.parametrize(
    ("document", "lengths", "names_next"),
    [
        ({"tags": ["1", "2", "2"]}, (2, 0, 0), False),
        ({"tags": None, "child": ["a", "b"]}, (0, 0, 2), False),
        ({"manifest": {"sha256:aa": {}}, "next": "", "errors": []}, (0, 1, 0), False),
        ({"tags": ["1"], "next": "/v2/a/tags/list?last=1"}, (1, 0, 0), True),
        ({"tags": ["1"], "nextPageToken": "x"}, (1, 0, 0), True),
    ],
)
def test_a_page_says_how_long_it_is_and_whether_it_names_a_next(document, lengths, names_next):
    listing = read(document)
    page = ListingPage(listing)
    assert (page.lengths, page.names_next) == (lengths, names_next)
    assert listing.suspect == ("the body names a next page, and no Link header does" if names_next else None)
    assert page.listing.suspect is None  # the pager judges it, which knows of links


def test_a_child_and_a_tag_of_one_name_are_two_entries():
    page = ListingPage(read({"tags": ["latest"], "child": ["latest"], "manifest": {"sha256:aa": {}}}))
    assert sorted(page.entries) == ["/latest", "latest", "sha256:aa"]
    assert list(page.ordered) == ["latest"]


@pytest.mark.parametrize(
    ("document", "ordered"),
    [
        ({"tags": ["2", "1"], "manifest": {"sha256:aa": {}}, "child": ["x"]}, ["2", "1"]),
        ({"tags": [], "manifest": {"sha256:bb": {}, "sha256:aa": {}}, "child": ["x"]}, ["sha256:aa", "sha256:bb"]),
        ({"tags": [], "manifest": {}, "child": ["y", "x"]}, ["y", "x"]),
        ({"tags": None}, []),
    ],
)
def test_a_page_goes_on_behind_the_last_of_its_tags_or_else_images_or_else_children(document, ordered):
    assert list(ListingPage(read(document)).ordered) == ordered
