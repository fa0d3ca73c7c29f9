"""What --depth, --referrers and --images-from need: manifests, conditional requests, referrers, a product's own API."""

import pytest
from support.doctor_runs import config, examine
from support.scripted import document, html, listing_path, on, plain_registry, refusal, serve
from support.scripted_images import config as image_config
from support.scripted_images import image, manifests, unchanged

APP = image(image_config("base"), "base")
DEEP = {"depth": "digests"}
REFERRERS = f"/v2/alpha/referrers/{APP.digest}"
EMPTY_INDEX = document({"schemaVersion": 2, "manifests": []})


def deep_registry():
    """A registry whose first repository has a manifest, which is not sent again where it has not changed."""
    return [unchanged("alpha", "1.0", APP), *manifests("alpha", {"1.0": APP}), *plain_registry()]


async def test_doctor_contents_are_read_as_deep_as_the_crawl_asks(tmp_path):
    async with serve([on(REFERRERS, EMPTY_INDEX), *deep_registry()]) as server:
        shallow = await examine(config(server.host, tmp_path))
        assert not [path for path in server.paths if "manifests" in path or "referrers" in path]
        deep = await examine(config(server.host, tmp_path, images={**DEEP, "referrers": "api"}))
    assert (shallow.code, shallow.amiss, deep.code, deep.amiss) == (0, {}, 0, {})
    assert {shallow.state(name) for name in ("manifest", "conditional request", "referrers")} == {"skipped"}
    assert deep.found("manifest") == f"alpha:1.0 is {APP.digest}"
    assert deep.state("conditional request") == "ok"
    assert deep.found("referrers") == f"the registry lists 0 of {APP.digest}"


async def test_doctor_contents_registry_without_conditional_requests(tmp_path):
    async with serve([*manifests("alpha", {"1.0": APP}), *plain_registry()]) as server:
        without = await examine(config(server.host, tmp_path, images=DEEP))
    async with serve(deep_registry()) as server:
        mended = await examine(config(server.host, tmp_path, images=DEEP))
    assert (without.code, without.amiss) == (3, {"conditional request": "warning"})
    assert "let If-None-Match and 304 pass" in without.advice("conditional request")
    assert (mended.code, mended.amiss) == (0, {})


async def test_doctor_contents_registry_without_referrers_api(tmp_path):
    script = [on(REFERRERS, html(404, "404 page not found")), *deep_registry()]
    async with serve(script) as server:
        without = await examine(config(server.host, tmp_path, images={**DEEP, "referrers": "api"}))
        mended = await examine(config(server.host, tmp_path, images={**DEEP, "referrers": "listed"}))
    assert (without.code, without.amiss) == (3, {"referrers": "warning"})
    assert without.advice("referrers").startswith("use --referrers listed,")
    assert (mended.code, mended.amiss) == (0, {})


async def test_doctor_contents_manifest_that_is_denied(tmp_path):
    denied = on("/v2/alpha/manifests/1.0", refusal(403, "DENIED", "no"))
    async with serve([denied, *plain_registry()]) as server:
        found = await examine(config(server.host, tmp_path, images=DEEP))
    assert (found.code, found.amiss) == (3, {"manifest": "warning"})
    assert found.advice("manifest") == "check the permissions of the account"
    assert found.skipped_for("manifest") == {"conditional request", "referrers"}


async def test_doctor_contents_pulls_are_not_spent_on_docker_hub(tmp_path):
    """A HEAD is no pull. The limit that is left is named."""
    head = APP.reply.with_headers(("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "7;w=21600")).but(
        body=b""
    )
    spent = head.but(headers=tuple((n, v.replace("7;", "0;")) for n, v in head.headers))
    names = tmp_path / "names"
    names.write_text("alpha\n")
    table = {"kind": "docker-hub", "repositories_from": names, "images": DEEP, "auth": {"method": "anonymous"}}
    for reply, code, left in ((head, 0, "7"), (spent, 3, "0")):
        async with serve([on("/v2/alpha/manifests/1.0", reply, method="HEAD"), *plain_registry()]) as server:
            found = await examine(config(server.host, tmp_path, images_from="listing", **table))
            assert not [asked for asked in server.requests if asked.method == "GET" and "manifests" in asked.path]
        assert (found.code, f"{left} pulls are left" in found.found("manifest")) == (code, True)


@pytest.mark.parametrize("answers", [True, False])
async def test_doctor_contents_products_own_api(answers, tmp_path):
    """Harbor's API lists the artifacts of a repository; where it refuses, the protocol takes over."""
    path = "/api/v2.0/projects/alpha/repositories/app/artifacts"
    artifacts = document([{"digest": APP.digest, "tags": [{"name": "1"}], "size": 1, "type": "IMAGE"}])
    names = tmp_path / "names"
    names.write_text("alpha/app\n")
    script = [
        on(path, artifacts if answers else refusal(403, "FORBIDDEN", "no")),
        *plain_registry({"alpha/app": ("1",)}),
    ]
    table = {"kind": "harbor", "images_from": "api", "repositories_from": names}
    async with serve(script) as server:
        found = await examine(config(server.host, tmp_path, **table))
        by_protocol = await examine(config(server.host, tmp_path, **{**table, "images_from": "listing"}))
    assert found.code == (0 if answers else 3)
    assert found.state("own API") == ("ok" if answers else "warning")
    assert answers or found.advice("own API").endswith("or use --images-from listing")
    assert (by_protocol.code, by_protocol.state("own API")) == (0, "skipped")


async def test_doctor_contents_listing_of_images_without_tags_has_no_manifest_to_read(tmp_path):
    empty = on(listing_path("alpha"), document({"name": "alpha", "tags": []}))
    async with serve([empty, *plain_registry({"alpha": ()})]) as server:
        found = await examine(config(server.host, tmp_path, images=DEEP))
    assert (found.code, found.found("manifest")) == (0, "no repository with a tag is known")


async def test_doctor_contents_products_own_api_without_credentials_for_it(tmp_path):
    names, token = tmp_path / "names", tmp_path / "token"
    names.write_text("owner/app\n")
    token.write_text("s3cret-pass\n")
    listed = [{"name": APP.digest, "metadata": {"container": {"tags": ["1"]}}}]
    script = [
        on("/users/owner", document({"login": "owner", "id": 9, "type": "User"})),
        on("/user", document({"login": "robot", "id": 7, "type": "User"})),
        on("/users/owner/packages/container/app/versions", document(listed)),
        on("/orgs/owner/packages/container/app/versions", document(listed)),
        *plain_registry({"owner/app": ("1",)}),
    ]
    async with serve(script) as server:
        table = {"kind": "ghcr", "images_from": "api", "repositories_from": names}
        without = await examine(config(f"{server.host}/owner", tmp_path, **table, apis={"own": server.origin}))
        own = {"own": server.origin, "token_file": token}
        with_one = await examine(config(f"{server.host}/owner", tmp_path, **table, apis=own))
    assert (without.code, without.amiss) == (3, {"own API": "warning"})
    assert without.advice("own API") == "give a token for it: registry.apis.token_file"
    assert (with_one.code, with_one.amiss) == (0, {})


async def test_doctor_contents_token_file_that_cannot_be_read(tmp_path):
    empty = tmp_path / "token"
    empty.write_text("")
    async with serve(plain_registry()) as server:
        found = await examine(config(server.host, tmp_path, kind="harbor", apis={"token_file": empty}))
    assert (found.code, found.amiss) == (1, {"discovery": "failure"})
    assert "the token file is empty" in found.found("discovery")
