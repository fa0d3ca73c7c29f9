"""How requests are written: line, Host, headers and body, to the byte; and URLs and headers that are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from crawler.errors import CredentialsError
from crawler.transport.messages import Request
from crawler.transport.proxies import Proxies
from crawler.transport.request_bytes import NotHttpUrlError, RequestWriter
from crawler.transport.ssrf import ForbiddenAddressError

HOST = "registry.example.com"
URL_OF_TAGS = f"https://{HOST}/v2/team/app/tags/list?n=100"


def written(request: Request, **by_scheme: str) -> tuple[str, dict[str, str], bytes]:
    """The request line, the headers and the body. `by_scheme` is the proxies."""
    _, raw = RequestWriter("ours/1.0", Proxies(by_scheme) if by_scheme else None).write(request)
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    assert len({name.lower() for name, _ in pairs(headers)}) == len(headers), "no header comes twice"
    return line, dict(pairs(headers)), body


def pairs(headers: list[str]) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (header.partition(": ") for header in headers)]


def test_request_bytes_of_a_get():
    request = Request(url=URL_OF_TAGS, authorization="Bearer s3cret", headers=(("If-None-Match", '"x"'),))
    assert written(request) == (
        "GET /v2/team/app/tags/list?n=100 HTTP/1.1",
        {
            "Host": HOST,
            "User-Agent": "ours/1.0",
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "Authorization": "Bearer s3cret",
            "If-None-Match": '"x"',
        },
        b"",
    )


def test_request_bytes_of_a_head_with_other_media_types():
    line, headers, body = written(
        Request(url=URL_OF_TAGS, method="HEAD", accept="application/vnd.oci.image.index.v1+json")
    )
    assert (line.split()[0], headers["Accept"], body) == ("HEAD", "application/vnd.oci.image.index.v1+json", b"")


def test_request_bytes_of_a_form():
    form = (("grant_type", "refresh_token"), ("scope", "a b&c"), ("service", "Köln"))
    line, headers, body = written(Request(url=URL_OF_TAGS, method="POST", form=form))
    assert line.startswith("POST ")
    assert body == b"grant_type=refresh_token&scope=a+b%26c&service=K%C3%B6ln"
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert headers["Content-Length"] == str(len(body))


def test_request_bytes_of_a_content_have_its_type_once_though_a_signature_has_it_too():
    content_type = "application/x-amz-json-1.1"
    signed = (("Content-Type", content_type), ("X-Amz-Date", "20261128T000000Z"))
    request = Request(url=URL_OF_TAGS, method="POST", content=b"{}", content_type=content_type, headers=signed)
    _, headers, body = written(request)
    assert (body, headers["Content-Type"], headers["Content-Length"]) == (b"{}", content_type, "2")
    assert headers["X-Amz-Date"] == "20261128T000000Z"


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("https://h", "h", "/"),
        ("https://h:443/x", "h", "/x"),
        ("http://h:80/x", "h", "/x"),
        ("http://h:5000/x", "h:5000", "/x"),
        ("http://[::1]:5000/v2/", "[::1]:5000", "/v2/"),
        ("http://[::1]/v2/", "[::1]", "/v2/"),
        ("http://H.example./x", "H.example", "/x"),
        ("http://h?x=1", "h", "/?x=1"),
        ("http://h/a?#f", "h", "/a"),
        ("http://h/a?b#f", "h", "/a?b"),
        ("http://h/a%2Fb/../c?d=%20", "h", "/a%2Fb/../c?d=%20"),
        ("http://h/é", "h", "/é"),
    ],
)
def test_request_bytes_of_a_url(url, host, target):
    line, headers, _ = written(Request(url=url))
    assert (line, headers["Host"]) == (f"GET {target} HTTP/1.1", host)


@given(
    st.sampled_from(["http", "https"]),
    st.from_regex(r"[a-zA-Z0-9.-]{1,12}(:[0-9]{1,5})?", fullmatch=True),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x17F), max_size=30),
)
def test_request_bytes_target_is_the_one_of_yarl_the_first_time_and_again(scheme, host, rest):
    """Nearly all URLs are cut in two by a pattern, and not parsed."""
    url = f"{scheme}://{host}/{rest}"
    writer = RequestWriter("ours/1.0", None)
    try:
        expected = URL(url, encoded=True)
        expected_line = f"GET {expected.raw_path_qs} HTTP/1.1\r\nHost: {expected.host_port_subcomponent}\r\n".encode()
        first = writer.write(Request(url=url))
    except ValueError:
        return
    assert first[1].startswith(expected_line)
    assert writer.write(Request(url=url)) == first
    assert str(first[0].url) == str(expected.origin())


@pytest.mark.parametrize(
    "url",
    ["ftp://h/x", "/v2/", "file:///etc/passwd", "https:///x", "http://", "https://ann:s3cret@h/x", "https://ann@h/x"],
)
def test_request_bytes_refuse_a_url_that_is_none_of_a_server(url):
    with pytest.raises(NotHttpUrlError):
        written(Request(url=url))


@pytest.mark.parametrize("character", ["\r", "\n", "\0", "\x7f", "\x1b"])
def test_request_bytes_refuse_headers_that_would_end_early(character):
    for request in (
        Request(url=URL_OF_TAGS, authorization=f"Bearer x{character}X-Injected: y"),
        Request(url=URL_OF_TAGS, accept=f"text/plain{character}"),
        Request(url=URL_OF_TAGS, headers=(("X", f"y{character}"),)),
        Request(url=URL_OF_TAGS, headers=((f"X{character}", "y"),)),
    ):
        with pytest.raises(ValueError, match="control character"):
            written(request)


@pytest.mark.parametrize("character", ["\0", "\x7f", "\x1b"])
def test_request_bytes_refuse_a_url_with_control_characters(character):
    with pytest.raises(ValueError, match="control character"):
        written(Request(url=f"https://{HOST}/v2/{character}x"))


# --------------------------------------------------------------------------------------------------- proxies


def test_request_bytes_have_the_whole_url_and_the_password_for_a_proxy_that_reads_them():
    line, headers, _ = written(Request(url=f"http://{HOST}:80/v2/?n=1"), http="http://ann:s3cret@proxy:3128")
    assert line == f"GET http://{HOST}/v2/?n=1 HTTP/1.1"
    assert headers["Host"] == HOST
    assert headers["Proxy-Authorization"] == "Basic YW5uOnMzY3JldA=="


def test_request_bytes_have_neither_in_a_tunnel():
    line, headers, _ = written(Request(url=URL_OF_TAGS), https="http://ann:s3cret@proxy:3128")
    assert line == "GET /v2/team/app/tags/list?n=100 HTTP/1.1"
    assert "Proxy-Authorization" not in headers


def test_request_bytes_are_not_made_for_a_metadata_service_behind_a_proxy():
    with pytest.raises(ForbiddenAddressError):
        written(Request(url="http://169.254.169.254/latest/"), http="http://proxy:3128")


def test_request_bytes_are_not_made_for_another_kind_of_proxy():
    with pytest.raises(CredentialsError):
        written(Request(url=URL_OF_TAGS), https="socks5://proxy:1080")


def test_request_bytes_remember_few_origins_and_know_the_same_one_again():
    writer = RequestWriter("ours/1.0", None)
    first, _ = writer.write(Request(url=URL_OF_TAGS))
    again, _ = writer.write(Request(url=f"https://{HOST}/other"))
    assert first is again
    for number in range(5000):
        writer.write(Request(url=f"https://{number}.{HOST}/"))
    assert writer.origin(Request(url=URL_OF_TAGS)) is not first
