"""Pages of the catalog."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.json_values import text, values

from crawler.errors import MalformedResponse
from crawler.wire.catalog import CatalogPage, parse_catalog


@given(st.lists(text, max_size=20, unique=True))
def test_catalog_keeps_names_as_they_are(names):
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
        pytest.param(
            b'{"repositories":["a",null,"b",3,["c"]]}', CatalogPage(("a", "b"), 3, 5), id="entries that are not strings"
        ),
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
            id="invalid names are kept, because the caller checks them",
        ),
    ],
)
def test_catalog_as_registries_write_it(body, page):
    assert parse_catalog(body) == page


@pytest.mark.parametrize("listed", ["null", "[]", '["a"]'])
@pytest.mark.parametrize("errors", ['[{"code": "DENIED"}]', '["DENIED"]', '{"code": "DENIED"}', '"DENIED"'])
def test_catalog_with_errors_beside_names_is_malformed(listed, errors):
    with pytest.raises(MalformedResponse, match="errors beside it: DENIED"):
        parse_catalog(f'{{"repositories": {listed}, "errors": {errors}}}'.encode())


@pytest.mark.parametrize("body", [b"", b"[]", b"<html></html>", b'{"repositories":{"a":1}}', b'{"repositories":"a"}'])
def test_catalog_of_another_shape_is_malformed(body):
    with pytest.raises(MalformedResponse):
        parse_catalog(body)


@given(st.binary() | st.one_of(values, st.fixed_dictionaries({"repositories": values})).map(json.dumps).map(str.encode))
def test_catalog_of_any_body_is_parsed_or_malformed(body):
    try:
        page = parse_catalog(body)
    except MalformedResponse:
        return
    assert all(isinstance(name, str) for name in page.names)
    assert len(set(page.names)) == len(page.names)
    assert page.skipped >= 0


def test_catalog_of_many_names_is_complete():
    names = [f"team-{n % 97}/app-{n}" for n in range(100_000)]
    assert parse_catalog(json.dumps({"repositories": names * 2}).encode()).names == tuple(names)


@pytest.mark.parametrize("body", [b"{}", b'{"status": "maintenance"}', b'{"errors": [{"code": "UNKNOWN"}]}'])
def test_catalog_without_a_list_is_malformed(body):
    with pytest.raises(MalformedResponse, match="without 'repositories'"):
        parse_catalog(body)
