"""What ECR's hosts and answers mean: any JSON is parsed or refused, and nothing of it is invented."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registries.ecr_api import SBOM, WEB_INDEX
from support.digests import digest_of
from support.json_values import flat, values

from crawler.errors import MalformedResponse
from crawler.model.image import ImageKind
from crawler.model.names import Target
from crawler.profiles import PROFILES_BY_KIND, profile_for
from crawler.vendors.aws_json import parse_page
from crawler.vendors.ecr import EcrHost, make_ecr_listing, parse_entry, parse_manifests, parse_moment, parse_name
from crawler.wire.digest import is_digest

ACCOUNT_HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (ACCOUNT_HOST, EcrHost("123456789012", "eu-west-1")),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", EcrHost("123456789012", "cn-north-1")),
        ("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com", EcrHost("123456789012", "us-east-1")),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", EcrHost("123456789012", "eu-west-1")),
        ("127.0.0.1:5000", EcrHost("", "")),
        ("mirror.example", EcrHost("", "")),
    ],
)
def test_ecr_host_names_account_and_region(host, expected):
    assert EcrHost.of(Target.parse(host)) == expected


@pytest.mark.parametrize(
    ("host", "url"),
    [
        (ACCOUNT_HOST, "https://api.ecr.eu-west-1.amazonaws.com"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "https://api.ecr.cn-north-1.amazonaws.com.cn"),
        ("123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", "https://api.ecr.eusc-de-east-1.amazonaws.eu"),
        ("mirror.example", None),
    ],
)
def test_ecr_api_url_by_host(host, url):
    """(botocore's endpoint rules for ecr)"""
    assert PROFILES_BY_KIND["ecr"].api_url(host) == url
    assert (profile_for(Target.parse(host)).kind == "ecr") == (url is not None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_700_000_000, "2023-11-14T22:13:20.000Z"),
        (1_700_000_000.25, "2023-11-14T22:13:20.250Z"),
        ("2023-11-14T22:13:20Z", "2023-11-14T22:13:20.000Z"),
        (1e300, None),
        (2**62, None),
        (-(2**62), None),
        (True, None),
        (None, None),
        ("soon", None),
        ([1], None),
    ],
)
def test_ecr_moment(value, expected):
    assert parse_moment(value) == expected


def test_ecr_entry_without_a_valid_digest_keeps_its_tags():
    entries = [parse_entry(entry) for entry in ({"imageDigest": "sha256:1", "imageTags": ["a"]}, {"imageTags": ["b"]})]
    listing = make_ecr_listing(entries)
    assert (listing.tags, listing.images) == (("a", "b"), ())


def test_ecr_entries_of_one_digest_are_one_image():
    """moto of long ago had an entry for each tag (getmoto/moto#1685)."""
    digest = digest_of(b"")
    listing = make_ecr_listing([parse_entry({"imageDigest": digest, "imageTags": [tag]}) for tag in ("a", "b")])
    assert [(image.digest, image.tags) for image in listing.images or ()] == [(digest, ("a", "b"))]


_DIGESTS = st.sampled_from([digest_of(b"a"), digest_of(b"b"), WEB_INDEX.digest])
_FIELDS = ["imageTags", "imageSizeInBytes", "imagePushedAt", "imageManifestMediaType", "artifactMediaType"]
_FIELDS += ["lastRecordedPullTime", "subjectManifestDigest", "imageStatus"]
_VALUES = flat | values | _DIGESTS


@pytest.mark.parametrize("field", ["imageDigest", *_FIELDS])
@settings(max_examples=50)
@given(_VALUES, st.dictionaries(st.sampled_from(_FIELDS), _VALUES, max_size=3))
def test_ecr_entry_of_any_json_is_parsed_or_malformed(field, value, others):
    """The field is tried in an entry that is good otherwise, and among others that are not."""
    good = {"imageDigest": WEB_INDEX.digest, "imageTags": ["a"]}
    try:
        listing = make_ecr_listing([parse_entry({**good, field: value}), parse_entry({**good, **others})])
    except MalformedResponse:
        return
    assert all(is_digest(image.digest) for image in listing.images or ())
    assert all(isinstance(tag, str) for tag in listing.tags)


@given(st.dictionaries(st.sampled_from(["repositories", "nextToken"]), values | st.lists(flat), max_size=2))
def test_ecr_page_of_any_json_is_parsed_or_malformed(document):
    try:
        page = parse_page("repositories", parse_name, json.dumps(document).encode())
    except MalformedResponse:
        return
    assert all(isinstance(name, str) and name for name in page.entries)
    assert isinstance(page.next_token, str)


_BULK = st.dictionaries(
    st.sampled_from(["imageId", "imageManifest", "imageManifestMediaType"]),
    values | st.dictionaries(st.sampled_from(["imageDigest"]), flat | _DIGESTS),
)


@given(st.dictionaries(st.sampled_from(["images", "failures"]), values | st.lists(_BULK | flat)))
def test_ecr_manifests_of_any_json_are_parsed_or_malformed(document):
    try:
        manifests = parse_manifests(json.dumps(document).encode())
    except MalformedResponse:
        return
    assert all(isinstance(manifest.body, bytes) for manifest in manifests.values())


@pytest.mark.parametrize(
    ("media_type", "artifact", "kind", "artifact_type"),
    [
        ("application/vnd.oci.image.index.v1+json", None, ImageKind.INDEX, None),
        ("application/vnd.docker.distribution.manifest.list.v2+json", "", ImageKind.INDEX, None),
        (None, "application/vnd.docker.container.image.v1+json", None, None),
        (None, "application/vnd.oci.image.config.v1+json", None, None),
        (None, SBOM, ImageKind.SBOM, SBOM),
        (
            None,
            "application/vnd.cncf.notary.signature",
            ImageKind.SIGNATURE,
            "application/vnd.cncf.notary.signature",
        ),
        (
            None,
            "application/vnd.cncf.helm.config.v1+json",
            ImageKind.ARTIFACT,
            "application/vnd.cncf.helm.config.v1+json",
        ),
        (None, 7, None, None),
    ],
)
def test_ecr_kind_by_media_types(media_type, artifact, kind, artifact_type):
    """Of an image, ECR has the media type of its config as the type of the artifact."""
    entry = {"imageDigest": digest_of(b""), "imageManifestMediaType": media_type, "artifactMediaType": artifact}
    image = parse_entry(entry).image
    assert image is not None
    assert (image.kind, image.artifact_type) == (kind, artifact_type)


@pytest.mark.parametrize("tags", [["a", None], ["a", 1], [["b"]], "a", {"a": 1}])
def test_ecr_tags_that_are_not_strings_are_malformed(tags):
    """A tag that is left out would be missing without a word. The protocol lists the repository then."""
    with pytest.raises(MalformedResponse):
        parse_entry({"imageDigest": digest_of(b""), "imageTags": tags})


def test_ecr_image_without_a_valid_digest_leaves_the_list_of_untagged_images_open():
    """Nothing that is not listed is proved to be missing then."""
    whole, unknown = parse_entry({"imageDigest": digest_of(b"")}), parse_entry({"imageDigest": "md5:1"})
    assert make_ecr_listing([whole]).lists_untagged
    assert not make_ecr_listing([whole, unknown]).lists_untagged
