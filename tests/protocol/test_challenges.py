"""What a registry asks for, in the challenge of `/v2/` and in refusals: tokens, passwords, scopes, other hosts."""

import re
from pathlib import Path
from typing import Any

import pytest
from support.scripted import (
    REPOSITORIES,
    Entry,
    Reply,
    ScriptedServer,
    basic_registry,
    challenge,
    document,
    html,
    listing_path,
    on,
    plain_registry,
    redirect,
    refusal,
    serve,
    token_registry,
)
from support.snapshots import Snapshot, read_snapshot

import crawler
from crawler.auth.credentials import Credential

pytestmark = pytest.mark.usefixtures("few_authorities")

ROBOT = Credential("robot", "correct-horse-battery")
WITH_PASSWORD = {"auth": {"method": "basic", "username": ROBOT.name, "password": ROBOT.password}}
ANONYMOUS = {"auth": {"method": "anonymous"}}

REPOSITORY = "team/victim"
LISTING = listing_path(REPOSITORY)
WHOLE = document({"name": REPOSITORY, "tags": list(REPOSITORIES[REPOSITORY])})
ONE_AFTER_ANOTHER = {"attempts": 1, "concurrency": 1}

OTHER_HOST = "0.0.0.0"
"""An address that reaches this machine but is not the registry's host."""


async def crawl(
    server: ScriptedServer,
    folder: Path,
    *,
    names: tuple[str, ...] = (),
    limits: dict[str, Any] | None = None,
    **registry: Any,
) -> Snapshot:
    if names:
        (folder / "names.txt").write_text("\n".join(names))
        registry["repositories_from"] = folder / "names.txt"
    table = {"target": server.host, **registry}
    limits = limits or ONE_AFTER_ANOTHER
    output = {"path": folder / "out"}
    await crawler.crawl(crawler.Config(registry=[table], limits=limits, output=output))
    return read_snapshot(folder / "out")


def challenging(realm: str, *, scope: str = "", service: str = "scripted", error: str = "") -> Reply:
    name, value = challenge(realm, service=service)
    value += f',scope="{scope}"' if scope else ""
    value += f',error="{error}"' if error else ""
    return refusal(401, "UNAUTHORIZED", "authentication required", (name, value))


def minting(path: str = "/token", *, user: Credential | None = ROBOT) -> list[Entry]:
    """A token server whose tokens name their scope, for one user alone (None: for anonymous requests)."""
    wanted = None if user is None else re.escape(user.header)
    reads = [
        on(
            path,
            document({"token": f"for-{name}:{actions}", "expires_in": 300}),
            query={"scope": f"repository:{name}:{actions}"},
            headers={"Authorization": wanted},
        )
        for name in (*REPOSITORIES, "there/victim")
        for actions in ("pull", "metadata_read")
    ]
    return [*reads, on(path, refusal(401, "UNAUTHORIZED", "credentials needed"))]


def with_token(token: str) -> dict[str, str | None]:
    return {"Authorization": re.escape(f"Bearer {token}")}


def behind_tokens(name: str, refused: Reply, *, actions: str = "pull") -> list[Entry]:
    """A listing that requires a token of its scope."""
    whole = document({"name": name, "tags": list(REPOSITORIES[name])})
    path = listing_path(name)
    return [on(path, whole, headers=with_token(f"for-{name}:{actions}")), on(path, refused)]


def challenging_scope(name: str, **more: str) -> Reply:
    return challenging("{origin}/token", scope=f"repository:{name}:{more.pop('actions', 'pull')}", **more)


# ------------------------------------------------------------------------------------- learned again from refusals


@pytest.mark.parametrize("who", [ROBOT, None], ids=["with a login", "anonymous"])
async def test_challenge_of_a_listing_is_learned_where_the_ping_is_open(who, tmp_path):
    """zot with an anonymous policy (moby/moby#50896): one refusal is enough, other repositories get none."""
    script = [
        *(entry for name in REPOSITORIES for entry in behind_tokens(name, challenging_scope(name))),
        *minting(user=who),
        *plain_registry(),
    ]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, **(ANONYMOUS if who is None else WITH_PASSWORD))
    assert snapshot.manifest["verdict"] == "complete"
    listings = [asked for asked in server.requests if asked.path.endswith("/tags/list")]
    assert len(listings) == len(REPOSITORIES) + 1
    assert len(server.asked("/token")) == len(REPOSITORIES)


@pytest.mark.parametrize("separate", [False, True], ids=["in one header", "in two headers"])
async def test_challenge_bearer_is_preferred_where_basic_is_offered_too(separate, tmp_path):
    bearer = challenge("{origin}/token")[1]
    offers = ['Basic realm="registry"', bearer] if separate else [f'Basic realm="registry", {bearer}']
    refused = refusal(401, "UNAUTHORIZED", "no", *(("WWW-Authenticate", offer) for offer in offers))
    script = [
        on(entry.match.path, refused if entry.reply.status == 401 else entry.reply, headers=entry.match.headers)
        for entry in token_registry()
    ]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"
    assert {asked.authorization for asked in server.requests if asked.path != "/token"} & {ROBOT.header} == set()


async def test_challenge_of_a_listing_may_be_basic_where_tokens_are_refused(tmp_path):
    """Harbor accepts passwords everywhere; once accepted, the scheme is used first for later requests."""
    basic = refusal(401, "UNAUTHORIZED", "no", ("WWW-Authenticate", 'Basic realm="harbor"'))
    guarded = [
        entry
        for name in REPOSITORIES
        for entry in (
            on(
                listing_path(name),
                document({"name": name, "tags": ["1"]}),
                headers={"Authorization": re.escape(ROBOT.header)},
            ),
            on(listing_path(name), basic),
        )
    ]
    async with serve([*guarded, *token_registry()]) as server:
        snapshot = await crawl(server, tmp_path, **WITH_PASSWORD)
    assert set(snapshot.outcomes.values()) == {"ok"}
    assert [asked.authorization for asked in server.asked(listing_path("zulu"))] == [ROBOT.header]


async def test_challenge_basic_of_denied_repositories_costs_few_passwords(tmp_path):
    """Harbor challenges every token this way, and denies the password as well: only a few are tried."""
    names = tuple(f"denied/app-{number}" for number in range(10))
    basic = refusal(401, "UNAUTHORIZED", "no", ("WWW-Authenticate", 'Basic realm="harbor"'))
    denied = [on(listing_path(name), basic) for name in names]
    async with serve([*denied, *token_registry()]) as server:
        snapshot = await crawl(server, tmp_path, names=("alpha", *names, "zulu"), **WITH_PASSWORD)
    outcomes = snapshot.outcomes
    assert (outcomes.pop("alpha"), outcomes.pop("zulu")) == ("ok", "ok")
    assert set(outcomes.values()) == {"denied"}
    listings = [asked for asked in server.requests if asked.path.startswith("/v2/denied/")]
    assert len([asked for asked in listings if asked.authorization == ROBOT.header]) == 3
    assert len(listings) == 2 * len(names) + 3


async def test_challenge_names_the_actions_that_listings_want(tmp_path):
    """Azure's scope-map tokens (Azure/acr#676) need `metadata_read` in place of `pull`; one refusal is enough."""
    script = [
        *(
            entry
            for name in REPOSITORIES
            for entry in behind_tokens(
                name,
                challenging_scope(name, actions="metadata_read", error="insufficient_scope"),
                actions="metadata_read",
            )
        ),
        *minting(),
        *token_registry(),
    ]
    limits = {"attempts": 1, "concurrency": 1}
    async with serve([on("/token", document({"token": "c"}), query={"scope": "registry:.*"}), *script]) as server:
        snapshot = await crawl(server, tmp_path, **WITH_PASSWORD, limits=limits)
    assert snapshot.manifest["verdict"] == "complete"
    assert len(server.asked(listing_path("zulu"))) == 1
    assert [asked.query["scope"] for asked in server.asked("/token")][-1] == ["repository:zulu:metadata_read"]


@pytest.mark.parametrize(
    "scope",
    [
        f"repository:{REPOSITORY}:pull,push",
        f"repository:{REPOSITORY}:*",
        f"repository:{REPOSITORY}:delete",
        "repository:team/other:metadata_read",
        f"repository:{REPOSITORY}",
        "aws",
        ":::",
        "registry:catalog:*",
    ],
)
async def test_challenge_with_a_scope_that_is_not_about_reading_this_repository_is_ignored(scope, tmp_path):
    refused = challenging("{origin}/token", scope=scope, error="insufficient_scope")
    async with serve([on(LISTING, refused), *token_registry()]) as server:
        snapshot = await crawl(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.outcomes == {"alpha": "ok", REPOSITORY: "denied", "zulu": "ok"}
    scopes = {value for asked in server.asked("/token") for value in asked.query["scope"]}
    assert scopes == {"registry:catalog:*", *(f"repository:{name}:pull" for name in REPOSITORIES)}


async def test_challenge_names_the_service_and_realm_of_a_repository(tmp_path):
    """Artifact Registry's `/v2/` names no service, its repositories do."""
    refused = challenging("{origin}/tokens/there", scope=f"repository:{REPOSITORY}:pull", service="there")
    script = [*behind_tokens(REPOSITORY, refused), *minting("/tokens/there"), *token_registry()]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, **WITH_PASSWORD, names=(REPOSITORY,))
    assert snapshot.outcomes == {REPOSITORY: "ok"}
    assert [asked.query["service"] for asked in server.asked("/tokens/there")] == [["there"]]


async def test_challenge_of_a_refusal_with_an_untrusted_realm_gets_no_password(tmp_path, caplog):
    async with serve([on("/token", document({"token": "stolen"}))], address=OTHER_HOST) as other:
        challenge_elsewhere = challenging(
            f"http://{OTHER_HOST}:{other.port}/token", scope=f"repository:{REPOSITORY}:pull"
        )
        async with serve([on(LISTING, challenge_elsewhere), *token_registry()]) as server:
            snapshot = await crawl(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.outcomes == {"alpha": "ok", REPOSITORY: "denied", "zulu": "ok"}
    assert other.requests == []
    warnings = [line for line in caplog.messages if "registry.realms" in line]
    assert len(warnings) == 1
    assert f"{OTHER_HOST}:{other.port}" in warnings[0]


async def test_challenge_of_a_refusal_with_a_trusted_realm_is_answered(tmp_path):
    async with serve(minting(), address=OTHER_HOST) as other:
        challenge_elsewhere = challenging(
            f"http://{OTHER_HOST}:{other.port}/token", scope=f"repository:{REPOSITORY}:pull"
        )
        async with serve([*behind_tokens(REPOSITORY, challenge_elsewhere), *token_registry()]) as server:
            snapshot = await crawl(server, tmp_path, **WITH_PASSWORD, realms=[OTHER_HOST], names=(REPOSITORY,))
    assert snapshot.outcomes == {REPOSITORY: "ok"}


# ------------------------------------------------------------------------------------------------------ other hosts


@pytest.mark.parametrize("who", [WITH_PASSWORD, ANONYMOUS], ids=["with a login", "anonymous"])
async def test_redirect_to_another_host_gets_an_anonymous_token_of_its_own(who, tmp_path):
    """registry.k8s.io redirects to Artifact Registry, where the repository has another name."""
    there = listing_path("there/victim")
    refused = challenging("{origin}/token", scope="repository:there/victim:pull", service="there")
    script = [on(there, WHOLE, headers=with_token("for-there/victim:pull")), on(there, refused), *minting(user=None)]
    async with serve(script, address=OTHER_HOST) as other:
        moved = redirect(f"http://{OTHER_HOST}:{other.port}{there}")
        async with serve([on(LISTING, moved), *token_registry()]) as server:
            snapshot = await crawl(server, tmp_path, **who)
    assert snapshot.outcomes == {"alpha": "ok", REPOSITORY: "ok", "zulu": "ok"}
    assert other.authorizations == {"Bearer for-there/victim:pull"}
    assert not server.authorizations & other.authorizations


async def test_redirect_to_another_host_that_wants_a_password_gets_none(tmp_path):
    wants = refusal(401, "UNAUTHORIZED", "no", ("WWW-Authenticate", 'Basic realm="there"'))
    async with serve([on(LISTING, wants)], address=OTHER_HOST) as other:
        moved = redirect(f"http://{OTHER_HOST}:{other.port}{LISTING}")
        async with serve([on(LISTING, moved, headers={"Authorization": "Basic .*"}), *basic_registry()]) as server:
            snapshot = await crawl(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.outcomes == {"alpha": "ok", REPOSITORY: "denied", "zulu": "ok"}
    assert other.authorizations == set()


# ------------------------------------------------------------------------------------------------- a hidden `/v2/`


@pytest.mark.parametrize("ping", [html(404, "no such page"), html(403, "not here")], ids=["404", "403"])
@pytest.mark.parametrize("who", [WITH_PASSWORD, ANONYMOUS], ids=["with a login", "anonymous"])
async def test_challenge_of_a_ping_that_a_gateway_hides_is_not_needed(ping, who, tmp_path):
    async with serve([on("/v2/", ping), *plain_registry()]) as server:
        snapshot = await crawl(server, tmp_path, **who)
    assert snapshot.manifest["verdict"] == "complete"


async def test_challenge_of_a_listing_is_learned_where_the_ping_is_hidden(tmp_path):
    guarded = [entry for name in REPOSITORIES for entry in behind_tokens(name, challenging_scope(name))]
    catalog = on("/v2/_catalog", document({"repositories": list(REPOSITORIES)}))
    async with serve([on("/v2/", html(404)), catalog, *guarded, *minting()]) as server:
        snapshot = await crawl(server, tmp_path, **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"


async def test_challenge_of_a_server_without_ping_and_catalog_is_an_error(tmp_path):
    async with serve([on(None, html(404, "no such page"))]) as server:
        with pytest.raises(crawler.RegistryError, match="no such page"):
            await crawl(server, tmp_path, **ANONYMOUS)
