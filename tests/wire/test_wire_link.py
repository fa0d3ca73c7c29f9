import re
import string
from contextlib import suppress
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crawler.errors import MalformedResponse
from crawler.wire.link import MAX_LINK_CHARACTERS, next_link, next_url
from crawler.wire.page_url import has_cursor, is_start_of_list, page_size_of, with_cursor, with_page_size

fuzz = settings(max_examples=150)

REQUESTED = (
    "https://gcr.io/v2/_catalog?n=1000",
    "https://europe-docker.pkg.dev/v2/my-project/alpine/tags/list",
    "http://localhost:5000/v2/_catalog",
    "http://[::1]:5000/v2/a/b/tags/list?n=10",
    "https://registry.example:8443/artifactory/api/docker/KEY/v2/_catalog?n=100&last=a",
)
TOKEN = string.ascii_letters + string.digits + "-_.~!*"

relations = st.lists(
    st.sampled_from(["next", "NEXT", "Next", "prev", "first", "last", "nextest", "no-next", "https://a.example/next"]),
    min_size=1,
    max_size=3,
)


def quoted(value):
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@st.composite
def links(draw):
    """A link as a registry might write it; its target; whether it is the next page's; and whether it mentions one."""
    target = draw(st.text(TOKEN + "/?&=%,;:'\" ()[]ü", max_size=30).map(str.strip))
    names = draw(relations)
    name = draw(st.sampled_from(["rel", "REL", "Rel"]))
    rel = name + draw(st.sampled_from(["=", " = ", "= "]))
    rel += names[0] if len(names) == 1 and draw(st.booleans()) else quoted(" ".join(names))
    others = st.sampled_from(["title", "anchor", "type", "hreflang*", "relation"])
    values = st.text(TOKEN, min_size=1, max_size=9) | st.text(max_size=15).map(quoted)
    values |= st.sampled_from(['", <b>; rel=next"', '"; rel=next"', '"a \\"; rel=next"'])
    parameter = st.tuples(others, values).map("=".join) | others
    before, after = draw(st.lists(parameter, max_size=2)), draw(st.lists(parameter, max_size=2))
    after += draw(st.lists(st.sampled_from(["rel=next", 'rel="prev"']), max_size=1))  # RFC 8288 §3.3: only the first
    gap = draw(st.sampled_from([";", "; ", " ; ", ";\t"]))
    parameters = "".join(gap + word for word in [*before, rel, *after])
    return f"<{target}>{parameters}", target, "next" in map(str.lower, names), "next" in parameters.lower()


@fuzz
@given(st.lists(links(), max_size=4), st.data())
def test_the_first_next_link_of_all_is_found(composed, data):
    headers = []
    for text, *_ in composed:
        if headers and data.draw(st.booleans()):
            headers[-1] += data.draw(st.sampled_from([",", ", ", " , ", ",,"])) + text
        else:
            headers.append(text)
    targets = [target for _, target, is_next, _ in composed if is_next]
    if targets:
        assert next_link(headers) == targets[0]
    elif any(mentions for *_, mentions in composed):
        with pytest.raises(MalformedResponse, match="cannot be read"):
            next_link(headers)
    else:
        assert next_link(headers) is None


@pytest.mark.parametrize(
    ("headers", "target"),
    [
        ([], None),
        ([""], None),
        (["</v2/_catalog?last=b&n=2>; rel=next"], "/v2/_catalog?last=b&n=2"),
        (['</v2/_catalog?last=b&n=2>;rel="next"'], "/v2/_catalog?last=b&n=2"),
        (['<https://h.example/v2/_catalog?last=b>; REL="NEXT"'], "https://h.example/v2/_catalog?last=b"),
        (['<?p=0>; rel="prev", <?p=2>; rel="next", <?p=9>; rel="last"'], "?p=2"),
        (['<?p=0>; rel="prev"', '<?p=2>; rel="next"'], "?p=2"),
        (['<?p=2>; rel="last next"'], "?p=2"),
        (['<?p=0>; title="a, <?x>; rel=next"; rel=prev, <?p=2>; rel=next'], "?p=2"),
        (['<?last=a,b;c>; rel="next"'], "?last=a,b;c"),
        (['< ?p=2 >; rel="next"'], "?p=2"),
        (['<?p=0>; title="a\\"; rel=next; b"; rel=prev, <?p=2>; rel=next'], "?p=2"),
        (["<?p=2>; rel='next'"], "?p=2"),
        (["<?p=2>; rel='last next'"], "?p=2"),
        (['<?p=2>; rel=" next "'], "?p=2"),
        (['<?p=2>;\trel="next"'], "?p=2"),
        (['<?p=2>;\u00a0rel="next"'], "?p=2"),
        (['<?p=2>; rel="https://a.example/next next"'], "?p=2"),
        (['<?p=2>; title="a>b"; rel="next"'], "?p=2"),
        (["http://h.example/v2/_catalog?n=5&last=x; rel=next"], "http://h.example/v2/_catalog?n=5&last=x"),
        (['?p=2; rel="next"'], "?p=2"),
        (["?p=0; rel=prev, ?p=2; rel='next'"], "?p=2"),
        (['<?p=2> rel="next"'], "?p=2"),
        (["<?p=2>"], None),
        (['<?next=2>; rel="prev"'], None),
    ],
)
def test_links_as_registries_write_them(headers, target):
    assert next_link(headers) == target


PIECES = ["<", ">", ";", ",", '"', "\\", " ", "=", "rel", "next", "title", "a", "\udcff", "/v2/_catalog?last=b"]


@fuzz
@given(st.lists(st.text() | st.lists(st.sampled_from(PIECES)).map("".join), max_size=3))
def test_any_header_is_read_or_a_malformed_reply(headers):
    with suppress(MalformedResponse):
        target = next_link(headers)
        assert target is None or any(target in header for header in headers)


QUOTED = r"""\s*(?:"(?:\\.|[^"\\])*(?:"|\\?\Z)|'(?:\\.|[^'\\])*(?:'|\\?\Z))"""
ONE_LINK = re.compile(rf"[\s,]*(<[^>]*(?:>|\Z)|[^<;,][^;,]*|)((?:={QUOTED}|[^,])*)", re.DOTALL)
ONE_PARAMETER = re.compile(rf"[\s;]*([^=;,]*)(?:=({QUOTED}|[^=;,]*))?", re.DOTALL)


def slowly(headers):
    """The same by regular expressions, each of which reads the rest of a header anew. "" where nothing can be read."""
    mentioned = False
    for header in headers:
        rest = header
        while rest.strip(", \t"):
            link = ONE_LINK.match(rest)
            rest = rest[max(link.end(), 1) :]
            text, parameters = link[1], link[2]
            target = text[1:-1] if text.startswith("<") else text
            is_whole = text.endswith(">") if text.startswith("<") else bool(text.strip())
            is_readable = is_whole and not set("<>") & set(target)
            if is_readable and "next" in relations_of(parameters):
                return target.strip()
            unread = parameters if text.startswith("<") and is_whole else text + parameters
            mentioned |= "next" in unread.lower()
    return "" if mentioned else None


def relations_of(parameters):
    while parameters:
        parameter = ONE_PARAMETER.match(parameters)
        parameters = parameters[max(parameter.end(), 1) :]
        if parameter[1].strip().lower() == "rel":
            value = (parameter[2] or "").strip()
            if value[:1] in {'"', "'"}:
                value = value[1:-1] if len(value) > 1 and value.endswith(value[0]) else value[1:]
            return value.lower().split()
    return []


ODD_PIECES = [*PIECES, "'", "rel=next", 'rel="next"', "rel='next'", "</a?last=b>", "; ", ", ", '\\"', "NEXT"]


@settings(fuzz, max_examples=300)
@given(st.lists(st.lists(st.sampled_from(ODD_PIECES), max_size=12).map("".join), max_size=2))
@example(["<a>; rel"])
@example(['<a>; rel="next'])
@example(["<a>; rel='next\\"])
def test_links_are_found_as_regular_expressions_find_them(headers):
    try:
        found = next_link(headers)
    except MalformedResponse:
        found = ""
    assert (found or "") == (slowly(headers) or "")


class Counted(str):
    """Text that counts how often one of its characters is looked at."""

    __slots__ = ("looks",)

    def __new__(cls, text):
        counted = super().__new__(cls, text)
        counted.looks = 0
        return counted

    def __getitem__(self, index):
        self.looks += isinstance(index, int)
        return super().__getitem__(index)


@pytest.mark.parametrize("end", [" next", 'next"', "next>", "; rel=next"])
@pytest.mark.parametrize(
    ("start", "again"),
    [
        ("", "<"),
        ("", ">"),
        ("", "<>"),
        ("", "<a"),
        ("", ","),
        ("", '"'),
        ("<a>", ";"),
        ("<a>", " "),
        ("<a>;", " "),
        ("<a>;", "a"),
        ("<a>;a", " "),
        ("<a>;", "a ;"),
        ("<a>;", "a="),
        ("<a>", ';a="'),
        ("<a>", ';a=""'),
        ('<a>;a="', "\\"),
        ('<a>;a="', "\\\\"),
        ('<a>;a="', '\\"'),
        ('<a>;a="', "<b>"),
        ("", '<a>;a="'),
        ("<a>", ";rel"),
        ('<a>;rel="', "next "),
    ],
)
def test_a_hostile_header_is_read_once_from_left_to_right(start, again, end):
    header = Counted(start + again * (8_000 // len(again)) + end)
    with suppress(MalformedResponse):
        next_link([header])
    assert 0 < header.looks <= 4 * len(header)


def test_headers_that_mention_no_next_page_are_not_looked_at():
    header = Counted("<a" * 4_000)
    assert next_link([header]) is None
    assert header.looks == 0


def test_more_links_than_anybody_needs_are_no_end():
    headers = ['</v2/_catalog?last=b>; rel="next"', *["<a" * 4_000] * 9]
    assert sum(map(len, headers)) > MAX_LINK_CHARACTERS
    with pytest.raises(MalformedResponse, match="65,536 characters of Link headers"):
        next_link(headers)
    assert next_link(headers[:4]) == "/v2/_catalog?last=b"


@pytest.mark.parametrize(
    "header",
    [
        '<?p=2; rel="next"',
        "?p=2>; rel=next",
        '; REL = "next"',
        '; <?p=2>; rel="next"',
        "rel=next",
        "<?p=2>; rel*=UTF-8''next",
        '<?p=2>; rel="nextpage"',
        '<?p=2>; rel="prev"; rel="next"',
        "<?p=2>; rel=\u201cnext\u201d",
        '<?p=2>; title="a, <?p=3>; rel=next',
        '<?p=2>; title="Next"',
    ],
)
def test_a_next_page_whose_address_cannot_be_read_is_no_end(header):
    with pytest.raises(MalformedResponse, match="cannot be read"):
        next_link([header])


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
            id="a stranger's password",
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
def test_the_next_page_is_the_same_list_with_another_cursor(requested, link, following):
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
def test_a_link_that_leads_anywhere_else_is_refused(link):
    with pytest.raises(MalformedResponse, match="next link"):
        next_url(link, "https://r.example/v2/a/tags/list")


@pytest.mark.parametrize("cursor", ["caf\udce9", "\udcff\udcfe"])
def test_a_cursor_in_bytes_that_are_no_utf8_is_kept_or_refused(cursor):
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


@fuzz
@given(
    st.sampled_from(REQUESTED),
    st.lists(st.tuples(st.sampled_from(["last", "n", "next_page", "x"]), st.text(min_size=1, max_size=20)), min_size=1),
)
def test_an_encoded_cursor_stays_as_it_is(requested, cursor):
    query = urlencode(cursor)
    here = urlsplit(requested)
    assert next_url(f"{here.path}?{query}", requested) == here._replace(query=query).geturl()


# What is written into a link as it is: no control character, which is stripped, and nothing with a meaning of its own.
unencoded = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="#&%+=;"), min_size=1
)


@fuzz
@given(st.sampled_from(REQUESTED), unencoded)
def test_an_unencoded_cursor_reaches_the_registry_whole(requested, cursor):
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


@settings(fuzz, max_examples=400)
@given(strange_links | st.text(), st.sampled_from(REQUESTED))
@example("?last=\ud800", REQUESTED[0])
def test_no_link_leads_off_the_requested_list(link, requested):
    with suppress(MalformedResponse):
        following = next_url(link, requested)
        here, there = urlsplit(requested), urlsplit(following)
        assert (there.scheme, there.netloc, there.path) == (here.scheme, here.netloc, here.path)
        assert there.username is there.password is None
        assert "#" not in following
        assert following.isascii()
        assert following.isprintable()
        assert " " not in following


@fuzz
@given(links(), st.sampled_from(REQUESTED))
def test_what_a_header_names_can_be_followed_or_is_refused(link, requested):
    with suppress(MalformedResponse):
        target = next_link([link[0]])
        if target is not None:
            assert next_url(target, requested).partition("?")[0] == requested.partition("?")[0]


@pytest.mark.parametrize(
    ("address", "size", "sized"),
    [
        ("http://r/v2/_catalog", 1000, "http://r/v2/_catalog?n=1000"),
        ("http://r/v2/_catalog", None, "http://r/v2/_catalog"),
        ("http://r/v2/_catalog?n=1000", 100, "http://r/v2/_catalog?n=100"),
        ("http://r/v2/_catalog?n=1000", None, "http://r/v2/_catalog"),
        ("http://r/v2/_catalog?last=a%2Fb&n=1000&x", 5, "http://r/v2/_catalog?last=a%2Fb&x&n=5"),
        ("http://r/v2/_catalog?last=n=7", 5, "http://r/v2/_catalog?last=n=7&n=5"),
    ],
)
def test_a_page_size_changes_nothing_else_of_an_address(address, size, sized):
    assert with_page_size(address, size) == sized


def test_a_link_to_part_of_a_components_name_leads_elsewhere():
    with pytest.raises(MalformedResponse, match="another list"):
        next_url("/v2/app/tags/list?last=x", "https://r.example/v2/team/my-app/tags/list")


@pytest.mark.parametrize(
    ("url", "size"),
    [
        ("http://r/v2/_catalog?n=1000", 1000),
        ("http://r/v2/_catalog?last=a&n=5", 5),
        ("http://r/v2/_catalog?n=0", 0),
        ("http://r/v2/_catalog", None),
        ("http://r/v2/_catalog?last=n=7", None),
        ("http://r/v2/_catalog?n=", None),
        ("http://r/v2/_catalog?n=-5", None),
        ("http://r/v2/_catalog?n=\u0665", None),
        ("http://r/v2/_catalog?n=5&n=6", None),
    ],
)
def test_a_page_was_asked_for_in_the_size_of_its_url(url, size):
    assert page_size_of(url) == size


@fuzz
@given(unencoded | st.text(TOKEN + "&=%+#?/", min_size=1), st.integers(1, 9999))
def test_a_cursor_of_our_own_is_read_back(entry, size):
    url = with_cursor(f"http://r/v2/_catalog?last=before&n={size}", entry)
    assert has_cursor(url, entry)
    assert page_size_of(url) == size
    assert dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)) == {"last": entry, "n": str(size)}


@pytest.mark.parametrize(
    ("query", "is_it"),
    [("last=a%2Fb&n=5", True), ("last=a/b", True), ("last=a", False), ("n=5", False), ("last=a/b&last=c", False)],
)
def test_a_cursor_is_the_last_entry_or_the_registrys_own(query, is_it):
    assert has_cursor(f"http://r/v2/_catalog?{query}", "a/b") is is_it


@pytest.mark.parametrize(
    ("query", "does_it"),
    [
        ("last=", True),
        ("n=5&last=", True),
        ("last=a", False),
        ("n=5", False),
        ("", False),
        ("next_page=x&last=", False),
    ],
)
def test_an_empty_cursor_is_start_of_list(query, does_it):
    assert is_start_of_list(f"http://r/v2/_catalog?{query}") is does_it
