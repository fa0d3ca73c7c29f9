"""Text from the server in errors: escaped, cut, and without the secrets of the request."""

import pytest
from support.hostile_servers import (
    LISTING,
    SECRETS,
    VICTIM,
    WITH_PASSWORD,
    cases,
    crawl_snapshot,
)
from support.scripted import (
    basic_registry,
    html,
    on,
    plain_registry,
    refusal,
    serve,
    token_registry,
)

pytestmark = pytest.mark.usefixtures("few_authorities")


CONTROL_TEXT = {
    "clear-the-screen": ("\x1b[2J\x1b[H", "\\x1b[2J\\x1b[H"),
    "set-the-title": ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
    "speak-in-c1-controls": ("\x9b2J", "\\x9b2J"),
    "write-backwards": ("\u202e\u2066txt", "\\u202e\\u2066txt"),
    "begin-a-line": ("one\r\n2026-01-01 INFO all is well", "one\\r\\n2026-01-01 INFO all is well"),
    "begin-a-line-of-unicode": ("one\u2028two\u2029three\u0085", "one\\u2028two\\u2029three\\x85"),
    "hold-nul": ("a\x00b", "a\\x00b"),
    "hide": ("a\u200b\ufeff\u00adb", "a\\u200b\\ufeff\\xadb"),
}


@cases("text escaped", CONTROL_TEXT)
async def test_error_text_is_escaped_in_record_and_log(text, escaped, tmp_path, caplog):
    async with serve([on(LISTING, refusal(400, f"C{text}", f"M{text}")), *plain_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    error = snapshot.by_name[VICTIM]["error"]
    assert error == {"code": f"C{escaped}", "http_status": 400, "message": f"M{escaped}"}
    assert all(entry.getMessage().isprintable() for entry in caplog.records)


@cases("reply", {"json": refusal(400, "LONG" * 1000, "long " * 10_000), "html": html(400, "long " * 10_000)})
async def test_error_text_is_cut(reply, tmp_path):
    async with serve([on(LISTING, reply), *plain_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    error = snapshot.by_name[VICTIM]["error"]
    assert len(error["code"]) <= 60
    assert len(error["message"]) <= 300
    assert "long" in error["message"]


@cases("registry_entries", {"a-password": basic_registry(), "a-token": token_registry()})
async def test_secret_echoed_in_an_error_is_not_published_or_logged(registry_entries, tmp_path, caplog):
    """The error page repeats the Authorization header of the request."""
    echo = refusal(400, "BAD", "your header was Authorization: {authorization}")
    async with serve([on(LISTING, echo), *registry_entries]) as server:
        await crawl_snapshot(server, tmp_path, **WITH_PASSWORD)
    assert not [secret for secret in SECRETS if secret in caplog.text]
