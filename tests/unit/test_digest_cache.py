"""What was read once is found again: contents, the last digests of tags, and known images by their layers."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.digest_caches import content, digest_of, entries, layer, sqlite_rows

from crawler.digest_cache.cache import DigestCache
from crawler.digest_cache.values import Content, KnownImage

ALPINE, PYTHON, OTHER = (
    KnownImage(digest=digest_of(name), config_digest=digest_of(name * 2), reference=f"registry.test/{name.decode()}:1")
    for name in (b"alpine", b"python", b"other")
)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "deep" / "er" / "digests.sqlite"


@pytest.fixture
def cache(path) -> Iterator[DigestCache]:
    with DigestCache.open(path) as cache:
        yield cache


def test_digest_cache_finds_a_content_in_a_later_run(path):
    manifest, blob = (
        Content(b'{"schemaVersion": 2}', "application/vnd.oci.image.manifest.v1+json"),
        Content(b"{}", None),
    )
    with DigestCache.open(path) as first:
        first.put(digest_of(manifest.body), manifest)
        first.put(digest_of(blob.body), blob)
    with DigestCache.open(path) as second:
        assert second.get(digest_of(manifest.body)) == manifest
        assert second.get(digest_of(blob.body)) == blob
        assert second.notes == []


def test_digest_cache_finds_a_content_of_sha512(cache):
    digest = f"sha512:{hashlib.sha512(b'body').hexdigest()}"
    cache.put(digest, Content(b"body", None))
    assert cache.get(digest) == Content(b"body", None)


def test_digest_cache_counts_hits_and_misses(cache):
    cache.put(digest_of(b"known"), Content(b"known", None))
    assert cache.get(digest_of(b"known")) is not None
    assert cache.get(digest_of(b"unknown")) is None
    assert cache.get(digest_of(b"unknown")) is None
    assert (cache.hits, cache.misses) == (1, 2)


def test_digest_cache_has_counts_nothing(cache):
    cache.put(digest_of(b"known"), Content(b"known", None))
    assert cache.has(digest_of(b"known"))
    assert not cache.has(digest_of(b"unknown"))
    assert (cache.hits, cache.misses) == (0, 0)


def test_digest_cache_keeps_the_newest_content_of_a_digest(cache):
    cache.put(digest_of(b"body"), Content(b"body", None))
    cache.put(digest_of(b"body"), Content(b"body", "text/plain"))
    assert cache.get(digest_of(b"body")) == Content(b"body", "text/plain")


def test_digest_cache_does_not_keep_a_body_of_more_than_32_mib(cache):
    for size, is_kept in ((32 * 1024 * 1024, True), (32 * 1024 * 1024 + 1, False)):
        body = bytes(size)
        cache.put(digest_of(body), Content(body, "text/plain"))
        assert cache.has(digest_of(body)) is is_kept
        assert (cache.get(digest_of(body)) is not None) is is_kept


@pytest.mark.parametrize(
    "digest", ["", "sha256:", "sha256:xyz", f"sha256:{'A' * 64}", f"sha256:{'é' * 64}", "md5:00", "\udcff"]
)
def test_digest_cache_answers_a_miss_for_a_text_that_is_no_digest(cache, digest):
    cache.put(digest, Content(b"body", None))
    assert cache.get(digest) is None


def test_digest_cache_without_a_file_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    with DigestCache.open(None) as cache:
        cache.put(digest_of(b"body"), Content(b"body", None))
        assert cache.get(digest_of(b"body")) == Content(b"body", None)
        assert cache.notes == []
    assert list(tmp_path.iterdir()) == []


def test_digest_cache_can_be_closed_twice(path):
    cache = DigestCache.open(path)
    cache.close()
    cache.close()
    assert cache.notes == []


def test_digest_cache_stays_small_with_contents_that_are_alike(path):
    """2,000 configs, of which zstd alone makes more than 600 bytes each."""
    with DigestCache.open(path) as cache:
        for number in range(3000):
            cache.put(digest_of(content(number).body), content(number))
        assert all(cache.get(digest_of(content(number).body)) == content(number) for number in range(0, 3000, 7))
    ((mean,),) = sqlite_rows(path, "SELECT avg(length(content)) FROM contents WHERE id > 2000")
    assert mean < 350


def test_digest_cache_stays_small_where_each_run_adds_few_contents(path):
    for first in range(0, 2200, 200):
        with DigestCache.open(path) as cache:
            for number in range(first, first + 200):
                cache.put(digest_of(content(number).body), content(number))
    ((mean,),) = sqlite_rows(path, "SELECT avg(length(content)) FROM contents WHERE id > 1500")
    assert mean < 350


def test_digest_cache_reads_what_another_process_wrote_with_a_dictionary_of_its_own(path):
    with DigestCache.open(path) as reader, DigestCache.open(path) as writer:
        for number in range(2000):
            writer.put(digest_of(content(number).body), content(number))
        assert reader.get(digest_of(content(1999).body)) == content(1999)


def test_digest_cache_remembers_the_last_digests_of_each_repository(path):
    digests = {"latest": digest_of(b"1"), "1.0": digest_of(b"1"), "0.9": f"sha512:{'0' * 128}"}
    with DigestCache.open(path) as cache:
        cache.keep_last_digests("registry.test:5000", "team/app", {"old": digest_of(b"0")})
        cache.keep_last_digests("registry.test:5000", "team/app", digests)
        cache.keep_last_digests("other.test", "team/app", {})
    with DigestCache.open(path) as cache:
        assert cache.last_digests("registry.test:5000", "team/app") == digests
        assert cache.last_digests("other.test", "team/app") == {}
        assert cache.last_digests("registry.test:5000", "team/other") == {}


def test_digest_cache_base_is_the_image_with_the_longest_proper_prefix_of_layers(path):
    layers = [layer(number) for number in range(4)]
    with DigestCache.open(path) as cache:
        cache.add_image(layers[:1], ALPINE)
        cache.add_image(layers[:3], PYTHON)
        cache.add_image([layers[0], layer(9)], OTHER)
    with DigestCache.open(path) as cache:
        assert cache.longest_base(layers) == PYTHON
        assert cache.longest_base(layers[:3]) == ALPINE
        assert cache.longest_base([layers[0], *layers[2:]]) == ALPINE


def test_digest_cache_base_is_never_the_image_itself(cache):
    cache.add_image([layer(1), layer(2)], ALPINE)
    assert cache.longest_base([layer(1), layer(2)]) is None
    assert cache.longest_base([layer(1)]) is None


def test_digest_cache_base_of_a_list_of_layers_that_has_grown(cache):
    layers = [layer(1)]
    cache.add_image(layers, ALPINE)
    layers.append(layer(2))
    assert cache.longest_base(layers) == ALPINE


def test_digest_cache_base_of_no_layers_is_none(cache):
    cache.add_image([], ALPINE)
    assert cache.longest_base([]) is None
    assert cache.longest_base([layer(1)]) is None


def test_digest_cache_keeps_the_first_image_of_the_same_layers(cache):
    cache.add_image([layer(1)], ALPINE)
    cache.add_image([layer(1)], OTHER)
    assert cache.longest_base([layer(1), layer(2)]) == ALPINE


def test_digest_cache_images_are_kept_by_the_chain_id_of_the_specification(path):
    with DigestCache.open(path) as cache:
        cache.add_image([layer(1), layer(2), layer(3)], ALPINE)
    chain = digest_of(f"{digest_of(f'{layer(1)} {layer(2)}'.encode())} {layer(3)}".encode())
    assert sqlite_rows(path, "SELECT key FROM images") == [(bytes.fromhex(chain[7:])[:16],)]


def test_digest_cache_base_of_an_image_with_a_thousand_layers(cache):
    layers = [layer(number) for number in range(1000)]
    cache.add_image(layers[:999], ALPINE)
    cache.add_image(layers, OTHER)
    assert cache.longest_base(layers) == ALPINE


def test_digest_cache_ignores_an_image_of_absurdly_many_layers(cache):
    layers = [layer(number) for number in range(40_000)]
    cache.add_image(layers[:1], ALPINE)
    cache.add_image(layers, OTHER)
    assert cache.longest_base(layers) is None


def test_digest_cache_keep_only_drops_what_no_snapshot_mentions(path):
    with DigestCache.open(path) as cache:
        for number in range(2000):
            cache.put(digest_of(content(number).body), content(number))
        cache.add_image([layer(1)], KnownImage(digest_of(content(1).body), digest_of(b""), "registry.test/kept:1"))
        cache.add_image([layer(2)], KnownImage(digest_of(content(999).body), digest_of(b""), "registry.test/gone:1"))
        cache.keep_last_digests("registry.test", "kept", {"a": digest_of(b"?"), "b": digest_of(content(2).body)})
        cache.keep_last_digests("registry.test", "gone", {"a": digest_of(content(998).body)})
    size = path.stat().st_size
    with DigestCache.open(path) as cache:
        freed = cache.keep_only(digest_of(content(number).body) for number in range(100))
        assert entries(cache, range(2000)) == set(range(100))
        assert cache.longest_base([layer(1), layer(3)]) is not None
        assert cache.longest_base([layer(2), layer(3)]) is None
        assert set(cache.last_digests("registry.test", "kept")) == {"a", "b"}
        assert cache.last_digests("registry.test", "gone") == {}
        cache.put(digest_of(b"later"), Content(b"later", None))
        assert cache.get(digest_of(b"later")) is not None
        assert cache.notes == []
    assert freed > size / 2
    assert path.stat().st_size == size - freed


def test_digest_cache_keep_only_of_everything_frees_nothing(cache):
    for number in range(50):
        cache.put(digest_of(content(number).body), content(number))
    assert cache.keep_only([digest_of(content(number).body) for number in range(50)] * 2) == 0
    assert entries(cache, range(50)) == set(range(50))


def test_digest_cache_keep_only_twice_keeps_what_the_second_call_names(cache):
    cache.put(digest_of(b"body"), Content(b"body", None))
    cache.keep_only([digest_of(b"body")])
    cache.keep_only([])
    assert not cache.has(digest_of(b"body"))


def test_digest_cache_keep_only_drops_nothing_where_the_digests_cannot_be_read(cache):
    def broken() -> Iterator[str]:
        yield digest_of(b"other")
        raise ValueError("a snapshot cannot be read")

    cache.put(digest_of(b"body"), Content(b"body", None))
    with pytest.raises(ValueError, match="cannot be read"):
        cache.keep_only(broken())
    assert cache.has(digest_of(b"body"))
    cache.keep_only([])
    assert not cache.has(digest_of(b"body"))


any_text = st.text(st.characters(codec=None), max_size=80)  # lone surrogates too: headers may hold them


@given(st.lists(st.tuples(st.binary(max_size=300), st.none() | any_text), max_size=8))
def test_digest_cache_returns_any_content_unchanged(contents):
    expected = {digest_of(body): Content(body, media_type) for body, media_type in contents}
    with DigestCache.open(None) as cache:
        for body, media_type in contents:
            cache.put(digest_of(body), Content(body, media_type))
        assert {digest: cache.get(digest) for digest in expected} == expected


layers_of = st.lists(st.integers(0, 2).map(layer), max_size=6)


@settings(max_examples=200)
@given(st.lists(layers_of, max_size=12), layers_of)
def test_digest_cache_base_is_as_in_a_naive_search(images, layers):
    known = {tuple(image): str(number) for number, image in reversed(list(enumerate(images)))}
    expected = next((known[p] for n in range(len(layers) - 1, 0, -1) if (p := tuple(layers[:n])) in known), None)
    with DigestCache.open(None) as cache:
        for number, image in enumerate(images):
            cache.add_image(image, KnownImage(digest_of(b"1"), digest_of(b"2"), str(number)))
        base = cache.longest_base(layers)
    assert (base and base.reference) == expected
