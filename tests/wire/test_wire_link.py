"""The Link header: finding the next link in whatever a server sends."""

import re
import string
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crawler.errors import MalformedResponse
from crawler.wire.link import MAX_LINK_CHARACTERS, next_link, next_url

REQUESTED = "https://registry.example:8443/artifactory/api/docker/KEY/v2/_catalog?n=100&last=a"
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
    """(text of a link, its target, whether it is the next link, whether it mentions a next link)"""
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


@given(st.lists(links(), max_size=4), st.data())
def test_link_header_first_next_link_is_found(composed, data):
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
def test_link_header_as_registries_write_it(headers, target):
    assert next_link(headers) == target


PIECES = ["<", ">", ";", ",", '"', "\\", " ", "=", "rel", "next", "title", "a", "\udcff", "/v2/_catalog?last=b"]


@given(st.lists(st.text() | st.lists(st.sampled_from(PIECES)).map("".join), max_size=3))
def test_link_header_of_any_text_is_parsed_or_malformed(headers):
    with suppress(MalformedResponse):
        target = next_link(headers)
        assert target is None or any(target in header for header in headers)


QUOTED = r"""\s*(?:"(?:\\.|[^"\\])*(?:"|\\?\Z)|'(?:\\.|[^'\\])*(?:'|\\?\Z))"""
ONE_LINK = re.compile(rf"[\s,]*(<[^>]*(?:>|\Z)|[^<;,][^;,]*|)((?:={QUOTED}|[^,])*)", re.DOTALL)
ONE_PARAMETER = re.compile(rf"[\s;]*([^=;,]*)(?:=({QUOTED}|[^=;,]*))?", re.DOTALL)


def parse_slowly(headers):
    """The next link, found by regular expressions in quadratic time; "" where the header is malformed."""
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


@settings(max_examples=300)
@given(st.lists(st.lists(st.sampled_from(ODD_PIECES), max_size=12).map("".join), max_size=2))
@example(["<a>; rel"])
@example(['<a>; rel="next'])
@example(["<a>; rel='next\\"])
def test_link_header_agrees_with_a_slow_parser(headers):
    try:
        found = next_link(headers)
    except MalformedResponse:
        found = ""
    assert (found or "") == (parse_slowly(headers) or "")


class Counted(str):
    """Text that counts how often one of its characters is read."""

    __slots__ = ("reads",)

    def __new__(cls, text):
        counted = super().__new__(cls, text)
        counted.reads = 0
        return counted

    def __getitem__(self, index):
        self.reads += isinstance(index, int)
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
def test_link_header_is_scanned_once(start, again, end):
    header = Counted(start + again * (8_000 // len(again)) + end)
    with suppress(MalformedResponse):
        next_link([header])
    assert 0 < header.reads <= 4 * len(header)


def test_link_header_without_next_is_not_scanned():
    header = Counted("<a" * 4_000)
    assert next_link([header]) is None
    assert header.reads == 0


def test_link_header_beyond_the_size_limit_is_malformed():
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
def test_link_header_with_an_unparsable_next_link_is_malformed(header):
    with pytest.raises(MalformedResponse, match="cannot be read"):
        next_link([header])


@given(links(), st.sampled_from(REQUESTED))
def test_link_header_target_is_followed_or_malformed(link, requested):
    with suppress(MalformedResponse):
        target = next_link([link[0]])
        if target is not None:
            assert next_url(target, requested).partition("?")[0] == requested.partition("?")[0]
