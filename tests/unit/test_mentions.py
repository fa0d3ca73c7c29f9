"""Mentions: the digests in snapshots and journals, for which the digest cache keeps its contents."""

import gzip
import json
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from support import json_values
from support.run_folders import journaled, left_by_a_kill, record

from crawler.errors import SnapshotError
from crawler.model.image import (
    BaseSource,
    Image,
    ImageConfig,
    ImageManifest,
    Layer,
    Platform,
    Referrer,
    ReferrerKind,
    ReferrerSource,
)
from crawler.sinks.jsonl import encode
from crawler.snapshot.mentions import mentioned_digests

COMPRESSORS = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}
IMAGE = Image(
    "image",
    subject_digest="subject",
    platforms=(Platform("child", None, None, None, None, None, None, None, "attested"),),
    manifest=ImageManifest("config", (Layer("layer", 1, None),), {"annotation": "text"}),
    config=ImageConfig(diff_ids=("diff",), base_digest="base", base_from=BaseSource.LAYERS),
    referrers=(Referrer("referrer", ReferrerSource.API, ReferrerKind.SBOM),),
)
LINES = encode([record("team/app", images=(IMAGE, Image("listed"))), record("team/none"), record("b", images=())])
DIGESTS = ["image", "subject", "config", "base", "child", "referrer", "listed"]


def snapshot(output: Path, name: str, content: bytes, day: int = 26) -> Path:
    """A part in a folder where a snapshot would be."""
    folder = output / f"source=a/date=2026-11-{day}/run=1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_mentions_of_a_snapshot(tmp_path, suffix):
    for part in range(2):
        snapshot(tmp_path, f"part-0000{part}.jsonl{suffix}", COMPRESSORS[suffix](LINES))
    snapshot(tmp_path, "_run.json", LINES)
    assert list(mentioned_digests(tmp_path)) == DIGESTS * 2


def test_mentions_leave_out_folders(tmp_path):
    old = snapshot(tmp_path, "part-00000.jsonl", encode([record("a", images=(Image("old"),))]), day=1)
    snapshot(tmp_path, "part-00000.jsonl", encode([record("a", images=(Image("new"),))]))
    assert list(mentioned_digests(tmp_path)) == ["old", "new"]
    assert list(mentioned_digests(tmp_path, {old})) == ["new"]


def test_mentions_of_a_journal_with_a_torn_line(tmp_path):
    left_by_a_kill(tmp_path, LINES, LINES[:200])
    assert list(mentioned_digests(tmp_path)) == DIGESTS


def test_mentions_of_a_run_that_is_published_meanwhile(tmp_path):
    journal = journaled(tmp_path, encode([record("a", images=(Image("first"), Image("second")))]))
    mentions = mentioned_digests(tmp_path)
    assert next(mentions) == "first"
    journal.folder.rename(tmp_path / "published")
    snapshot(tmp_path, "part-00000.jsonl", (tmp_path / "published/part-00000.jsonl").read_bytes())
    assert list(mentions) == ["second", "first", "second"]
    journal.close()


def test_mentions_of_records_of_the_first_version(tmp_path):
    images = [{"digest": "a", "tags": ["1"], "media_type": None}]
    snapshot(tmp_path, "part-00000.jsonl", json.dumps({"schema": 1, "repository": "a", "images": images}).encode())
    assert list(mentioned_digests(tmp_path)) == ["a"]


def test_mentions_of_an_output_folder_that_is_empty_or_missing(tmp_path):
    assert list(mentioned_digests(tmp_path)) == []
    assert list(mentioned_digests(tmp_path / "none")) == []


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".gz", gzip.compress(LINES)[:-20]),
        (".gz", b"no gzip"),
        (".gz", gzip.compress(LINES)[:10] + b"\xff" * 40),
        (".zst", b"no frame"),
    ],
    ids=["cut off", "another format", "wrong bytes", "another format of zstd"],
)
def test_mentions_of_a_damaged_part_are_an_error(tmp_path, suffix, content):
    snapshot(tmp_path, f"part-00000.jsonl{suffix}", content)
    with pytest.raises(SnapshotError, match=rf"part-00000.jsonl{suffix}: it is damaged, and cannot be decompressed"):
        list(mentioned_digests(tmp_path))


@given(json_values.values, st.binary(max_size=50))
def test_mentions_of_any_line_are_texts(tmp_path_factory, value, junk):
    output = tmp_path_factory.mktemp("output")
    lines = [json.dumps(each).encode() for each in (value, {"images": value}, {"images": [value]})]
    snapshot(output, "part-00000.jsonl", b"\n".join([*lines, junk]) + b"\n" + LINES)
    mentions = list(mentioned_digests(output))
    assert all(isinstance(digest, str) for digest in mentions)
    assert mentions[-len(DIGESTS) :] == DIGESTS
