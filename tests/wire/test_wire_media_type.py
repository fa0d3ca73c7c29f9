"""The media type in a `Content-Type` header."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.wire.media_type import parse_media_type

OCI_IMAGE = "application/vnd.oci.image.manifest.v1+json"


@pytest.mark.parametrize("header", [OCI_IMAGE, f" {OCI_IMAGE} ", f"{OCI_IMAGE}; charset=utf-8", f"{OCI_IMAGE};"])
def test_media_type_is_what_comes_before_the_parameters(header):
    assert parse_media_type(header) == OCI_IMAGE


@pytest.mark.parametrize(
    "header", [None, "", "json", "application/", "a/b c", "a/b\x00", "a/\udcff", "тип/json", f"a/{'b' * 128}", ";a/b"]
)
def test_media_type_that_is_none(header):
    assert parse_media_type(header) is None


@given(st.binary(max_size=40).map(lambda sent: sent.decode("utf-8", "surrogateescape")) | st.text(max_size=40))
def test_media_type_can_be_written_as_json(header):
    for text in (header, f"a/b{header}", f"{header}/b"):
        assert len(orjson.dumps(parse_media_type(text))) <= 257
