"""Response bodies that are wrong, broken or unusual: the record says so, and the other repositories are whole."""

import pytest
from support.hostile_servers import (
    LISTING,
    UNREACHED,
    VICTIM,
    WHOLE,
    Expected,
    assert_listing_fails,
    assert_others_whole,
    cases,
    crawl_snapshot,
    tags_of,
)
from support.inventories import NOT_LISTED
from support.scripted import (
    Ending,
    Framing,
    document,
    gzipped,
    html,
    on,
    plain_registry,
    raw,
    refusal,
    serve,
)

pytestmark = pytest.mark.usefixtures("few_authorities")


BAD_BODIES = {
    "html-with-200": (html(), Expected(message="an HTML page came where JSON was due")),
    "an-empty-body": (document(b""), Expected()),
    "truncated-json": (document(b'{"name": "team/victim", "tags": ["1.0", "1.'), Expected()),
    "invalid-utf8": (document(b'{"tags": ["\xff\xfe"]}'), Expected()),
    "brackets-100k-deep": (document(b'{"tags": ' + b"[" * 100_000), Expected()),
    "brackets-100k-deep-and-closed": (document(b'{"tags": %b%b}' % (b"[" * 100_000, b"]" * 100_000)), Expected()),
    "a-json-list": (document(["1.0"]), Expected(message="a JSON list")),
    "json-null": (document(b"null"), Expected(message="a JSON null")),
    "tags-as-a-string": (document({"tags": "edge"}), Expected(message="'tags' is a JSON string")),
    "tags-as-a-number": (document({"tags": 7}), Expected(message="'tags' is a JSON number")),
    "tags-as-an-object": (document({"tags": {"edge": 1}}), Expected(message="'tags' is a JSON object")),
    "tags-as-false": (document({"tags": False}), Expected(message="'tags' is a JSON boolean")),
    "manifest-as-a-list": (document({"tags": [], "manifest": [1]}), Expected(message="'manifest'")),
    "manifest-as-a-string": (document({"tags": [], "manifest": "sha256:0"}), Expected(message="'manifest'")),
    "a-manifest-that-is-a-number": (document({"manifest": {"sha256:\x1b[2J": 1}}), Expected(message="\\x1b[2J")),
    "a-manifest-whose-tags-are-a-number": (document({"manifest": {"sha256:0": {"tag": 1}}}), Expected()),
    "children-as-a-string": (document({"tags": [], "child": "base"}), Expected(message="'child'")),
}


@cases("reply expected", BAD_BODIES)
async def test_body_that_is_no_listing_fails_the_repository(reply, expected, tmp_path):
    await assert_listing_fails(reply, expected, tmp_path)


BAD_ENCODINGS = {
    "claims-gzip-and-sends-plain": (WHOLE.with_headers(("Content-Encoding", "gzip")), UNREACHED),
    "breaks-off-amid-gzip": (gzipped(WHOLE).but(body=gzipped(WHOLE).body[:-12]), Expected(message="not JSON")),
}


@cases("reply expected", BAD_ENCODINGS)
async def test_encoding_that_cannot_be_decoded_fails_the_repository(reply, expected, tmp_path):
    await assert_listing_fails(reply, expected, tmp_path)


UNUSUAL = {
    "answers-in-http-1.0-and-closes": WHOLE.but(framing=Framing.CLOSE),
    "answers-byte-by-byte": WHOLE.but(piece=1),
    "answers-in-chunks-of-a-byte": WHOLE.but(framing=Framing.CHUNKED, piece=1),
    "answers-with-pauses": WHOLE.but(framing=Framing.CHUNKED, piece=16, delay_s=0.01),
    "answers-gzipped-in-pieces": gzipped(WHOLE).but(piece=5),
    "answers-as-html-in-name": WHOLE.with_headers(("Content-Type", "text/html; charset=no-such-charset")),
    "closes-after-every-answer": WHOLE.with_headers(("Connection", "close")),
    "closes-after-every-answer-without-a-word": WHOLE.but(ending=Ending.CLOSED),
    "answers-100-continue-five-times-first": raw(
        b"HTTP/1.1 100 Continue\r\n\r\n" * 5 + b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{"tags": ["edge"]}'
    ),
    "lists-every-tag-twice": tags_of("edge", "edge"),
    "has-a-key-twice": document(b'{"tags": ["wrong"], "tags": ["edge"]}'),
}


@cases("reply", UNUSUAL)
async def test_body_in_unusual_framing_is_read(reply, tmp_path):
    async with serve([on(LISTING, reply), *plain_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    assert snapshot.manifest["verdict"] == "complete"
    assert_others_whole(snapshot, but="")
    assert len(server.asked(LISTING)) == 1


@cases("reply", {"answers-tags-as-null": document({"tags": None}), "leaves-tags-out": document({"name": VICTIM})})
async def test_body_without_tags_is_an_empty_repository(reply, tmp_path):
    async with serve([on(LISTING, reply), *plain_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    assert snapshot.manifest["verdict"] == "complete"
    assert (snapshot.by_name[VICTIM]["outcome"], snapshot.by_name[VICTIM]["tags"]) == ("ok", [])
    assert snapshot.by_name[VICTIM]["images"] is None


async def test_body_with_errors_and_status_200_fails_the_repository(tmp_path):
    """An error body is not a repository without tags, whatever the status."""
    error = refusal(200, "UNAUTHORIZED", "authentication required")
    async with serve([on(LISTING, error), *plain_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    error = snapshot.by_name[VICTIM]["error"]
    assert (snapshot.outcomes[VICTIM], error["code"]) == ("failed", "MALFORMED")
    assert snapshot.manifest["verdict"] == "partial"
    assert_others_whole(snapshot)


async def test_body_with_values_that_are_no_tags_is_suspect(tmp_path):
    async with serve([on(LISTING, tags_of("edge", None, 3, {"a": 1})), *plain_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    record = snapshot.by_name[VICTIM]
    assert (record["outcome"], record["tags"]) == ("ok", ["edge"])
    assert "2 entries" in record["suspect"]
    assert snapshot.manifest["verdict"] == "partial"
    assert_others_whole(snapshot)


INVALID_NUMBERS = {
    "ten-to-the-30th": b"1000000000000000000000000000000",
    "ten-to-the-30th-as-a-string": b'"1000000000000000000000000000000"',
    "five-thousand-digits-as-a-string": b'"%b"' % (b"9" * 5000),
    "negative": b"-5",
    "negative-as-a-string": b'"-5"',
    "zero": b'"0"',
    "true": b"true",
    "a-list": b"[1]",
    "an-object": b'{"seconds": 1}',
    "words": b'"yesterday"',
    "other-digits": '"\u0661\u0662"'.encode(),
    "underscores": b'"1_000"',
    "infinity-as-a-string": b'"Infinity"',
}


@cases("number", INVALID_NUMBERS)
async def test_body_with_invalid_sizes_and_times_keeps_the_image(number, tmp_path):
    """An invalid number becomes null; the rest of the listing is kept."""
    image = b'{"imageSizeBytes": %b, "timeCreatedMs": %b, "timeUploadedMs": %b, "tag": ["edge"], "mediaType": 5}'
    listing = b'{"tags": ["edge"], "child": [], "manifest": {"sha256:0": %b}}' % (image % (number, number, number))
    async with serve([on(LISTING, document(listing)), *plain_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    record = snapshot.by_name[VICTIM]
    assert record["outcome"] == "ok"
    assert record["images"] == [
        {
            "digest": "sha256:0",
            "tags": ["edge"],
            **dict.fromkeys(NOT_LISTED),
            "media_type": None,
            "size_bytes": None,
            "created_at": None,
            "uploaded_at": None,
        }
    ]
    assert_others_whole(snapshot)


async def test_body_with_a_number_beyond_a_double_fails_the_repository(tmp_path):
    """orjson refuses a document with 1e400, which is more than a double can hold."""
    listing = b'{"tags": ["edge"], "manifest": {"sha256:0": {"imageSizeBytes": 1e400, "tag": ["edge"]}}}'
    async with serve([on(LISTING, document(listing)), *plain_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    record = snapshot.by_name[VICTIM]
    assert (record["outcome"], record["error"]["code"]) == ("failed", "MALFORMED")
    assert "infinity" in record["error"]["message"]
    assert_others_whole(snapshot)


async def test_body_with_control_characters_in_tags_is_kept_as_json(tmp_path):
    """Tags are data: they are recorded unchanged, escaped as JSON, one record a line."""
    tags = ["\x1b[2J", "a\nb", "\u202e", "\u2028", "x" * 5000, "../../etc/passwd"]
    async with serve([on(LISTING, tags_of(*tags)), *plain_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    assert snapshot.by_name[VICTIM]["tags"] == tags
    (part,) = (snapshot.folder / file["name"] for file in snapshot.manifest["files"])
    assert part.read_bytes().count(b"\n") == 3
    assert b"\x1b" not in part.read_bytes()
