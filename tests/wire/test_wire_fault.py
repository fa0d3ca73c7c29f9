import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.model import Fault
from crawler.wire.fault import read_consumer, read_fault

fuzz = settings(max_examples=100)

NO_CRM = "Cloud Resource Manager API has not been used in project 42 before or it is disabled."
NOT_HELD = 'Permission "artifactregistry.repositories.downloadArtifacts" denied on resource "p" (or it may not exist)'
GIVES_NO_REASON = "no reason given"

text = st.text(st.characters(codec="utf-8"), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | text,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["errors", "error", "code", "message", "status", "error_description"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)


def errors(code, message, **more):
    return json.dumps({"errors": [{"code": code, "message": message, **more}]}).encode()


@pytest.mark.parametrize(
    ("body", "status", "code", "message"),
    [
        pytest.param(
            errors("UNAUTHORIZED", "authentication required", detail=[{"Type": "registry", "Action": "*"}]),
            401,
            "UNAUTHORIZED",
            "authentication required",
            id="distribution",
        ),
        pytest.param(
            errors("NAME_UNKNOWN", "repository name not known to registry", detail={"name": "a"}),
            404,
            "NAME_UNKNOWN",
            "repository name not known to registry",
            id="distribution: an emptied repository",
        ),
        pytest.param(errors("DENIED", NO_CRM), 403, "DENIED", NO_CRM, id="Google: the API is off"),
        pytest.param(errors("DENIED", NOT_HELD), 403, "DENIED", NOT_HELD, id="Google: no permission"),
        pytest.param(
            errors("UNAUTHORIZED", "not authenticated: No valid credential was supplied."),
            401,
            "UNAUTHORIZED",
            "not authenticated: No valid credential was supplied.",
            id="Google: no credentials",
        ),
        pytest.param(
            errors("TOOMANYREQUESTS", "retry-after: 10.305464ms, allowed: 2000/minute"),
            429,
            "TOOMANYREQUESTS",
            "retry-after: 10.305464ms, allowed: 2000/minute",
            id="GHCR: the delay stays readable",
        ),
        pytest.param(
            b'{"errors":[{"code":"A","message":"one"},{"code":"B","message":"two"}]}', 400, "A", "one", id="the first"
        ),
        pytest.param(
            b'{"error":"invalid_scope","error_description":"The scope is unknown"}',
            400,
            "invalid_scope",
            "The scope is unknown",
            id="OAuth2",
        ),
        pytest.param(
            b'{"error":{"code":403,"message":"The caller lacks it","status":"PERMISSION_DENIED"}}',
            403,
            "PERMISSION_DENIED",
            "The caller lacks it",
            id="Google's REST",
        ),
        pytest.param(b"Too Many Requests\n", 429, "HTTP_429", "Too Many Requests", id="Docker Hub's abuse limit"),
        pytest.param(
            b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
            b"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx/1.27.0</center>\r\n</body>\r\n</html>\r\n",
            502,
            "HTTP_502",
            "502 Bad Gateway 502 Bad Gateway nginx/1.27.0",
            id="nginx",
        ),
        pytest.param(b"", 404, "HTTP_404", GIVES_NO_REASON, id="zot: an empty body"),
        pytest.param(b"{}", 500, "HTTP_500", GIVES_NO_REASON, id="an empty object"),
        pytest.param(b'{"errors":null}', 500, "HTTP_500", GIVES_NO_REASON, id="null errors"),
        pytest.param(b'{"errors":[]}', 500, "HTTP_500", GIVES_NO_REASON, id="no errors"),
        pytest.param(b'{"errors":[null]}', 500, "HTTP_500", GIVES_NO_REASON, id="a null error"),
        pytest.param(b'{"errors":["no"]}', 500, "HTTP_500", GIVES_NO_REASON, id="a bare word"),
        pytest.param(b'{"errors":[{"code":7,"message":["x"]}]}', 500, "HTTP_500", GIVES_NO_REASON, id="wrong types"),
        pytest.param(b'{"errors":[{"code":"DENIED"}]}', 403, "DENIED", GIVES_NO_REASON, id="a code alone"),
        pytest.param(b'{"errors":[{"message":"go away"}]}', 403, "HTTP_403", "go away", id="words alone"),
    ],
)
def test_refusals_as_registries_write_them(body, status, code, message):
    assert read_fault(body, status) == Fault(code, status, message)


@pytest.mark.parametrize(
    "page",
    [
        "<html><head><style>body { color: red }</style></head><body>403 Forbidden</body></html>",
        "<html><script type=x>if (1 < 2) alert(1)</script>403 Forbidden</html>",
        "<STYLE>\n a > b { c: d }\n</STYLE>\n<p>403\nForbidden</p>",
    ],
)
def test_nothing_of_a_pages_scripts_and_styles_is_left(page):
    assert read_fault(page.encode(), 403).message == "403 Forbidden"


@fuzz
@given(text.filter(str.isprintable).filter(bool), text.filter(str.isprintable).filter(bool), st.integers(400, 599))
def test_the_registrys_own_words_are_kept(code, message, status):
    assert read_fault(errors(code, message), status) == Fault(code, status, message)


def test_a_strangers_words_are_escaped_and_cut():
    fault = read_fault(errors("A" * 999, "\x1b[31m\u202eevil\r\n" + "x" * 9999), 403)
    assert fault.code == "A" * 59 + "…"
    assert fault.message.startswith("\\x1b[31m\\u202eevil\\r\\nxxx")
    assert fault.message.endswith("x…")
    assert len(fault.message) < 330


def test_a_strangers_page_is_escaped_and_cut():
    fault = read_fault(b"<p>\x1b[31m" + "\u202e".encode() + b"evil</p>\xff\n" + b"word " * 9999, 503)
    assert fault.message.startswith("\\x1b[31m\\u202eevil \ufffd word word")
    assert len(fault.message) < 330


@fuzz
@given(
    st.binary()
    | text.map(str.encode)
    | st.one_of(values, st.fixed_dictionaries({"errors": values})).map(json.dumps).map(str.encode),
    st.integers(100, 599),
)
def test_any_body_becomes_a_fault_that_can_be_shown(body, status):
    fault = read_fault(body, status)
    assert fault.http_status == status
    for said, limit in ((fault.code, 60), (fault.message, 300)):
        assert said
        assert said.isprintable()
        said.encode()
        assert len(said) <= limit * len("\\U0001f600")


@pytest.mark.parametrize("piece", ["<", "<style", "<script>", "</", ">", "<>", " ", "a ", '{"errors":', "\u202e"])
def test_a_hostile_body_is_read_quickly(piece):
    read_fault(piece.encode() * 300_000, 500)


def service_disabled(*details):
    return json.dumps({"error": {"code": 403, "status": "PERMISSION_DENIED", "details": list(details)}}).encode()


@pytest.mark.parametrize(
    ("body", "consumer"),
    [
        pytest.param(
            service_disabled(
                {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
                {"reason": "SERVICE_DISABLED", "metadata": {"consumer": "projects/42", "service": "s"}},
            ),
            "projects/42",
            id="Google's: the help comes first",
        ),
        pytest.param(service_disabled({"metadata": {"consumer": "\x1b[31m"}}), "\\x1b[31m", id="escaped"),
        pytest.param(service_disabled({"metadata": {"consumer": 42}}, {"metadata": []}, 7), "", id="wrong types"),
        pytest.param(b'{"error": {"details": {}}}', "", id="details that are no list"),
        pytest.param(b'{"error": "SERVICE_DISABLED"}', "", id="an error that is no object"),
        pytest.param(errors("DENIED", NO_CRM), "", id="a registry's error"),
        pytest.param(b"<html>", "", id="no JSON"),
    ],
)
def test_the_consumer_of_a_refused_request_is_read_where_google_names_it(body, consumer):
    assert read_consumer(body) == consumer


@fuzz
@given(
    st.binary()
    | values.map(lambda details: {"error": {"details": details}}).map(json.dumps).map(str.encode)
    | st.lists(values.map(lambda value: {"metadata": {"consumer": value}}), max_size=3).map(
        lambda d: service_disabled(*d)
    )
)
def test_any_bodys_consumer_can_be_shown(body):
    consumer = read_consumer(body)
    assert consumer.isprintable()
    assert len(consumer) <= 80 * len("\\U0001f600")
