"""Pages of `tags/list`, and their merging."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.google_listings import END_OF_TIME, listings, milliseconds, names
from support.json_values import text, values

from crawler.errors import MalformedResponse
from crawler.model.image import Image
from crawler.model.record import Listing
from crawler.wire.tags import ListingPage, merge_listings, parse_listing


def parse(document):
    return parse_listing("a", json.dumps(document).encode())


@given(names)
def test_listing_of_plain_tags_has_nothing_else(tags):
    assert parse({"name": "a", "tags": tags}) == Listing(tuple(tags), None, None, None)


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
def test_listing_as_registries_write_it(document, listing):
    assert parse(document) == listing


def test_listing_skips_nulls_among_tags():
    listing = parse({"name": "a", "tags": ["1.0", None, "1.1", None]})
    assert (listing.tags, listing.suspect) == (("1.0", "1.1"), None)


def test_listing_with_other_entries_is_suspect():
    listing = parse({"name": "a", "tags": ["1.0", None, 7, "1.1", {}]})
    assert listing.tags == ("1.0", "1.1")
    assert listing.suspect.startswith("2 entries")


def test_listing_with_nulls_among_children_is_suspect():
    """A child left out is a whole subtree left out: the verdict must not be "complete"."""
    listing = parse({"tags": [], "child": ["base", None]})
    assert listing.children == ("base",)
    assert listing.suspect


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
def test_listing_of_another_shape_is_malformed(document):
    with pytest.raises(MalformedResponse):
        parse(document)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"<html>sign in</html>", b'{"tags": ["a"', b'{"tags": ["\xff"]}']
)
def test_listing_that_is_not_json_is_malformed(body):
    with pytest.raises(MalformedResponse):
        parse_listing("a", body)


any_listing = st.fixed_dictionaries(
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


@settings(max_examples=200)
@given(st.binary() | st.one_of(values, any_listing).map(json.dumps).map(str.encode))
def test_listing_of_any_body_is_parsed_or_malformed(body):
    try:
        listing = parse_listing("a", body)
    except MalformedResponse:
        return
    for strings in (listing.tags, listing.children or ()):
        assert all(isinstance(entry, str) for entry in strings)
        assert len(set(strings)) == len(strings)
    images = listing.images or ()
    assert [image.digest for image in images] == sorted({image.digest for image in images})
    for image in images:
        assert image.size_bytes is None or 0 < image.size_bytes < 2**63
        for time in (image.created_at, image.uploaded_at):
            assert 0 <= milliseconds(time) <= END_OF_TIME


@given(st.lists(listings, min_size=1, max_size=4))
def test_listing_pages_are_merged(documents):
    pages = [parse(document) for document in documents]
    merged = merge_listings(pages)
    assert list(merged.tags) == list(dict.fromkeys(tag for document in documents for tag in document["tags"]))
    assert list(merged.children) == list(dict.fromkeys(child for document in documents for child in document["child"]))
    assert [i.digest for i in merged.images] == sorted({d for document in documents for d in document["manifest"]})
    all_images = [image for page in pages for image in page.images]
    for image in merged.images:
        assert image.replace(tags=()) in {other.replace(tags=()) for other in all_images}
        assert set(image.tags) == {tag for other in all_images if other.digest == image.digest for tag in other.tags}
    assert merged.suspect is None


@given(listings | st.fixed_dictionaries({"tags": names}))
def test_listing_of_one_page_is_that_page(document):
    listing = parse(document)
    assert merge_listings([listing]) == listing


def test_listing_pages_of_plain_tags_have_no_images():
    pages = [Listing(("a", "b")), Listing(("b", "c")), Listing(())]
    assert merge_listings(pages) == Listing(("a", "b", "c"), None, None, None)


def test_listing_is_suspect_where_one_page_is():
    pages = [Listing(("a",)), Listing(("b",), suspect="1 entries"), Listing(("c",), suspect="2 entries")]
    assert merge_listings(pages).suspect == "1 entries"


def test_listing_has_images_where_one_page_has():
    image = Image("sha256:aa")
    merged = merge_listings([Listing(("a",)), Listing((), (image,), ("child",))])
    assert merged == Listing(("a",), (image,), ("child",), None)


@pytest.mark.parametrize("body", [b"{}", b'{"errors": [{"code": "UNKNOWN"}]}'])
def test_listing_without_any_list_is_malformed(body):
    with pytest.raises(MalformedResponse, match="without tags, images or children"):
        parse_listing("a", body)


# What a body may call the repository that was requested about: (requested, name)


ACCEPTED_NAMES = [
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


@pytest.mark.parametrize(("requested", "name"), ACCEPTED_NAMES)
def test_listing_may_have_another_name_for_its_repository(requested, name):
    assert parse_listing(requested, json.dumps({"name": name, "tags": ["1"]}).encode()).tags == ("1",)


@pytest.mark.parametrize(("requested", "name"), OTHER_NAMES)
def test_listing_of_another_repository_is_malformed(requested, name):
    with pytest.raises(MalformedResponse, match="the body lists another repository: ") as refusal:
        parse_listing(requested, json.dumps({"name": name, "tags": ["1"]}).encode())
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 300


def test_listing_without_a_name_is_accepted():
    assert parse_listing("team/app", b'{"tags": ["1"]}').tags == ("1",)


@pytest.mark.parametrize("tags", ["null", "[]", '["1"]'])
def test_listing_with_errors_beside_tags_is_malformed(tags):
    with pytest.raises(MalformedResponse, match="errors beside it: UNAUTHORIZED"):
        parse_listing("a", f'{{"tags": {tags}, "errors": [{{"code": "UNAUTHORIZED", "message": "x"}}]}}'.encode())


@pytest.mark.parametrize("tags", [[None], [None, None, None]])
def test_listing_of_nulls_alone_is_suspect(tags):
    assert parse({"tags": tags}).suspect == "the listing has no tags but null"


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
def test_listing_page_has_lengths_and_a_next_page(document, lengths, names_next):
    listing = parse(document)
    page = ListingPage(listing)
    assert (page.lengths, page.names_next) == (lengths, names_next)
    assert listing.suspect == ("the body names a next page, and no Link header does" if names_next else None)
    assert page.listing.suspect is None  # the pager judges it, which knows of links


def test_listing_page_child_and_tag_of_one_name_are_two_entries():
    page = ListingPage(parse({"tags": ["latest"], "child": ["latest"], "manifest": {"sha256:aa": {}}}))
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
def test_listing_page_cursor_is_the_last_tag_or_image_or_child(document, ordered):
    assert list(ListingPage(parse(document)).ordered) == ordered
