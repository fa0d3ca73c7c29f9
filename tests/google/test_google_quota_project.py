"""The quota project: from the environment or the credentials' file, and sent to Google's APIs alone."""

import json

import pytest
from support.google_sources import authorized_user, federated, federated_impersonating, impersonated, service_account
from support.one_project import SCRIPT, TOKEN
from support.scripted import document, on, serve
from support.scripted_google import SEARCH, crawling
from support.snapshots import read_snapshot
from support.token_endpoints import ACCOUNT, IAM

import crawler

VARIABLE = "GOOGLE_CLOUD_QUOTA_PROJECT"
HEADER = "x-goog-user-project"
LISTINGS = "/v2/acme/team/app/tags/list"
MESSAGE = "Caller does not have required permission to use project quotas. Grant the caller the role."


def denied(reason="USER_PROJECT_DENIED", message=MESSAGE):
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": "cloudresourcemanager.googleapis.com", "consumer": "projects/quotas"},
    }
    return {"code": 403, "status": "PERMISSION_DENIED", "message": message, "details": [info]}


def quota_projects_sent(server):
    """The quota projects that each kind of service received."""
    kinds = {"/v1/": "api", "/v3/": "api", "/v2/": "registry", "/oau": "token"}
    sent = {"api": set(), "registry": set(), "token": set()}
    for asked in server.requests:
        sent[kinds[asked.path[:4]]].add(asked.headers.get(HEADER))
    return sent


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    for variable in (VARIABLE, "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))


@pytest.fixture
async def key(google):
    registry = await google(repositories=1)
    return json.loads(registry.key_file.read_text())


def using(server, folder, key, **auth) -> crawler.Config:
    """The configuration of a crawl with a key, which `key_file` may replace."""
    (folder / "key.json").write_text(json.dumps({**key, "token_uri": f"{server.origin}{TOKEN}"}))
    apis = {"artifact_registry": server.origin, "resource_manager": server.origin}
    auth = {"method": "access-token", "key_file": folder / "key.json", **auth}
    return crawling(server.host, folder, auth=auth, apis=apis)


@pytest.mark.parametrize(
    ("variable", "in_file", "sent"),
    [
        ("quotas", None, "quotas"),
        (None, "quotas", "quotas"),
        ("quotas", "others", "quotas"),
        ("", "quotas", "quotas"),
        ("example.com:quotas", None, "example.com:quotas"),
        ("", None, None),
        (None, 7, None),
    ],
)
@pytest.mark.parametrize("is_default", [False, True], ids=["key-file", "default-credentials"])
async def test_quota_project_is_sent_to_the_apis_alone(variable, in_file, sent, is_default, key, tmp_path, monkeypatch):  # noqa: PLR0917
    if variable is not None:
        monkeypatch.setenv(VARIABLE, variable)
    if in_file is not None:
        key["quota_project_id"] = in_file
    if is_default:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    async with serve(SCRIPT) as server:
        changes = {"key_file": None} if is_default else {}
        manifest = await crawler.crawl(using(server, tmp_path, key, **changes))
    assert manifest.verdict == "complete"
    assert quota_projects_sent(server) == {"api": {sent}, "registry": {None}, "token": {None}}


async def test_quota_project_is_sent_with_a_json_key(key, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "quotas")
    async with serve(SCRIPT) as server:
        await crawler.crawl(using(server, tmp_path, key, method="json-key"))
    assert quota_projects_sent(server) == {"api": {"quotas"}, "registry": {None}, "token": {None}}


async def test_quota_project_of_the_environment_is_sent_with_a_given_token(tmp_path, monkeypatch):
    """The default credentials' file is not read: the token is not of its account."""
    (tmp_path / "adc.json").write_text('{"quota_project_id": "of-others"}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "adc.json"))
    for expected in (None, "quotas"):
        if expected is not None:
            monkeypatch.setenv(VARIABLE, expected)
        async with serve(SCRIPT) as server:
            apis = {"artifact_registry": server.origin, "resource_manager": server.origin}
            await crawler.crawl(crawling(server.host, tmp_path, apis=apis))
        assert quota_projects_sent(server)["api"] == {expected}


@pytest.mark.parametrize("source", [service_account, authorized_user, federated, federated_impersonating, impersonated])
async def test_quota_project_of_default_credentials_is_sent_to_the_apis(source, world):
    """And to IAM, where an account is impersonated."""
    world.provide({**source(world), "quota_project_id": "quotas"})
    apis_of = {"iam_credentials": world.endpoints.origin}
    async with serve(SCRIPT) as server:
        apis_of |= {"artifact_registry": server.origin, "resource_manager": server.origin}
        auth = {"method": "access-token", "key_file": None}
        await crawler.crawl(crawling(server.host, world.registry.folder, auth=auth, apis=apis_of))
    assert quota_projects_sent(server)["api"] == {"quotas"}
    sent = {path: quota for path, quota in world.endpoints.quota_projects if path != IAM or quota != "quotas"}
    assert set(sent.values()) <= {None}
    assert ((IAM, "quotas") in world.endpoints.quota_projects) is (source in {federated_impersonating, impersonated})


def account_of_endpoints(world):
    return {**service_account(world), "token_uri": f"{world.endpoints.origin}/token"}


@pytest.mark.parametrize("source", [account_of_endpoints, authorized_user, federated])
async def test_quota_project_is_sent_to_iam_for_an_impersonation(source, world):
    world.provide({**source(world), "quota_project_id": "of-the-file"})
    world.environment.setenv(VARIABLE, "quotas")
    await world.crawl(impersonate=ACCOUNT)
    assert [quota for path, quota in world.endpoints.quota_projects if path == IAM] == ["quotas"]


async def test_quota_project_of_gclouds_login_is_found(world):
    folder = world.registry.folder / "gcloud"
    folder.mkdir()
    world.environment.setenv("CLOUDSDK_CONFIG", str(folder))
    login = {**authorized_user(world), "quota_project_id": "quotas"}
    (folder / "application_default_credentials.json").write_text(json.dumps(login))
    async with serve(SCRIPT) as server:
        apis = {"artifact_registry": server.origin, "resource_manager": server.origin}
        auth = {"method": "access-token"}
        await crawler.crawl(crawling(server.host, world.registry.folder, auth=auth, apis=apis))
    assert quota_projects_sent(server)["api"] == {"quotas"}


@pytest.mark.parametrize("named", [VARIABLE, "quota_project_id of"])
async def test_quota_project_that_is_denied_is_named_with_its_setting(named, key, tmp_path, monkeypatch):
    if named == VARIABLE:
        monkeypatch.setenv(VARIABLE, "quotas")
    else:
        key["quota_project_id"] = "quotas"
        named = f"{named} {tmp_path / 'key.json'}"
    refused = on(SEARCH, document({"error": denied()}, status=403))
    async with serve([refused, *SCRIPT]) as server:
        await crawler.crawl(using(server, tmp_path, key))
    (reason, *_) = read_snapshot(tmp_path / "out").manifest["reasons"]
    assert f"403 USER_PROJECT_DENIED: the account may not use the quota project quotas (set by {named})" in reason
    assert "roles/serviceusage.serviceUsageConsumer on that project, or set another one: Caller does not" in reason


async def test_quota_project_that_is_denied_for_one_project_is_denied_for_all(key, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "quotas")
    refused = on("/v1/projects/acme/locations/us/repositories", document({"error": denied()}, status=403))
    async with serve([refused, *SCRIPT]) as server:
        await crawler.crawl(using(server, tmp_path, key))
    (reason, *_) = read_snapshot(tmp_path / "out").manifest["reasons"]
    assert f"may not use the quota project quotas (set by {VARIABLE})" in reason


async def test_quota_project_that_iam_denies_is_named(world):
    world.endpoints.iam_refusal = denied()
    world.environment.setenv(VARIABLE, "quotas")
    world.provide(authorized_user(world))
    line = await world.error_message(impersonate=ACCOUNT)
    assert line.startswith(
        f"IAM refuses to impersonate {ACCOUNT}: the account may not use the quota project quotas (set by"
    )
    assert "serviceAccountTokenCreator" not in line


async def test_quota_project_that_is_missing_is_asked_for(key, tmp_path):
    wants = "The cloudresourcemanager.googleapis.com API requires a quota project, which is not set by default."
    refused = on(SEARCH, document({"error": denied("SERVICE_DISABLED", wants)}, status=403))
    async with serve([refused, *SCRIPT]) as server:
        await crawler.crawl(using(server, tmp_path, key))
    (reason, *_) = read_snapshot(tmp_path / "out").manifest["reasons"]
    assert f"set {VARIABLE} to a project in which the API is enabled and which the account may use: The cloud" in reason


@pytest.mark.parametrize("value", ["two projects", "a\nb", "projects/acme", "é"])
async def test_quota_project_that_is_malformed_is_refused(value, key, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, value)
    async with serve(SCRIPT) as server:
        with pytest.raises(crawler.CredentialsError, match=f"^{VARIABLE} is not a project's id: '"):
            await crawler.crawl(using(server, tmp_path, key))
    assert server.requests == []
