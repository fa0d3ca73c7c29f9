"""A record's bases at the end of the run: they are filled in, and nothing else of the line changes."""

import tracemalloc

import orjson
import pytest

from crawler.digest_cache.cache import DigestCache
from crawler.digest_cache.values import KnownImage
from crawler.inspect.bases import Bases

BASE = KnownImage(digest="sha256:" + "b" * 64, config_digest="sha256:" + "c" * 64, reference="example.com/base:1")
NO_BASE = {"base_name": None, "base_digest": None, "base_from": None}
BASED = {"base_name": BASE.reference, "base_digest": BASE.digest, "base_from": "layers"}


@pytest.fixture
def bases():
    with DigestCache.open(None) as cache:
        bases = Bases(cache)
        bases.add(["sha256:1", "sha256:2"], BASE)
        yield bases


def line_of(*images):
    return orjson.dumps({"repository": "team/app", "images": images}, option=orjson.OPT_APPEND_NEWLINE)


def image(*layers, labels=None, base=NO_BASE, **fields):
    config = {"os": "linux", "labels": labels or {}, "diff_ids": [f"sha256:{layer}" for layer in layers], **base}
    return {"digest": "sha256:d", "config": config, "referrers": None, **fields}


def test_finished_base_is_that_of_the_layers(bases):
    line = line_of(image(1, 2, 3), image(4, 5), {"digest": "sha256:e", "config": None})
    assert orjson.loads(bases.finish_line(line)) == orjson.loads(
        line_of(image(1, 2, 3, base=BASED), image(4, 5), {"digest": "sha256:e", "config": None})
    )


def test_finished_line_without_a_change_is_the_same(bases):
    for line in (line_of(image(1, 2, 3, base=BASED), image(7)), line_of({"config": None}), line_of()):
        assert bases.finish_line(line) is line


def test_finished_base_of_an_annotation_stays(bases):
    annotated = {"base_name": "own", "base_digest": None, "base_from": "annotation"}
    line = line_of(image(1, 2, 3, base=annotated))
    assert bases.finish_line(line) is line


@pytest.mark.parametrize(
    "text",
    ['"config":{', '\\"config\\":{', 'x","config":{"diff_ids":["sha256:1"]}', "config", "é\u2028\\", ""],
)
def test_finished_line_keeps_texts_that_look_like_configs(bases, text):
    annotations = {"annotations": {text: text, "config": text, '"config': '":{'}}
    before = image(1, 2, 3, labels={text: text, "config": text}, manifest=annotations)
    after = image(1, 2, 3, labels={text: text, "config": text}, manifest=annotations, base=BASED)
    assert orjson.loads(bases.finish_line(line_of(before, before))) == orjson.loads(line_of(after, after))


def test_finished_line_of_a_giant_takes_little_memory(bases):
    line = line_of(
        *(image(1, 2, number, labels={f"label-{n}": str(number) for n in range(8)}) for number in range(1000))
    )
    tracemalloc.start()
    try:
        bases.finish_line(line)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 7 * len(line), f"{peak:,} bytes for a line of {len(line):,}"
