"""The URL of the next page: the same list, on the same origin, wherever the link points."""

from contextlib import suppress
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crawler.errors import MalformedResponse
from crawler.wire.link import next_url

REQUESTED = (
    "https://gcr.io/v2/_catalog?n=1000",
    "https://europe-docker.pkg.dev/v2/my-project/alpine/tags/list",
    "http://localhost:5000/v2/_catalog",
    "http://[::1]:5000/v2/a/b/tags/list?n=10",
    "https://registry.example:8443/artifactory/api/docker/KEY/v2/_catalog?n=100&last=a",
)


@pytest.mark.parametrize(
    ("requested", "link", "following"),
    [
        pytest.param(
            "https://r.example/v2/_catalog?n=100",
            "/v2/_catalog?last=team%2Fapp&n=100",
            "https://r.example/v2/_catalog?last=team%2Fapp&n=100",
            id="distribution: relative",
        ),
        pytest.param(
            "https://1234.dkr.ecr.eu-west-1.amazonaws.com/v2/_catalog?n=1000",
            "https://1234.dkr.ecr.eu-west-1.amazonaws.com/v2/_catalog?last=bGFzdA%3D%3D&n=1000",
            "https://1234.dkr.ecr.eu-west-1.amazonaws.com/v2/_catalog?last=bGFzdA%3D%3D&n=1000",
            id="ECR: absolute, an opaque cursor",
        ),
        pytest.param(
            "https://quay.example/v2/_catalog?n=100",
            "/v2/_catalog?n=100&next_page=gAAAAABm_x-Zz=.%2B&last=",
            "https://quay.example/v2/_catalog?n=100&next_page=gAAAAABm_x-Zz=.%2B&last=",
            id="Quay: an encrypted page",
        ),
        pytest.param(
            "https://art.example/artifactory/api/docker/KEY/v2/_catalog?n=100",
            "/v2/_catalog?last=b&n=100",
            "https://art.example/artifactory/api/docker/KEY/v2/_catalog?last=b&n=100",
            id="Artifactory: the prefix is lost",
        ),
        pytest.param(
            "https://nexus.example/repository/docker/v2/a/tags/list",
            "http://10.0.0.7:8081/wrong/v2/a/tags/list?last=1.0",
            "https://nexus.example/repository/docker/v2/a/tags/list?last=1.0",
            id="Nexus: a wrong host and prefix",
        ),
        pytest.param(
            "http://localhost:5000/v2/_catalog?n=2",
            "/v2/_catalog?n=2&last=a/b c|ü",
            "http://localhost:5000/v2/_catalog?n=2&last=a/b%20c%7C%C3%BC",
            id="zot: unencoded",
        ),
        pytest.param(
            "https://r.example/v2/_catalog?n=1",
            "https://r.example:443/v2/_catalog?n=1&last=a",
            "https://r.example/v2/_catalog?n=1&last=a",
            id="the scheme's own port",
        ),
        pytest.param(
            "https://r.example/v2/a/tags/list", "?last=x", "https://r.example/v2/a/tags/list?last=x", id="a query alone"
        ),
        pytest.param(
            "https://r.example/v2/a/tags/list",
            "//evil.example/v2/a/tags/list?last=x#y",
            "https://r.example/v2/a/tags/list?last=x",
            id="another host",
        ),
        pytest.param(
            "https://r.example/v2/_catalog",
            "https://me:secret@r.example/v2/_catalog?last=x",
            "https://r.example/v2/_catalog?last=x",
            id="a user and a password",
        ),
        pytest.param(
            "https://r.example/v2/a/b/tags/list",
            "/v2/a%2Fb/tags/list?last=x",
            "https://r.example/v2/a/b/tags/list?last=x",
            id="a name encoded whole",
        ),
        pytest.param(
            "https://art.example/v2/docker/team/app/tags/list",
            "/v2/team/app/tags/list?last=v1&n=1000",
            "https://art.example/v2/docker/team/app/tags/list?last=v1&n=1000",
            id="Artifactory by repository path: the first component is lost",
        ),
        pytest.param(
            "https://art.example/v2/docker/team/app/tags/list?n=5",
            "/v2/app/tags/list?last=v1",
            "https://art.example/v2/docker/team/app/tags/list?last=v1",
            id="two components are lost",
        ),
    ],
)
def test_next_url_is_the_same_list_with_another_cursor(requested, link, following):
    assert next_url(link, requested) == following


@pytest.mark.parametrize(
    "link",
    [
        "/v2/other/tags/list?last=x",
        "/v2/tags/list?last=x",
        "/v2/list?last=x",
        "/v2/b/a/tags/list?last=x",
        "/v2/",
        "/v2/_catalog?last=x",
        "tags/list?last=x",
        "/",
        "https://evil.example/?last=x",
        "ftp://r.example/v2/a/tags/list?last=x",
        "file:///v2/a/tags/list",
        "javascript:alert(1)",
        "http://[::1/v2/a/tags/list",
        "http://[nowhere]/v2/a/tags/list",
        "https://r.example\u2100.example/v2/a/tags/list",
    ],
)
def test_next_url_to_another_list_is_malformed(link):
    with pytest.raises(MalformedResponse, match="next link"):
        next_url(link, "https://r.example/v2/a/tags/list")


@pytest.mark.parametrize("cursor", ["caf\udce9", "\udcff\udcfe"])
def test_next_url_keeps_or_refuses_bytes_that_are_not_utf8(cursor):
    """As an HTTP library hands them over: PEP 383's surrogates."""
    with suppress(MalformedResponse):
        following = next_url(f"/v2/_catalog?last={cursor}", "https://r.example/v2/_catalog")
        sent = cursor.encode("ascii", "surrogateescape")
        assert (
            dict(parse_qsl(urlsplit(following).query, errors="surrogateescape"))["last"].encode(
                "utf-8", "surrogateescape"
            )
            == sent
        )


@given(
    st.sampled_from(REQUESTED),
    st.lists(st.tuples(st.sampled_from(["last", "n", "next_page", "x"]), st.text(min_size=1, max_size=20)), min_size=1),
)
def test_next_url_keeps_an_encoded_cursor(requested, cursor):
    query = urlencode(cursor)
    here = urlsplit(requested)
    assert next_url(f"{here.path}?{query}", requested) == here._replace(query=query).geturl()


# What is written into a link as it is: no control character, which is stripped, and nothing with a meaning of its own.
unencoded = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="#&%+=;"), min_size=1
)


@given(st.sampled_from(REQUESTED), unencoded)
def test_next_url_encodes_a_cursor_that_is_not_encoded(requested, cursor):
    following = next_url(f"{urlsplit(requested).path}?last={cursor}", requested)
    assert parse_qsl(urlsplit(following).query) == [("last", cursor)]


strange_links = st.tuples(
    st.sampled_from(
        ["", "", "http://", "https://", "//", "HTTPS://", "ftp://", "javascript:", "https:/", "\x00 https://"]
    ),
    st.sampled_from(["", "me:secret@", "@", "me@evil.example@"]),
    st.sampled_from(
        ["", "gcr.io", "evil.example", "[::1]", "[::1", "]", "a\u2100b", "localhost:99999999", "h:x", "\udcff"]
    ),
    st.sampled_from(["", "/"])
    | st.sampled_from([urlsplit(requested).path for requested in REQUESTED])
    | st.sampled_from(["/x/v2/_catalog", "/v2/../v2/_catalog", "/v2/%5fcatalog", "/v2//_catalog", "/v2/_catalog;x"]),
    st.sampled_from(["", "?", "?last=b", "??"]),
    st.text(max_size=20) | st.text("%&=#?\\\r\n\t <>\"'{}|^`\udcff\u202eü", max_size=8),
    st.sampled_from(["", "#fragment", "#"]),
).map("".join)


@settings(max_examples=400)
@given(strange_links | st.text(), st.sampled_from(REQUESTED))
@example("?last=\ud800", REQUESTED[0])
def test_next_url_of_any_link_stays_on_the_list(link, requested):
    with suppress(MalformedResponse):
        following = next_url(link, requested)
        here, there = urlsplit(requested), urlsplit(following)
        assert (there.scheme, there.netloc, there.path) == (here.scheme, here.netloc, here.path)
        assert there.username is there.password is None
        assert "#" not in following
        assert following.isascii()
        assert following.isprintable()
        assert " " not in following


def test_next_url_compares_whole_components():
    with pytest.raises(MalformedResponse, match="another list"):
        next_url("/v2/app/tags/list?last=x", "https://r.example/v2/team/my-app/tags/list")
