import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.wire.challenge import (
    MAX_CHARACTERS,
    Challenge,
    parse_challenges,
    reading_actions,
    reading_scope,
    usable_challenge,
)

fuzz = settings(max_examples=100)

WORD = "!#$%&'*+-.^_`|~" + string.digits + string.ascii_letters
BARE = WORD + "/:@?=()[]{};<>\\"

words = st.text(WORD, min_size=1, max_size=12)
gaps = st.sampled_from([",", ", ", " , ", ", ,\t", ",,"])
equals = st.sampled_from(["=", "=", " =", "= ", " = "])


def told(*headers):
    """Every challenge that the headers tell, as plain values."""
    return [(challenge.scheme, dict(challenge.parameters)) for challenge in parse_challenges(headers)]


def quoted(value):
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@st.composite
def challenges(draw):
    """A challenge's words as a registry might write them, and what they mean."""
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
    words_of_it = written[0] if written else ""
    for parameter in written[1:]:
        words_of_it += draw(gaps) + parameter
    return f"{scheme} {words_of_it}".rstrip(" "), (scheme.lower(), parameters)


@fuzz
@given(st.lists(challenges(), max_size=4), st.data())
def test_every_challenge_is_read_as_it_was_meant(composed, data):
    headers = []
    for text, _ in composed:
        if headers and data.draw(st.booleans()):
            headers[-1] += data.draw(gaps) + text
        else:
            headers.append(text)
    assert told(*headers) == [meaning for _, meaning in composed]


@fuzz
@given(
    st.lists(
        st.text()
        | st.text(WORD + '",=\\ \t\n')
        | st.lists(st.sampled_from(["Bearer", "Basic", "realm", "=", '"', ",", " ", "\\", "x", "\udcff"])).map("".join),
        max_size=3,
    )
)
def test_any_header_is_read_without_an_exception(headers):
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
def test_the_words_of_real_registries(header, meaning):
    assert told(header) == [meaning]


@pytest.mark.parametrize(
    "headers",
    [
        ['Bearer realm="https://git.example/v2/token",service="container_registry",scope="*"', 'Basic realm="git"'],
        ['Bearer realm="https://git.example/v2/token",service="container_registry",scope="*",Basic realm="git"'],
        ['Bearer realm="https://git.example/v2/token" , Basic realm="git"'],
    ],
    ids=["two headers", "one header", "one header with blanks"],
)
def test_gitea_offers_bearer_before_basic(headers):
    assert [scheme for scheme, _ in told(*headers)] == ["bearer", "basic"]
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
def test_a_challenge_that_we_cannot_answer_is_passed_over(headers):
    usable = usable_challenge(parse_challenges(headers))
    assert (usable.scheme, usable.realm) == ("basic", "corp")


@pytest.mark.parametrize(
    "header",
    ['"junk", Basic realm="corp"', 'Negotiate abc, (what is this), Basic realm="corp"', '=, Basic realm="corp"'],
)
def test_what_cannot_be_read_does_not_hide_what_follows(header):
    usable = usable_challenge(parse_challenges([header]))
    assert usable is not None
    assert (usable.scheme, usable.realm) == ("basic", "corp")


@pytest.mark.parametrize(
    "headers", [[], [""], [", ,"], ["Negotiate"], ["Bearer"], ['Bearer realm=""'], ["Basicrealm=x"]]
)
def test_where_no_challenge_can_be_answered_there_is_none(headers):
    assert usable_challenge(parse_challenges(headers)) is None


@pytest.mark.parametrize(
    ("header", "service"),
    [('Bearer realm="r",service="s"', "s"), ('Bearer realm="r",service=""', None), ('Bearer realm="r"', None)],
)
def test_a_service_that_is_not_named_is_none(header, service):
    assert parse_challenges([header])[0].service == service


def test_a_missing_realm_is_empty():
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
def test_a_hostile_header_is_read_in_linear_time(start, again, end):
    parse_challenges([start + again * (100_000 // len(again)) + end])


def test_challenges_are_read_up_to_a_size_of_all_headers_together():
    basic, long = 'Basic realm="corp"', ",a" * (MAX_CHARACTERS // 2)
    assert len(parse_challenges([long] * 100)) == MAX_CHARACTERS // 2
    assert usable_challenge(parse_challenges([basic, *[long] * 100])).realm == "corp"
    assert usable_challenge(parse_challenges([" " * MAX_CHARACTERS, basic])) is None


# -------------------------------------------------------------------------------------------------------------- scopes


def scoped(scope: str) -> Challenge:
    return Challenge("bearer", {"realm": "https://auth.example.com/token", "scope": scope})


@pytest.mark.parametrize(
    ("scope", "asked", "actions"),
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
def test_challenge_scope_gives_the_actions_for_what_was_asked(scope, asked, actions):
    assert reading_actions(scoped(scope), asked) == actions


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
def test_challenge_scope_for_reading_is_found_among_others(scope, first):
    assert reading_scope(scoped(scope)) == first


@given(
    st.sampled_from(["repository:team/app", "repository:a", "registry:catalog", "aws", ""]),
    st.lists(st.sampled_from(["pull", "push", "delete", "*", "metadata_read", ""]), max_size=4),
)
def test_challenge_scope_never_gives_more_than_reading(resource, actions):
    challenge = scoped(f"{resource}:{','.join(actions)}")
    for found in (reading_actions(challenge, f"{resource}:pull"), reading_scope(challenge)):
        assert found is None or not {"push", "delete"} & {*actions}
        assert found is None or "*" not in actions or resource == "registry:catalog"
