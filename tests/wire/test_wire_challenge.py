"""WWW-Authenticate headers: challenges and their scopes."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.wire.challenge import (
    MAX_CHARACTERS,
    Challenge,
    parse_challenges,
    reading_actions,
    reading_scope,
    usable_challenge,
)

WORD = "!#$%&'*+-.^_`|~" + string.digits + string.ascii_letters
BARE = WORD + "/:@?=()[]{};<>\\"

words = st.text(WORD, min_size=1, max_size=12)
gaps = st.sampled_from([",", ", ", " , ", ", ,\t", ",,"])
equals = st.sampled_from(["=", "=", " =", "= ", " = "])


def parse(*headers):
    """Every challenge of the headers, as plain values."""
    return [(challenge.scheme, dict(challenge.parameters)) for challenge in parse_challenges(headers)]


def quoted(value):
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@st.composite
def challenges(draw):
    """The text of a challenge, and the challenge that it means."""
    scheme = draw(words)
    parameters, written = {}, []
    for key in draw(st.lists(words, max_size=4, unique_by=str.lower)):
        if draw(st.booleans()):
            value = draw(st.text(max_size=20))
            text = quoted(value)
        else:
            text = value = draw(st.text(BARE, min_size=1, max_size=20))
        parameters[key.lower()] = value
        written.append(key + draw(equals) + text)
    parameters_text = written[0] if written else ""
    for parameter in written[1:]:
        parameters_text += draw(gaps) + parameter
    return f"{scheme} {parameters_text}".rstrip(" "), (scheme.lower(), parameters)


@given(st.lists(challenges(), max_size=4), st.data())
def test_challenge_is_parsed_as_it_was_written(composed, data):
    headers = []
    for text, _ in composed:
        if headers and data.draw(st.booleans()):
            headers[-1] += data.draw(gaps) + text
        else:
            headers.append(text)
    assert parse(*headers) == [meaning for _, meaning in composed]


@given(
    st.lists(
        st.text()
        | st.text(WORD + '",=\\ \t\n')
        | st.lists(st.sampled_from(["Bearer", "Basic", "realm", "=", '"', ",", " ", "\\", "x", "\udcff"])).map("".join),
        max_size=3,
    )
)
def test_challenge_of_any_header_raises_nothing(headers):
    challenges = parse_challenges(headers)
    for challenge in challenges:
        assert challenge.scheme
        assert challenge.scheme == challenge.scheme.lower()
        assert all(key and key == key.lower() for key in challenge.parameters)
    usable = usable_challenge(challenges)
    assert usable is None or (usable in challenges and usable.scheme in {"basic", "bearer"})


@pytest.mark.parametrize(
    ("header", "meaning"),
    [
        pytest.param(
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",'
            'scope="repository:samalba/my-app:pull,push",error="invalid_token"',
            (
                "bearer",
                {
                    "realm": "https://auth.docker.io/token",
                    "service": "registry.docker.io",
                    "scope": "repository:samalba/my-app:pull,push",
                    "error": "invalid_token",
                },
            ),
            id="Docker Hub, a comma inside quotes",
        ),
        pytest.param(
            'Bearer realm="https://gcr.io/v2/token",service="gcr.io"',
            ("bearer", {"realm": "https://gcr.io/v2/token", "service": "gcr.io"}),
            id="gcr.io",
        ),
        pytest.param(
            'Bearer realm="https://europe-docker.pkg.dev/v2/token"',
            ("bearer", {"realm": "https://europe-docker.pkg.dev/v2/token"}),
            id="Artifact Registry at /v2/, neither service nor scope",
        ),
        pytest.param(
            'Bearer realm="https://zot.example/auth/token",service="zot",scope=""',
            ("bearer", {"realm": "https://zot.example/auth/token", "service": "zot", "scope": ""}),
            id="zot, an empty scope",
        ),
        pytest.param(
            'Bearer realm="https://forge.example/v2/token",service="container_registry",scope="*"',
            ("bearer", {"realm": "https://forge.example/v2/token", "service": "container_registry", "scope": "*"}),
            id="Forgejo, scope *",
        ),
        pytest.param('Basic realm="harbor"', ("basic", {"realm": "harbor"}), id="Harbor's catalog"),
        pytest.param(
            "bEARER REALM=https://quay.example/v2/auth?x=y,Service=quay.example",
            ("bearer", {"realm": "https://quay.example/v2/auth?x=y", "service": "quay.example"}),
            id="bare values, any case",
        ),
        pytest.param(
            'Bearer  realm = "/v2/token" , service = "a \\"quoted\\" \\\\ name"',
            ("bearer", {"realm": "/v2/token", "service": 'a "quoted" \\ name'}),
            id="blanks, escapes, a relative realm",
        ),
        pytest.param(
            'Bearer realm="https://a.example/token" service="b"',
            ("bearer", {"realm": "https://a.example/token", "service": "b"}),
            id="no comma between parameters",
        ),
        pytest.param("Basic", ("basic", {}), id="Basic alone"),
        pytest.param(
            'Bearer realm="https://a.example/token', ("bearer", {"realm": "https://a.example/token"}), id="cut"
        ),
        pytest.param('Bearer realm="one",realm="two"', ("bearer", {"realm": "one"}), id="the first of two"),
    ],
)
def test_challenge_as_registries_write_it(header, meaning):
    assert parse(header) == [meaning]


@pytest.mark.parametrize(
    "headers",
    [
        ['Bearer realm="https://git.example/v2/token",service="container_registry",scope="*"', 'Basic realm="git"'],
        ['Bearer realm="https://git.example/v2/token",service="container_registry",scope="*",Basic realm="git"'],
        ['Bearer realm="https://git.example/v2/token" , Basic realm="git"'],
    ],
    ids=["two headers", "one header", "one header with blanks"],
)
def test_challenge_of_gitea_prefers_bearer(headers):
    assert [scheme for scheme, _ in parse(*headers)] == ["bearer", "basic"]
    usable = usable_challenge(parse_challenges(headers))
    assert (usable.scheme, usable.realm) == ("bearer", "https://git.example/v2/token")


@pytest.mark.parametrize(
    "headers",
    [
        ["Negotiate", 'Basic realm="corp"'],
        ['Negotiate, Basic realm="corp"'],
        ['Negotiate YIIFuQYGKwYBBQUCoIIFrTCCBakwJDA=, Basic realm="corp"'],
        ['NTLM TlRMTVNTUAACAAAAAAAAADgAAADzgpji3Q==,Basic realm="corp"'],
        ['Digest realm="x", nonce="a, b", qop="auth", Basic realm="corp"'],
        ['Bearer error="invalid_token", Basic realm="corp"'],
    ],
)
def test_challenge_of_another_scheme_is_skipped(headers):
    usable = usable_challenge(parse_challenges(headers))
    assert (usable.scheme, usable.realm) == ("basic", "corp")


@pytest.mark.parametrize(
    "header",
    ['"junk", Basic realm="corp"', 'Negotiate abc, (what is this), Basic realm="corp"', '=, Basic realm="corp"'],
)
def test_challenge_after_unparsable_text_is_found(header):
    usable = usable_challenge(parse_challenges([header]))
    assert usable is not None
    assert (usable.scheme, usable.realm) == ("basic", "corp")


@pytest.mark.parametrize(
    "headers", [[], [""], [", ,"], ["Negotiate"], ["Bearer"], ['Bearer realm=""'], ["Basicrealm=x"]]
)
def test_challenge_is_none_where_none_is_usable(headers):
    assert usable_challenge(parse_challenges(headers)) is None


@pytest.mark.parametrize(
    ("header", "service"),
    [('Bearer realm="r",service="s"', "s"), ('Bearer realm="r",service=""', None), ('Bearer realm="r"', None)],
)
def test_challenge_without_a_service_has_none(header, service):
    assert parse_challenges([header])[0].service == service


def test_challenge_without_a_realm_has_an_empty_one():
    assert parse_challenges(["Basic"])[0].realm == ""


@pytest.mark.parametrize("end", ["", '"', "\\", "=", ", Basic"])
@pytest.mark.parametrize(
    ("start", "again"),
    [
        ("", ","),
        ("", " "),
        ("", "a"),
        ("", "a,"),
        ("", "a "),
        ("", '"'),
        ("", "="),
        ("Bearer ", " "),
        ("Bearer ", "a"),
        ("Bearer ", "a="),
        ("Bearer ", "a ,"),
        ("Bearer ", 'a="'),
        ("Bearer ", 'a=\\"'),
        ("Bearer ", 'b a="\\",'),
        ('Bearer a="', "\\"),
        ('Bearer a="', "\\\\"),
        ('Bearer a="', '\\"'),
        ('Bearer a="', ', b="'),
        ('Bearer a="x" ', "b" + " " * 100),
        ("", "a" + ", " * 100),
    ],
)
def test_challenge_parsing_is_linear(start, again, end):
    parse_challenges([start + again * (100_000 // len(again)) + end])


def test_challenge_headers_are_parsed_up_to_a_limit():
    basic, long = 'Basic realm="corp"', ",a" * (MAX_CHARACTERS // 2)
    assert len(parse_challenges([long] * 100)) == MAX_CHARACTERS // 2
    assert usable_challenge(parse_challenges([basic, *[long] * 100])).realm == "corp"
    assert usable_challenge(parse_challenges([" " * MAX_CHARACTERS, basic])) is None


# -------------------------------------------------------------------------------------------------------------- scopes


def scoped(scope: str) -> Challenge:
    return Challenge("bearer", {"realm": "https://auth.example.com/token", "scope": scope})


@pytest.mark.parametrize(
    ("scope", "requested", "actions"),
    [
        ("repository:team/app:pull", "repository:team/app:pull", "pull"),
        ("repository:team/app:metadata_read", "repository:team/app:pull", "metadata_read"),
        ("repository:team/app:content_read,metadata_read", "repository:team/app:pull", "content_read,metadata_read"),
        ("repository:host:5000/app:pull", "repository:host:5000/app:pull", "pull"),
        ("registry:catalog:*", "registry:catalog:*", "*"),
        ("aws repository:team/app:pull", "repository:team/app:pull", "pull"),
        ("repository:team/app:pull,push", "repository:team/app:pull", None),
        ("repository:team/app:*", "repository:team/app:pull", None),
        ("repository:team/other:pull", "repository:team/app:pull", None),
        ("repository:team/app:", "repository:team/app:pull", None),
        ("aws", "repository:team/app:pull", None),
        ("", "repository:team/app:pull", None),
    ],
)
def test_challenge_scope_names_the_actions_for_the_requested_resource(scope, requested, actions):
    assert reading_actions(scoped(scope), requested) == actions


@pytest.mark.parametrize(
    ("scope", "first"),
    [
        ("repository:k8s/pause:pull", "repository:k8s/pause:pull"),
        ("aws repository:k8s/pause:pull registry:catalog:*", "repository:k8s/pause:pull"),
        ("repository:k8s/pause:push", None),
        ("aws:*", None),
        (":*", None),
        ("aws", None),
    ],
)
def test_challenge_scope_that_only_reads_is_found_among_others(scope, first):
    assert reading_scope(scoped(scope)) == first


@given(
    st.sampled_from(["repository:team/app", "repository:a", "registry:catalog", "aws", ""]),
    st.lists(st.sampled_from(["pull", "push", "delete", "*", "metadata_read", ""]), max_size=4),
)
def test_challenge_scope_never_does_more_than_read(resource, actions):
    challenge = scoped(f"{resource}:{','.join(actions)}")
    for found in (reading_actions(challenge, f"{resource}:pull"), reading_scope(challenge)):
        assert found is None or not {"push", "delete"} & {*actions}
        assert found is None or "*" not in actions or resource == "registry:catalog"
