"""Redirects: credentials stay on the first origin, and forbidden addresses are never requested."""

import pytest
from support.hostile_servers import (
    BASIC,
    ELSEWHERE,
    LISTING,
    VICTIM,
    WHOLE,
    WITH_PASSWORD,
    assert_others_whole,
    cases,
    crawl_fails,
    crawl_snapshot,
)
from support.scripted import (
    Reply,
    basic_registry,
    document,
    on,
    plain_registry,
    redirect,
    serve,
    token_registry,
)

import crawler

pytestmark = pytest.mark.usefixtures("few_authorities")


async def test_redirect_on_the_same_origin_keeps_credentials(tmp_path):
    script = [
        on(LISTING, redirect("/moved?to=here")),
        on("/moved", WHOLE, headers={"Authorization": BASIC}, query={"to": "here"}),
        *basic_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl_snapshot(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"
    assert_others_whole(snapshot, but="")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_to_another_port_drops_credentials(status, tmp_path):
    """The response is used, but the other port gets no Authorization header."""
    async with serve([on("/cdn", WHOLE)]) as other:
        script = [on(LISTING, redirect(f"{other.origin}/cdn", status=status)), *basic_registry()]
        async with serve(script) as server:
            snapshot = await crawl_snapshot(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"
    assert_others_whole(snapshot, but="")
    assert server.authorizations == {BASIC}
    assert other.paths == ["/cdn"]
    assert other.authorizations == set()


@cases("url", {"another-name": "http://localhost:{port}/cdn", "another-url": f"http://{ELSEWHERE}:{{port}}/cdn"})
async def test_redirect_to_another_name_of_the_same_host_drops_credentials(url, tmp_path):
    """By name, it is a foreign host."""
    async with serve([on("/cdn", WHOLE)]) as other:
        script = [on(LISTING, redirect(url.format(port=other.port))), *basic_registry()]
        async with serve(script) as server:
            snapshot = await crawl_snapshot(server, tmp_path, **WITH_PASSWORD)
    assert_others_whole(snapshot, but="")
    assert other.authorizations == set()


async def test_redirect_away_and_back_drops_credentials(tmp_path):
    """An Authorization header that was dropped on the way does not come back."""
    async with serve([on("/away", redirect("{back}"))]) as between:
        script = [
            on(LISTING, redirect(f"{between.origin}/away")),
            on("/back", WHOLE, headers={"Authorization": None}),
            *basic_registry(),
        ]
        async with serve(script) as server:
            between.say(back=f"{server.origin}/back")
            snapshot = await crawl_snapshot(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"
    assert_others_whole(snapshot, but="")
    assert between.authorizations == set()


async def test_redirect_of_the_token_server_drops_credentials(tmp_path):
    async with serve([on("/grab", document({"token": "minted-there"}))]) as other:
        script = [on("/token", redirect(f"{other.origin}/grab")), *token_registry()]
        async with serve(script) as server:
            snapshot = await crawl_snapshot(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"
    assert BASIC in server.authorizations
    assert other.authorizations == set()
    assert other.requests


async def test_redirect_with_blanks_is_encoded(tmp_path):
    """A blank in a request line ends the path: the server could choose the rest of the line."""
    script = [on(LISTING, redirect("/moved here HTTP/1.1")), on("/moved here HTTP/1.1", WHOLE), *plain_registry()]
    async with serve(script) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    assert not [asked.target for asked in server.requests if " " in asked.target]
    assert "/moved%20here%20HTTP/1.1" in [asked.target for asked in server.requests]
    assert snapshot.manifest["verdict"] == "complete"


BAD_REDIRECTS = {
    "to-itself-for-ever": ("{origin}" + LISTING, "REDIRECT", 6),
    "to-no-address": ("http://[::1/", "REDIRECT", 1),
    "to-a-port-that-is-none": ("http://127.0.0.1:99999/", "REDIRECT", 1),
    "to-no-host": ("http://:80/etc/passwd", "REDIRECT", 1),
    "to-a-file": ("file:///etc/passwd", "REDIRECT", 1),
    "to-javascript": ("javascript:alert(1)", "REDIRECT", 1),
    "to-a-gopher": ("gopher://127.0.0.1:25/_HELO", "REDIRECT", 1),
    "to-an-address-with-a-user": ("http://eve:adam@{host}/v2/", "REDIRECT", 1),
    "to-an-address-with-escapes": ("ftp://a\u202eb/", "REDIRECT", 1),
    "to-the-metadata-address": ("http://169.254.169.254/computeMetadata/v1/", "FORBIDDEN_ADDRESS", 1),
    "to-the-metadata-address-as-one-number": ("http://2852039166/", "BAD_ADDRESS", 1),
    "to-another-clouds-metadata-address": ("http://100.100.100.200/", "FORBIDDEN_ADDRESS", 1),
    "to-the-metadata-address-of-ipv6": ("http://[fd00:ec2::254]/", "FORBIDDEN_ADDRESS", 1),
    "to-a-link-local-address": ("http://169.254.7.7/", "FORBIDDEN_ADDRESS", 1),
    "to-a-link-local-address-of-ipv6": ("http://[fe80::1]/", "FORBIDDEN_ADDRESS", 1),
    "to-a-link-local-address-in-ipv6-clothes": ("http://[::ffff:169.254.7.7]/", "FORBIDDEN_ADDRESS", 1),
}


@cases("location code requests", BAD_REDIRECTS)
async def test_redirect_that_is_refused_fails_the_repository(location, code, requests, tmp_path):
    async with serve([on(LISTING, redirect(location)), *plain_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    record = snapshot.by_name[VICTIM]
    assert (record["outcome"], record["error"]["code"]) == ("failed", code)
    assert len(server.asked(LISTING)) == 2 * requests
    assert server.authorizations == set()
    assert_others_whole(snapshot)


async def test_redirect_without_location_fails_the_repository(tmp_path):
    async with serve([on(LISTING, Reply(status=302)), *plain_registry()]) as server:
        snapshot = await crawl_snapshot(server, tmp_path)
    assert snapshot.outcomes[VICTIM] == "failed"
    assert snapshot.by_name[VICTIM]["error"]["http_status"] == 302
    assert_others_whole(snapshot)


async def test_redirect_of_the_ping_to_a_file_ends_the_run(tmp_path):
    async with serve([on("/v2/", redirect("file:///etc/\u202epasswd")), *plain_registry()]) as server:
        error = await crawl_fails(server, tmp_path)
    assert isinstance(error, crawler.UnsafeAddress)
    assert server.paths == ["/v2/"]
