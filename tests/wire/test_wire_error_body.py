"""Bodies of error responses: code, message, and what Google adds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.json_values import text

from crawler.model.record import ErrorDetail
from crawler.wire.error_body import parse_consumer, parse_error_body

NO_CRM = "Cloud Resource Manager API has not been used in project 42 before or it is disabled."
NOT_HELD = 'Permission "artifactregistry.repositories.downloadArtifacts" denied on resource "p" (or it may not exist)'
NO_REASON = "no reason given"

FIELDS = ("message", "Message", "error_description", "error_message", "title", "detail", "details", "__type", "status")

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | text,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*FIELDS, "errors", "error", "code", "metadata", "violations", "reason", "uid"]),
            inner,
            max_size=4,
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
            'authentication required: {"Type":"registry","Action":"*"}',
            id="distribution",
        ),
        pytest.param(
            errors("NAME_UNKNOWN", "repository name not known to registry", detail={"name": "a"}),
            404,
            "NAME_UNKNOWN",
            'repository name not known to registry: {"name":"a"}',
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
            b'{"errors":[{"code":"A","message":"one"},{"code":"B","message":"two"}]}',
            400,
            "A",
            "one (+1 more)",
            id="the first",
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
            "an HTML page came where JSON was due, titled '502 Bad Gateway': nginx/1.27.0",
            id="nginx",
        ),
        pytest.param(b"", 404, "HTTP_404", NO_REASON, id="zot: an empty body"),
        pytest.param(b"{}", 500, "HTTP_500", NO_REASON, id="an empty object"),
        pytest.param(b'{"errors":null}', 500, "HTTP_500", NO_REASON, id="null errors"),
        pytest.param(b'{"errors":[]}', 500, "HTTP_500", NO_REASON, id="no errors"),
        pytest.param(b'{"errors":[null]}', 500, "HTTP_500", NO_REASON, id="a null error"),
        pytest.param(b'{"errors":["no"]}', 500, "HTTP_500", "no", id="a bare word"),
        pytest.param(b'{"errors":[{"code":7,"message":["x"]}]}', 500, "HTTP_500", NO_REASON, id="wrong types"),
        pytest.param(b'{"errors":[{"code":"DENIED"}]}', 403, "DENIED", NO_REASON, id="a code alone"),
        pytest.param(b'{"errors":[{"message":"go away"}]}', 403, "HTTP_403", "go away", id="words alone"),
    ],
)
def test_error_body_as_registries_write_it(body, status, code, message):
    assert parse_error_body(body, status) == ErrorDetail(code, status, message)


@pytest.mark.parametrize(
    "page",
    [
        "<html><head><style>body { color: red }</style></head><body>403 Forbidden</body></html>",
        "<html><script type=x>if (1 < 2) alert(1)</script>403 Forbidden</html>",
        "<STYLE>\n a > b { c: d }\n</STYLE>\n<p>403\nForbidden</p>",
    ],
)
def test_error_body_text_has_no_scripts_and_styles(page):
    message = parse_error_body(page.encode(), 403).message
    assert message.removeprefix("an HTML page came where JSON was due: ") == "403 Forbidden"


@given(text.filter(str.isprintable).filter(bool), text.filter(str.isprintable).filter(bool), st.integers(400, 599))
def test_error_body_keeps_code_and_message(code, message, status):
    assert parse_error_body(errors(code, message), status) == ErrorDetail(code, status, message)


def test_error_body_message_is_escaped_and_cut():
    error = parse_error_body(errors("A" * 999, "\x1b[31m\u202eevil\r\n" + "x" * 9999), 403)
    assert error.code == "A" * 59 + "…"
    assert error.message.startswith("\\x1b[31m\\u202eevil\\r\\nxxx")
    assert error.message.endswith("x…")
    assert len(error.message) < 330


def test_error_body_page_is_escaped_and_cut():
    error = parse_error_body(b"<p>\x1b[31m" + "\u202e".encode() + b"evil</p>\xff\n" + b"word " * 9999, 503)
    assert error.message.startswith("\\x1b[31m\\u202eevil \ufffd word word")
    assert len(error.message) < 330


@given(
    st.binary()
    | text.map(str.encode)
    | st.one_of(values, st.fixed_dictionaries({"errors": values})).map(json.dumps).map(str.encode),
    st.integers(100, 599),
)
def test_error_body_of_any_bytes_is_printable(body, status):
    error = parse_error_body(body, status)
    assert error.http_status == status
    for shown, limit in ((error.code, 60), (error.message, 300)):
        assert shown
        assert shown.isprintable()
        shown.encode()
        assert len(shown) <= limit * len("\\U0001f600")


@pytest.mark.parametrize("piece", ["<", "<style", "<script>", "</", ">", "<>", " ", "a ", '{"errors":', "\u202e"])
def test_error_body_parsing_is_linear(piece):
    parse_error_body(piece.encode() * 300_000, 500)


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
def test_error_consumer_is_found_in_googles_details(body, consumer):
    assert parse_consumer(body) == consumer


@given(
    st.binary()
    | values.map(lambda details: {"error": {"details": details}}).map(json.dumps).map(str.encode)
    | st.lists(values.map(lambda value: {"metadata": {"consumer": value}}), max_size=3).map(
        lambda d: service_disabled(*d)
    )
)
def test_error_consumer_of_any_body_is_printable(body):
    consumer = parse_consumer(body)
    assert consumer.isprintable()
    assert len(consumer) <= 80 * len("\\U0001f600")


REFUSAL = "Request is prohibited by organization's policy."
IDENTIFIER = "kF3nUlV0Kz9pQ8hMsbWlGg-Y3Yx_" + "0" * 40


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(errors("A", "", detail="no such tenant"), "no such tenant", id="a detail in place of a message"),
        pytest.param(errors("A", "no", detail="no such tenant"), "no: no such tenant", id="a detail that adds to it"),
        pytest.param(errors("A", "No.", detail="ask Bob"), "No: ask Bob", id="behind a sentence"),
        pytest.param(
            errors("A", "no such tenant", detail="tenant"), "no such tenant", id="a detail that the message has already"
        ),
        pytest.param(errors("A", "no", detail=None), "no", id="a null detail"),
        pytest.param(errors("A", "no", detail={}), "no", id="an empty detail"),
        pytest.param(errors("A", "no", detail=["x", "y"]), 'no: ["x","y"]', id="a detail of several"),
        pytest.param(errors("A", "no", detail=7), "no", id="a detail that is a number"),
        pytest.param(b'{"errors":["first","second","third"]}', "first (+2 more)", id="strings"),
        pytest.param(b'{"errors":[{"code":"A"},{"code":"B"}]}', "no reason given (+1 more)", id="codes alone"),
        pytest.param(b'{"errors":"down"}', "down", id="errors that are a string"),
        pytest.param(b'{"errors":{"message":"down"}}', "down", id="errors that are an object"),
        pytest.param(b'{"error":"the disk is full"}', "the disk is full", id="an error that is a sentence"),
        pytest.param(b'{"message":"the disk is full"}', "the disk is full", id="a message"),
        pytest.param(b'{"details":"incorrect password"}', "incorrect password", id="details: Docker Hub's API"),
        pytest.param(b'{"error_message":"no quota"}', "no quota", id="error_message"),
        pytest.param(
            b'{"type":"about:blank","title":"Forbidden","status":403,"detail":"Your plan has no API"}',
            "Forbidden: Your plan has no API",
            id="problem+json",
        ),
        pytest.param(
            b'{"__type":"com.amazonaws.ecr#AccessDeniedException","Message":"User: arn is not authorized"}',
            "AccessDeniedException: User: arn is not authorized",
            id="AWS",
        ),
        pytest.param(b'{"__type":"ThrottlingException"}', "ThrottlingException", id="AWS without a message"),
        pytest.param(b'{"error":{"message":"no","details":"ask Bob"}}', "no: ask Bob", id="details that are text"),
        pytest.param(
            b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>It &amp; all is gone.</Message></Error>',
            "NoSuchKey: It & all is gone.",
            id="S3",
        ),
        pytest.param(b"<Error><Code>AccessDenied</Code></Error>", "AccessDenied", id="a code in XML"),
    ],
)
def test_error_message_is_found_in_every_form(body, message):
    assert parse_error_body(body, 503).message == message


@pytest.mark.parametrize(
    "body",
    [
        b'{"errors":["NAME_UNKNOWN"]}',
        b'{"errors":{"code":"NAME_UNKNOWN"}}',
        b'{"errors":[{"message":"NAME_UNKNOWN"}]}',
        b'{"error":"NAME_UNKNOWN to me"}',
        b'{"__type":"NAME_UNKNOWN"}',
        b'{"title":"NAME_UNKNOWN"}',
        b"<Error><Code>NAME_UNKNOWN</Code></Error>",
        b"NAME_UNKNOWN",
    ],
)
def test_error_code_is_never_taken_from_a_message(body):
    """A code can prove absence, so that a message that looks like a code must not count."""
    assert parse_error_body(body, 404).code == "HTTP_404"


@pytest.mark.parametrize(
    "details",
    [
        pytest.param([{"reason": "SECURITY_POLICY_VIOLATED", "metadata": {"uid": IDENTIFIER}}], id="ErrorInfo"),
        pytest.param(
            [
                {"violations": [{"type": "TOS"}, {"type": "VPC_SERVICE_CONTROLS", "description": IDENTIFIER}]},
                {"reason": "SECURITY_POLICY_VIOLATED", "metadata": {"uid": IDENTIFIER}},
            ],
            id="PreconditionFailure",
        ),
        pytest.param(f"vpcServiceControlsUniqueIdentifier: {IDENTIFIER}", id="text"),
        pytest.param([{"vpcServiceControlsUniqueIdentifier": IDENTIFIER}], id="a field"),
    ],
)
@pytest.mark.parametrize("message", [REFUSAL, REFUSAL + " Long-winded." * 40, ""])
def test_error_message_has_the_identifier_of_vpc_service_controls_in_full(message, details):
    document = {"error": {"code": 403, "message": message, "status": "PERMISSION_DENIED", "details": details}}
    error = parse_error_body(json.dumps(document).encode(), 403)
    assert IDENTIFIER in error.message
    assert error.message.startswith(message[:40])


def test_error_message_of_a_registry_keeps_the_identifier_of_vpc_service_controls():
    message = f"{REFUSAL} {'Long-winded. ' * 40}vpcServiceControlsUniqueIdentifier: {IDENTIFIER}"
    error = parse_error_body(errors("DENIED", message), 403)
    assert error.code == "DENIED"
    assert error.message.endswith(f"vpcServiceControlsUniqueIdentifier: {IDENTIFIER}")


def test_error_message_names_the_service_that_is_disabled():
    metadata = {"consumer": "projects/42", "service": "artifactregistry.googleapis.com"}
    error = parse_error_body(service_disabled({"reason": "SERVICE_DISABLED", "metadata": metadata}), 403)
    assert error.code == "SERVICE_DISABLED"
    assert error.message == "artifactregistry.googleapis.com is disabled in projects/42"


SSO = "https://sso.example.com/login"
LOGIN_PAGE = (
    b"\xef\xbb\xbf\n<!DOCTYPE html>\n<html><head><title lang=en>Sign in &ndash;\n Example SSO</title></head>"
    b"<body>Password</body></html>"
)


def test_error_message_describes_a_login_page_and_its_redirect():
    message = parse_error_body(LOGIN_PAGE, 403, f"{SSO}?SAMLRequest=s3cret#top").message
    assert message.startswith(
        f"an HTML page came where JSON was due, titled 'Sign in – Example SSO', after a redirect to {SSO}: "
    )
    assert "single sign-on" in message
    assert "s3cret" not in message


def test_error_message_names_the_target_of_a_redirect():
    assert parse_error_body(errors("DENIED", "no"), 403, SSO).message == f"no, after a redirect to {SSO}"
    assert parse_error_body(b"go away", 403, SSO).message == f"go away, after a redirect to {SSO}"
    assert parse_error_body(b"go away", 403, "http://[").message == "go away, after a redirect to http://["


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"Client sent an HTTP request to an HTTPS server.\n", id="Go"),
        pytest.param(
            b"<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>", id="nginx"
        ),
        pytest.param(
            b"<!DOCTYPE HTML><html><body><p>Your browser sent a request that this server could not understand.<br/>"
            b"Reason: You're speaking plain HTTP to an SSL-enabled server port.</p></body></html>",
            id="Apache httpd",
        ),
        pytest.param(b"Bad Request\r\nThis combination of host and port requires TLS.\r\n", id="Tomcat"),
    ],
)
def test_error_message_for_plain_http_at_a_tls_port_names_the_flag(body):
    assert "--no-plain-http (registry.plain_http = false)" in parse_error_body(body, 400).message
    assert "--no-plain-http" not in parse_error_body(body, 403).message


def test_error_message_for_a_missing_client_certificate_names_the_keys():
    page = b"<html><head><title>400 No required SSL certificate was sent</title></head></html>"
    assert "registry.client_certificate and registry.client_key" in parse_error_body(page, 400).message


def test_error_message_of_deep_json_is_found():
    deep = b'{"errors":[{"message":"no","detail":' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}]}"
    assert parse_error_body(deep, 500).message == "no"
    assert parse_error_body(b'{"error":' * 900 + b"1" + b"}" * 900, 500).message == NO_REASON
