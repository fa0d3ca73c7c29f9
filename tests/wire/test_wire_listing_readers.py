"""Two readers of a listing, one result: what is decoded at once, and what is read entry by entry."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crawler.errors import MalformedResponse
from crawler.wire import tags
from crawler.wire.tags import parse_listing


def result(parse, body):
    """The listing, or why there is none."""
    try:
        return parse("a", body)
    except MalformedResponse as exc:
        return str(exc)


def seldom(often, strategy):
    """The first strategy in seven of eight examples."""
    return st.integers(0, 7).flatmap(lambda number: strategy if number == 3 else often)


def member_lists(regular, odd):
    """The members of a JSON object, as text: mostly the regular ones, in any order, with some too many or missing."""
    pairs = st.tuples(*(st.tuples(st.just(key), value) for key, value in regular.items()))
    some = pairs.flatmap(lambda each: seldom(st.just(each), st.lists(st.sampled_from(each), max_size=8)))
    added = seldom(st.just([]), st.lists(odd, min_size=1, max_size=2))
    return st.tuples(some, added).flatmap(lambda parts: st.permutations([*parts[0], *parts[1]]))


def objects(regular, odd):
    return member_lists(regular, odd).map(
        lambda pairs: "{" + ",".join(f'"{key}":{value}' for key, value in pairs) + "}"
    )


def arrays(entries):
    return st.lists(entries, max_size=4).map(lambda each: f"[{','.join(each)}]")


numbers = st.sampled_from(['"0"', '"7"', '"1579294800000"', f'"{2**63}"', f'"{10**30}"'])
strings = st.sampled_from(['""', '"1"', '"v1.0"', '"latest"', r'"\u0061"', r'"\ud83d\ude00"', '"é"', '"\x7f"', '"a b"'])
odd_values = st.sampled_from(
    [
        *("null", "true", "0", "-1", "1.0", "1e3", "1E400", "NaN", "Infinity", "18446744073709551616", "9" * 400, "01"),
        *('"-7"', '"+7"', '" 7"', '"7_0"', '"7.0"', '"٧"', '"007"', f'"{"9" * 5000}"', r'"\ud800"', r'"\udc00\ud800"'),
        *(r'"\u0000"', '"a\x01"', '"a\n"', r'"\q"', "[]", "{}", "[null]", "[[]]", "[7]", '{"a":1}', "", "[" * 5000),
    ]
)
image_keys = ("tag", "mediaType", "imageSizeBytes", "timeCreatedMs", "timeUploadedMs", "layerId", r"ta\u0067", "other")
images = objects(
    {
        "tag": arrays(strings),
        "mediaType": strings,
        "imageSizeBytes": numbers,
        "timeCreatedMs": numbers,
        "timeUploadedMs": numbers,
        "layerId": strings,
    },
    st.tuples(st.sampled_from(image_keys), odd_values | numbers),
)
manifests = st.lists(st.tuples(st.sampled_from(["sha256:aa", "sha256:bb", r"\ud800", "\x01"]), images), max_size=3)
fields = {
    "name": st.sampled_from(['"a"', '""', '"b"', '"x/a"', "null", "7"]),
    "tags": arrays(strings),
    "manifest": manifests.map(lambda each: "{" + ",".join(f'"{digest}":{image}' for digest, image in each) + "}"),
    "child": arrays(strings),
}
odd_fields = st.tuples(
    st.sampled_from([*fields, "errors", "next", r"tag\u0073", "Tags", "other"]),
    odd_values | arrays(strings | odd_values),
)
documents = objects(fields, odd_fields) | objects({"tags": fields["tags"]}, odd_fields)
bodies = documents.map(lambda text: text.encode("utf-8"))


def changed(body, position, replacement):
    """The body with a byte or two other than they were."""
    at = position % (len(body) + 1)
    return body[:at] + replacement + body[at + 1 :]


changes = st.binary(max_size=2) | st.sampled_from(
    [b" ", b",", b'"', b"\\", b"{", b"]", b"\xff", b"\xed\xa0\x80", b"\x00"]
)


@settings(max_examples=400)
@given(bodies)
@example(b'{"tags":["a"],"tags":["b"]}')
@example(b'{"tags":["a"],"tags":["b","b"],"name":"b","name":"a"}')
@example(b'{"tags":[],"manifest":{"sha256:aa":{"tag":[]},"sha256:aa":{}}}')
@example(b'\xef\xbb\xbf{"tags":[]}')
@example(b'{"tags":[' + b"[" * 100_000)
@example(b'{"manifest":' * 100_000)
@example(b'{"tags":["\xc0\x80"]}')
def test_listing_readers_agree_on_any_document(body):
    assert result(parse_listing, body) == result(tags._parse_any, body)


@settings(max_examples=400)
@given(bodies, st.integers(0), changes)
def test_listing_readers_agree_on_a_broken_document(body, position, replacement):
    broken = changed(body, position, replacement)
    assert result(parse_listing, broken) == result(tags._parse_any, broken)


@given(st.binary(max_size=40))
def test_listing_readers_agree_on_any_bytes(body):
    assert result(parse_listing, body) == result(tags._parse_any, body)


@pytest.mark.parametrize(
    "document",
    [
        {"name": "a", "tags": ["v1", "v2"]},
        {"tags": []},
        {"tags": ["v1", "v1"]},
        {"child": ["b"], "manifest": {}, "name": "a", "tags": []},
    ],
)
def test_listing_as_most_registries_write_it_is_decoded_at_once(document, monkeypatch):
    monkeypatch.delattr(tags, "_parse_any")
    assert parse_listing("a", json.dumps(document).encode()).tags == tuple(dict.fromkeys(document["tags"]))
