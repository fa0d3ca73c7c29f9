"""Images from an API become a listing: one image for each digest, and no tag with two digests."""

from hypothesis import given
from hypothesis import strategies as st

from crawler.model.image import Image
from crawler.vendors.listing import make_listing

FIRST, SECOND = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def test_listing_of_an_image_that_comes_twice_has_all_of_its_tags_and_times():
    one = Image(
        FIRST, ("a",), uploaded_at="2026-01-02", updated_at="2026-01-02", pulled_at="2026-01-09", media_type="first"
    )
    again = Image(
        FIRST, ("b",), uploaded_at="2026-01-01", updated_at="2026-01-03", pulled_at="2026-01-08", media_type="second"
    )
    listing = make_listing([one, again], lists_untagged=True)
    assert listing.tags == ("a", "b")
    assert listing.images == (
        Image(
            FIRST,
            ("a", "b"),
            uploaded_at="2026-01-01",
            updated_at="2026-01-03",
            pulled_at="2026-01-09",
            media_type="first",
        ),
    )


def test_listing_takes_a_time_that_only_one_of_them_has():
    pulled = Image(FIRST, ("b",), pulled_at="2026-01-08")
    for images in ([Image(FIRST, ("a",)), pulled], [pulled, Image(FIRST, ("a",))]):
        (image,) = make_listing(images, lists_untagged=True).images or ()
        assert (image.pulled_at, image.uploaded_at, image.updated_at) == ("2026-01-08", None, None)


def test_listing_leaves_a_tag_with_two_digests_to_the_protocol():
    listing = make_listing([Image(FIRST, ("a", "b")), Image(SECOND, ("b",))], lists_untagged=True)
    assert listing.tags == ("a", "b")
    assert [(image.digest, image.tags) for image in listing.images or ()] == [(FIRST, ("a",)), (SECOND, ())]


def test_listing_leaves_a_tag_that_comes_with_a_digest_and_without_one_to_the_protocol():
    listing = make_listing([Image(FIRST, ("a", "b"))], lists_untagged=True, without_digest=iter(["b"]))
    assert listing.tags == ("a", "b")
    assert [(image.digest, image.tags) for image in listing.images or ()] == [(FIRST, ("a",))]


@given(
    st.lists(st.tuples(st.sampled_from([FIRST, SECOND]), st.lists(st.sampled_from("abc"), max_size=3))),
    st.lists(st.sampled_from("cde")),
)
def test_listing_has_each_tag_once_and_loses_none(listed, without_digest):
    listing = make_listing(
        (Image(digest, tuple(tags)) for digest, tags in listed), lists_untagged=False, without_digest=without_digest
    )
    resolved = [tag for image in listing.images or () for tag in image.tags]
    assert len(set(listing.tags)) == len(listing.tags)
    assert set(listing.tags) == {tag for _, tags in listed for tag in tags} | set(without_digest)
    assert len(set(resolved)) == len(resolved)
    assert {*resolved} <= {*listing.tags}
