"""Responses of token servers."""

import json
import string
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.json_values import values

from crawler.errors import MalformedResponse
from crawler.wire.token import DEFAULT_LIFETIME_S, MAX_LIFETIME_S, TokenResponse, parse_token

PRINTABLE = string.ascii_letters + string.digits + string.punctuation


def parse(**document):
    return parse_token(json.dumps(document).encode())


@given(st.text(PRINTABLE, min_size=1, max_size=60), st.sampled_from(["token", "access_token"]), st.integers(60, 3600))
def test_token_is_parsed_under_either_name(token, name, expires_in):
    parsed = parse(**{name: token, "expires_in": expires_in, "issued_at": "2026-11-23T02:00:00Z"})
    assert (parsed.token, parsed.lifetime_s) == (token, expires_in)


@pytest.mark.parametrize(
    ("body", "token", "lifetime"),
    [
        pytest.param(
            b'{"token":"eyJ.a.b","access_token":"eyJ.a.b","expires_in":300,"issued_at":"2026-11-23T02:00:00.1Z"}',
            "eyJ.a.b",
            300,
            id="Docker Hub",
        ),
        pytest.param(b'{"token":"eyJ.a.b"}', "eyJ.a.b", 60, id="Quay and Gitea: no expires_in"),
        pytest.param(b'{"access_token":"eyJ.a.b"}', "eyJ.a.b", 60, id="ACR"),
        pytest.param(b'{"token":"","access_token":"x"}', "x", 60, id="an empty token beside a real one"),
        pytest.param(b'{"token":null,"access_token":"x","expires_in":1800}', "x", 1800, id="a null beside a real one"),
        pytest.param(b' {"expires_in":3600,"token":"AJAD5v0=","scope":"x"}\n', "AJAD5v0=", 3600, id="Google"),
    ],
)
def test_token_response_as_servers_write_it(body, token, lifetime):
    parsed = parse_token(body)
    assert (parsed.token, parsed.lifetime_s) == (token, lifetime)


@pytest.mark.parametrize(
    "nonsense", [0, -1, -0.5, -(10**12), 0.0, "abc", "", "NaN", "Infinity", None, True, False, [], [300], {"s": 300}]
)
def test_token_lifetime_of_nonsense_is_the_default(nonsense):
    assert parse(token="x", expires_in=nonsense).lifetime_s == DEFAULT_LIFETIME_S == 60


@pytest.mark.parametrize("seconds", [3600, 3601, 86_400, 10**12, 2**64 - 1, 10**30, 1e300])
def test_token_lifetime_has_a_maximum(seconds):
    assert parse(token="x", expires_in=seconds).lifetime_s == MAX_LIFETIME_S == 3600


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000])
def test_token_lifetime_that_is_not_json_is_malformed(literal):
    with pytest.raises(MalformedResponse):
        parse_token(f'{{"token":"x","expires_in":{literal}}}'.encode())


@given(values)
def test_token_lifetime_of_any_value_is_positive_and_finite(expires_in):
    lifetime = parse(token="x", expires_in=expires_in).lifetime_s
    assert type(lifetime) is float
    assert 0 < lifetime <= MAX_LIFETIME_S
    if type(expires_in) in {int, float} and expires_in > 0:
        assert lifetime <= expires_in


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'"eyJ"',
        b"<html>sign in</html>",
        b'{"token":""}',
        b'{"token":null}',
        b'{"token":5}',
        b'{"token":["x"]}',
        b'{"token":{"a":"b"}}',
        b'{"errors":[{"code":"DENIED"}]}',
    ],
)
def test_token_response_without_a_token_is_malformed(body):
    with pytest.raises(MalformedResponse):
        parse_token(body)


@pytest.mark.parametrize(
    "token", ["se\r\ncret", "se\ncret", "se\0cret", "s\u00e9cret", "se\u202ecret", "se\x7fcret", "\tsecret"]
)
def test_token_that_breaks_a_header_is_malformed_and_not_quoted(token):
    with pytest.raises(MalformedResponse) as refusal:
        parse(token=token)
    assert "cret" not in str(refusal.value)


@pytest.mark.parametrize("body", [b'{"token":"hunter2', b'{"token":"hunter2\xff"}', b"hunter2", b'["hunter2"]'])
def test_token_error_never_quotes_the_body(body):
    with pytest.raises(MalformedResponse) as refusal:
        parse_token(body)
    assert "hunter2" not in "".join(traceback.format_exception(refusal.value))


def test_token_response_never_shows_its_token():
    assert "hunter2" not in repr(TokenResponse("hunter2", 60.0))
    assert "hunter2" not in f"{TokenResponse('hunter2', 60.0)}"


@given(
    st.binary()
    | st.one_of(
        values,
        st.fixed_dictionaries({}, optional={"token": values, "access_token": values, "expires_in": values}),
    )
    .map(json.dumps)
    .map(str.encode)
)
def test_token_response_of_any_body_is_parsed_or_malformed(body):
    try:
        parsed = parse_token(body)
    except MalformedResponse:
        return
    assert parsed.token
    assert parsed.token.isascii()
    assert parsed.token.isprintable()
    assert 0 < parsed.lifetime_s <= MAX_LIFETIME_S
