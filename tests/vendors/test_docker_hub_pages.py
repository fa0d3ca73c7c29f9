"""Pages of Docker Hub's API: names, a count, and the next page on the same host."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.json_values import text, values

from crawler.errors import MalformedResponse
from crawler.vendors.docker_hub import HubPage, parse_hub_page, parse_name

REQUESTED = "https://hub.example/v2/namespaces/team/repositories?page_size=100"


def parse(document):
    return parse_hub_page(REQUESTED, parse_name, json.dumps(document).encode())


def test_hub_page_has_names_count_and_next_url():
    page = {"count": 3, "next": f"{REQUESTED}&page=2", "results": [{"name": "a", "namespace": "team"}, {"name": "b"}]}
    assert parse(page) == HubPage(("a", "b"), 3, f"{REQUESTED}&page=2")


@pytest.mark.parametrize("link", [None, ""])
def test_hub_page_last_has_no_next_url(link):
    assert parse({"count": 0, "next": link, "results": []}).next_url == ""


def test_hub_page_next_url_stays_with_the_requested_list():
    for place in ("http://evil.example/v2/namespaces/team", "https://hub.example/v2/namespaces/other"):
        elsewhere = f"{place}/repositories?page=2&page_size=100"
        assert parse({"count": 9, "next": elsewhere, "results": []}).next_url == (
            "https://hub.example/v2/namespaces/team/repositories?page=2&page_size=100"
        )


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"count": 1, "results": None},
        {"count": "1", "results": []},
        {"count": True, "results": []},
        {"count": -1, "results": []},
        {"count": 1, "results": [{"name": ""}]},
        {"count": 1, "results": ["a"]},
        {"count": 1, "next": 2, "results": []},
    ],
)
def test_hub_page_of_another_shape_is_malformed(document):
    with pytest.raises(MalformedResponse):
        parse(document)


@settings(max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from(["count", "next", "results"]),
        values | st.lists(st.dictionaries(st.sampled_from(["name", "x"]), text | values, max_size=2), max_size=3),
        max_size=3,
    )
)
def test_hub_page_of_any_json_is_parsed_or_malformed(document):
    try:
        page = parse(document)
    except MalformedResponse:
        return
    assert all(page.results)
    assert page.next_url == "" or page.next_url.startswith("https://hub.example/v2/namespaces/team/")
