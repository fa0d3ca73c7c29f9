"""Digests of bodies: which are digests, and whether a body has one."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import DigestMismatch
from crawler.wire.digest import check_digest, digest_of, is_digest

# The digest of an empty body: FIPS 180-4.
EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_digest_of_an_empty_body_is_the_published_one():
    assert digest_of(b"") == EMPTY


@given(st.binary(), st.sampled_from(["sha256", "sha512"]))
def test_digest_follows_the_algorithm_of_another_digest(body, algorithm):
    digest = digest_of(body, like=f"{algorithm}:0123")
    assert digest == f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"
    assert is_digest(digest)
    check_digest(body, digest)


@given(st.binary(), st.binary())
def test_digest_of_another_body_is_a_mismatch(body, other):
    if body != other:
        with pytest.raises(DigestMismatch):
            check_digest(body, digest_of(other))


def test_digest_mismatch_names_both_digests_and_not_the_body():
    wanted = "sha256:" + "0" * 64
    with pytest.raises(DigestMismatch) as mismatch:
        check_digest(b'{"config": "hunter2"}', wanted)
    message = str(mismatch.value)
    assert wanted in message
    assert digest_of(b'{"config": "hunter2"}') in message
    assert "hunter2" not in message


@pytest.mark.parametrize("digest", ["", "sha256", "md5:00", "sha1:00", "SHA256:" + "0" * 64, "\x1b[31m:" + "0" * 500])
def test_digest_of_an_unknown_algorithm_is_a_mismatch(digest):
    with pytest.raises(DigestMismatch) as mismatch:
        check_digest(b"", digest or "none")
    assert str(mismatch.value).isprintable()
    assert len(str(mismatch.value)) < 300


@pytest.mark.parametrize("digest", [EMPTY.upper(), f"{EMPTY} ", f"{EMPTY}\n", EMPTY[:-1], f"{EMPTY}0"])
def test_digest_in_another_spelling_is_a_mismatch(digest):
    assert not is_digest(digest)
    with pytest.raises(DigestMismatch):
        check_digest(b"", digest)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("sha256:" + "a1" * 32, True),
        ("sha512:" + "a1" * 64, True),
        ("sha256:" + "a1" * 64, False),
        ("sha512:" + "a1" * 32, False),
        ("sha256:" + "g1" * 32, False),
        ("sha384:" + "a1" * 48, False),
        ("sha256-" + "a1" * 32, False),
        ("a1" * 32, False),
        ("", False),
        (None, False),
        (7, False),
        (b"sha256:" + b"a1" * 32, False),
    ],
)
def test_digest_is_recognised(value, expected):
    assert is_digest(value) is expected


@given(st.binary(), st.text())
def test_digest_of_any_text_is_checked_or_a_mismatch(body, text):
    with pytest.raises(DigestMismatch):
        check_digest(body, text)
