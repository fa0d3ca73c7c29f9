"""Every registry in `crawler.profiles`, as its documentation says it behaves: a crawl of it is whole, or says why not.

The scripts stand in `registries`, with what a crawl of each has to bring; here is what they all have in common, and
what is special about one of them.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.scripted import Entry, Reply, ScriptedServer, document, html, on, refusal, serve
from support.snapshots import Snapshot, folders, read_snapshot

import crawler
from crawler.profiles import PROFILES_BY_KIND
from registries import (
    EMULATED,
    SCRIPTED,
    Scripted,
    acr,
    distribution,
    docker_hub,
    ecr,
    ghcr,
    gitlab,
    harbor,
    quay,
)
from registries.vocabulary import BASIC, PASSWORD, WITH_PASSWORD, at, scope_of

TESTS = Path(__file__).parents[1]
CATALOG = "/v2/_catalog"
SECRETS = (PASSWORD, BASIC.removeprefix("Basic "), acr.IDENTITY_TOKEN, "session-1", "minted-")

ELSEWHERE = "0.0.0.0"
"""An address that reaches this machine, and by its name does not: a foreign host that a test can listen on."""


pytestmark = pytest.mark.usefixtures("few_authorities")


@pytest.fixture(autouse=True)
def docker(tmp_path, monkeypatch) -> Path:
    """Docker's folder, empty: nobody's own logins or proxies are in sight."""
    for variable in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)
    folder = tmp_path / "docker"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder


def config(server: ScriptedServer, folder: Path, **told: Any) -> crawler.Config:
    """`{origin}` in what is told is the server's. Quotas are those of the real ones, and off."""
    limits = {"attempts": 1, "read_timeout": 5, "concurrency": 16, "rate": "none", **told.pop("limits", {})}
    listed = told.pop("listed", ())
    table = {"target": server.host, **json.loads(json.dumps(told).replace("{origin}", server.origin))}
    if listed:
        table["repositories_from"] = folder / "names.txt"
        table["repositories_from"].write_text("".join(f"{name}\n" for name in listed))
    return crawler.Config(registry=[table], limits=limits, output={"path": folder / "out"})


async def crawl(server: ScriptedServer, folder: Path, **told: Any) -> Snapshot:
    """Crawl, and read the snapshot with what holds for every one of them."""
    manifest = await crawler.crawl(config(server, folder, **told))
    snapshot = read_snapshot(folder / "out")
    assert snapshot.manifest["verdict"] == manifest.verdict
    assert (manifest.verdict == "complete") == snapshot.has_success == (not snapshot.manifest["reasons"])
    published = b"".join(path.read_bytes() for path in snapshot.folder.iterdir())
    assert not [secret for secret in SECRETS if secret.encode() in published]
    return snapshot


async def fails(server: ScriptedServer, folder: Path, **told: Any) -> crawler.CrawlerError:
    """Crawl in vain: the error is one line for a person, without secrets, and nothing is published."""
    with pytest.raises(crawler.CrawlerError) as caught:
        await crawler.crawl(config(server, folder, **told))
    said = str(caught.value)
    assert said.isprintable()
    assert not [secret for secret in SECRETS if secret in said]
    assert not folders(folder / "out")
    return caught.value


def mistakes(text: str, folder: Path) -> tuple[str, ...]:
    """What is wrong with a `[[registry]]` table."""
    file = folder / "config.toml"
    file.write_text(f"[[registry]]\n{text}\n")
    with pytest.raises(crawler.ConfigError) as refused:
        crawler.Config.load(file)
    return refused.value.mistakes


def login(docker: Path, **auths: Any) -> None:
    """What `docker login` leaves."""
    (docker / "config.json").write_text(json.dumps({"auths": auths}))


def shown(server: ScriptedServer, secret: str = "Basic ") -> Counter[str]:
    """The paths at which a password was seen, and how often."""
    return Counter(asked.path for asked in server.requests if (asked.authorization or "").startswith(secret))


def assert_whole(snapshot: Snapshot, of: Scripted) -> None:
    """Every repository has its record and all of its tags, as they are."""
    tags = {name: record["tags"] for name, record in snapshot.by_name.items()}
    assert tags == {**{name: list(told) for name, told in of.holds.items()}, **{name: [] for name in of.missing}}
    assert snapshot.outcomes == {**dict.fromkeys(of.holds, "ok"), **dict.fromkeys(of.missing, "missing")}
    assert not [record for record in snapshot.records if record["suspect"]]


# ------------------------------------------------------------------------------------------------------- all of them


@pytest.mark.parametrize("name", SCRIPTED)
async def test_a_crawl_of(name, tmp_path):
    of = SCRIPTED[name]
    async with serve(of.script) as server:
        target = f"{server.host}/{of.prefix}" if of.prefix else server.host
        snapshot = await crawl(server, tmp_path, target=target, kind=of.kind, listed=of.listed, **of.config)
    assert_whole(snapshot, of)
    assert snapshot.manifest["verdict"] == ("partial" if of.doubt else "complete")
    assert of.doubt in "".join(snapshot.manifest["reasons"])
    assert of.evidence in snapshot.manifest["discovery"]["evidence"]
    assert (len(server.requests), snapshot.manifest["requests"]["total"]) == (of.exchanges, of.exchanges)
    assert snapshot.manifest["requests"]["token"] == of.tokens
    assert set(shown(server)) == of.shown_to
    assert {record["registry"] for record in snapshot.records} <= {server.host}


BY_NAME = {
    "ghcr.io": "ghcr",
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com": "ecr",
    "public.ecr.aws": "ecr-public",
    "ours.azurecr.io": "acr",
    "mcr.microsoft.com": "mcr",
    "quay.io": "quay",
}


@pytest.mark.parametrize("host", BY_NAME)
async def test_a_crawl_of_what_is_known_by_its_name(host, tmp_path, monkeypatch):
    """Nobody says of which kind it is. All that is asked goes through a proxy, which is the server."""
    of = SCRIPTED[BY_NAME[host]]
    async with serve(of.script) as server:
        monkeypatch.setenv("http_proxy", server.origin)
        server.host = host
        snapshot = await crawl(server, tmp_path, plain_http=True, listed=of.listed, **of.config)
    assert_whole(snapshot, of)
    assert snapshot.manifest["verdict"] == "complete"
    assert of.evidence in snapshot.manifest["discovery"]["evidence"]
    assert len(server.requests) == of.exchanges
    assert set(shown(server)) == of.shown_to
    assert {record["registry"] for record in snapshot.records} == {host}


def test_each_kind_is_scripted():
    """A line more in `crawler.profiles.TABLE` wants a script of what it is about."""
    assert sorted({of.kind for of in SCRIPTED.values()} | EMULATED.keys()) == sorted(PROFILES_BY_KIND)
    assert not [file for file in EMULATED.values() if not (TESTS / file).is_file()]


@pytest.mark.parametrize("kind", [kind for kind in PROFILES_BY_KIND if kind not in EMULATED])
def test_each_kind_has_a_module_of_its_name(kind):
    assert (TESTS / "registries" / f"{kind.replace('-', '_')}.py").is_file()


@pytest.mark.parametrize("name", SCRIPTED)
def test_each_script_is_worth_its_name(name):
    assert name.startswith(SCRIPTED[name].kind) or name.endswith("-unnamed")


# ------------------------------------------------------------------------------------------------- CNCF distribution


async def test_distribution_is_never_asked_for_pages_of_tags(tmp_path):
    """2.8 does not know them, and 3.1 tells all to whoever does not ask."""
    async with serve(distribution.OF_2) as server:
        await crawl(server, tmp_path)
    assert {asked.target for asked in server.requests if asked.path != CATALOG} == {
        "/v2/",
        *(f"/v2/{name}/tags/list" for name in distribution.NAMES),
    }


async def test_distribution_says_what_became_of_a_repository_whose_last_tag_is_deleted(tmp_path):
    async with serve(distribution.OF_2) as server:
        snapshot = await crawl(server, tmp_path)
    assert snapshot.by_name["gone"]["error"] == {
        "code": "NAME_UNKNOWN",
        "http_status": 404,
        "message": "repository name not known to registry",
    }
    counts = snapshot.manifest["counts"]
    assert (counts["repositories"], counts["ok"], counts["missing"]) == (5, 4, 1)


async def test_distribution_with_a_token_server_that_fails_in_passing(tmp_path):
    """That says nothing of the size of pages: the catalog is read in as large ones as ever."""
    passing = on("/token", html(502, "502 Bad Gateway"), query={"scope": "registry:.*"}, times=1)
    of = distribution.V3_1
    async with serve([passing, *of.script]) as server:
        snapshot = await crawl(
            server, tmp_path, kind="distribution", limits={"attempts": 2}, **{**of.config, "page_size": 1000}
        )
    assert_whole(snapshot, of)
    assert [asked.query["n"] for asked in server.asked(CATALOG)] == [["1000"]]


async def test_distribution_with_a_token_server_that_is_down(tmp_path):
    """It is tried as often as is configured, and not once more for every size of page."""
    down = on("/token", html(502, "502 Bad Gateway"))
    async with serve([down, *distribution.V3_1.script]) as server:
        error = await fails(server, tmp_path, kind="distribution", **WITH_PASSWORD)
    assert "the token server" in str(error)
    assert len(server.asked("/token")) == 1


# -------------------------------------------------------------------------------------------------------- Docker Hub

HUB = "https://index.docker.io/v1/"
AUTH_DOCKER_IO = "http://auth.docker.io/token"


def the_hub(user: str | None = None) -> tuple[Entry, ...]:
    """Two hosts behind one proxy, which answers as the API where it is asked as itself."""
    return (
        *at("registry-1.docker.io", docker_hub.registry(AUTH_DOCKER_IO)),
        *at("auth.docker.io", docker_hub.token_server(user)),
        *docker_hub.api(),
    )


async def crawl_the_hub(server: ScriptedServer, folder: Path, monkeypatch, **told: Any) -> Snapshot:
    """Under its own name: all but the API is asked through a proxy, which is the server."""
    monkeypatch.setenv("http_proxy", server.origin)
    return await crawl(
        server,
        folder,
        target="docker.io/library",
        plain_http=True,
        apis={"docker_hub": server.origin},
        **told,
    )


def hosts(server: ScriptedServer) -> Counter[str]:
    return Counter(asked.headers["host"] for asked in server.requests)


async def test_docker_hub_by_its_name(tmp_path, monkeypatch):
    async with serve(the_hub()) as server:
        snapshot = await crawl_the_hub(server, tmp_path, monkeypatch)
    assert_whole(snapshot, docker_hub.AS_ANYBODY)
    assert snapshot.manifest["verdict"] == "complete"
    assert hosts(server) == {"registry-1.docker.io": 1 + 102, "auth.docker.io": 102, server.host: 2}
    assert {record["registry"] for record in snapshot.records} == {"docker.io"}
    assert server.authorizations == {asked.authorization for asked in server.requests if "/tags/" in asked.path}


async def test_docker_hub_with_a_login_of_dockers(tmp_path, monkeypatch, docker):
    """The password is for auth.docker.io alone: neither the registry nor the API sees it."""
    login(docker, **{HUB: {"username": "robot", "password": PASSWORD}})
    async with serve(the_hub(BASIC)) as server:
        snapshot = await crawl_the_hub(server, tmp_path, monkeypatch)
    assert_whole(snapshot, docker_hub.WITH_LOGIN)
    assert snapshot.manifest["verdict"] == "partial"
    (reason,) = snapshot.manifest["reasons"]
    assert "private ones" in reason
    assert "repositories_from" in reason
    assert {asked.headers["host"] for asked in server.requests if asked.authorization == BASIC} == {"auth.docker.io"}


async def test_docker_hub_whose_abuse_limit_is_met(tmp_path):
    """Plain text, without a delay: one is waited all the same, and the listing had."""
    of = docker_hub.AS_ANYBODY
    throttled = on("/v2/library/alpine/tags/list", docker_hub.THROTTLED, times=1)
    async with serve([throttled, *of.script]) as server:
        snapshot = await crawl(
            server,
            tmp_path,
            target=f"{server.host}/library",
            kind="docker-hub",
            include=["library/alpine"],
            **of.config,
        )
    assert snapshot.outcomes == {"library/alpine": "ok"}
    assert (snapshot.manifest["requests"]["throttled"], snapshot.manifest["requests"]["retries"]) == (1, 1)


async def test_docker_hub_whose_api_breaks_off(tmp_path):
    of = docker_hub.AS_ANYBODY
    broken = on("/v2/namespaces/library/repositories", Reply(status=500), query={"page": "2"})
    async with serve([broken, *of.script]) as server:
        snapshot = await crawl(server, tmp_path, target=f"{server.host}/library", kind="docker-hub", **of.config)
    assert snapshot.manifest["verdict"] == "partial"
    assert "listed 100 of 102 public repositories" in snapshot.manifest["discovery"]["evidence"]
    assert len(snapshot.records) == 100


async def test_docker_hub_whose_api_leads_in_a_circle(tmp_path):
    """What the pages told is recorded, the last one's too; that these are all is nothing to rely on."""
    path = "/v2/namespaces/library/repositories"
    names = [{"name": name.removeprefix("library/")} for name in docker_hub.HOLDS]
    told = {"count": len(names), "results": names[100:], "next": f"{{origin}}{path}?page_size=100"}
    of = docker_hub.AS_ANYBODY
    async with serve([on(path, document(told), query={"page": "2"}), *of.script]) as server:
        snapshot = await crawl(server, tmp_path, target=f"{server.host}/library", kind="docker-hub", **of.config)
    assert set(snapshot.by_name) == set(docker_hub.HOLDS)
    assert snapshot.manifest["verdict"] == "partial"
    assert "then failed: GET " in snapshot.manifest["discovery"]["evidence"]
    assert "its next page is an earlier one" in snapshot.manifest["discovery"]["evidence"]
    assert len(server.asked(path)) == 2


async def test_docker_hub_without_such_a_namespace(tmp_path):
    nobody = on("/v2/namespaces/nobody/repositories", docker_hub.NO_NAMESPACE)
    of = docker_hub.AS_ANYBODY
    async with serve([nobody, *of.script]) as server:
        snapshot = await crawl(server, tmp_path, target=f"{server.host}/nobody", kind="docker-hub", **of.config)
    assert (snapshot.manifest["verdict"], snapshot.records) == ("partial", [])
    assert "object not found" in snapshot.manifest["reasons"][0]
    assert "check the namespace" in snapshot.manifest["reasons"][0]


async def test_docker_hub_tells_no_catalog(tmp_path):
    of = docker_hub.AS_ANYBODY
    async with serve(of.script) as server:
        error = await fails(server, tmp_path, kind="docker-hub", discovery="catalog")
    assert isinstance(error, crawler.Denied)


@pytest.mark.parametrize("text", ['target = "docker.io"', 'target = "localhost:5000"\nkind = "docker-hub"'])
def test_docker_hub_wants_a_namespace(text, tmp_path):
    (mistake,) = mistakes(text, tmp_path)
    assert "docker.io/NAMESPACE" in mistake


# -------------------------------------------------------------------------------------------------------------- GHCR


async def test_ghcr_whose_delay_stands_in_words(tmp_path):
    """Ten milliseconds, and not the second that an unsaid delay would be."""
    busy = on("/v2/owner/tool/tags/list", ghcr.BUSY, times=1)
    async with serve([busy, *ghcr.SCRIPT]) as server:
        snapshot = await crawl(server, tmp_path, kind="ghcr", listed=ghcr.GHCR.listed, limits={"concurrency": 1})
    assert_whole(snapshot, ghcr.GHCR)
    asked = snapshot.manifest["requests"]
    assert (asked["throttled"], asked["retries"]) == (1, 1)
    assert asked["wait_s"] < 0.5


async def test_ghcr_is_asked_for_one_repository_at_a_time(tmp_path):
    """A foreign scope, as in its own challenge, fails the whole token request."""
    async with serve(ghcr.SCRIPT) as server:
        await crawl(server, tmp_path, kind="ghcr", listed=ghcr.GHCR.listed)
    assert sorted(asked.query["scope"] for asked in server.asked("/token")) == [
        [scope_of("owner/app")],
        [scope_of("owner/tool")],
    ]


async def test_ghcr_with_a_private_repository(tmp_path):
    """Its token server refuses already."""
    listed = (*ghcr.GHCR.listed, "owner/private")
    async with serve(ghcr.SCRIPT) as server:
        snapshot = await crawl(server, tmp_path, kind="ghcr", listed=listed)
    assert snapshot.outcomes == {"owner/app": "ok", "owner/tool": "ok", "owner/private": "denied"}
    assert snapshot.by_name["owner/private"]["error"]["code"] == "DENIED"
    assert snapshot.manifest["reasons"] == ["1 repository denied"]
    assert server.asked("/v2/owner/private/tags/list") == []


async def test_ghcr_has_no_catalog(tmp_path):
    async with serve(ghcr.SCRIPT) as server:
        error = await fails(server, tmp_path, kind="ghcr", discovery="catalog")
    assert isinstance(error, crawler.UnexpectedStatus)
    assert error.http_status == 404


@pytest.mark.parametrize(
    "text",
    [
        'target = "ghcr.io"',
        'target = "ghcr.io/owner"',
        'target = "mirror.example.com"\nkind = "ghcr"',
        'target = "public.ecr.aws"',
        'target = "localhost:5000"\nkind = "ecr-public"',
    ],
)
def test_who_tells_nobody_its_repositories_wants_a_list(text, tmp_path):
    (mistake,) = mistakes(text, tmp_path)
    assert "does not list its repositories: name them with repositories_from" in mistake


# --------------------------------------------------------------------------------------------------------------- ECR


@pytest.fixture
def helper(tmp_path, docker, monkeypatch) -> Path:
    """docker-credential-ecr-login, which says another password each time; what it was asked stands in the file."""
    asked = tmp_path / "asked"
    asked.touch()
    program = tmp_path / "docker-credential-ecr-login"
    program.write_text(
        "#!/bin/sh\n"
        f"cat >> {asked}\n"
        f"echo >> {asked}\n"
        f"number=$(wc -l < {asked})\n"
        'echo "{\\"Username\\": \\"AWS\\", \\"Secret\\": \\"session-$((number))\\"}"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return asked


EXPIRING = {
    "in-the-catalog": ecr.expiring_at(CATALOG, last=".*"),
    "among-the-listings": ecr.expiring_at("/v2/app/tags/list"),
    "in-json": ecr.expiring_at("/v2/app/tags/list", ecr.DENIED_AS_EXPIRED),
    "between-a-listings-pages": ecr.expiring_at(ecr.BASE, last=".*"),
}


@pytest.mark.parametrize("concurrency", [1, 16])
@pytest.mark.parametrize("script", EXPIRING.values(), ids=EXPIRING)
async def test_ecr_whose_password_expires(script, concurrency, tmp_path, docker, helper):
    """A 403, of which mostly nothing can be read: the helper is asked again, once, and the crawl goes on."""
    async with serve(script) as server:
        (docker / "config.json").write_text(json.dumps({"credHelpers": {server.host: "ecr-login"}}))
        snapshot = await crawl(server, tmp_path, kind="ecr", page_size=2, limits={"concurrency": concurrency})
    assert_whole(snapshot, ecr.ECR)
    assert snapshot.manifest["verdict"] == "complete"
    assert helper.read_text().split() == [server.host] * 2
    assert server.authorizations == set(ecr.passwords(2))
    # what was under way with the old password was refused with it
    assert ecr.ECR.exchanges < len(server.requests) <= ecr.ECR.exchanges + concurrency + 1


async def test_ecr_that_denies_a_repository(tmp_path, docker, helper):
    """That is a 403 as well, and stays one with a fresh password."""
    denied = on("/v2/web/tags/list", refusal(403, "DENIED", "User is not authorized to perform: ecr:ListImages"))
    script = [denied, *ecr.expiring_at("/v2/web/tags/list")]
    async with serve(script) as server:
        (docker / "config.json").write_text(json.dumps({"credHelpers": {server.host: "ecr-login"}}))
        snapshot = await crawl(server, tmp_path, kind="ecr", limits={"concurrency": 1})
    assert snapshot.by_name["web"]["outcome"] == "denied"
    assert snapshot.by_name["web"]["error"]["code"] == "DENIED"
    assert snapshot.manifest["reasons"] == ["1 repository denied"]
    assert len(server.asked("/v2/web/tags/list")) == 2


# --------------------------------------------------------------------------------------------------------------- ACR


async def test_acr_by_an_identity_token(tmp_path, docker):
    """As `az acr login` leaves it: exchanged by POST for an access token of each scope, and seen nowhere else."""
    of = acr.BY_IDENTITY_TOKEN
    async with serve(of.script) as server:
        nobody = {"auth": "MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOg==", "identitytoken": acr.IDENTITY_TOKEN}
        login(docker, **{server.host: nobody})
        snapshot = await crawl(server, tmp_path, kind="acr", **of.config)
    assert_whole(snapshot, of)
    assert snapshot.manifest["verdict"] == "complete"
    assert len(server.requests) == snapshot.manifest["requests"]["total"] == of.exchanges
    assert snapshot.manifest["requests"]["token"] == of.tokens
    assert {asked.path for asked in server.requests if asked.method == "POST"} == {"/oauth2/token"}
    assert not shown(server)


async def test_acr_whose_catalog_is_frail_is_asked_for_less_and_less(tmp_path):
    async with serve(acr.FRAIL.script) as server:
        await crawl(server, tmp_path, kind="acr", **acr.FRAIL.config)
    assert [asked.query["n"] for asked in server.asked(CATALOG)] == [["1000"], ["100"], ["5"], ["5"]]


async def test_acr_whose_catalog_is_frail_in_the_middle_goes_on_from_there(tmp_path):
    async with serve(acr.FRAIL_IN_THE_MIDDLE.script) as server:
        await crawl(server, tmp_path, kind="acr", **acr.FRAIL_IN_THE_MIDDLE.config)
    assert [(asked.query["n"], asked.query.get("last")) for asked in server.asked(CATALOG)] == [
        (["1000"], None),
        (["1000"], [acr.MIDDLE]),
        (["100"], [acr.MIDDLE]),
        (["1000"], None),  # two failures in a row: does the catalog still answer what it answered last?
        (["5"], [acr.MIDDLE]),
    ]


# -------------------------------------------------------------------------------------------------------------- Quay


async def test_acr_with_one_listing_that_is_down_asks_the_others_for_no_less(tmp_path):
    """A 502 is about the work that a page is, where the catalog gives it; of a listing it is just a 502."""
    names = [f"app-{number}" for number in range(20)]
    down = on("/v2/app-3/tags/list", Reply(status=502))
    listings = [on(f"/v2/{name}/tags/list", document({"name": name, "tags": ["1"]})) for name in names]
    script = [on("/v2/", document({})), on("/v2/_catalog", document({"repositories": names})), down, *listings]
    async with serve(script) as server:
        snapshot = await crawl(server, tmp_path, kind="acr", limits={"concurrency": 1})
    assert snapshot.outcomes["app-3"] == "failed"
    assert sum(outcome == "ok" for outcome in snapshot.outcomes.values()) == 19
    sizes = [asked.query["n"] for asked in server.requests if asked.path.endswith("/tags/list")]
    assert sizes == [["1000"]] * (20 + 1)  # app-3 is asked for once more at the end


async def test_quay_gets_its_cursors_back_and_none_of_our_own(tmp_path):
    async with serve(quay.CLAMPED) as server:
        await crawl(server, tmp_path, kind="quay", **WITH_PASSWORD)
    assert not [asked for asked in server.requests if "last" in asked.query]
    assert len(server.asked(CATALOG)) == 2
    assert len(server.asked("/v2/org/app/tags/list")) == 3


async def test_quay_gives_a_token_for_the_catalog_to_whoever_asks_for_none(tmp_path):
    async with serve(quay.CLAMPED) as server:
        await crawl(server, tmp_path, kind="quay", include=["org/app"], **WITH_PASSWORD)
    assert [asked.query.get("scope") for asked in server.asked("/v2/auth")] == [None, [scope_of("org/app")]]


async def test_quay_as_anybody_is_not_asked_for_a_token_for_the_catalog(tmp_path):
    async with serve(quay.TO_ANYBODY) as server:
        snapshot = await crawl(server, tmp_path, kind="quay")
    assert server.asked("/v2/auth") == []
    assert not snapshot.manifest["discovery"]["complete"]


async def test_quay_that_nobody_has_named(tmp_path):
    """Its token server refuses the catalog's scope, once; an empty answer to nobody would have to be taken for all."""
    async with serve(quay.UNNAMED) as server:
        error = await fails(server, tmp_path, **WITH_PASSWORD)
    assert "the token server" in str(error)
    assert len(server.asked("/v2/auth")) == 1


# ------------------------------------------------------------------------------------------------------------ Harbor


@pytest.mark.parametrize("of", [harbor.HARBOR, harbor.UNNAMED], ids=["named", "unnamed"])
async def test_harbor_sees_the_password_at_the_catalog_alone(of, tmp_path):
    """It asks for Basic wherever it refuses a token as well, and gets another token there."""
    async with serve(of.script) as server:
        await crawl(server, tmp_path, kind=of.kind, **of.config)
    assert shown(server) == {CATALOG: 2, "/service/token": of.tokens}
    first, second = server.asked("/v2/library/web/tags/list")
    assert (first.authorization, second.authorization) == (
        "Bearer minted-for-repository:library/web:pull-1",
        "Bearer minted-for-repository:library/web:pull-2",
    )


async def test_harbor_to_whoever_is_no_administrator(tmp_path):
    """The catalog is refused whoever we say to be; a list of names is had all the same."""
    forbidden = on(CATALOG, harbor.REFUSED)
    async with serve([forbidden, *harbor.SCRIPT]) as server:
        error = await fails(server, tmp_path, kind="harbor", **WITH_PASSWORD)
        assert isinstance(error, crawler.Denied)
        snapshot = await crawl(server, tmp_path, kind="harbor", listed=tuple(harbor.HOLDS), **WITH_PASSWORD)
    assert snapshot.manifest["verdict"] == "complete"


# ------------------------------------------------------------------------------------------------------------ GitLab


async def test_gitlab_by_its_name(tmp_path, monkeypatch):
    """gitlab.com may see what is meant for registry.gitlab.com, and nobody has to say so."""
    script = [
        *at("registry.gitlab.com", gitlab.registry("http://gitlab.com/jwt/auth")),
        *at("gitlab.com", gitlab.token_server()),
    ]
    async with serve(script) as server:
        monkeypatch.setenv("http_proxy", server.origin)
        snapshot = await crawl(
            server,
            tmp_path,
            target="registry.gitlab.com/group",
            plain_http=True,
            listed=tuple(gitlab.HOLDS),
            **WITH_PASSWORD,
        )
    assert_whole(snapshot, gitlab.OWN)
    assert snapshot.manifest["verdict"] == "complete"
    assert {asked.headers["host"] for asked in server.requests if asked.authorization == BASIC} == {"gitlab.com"}
    assert hosts(server) == {"registry.gitlab.com": 1 + 3, "gitlab.com": 3}


async def test_gitlab_of_ones_own_wants_its_token_server_named(tmp_path):
    async with serve(gitlab.token_server(), address=ELSEWHERE) as tokens:
        async with serve(gitlab.registry(f"{tokens.origin}/jwt/auth")) as server:
            error = await fails(server, tmp_path, kind="gitlab", **WITH_PASSWORD)
        assert isinstance(error, crawler.CredentialsError)
        assert "registry.realms" in str(error)
        assert tokens.requests == []
        async with serve(gitlab.registry(f"{tokens.origin}/jwt/auth")) as server:
            snapshot = await crawl(server, tmp_path, kind="gitlab", realms=[ELSEWHERE], **WITH_PASSWORD)
    assert_whole(snapshot, gitlab.OWN)
    assert snapshot.manifest["verdict"] == "complete"
    assert not shown(server)
    assert len(tokens.requests) == 4


@pytest.mark.parametrize("concurrency", [1, 8, 64])
async def test_gitlab_with_a_wrong_password(concurrency, tmp_path):
    """It is shown to GitLab a few times, and never so often that it shuts out the whole address for an hour."""
    listed = tuple(f"group/image-{number}" for number in range(200))
    script = [*gitlab.wrong_passwords(), *gitlab.registry("{origin}/jwt/auth")]
    async with serve(script) as server:
        error = await fails(
            server, tmp_path, kind="gitlab", listed=listed, limits={"concurrency": concurrency}, **WITH_PASSWORD
        )
    assert isinstance(error, crawler.GaveUp)
    assert len(server.asked("/jwt/auth")) < gitlab.BEARABLE


@pytest.mark.parametrize("concurrency", [8, 16, 64])
async def test_gitlab_with_a_password_that_is_revoked(concurrency, tmp_path):
    """As an access token is that runs out at midnight: until then it was good, and all are busy with it."""
    listed = tuple(f"group/image-{number}" for number in range(400))
    script = [gitlab.good_for(100), *gitlab.wrong_passwords(), *gitlab.ANY_TOKENS]
    async with serve(script) as server:
        error = await fails(
            server, tmp_path, kind="gitlab", listed=listed, limits={"concurrency": concurrency}, **WITH_PASSWORD
        )
    assert isinstance(error, crawler.GaveUp)
    assert len(server.asked("/jwt/auth")) - 100 < gitlab.BEARABLE


# ------------------------------------------------------------------------------------------------- scopes and sizes

LARGEST = {
    "distribution-2.8": ("1000", None),
    "ghcr": (None, "1000"),
    "ecr": ("1000", "1000"),
    "ecr-public": (None, "1000"),
    "acr": ("1000", "1000"),
    "mcr": ("1000", None),
    "quay": ("100", "100"),
    "harbor": ("1000", None),
    "gitea": ("100", "100"),
}
"""The largest pages of names and of tags that are granted; None where none are asked for."""


@pytest.mark.parametrize("name", LARGEST)
async def test_as_much_is_asked_for_as_is_granted_by(name, tmp_path):
    of, (names, tags) = SCRIPTED[name], LARGEST[name]
    told = {**of.config, "page_size": None, "include": [next(iter(of.holds))]}
    async with serve(of.script) as server:
        await crawl(server, tmp_path, kind=of.kind, listed=of.listed, **told)
    asked = {False: set(), True: set()}
    for first in (asked for asked in server.requests if asked.query.keys() <= {"n"}):
        asked["/tags/" in first.path] |= {first.query.get("n", [None])[0]}
    assert asked[True] == {tags}
    assert asked[False] - {None} == {names} - {None}


@pytest.mark.parametrize("name", SCRIPTED)
async def test_nobody_is_asked_for_no_entries_or_sent_an_empty_scope(name, tmp_path):
    """OpenShift fails at n=0, and some token servers at `scope=`, as zot's challenge has it."""
    of = SCRIPTED[name]
    async with serve(of.script) as server:
        target = f"{server.host}/{of.prefix}" if of.prefix else server.host
        few = [next(iter(of.holds), "none")]
        told = {**of.config, "include": few, "kind": of.kind}
        await crawl(server, tmp_path, target=target, listed=of.listed, **told)
    assert not [asked for asked in server.requests if asked.path == CATALOG and asked.query.get("n") == ["0"]]
    assert not [asked for asked in server.requests if asked.query.get("scope") in ([""], ["*"])]
