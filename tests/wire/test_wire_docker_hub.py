"""Pages of Docker Hub's API."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.json_values import text, values

from crawler.errors import MalformedResponse
from crawler.wire.docker_hub import HubPage, parse_hub_page

fuzz = settings(max_examples=80)

ASKED = "https://hub.example/v2/namespaces/team/repositories?page_size=100"


def read(document):
    return parse_hub_page(json.dumps(document).encode(), ASKED)


def test_a_page_is_names_a_count_and_an_address():
    told = {"count": 3, "next": f"{ASKED}&page=2", "results": [{"name": "a", "namespace": "team"}, {"name": "b"}]}
    assert read(told) == HubPage(("a", "b"), 3, f"{ASKED}&page=2")


@pytest.mark.parametrize("following", [None, ""])
def test_the_last_page_names_no_other(following):
    assert read({"count": 0, "next": following, "results": []}).next_url is None


def test_the_next_page_is_the_same_list_on_our_own_host_wherever_it_says_to_be():
    elsewhere = "http://evil.example/v2/namespaces/team/repositories?page=2&page_size=100"
    assert read({"count": 9, "next": elsewhere, "results": []}).next_url == (
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
        {"count": 1, "results": [{"name": ""}]},
        {"count": 1, "results": ["a"]},
        {"count": 1, "next": 2, "results": []},
        {"count": 1, "next": "https://hub.example/v2/namespaces/other/repositories?page=2", "results": []},
    ],
)
def test_what_breaks_the_form_is_a_malformed_reply(document):
    with pytest.raises(MalformedResponse):
        read(document)


@settings(fuzz, max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from(["count", "next", "results"]),
        values | st.lists(st.dictionaries(st.sampled_from(["name", "x"]), text | values, max_size=2), max_size=3),
        max_size=3,
    )
)
def test_any_page_is_read_or_a_malformed_reply(document):
    try:
        page = read(document)
    except MalformedResponse:
        return
    assert all(page.names)
    assert page.next_url is None or page.next_url.startswith("https://hub.example/v2/namespaces/team/")
