"""Secrets that a server quotes: they are in no error, record, log or snapshot, in whatever form they are quoted."""

import html
import json
import logging
from base64 import b64encode
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.scripted import (
    REPOSITORIES,
    basic_registry,
    catalog_path,
    challenge,
    document,
    listing_path,
    on,
    plain_registry,
    raw,
    redirect,
    refusal,
    serve,
    token_registry,
)
from support.snapshots import read_snapshot

import crawler
from crawler.transport.redact import WITHHELD, Redactor

PASSWORD = 'p\u00e4ss"w\\<rd&+/=x'
CREDENTIALS = b64encode(f"robot:{PASSWORD}".encode()).decode()
BASIC = f"Basic {CREDENTIALS}"
KEY = {"type": "service_account", "private_key_id": "0123456789abcdef", "private_key": "-----BEGIN-\nMIIEvQIBADANBg\n"}
LISTING = listing_path("team/victim")
SOME = {"Authorization": "Basic .+"}


def in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def json_in_json(text: str) -> str:
    return in_json(in_json(text))


def entities(text: str) -> str:
    return "".join(f"&#{ord(c)};" for c in text)


def hex_entities(text: str) -> str:
    return "".join(f"&#x{ord(c):X};" for c in text)


def every_byte(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


def all_units(text: str) -> str:
    return "".join(f"\\u{unit:04X}" for unit in memoryview(text.encode("utf-16-le")).cast("H"))


ESCAPES = {
    "as it is": str,
    "JSON in ASCII": in_json,
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON with slashes escaped": lambda text: in_json(text).replace("/", "\\/"),
    "JSON all escaped": all_units,
    "JSON in JSON": json_in_json,
    "a URL": lambda text: quote(text, safe=""),
    "a URL's path": quote,
    "a URL in lower case": every_byte,
    "a form": quote_plus,
    "HTML": html.escape,
    "HTML by numbers": entities,
    "HTML by hexadecimal numbers": hex_entities,
    "HTML in JSON": lambda text: in_json(html.escape(text)),
    "a URL in JSON": lambda text: in_json(quote(text)),
    "Python's bytes": lambda text: repr(text.encode())[2:-1],
    "Latin-1 taken for text": lambda text: text.encode().decode("latin-1"),
    "lines of five": lambda text: "\r\n ".join(text[i : i + 5] for i in range(0, len(text), 5)),
}


@pytest.mark.parametrize("secret", [PASSWORD, CREDENTIALS], ids=["password", "credentials"])
@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)
def test_redaction_of_every_escape(escape, secret):
    assert Redactor([BASIC]).text(f"refused: '{escape(secret)}', sorry") == f"refused: '{WITHHELD}', sorry"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_redaction_of_a_body_in_any_encoding(encoding):
    body = f"wrong password {PASSWORD}\n".encode(encoding)
    assert Redactor([BASIC]).body(body) == b"wrong password [withheld]\n"


@pytest.mark.parametrize("length", range(8, len(PASSWORD)))
def test_redaction_of_a_password_cut_short(length):
    redacted = Redactor([BASIC]).text(f"'{PASSWORD[:length]}...'")
    assert redacted.replace("+", "") == "'[withheld]...'"  # a plus sign at its ends may be left


def test_redaction_leaves_a_prefix_that_is_too_short():
    assert Redactor([BASIC]).text(f"'{PASSWORD[:7]}...'") == f"'{PASSWORD[:7]}...'"


def test_redaction_of_short_passwords_needs_the_whole_password():
    header = "Basic " + b64encode(b"robot:abcd").decode()
    assert Redactor([header]).text("abc, abcd") == "abc, [withheld]"


def test_redaction_of_a_bearer_token_and_of_a_posted_identity_token():
    redactor = Redactor(["Bearer eyJhbGciOi.eyJpc3Mi"], (("client_id", "registry-crawler"), ("refresh_token", "id/+x")))
    redacted = redactor.text("registry-crawler sent eyJhbGciOi.eyJpc3Mi and id%2F%2Bx")
    assert redacted == "registry-crawler sent [withheld] and [withheld]"


def test_redaction_of_a_service_accounts_key_withholds_its_secret_fields():
    header = "Basic " + b64encode(f"_json_key:{json.dumps(KEY)}".encode()).decode()
    text = Redactor([header]).text(json.dumps({"type": "about:blank", "detail": f"bad {KEY['private_key']}"}))
    assert json.loads(text) == {"type": "about:blank", "detail": "bad [withheld]\n"}
    assert WITHHELD in Redactor([header]).text(KEY["private_key_id"])


def test_redaction_keeps_json_readable():
    body = json.dumps({"errors": [{"code": "BAD", "message": f"no {PASSWORD}"}]}).encode()
    assert json.loads(Redactor([BASIC]).body(body)) == {"errors": [{"code": "BAD", "message": "no [withheld]"}]}


def test_redaction_of_adjacent_secrets():
    assert Redactor([BASIC]).text(PASSWORD * 2 + CREDENTIALS) == WITHHELD * 3


@given(st.text(), st.sampled_from([[], [BASIC], ["Bearer x"]]))
@settings(deadline=None)
def test_redaction_leaves_other_text_unchanged(text, headers):
    assume("robot" not in text)
    assert Redactor(headers).text(text) is text


letters = st.text("abcdefgXYZ0189-_.~", min_size=2, max_size=4)
specials = st.sampled_from(
    ["", "%", "\\", "&", "+", '"', "'", "<", "/", "=", ":", " ", "\u00e4", "\u20ac", "\U0001f600"]
)
passwords = st.lists(st.tuples(letters, specials), min_size=3, max_size=8).map(lambda p: "".join(map("".join, p)))
surroundings = st.sampled_from(["", " ", "'", '"', ": ", "(", "=", "\n", "wrong password ", "\\", "%", "&", "\\\\"])


@given(passwords, st.lists(st.sampled_from(sorted(ESCAPES)), min_size=1, max_size=2), surroundings, surroundings)
@settings(deadline=None, max_examples=150)
def test_redaction_of_any_password_however_escaped(password, names, before, after):
    header = "Basic " + b64encode(f"u:{password}".encode()).decode()
    assume("Latin-1 taken for text" not in names[1:])  # a header's bytes are decoded before they are quoted
    quoted = password
    for name in names:
        quoted = ESCAPES[name](quoted)
    assume(
        not before.endswith(("\\", "%", "&")) or names == ["as it is"]
    )  # else it is another text than the server means
    redacted = Redactor([header]).text(before + quoted + after)
    assert WITHHELD in redacted
    assert quoted not in redacted


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_redaction_accepts_any_bytes(body):
    assert isinstance(Redactor([BASIC]).body(body), bytes)


async def test_redaction_of_data_withholds_credentials_alone(tmp_path):
    tags = [PASSWORD, BASIC, CREDENTIALS[:-1], "1.0"]
    async with serve([on(LISTING, document({"name": "team/victim", "tags": tags})), *basic_registry()]) as server:
        auth = {"method": "basic", "username": "robot", "password": PASSWORD}
        config = crawler.Config(registry=[{"target": server.host, "auth": auth}], output={"path": tmp_path})
        await crawler.crawl(config)
    redacted = [PASSWORD, f"Basic {WITHHELD}", CREDENTIALS[:-1], "1.0"]
    assert read_snapshot(tmp_path).by_name["team/victim"]["tags"] == redacted


# ---------------------------------------------------------------------------------------------------- over the wire


BODY_THAT_QUOTES = {
    "the-password": refusal(400, "BAD", f"wrong password {PASSWORD}"),
    "the-password-in-html": document(f"<p>wrong password {html.escape(PASSWORD)}</p>", status=400),
    "the-password-in-a-form": document(f"password={quote_plus(PASSWORD)}", status=400),
    "the-header": refusal(400, "BAD", "your header was {authorization}"),
    "the-header-cut-short": document(f"blocked value '{BASIC[:-4]}...'", status=400),
    "the-header-as-the-code": refusal(400, CREDENTIALS, "no"),
    "the-password-in-a-redirect": redirect(f"ftp://elsewhere/{quote(PASSWORD)}"),
    "the-header-in-a-redirect": redirect("ftp://elsewhere/{authorization}"),
    "the-header-as-a-key": document({"manifest": {"{authorization}": 1}}),
    "the-password-as-a-key": document({"manifest": {PASSWORD: 1}}),
    "the-header-as-a-tag": document({"name": "team/victim", "tags": ["{authorization}"]}),
    "the-header-as-a-header": raw(b"HTTP/1.1 200 OK\r\nAuthorization {authorization}\r\nContent-Length: 2\r\n\r\n{}"),
    "the-password-as-a-header": raw(b"HTTP/1.1 200 OK\r\nX \xc3\xa4 " + PASSWORD.encode() + b"\r\n\r\n"),
    "the-header-as-a-status": raw(b"HTTP/1.1 {authorization}\r\n\r\n"),
    "the-header-as-a-chunk": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{authorization}\r\n"),
    "the-header-in-a-link": document({"tags": ["1"]}, ("Link", f'<{LISTING}?last={{authorization}}>; rel="next"')),
}


@pytest.mark.parametrize("reply", BODY_THAT_QUOTES.values(), ids=BODY_THAT_QUOTES)
async def test_redaction_of_what_a_registry_quotes(reply, tmp_path, caplog):
    """Nothing that a reader could decode is in the records, the manifest or the most verbose log."""
    caplog.set_level(logging.DEBUG)
    following = on(LISTING, document("no", status=400), query={"last": ".*"})
    async with serve([following, on(LISTING, reply), *basic_registry()]) as server:
        auth = {"method": "basic", "username": "robot", "password": PASSWORD}
        config = crawler.Config(
            registry=[{"target": server.host, "auth": auth}], limits={"attempts": 1}, output={"path": tmp_path}
        )
        await crawler.crawl(config)
    snapshot = read_snapshot(tmp_path)
    text = caplog.text + "".join(path.read_text() for path in snapshot.folder.iterdir())
    assert WITHHELD in text
    for secret in (PASSWORD, CREDENTIALS):
        for escape in ESCAPES.values():
            assert escape(secret)[:-4] not in text
            assert in_json(escape(secret))[:-4] not in text
    assert snapshot.by_name["alpha"]["tags"] == list(REPOSITORIES["alpha"])


async def test_redaction_leaves_data_that_equals_a_short_token(tmp_path):
    async with serve([on("/token", document({"token": "edge"})), *token_registry()]) as server:
        config = crawler.Config(registry=[{"target": server.host}], output={"path": tmp_path})
        await crawler.crawl(config)
    assert read_snapshot(tmp_path).by_name["team/victim"]["tags"] == ["edge"]


@pytest.mark.parametrize("password", ["registry-2026", "registry-app", "test"])
async def test_redaction_leaves_cursors_that_hold_the_password(password, tmp_path):
    """A cursor that begins with the password, or holds it, still leads to the next page."""
    repositories = {"registry-app": ["1"], "registry-test": ["2"], "zulu": ["3"]}
    link = ("Link", '</v2/_catalog?last=registry-test&n=2>; rel="next"')
    behind = on(catalog_path(), document({"repositories": ["zulu"]}), query={"last": "registry-test"})
    first = on(catalog_path(), document({"repositories": ["registry-app", "registry-test"]}, link), headers=SOME)
    async with serve([behind, first, *basic_registry(repositories)]) as server:
        auth = {"method": "basic", "username": "robot", "password": password}
        config = crawler.Config(registry=[{"target": server.host, "auth": auth}], output={"path": tmp_path})
        manifest = await crawler.crawl(config)
    assert manifest.counts.ok == len(repositories)


async def test_redaction_of_what_a_token_server_quotes(tmp_path):
    refused = refusal(401, "UNAUTHORIZED", f"incorrect username or password: robot/{PASSWORD}")
    script = [
        on("/token", refused),
        on("/v2/", refusal(401, "UNAUTHORIZED", "who?", challenge("{origin}/token"))),
    ]
    async with serve(script) as server:
        auth = {"method": "basic", "username": "robot", "password": PASSWORD}
        config = crawler.Config(registry=[{"target": server.host, "auth": auth}], output={"path": tmp_path})
        with pytest.raises(crawler.CrawlerError) as caught:
            await crawler.crawl(config)
    assert f"robot/{WITHHELD}" in str(caught.value)


async def test_redaction_changes_nothing_without_credentials(tmp_path):
    async with serve([on(LISTING, refusal(400, "BAD", "no")), *plain_registry()]) as server:
        config = crawler.Config(registry=[{"target": server.host}], limits={"attempts": 1}, output={"path": tmp_path})
        await crawler.crawl(config)
    assert read_snapshot(tmp_path).by_name["team/victim"]["error"]["message"] == "no"


async def test_redaction_of_a_proxys_password(tmp_path, monkeypatch, caplog):
    """A proxy for plain http reads the request itself, and may quote its headers."""
    caplog.set_level(logging.DEBUG)
    credentials = b64encode(f"us:{PASSWORD}".encode()).decode()
    quoting = refusal(400, "BAD", f"not {PASSWORD}, not Basic {credentials}")
    tags = document({"name": "alpha", "tags": [f"Basic {credentials}"]})
    broken = document({"manifest": {PASSWORD: 1}})
    script = [on(listing_path("alpha"), tags), on(LISTING, quoting), on(listing_path("zulu"), broken)]
    async with serve([*script, *plain_registry()]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://us:{quote(PASSWORD, safe='')}@{proxy.host}")
        table = {"target": "registry.example.com", "plain_http": True, "auth": {"method": "anonymous"}}
        config = crawler.Config(registry=[table], limits={"attempts": 1}, output={"path": tmp_path})
        await crawler.crawl(config)
    snapshot = read_snapshot(tmp_path)
    assert snapshot.by_name["team/victim"]["error"]["message"] == f"not {WITHHELD}, not Basic {WITHHELD}"
    assert snapshot.by_name["alpha"]["tags"] == [f"Basic {WITHHELD}"]
    text = caplog.text + json.dumps(snapshot.records, ensure_ascii=False)
    assert WITHHELD in snapshot.by_name["zulu"]["error"]["message"]
    assert PASSWORD[:8] not in text
    assert credentials not in text
