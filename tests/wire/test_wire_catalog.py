import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.errors import MalformedResponse
from crawler.wire.catalog import CatalogPage, parse_catalog

fuzz = settings(max_examples=80)

text = st.text(st.characters(codec="utf-8"), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=10,
)


@fuzz
@given(st.lists(text, max_size=20, unique=True))
def test_names_are_read_as_the_registry_gave_them(names):
    assert parse_catalog(json.dumps({"repositories": names}).encode()) == CatalogPage(tuple(names), 0, len(names))


@pytest.mark.parametrize(
    ("body", "page"),
    [
        pytest.param(
            b'{"repositories":["alpine","team/app"]}\n', CatalogPage(("alpine", "team/app"), 0, 2), id="plain"
        ),
        pytest.param(b'{"repositories":[]}', CatalogPage((), 0), id="empty"),
        pytest.param(b'{"repositories":null}', CatalogPage((), 0), id="null: Artifact Registry"),
        pytest.param(b'{"repositories":["b","a","b"]}', CatalogPage(("b", "a"), 0, 3), id="a duplicate"),
        pytest.param(b'{"repositories":["a",null,"b",3,["c"]]}', CatalogPage(("a", "b"), 3, 5), id="nulls inside"),
        pytest.param(b'{"repositories":["a"],"errors":[]}', CatalogPage(("a",), 0, 1), id="no errors"),
        pytest.param(
            b'{"repositories":["a"],"next":"/v2/_catalog?last=a"}',
            CatalogPage(("a",), 0, 1, names_next=True),
            id="next",
        ),
        pytest.param(
            b'{"repositories":["a"],"nextPageToken":"x"}', CatalogPage(("a",), 0, 1, names_next=True), id="a token"
        ),
        pytest.param(b'{"repositories":["a"],"next":null,"nextPageToken":""}', CatalogPage(("a",), 0, 1), id="no next"),
        pytest.param(
            b'{"repositories":["../../etc","A B","\\u202e","\\u0000"]}',
            CatalogPage(("../../etc", "A B", "\u202e", "\0"), 0, 4),
            id="names that none may have are told, for the caller to judge",
        ),
    ],
)
def test_pages_as_registries_write_them(body, page):
    assert parse_catalog(body) == page


@pytest.mark.parametrize("listed", ["null", "[]", '["a"]'])
@pytest.mark.parametrize("errors", ['[{"code": "DENIED"}]', '["DENIED"]', '{"code": "DENIED"}', '"DENIED"'])
def test_a_page_with_errors_beside_its_names_is_refused(listed, errors):
    with pytest.raises(MalformedResponse, match="errors beside it: DENIED"):
        parse_catalog(f'{{"repositories": {listed}, "errors": {errors}}}'.encode())


@pytest.mark.parametrize("body", [b"", b"[]", b"<html></html>", b'{"repositories":{"a":1}}', b'{"repositories":"a"}'])
def test_what_is_no_page_is_refused(body):
    with pytest.raises(MalformedResponse):
        parse_catalog(body)


@fuzz
@given(st.binary() | st.one_of(values, st.fixed_dictionaries({"repositories": values})).map(json.dumps).map(str.encode))
def test_any_body_is_a_page_or_a_malformed_reply(body):
    try:
        page = parse_catalog(body)
    except MalformedResponse:
        return
    assert all(isinstance(name, str) for name in page.names)
    assert len(set(page.names)) == len(page.names)
    assert page.skipped >= 0


def test_a_very_large_page_is_read_whole():
    names = [f"team-{n % 97}/app-{n}" for n in range(100_000)]
    assert parse_catalog(json.dumps({"repositories": names * 2}).encode()).names == tuple(names)


@pytest.mark.parametrize("body", [b"{}", b'{"status": "maintenance"}', b'{"errors": [{"code": "UNKNOWN"}]}'])
def test_a_page_without_a_list_is_no_empty_catalog(body):
    with pytest.raises(MalformedResponse, match="without 'repositories'"):
        parse_catalog(body)
