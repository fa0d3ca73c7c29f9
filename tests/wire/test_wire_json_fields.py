"""JSON bodies, and the values that parsers share."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.json_values import text, values

from crawler.errors import MalformedResponse
from crawler.wire.json_fields import names_next_page, parse_count, parse_object, parse_object_list, parse_strings


@given(st.dictionaries(text, values, max_size=5), st.booleans(), st.sampled_from([None, 2]))
def test_json_object_is_parsed(document, ascii_only, indent):
    assert parse_object(json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode()) == document


@given(values.filter(lambda value: not isinstance(value, dict)))
def test_json_of_another_type_is_malformed(value):
    with pytest.raises(MalformedResponse, match="where an object belongs"):
        parse_object(json.dumps(value).encode())


@given(st.lists(st.dictionaries(text, values, max_size=3), max_size=3))
def test_json_list_of_objects_is_parsed(entries):
    assert parse_object_list(json.dumps(entries).encode()) == entries


@pytest.mark.parametrize("body", [b"{}", b"null", b"[1]", b"[{}, null]", b"[[]]", b"", b"<html>"])
def test_json_list_of_anything_else_is_malformed(body):
    with pytest.raises(MalformedResponse):
        parse_object_list(body)


@pytest.mark.parametrize(
    ("body", "json_type"),
    [
        (b"null", "null"),
        (b"true", "boolean"),
        (b"1", "number"),
        (b"1.5", "number"),
        (b'"x"', "string"),
        (b"[]", "list"),
    ],
)
def test_json_message_names_the_other_type(body, json_type):
    with pytest.raises(MalformedResponse, match=f"a JSON {json_type} where an object belongs"):
        parse_object(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"<!DOCTYPE html><title>502 Bad Gateway</title>",
        b"404 page not found\n",
        b'{"tags": ["a"',
        b'{"tags": ["a"]} trailing',
        b'{"x": NaN}',
        b'{"x": Infinity}',
        b'{"x": -Infinity}',
        b'{"x": 1e999}',
        b'{"x": ' + b"9" * 5000 + b"}",
        b'{"x": "\xff"}',
        b"{'x': 1}",
        b"\xef\xbb\xbf{}",
        '{"x": 1}'.encode("utf-16"),
        b"\x1f\x8b\x08\x00",
        b'{"x":' * 100_000,
        b"[" * 100_000,
    ],
)
def test_json_that_is_not_json_is_malformed(body):
    with pytest.raises(MalformedResponse, match=r"not JSON|where JSON was due"):
        parse_object(body)


@given(st.binary() | st.text('{}[]":,0123456789.eE-+ nultrfas\\', max_size=30).map(str.encode))
def test_json_of_any_bytes_is_an_object_or_malformed(body):
    with suppress(MalformedResponse):
        assert isinstance(parse_object(body), dict)


@given(st.lists(text | values, max_size=12))
def test_json_strings_keep_order_without_duplicates(entries):
    strings, skipped = parse_strings(entries, "tags")
    expected = []
    for entry in entries:
        if isinstance(entry, str) and entry not in expected:
            expected.append(entry)
    assert list(strings) == expected
    assert skipped == sum(not isinstance(entry, str) for entry in entries)


def test_json_strings_skip_and_count_nulls():
    assert parse_strings(["1.0", None, "1.1", None, 7, "1.0"], "tags") == (("1.0", "1.1"), 3)


@pytest.mark.parametrize("nothing", [None, []])
def test_json_strings_of_null_are_empty(nothing):
    assert parse_strings(nothing, "tags") == ((), 0)


@pytest.mark.parametrize(
    ("value", "json_type"), [({}, "object"), ("a", "string"), (0, "number"), (False, "boolean"), (1.5, "number")]
)
def test_json_strings_of_another_type_are_malformed(value, json_type):
    with pytest.raises(MalformedResponse, match=f"'tags' is a JSON {json_type}, not a list"):
        parse_strings(value, "tags")


@given(st.integers(1, 10**18 - 1))
def test_json_count_may_be_a_string(number):
    assert parse_count(number) == parse_count(str(number)) == number


@pytest.mark.parametrize("number", [10**18, 2**63 - 1])
def test_json_count_accepts_63_bits(number):
    assert parse_count(number) == number
    assert parse_count(str(number)) == number


@pytest.mark.parametrize("zero", [0, "0", "00", "0" * 18])
def test_json_count_of_zero_is_none(zero):
    assert parse_count(zero) is None


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        True,
        False,
        "",
        " ",
        " 1",
        "1 ",
        "1\n",
        "+1",
        "-1",
        "1_000",
        "1,000",
        "0x10",
        "1e3",
        "1.0",
        "NaN",
        "Infinity",
        "\u0661\u0662",
        "²",
        "abc",
        "9" * 5000,
        str(2**63),
        str(2**64),
        1.0,
        -1,
        2**63,
        2**64 - 1,
        -(2**63),
        [],
        [1],
        {},
    ],
)
def test_json_count_of_nonsense_is_none(nonsense):
    assert parse_count(nonsense) is None


@given(values | st.text("0123456789-+._ e", max_size=25))
def test_json_count_of_any_value_is_none_or_positive(value):
    count = parse_count(value)
    assert count is None or (type(count) is int and 0 < count < 2**63)


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (rb"a\ud800b", "a\ufffdb"),
        (rb"\udfffb", "\ufffdb"),
        (rb"\ud83d\ude00\ud83d", "\U0001f600\ufffd"),
        (rb"\ude00\ud83d", "\ufffd\ufffd"),
        (rb"\\ud800 \ud800", "\\ud800 \ufffd"),
    ],
)
def test_json_lone_surrogate_is_replaced(escaped, text):
    assert parse_object(b'{"x": "' + escaped + b'"}') == {"x": text}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b" \n", "an empty body came where JSON was due"),
        (
            b"<!doctype HTML><title>Sign in</title>",
            "an HTML page came where JSON was due, titled 'Sign in'",
        ),
        (b"<html><title> </title>", "an HTML page came where JSON was due"),
        (
            b"<html><title>\x1b[31m\xe2\x80\xae" + b"x" * 900 + b"</title>",
            "an HTML page came where JSON was due, titled '\\x1b[31m",
        ),
        (b'<?xml version="1.0"?><html xmlns="x"><title>T</title>', "an HTML page came where JSON was due, titled 'T'"),
        (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "an XML document came where JSON was due"),
        (b"eyJhbGciOi", "not JSON: unexpected character"),
    ],
)
def test_json_message_describes_the_body(body, message):
    with pytest.raises(MalformedResponse) as refused:
        parse_object(body)
    assert str(refused.value).startswith(message)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("errors", "message"),
    [
        ([{"code": "DENIED", "message": "no", "detail": "at all"}], "DENIED: no: at all"),
        (["down"], "down"),
        ({"a": 1}, "no reason given"),
        ([{"message": "one"}, {}], "one (+1 more)"),
    ],
)
def test_json_errors_beside_a_list_are_in_the_message(errors, message):
    with pytest.raises(MalformedResponse) as refused:
        names_next_page({"tags": [], "errors": errors})
    assert str(refused.value) == f"a list with errors beside it: {message}"


@pytest.mark.parametrize("piece", [b"<html>", b"<title", b"<title>", b"<!doctype ", b" "])
def test_json_parsing_of_a_hostile_page_is_linear(piece):
    with pytest.raises(MalformedResponse):
        parse_object(b"<html>" + piece * 1_000_000)
